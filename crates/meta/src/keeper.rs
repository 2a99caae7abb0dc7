//! Keeping the members of all groups as the root group has them on record, and the leaders spread over them.
//!
//! Every node runs this, and the one that leads the root group acts. What it does is safe to be done by two, or to be done
//! half: each group's leader changes its members in steps (`group::members`), and refuses a second change beside the first.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cairn_types::cluster::MetaNode;
use cairn_types::id::{Epoch, GroupId, NodeId};
use cairn_types::namespace::{Query, RootQuery, RootView, View};
use futures::future::join_all;
use tonic::Code;

use crate::failure::one_line;
use crate::group::Group;
use crate::node::Node;
use crate::service::members::{self, Members};

/// How often it is looked whether anything is to be done.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long leaders are spread unevenly before one is moved: after a start they find their places by themselves.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the members, for as long as it runs.
pub(crate) async fn keep(node: Arc<Node>) {
    let mut keeper = Keeper {
        node,
        wanted: BTreeMap::new(),
        uneven_since: None,
    };
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(reason) = keeper.look().await {
            tracing::warn!(reason, "look after the members of the groups");
        }
    }
}

struct Keeper {
    node: Arc<Node>,
    /// What was asked for last, by group, so that it is said once.
    wanted: BTreeMap<GroupId, Members>,
    uneven_since: Option<Duration>,
}

impl Keeper {
    async fn look(&mut self) -> Result<(), String> {
        let Some(root) = self.node.root() else {
            return Ok(());
        };
        // Who cannot show that it leads has nothing to say.
        if !root.is_leader() || root.read_barrier().await.is_err() {
            self.wanted.clear();
            self.uneven_since = None;
            return Ok(());
        }
        let on_record = registered(&root)?;
        let wanted = plan::members(&on_record);
        // None are on record where members are changed by hand.
        if wanted.voters.is_empty() {
            return Ok(());
        }
        if self.change(&wanted).await {
            self.uneven_since = None;
        } else {
            self.spread(&root, &wanted).await;
        }
        Ok(())
    }

    /// Makes `wanted` the members of each group; whether any had others.
    async fn change(&mut self, wanted: &Members) -> bool {
        let mut groups = self.node.groups();
        groups.retain(|group| !plan::is_settled(wanted, &group.membership()));
        let settled: BTreeSet<GroupId> = groups.iter().map(|group| group.id()).collect();
        self.wanted.retain(|group, _| settled.contains(group));
        for group in &groups {
            let asked = self.wanted.insert(group.id(), wanted.clone());
            if asked.as_ref() != Some(wanted) {
                let (voters, learners) = (wanted.voters.keys(), wanted.learners.keys());
                let (voters, learners): (Vec<_>, Vec<_>) = (voters.collect(), learners.collect());
                tracing::info!(
                    group = group.id().get(),
                    ?voters,
                    ?learners,
                    "the members of a group are to change"
                );
            }
        }
        join_all(groups.iter().map(|group| self.change_group(group, wanted))).await;
        !groups.is_empty()
    }

    /// Makes `wanted` the members of a group, or goes as far towards it as those allow who are up to date.
    async fn change_group(&self, group: &Group, wanted: &Members) {
        let Some(leader) = group.leader() else { return };
        for step in plan::steps(wanted, &group.membership()) {
            let changed = self.ask_to_change(group, leader, &step).await;
            match changed {
                Ok(()) => {
                    let voters: Vec<&NodeId> = step.voters.keys().collect();
                    tracing::info!(
                        group = group.id().get(),
                        ?voters,
                        "members of a group changed"
                    );
                    return;
                }
                // Somebody is not up to date: perhaps the others are.
                Err(status) if status.code() == Code::Aborted => {}
                Err(status) => {
                    let reason = status.message();
                    tracing::debug!(group = group.id().get(), reason, "change members");
                    return;
                }
            }
        }
    }

    async fn ask_to_change(
        &self,
        group: &Group,
        leader: NodeId,
        wanted: &Members,
    ) -> Result<(), tonic::Status> {
        if leader == self.node.id() {
            return members::change(group, wanted).await;
        }
        let way = self.node.peers().way(group.id().get(), leader.get());
        members::ask_to_change(way, group.id(), wanted).await
    }

    /// Moves a leadership from a voter that has two or more too many, if that has been so for a while.
    async fn spread(&mut self, root: &Group, wanted: &Members) {
        let now = self.node.clock().monotonic();
        let Some(transfer) = self.uneven(root, wanted) else {
            self.uneven_since = None;
            return;
        };
        let since = *self.uneven_since.get_or_insert(now);
        if now.saturating_sub(since) < PATIENCE {
            return;
        }
        let plan::Transfer { group, from, to } = transfer;
        let handed = if from == self.node.id() {
            let Some(group) = self.node.group(group.get()) else {
                return;
            };
            members::transfer(&group, to).await
        } else {
            let way = self.node.peers().way(group.get(), from.get());
            members::ask_to_transfer(way, group, to).await
        };
        let group = group.get();
        match handed {
            Ok(()) => tracing::info!(group, %from, %to, "moved a leadership to spread them"),
            Err(status) => {
                self.uneven_since = None;
                let reason = status.message();
                tracing::debug!(group, %from, %to, reason, "move a leadership");
            }
        }
    }

    /// The leadership to be moved, if every group has a leader and some voter that is there has too few.
    fn uneven(&self, root: &Group, wanted: &Members) -> Option<plan::Transfer> {
        let groups = self.node.groups();
        let mut leaders = BTreeMap::new();
        for group in &groups {
            if !group.has_live_leader() || group.voter_sets().len() > 1 {
                return None;
            }
            leaders.insert(group.id(), group.leader()?);
        }
        let me = self.node.id();
        let is_there = |voter: &NodeId| {
            // One whose clock is wrong hands over again whatever it gets.
            *voter == me || (root.answered_lately(*voter) && !self.node.skew().is_wrong(*voter))
        };
        let voters = wanted.voters.keys().copied().filter(is_there).collect();
        plan::transfer(&leaders, &voters)
    }
}

/// The metadata nodes on record.
fn registered(root: &Group) -> Result<Vec<MetaNode>, String> {
    let query = Query::Root(RootQuery::Topology {
        known: Epoch::new(0),
    });
    let view = cairn_catalog::query(&root.tables().freeze(), GroupId::ROOT, &query);
    match view.map_err(|error| one_line(&error))? {
        Ok(View::Root(RootView::Topology(Some(topology)))) => Ok(topology.meta_nodes),
        Ok(_) | Err(_) => Ok(Vec::new()),
    }
}
