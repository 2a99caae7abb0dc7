//! Multipart uploads and copies.

use std::sync::Arc;

use cairn_client::uploads::Completion;
use cairn_engine::{CopyFrom, ReadError};
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::id::UploadId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{CompletedPart, UploadKey, WriteCondition};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, NewUpload, ObjectHeaders};

use super::cluster::{Cluster, Pieces, Setup, pattern, read, until};

const MIB: usize = 1024 * 1024;

/// Uploads parts of these lengths, whose bytes are those of the pattern in order.
async fn upload(cluster: &Cluster, key: &str, lens: &[usize]) -> UploadId {
    let upload = begin(cluster, &cluster.bucket, key).await;
    let bytes = pattern(lens.iter().sum());
    let mut at = 0;
    let mut parts = Vec::new();
    for (index, len) in lens.iter().enumerate() {
        // Numbers with gaps.
        let number = u16::try_from(index * 3 + 1).unwrap();
        let source = Pieces::of(&bytes[at..at + len]);
        at += len;
        let len = u64::try_from(*len).unwrap();
        let put = cluster
            .engine
            .put_part(&cluster.bucket, &upload, number, len, source);
        parts.push(CompletedPart {
            number,
            etag: put.await.unwrap().value.etag,
            checksum: None,
        });
    }
    let completion = Completion {
        parts,
        ..Completion::default()
    };
    let uploads = cluster.engine.uploads();
    uploads
        .complete(&cluster.bucket, &upload, completion)
        .await
        .unwrap();
    upload.upload
}

pub(crate) async fn begin(cluster: &Cluster, bucket: &Arc<BucketEntry>, key: &str) -> UploadKey {
    let key = ObjectKey::parse(key).unwrap();
    let new = NewUpload {
        settings: cairn_types::settings::ObjectSettings::default(),
        initiator: None,
        headers: ObjectHeaders::default(),
        checksum: None,
    };
    let begun = cluster.engine.uploads().create(bucket, &key, &new).await;
    UploadKey {
        bucket: bucket.bucket,
        key,
        upload: begun.unwrap().value.upload,
    }
}

fn from(cluster: &Cluster, version: cairn_types::object::ObjectVersion) -> CopyFrom {
    CopyFrom {
        bucket: Arc::clone(&cluster.bucket),
        version,
        range: None,
    }
}

#[tokio::test]
async fn a_multipart_object_is_read_across_its_parts() {
    let cluster = Cluster::start(Setup {
        cell_len: 1 << 20,
        ..Setup::default()
    })
    .await;
    let lens = [5 * MIB, 6 * MIB + 7, 5 * MIB, 1000];
    upload(&cluster, "key", &lens).await;
    let bytes = pattern(lens.iter().sum());
    assert!(cluster.get("key").await.unwrap() == bytes);
    let len = u64::try_from(bytes.len()).unwrap();
    let second_part = 5 * 1024 * 1024;
    for (start, end) in [
        (0, 1),
        (second_part - 1, second_part + 1),
        (second_part + 100, second_part + 200),
        (second_part - 10, len - 500),
        (len - 1001, len),
        (len - 10, len),
    ] {
        let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        let got = cluster.get_range("key", start, end).await.unwrap();
        assert!(got == bytes[range], "{start}..{end}");
    }
}

#[tokio::test]
async fn a_multipart_object_that_was_replaced_before_its_parts_were_looked_up_is_superseded() {
    let cluster = Cluster::start(Setup {
        cell_len: 1 << 20,
        ..Setup::default()
    })
    .await;
    upload(&cluster, "key", &[5 * MIB, 10]).await;
    let record = cluster.record("key").await;
    cluster.put("key", b"newer").await.unwrap();
    until("its parts are forgotten", async || {
        cluster.put("other", b"other").await.unwrap();
        let download = cluster
            .engine
            .get(&cluster.bucket, &record, 0..record.len)
            .await;
        matches!(download, Err(ReadError::Superseded))
    })
    .await;
}

#[tokio::test]
async fn a_copy_has_the_bytes_of_the_original_and_shards_of_its_own() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(800_000);
    cluster.put("original", &bytes).await.unwrap();
    let original = from(&cluster, cluster.record("original").await);
    let target = cluster.target("copy");
    let headers = ObjectHeaders {
        content_type: Some("text/plain".to_owned()),
        ..ObjectHeaders::default()
    };
    let condition = WriteCondition::Always;
    let copy = cluster
        .engine
        .copy(&original, &target, headers.clone(), &condition);
    let committed = copy.await.unwrap().value;
    assert_eq!(committed.etag, original.version.etag);
    assert_eq!(cluster.record("copy").await.headers, headers);
    assert_ne!(
        cluster.blob_of("copy").await.0,
        cluster.blob_of("original").await.0
    );

    let key = ObjectKey::parse("original").unwrap();
    let deletion = cluster.engine.delete(&cluster.bucket, &[key.into()]).await;
    deletion.unwrap();
    assert!(cluster.get("copy").await.unwrap() == bytes);
}

