//! A cluster that begins as small as can be becomes one of the usual size, while it is used.

use std::collections::BTreeMap;

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::wait;

use crate::fixture::{MIB, PATIENCE, runtime};
use crate::traffic::{Traffic, USUAL_MIX};

const SMALL: [&str; 8] = [
    "--meta",
    "1",
    "--storage",
    "3",
    "--gateways",
    "1",
    "--set",
    "storage.read_grace_ms=500",
];

#[test]
fn one_metadata_node_becomes_three_and_three_storage_nodes_six_under_load() {
    let mut dice = Dice::of_this_run("growth");
    let runtime = runtime();
    let cluster = Cluster::up("growth", &SMALL);
    let traffic = Traffic::start(&runtime, &cluster, &mut dice, 3, USUAL_MIX);
    traffic.await_more(40);

    for _ in 0..2 {
        cluster.run(&["add", "meta"]);
        traffic.await_more(20);
    }
    let status = cluster.await_status("three vote in every group", |status| {
        status.is_led() && status.groups.iter().all(|group| group.voters.len() == 3)
    });
    assert_eq!(
        status
            .groups
            .iter()
            .map(|group| group.learners.len())
            .sum::<usize>(),
        0
    );
    for _ in 0..3 {
        cluster.run(&["add", "storage"]);
        traffic.await_more(20);
    }
    cluster.run(&["add", "gateway"]);
    cluster.await_status("six disks are in service", |status| {
        let in_service = status
            .disks
            .iter()
            .filter(|disk| disk.state == "in service");
        in_service.count() == 6
    });

    // New nodes are written to, and the first of all is not needed any more.
    let used = wait::until(PATIENCE, || {
        let written = written_by_node(&cluster);
        ["storage-4", "storage-5", "storage-6"]
            .iter()
            .all(|name| written[*name] > MIB)
    });
    let written = written_by_node(&cluster);
    println!("growth: bytes written by node {written:?}");
    assert!(used, "new nodes are not used");
    cluster.strike(&["meta-1"]);
    traffic.await_more(40);
    cluster.strike(&["storage-1"]);
    traffic.await_more(40);
    cluster.signal("start", &["meta-1", "storage-1"]);
    cluster.await_status("all nodes are back", |status| {
        status.is_led() && status.nodes_in("down") == 0
    });

    let failures = traffic.failures();
    let mut written = traffic.stop(&runtime);
    written.check(&runtime, &cluster);
    written.report("growth");
    assert!(failures.is_empty(), "{failures:?}");
    cluster.finish(&[]);
}

fn written_by_node(cluster: &Cluster) -> BTreeMap<String, u64> {
    let scrapes = cluster.scrapes(Role::Storage).into_iter();
    let written =
        scrapes.map(|(name, scrape)| (name, scrape.count("cairn_disk_written_bytes_total", &[])));
    written.collect()
}
