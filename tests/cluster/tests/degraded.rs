//! What is written while as many storage nodes are away as may be survives the loss of one more.

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::dice::Dice;
use tokio::runtime::Runtime;

use crate::fixture::{KIB, PARITY, WHOLE, first_client, make_buckets, runtime};

const OBJECTS: u64 = 100;

#[test]
fn a_hundred_objects_written_without_two_nodes_are_read_without_three() {
    let mut dice = Dice::of_this_run("degraded");
    let runtime = runtime();
    let cluster = Cluster::up("degraded", &WHOLE);
    let bucket = make_buckets(&runtime, &cluster, "degraded", 1).remove(0);
    let names = cluster.description().names(Role::Storage);
    let victims = dice.choose_some(&names, PARITY + 1);
    let (away, later) = victims.split_at(PARITY);

    cluster.signal("stop", away);
    let written = cluster.counted(Role::Storage, "cairn_disk_written_bytes_total", &[]);
    let client = first_client(&cluster);
    for number in 0..OBJECTS {
        let pattern = specimen(number);
        let put = runtime.block_on(client.put(&bucket, &key(number), pattern.bytes()));
        let put = put.unwrap();
        assert_eq!(put.status, 200, "{number}: {}", put.text());
    }
    let written = cluster.counted(Role::Storage, "cairn_disk_written_bytes_total", &[]) - written;
    let objects = (0..OBJECTS)
        .map(|number| specimen(number).len_bytes())
        .sum::<u64>();
    println!(
        "degraded: {written} bytes of shards for {objects} bytes of objects, without {away:?}"
    );
    assert!(
        2 * written >= 3 * objects,
        "they are not kept in shards that survive a loss"
    );

    cluster.strike(later);
    println!("degraded: killed {later:?}");
    for client in cluster.clients() {
        check_all(&runtime, &client, &bucket);
    }
    // With three of six away there is still a place to write to.
    let put = runtime.block_on(client.put(&bucket, "late", specimen(0).bytes()));
    assert_eq!(put.unwrap().status, 200);

    cluster.signal("start", &victims);
    cluster.await_status("all nodes are back", |status| status.nodes_in("down") == 0);
    check_all(&runtime, &client, &bucket);
    cluster.finish(&[]);
}

/// As after a loss of power, or where all nodes are upgraded at once.
#[test]
fn requests_wait_for_storage_nodes_that_start_again() {
    let runtime = runtime();
    let cluster = Cluster::up("restart", &WHOLE);
    let bucket = make_buckets(&runtime, &cluster, "restart", 1).remove(0);
    let nodes = cluster.description().names(Role::Storage);
    // Of one stripe, and of more.
    let (old, new) = (specimen(8), specimen(9));
    let client = first_client(&cluster);
    let put = runtime.block_on(client.put(&bucket, "old", old.bytes()));
    assert_eq!(put.unwrap().status, 200);

    cluster.strike(&nodes);
    let waiting: Vec<_> = cluster
        .clients()
        .into_iter()
        .map(|client| {
            let (bucket, body) = (bucket.clone(), new.bytes());
            runtime.spawn(async move {
                let put = client.put(&bucket, "new", body);
                tokio::join!(client.get(&bucket, "old"), put)
            })
        })
        .collect();
    cluster.signal("start", &nodes);
    for answers in waiting {
        let (get, put) = runtime.block_on(answers).unwrap();
        let (get, put) = (get.unwrap(), put.unwrap());
        assert_eq!(get.status, 200, "{}", get.text());
        assert_eq!(old.check(0, &get.body), Ok(()));
        assert_eq!(put.status, 200, "{}", put.text());
    }
    let get = runtime.block_on(client.get(&bucket, "new")).unwrap();
    assert_eq!(get.status, 200, "{}", get.text());
    assert_eq!(new.check(0, &get.body), Ok(()));
    cluster.finish(&[]);
}

fn check_all(runtime: &Runtime, client: &cairn_dev_tests::client::S3, bucket: &str) {
    for number in 0..OBJECTS {
        let get = runtime.block_on(client.get(bucket, &key(number))).unwrap();
        assert_eq!(get.status, 200, "{number}: {}", get.text());
        let pattern = specimen(number);
        assert_eq!(get.body.len() as u64, pattern.len_bytes(), "{number}");
        assert_eq!(pattern.check(0, &get.body), Ok(()), "{number}");
    }
}

/// 20 KiB to 2 MiB, and one in ten over more than one stripe: all of them in shards.
fn specimen(number: u64) -> Pattern {
    let len = match number % 10 {
        9 => 5_000 * KIB + number,
        8 => 2_000 * KIB + number,
        _ => 20 * KIB + number * 777,
    };
    Pattern::of(&key(number), 0, len)
}

fn key(number: u64) -> String {
    format!("object/{number}")
}
