//! Reading.

use std::time::Duration;

use cairn_engine::ReadError;
use cairn_types::object::Content;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::cluster::{Cluster, Setup, disk, pattern, read, until};
use super::disks::Fault;

/// Lengths around the borders of cells and stripes of 64 KiB and 4 data cells.
const LENGTHS: [usize; 9] = [
    16_385, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 262_208, 1_500_000,
];

#[tokio::test]
async fn what_was_put_is_what_is_got_for_all_profiles_and_lengths() {
    for profile in ["1+0", "1+1", "2+1", "2+2", "4+2", "8+4"] {
        let cluster = Cluster::start(Setup {
            profile,
            ..Setup::default()
        })
        .await;
        for len in LENGTHS {
            let bytes = pattern(len);
            cluster.put("key", &bytes).await.unwrap();
            assert!(
                cluster.get("key").await.unwrap() == bytes,
                "{profile} {len}"
            );
            assert!(matches!(
                cluster.record("key").await.content,
                Content::Extents(_)
            ));
        }
        assert_eq!(cluster.counter("cairn_engine_degraded_reads_total"), 0);
    }
}

#[tokio::test]
async fn any_range_is_the_slice_of_the_whole_with_and_without_missing_disks() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(700_000);
    cluster.put("large", &bytes).await.unwrap();
    cluster.put("small", &bytes[..1000]).await.unwrap();
    let check = async |key: &str, len: u64| {
        let mut runner = TestRunner::deterministic();
        for _ in 0..60 {
            let bounds = (0..=len, 0..=len).new_tree(&mut runner).unwrap().current();
            let (start, end) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
            let expected = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            let got = cluster.get_range(key, start, end).await.unwrap();
            assert!(got == expected, "{key} {start}..{end}");
        }
    };
    check("small", 1000).await;
    check("large", 700_000).await;
    for shard in [0, 3] {
        let away = Fault {
            is_away: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), away);
    }
    check("large", 700_000).await;
    assert!(cluster.counter("cairn_engine_degraded_reads_total") > 0);
}

#[tokio::test]
async fn a_range_beyond_the_end_is_refused() {
    let cluster = Cluster::start(Setup::default()).await;
    cluster.put("key", b"0123456789").await.unwrap();
    let error = cluster.get_range("key", 3, 11).await.unwrap_err();
    assert!(matches!(
        error,
        ReadError::Range {
            start: 3,
            end: 11,
            len: 10
        }
    ));
    assert_eq!(cluster.get_range("key", 10, 10).await.unwrap(), b"");
}

#[tokio::test]
async fn up_to_m_lost_or_damaged_shards_are_decoded_around() {
    for is_blind in [false, true] {
        let cluster = Cluster::start(Setup::default()).await;
        let bytes = pattern(1_000_000);
        cluster.put("key", &bytes).await.unwrap();
        let (blob, _) = cluster.blob_of("key").await;
        let blind = Fault {
            is_blind,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(1), blind);
        cluster.disks.damage(disk(1), blob, 12_345);
        cluster.disks.lose(disk(2), blob);
        assert!(cluster.get("key").await.unwrap() == bytes);
        // Each of the four stripes lacks two data cells.
        assert_eq!(cluster.counter("cairn_engine_degraded_reads_total"), 8);
    }
}

#[tokio::test]
async fn more_than_m_bad_shards_are_an_error_and_never_wrong_bytes() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(1_000_000);
    cluster.put("key", &bytes).await.unwrap();
    let (blob, _) = cluster.blob_of("key").await;
    for shard in [0, 2, 5] {
        let blind = Fault {
            is_blind: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), blind);
        cluster.disks.damage(disk(shard), blob, 77);
    }
    let error = cluster.get("key").await.unwrap_err();
    assert!(
        matches!(error, ReadError::Stripe { stripe: 0, .. }),
        "{error:?}"
    );
    // What needs none of the damaged cells is still there.
    let whole_cells = cluster.get_range("key", 65_536, 2 * 65_536).await.unwrap();
    assert!(whole_cells == bytes[65_536..2 * 65_536]);
}

#[tokio::test]
async fn a_read_waits_for_disks_that_are_away_and_not_for_ever() {
    let mut setup = Setup::default();
    setup.config.disk_patience = Duration::from_millis(400);
    let cluster = Cluster::start(setup.clone()).await;
    cluster.put("key", &pattern(1_000_000)).await.unwrap();
    set_away(&cluster, [0, 1, 2, 3], true);
    let before = cluster.disks.request_count();
    let error = cluster.get("key").await.unwrap_err();
    assert!(matches!(error, ReadError::Stripe { .. }), "{error:?}");
    let asked = cluster.disks.request_count() - before;
    assert!(asked > 4 * 6, "each disk was asked once for each stripe");

    setup.config.disk_patience = Duration::from_mins(1);
    let cluster = Cluster::start(setup).await;
    let bytes = pattern(1_000_000);
    cluster.put("key", &bytes).await.unwrap();
    let (blob, _) = cluster.blob_of("key").await;
    set_away(&cluster, [0, 1, 2, 3], true);
    let asked = cluster.disks.request_count();
    let back = async {
        until("all disks were asked", async || {
            cluster.disks.request_count() >= asked + 12
        })
        .await;
        // One of them has lost what it had: it is not asked again.
        cluster.disks.lose(disk(2), blob);
        set_away(&cluster, [0, 1, 2, 3], false);
    };
    let (read, ()) = futures::join!(cluster.get("key"), back);
    assert!(read.unwrap() == bytes);

    // What is lost does not come back, whoever does.
    cluster.disks.lose(disk(3), blob);
    cluster.disks.lose(disk(4), blob);
    set_away(&cluster, [0], true);
    let error = tokio::time::timeout(Duration::from_secs(30), cluster.get("key"));
    let error = error.await.expect("nothing is waited for").unwrap_err();
    assert!(matches!(error, ReadError::Stripe { .. }), "{error:?}");
}

