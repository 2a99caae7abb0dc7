//! What reads hold, and how much they ask for, when clients or disks are slow.

use std::sync::Arc;
use std::time::Duration;

use cairn_engine::CopyFrom;
use cairn_types::namespace::data::WriteCondition;
use cairn_types::object::ObjectHeaders;

use super::cluster::{Cluster, Setup, disk, pattern, until};
use super::disks::Fault;

const CELL: usize = 64 * 1024;

fn slow(reads_after: Duration) -> Fault {
    Fault {
        reads_after,
        ..Fault::default()
    }
}

fn used(cluster: &Cluster) -> i64 {
    let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
    used.get()
}

fn bytes(len: usize) -> i64 {
    i64::try_from(len).unwrap()
}

#[tokio::test]
async fn clients_that_take_slowly_hold_nobody_up() {
    let mut setup = Setup {
        cell_len: 256 * 1024,
        ..Setup::default()
    };
    setup.config.budget_bytes = 64 * 1024 * 1024;
    setup.config.budget_patience = Duration::from_secs(5);
    let cluster = Cluster::start(setup).await;
    let large = pattern(12_000_000);
    cluster.put("large", &large).await.unwrap();
    let record = cluster.record("large").await;
    let begun = (0..60).map(|_| async {
        let download = cluster.engine.get(&cluster.bucket, &record, 0..record.len);
        let mut download = download.await.unwrap();
        let first = download.next().await.unwrap().unwrap();
        (download, first)
    });
    let slow = futures::future::join_all(begun).await;
    for _ in 0..3 {
        cluster.put("other", &large[..5_000_000]).await.unwrap();
        assert!(cluster.get("other").await.unwrap() == large[..5_000_000]);
    }
    // The slow ones get all of it in the end.
    for (at, (mut download, first)) in slow.into_iter().enumerate() {
        if at % 20 != 0 {
            continue;
        }
        let mut got = first.to_vec();
        drop(first);
        while let Some(piece) = download.next().await.unwrap() {
            got.extend_from_slice(&piece);
        }
        assert!(got == large);
    }
    until("all is given back", async || used(&cluster) == 0).await;
}

#[tokio::test]
async fn when_all_disks_are_slow_few_reads_are_hedged() {
    let mut setup = Setup {
        profile: "8+4",
        ..Setup::default()
    };
    setup.config.hedge_after = (Duration::from_millis(5), Duration::from_millis(10));
    let cluster = Cluster::start(setup).await;
    cluster.put("key", &pattern(8 * CELL)).await.unwrap();
    for shard in 0..12 {
        cluster
            .disks
            .set_fault(disk(shard), slow(Duration::from_millis(60)));
    }
    let many = async |count: u64| {
        let before = cluster.disks.request_count();
        let reads = (0..count).map(|at| {
            let start = at % 8 * 65_536;
            cluster.get_range("key", start, start + 1_000)
        });
        for read in futures::future::join_all(reads).await {
            read.unwrap();
        }
        cluster.disks.request_count() - before
    };
    // Until the disks are known for it, and what is saved up is spent.
    for _ in 0..8 {
        many(50).await;
    }
    let reads = many(200).await;
    assert!(reads <= 200 + 20 + 8, "{reads} reads of disks for 200");
    assert!(cluster.counter("cairn_engine_withheld_hedges_total") > 0);
}

#[tokio::test]
async fn what_a_degraded_read_holds_is_taken_from_the_budget() {
    let cluster = Cluster::start(Setup {
        profile: "8+4",
        ..Setup::default()
    })
    .await;
    let object = pattern(8 * CELL);
    cluster.put("key", &object).await.unwrap();
    until("all is given back", async || used(&cluster) == 0).await;
    let away = Fault {
        is_away: true,
        ..Fault::default()
    };
    cluster.disks.set_fault(disk(0), away);
    for shard in 1..12 {
        cluster
            .disks
            .set_fault(disk(shard), slow(Duration::from_millis(300)));
    }
    let before = cluster.disks.request_count();
    let reading = cluster.get_range("key", 0, 1_000);
    let watching = async {
        until("eight others are asked", async || {
            cluster.disks.request_count() >= before + 9
        })
        .await;
        used(&cluster)
    };
    let (got, most) = tokio::join!(reading, watching);
    assert!(got.unwrap() == object[..1_000]);
    assert!(most >= bytes(9 * CELL), "{most} bytes taken");
    until("all is given back", async || used(&cluster) == 0).await;
}

#[tokio::test]
async fn degraded_reads_that_need_more_than_there_is_go_on_one_after_the_other() {
    let mut setup = Setup {
        profile: "8+4",
        ..Setup::default()
    };
    setup.config.budget_bytes = 600_000;
    let cluster = Cluster::start(setup).await;
    let object = pattern(20 * CELL);
    cluster.put("key", &object).await.unwrap();
    let (blob, _) = cluster.blob_of("key").await;
    for shard in [1, 3, 6] {
        cluster.disks.lose(disk(shard), blob);
    }
    let reads = futures::future::join_all((0..10).map(|_| cluster.get("key")));
    let reads = tokio::time::timeout(Duration::from_secs(30), reads).await;
    for got in reads.expect("none waits for ever") {
        assert!(got.unwrap() == object);
    }
    until("all is given back", async || used(&cluster) == 0).await;
}

#[tokio::test]
async fn what_a_copy_reads_is_taken_from_the_budget_too() {
    let cluster = Cluster::start(Setup::default()).await;
    let object = pattern(4 * CELL);
    cluster.put("original", &object).await.unwrap();
    until("all is given back", async || used(&cluster) == 0).await;
    let original = CopyFrom {
        bucket: Arc::clone(&cluster.bucket),
        version: cluster.record("original").await,
        range: None,
    };
    for shard in 0..6 {
        cluster
            .disks
            .set_fault(disk(shard), slow(Duration::from_millis(300)));
    }
    let before = cluster.disks.request_count();
    let target = cluster.target("copy");
    let (headers, condition) = (ObjectHeaders::default(), WriteCondition::Always);
    let copying = cluster.engine.copy(&original, &target, headers, &condition);
    let watching = async {
        until("it reads", async || {
            cluster.disks.request_count() >= before + 4
        })
        .await;
        used(&cluster)
    };
    let (copied, most) = tokio::join!(copying, watching);
    copied.unwrap();
    assert!(most >= bytes(2 * 4 * CELL), "{most} bytes taken");
    assert!(cluster.get("copy").await.unwrap() == object);
    until("all is given back", async || used(&cluster) == 0).await;
}
