//! One Raft group as this node runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cairn_schema::encode_command;
use cairn_types::id::{GroupId, NodeId};
use cairn_types::namespace::{Command, Refusal, Reply};
use cairn_types::outcome::Outcome;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::{BasicNode, LogIdOptionExt, ReadPolicy, ServerState};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::consensus::{Answer, GroupRaft, Proposal, TypeConfig, Vote};
use crate::state::{self, Tables};

/// A running group. Whoever holds it can propose and read; the storage goes away after the last one let go.
pub(crate) struct Group {
    id: GroupId,
    raft: GroupRaft,
    tables: Arc<Tables>,
    /// Held by the one snapshot that is being received.
    staging: Arc<Mutex<()>>,
}

/// A command was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    /// This node does not lead; nothing was proposed.
    #[error("this node does not lead the group")]
    NotLeader(Option<NodeId>),
    /// It was proposed, and the leader changed before it was committed: the next one may or may not have it.
    #[error("the leader changed before the command was committed")]
    Discarded,
    /// The group has stopped; the command may be in the log.
    #[error("the group has stopped: {0}")]
    Stopped(String),
}

impl ProposeError {
    /// What is known of the effect.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::NotLeader(_) => Outcome::Refused,
            Self::Discarded | Self::Stopped(_) => Outcome::Unknown,
        }
    }
}

/// A read could not be made linearizable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// This node does not lead.
    #[error("this node does not lead the group")]
    NotLeader(Option<NodeId>),
    /// Too few of the others answered.
    #[error("no majority confirms that this node leads")]
    NoQuorum,
    /// The group has stopped.
    #[error("the group has stopped: {0}")]
    Stopped(String),
}

/// What a group is doing, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub group: GroupId,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub state: &'static str,
    /// Who leads, if that is known.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The last entry of the log; 0 before the first.
    pub last_log_index: u64,
    /// The last entry that was applied to the tables.
    pub applied_index: u64,
    /// The last entry that the newest snapshot has.
    pub snapshot_index: u64,
    /// The last entry that was purged from the log.
    pub purged_index: u64,
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who only follows.
    pub learners: Vec<NodeId>,
    /// The hash chained over everything applied, at `applied_index`.
    pub state_hash: u128,
}

impl Group {
    /// A group that runs.
    pub(crate) fn new(id: GroupId, raft: GroupRaft, tables: Arc<Tables>) -> Self {
        Self {
            id,
            raft,
            tables,
            staging: Arc::default(),
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> GroupId {
        self.id
    }

    /// Its Raft.
    pub(crate) fn raft(&self) -> &GroupRaft {
        &self.raft
    }

    /// Its tables.
    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// This node's vote.
    pub(crate) fn vote(&self) -> Vote {
        self.raft.metrics().borrow_watched().vote
    }

    /// Who leads, if that is known.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let leader = self.raft.metrics().borrow_watched().current_leader;
        leader.map(NodeId::new)
    }

    /// Whether this node believes that it leads. Cheap; only an answer of `propose` or `read_barrier` is proof.
    pub(crate) fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// The turn to receive a snapshot, unless one is being received.
    pub(crate) fn begin_staging(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.staging).try_lock_owned().ok()
    }

    /// Commits a command on a majority, durably, and applies it. Gives its place in the log and its answer.
    ///
    /// Not cancel safe in that a dropped proposal may yet be committed.
    pub(crate) async fn propose(
        &self,
        command: &Command,
    ) -> Result<(u64, Result<Reply, Refusal>), ProposeError> {
        let proposal = Proposal(encode_command(command));
        let written = self.raft.client_write(proposal).await;
        let response = written.map_err(not_written)?;
        match response.data {
            Answer::Applied(result) => Ok((response.log_id.index, result)),
            Answer::Nothing => Err(ProposeError::Stopped("a command had no answer".to_owned())),
        }
    }

    /// Returns when the tables here have everything that was acknowledged before this call. Reads that wait at the same time
    /// share one round to the other nodes.
    pub(crate) async fn read_barrier(&self) -> Result<(), ReadError> {
        let confirmed = self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await;
        confirmed.map(drop).map_err(|error| match error {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => {
                ReadError::NotLeader(leader_of(&forward))
            }
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => ReadError::NoQuorum,
            RaftError::Fatal(fatal) => ReadError::Stopped(fatal.to_string()),
        })
    }

