//! One disk on real files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cairn_storage::disk::posix::PosixDisk;
use cairn_storage::index::Index;
use cairn_storage::ledger::Conflict;
use cairn_storage::shards::{ReadError, Slice, WriteError};
use cairn_types::id::{Epoch, PlacementGroupId};

use crate::shard::{TestShard, blob};
use crate::store::{GRACE, Store, copy_dir};

/// Bytes that the segments take up on the disk.
fn allocated(dir: &Path) -> u64 {
    let segments = fs::read_dir(dir.join("segments")).unwrap();
    segments
        .map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512)
        .sum()
}

fn segment_count(dir: &Path) -> usize {
    fs::read_dir(dir.join("segments")).unwrap().count()
}

/// Shards of many shapes: small, around the borders of frames, and of several stripes.
fn shapes() -> Vec<TestShard> {
    let shapes: [&[usize]; 9] = [
        &[1],
        &[64],
        &[65_535],
        &[65_536],
        &[65_537],
        &[1 << 20],
        &[1 << 20, 1 << 20, 777],
        &[131_072, 64],
        &[200_000; 6],
    ];
    (0..)
        .zip(shapes)
        .map(|(number, lens)| TestShard::new(blob(number), u8::try_from(number).unwrap(), lens))
        .collect()
}

#[tokio::test]
async fn shards_of_all_shapes_read_back_before_and_after_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for shard in shapes() {
        assert_eq!(store.write(&shard).await, Ok(shard.root()));
        assert!(store.has(&shard).await);
    }
    store.close();
    let store = Store::open_dir(dir.path());
    for shard in shapes() {
        assert!(store.has(&shard).await);
    }
    store.close();
}

#[tokio::test]
async fn every_range_of_frames_is_given_with_its_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[(1 << 20) - 100]);
    store.write(&shard).await.unwrap();
    let located = store.shards.find(blob(1), 0).await.unwrap();
    for first_frame in 0..16_u32 {
        for frame_count in 0..=16 - first_frame {
            let slice = Slice {
                stripe: 0,
                first_frame,
                frame_count,
            };
            let frames = store.shards.read(located.clone(), slice).await.unwrap();
            let from = usize::try_from(first_frame).unwrap() * 65_536;
            let to = match frame_count {
                0 => usize::MAX,
                count => from + usize::try_from(count).unwrap() * 65_536,
            };
            let to = to.min(shard.cells[0].len());
            assert_eq!(frames.data, shard.cells[0][from..to]);
            assert_eq!(
                frames.hashes,
                shard.hashes(0)[from / 4096..to.div_ceil(65_536) * 16]
            );
        }
    }
    for (stripe, first_frame, frame_count) in
        [(0, 16, 0), (0, 0, 17), (1, 0, 0), (0, u32::MAX, u32::MAX)]
    {
        let slice = Slice {
            stripe,
            first_frame,
            frame_count,
        };
        let answer = store.shards.read(located.clone(), slice).await;
        assert_eq!(answer, Err(ReadError::OutOfRange));
    }
    store.close();
}

#[tokio::test]
async fn without_its_index_a_disk_is_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for shard in shapes() {
        store.write(&shard).await.unwrap();
    }
    // One removed and collected, one removed, one written twice.
    store.shards.remove(vec![blob(0)]).await.unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    store.shards.remove(vec![blob(1), blob(999)]).await.unwrap();
    store.write(&shapes()[2]).await.unwrap();
    let before = store.list().await;
    let status_before = store.shards.status().await.unwrap();
    store.close();

    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = Store::open_dir(dir.path());
    assert_eq!(store.list().await, before);
    let status = store.shards.status().await.unwrap();
    assert_eq!(status.totals, status_before.totals);
    for shard in &shapes()[1..] {
        assert!(store.has(shard).await);
    }
    assert_eq!(store.read(blob(0), 0, 0).await, Err(ReadError::Missing));
    // The clock of the test begins anew with each open, so the removal lies a grace ahead of it.
    store.clock.advance(GRACE * 2);
    store.collect_all().await;
    assert_eq!(store.read(blob(1), 1, 0).await, Err(ReadError::Missing));
    store.close();
}

#[tokio::test]
async fn a_damaged_index_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for shard in shapes() {
        store.write(&shard).await.unwrap();
    }
    store.close();
    let tables = fs::read_dir(dir.path().join("index")).unwrap();
    let mut damaged = 0;
    for path in tables.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "sst") {
            let mut content = fs::read(&path).unwrap();
            content[100] ^= 0x40;
            fs::write(&path, content).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let store = Store::open_dir(dir.path());
    for shard in shapes() {
        assert!(store.has(&shard).await);
    }
    store.close();
}