fn set_away(cluster: &Cluster, shards: impl IntoIterator<Item = u8>, is_away: bool) {
    for shard in shards {
        let fault = Fault {
            is_away,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), fault);
    }
}

#[tokio::test]
async fn a_download_that_failed_never_comes_to_an_end() {
    let mut setup = Setup::default();
    setup.config.read_ahead_bytes = 1;
    let cluster = Cluster::start(setup).await;
    cluster.put("key", &pattern(2_000_000)).await.unwrap();
    let (blob, _) = cluster.blob_of("key").await;
    let record = cluster.record("key").await;
    let download = cluster.engine.get(&cluster.bucket, &record, 0..record.len);
    let mut download = download.await.unwrap();
    for shard in [0, 2, 5] {
        cluster.disks.damage(disk(shard), blob, 77);
    }
    let mut len = 0;
    let error = loop {
        match download.next().await {
            Ok(piece) => len += piece.expect("not all was given").len(),
            Err(error) => break error,
        }
    };
    assert!(len > 0 && matches!(error, ReadError::Stripe { .. }));
    for _ in 0..3 {
        assert!(download.next().await.is_err());
    }
}

#[tokio::test]
async fn any_flipped_bit_in_any_shard_is_never_seen() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(300_000);
    cluster.put("key", &bytes).await.unwrap();
    let (blob, _) = cluster.blob_of("key").await;
    for bit in (0..40).map(|at| at * 13_109) {
        let disk = disk(u8::try_from(bit % 6).unwrap());
        let blind = Fault {
            is_blind: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk, blind);
        cluster.disks.damage(disk, blob, bit);
        assert!(cluster.get("key").await.unwrap() == bytes, "bit {bit}");
        // Flipped back.
        cluster.disks.damage(disk, blob, bit);
    }
}

#[tokio::test]
async fn a_late_cell_is_decoded_from_others() {
    let mut setup = Setup::default();
    setup.config.hedge_after = (Duration::from_millis(20), Duration::from_millis(40));
    let cluster = Cluster::start(setup).await;
    let bytes = pattern(500_000);
    cluster.put("key", &bytes).await.unwrap();
    let slow = Fault {
        reads_after: Duration::from_mins(1),
        ..Fault::default()
    };
    cluster.disks.set_fault(disk(3), slow);
    let reading = cluster.get("key");
    let got = tokio::time::timeout(Duration::from_secs(5), reading).await;
    assert!(got.expect("it does not wait for the slow disk").unwrap() == bytes);
    assert!(cluster.counter("cairn_engine_hedged_reads_total") > 0);
    assert!(cluster.counter("cairn_engine_degraded_reads_total") > 0);
}

#[tokio::test]
async fn a_read_that_is_under_way_outlives_an_overwrite() {
    let mut setup = Setup::default();
    setup.config.read_ahead_bytes = 1;
    setup.config.pin_after = Duration::from_millis(20);
    assert_outlives_an_overwrite(setup).await;
}

#[tokio::test]
async fn a_read_that_is_under_way_outlives_an_overwrite_on_nodes_with_a_short_grace() {
    let mut setup = Setup::default();
    setup.config.read_ahead_bytes = 1;
    setup.config.pin_after = Duration::from_hours(1);
    setup.read_grace = Some(Duration::from_millis(60));
    assert_outlives_an_overwrite(setup).await;
}

async fn assert_outlives_an_overwrite(setup: Setup) {
    let cluster = Cluster::start(setup).await;
    let bytes = pattern(2_000_000);
    cluster.put("key", &bytes).await.unwrap();
    let record = cluster.record("key").await;
    let download = cluster.engine.get(&cluster.bucket, &record, 0..record.len);
    let download = download.await.unwrap();
    cluster.put("key", b"other").await.unwrap();
    until("its blob is pinned on all disks", async || {
        cluster.disks.pin_count() == 6
    })
    .await;
    assert!(read(download).await.unwrap() == bytes);
    assert_eq!(cluster.get("key").await.unwrap(), b"other");
}

#[tokio::test]
async fn a_download_that_is_dropped_gives_its_memory_back() {
    let cluster = Cluster::start(Setup::default()).await;
    cluster.put("key", &pattern(3_000_000)).await.unwrap();
    let record = cluster.record("key").await;
    let download = cluster.engine.get(&cluster.bucket, &record, 0..record.len);
    let mut download = download.await.unwrap();
    let first = download.next().await.unwrap().unwrap();
    let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
    assert!(used.get() > 0);
    drop(download);
    drop(first);
    until("it is given back", async || used.get() == 0).await;
}

#[tokio::test]
async fn reads_share_a_small_budget_one_stripe_each() {
    let mut setup = Setup::default();
    // One stripe of 4 cells, and a bit.
    setup.config.budget_bytes = 600_000;
    setup.config.budget_patience = Duration::from_secs(30);
    let cluster = Cluster::start(setup).await;
    let bytes = pattern(1_500_000);
    cluster.put("key", &bytes).await.unwrap();
    let reads = (0..6).map(|_| cluster.get("key"));
    for got in futures::future::join_all(reads).await {
        assert!(got.unwrap() == bytes);
    }
}