    /// What the group is doing. Reads the tables, so that index and hash belong together.
    pub(crate) fn status(&self) -> io::Result<GroupStatus> {
        let (applied, state_hash) = state::applied_hash(&self.tables)?;
        let metrics = self.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        let state = match metrics.state {
            ServerState::Leader => "leader",
            ServerState::Follower => "follower",
            ServerState::Candidate => "candidate",
            ServerState::Learner => "learner",
            ServerState::Shutdown => "stopped",
        };
        Ok(GroupStatus {
            group: self.id,
            state,
            leader: metrics.current_leader.map(NodeId::new),
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            applied_index: applied.index().unwrap_or(0),
            snapshot_index: metrics.snapshot.index().unwrap_or(0),
            purged_index: metrics.purged.index().unwrap_or(0),
            voters: membership.voter_ids().map(NodeId::new).collect(),
            learners: membership.learner_ids().map(NodeId::new).collect(),
            state_hash,
        })
    }

    /// Makes the group with these members, unless it was made before. One that makes itself alone leads at once.
    pub(crate) async fn initialize(
        &self,
        members: &BTreeMap<NodeId, String>,
    ) -> Result<(), ProposeError> {
        let stopped = |reason: String| ProposeError::Stopped(reason);
        let is_initialized = self.raft.is_initialized().await;
        if is_initialized.map_err(|fatal| stopped(fatal.to_string()))? {
            return Ok(());
        }
        let members: BTreeMap<u64, BasicNode> = members
            .iter()
            .map(|(node, address)| (node.get(), BasicNode::new(address)))
            .collect();
        match self.raft.initialize(members).await {
            // Not allowed: a peer was quicker, and its log has reached this node.
            Ok(()) | Err(RaftError::APIError(openraft::error::InitializeError::NotAllowed(_))) => {
                Ok(())
            }
            Err(error) => Err(stopped(error.to_string())),
        }
    }

    /// A node that votes alone need not wait for anybody: it stands for election at once.
    pub(crate) async fn elect_if_alone(&self) -> Result<(), ProposeError> {
        let stopped =
            |fatal: openraft::error::Fatal<TypeConfig>| ProposeError::Stopped(fatal.to_string());
        let voters: Vec<u64> = self
            .raft
            .with_raft_state(|state| state.membership_state.effective().voter_ids().collect())
            .await
            .map_err(stopped)?;
        if voters == [*self.raft.node_id()] {
            self.raft.trigger().elect(false).await.map_err(stopped)?;
        }
        Ok(())
    }

    /// Waits until somebody leads; whether that was within `limit`.
    pub(crate) async fn wait_for_leader(&self, limit: Duration) -> bool {
        self.raft
            .wait(Some(limit))
            .metrics(|metrics| metrics.current_leader.is_some(), "a leader")
            .await
            .is_ok()
    }

    /// Makes `members` the voters. New ones are brought up to date first, and then all change at once; who is not among them
    /// any more is let go.
    pub(crate) async fn change_members(
        &self,
        members: &BTreeMap<NodeId, String>,
    ) -> Result<(), ProposeError> {
        let known = self
            .raft
            .metrics()
            .borrow_watched()
            .membership_config
            .clone();
        for (node, address) in members {
            if known.membership().get_node(&node.get()).is_none() {
                let member = BasicNode::new(address);
                let added = self.raft.add_learner(node.get(), member, true).await;
                added.map_err(not_written)?;
            }
        }
        let voters: BTreeSet<u64> = members.keys().map(|node| node.get()).collect();
        let changed = self.raft.change_membership(voters, false).await;
        changed.map(drop).map_err(not_written)
    }

    /// Hands leadership, if this node has it, to the voter that is closest behind; waits for it up to `limit`.
    pub(crate) async fn hand_over(&self, limit: Duration) {
        let me = *self.raft.node_id();
        let metrics = self.raft.metrics().borrow_watched().clone();
        if metrics.state != ServerState::Leader {
            return;
        }
        let matched = |node: u64| {
            let replication = metrics.replication.as_ref();
            replication.and_then(|matched| matched.get(&node).copied().flatten())
        };
        let heir = metrics
            .membership_config
            .membership()
            .voter_ids()
            .filter(|node| *node != me)
            .max_by_key(|node| matched(*node));
        let Some(heir) = heir else { return };
        if self.raft.trigger().transfer_leader(heir).await.is_err() {
            return;
        }
        let gone = |leader: Option<u64>| leader.is_some_and(|leader| leader != me);
        let handed = self.raft.wait(Some(limit));
        let handed = handed.metrics(|metrics| gone(metrics.current_leader), "a new leader");
        if handed.await.is_err() {
            tracing::warn!(
                group = self.id.get(),
                "leadership was not taken over in time"
            );
        }
    }
}

fn not_written(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            ProposeError::NotLeader(leader_of(&forward))
        }
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => ProposeError::Discarded,
        RaftError::APIError(error) => ProposeError::Stopped(error.to_string()),
        RaftError::Fatal(fatal) => ProposeError::Stopped(fatal.to_string()),
    }
}

fn leader_of(forward: &ForwardToLeader<TypeConfig>) -> Option<NodeId> {
    forward.leader_id.map(NodeId::new)
}
