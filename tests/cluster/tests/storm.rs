//! Every kind of process is killed under writers, one kind after the other, and at last all at once.

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::S3;
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Wire;
use tokio::runtime::Runtime;

use crate::fixture::{MIB, PARITY, WHOLE, make_buckets, runtime};
use crate::sdk_user::SdkUser;
use crate::traffic::{Traffic, USUAL_MIX};

const WRITERS: usize = 4;
/// Acknowledged operations that show that a cluster serves.
const SERVES: u64 = 40;
const ROUNDS: usize = 2;

#[test]
fn what_was_acknowledged_survives_the_death_of_every_kind_of_process_and_of_all_at_once() {
    let mut dice = Dice::of_this_run("storm");
    let runtime = runtime();
    let cluster = Cluster::up("storm", &WHOLE);
    let traffic = Traffic::start(&runtime, &cluster, &mut dice, WRITERS, USUAL_MIX);
    traffic.await_more(SERVES);

    // One gateway stays, and programs that go through it must not notice anything.
    let user = SdkUser::start(&runtime, &cluster, "gateway-2");
    for round in 0..ROUNDS {
        let leader = kill_leader(&cluster, &traffic, round);
        let nodes = kill_storage(&cluster, &traffic, &mut dice);
        cluster.signal("start", &[&[leader], nodes.as_slice()].concat());
        cluster.await_status("all nodes are back", |status| {
            status.is_led() && status.nodes_in("down") == 0
        });
        println!("storm: failures so far {:?}", traffic.failures());
    }
    let (requests, failures) = user.stop(&runtime);
    assert_eq!(failures, Vec::<String>::new(), "of {requests} requests");
    println!("storm: the SDK's {requests} requests all succeeded");

    kill_gateway_in_upload(&runtime, &cluster, &traffic);
    traffic.await_more(SERVES);
    let names = all_names(&cluster);
    cluster.strike(&names);
    // Writers go on against nobody: what they begin now is refused, what was under way is unknown.
    let mut written = traffic.stop(&runtime);
    assert!(written.counts().2 > 0, "nothing was interrupted");
    cluster.signal("start", &names);
    cluster.await_writable();
    cluster.status();

    let before = shard_bytes_read(&cluster);
    let objects = written.check(&runtime, &cluster);
    written.report("storm");
    assert_from_shards(shard_bytes_read(&cluster) - before, objects);
    cluster.run(&["down"]);
    cluster.run(&["up"]);
    written.check(&runtime, &cluster);
    cluster.finish(&[]);
}

/// Kills the node that leads the root group, or in a later round the most groups. Gives its name.
fn kill_leader(cluster: &Cluster, traffic: &Traffic, round: usize) -> String {
    let status = cluster.status();
    let led = status.led();
    let root = status.group(0).and_then(|group| group.leader.clone());
    let most = led.iter().max_by_key(|(_, groups)| groups.len());
    let most = most.map(|(name, _)| (*name).to_owned());
    let victim = if round == 0 { root } else { most };
    let victim = victim.expect("every group has a leader");
    let groups = led[victim.as_str()].clone();
    traffic.take_slowest();
    cluster.strike(&[&victim]);
    let first = traffic.await_more(SERVES);
    cluster.await_status("all groups have other leaders", |status| {
        status.is_led() && !status.led().contains_key(victim.as_str())
    });
    traffic.await_more(SERVES);
    let slowest = traffic.take_slowest();
    println!("storm: failures so far {:?}", traffic.failures());
    println!(
        "storm: killed {victim}, leader of {groups:?}: first ok after {first:.1?}, slowest {slowest:.1?}"
    );
    victim
}

/// Kills as many storage nodes as parity allows. Gives their names.
fn kill_storage(cluster: &Cluster, traffic: &Traffic, dice: &mut Dice) -> Vec<String> {
    let names = cluster.description().names(Role::Storage);
    let victims = dice.choose_some(&names, PARITY);
    cluster.strike(&victims);
    let first = traffic.await_more(SERVES);
    cluster.await_status("the dead nodes are missed", |status| {
        status.nodes_in("down") >= PARITY
    });
    traffic.await_more(SERVES);
    let slowest = traffic.take_slowest();
    println!("storm: killed {victims:?}: first ok after {first:.1?}, slowest {slowest:.1?}");
    victims
}

