//! A metadata node that lost everything comes back by snapshots, however often it is interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_cluster_tests::status::Status;
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::ledger::Kind;
use cairn_dev_tests::wait;
use tokio::runtime::Runtime;

use crate::fixture::{KIB, PATIENCE, WHOLE, first_client, make_buckets, runtime};
use crate::traffic::{Mix, Traffic};

/// Snapshots all the time, and little log: whoever was away needs one.
const SETTINGS: [&str; 6] = [
    "--set",
    "meta.snapshot_entries=100",
    "--set",
    "meta.log_bytes=8388608",
    "--set",
    "engine.inline_limit_bytes=65536",
];
const KILLS: u32 = 10;
/// Metadata with bodies in it, so that snapshots take a while: 64 KiB in each of so many objects.
const OBJECTS: u64 = 2_500;
const BUCKETS: usize = 8;
const CLIENTS: u64 = 16;
const MEMORY_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
const MIX: Mix = [
    (Kind::Tiny, 90),
    (Kind::Small, 10),
    (Kind::Large, 0),
    (Kind::Parts, 0),
];

#[test]
fn a_wiped_metadata_node_rejoins_every_group_by_snapshots_though_killed_ten_times() {
    let mut dice = Dice::of_this_run("rejoin");
    let runtime = runtime();
    let cluster = Cluster::up("rejoin", &[&WHOLE[..], &SETTINGS].concat());
    fill(&runtime, &cluster);
    let traffic = Traffic::start(&runtime, &cluster, &mut dice, 4, MIX);
    traffic.await_more(1_000);
    let status = cluster.await_status("no log reaches back to the beginning", is_purged);

    let victim = dice.choose(&status.groups[0].voters).clone();
    let before = peaks(&cluster);
    let mut after = before.clone();
    cluster.strike(&[&victim]);
    wipe(&cluster, &victim);
    let (mut interrupted, mut tries) = (0, 0);
    while interrupted < KILLS {
        tries += 1;
        assert!(tries < 5 * KILLS, "it joins too fast to be interrupted");
        cluster.signal("start", &[&victim]);
        // From the first contact up to the middle of the snapshots; later kills find a node that has some groups already.
        sleep(Duration::from_millis(50 + dice.below(300)));
        note_peaks(&cluster, &mut after);
        let status = cluster.try_status();
        let has_joined = status.is_some_and(|status| has_joined(&status, &victim));
        cluster.strike(&[&victim]);
        if has_joined {
            wipe(&cluster, &victim);
        } else {
            interrupted += 1;
        }
    }
    println!("rejoin: {victim} wiped, and killed {interrupted} times on its way back");
    cluster.signal("start", &[&victim]);
    let joined = wait::until(PATIENCE, || {
        note_peaks(&cluster, &mut after);
        cluster
            .try_status()
            .is_some_and(|status| has_joined(&status, &victim))
    });
    assert!(joined, "{:#?}", cluster.try_status());
    traffic.await_more(100);
    let mut written = traffic.stop(&runtime);
    cluster.await_status("all replicas agree", |status| {
        status
            .groups
            .iter()
            .all(|group| group.agrees() == Some(true))
    });
    for (name, peak) in &after {
        let grown = peak.saturating_sub(before[name]);
        println!("rejoin: {name} grew by {} KiB", grown / 1024);
        assert!(grown <= MEMORY_LIMIT_BYTES, "{name} grew by {grown} bytes");
    }
    assert_by_snapshot(&cluster.status(), &victim);
    prove_the_vote(&runtime, &cluster, &victim);
    written.check(&runtime, &cluster);
    written.report("rejoin");
    cluster.finish(&[]);
}

/// Writes what makes the metadata large.
fn fill(runtime: &Runtime, cluster: &Cluster) {
    let buckets = make_buckets(runtime, cluster, "fill", BUCKETS);
    let clients = cluster.clients();
    let writers: Vec<_> = (0..CLIENTS)
        .map(|writer| {
            let client = clients[usize::try_from(writer).unwrap() % clients.len()].clone();
            let buckets = buckets.clone();
            runtime.spawn(async move {
                for number in (writer..OBJECTS).step_by(usize::try_from(CLIENTS).unwrap()) {
                    let bucket = &buckets[usize::try_from(number).unwrap() % buckets.len()];
                    let key = format!("fill/{number}");
                    let body = Pattern::of(&key, 0, 64 * KIB).bytes();
                    let put = client.put(bucket, &key, body).await.unwrap();
                    assert_eq!(put.status, 200, "{}", put.text());
                }
            })
        })
        .collect();
    for writer in writers {
        runtime.block_on(writer).unwrap();
    }
}

/// Whether no replica of a data group has the beginning of its log: nobody can join it without a snapshot.
fn is_purged(status: &Status) -> bool {
    let groups = status.groups.iter().filter(|group| group.group != 0);
    let mut replicas = groups.flat_map(|group| &group.replicas);
    replicas.all(|replica| replica.purged_index > Some(0))
}

fn wipe(cluster: &Cluster, name: &str) {
    for directory in &cluster.description().process(name).data {
        fs::remove_dir_all(directory).unwrap();
        fs::create_dir(directory).unwrap();
    }
}

/// Whether a node votes in every group and has applied what its leader has purged.
fn has_joined(status: &Status, name: &str) -> bool {
    status.groups.iter().all(|group| {
        let votes = group.voters.iter().any(|voter| voter == name);
        let applied = group
            .replica(name)
            .and_then(|replica| replica.applied_index);
        let purged = group
            .replicas
            .iter()
            .filter_map(|replica| replica.purged_index)
            .max();
        votes && applied >= purged && applied.is_some()
    })
}

/// A log that begins in the middle was begun by a snapshot: what a new node writes itself is too short to be purged.
fn assert_by_snapshot(status: &Status, name: &str) {
    for group in status.groups.iter().filter(|group| group.group != 0) {
        let replica = group.replica(name).unwrap();
        assert!(
            replica.purged_index > Some(0),
            "group {}: {replica:?}",
            group.group
        );
    }
}

/// With another node away, nothing can be written without this one.
fn prove_the_vote(runtime: &Runtime, cluster: &Cluster, name: &str) {
    let names = cluster.description().names(Role::Meta);
    let other = names.iter().find(|other| *other != name).unwrap();
    cluster.signal("stop", &[other]);
    let client = first_client(cluster);
    for bucket in 0..BUCKETS {
        let bucket = format!("fill-{bucket}");
        let put = runtime.block_on(client.put(&bucket, "last", vec![7; 100].into()));
        let put = put.unwrap();
        assert_eq!(put.status, 200, "{}", put.text());
    }
    cluster.signal("start", &[other]);
    cluster.status();
}

/// The most memory that each metadata node had since it was started: under load, that is what it was meant to take.
fn peaks(cluster: &Cluster) -> BTreeMap<String, u64> {
    let scrapes = cluster.scrapes(Role::Meta).into_iter();
    let peaks = scrapes.map(|(name, scrape)| {
        let bytes = scrape.count("process_peak_resident_memory_bytes", &[]);
        (name, bytes)
    });
    peaks.collect()
}

fn note_peaks(cluster: &Cluster, noted: &mut BTreeMap<String, u64>) {
    for (name, bytes) in peaks(cluster) {
        let peak = noted.entry(name).or_default();
        *peak = bytes.max(*peak);
    }
}
