//! What a node does by itself while it runs.

use std::sync::Arc;
use std::time::Duration;

use cairn_runtime::Tasks;
use cairn_types::id::RequestId;
use cairn_types::namespace::{DataMutation, Mutation, MutationRequest};
use futures::future::join_all;
use openraft::LogIdOptionExt;
use openraft::async_runtime::WatchReceiver;

use crate::failure::one_line;
use crate::group::{Group, ProposeError};
use crate::log::{LogSizes, plan_purge};
use crate::meta::HAND_OVER_LIMIT;
use crate::node::Node;

/// How often the clock is compared with those of the peers, where this node leads.
const CLOCK_INTERVAL: Duration = Duration::from_millis(200);

/// After so many looks it is said again that a clock is wrong.
const SAID_AGAIN_LOOKS: u32 = 150;

/// How often quiet groups are looked after.
const CHORE_INTERVAL: Duration = Duration::from_secs(10);

/// Chores that one look proposes for a group, one behind the other: each does a thousand of whatever is to be done, and what is
/// left of thousands of deleted objects of ten thousand parts each is not to take days.
const CHORES_AT_ONCE: u32 = 100;

/// How often the logs are measured.
const LOG_INTERVAL: Duration = Duration::from_millis(500);

/// How many times as many bytes of log are kept while snapshots are followed up.
const FOLLOW_UP_FACTOR: u64 = 4;

/// Starts the housekeeping of a node, for the groups that it has now and those that it will have.
pub(crate) fn start(node: &Arc<Node>, tasks: &Tasks, log_bytes: u64) {
    let clock = Arc::clone(node);
    tasks.spawn_essential("meta clock", async move {
        let (mut held_up, mut off) = (0_u32, 0_u32);
        let looks = |looks: u32, again: bool| if again { looks.saturating_add(1) } else { 0 };
        loop {
            tokio::time::sleep(CLOCK_INTERVAL).await;
            held_up = looks(held_up, is_held_up(&clock));
            if held_up % SAID_AGAIN_LOOKS == 5 {
                tracing::warn!(
                    "too few voters agree with this node's clock: what it leads stands still"
                );
            }
            off = looks(off, is_off(&clock));
            if off % SAID_AGAIN_LOOKS == 5 {
                tracing::warn!(
                    "this node's clock is more than 5 s from those of most metadata nodes: set it right, until then it leads nothing"
                );
            }
            mind_clock(&clock).await;
        }
    });
    let chores = Arc::clone(node);
    tasks.spawn_essential("meta group chores", async move {
        loop {
            tokio::time::sleep(CHORE_INTERVAL).await;
            for group in chores.groups() {
                if let Err(error) = do_chores(&chores, &group).await {
                    tracing::warn!(group = group.id().get(), error, "chores of a group");
                }
            }
        }
    });
    let logs = Arc::clone(node);
    tasks.spawn_essential("meta log", async move {
        loop {
            tokio::time::sleep(LOG_INTERVAL).await;
            let factor = if logs.peers().are_followed_up() {
                FOLLOW_UP_FACTOR
            } else {
                1
            };
            shorten_logs(&logs.groups(), log_bytes.saturating_mul(factor)).await;
        }
    });
}

/// Whether this node leads a group that follows it, and may not propose to it because of its clock.
fn is_held_up(node: &Node) -> bool {
    let groups = node.groups();
    let mut led = groups.iter().filter(|group| group.is_leader());
    led.any(|group| group.has_live_leader() && !node.agrees_with(group))
}

/// Whether most voters of a group have another time than this node.
fn is_off(node: &Node) -> bool {
    let groups = node.groups();
    let mut groups = groups.iter();
    groups.any(|group| node.skew().is_off(&group.voter_sets()))
}

/// Hands over what this node leads while its clock is wrong.
async fn mind_clock(node: &Node) {
    let mut led = node.groups();
    led.retain(|group| group.is_leader() && node.skew().is_off(&group.voter_sets()));
    if led.is_empty() {
        return;
    }
    tracing::warn!("the clock of this node is wrong: it hands over what it leads");
    join_all(led.iter().map(|group| group.hand_over(HAND_OVER_LIMIT))).await;
}

/// Proposes the chores that a group has and that other commands do not do soon enough.
pub(crate) async fn do_chores(node: &Node, group: &Group) -> Result<(), String> {
    for _ in 0..CHORES_AT_ONCE {
        let now = node.clock().now();
        if !group.is_leader() {
            return Ok(());
        }
        let has_chores = cairn_catalog::has_chores(&group.tables().freeze(), now);
        if !has_chores.map_err(|error| one_line(&error))? {
            return Ok(());
        }
        let request = MutationRequest {
            request: RequestId::new(cairn_runtime::random::u128()),
            minted: now,
            guard: None,
            mutation: Mutation::Data(DataMutation::ExpireRequests),
        };
        match node.propose(group, request).await {
            Ok(_) => {}
            // Whoever leads now does them.
            Err(ProposeError::NotLeader(_) | ProposeError::Discarded) => return Ok(()),
            Err(error @ (ProposeError::Stopped(_) | ProposeError::TooLong(_))) => {
                return Err(error.to_string());
            }
        }
    }
    Ok(())
}

/// Lets the oldest entries go of what is more than `budget` bytes, as far as a snapshot has them.
async fn shorten_logs(groups: &[Arc<Group>], budget: u64) {
    let mut sizes: Vec<LogSizes> = groups.iter().map(|group| group.log_sizes()).collect();
    for (group, upto) in groups.iter().zip(plan_purge(&mut sizes, budget)) {
        let Some(upto) = upto else { continue };
        let snapshot = group.raft().metrics().borrow_watched().snapshot.index();
        let trigger = group.raft().trigger();
        let asked = if snapshot < Some(upto) {
            // Making one costs next to nothing. What it has goes the next time.
            trigger.snapshot().await
        } else {
            trigger.purge_log(upto).await
        };
        if let Err(error) = asked {
            tracing::debug!(%error, group = group.id().get(), "shorten a log");
        }
    }
}
