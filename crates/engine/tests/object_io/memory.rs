//! What reads hold, and how much they ask for, when clients or disks are slow.

use std::time::Duration;

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
