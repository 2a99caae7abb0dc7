//! One process is cut off from all others and still talks with its clients.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::namespace::{Namespace, cut, mark_connections, write_hook};
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::wait;

use crate::fixture::{PATIENCE, WHOLE, runtime};
use crate::registers::Registers;
use crate::sdk_user::SdkUser;
use crate::traffic::{Traffic, USUAL_MIX};

const REGISTERS: usize = 16;
const READERS: usize = 6;
/// Long enough for elections, for leases to run out, and for requests to find that nobody answers.
const CUT: Duration = Duration::from_secs(5);
/// More than any role has processes here.
const PROCESSES_OF_A_ROLE: u32 = 12;

#[test]
fn a_leader_a_follower_and_a_gateway_cut_off_lose_nothing_and_answer_nothing_stale() {
    let namespace = match Namespace::create() {
        Ok(namespace) => namespace,
        Err(reason) => {
            println!("partition: skipped, this machine does not allow it: {reason}");
            return;
        }
    };
    namespace.run(|| {
        mark_connections(PROCESSES_OF_A_ROLE);
        let cluster = Cluster::up_with("partition", &WHOLE, |scratch| {
            let hook = write_hook(scratch).display().to_string();
            vec![("CLUSTER_EXEC".to_owned(), hook)]
        });
        cut_one_after_the_other(&cluster);
        cluster.finish(&[]);
    });
}

fn cut_one_after_the_other(cluster: &Cluster) {
    let mut dice = Dice::of_this_run("partition");
    let runtime = runtime();
    let registers = Registers::start(&runtime, cluster, &mut dice, REGISTERS, READERS);
    let traffic = Traffic::start(&runtime, cluster, &mut dice, 2, USUAL_MIX);
    // Its gateway is never cut off, so it must not notice anything.
    let user = SdkUser::start(&runtime, cluster, "gateway-2");
    registers.await_round(100);

    let status = cluster.status();
    let root = status.group(0).unwrap();
    let leader = root.leader.clone().unwrap();
    let mut followers = root.voters.iter().filter(|name| **name != leader);
    let follower = followers.next().unwrap().clone();
    for victim in [leader, follower, "gateway-1".to_owned()] {
        traffic.take_slowest();
        let begun = Instant::now();
        let cut = cut(&cluster.description(), &victim);
        await_effect(cluster, &victim);
        if victim.starts_with("meta") {
            registers.await_round(50);
        }
        sleep(CUT.saturating_sub(begun.elapsed()));
        let dropped = cut.dropped();
        assert!(dropped > 0, "nothing was cut");
        drop(cut);
        let healed = Instant::now();
        cluster.await_writable();
        let writable = healed.elapsed();
        registers.await_round(50);
        let back = healed.elapsed();
        cluster.status();
        traffic.await_more(10);
        let slowest = traffic.take_slowest();
        println!(
            "partition: {victim} cut off, {dropped} packets dropped; all can write {writable:.1?} after it was back, and all are \
             served after {back:.1?}; slowest operation {slowest:.1?}; failures {:?}",
            registers.failures()
        );
    }
    let (requests, failures) = user.stop(&runtime);
    assert_eq!(failures, Vec::<String>::new(), "of {requests} requests");
    let judged = registers.stop(&runtime);
    let mut written = traffic.stop(&runtime);
    println!("partition: {judged:#?}; the SDK's {requests} requests all succeeded");
    assert_eq!(judged.violations, Vec::<String>::new());
    written.check(&runtime, cluster);
    written.report("partition");
}

/// Waits until the others, or the gateway itself, have noticed.
fn await_effect(cluster: &Cluster, victim: &str) {
    if victim.starts_with("meta") {
        cluster.await_status("others lead", |status| {
            status.is_led() && !status.led().contains_key(victim)
        });
        return;
    }
    let description = cluster.description();
    let gateway = description.process(victim);
    let mut last = None;
    let noticed = wait::until(PATIENCE, || {
        last = gateway.health("/-/writable");
        last.as_ref().is_some_and(|(status, _)| *status == 503)
    });
    assert!(noticed, "{victim} says {last:?}");
    println!("partition: {victim} says {last:?}");
    assert_eq!(gateway.health("/-/live").unwrap().0, 200);
}