/// Kills a gateway while bodies of which it has a half are on their way: nothing of them is seen, and an upload in parts that
/// was begun there is finished by another.
fn kill_gateway_in_upload(runtime: &Runtime, cluster: &Cluster, traffic: &Traffic) {
    let description = cluster.description();
    let (victim, other) = (
        description.process("gateway-1"),
        description.process("gateway-2"),
    );
    let (dying, living) = (description.client(victim), description.client(other));
    let bucket = make_buckets(runtime, cluster, "interrupted", 1).remove(0);
    let old = Pattern::of("old", 1, 5 * MIB);
    let put = runtime.block_on(living.put(&bucket, "overwritten", old.bytes()));
    assert_eq!(put.unwrap().status, 200);
    let parts = Pattern::of("parts", 1, 12 * MIB).parts(5 * MIB);
    let begun = runtime.block_on(dying.upload_parts(&bucket, "parts", &parts));
    let (upload, document) = begun.expect("upload all parts");

    let halves: Vec<Wire> = ["overwritten", "absent"]
        .into_iter()
        .map(|key| send_half(&dying, &bucket, key))
        .collect();
    cluster.strike(&["gateway-1"]);
    drop(halves);
    traffic.await_more(SERVES);

    assert_holds(runtime, &living, &bucket, "overwritten", Some(&old));
    assert_holds(runtime, &living, &bucket, "absent", None);
    let complete = Request::key("POST", &bucket, "parts").query("uploadId", upload);
    let complete = runtime
        .block_on(living.send(complete.body(document)))
        .unwrap();
    assert_eq!(
        complete.verdict(),
        (200, String::new()),
        "{}",
        complete.text()
    );
    assert_holds(
        runtime,
        &living,
        &bucket,
        "parts",
        Some(&Pattern::of("parts", 1, 12 * MIB)),
    );
    cluster.signal("start", &["gateway-1"]);
    cluster.await_writable();
    assert_holds(runtime, &dying, &bucket, "overwritten", Some(&old));
}

/// Sends the head and half of the body of a `PUT`.
fn send_half(client: &S3, bucket: &str, key: &str) -> Wire {
    let body = Pattern::of(key, 2, 5 * MIB).bytes();
    let put = Request::key("PUT", bucket, key).body(body);
    let put = put.signed(client.signer(), client.host());
    let mut wire = Wire::connect(client.host().parse().unwrap());
    wire.send(&put.head());
    wire.send(&put.body[..put.body.len() / 2]);
    wire
}

fn assert_holds(runtime: &Runtime, client: &S3, bucket: &str, key: &str, holds: Option<&Pattern>) {
    let get = runtime.block_on(client.get(bucket, key)).unwrap();
    match holds {
        Some(pattern) => {
            assert_eq!(get.status, 200, "{key}: {}", get.text());
            assert_eq!(get.body.len() as u64, pattern.len_bytes(), "{key}");
            assert_eq!(pattern.check(0, &get.body), Ok(()), "{key}");
        }
        None => assert_eq!(get.verdict(), (404, "NoSuchKey".to_owned()), "{key}"),
    }
}

/// Bytes that the disks of all storage nodes have read since these were started.
fn shard_bytes_read(cluster: &Cluster) -> u64 {
    cluster.counted(Role::Storage, "cairn_disk_read_bytes_total", &[])
}

fn assert_from_shards(read: u64, objects: u64) {
    println!("storm: {read} bytes of shards for {objects} bytes of objects");
    assert!(
        read > objects / 10 * 9,
        "only {read} of {objects} bytes came from shards"
    );
}

fn all_names(cluster: &Cluster) -> Vec<String> {
    let description = cluster.description();
    description
        .processes
        .into_iter()
        .map(|process| process.name)
        .collect()
}
