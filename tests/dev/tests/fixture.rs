//! A server of six directories and what most tests do with one.

use std::future::Future;

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{Outcome, S3, outcome};
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::Options;
use tokio::runtime::Runtime;

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const BUCKET: &str = "bucket";

/// Options of a server on six new directories: the smallest set with the default profile of a cluster, 4+2.
pub(crate) fn six_disks(label: &str) -> (Scratch, Options) {
    let scratch = Scratch::new(label);
    let options = Options::new(&scratch, scratch.disks(6));
    (scratch, options)
}

/// A runtime for the clients of a test. Two threads: the server needs the machine more.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Objects of every way in which they are kept: inline, in one stripe, in many, and in parts.
#[derive(Clone, Debug)]
pub(crate) struct Specimen {
    pub(crate) key: String,
    pub(crate) pattern: Pattern,
    pub(crate) part_bytes: Option<u64>,
}

pub(crate) fn specimens() -> Vec<Specimen> {
    let plain = [
        (0, 3),
        (1, 3),
        (KIB, 20),
        (16 * KIB, 10),
        (16 * KIB + 1, 20),
        (100 * KIB, 30),
        (MIB, 15),
        (5 * MIB + 7, 6),
        (33 * MIB, 2),
    ];
    let in_parts = [
        (18 * MIB, Some(6 * MIB), 2),
        (11 * MIB + 3, Some(5 * MIB), 3),
    ];
    let plain = plain.map(|(len, count)| (len, None, count));
    let mut specimens = Vec::new();
    for (len, part_bytes, count) in plain.into_iter().chain(in_parts) {
        for number in 0..count {
            let kind = if part_bytes.is_some() {
                "parts"
            } else {
                "plain"
            };
            let key = format!("{kind}/{len}/{number}");
            specimens.push(Specimen {
                pattern: Pattern::of(&key, 0, len),
                key,
                part_bytes,
            });
        }
    }
    specimens
}

/// Writes all specimens into a new bucket.
pub(crate) async fn write_all(client: &S3, specimens: &[Specimen]) {
    let created = client.create_bucket(BUCKET).await.unwrap();
    assert_eq!(created.status, 200, "{}", created.text());
    in_batches(specimens, |specimen| {
        let client = client.clone();
        async move {
            let (key, pattern) = (&specimen.key, &specimen.pattern);
            let done = match specimen.part_bytes {
                Some(part_bytes) => {
                    client
                        .put_parts(BUCKET, key, &pattern.parts(part_bytes))
                        .await
                }
                None => outcome(&client.put(BUCKET, key, pattern.bytes()).await),
            };
            assert_eq!(done, Outcome::Done, "{key}");
        }
    })
    .await;
}

/// Reads all specimens and compares them bit for bit.
pub(crate) async fn check_all(client: &S3, specimens: &[Specimen]) {
    in_batches(specimens, |specimen| {
        let client = client.clone();
        async move {
            let answer = client.get(BUCKET, &specimen.key).await.unwrap();
            assert_eq!(answer.status, 200, "{}: {}", specimen.key, answer.text());
            assert_eq!(answer.body.len() as u64, specimen.pattern.len_bytes());
            let checked = specimen.pattern.check(0, &answer.body);
            assert_eq!(checked, Ok(()), "{}", specimen.key);
        }
    })
    .await;
    let mut keys: Vec<String> = specimens.iter().map(|one| one.key.clone()).collect();
    keys.sort();
    assert_eq!(client.list_keys(BUCKET).await, Some(keys));
}

/// Runs `work` for each specimen, four at a time.
pub(crate) async fn in_batches<Work, Done>(specimens: &[Specimen], work: Work)
where
    Work: Fn(Specimen) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    for batch in specimens.chunks(4) {
        let running: Vec<_> = batch
            .iter()
            .map(|one| tokio::spawn(work(one.clone())))
            .collect();
        for one in running {
            one.await.unwrap();
        }
    }
}
