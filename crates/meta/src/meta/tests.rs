use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::id::{ClusterId, NodeId, RequestId};
use cairn_types::namespace::{DataMutation, Mutation, MutationRequest};

use super::{GenesisError, Meta};
use crate::config::MetaConfig;
use crate::consensus::Proposal;

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
        mutation: Mutation::Data(DataMutation::ExpireRequests),
    }
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
