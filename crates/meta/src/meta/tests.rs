use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::etag::ETag;
use cairn_types::id::{BucketId, ClusterId, Epoch, NodeId, RequestId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::UploadKey;
use cairn_types::namespace::{DataMutation, DataReply, Mutation, MutationRequest, Reply};
use cairn_types::object::{Content, NewPart, NewUpload, ObjectHeaders};

use super::{GenesisError, Meta};
use crate::config::MetaConfig;
use crate::consensus::Proposal;
use crate::housekeeping::do_chores;

fn config(dir: &std::path::Path) -> MetaConfig {
    MetaConfig {
        data_groups: 2,
        proposed_node: Some(NodeId::new(1)),
        ..MetaConfig::new(dir)
    }
}

async fn open(dir: &std::path::Path) -> Meta {
    open_with(config(dir)).await
}

async fn open_with(config: MetaConfig) -> Meta {
    let (tasks, metrics) = (Tasks::new(), Metrics::new());
    Meta::open(config, SystemClock::shared(), &tasks, &metrics)
        .await
        .unwrap()
}

async fn genesis(meta: &Meta) -> Result<(), GenesisError> {
    let members = BTreeMap::from([(NodeId::new(1), String::new())]);
    meta.genesis(ClusterId::new(1), "eu".to_owned(), members)
        .await
}

#[tokio::test]
async fn an_entry_that_cannot_be_applied_ends_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let meta = open(dir.path()).await;
    genesis(&meta).await.unwrap();
    assert!(meta.is_ready());
    let group = meta.node.group(2).unwrap();
    let garbage = Proposal(Bytes::from_static(b"\xff not a command"));
    assert!(group.raft().client_write(garbage).await.is_err());
    drop(group);
    let failure = tokio::time::timeout(Duration::from_secs(10), meta.failed()).await;
    let failure = failure.unwrap().to_string();
    assert!(failure.contains("group 2"), "{failure}");
    assert!(!failure.contains('\n'), "{failure}");
    assert!(!meta.is_ready());
    meta.shutdown().await;
    // It is in the log: nor does it start again.
    let meta = open(dir.path()).await;
    let failure = tokio::time::timeout(Duration::from_secs(10), meta.failed()).await;
    assert!(failure.unwrap().to_string().contains("group 2"));
    meta.shutdown().await;
}

/// More groups than Raft has threads are in the middle of something long; the others must not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_groups_go_on_while_some_apply_something_long() {
    let dir = tempfile::tempdir().unwrap();
    let config = MetaConfig {
        data_groups: 4,
        ..config(dir.path())
    };
    let meta = open_with(config).await;
    genesis(&meta).await.unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let mut held = Vec::new();
    let mut applying = Vec::new();
    for number in 1..=4 {
        let group = meta.node.group(number).unwrap();
        let tables = std::sync::Arc::clone(group.tables());
        let released = std::sync::Arc::clone(&released);
        let (begun, is_held) = std::sync::mpsc::channel();
        held.push(std::thread::spawn(move || {
            let _held = tables.hold_up();
            begun.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
        }));
        is_held.recv().unwrap();
        let node = std::sync::Arc::clone(&meta.node);
        applying.push(async move { node.propose(&group, chore(&node)).await });
    }
    let applying = futures::future::join_all(applying);
    let mut applying = std::pin::pin!(applying);
    let root = meta.node.root().unwrap();
    let others = async {
        for _ in 0..20 {
            root.read_barrier().await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        _ = &mut applying => panic!("it is held up"),
        went_on = tokio::time::timeout(Duration::from_secs(10), others) => went_on.unwrap(),
    }
    drop(release);
    for answer in applying.await {
        answer.unwrap().1.unwrap();
    }
    for thread in held {
        thread.join().unwrap();
    }
    drop(root);
    meta.shutdown().await;
}

fn chore(node: &crate::node::Node) -> MutationRequest {
    MutationRequest {
        request: RequestId::new(cairn_runtime::random::u128()),
        minted: node.clock().now(),
        guard: None,
        mutation: Mutation::Data(DataMutation::ExpireRequests),
    }
}

/// Applies a change of group 1 that is not refused.
async fn change(meta: &Meta, mutation: DataMutation) -> DataReply {
    let group = meta.node.group(1).unwrap();
    let request = MutationRequest {
        request: RequestId::new(cairn_runtime::random::u128()),
        minted: meta.node.clock().now(),
        guard: None,
        mutation: Mutation::Data(mutation),
    };
    match meta.node.propose(&group, request).await.unwrap().1 {
        Ok(Reply::Data(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_large_upload_left_goes_at_one_look() {
    let dir = tempfile::tempdir().unwrap();
    let meta = open(dir.path()).await;
    genesis(&meta).await.unwrap();
    let (bucket, key) = (BucketId::new(1), ObjectKey::parse("key").unwrap());
    let open = DataMutation::OpenBucket {
        bucket,
        name: BucketName::parse("bucket").unwrap(),
        epoch: Epoch::new(1),
        initial: cairn_types::settings::InitialSettings::default(),
    };
    change(&meta, open).await;
    let create = DataMutation::CreateUpload {
        bucket,
        key: key.clone(),
        upload: NewUpload {
            settings: cairn_types::settings::ObjectSettings::default(),
            initiator: None,
            headers: ObjectHeaders::default(),
            checksum: None,
        },
    };
    let DataReply::UploadCreated { upload, .. } = change(&meta, create).await else {
        panic!("it was begun");
    };
    let upload = UploadKey {
        bucket,
        key,
        upload,
    };
    // More than the abortion and one command for chores remove.
    let puts = (1..=1_300).map(|number| {
        let part = NewPart {
            len: 1,
            etag: ETag::from_md5([0; 16]),
            checksum: None,
            content: Content::Inline(Bytes::from_static(b"x")),
        };
        let upload = upload.clone();
        change(
            &meta,
            DataMutation::PutPart {
                upload,
                number,
                part,
            },
        )
    });
    futures::future::join_all(puts).await;
    change(&meta, DataMutation::AbortUpload { upload }).await;
    let group = meta.node.group(1).unwrap();
    let has_chores = || {
        let now = meta.node.clock().now();
        cairn_catalog::has_chores(&group.tables().freeze(), now).unwrap()
    };
    assert!(has_chores());
    do_chores(&meta.node, &group).await.unwrap();
    assert!(!has_chores());
    drop(group);
    meta.shutdown().await;
}

#[tokio::test]
async fn opening_can_be_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    for polls in 0..6 {
        let (tasks, metrics) = (Tasks::new(), Metrics::new());
        let dir = dir.path().join(polls.to_string());
        let opening = Meta::open(config(&dir), SystemClock::shared(), &tasks, &metrics);
        let mut opening = Box::pin(opening);
        for _ in 0..polls {
            let pause = tokio::time::sleep(Duration::from_millis(10));
            tokio::select! {
                biased;
                _ = &mut opening => break,
                () = pause => {}
            }
        }
    }
}
