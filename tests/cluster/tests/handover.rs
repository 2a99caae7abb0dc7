//! Leadership that is handed over is not noticed by anybody.

use std::collections::BTreeMap;
use std::time::Instant;

use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::dice::Dice;

use crate::fixture::{WHOLE, runtime};
use crate::registers::Registers;

const MOVES: usize = 30;
const REGISTERS: usize = 16;
const READERS: usize = 8;

#[test]
fn leadership_moved_by_hand_and_by_sigterm_under_load_fails_no_request() {
    let mut dice = Dice::of_this_run("handover");
    let runtime = runtime();
    let cluster = Cluster::up("handover", &WHOLE);
    let registers = Registers::start(&runtime, &cluster, &mut dice, REGISTERS, READERS);
    registers.await_round(100);

    let mut took = Vec::new();
    for turn in 0..MOVES {
        let status = cluster.status();
        let group = &status.groups[turn % status.groups.len()];
        let leader = group.leader.as_ref().unwrap();
        let others: Vec<&String> = group
            .voters
            .iter()
            .filter(|voter| *voter != leader)
            .collect();
        let heir = (*dice.choose(&others)).clone();
        let begun = Instant::now();
        cluster.administer(&["transfer-leader", &group.group.to_string(), &heir]);
        let number = group.group;
        cluster.await_status("the heir leads", |status| {
            status
                .group(number)
                .is_some_and(|group| group.leader.as_ref() == Some(&heir))
        });
        took.push(begun.elapsed().as_millis());
    }
    registers.await_round(100);
    assert_eq!(registers.failures(), BTreeMap::new(), "after {MOVES} moves");

    // A node that is told to end hands over what it leads before it does.
    for name in ["meta-1", "meta-2", "meta-3"] {
        cluster.signal("stop", &[name]);
        registers.await_round(50);
        cluster.signal("start", &[name]);
        cluster.await_status("the node is back", |status| {
            status.is_led() && status.nodes_in("down") == 0
        });
    }
    registers.await_round(100);
    let judged = registers.stop(&runtime);
    println!("handover: {MOVES} moves in ms {took:?}; {judged:#?}");
    assert_eq!(judged.violations, Vec::<String>::new());
    assert_eq!(judged.failures, BTreeMap::new());
    cluster.finish(&[]);
}