#[tokio::test]
async fn what_was_acknowledged_survives_without_a_close() {
    let dir = tempfile::tempdir().unwrap();
    // A copy of the files while the disk is open is what a kill leaves behind.
    let copy = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for shard in shapes() {
        store.write(&shard).await.unwrap();
    }
    copy_dir(dir.path(), copy.path());
    store.close();
    let store = Store::open_dir(copy.path());
    for shard in shapes() {
        assert!(store.has(&shard).await);
    }
    store.close();
}

#[tokio::test]
async fn a_removed_shard_stays_readable_for_the_grace_and_then_gives_its_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[1 << 20, 1 << 20, 1 << 20]);
    let other = TestShard::new(blob(2), 0, &[100_000]);
    store.write(&shard).await.unwrap();
    store.write(&other).await.unwrap();
    store.shards.remove(vec![blob(1)]).await.unwrap();
    let before = store.shards.status().await.unwrap().totals;
    assert!(before.doomed_bytes > 3 << 20);
    store.clock.advance(Duration::from_secs(29));
    store.collect_all().await;
    assert!(store.has(&shard).await);
    assert!(store.list().await[0].removed);
    let taken = allocated(dir.path());
    store.clock.advance(Duration::from_secs(1));
    store.collect_all().await;
    assert_eq!(store.read(blob(1), 0, 0).await, Err(ReadError::Missing));
    assert!(allocated(dir.path()) + (3 << 20) - 16_384 < taken);
    let after = store.shards.status().await.unwrap().totals;
    assert_eq!(after.doomed_bytes, 0);
    assert!(store.has(&other).await);
    store.close();
}

#[tokio::test]
async fn a_pinned_blob_is_kept_until_its_lease_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[1000]);
    store.write(&shard).await.unwrap();
    store.shards.pin(&[blob(1)], GRACE * 2).unwrap();
    store.shards.remove(vec![blob(1)]).await.unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    assert!(store.has(&shard).await);
    store.clock.advance(GRACE);
    store.collect_all().await;
    assert_eq!(store.read(blob(1), 0, 0).await, Err(ReadError::Missing));
    store.close();
}

#[tokio::test]
async fn after_a_restart_readers_have_time_to_pin_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[1000]);
    let other = TestShard::new(blob(2), 0, &[1000]);
    for shard in [&shard, &other] {
        store.write(shard).await.unwrap();
    }
    store.shards.remove(vec![blob(1), blob(2)]).await.unwrap();
    store.close();
    let disk = Arc::new(PosixDisk::open(dir.path()).unwrap());
    let store = Store::open_at(disk, Duration::from_secs(5000));
    store.collect_all().await;
    assert!(store.has(&shard).await);
    store.clock.advance(Duration::from_secs(20));
    store.shards.pin(&[blob(1)], GRACE).unwrap();
    store.clock.advance(Duration::from_secs(10));
    store.collect_all().await;
    assert!(store.has(&shard).await);
    assert_eq!(store.read(blob(2), 0, 0).await, Err(ReadError::Missing));
    store.close();
}

#[tokio::test]
async fn an_index_that_cannot_be_opened_is_not_taken_for_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[1000]);
    store.write(&shard).await.unwrap();
    store.close();
    let disk = || Arc::new(PosixDisk::open(dir.path()).unwrap());
    let elsewhere = Index::open(&dir.path().join("index")).unwrap();
    assert!(Store::try_open(disk()).is_err());
    assert!(elsewhere.is_whole().unwrap());
    drop(elsewhere);
    let tables = fs::read_dir(dir.path().join("index")).unwrap();
    let is_table = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sst");
    let table = tables
        .map(|entry| entry.unwrap().path())
        .find(is_table)
        .unwrap();
    fs::remove_file(table).unwrap();
    let store = Store::open_dir(dir.path());
    assert!(store.has(&shard).await);
    store.close();
}

#[tokio::test]
async fn many_cells_are_given_back_in_several_rounds() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for number in 0..5 {
        let shard = TestShard::new(blob(number), 0, &[64; 400]);
        store.write(&shard).await.unwrap();
    }
    store
        .shards
        .remove((0..5).map(blob).collect())
        .await
        .unwrap();
    store.clock.advance(GRACE);
    let mut rounds = Vec::new();
    while rounds.last() != Some(&0) {
        rounds.push(store.shards.collect().await.unwrap());
    }
    assert_eq!(rounds, [2, 2, 1, 0]);
    store.close();
}

