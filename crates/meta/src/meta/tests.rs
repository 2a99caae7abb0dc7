use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::id::{ClusterId, NodeId};

use super::{GenesisError, Meta};
use crate::config::MetaConfig;
use crate::consensus::Proposal;

async fn open(dir: &std::path::Path) -> Meta {
    let config = MetaConfig {
        data_groups: 2,
        ..MetaConfig::new(dir, NodeId::new(1))
    };
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

#[tokio::test]
async fn a_log_without_a_label_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let meta = open(dir.path()).await;
    genesis(&meta).await.unwrap();
    meta.shutdown().await;
    std::fs::remove_file(dir.path().join("NODE")).unwrap();
    let meta = open(dir.path()).await;
    let refused = genesis(&meta).await;
    assert!(
        matches!(refused, Err(GenesisError::Conflict { .. })),
        "{refused:?}"
    );
    meta.shutdown().await;
}