#[tokio::test]
async fn a_copy_of_a_small_object_is_inline_and_keeps_its_checksum() {
    let cluster = Cluster::start(Setup::default()).await;
    let mut source = Pieces::of(b"bytes");
    source.declared.checksum = Some(ObjectChecksum {
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[1, 2, 3, 4]).unwrap(),
        kind: ChecksumKind::FullObject,
    });
    let declared = source.declared.checksum.clone();
    let condition = WriteCondition::Always;
    let target = cluster.target("original");
    let put = cluster
        .engine
        .put(&target, ObjectHeaders::default(), 5, source, &condition);
    assert_eq!(put.await.unwrap().value.checksum, declared);

    let mut original = from(&cluster, cluster.record("original").await);
    let target = cluster.target("copy");
    let copy = cluster
        .engine
        .copy(&original, &target, ObjectHeaders::default(), &condition);
    assert_eq!(copy.await.unwrap().value.checksum, declared);
    let record = cluster.record("copy").await;
    assert!(matches!(record.content, Content::Inline(bytes) if bytes == "bytes"));

    original.range = Some(1..3);
    let copy = cluster
        .engine
        .copy(&original, &target, ObjectHeaders::default(), &condition);
    assert_eq!(copy.await.unwrap().value.checksum, None);
    assert_eq!(cluster.get("copy").await.unwrap(), b"yt");
}

#[tokio::test]
async fn an_object_copies_onto_itself() {
    let cluster = Cluster::start(Setup::default()).await;
    for len in [10, 500_000] {
        cluster.put("key", &pattern(len)).await.unwrap();
        let original = from(&cluster, cluster.record("key").await);
        let target = cluster.target("key");
        let condition = WriteCondition::Always;
        let copy = cluster
            .engine
            .copy(&original, &target, ObjectHeaders::default(), &condition);
        copy.await.unwrap();
        assert!(cluster.get("key").await.unwrap() == pattern(len));
    }
}

#[tokio::test]
async fn parts_are_copied_from_ranges() {
    let cluster = Cluster::start(Setup {
        cell_len: 1 << 20,
        ..Setup::default()
    })
    .await;
    let bytes = pattern(12 * MIB);
    cluster.put("original", &bytes).await.unwrap();
    let upload = begin(&cluster, &cluster.bucket, "key").await;
    let uploads = cluster.engine.uploads();
    let mut original = from(&cluster, cluster.record("original").await);
    let six = 6 * 1024 * 1024;
    let mut parts = Vec::new();
    for (number, range) in [(1, six..2 * six), (2, 0..six)] {
        original.range = Some(range);
        let copy = cluster
            .engine
            .copy_part(&original, &cluster.bucket, &upload, number);
        parts.push(CompletedPart {
            number,
            etag: copy.await.unwrap().value.etag,
            checksum: None,
        });
    }
    let completion = Completion {
        parts,
        ..Completion::default()
    };
    let completed = uploads.complete(&cluster.bucket, &upload, completion);
    completed.await.unwrap();
    let record = cluster.record("key").await;
    let download = cluster.engine.get(&cluster.bucket, &record, 0..record.len);
    let got = read(download.await.unwrap()).await.unwrap();
    assert!(got[..6 * MIB] == bytes[6 * MIB..] && got[6 * MIB..] == bytes[..6 * MIB]);
}

/// Copies wait for memory twice, once to read and once to write: neither may hold what the other waits for.
#[tokio::test]
async fn many_copies_at_once_do_not_wait_for_each_other_for_ever() {
    let mut setup = Setup::default();
    setup.config.budget_bytes = 1_000_000;
    setup.config.budget_patience = std::time::Duration::from_secs(30);
    let cluster = Cluster::start(setup).await;
    let bytes = pattern(900_000);
    cluster.put("original", &bytes).await.unwrap();
    let original = from(&cluster, cluster.record("original").await);
    let targets: Vec<_> = (0..10)
        .map(|at| cluster.target(&format!("copy-{at}")))
        .collect();
    let condition = WriteCondition::Always;
    let copies = targets.iter().map(|target| {
        let headers = ObjectHeaders::default();
        cluster.engine.copy(&original, target, headers, &condition)
    });
    let all = futures::future::join_all(copies);
    let done = tokio::time::timeout(std::time::Duration::from_secs(20), all).await;
    for copy in done.expect("no two wait for each other") {
        copy.unwrap();
    }
    for target in &targets {
        assert!(cluster.get(target.key.as_str()).await.unwrap() == bytes);
    }
}