#[tokio::test]
async fn segments_in_which_nothing_is_left_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shards: Vec<TestShard> = (0..40)
        .map(|number| TestShard::new(blob(number), 0, &[1 << 20]))
        .collect();
    for shard in &shards {
        store.write(shard).await.unwrap();
    }
    let full = segment_count(dir.path());
    assert!(full >= 5, "{full} segments of 8 MiB for 40 MiB");
    let all = shards.iter().map(|shard| shard.blob).collect();
    store.shards.remove(all).await.unwrap();
    store.clock.advance(GRACE);
    store.collect_all().await;
    assert!(segment_count(dir.path()) <= 2);
    assert!(allocated(dir.path()) < 1 << 20);
    store.close();
    let store = Store::open_dir(dir.path());
    assert!(store.list().await.is_empty());
    store.write(&shards[0]).await.unwrap();
    store.close();
}

#[tokio::test]
async fn a_write_that_breaks_off_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[500_000; 4]);
    {
        let mut writer = store.shards.begin(blob(1), 0, Epoch::new(1)).unwrap();
        for stripe in 0..3 {
            let cell = shard.cells[0].clone();
            let hashes = cairn_erasure::frame::frame_hashes(blob(1), stripe, 0, &cell);
            writer.cell(stripe, cell, hashes).await.unwrap();
        }
    }
    // Behind the broken one in the same queue, or at least noticed once this one is through.
    store
        .write(&TestShard::new(blob(2), 0, &[100]))
        .await
        .unwrap();
    assert_eq!(store.read(blob(1), 0, 0).await, Err(ReadError::Missing));
    store.close();
    let store = Store::open_dir(dir.path());
    assert_eq!(store.list().await.len(), 1);
    store.collect_all().await;
    assert_eq!(store.shards.status().await.unwrap().totals.doomed_bytes, 0);
    assert!(allocated(dir.path()) < 100_000);
    assert_eq!(store.write(&shard).await, Ok(shard.root()));
    store.close();
}

#[tokio::test]
async fn a_write_that_was_finished_becomes_a_shard_whether_anybody_waits_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shards: Vec<TestShard> = (0..200)
        .map(|number| TestShard::new(blob(number), 0, &[1000]))
        .collect();
    for shard in &shards {
        let mut writer = store.shards.begin(shard.blob, 0, Epoch::new(1)).unwrap();
        let (cell, hashes) = (shard.cells[0].clone(), shard.hashes(0));
        writer.cell(0, cell, hashes).await.unwrap();
        let finishing = writer.finish();
        // It is on its way after the first look, and nobody looks a second time.
        tokio::task::yield_now().await;
        let _ = futures::FutureExt::now_or_never(finishing);
    }
    store
        .write(&TestShard::new(blob(999), 0, &[100]))
        .await
        .unwrap();
    for shard in &shards {
        assert!(store.has(shard).await);
    }
    assert_eq!(store.shards.status().await.unwrap().totals.doomed_bytes, 0);
    store.close();
}

#[tokio::test]
async fn the_same_shard_again_is_fine_and_another_in_its_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[1000, 10]);
    store.write(&shard).await.unwrap();
    assert_eq!(store.write(&shard).await, Ok(shard.root()));
    let other = TestShard::new(blob(1), 0, &[1000, 11]);
    let refused = Err(WriteError::Conflict(Conflict::OtherContent));
    assert_eq!(store.write(&other).await, refused);
    assert!(store.has(&shard).await);
    store.shards.remove(vec![blob(1)]).await.unwrap();
    assert_eq!(store.write(&other).await, Ok(other.root()));
    store.clock.advance(GRACE);
    store.collect_all().await;
    assert!(store.has(&other).await);
    store.close();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = Store::open_dir(dir.path());
    assert!(store.has(&other).await);
    assert_eq!(store.list().await.len(), 1);
    store.close();
}

#[tokio::test]
async fn an_epoch_that_was_advanced_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let group = PlacementGroupId::new(1);
    store
        .write_at_epoch(&TestShard::new(blob(1), 0, &[10]), 3)
        .await
        .unwrap();
    let stale = store
        .write_at_epoch(&TestShard::new(blob(2), 0, &[10]), 2)
        .await;
    assert!(matches!(
        stale,
        Err(WriteError::Conflict(Conflict::StaleEpoch { .. }))
    ));
    // Begun in time and overtaken.
    let late = TestShard::new(blob(3), 0, &[10]);
    let mut writer = store.shards.begin(blob(3), 0, Epoch::new(3)).unwrap();
    writer
        .cell(0, late.cells[0].clone(), late.hashes(0))
        .await
        .unwrap();
    store
        .shards
        .advance_epoch(group, Epoch::new(7))
        .await
        .unwrap();
    store
        .shards
        .advance_epoch(group, Epoch::new(5))
        .await
        .unwrap();
    assert!(matches!(
        writer.finish().await,
        Err(WriteError::Conflict(Conflict::StaleEpoch { .. }))
    ));
    store.close();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = Store::open_dir(dir.path());
    let stale = store
        .write_at_epoch(&TestShard::new(blob(2), 0, &[10]), 6)
        .await;
    assert!(matches!(
        stale,
        Err(WriteError::Conflict(Conflict::StaleEpoch { .. }))
    ));
    store
        .write_at_epoch(&TestShard::new(blob(2), 0, &[10]), 7)
        .await
        .unwrap();
    store.close();
}

