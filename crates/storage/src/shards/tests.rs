use cairn_erasure::frame::frame_hashes;
use cairn_runtime::ManualClock;
use cairn_types::id::{ClusterId, DiskId, NodeId};
use cairn_types::time::Timestamp;

use super::*;
use crate::disk::simulated::SimulatedDisk;

/// A simulated disk with its index in `dir`.
fn open(dir: &std::path::Path) -> Arc<Shards> {
    let label = Label {
        cluster: ClusterId::new(1),
        node: NodeId::new(2),
        disk: DiskId::new(3),
        seed: Seed::new(4),
        segment_len_bytes: 8 << 20,
    };
    let disk = SimulatedDisk::new(dir.join("index"), 1 << 30);
    let clock = ManualClock::new(Timestamp::from_millis(1_000_000));
    let grace = Duration::from_secs(30);
    let opened = Shards::open(Arc::new(disk), label, grace, clock, &Metrics::new());
    Arc::new(opened.unwrap().0)
}

#[tokio::test]
async fn a_disk_that_has_much_to_do_is_in_service_and_one_that_hangs_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let shards = open(dir.path());
    let status = shards.status().await.unwrap();
    // Every thread has a job that waits until it is let go, and one more job waits for a thread.
    let (mut gates, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..=READERS {
        let (gate, closed) = std::sync::mpsc::channel::<()>();
        gates.push(gate);
        jobs.push(shards.pool.run(move || closed.recv().is_err()));
    }
    let mut all_done = futures::future::join_all(jobs);
    let soon = Duration::from_millis(100);
    tokio::select! {
        biased;
        _ = &mut all_done => unreachable!("nobody lets them go"),
        hanging = shards.status_within(soon) => {
            assert_eq!(hanging.unwrap_err().0, "the disk does not answer");
        }
    }
    let one_is_done = async {
        let let_go = async { drop(gates.swap_remove(0)) };
        tokio::join!(shards.status_within(10 * soon), let_go).0
    };
    tokio::select! {
        biased;
        _ = &mut all_done => unreachable!("nobody lets the others go"),
        busy = one_is_done => assert_eq!(busy, Ok(status)),
    }
    gates.clear();
    assert!(all_done.await.iter().all(|done| *done == Ok(true)));
    shards.close();
}

#[tokio::test]
async fn where_the_index_has_no_room_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let shards = open(dir.path());
    let blob = BlobId::from_bits(7);
    let cell = Bytes::from_static(b"bytes");
    let hashes = frame_hashes(blob, 0, 0, &cell);
    let begin = || shards.begin(blob, 0, Epoch::new(1));
    let mut writer = begin().unwrap();
    writer.cell(0, cell.clone(), hashes.clone()).await.unwrap();
    writer.finish().await.unwrap();
    let mut open = begin().unwrap();
    open.cell(0, cell.clone(), hashes).await.unwrap();

    shards.core.end_writes("no room".to_owned());

    assert_eq!(begin().err(), Some(WriteError::Full));
    assert_eq!(open.finish().await, Err(WriteError::Full));
    assert_eq!(shards.remove(vec![blob]).await, Err(WriteError::Full));
    assert_eq!(shards.collect().await, Ok(0));
    let located = shards.find(blob, 0).await.unwrap();
    let slice = Slice {
        stripe: 0,
        first_frame: 0,
        frame_count: 0,
    };
    assert_eq!(shards.read(located, slice).await.unwrap().data, cell);
    assert_eq!(shards.status().await.unwrap().space.available_bytes, 0);
    assert_eq!(shards.outage(), None);
    shards.close();
}
