//! Who takes part in a group, and who leads it.
//!
//! A change goes in steps of which each is safe to be the last: addresses and new members, who only listen; then, once all
//! who are to vote are up to date and answer, the voters, in one joint change; then those go that nobody named. So there is
//! never a configuration that waits for somebody who is not there, and never one with fewer voters than before or after.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_types::id::NodeId;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{BasicNode, ChangeMembers, Instant, LogIdOptionExt, ServerState};

use super::{Group, leader_of};
use crate::consensus::{Membership, TypeConfig};

/// How often it is looked how far somebody is.
const PAUSE: Duration = Duration::from_millis(10);

/// The members of a group were not changed, or not all the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// This node does not lead; nothing was changed.
    #[error("this node does not lead the group")]
    NotLeader(Option<NodeId>),
    /// There must be somebody to vote.
    #[error("a group without voters cannot be")]
    NoVoters,
    /// One that is to vote has not got the log yet, or does not answer. The voters are as they were.
    #[error("node {0} is not up to date yet")]
    Behind(NodeId),
    /// Another change is not finished.
    #[error("another change is under way")]
    Underway,
    /// Too few answered within the limit; the change may yet happen.
    #[error("the change was not committed within {0:?}")]
    Late(Duration),
    /// It may or may not have happened.
    #[error("{0}")]
    Failed(String),
}

/// A leadership was not handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// This node does not lead.
    #[error("this node does not lead the group")]
    NotLeader(Option<NodeId>),
    /// The heir does not vote.
    #[error("node {0} is no voter of the group")]
    NotVoter(NodeId),
    /// The heir has not got the log yet, or does not answer. It was not asked.
    #[error("node {0} is not up to date yet")]
    Behind(NodeId),
    /// It did not take over in time.
    #[error("node {0} did not take over within {1:?}")]
    Late(NodeId, Duration),
}

/// A node cannot take its part yet.
#[derive(Debug)]
enum NotReady {
    /// This node does not lead, so it cannot tell.
    NotLeader(Option<NodeId>),
    /// It has not got the log yet, or does not answer.
    Behind(NodeId),
}

impl From<NotReady> for ChangeError {
    fn from(error: NotReady) -> Self {
        match error {
            NotReady::NotLeader(leader) => Self::NotLeader(leader),
            NotReady::Behind(node) => Self::Behind(node),
        }
    }
}

impl From<NotReady> for TransferError {
    fn from(error: NotReady) -> Self {
        match error {
            NotReady::NotLeader(leader) => Self::NotLeader(leader),
            NotReady::Behind(node) => Self::Behind(node),
        }
    }
}

impl Group {
    /// Who takes part, as far as this node knows.
    pub(crate) fn membership(&self) -> Membership {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().clone()
    }

