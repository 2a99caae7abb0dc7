//! What writers that died left on the disks is found and removed, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{Outcome, S3, outcome};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::server::{Options, Server};
use cairn_dev_tests::wait;
use cairn_dev_tests::wire::Wire;
use tokio::runtime::Runtime;

use crate::fixture::{BUCKET, KIB, MIB, check_all, runtime, six_disks, specimens, write_all};
use crate::reclaim::used;

const ROUNDS: u64 = 3;
const LARGE: u64 = 6;
const SMALL_WRITERS: u64 = 16;
/// More than logs and tables of the metadata grow by with each start.
const SLACK: u64 = 64 * MIB;
/// Passes come ten times a second here; the rest is for a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

#[test]
fn what_writers_left_that_were_killed_is_collected_and_live_objects_stay() {
    let (_scratch, options) = six_disks("collect");
    let options = options.env("CAIRN_STORAGE_READ_GRACE_MS", "500");
    let (runtime, specimens) = (runtime(), specimens());
    let used = || options.disks.iter().map(|disk| used(disk)).sum::<u64>();
    let server = Server::start(&options);
    runtime.block_on(write_all(&server.client(), &specimens));
    assert!(server.terminate(DEADLINE).success());
    let live = used();

    for round in 0..ROUNDS {
        write_and_kill(&options, &runtime, round);
    }
    let full = used();
    let limit = live + SLACK;
    assert!(full > limit, "{} MiB are not much", (full - live) / MIB);
    let collecting = options
        .clone()
        .env("CAIRN_WORKERS_COLLECT_INTERVAL_MS", "100")
        .env("CAIRN_WORKERS_COLLECT_AGE_MS", "1000");
    let server = Server::start(&collecting);
    let found = || {
        let scrape = server.scrape();
        scrape.sum("cairn_worker_condemned_blobs_total", &[])
    };
    assert!(
        wait::until(DEADLINE, || found() > 0.0),
        "nothing was found that nobody refers to"
    );
    let nothing_is_owed = || {
        let status = server.admin_status();
        let owes_none = |what: &str| status.contains(&format!("\"{what}\": 0,"));
        owes_none("condemned_blobs") && owes_none("freed_blobs")
    };
    assert!(
        wait::until(DEADLINE, nothing_is_owed),
        "{}",
        server.admin_status()
    );
    println!("collect: {} blobs without any reference", found());
    runtime.block_on(check_live(&server.client(), &specimens));
    assert_eq!(server.complaints(), Vec::<String>::new());
    assert!(server.terminate(DEADLINE).success());
    // A server that runs has room in reserve: one that has ended tells what is needed.
    let has_given_back = || {
        let server = Server::start(&collecting);
        wait::until(Duration::from_secs(3), || used() <= limit);
        server.terminate(DEADLINE).success() && used() <= limit
    };
    assert!(
        wait::until(DEADLINE, has_given_back),
        "{} MiB are used, of {} MiB; {} MiB are live",
        used() / MIB,
        full / MIB,
        live / MIB
    );
}

/// Starts a server, and kills it in the middle of bodies that never end, and of small objects that are somewhere between their
/// shards and their commit.
fn write_and_kill(options: &Options, runtime: &Runtime, round: u64) {
    let server = Server::start(options);
    let client = server.client();
    let _large: Vec<Wire> = (0..LARGE)
        .map(|number| begin_large(&server, number))
        .collect();
    let done = Arc::new(AtomicU64::new(0));
    let small: Vec<_> = (0..SMALL_WRITERS)
        .map(|writer| {
            runtime.spawn(write_small(
                client.clone(),
                round,
                writer,
                Arc::clone(&done),
            ))
        })
        .collect();
    assert!(wait::until(DEADLINE, || done.load(Ordering::Relaxed) >= 100));
    server.kill();
    for writer in small {
        runtime.block_on(writer).unwrap();
    }
}

/// Sends three quarters of a large body.
fn begin_large(server: &Server, number: u64) -> Wire {
    let key = format!("cut-off/{number}");
    let body = Pattern::of(&key, 0, 16 * MIB).bytes();
    let put = Request::key("PUT", BUCKET, &key).body(body);
    let put = put.signed(&server.signer(), &server.options().s3.to_string());
    let mut wire = Wire::connect(server.options().s3);
    wire.send(&put.head());
    wire.send(&put.body[..put.body.len() / 4 * 3]);
    wire
}

/// Writes small objects and deletes them again, until the server is gone.
async fn write_small(client: S3, round: u64, writer: u64, done: Arc<AtomicU64>) {
    for number in 0.. {
        let key = format!("small/{round}/{writer}/{number}");
        let body = Pattern::of(&key, 0, 100 * KIB).bytes();
        if outcome(&client.put(BUCKET, &key, body).await) != Outcome::Done
            || outcome(&client.delete(BUCKET, &key).await) != Outcome::Done
        {
            return;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// The specimens are there, bit for bit, among at most one small object of each writer and round.
async fn check_live(client: &S3, specimens: &[crate::fixture::Specimen]) {
    let listed = client.list_keys(BUCKET).await.expect("list the bucket");
    let small = listed.iter().filter(|key| key.starts_with("small/"));
    for key in small {
        let get = client.get(BUCKET, key).await.unwrap();
        assert_eq!(get.status, 200, "{key}");
        assert_eq!(
            Pattern::of(key, 0, 100 * KIB).check(0, &get.body),
            Ok(()),
            "{key}"
        );
        assert_eq!(outcome(&client.delete(BUCKET, key).await), Outcome::Done);
    }
    check_all(client, specimens).await;
}
