//! A leader that is back before anybody missed it must not answer from what it knew.

use std::time::Duration;

use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::dice::Dice;

use crate::fixture::{WHOLE, runtime};
use crate::registers::Registers;

const KILLS: u32 = 40;
const WITHIN: Duration = Duration::from_millis(300);
/// Starts that came too late, on a busy machine, are done again; not without end.
const TRIES: u32 = 60;
const REGISTERS: usize = 16;
const READERS: usize = 8;

#[test]
fn forty_leaders_killed_and_restarted_within_300_ms_never_answer_stale() {
    let mut dice = Dice::of_this_run("stale reads");
    let runtime = runtime();
    let cluster = Cluster::up("stale-reads", &WHOLE);
    let registers = Registers::start(&runtime, &cluster, &mut dice, REGISTERS, READERS);
    registers.await_round(100);

    let mut gaps = Vec::new();
    for _ in 0..TRIES {
        // Who was killed last may be missing a leader still: the next one is killed all the same.
        let status = cluster.await_status("most groups are led", |status| {
            let led: usize = status.led().values().map(Vec::len).sum();
            led * 2 > status.groups.len()
        });
        let led = status.led();
        let most = led.iter().max_by_key(|(_, groups)| groups.len());
        let (leader, _) = most.expect("some group has a leader");
        let pause = Duration::from_millis(dice.below(200));
        let restart = cluster.strike_and_start(leader, pause);
        if restart.gap <= WITHIN {
            gaps.push(restart.gap.as_millis());
        }
        registers.assert_sound();
        if gaps.len() == KILLS as usize {
            break;
        }
    }
    registers.await_round(100);
    let judged = registers.stop(&runtime);
    println!("stale reads: gaps in ms {gaps:?}; {judged:#?}");
    assert_eq!(gaps.len(), KILLS as usize, "restarts within {WITHIN:?}");
    assert_eq!(judged.violations, Vec::<String>::new());
    assert!(
        judged.reads > 2_000 && judged.writes > 1_000,
        "too few to have shown anything"
    );
    cluster.finish(&[]);
}
