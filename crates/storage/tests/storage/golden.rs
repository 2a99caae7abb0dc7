//! What released versions have written stays readable.

use std::fs;
use std::path::{Path, PathBuf};

use cairn_storage::label::Label;

use crate::shard::{TestShard, blob};
use crate::store::{GRACE, Store, label};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Compares with the golden file; makes it where there is none, which a reviewer sees as a new file.
fn compare(name: &str, content: &[u8]) {
    let path = golden(name);
    if !path.exists() {
        fs::write(&path, content).unwrap();
    }
    assert!(
        fs::read(&path).unwrap() == content,
        "{name} is written differently now"
    );
}

fn shards() -> Vec<TestShard> {
    vec![
        TestShard::new(blob(1), 3, &[100]),
        TestShard::new(blob(2), 0, &[66_000, 64]),
        TestShard::new(blob(3), 1, &[5000]),
    ]
}

#[test]
fn a_label_is_written_as_ever() {
    compare("label-1", &label().encode());
    assert_eq!(
        Label::decode(&fs::read(golden("label-1")).unwrap()),
        Ok(label())
    );
}

#[tokio::test]
async fn a_segment_with_cells_a_tombstone_and_a_dead_record_is_written_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for shard in shards() {
        store.write(&shard).await.unwrap();
    }
    store.shards.remove(vec![blob(1)]).await.unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    store.shards.remove(vec![blob(3)]).await.unwrap();
    store.close();
    let segment = fs::read(dir.path().join("segments/00000001.seg")).unwrap();
    compare("segment-1", &segment);
}

#[tokio::test]
async fn a_segment_of_version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("segments")).unwrap();
    fs::copy(
        golden("segment-1"),
        dir.path().join("segments/00000001.seg"),
    )
    .unwrap();
    let store = Store::open_dir(dir.path());
    let [dead, live, removed] = shards().try_into().unwrap();
    assert!(!store.has(&dead).await);
    assert!(store.has(&live).await);
    assert!(store.has(&removed).await);
    let list = store.list().await;
    assert_eq!(
        list.iter().map(|one| one.removed).collect::<Vec<_>>(),
        [false, true]
    );
    store.close();
}