    /// Whether a member answered this leader lately.
    pub(crate) fn answered_lately(&self, node: NodeId) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let answered = metrics.heartbeat.as_ref();
        let answered = answered.and_then(|answered| answered.get(&node.get()).copied().flatten());
        answered.is_some_and(|at| at.elapsed() < self.election_max * 2)
    }

    /// Makes `voters` and `learners` the members. Waits, `limit` at most, until new voters are up to date. Repeating it is no
    /// change; after an error it goes on where it ended. One change goes on at a time.
    pub(crate) async fn change_members(
        &self,
        voters: &BTreeMap<NodeId, String>,
        learners: &BTreeMap<NodeId, String>,
        limit: Duration,
    ) -> Result<(), ChangeError> {
        if voters.is_empty() {
            return Err(ChangeError::NoVoters);
        }
        if !self.is_leader() {
            return Err(ChangeError::NotLeader(self.leader()));
        }
        let _turn = self
            .changing
            .try_lock()
            .map_err(|_| ChangeError::Underway)?;
        let wanted: BTreeMap<u64, BasicNode> = learners
            .iter()
            .chain(voters)
            .map(|(node, address)| (node.get(), BasicNode::new(address)))
            .collect();
        let voters: BTreeSet<u64> = voters.keys().map(|node| node.get()).collect();
        let known = self.membership();
        let mut places = wanted.clone();
        places.retain(|node, place| known.get_node(node) != Some(place));
        if !places.is_empty() {
            self.commit(ChangeMembers::SetNodes(places), limit).await?;
        }
        let is_so = |known: &Membership| known.get_joint_config().iter().eq([&voters]);
        if !is_so(&self.membership()) {
            let known: BTreeSet<u64> = self.membership().voter_ids().collect();
            let new = voters.difference(&known).copied().collect();
            self.wait_until_ready(&new, limit).await?;
            let change = ChangeMembers::ReplaceAllVoters(voters.clone());
            self.commit(change, limit).await?;
        }
        let known = self.membership();
        // Not itself: whoever leads next lets it go.
        let me = *self.raft.node_id();
        let gone = known.learner_ids();
        let gone: BTreeSet<u64> = gone
            .filter(|node| *node != me && !wanted.contains_key(node))
            .collect();
        if !gone.is_empty() {
            self.commit(ChangeMembers::RemoveNodes(gone), limit).await?;
        }
        Ok(())
    }

    /// Waits until all of `nodes` have what the log has now, and answered lately.
    async fn wait_until_ready(
        &self,
        nodes: &BTreeSet<u64>,
        limit: Duration,
    ) -> Result<(), NotReady> {
        let goal = self.raft.metrics().borrow_watched().last_log_index;
        let waiting = async {
            while self.laggard(nodes, goal)?.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(ready) => ready,
            Err(_) => match self.laggard(nodes, goal)? {
                Some(node) => Err(NotReady::Behind(NodeId::new(node))),
                None => Ok(()),
            },
        }
    }

    /// One of `nodes` that has not got the log up to `goal`, or did not answer lately.
    fn laggard(&self, nodes: &BTreeSet<u64>, goal: Option<u64>) -> Result<Option<u64>, NotReady> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        if metrics.state != ServerState::Leader {
            let leader = metrics.current_leader.map(NodeId::new);
            return Err(NotReady::NotLeader(leader));
        }
        let is_there = |node: &u64| {
            let matched = metrics.replication.as_ref();
            let matched = matched.and_then(|matched| matched.get(node).copied().flatten());
            matched.index() >= goal && self.answered_lately(NodeId::new(*node))
        };
        Ok(nodes.iter().find(|node| !is_there(node)).copied())
    }

    async fn commit(
        &self,
        change: ChangeMembers<u64, BasicNode>,
        limit: Duration,
    ) -> Result<(), ChangeError> {
        // Voters that are replaced become learners, so that each step leaves a whole membership.
        let changing = self.raft.change_membership(change, true);
        let changed = tokio::time::timeout(limit, changing).await;
        let changed = changed.map_err(|_| ChangeError::Late(limit))?;
        changed.map(drop).map_err(not_changed)
    }

    /// Hands leadership to `heir`, and waits for it up to `limit`. A leader that hands over takes no more commands, even if its
    /// heir cannot take over before it has got gigabytes of log: so it begins only when that one is up to date.
    pub(crate) async fn transfer_leader(
        &self,
        heir: NodeId,
        limit: Duration,
    ) -> Result<(), TransferError> {
        if !self.is_leader() {
            return Err(TransferError::NotLeader(self.leader()));
        }
        if heir.get() == *self.raft.node_id() {
            return Ok(());
        }
        let mut voters = self.voter_sets().into_iter();
        if !voters.all(|voters| voters.contains(&heir.get())) {
            return Err(TransferError::NotVoter(heir));
        }
        let begun = self.clock.monotonic();
        let heirs = BTreeSet::from([heir.get()]);
        self.wait_until_ready(&heirs, limit / 2).await?;
        let left = limit.saturating_sub(self.clock.monotonic().saturating_sub(begun));
        let late = || TransferError::Late(heir, limit);
        let asked = self.raft.trigger().transfer_leader(heir.get()).await;
        asked.map_err(|_| late())?;
        let me = *self.raft.node_id();
        let gone = |leader: Option<u64>| leader.is_some_and(|leader| leader != me);
        let handed = self.raft.wait(Some(left));
        let handed = handed.metrics(|metrics| gone(metrics.current_leader), "a new leader");
        handed.await.map(drop).map_err(|_| late())
    }
}

fn not_changed(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ChangeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            ChangeError::NotLeader(leader_of(&forward))
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_),
        )) => ChangeError::Underway,
        RaftError::APIError(error) => ChangeError::Failed(error.to_string()),
        RaftError::Fatal(fatal) => ChangeError::Failed(fatal.to_string()),
    }
}