#[tokio::test]
async fn a_flip_of_any_byte_of_a_segment_never_gives_wrong_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shards: Vec<TestShard> = (0..4)
        .map(|number| TestShard::new(blob(number), 0, &[300, 66_000]))
        .collect();
    for shard in &shards {
        store.write(shard).await.unwrap();
    }
    let path = fs::read_dir(dir.path().join("segments"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let len = fs::metadata(&path).unwrap().len();
    let mut found = 0;
    for offset in (0..len).filter(|offset| offset % 641 == 0 || offset % 67_000 < 300) {
        flip(&path, offset);
        let mut damaged = 0;
        for shard in &shards {
            for stripe in 0..2 {
                match store.read(shard.blob, 0, stripe).await {
                    Ok(frames) => {
                        assert_eq!(frames.data, shard.cells[usize::try_from(stripe).unwrap()]);
                    }
                    Err(ReadError::Damaged { .. }) => damaged += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        assert!(damaged <= 1);
        found += damaged;
        flip(&path, offset);
    }
    assert!(found > 500);
    let counted = store.shards.status().await.unwrap().damaged_cells;
    assert_eq!(counted, found);
    assert!(store.metrics.render().contains(&format!(
        "damaged_cells_total{{disk=\"{:032x}\"}} {found}",
        3
    )));
    for shard in &shards {
        assert!(store.has(shard).await);
    }
    store.close();
}

fn flip(path: &Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

#[tokio::test]
async fn a_damaged_cell_is_healed_by_writing_its_shard_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[5000]);
    store.write(&shard).await.unwrap();
    let path = fs::read_dir(dir.path().join("segments"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    flip(&path, 1000);
    assert_eq!(
        store.read(blob(1), 0, 0).await,
        Err(ReadError::Damaged { stripe: 0 })
    );
    store.write(&shard).await.unwrap();
    assert!(store.has(&shard).await);
    store.close();
}

#[tokio::test]
async fn without_its_index_a_whole_shard_is_found_though_a_newer_one_in_its_place_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let shard = TestShard::new(blob(1), 0, &[1000, 10]);
    store.write(&shard).await.unwrap();
    store.write(&shard).await.unwrap();
    // Enough to close the segment that they are in.
    for number in 2..12 {
        let other = TestShard::new(blob(number), 0, &[1 << 20]);
        store.write(&other).await.unwrap();
    }
    store.close();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    // The header of the first cell of the second attempt: behind a cell of 1088 bytes and one of 128.
    flip(&dir.path().join("segments/00000001.seg"), 1088 + 128 + 20);
    let store = Store::open_dir(dir.path());
    assert!(store.has(&shard).await);
    store.close();
}

#[tokio::test]
async fn many_writers_share_few_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    let writes = (0..200).map(|number| {
        let shard = TestShard::new(blob(number), 0, &[16_384]);
        let store = &store;
        async move { store.write(&shard).await.unwrap() }
    });
    futures::future::join_all(writes).await;
    let text = store.metrics.render();
    let line = text
        .lines()
        .find(|line| line.starts_with("cairn_disk_syncs_total{"))
        .unwrap();
    let syncs: u64 = line.split(' ').next_back().unwrap().parse().unwrap();
    assert!(syncs < 30, "{syncs} syncs for 200 writes");
    store.close();
}

#[tokio::test]
async fn a_small_store_takes_up_little_more_than_its_shards() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for number in 0..20 {
        store
            .write(&TestShard::new(blob(number), 0, &[16_384]))
            .await
            .unwrap();
    }
    store.close();
    assert!(allocated(dir.path()) < 20 * 16_384 * 103 / 100 + 8192);
    let index: u64 = fs::read_dir(dir.path().join("index"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512)
        .sum();
    assert!(index < 256 << 10, "the index takes {index} bytes");
}

#[tokio::test]
async fn a_disk_with_many_shards_opens_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path());
    for round in 0..100 {
        let writes = (0..1000).map(|number| {
            let shard = TestShard::new(blob(round * 1000 + number), 0, &[64]);
            let store = &store;
            async move { store.write(&shard).await.unwrap() }
        });
        futures::future::join_all(writes).await;
    }
    store.close();
    let clock = cairn_runtime::SystemClock::shared();
    let store = Store::open_dir(dir.path());
    let took = clock.monotonic();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(store.list().await.len(), 100_000);
    store.close();
}
