//! What readers see while writers write.

use cairn_conformance::Bucket;
use cairn_dev_tests::body::Pattern;

use crate::samples::assert_bytes;

const LEN: u64 = 3_000_000;

/// Which of the first `versions` versions a body is, wholly.
fn version_of(body: &[u8], versions: u64) -> Option<u64> {
    (0..versions).find(|version| {
        let pattern = Pattern::of("key", *version, LEN);
        let begins = pattern.check(0, &body[..64.min(body.len())]).is_ok();
        begins && u64::try_from(body.len()) == Ok(LEN) && pattern.check(0, body).is_ok()
    })
}

#[tokio::test]
async fn readers_during_overwrites_see_one_version_wholly_and_never_an_older_one_again() {
    const VERSIONS: u64 = 12;
    let bucket = Bucket::create().await;
    bucket.put("key", Pattern::of("key", 0, LEN).bytes()).await;
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (client, name) = (bucket.client().clone(), bucket.name().to_owned());
            tokio::spawn(async move {
                let (mut newest, mut reads) = (0, 0);
                while newest < VERSIONS - 1 {
                    let get = client.get_object().bucket(&name).key("key");
                    let body = get.send().await.unwrap().body.collect().await.unwrap();
                    let version = version_of(&body.to_vec(), VERSIONS).expect("one whole version");
                    assert!(version >= newest, "version {version} after {newest}");
                    newest = version;
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for version in 1..VERSIONS {
        bucket
            .put("key", Pattern::of("key", version, LEN).bytes())
            .await;
    }
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn of_writers_at_once_the_object_is_one_wholly() {
    let bucket = Bucket::create().await;
    for _ in 0..5 {
        let writers: Vec<_> = (0..6)
            .map(|version| {
                let put = bucket.client().put_object().bucket(bucket.name());
                let body = Pattern::of("key", version, LEN).bytes();
                tokio::spawn(put.key("key").body(body.into()).send())
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let body = bucket.get("key").await;
        let version = version_of(&body, 6).expect("one whole version");
        // And it stays that one.
        let again = bucket.get("key").await;
        assert_bytes(&again, &Pattern::of("key", version, LEN).bytes());
    }
}

#[tokio::test]
async fn a_long_read_is_not_cut_by_an_overwrite_or_a_delete() {
    let bucket = Bucket::create().await;
    let len = 24 * 1024 * 1024;
    for deletes in [false, true] {
        let pattern = Pattern::of("long", 0, len);
        bucket.put("key", pattern.bytes()).await;
        let get = bucket
            .client()
            .get_object()
            .bucket(bucket.name())
            .key("key");
        let mut body = get.send().await.unwrap().body;
        let first = body.next().await.unwrap().unwrap();
        pattern.check(0, &first).unwrap();
        // The rest is in flight or still on disk: 24 MiB do not fit into socket buffers.
        if deletes {
            let delete = bucket.client().delete_object().bucket(bucket.name());
            delete.key("key").send().await.unwrap();
        } else {
            bucket.put("key", b"new".to_vec()).await;
        }
        let mut offset = u64::try_from(first.len()).unwrap();
        while let Some(piece) = body.next().await {
            let piece = piece.unwrap();
            pattern.check(offset, &piece).unwrap();
            offset += u64::try_from(piece.len()).unwrap();
        }
        assert_eq!(offset, len);
    }
}
