//! What a node does with a directory that is not what it left.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use cairn_meta::{GenesisError, Meta, MetaConfig, OpenError, identify};
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::id::ClusterId;
use tempfile::TempDir;

use crate::harness::{CLUSTER, Net, Running, config, get, members, put, single};

const KEYS: u64 = 40;

/// A directory in which a node acknowledged `KEYS` keys.
async fn used() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let node = single(dir.path()).await;
    let mut client = node.client();
    for n in 0..KEYS {
        put(&mut client, &format!("key-{n}"), &"content ".repeat(20))
            .await
            .unwrap();
    }
    node.stop().await;
    dir
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join("db")).unwrap();
    for dir in ["", "db"] {
        for file in fs::read_dir(from.join(dir)).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), to.path().join(dir).join(file.file_name())).unwrap();
            }
        }
    }
    to
}

/// The write-ahead log that was written to last.
fn write_ahead_log(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("db")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    files.filter(is_log).max().unwrap()
}

/// Starts on the directory: either it refuses, and says why, or everything is there.
async fn refused_or_whole(dir: &Path) -> Option<OpenError> {
    let node = match Running::start(config(dir, 1), &Net::default()).await {
        Ok(node) => node,
        Err(error) => return Some(error),
    };
    node.meta
        .genesis(CLUSTER, "eu".to_owned(), members(&[1]))
        .await
        .unwrap();
    let mut client = node.client();
    for n in 0..KEYS {
        let read = get(&mut client, &format!("key-{n}")).await.unwrap();
        assert!(
            read.is_some(),
            "key-{n} was acknowledged and is gone, without a word"
        );
    }
    node.stop().await;
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_got_shorter_is_refused() {
    let dir = used().await;
    let log = write_ahead_log(dir.path());
    let len = fs::metadata(&log).unwrap().len();
    let file = OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(len / 2).unwrap();
    let error = refused_or_whole(dir.path())
        .await
        .expect("half of the log is gone");
    assert!(matches!(error, OpenError::ShortenedLog { .. }), "{error}");
    assert!(
        error.to_string().contains("join again under a new id"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_log_never_loses_anything_silently() {
    let dir = used().await;
    let log = write_ahead_log(dir.path());
    let bytes = fs::read(&log).unwrap();
    let mut refused = 0;
    for part in 0..24 {
        let at = bytes.len() * part / 24 + part;
        let twin = copy(dir.path());
        let file = OpenOptions::new()
            .write(true)
            .open(write_ahead_log(twin.path()))
            .unwrap();
        file.write_all_at(&[bytes[at] ^ 0x10], u64::try_from(at).unwrap())
            .unwrap();
        refused += u32::from(refused_or_whole(twin.path()).await.is_some());
    }
    assert!(
        refused >= 20,
        "{refused} of 24: only what was never promised may be forgiven"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_database_beside_a_label_is_refused() {
    let dir = used().await;
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let error = refused_or_whole(dir.path())
        .await
        .expect("everything is gone");
    assert!(matches!(error, OpenError::ShortenedLog { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_short_watermark_beside_a_label_is_refused() {
    let dir = used().await;
    let watermark = dir.path().join("WATERMARK");
    let file = OpenOptions::new().write(true).open(&watermark).unwrap();
    file.set_len(100).unwrap();
    let short = refused_or_whole(dir.path()).await.expect("it is cut short");
    assert!(matches!(short, OpenError::Watermark { .. }), "{short}");
    fs::remove_file(&watermark).unwrap();
    let gone = refused_or_whole(dir.path()).await.expect("it is gone");
    assert!(matches!(gone, OpenError::Watermark { .. }), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_wiped_is_another_node_and_votes_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = || MetaConfig::new(dir.path());
    let first = open(fresh()).await.unwrap();
    let (node, groups) = (first.node(), first.status().unwrap());
    assert!(groups.is_empty(), "no group before it is of a cluster");
    first.close().await;
    let again = open(fresh()).await.unwrap();
    assert_eq!(again.node(), node, "from the first start on");
    again.join(CLUSTER, 3).await.unwrap();
    assert_eq!(
        again.status().unwrap().len(),
        4,
        "whatever it is configured for"
    );
    again.join(CLUSTER, 3).await.unwrap();
    for (cluster, count) in [(CLUSTER, 4), (ClusterId::new(2), 3)] {
        let other = again.join(cluster, count).await;
        assert!(
            matches!(other, Err(GenesisError::Conflict { .. })),
            "{other:?}"
        );
    }
    again.close().await;
    assert_eq!(identify(dir.path()).unwrap(), Some((CLUSTER, node)));
    fs::remove_file(dir.path().join("NODE")).unwrap();
    let nobodys = open(fresh()).await.unwrap_err();
    assert!(matches!(nobodys, OpenError::Unlabelled { .. }), "{nobodys}");
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let foreign = open(fresh()).await.unwrap_err();
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
    fs::remove_file(dir.path().join("WATERMARK")).unwrap();
    let wiped = open(fresh()).await.unwrap();
    assert_ne!(wiped.node(), node);
    assert_eq!(wiped.cluster(), None);
    wiped.close().await;
}

async fn open(config: MetaConfig) -> Result<Meta, OpenError> {
    let (tasks, metrics) = (Tasks::new(), Metrics::new());
    Meta::open(config, SystemClock::shared(), &tasks, &metrics).await
}
