//! One Raft group as this node runs it.

mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_runtime::SharedClock;
use cairn_schema::encode_command;
use cairn_types::id::{GroupId, NodeId};
use cairn_types::namespace::{Command, Refusal, Reply};
use cairn_types::outcome::Outcome;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::{BasicNode, Instant, LogIdOptionExt, ReadPolicy, ServerState};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::consensus::{Answer, GroupRaft, Proposal, TypeConfig, Vote};
use crate::log::{GroupLog, LogSizes};
use crate::state::{self, Tables};

pub(crate) use members::{ChangeError, TransferError};

/// An encoded command that is longer is not proposed: an entry goes to the followers in one message, with others.
const MAX_COMMAND_LEN: usize = 2 * 1024 * 1024;

/// How often it is looked whether somebody leads.
const LEADER_PAUSE: Duration = Duration::from_millis(5);

/// A running group. Whoever holds it can propose and read; the storage goes away after the last one let go.
pub(crate) struct Group {
    id: GroupId,
    raft: GroupRaft,
    tables: Arc<Tables>,
    log: GroupLog,
    clock: SharedClock,
    election_max: Duration,
    /// When a leader last sent something, in milliseconds of the monotonic clock, plus one; 0: never.
    heard: AtomicU64,
    /// Held by the one change of members that goes on.
    changing: Mutex<()>,
    /// Held by the one snapshot that is being received.
    staging: Arc<Mutex<()>>,
}

/// What a group is made of.
pub(crate) struct GroupParts {
    /// Its id.
    pub(crate) id: GroupId,
    /// Its Raft.
    pub(crate) raft: GroupRaft,
    /// Its tables.
    pub(crate) tables: Arc<Tables>,
    /// Its log.
    pub(crate) log: GroupLog,
    /// To measure with.
    pub(crate) clock: SharedClock,
    /// The longest time without a leader.
    pub(crate) election_max: Duration,
}

/// A command was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    /// This node does not lead; nothing was proposed.
    #[error("this node does not lead the group")]
    NotLeader(Option<NodeId>),
    /// It was not proposed.
    #[error("the command is too long: {0} bytes")]
    TooLong(usize),
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
            Self::NotLeader(_) | Self::TooLong(_) => Outcome::Refused,
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
    pub(crate) fn new(parts: GroupParts) -> Self {
        Self {
            id: parts.id,
            raft: parts.raft,
            tables: parts.tables,
            log: parts.log,
            clock: parts.clock,
            election_max: parts.election_max,
            heard: AtomicU64::new(0),
            changing: Mutex::default(),
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

    /// How many bytes its log has, and where.
    pub(crate) fn log_sizes(&self) -> LogSizes {
        self.log.sizes()
    }

    /// This node's vote.
    pub(crate) fn vote(&self) -> Vote {
        self.raft.metrics().borrow_watched().vote
    }

    /// Who led last, as far as that is known: whom to ask, and no sign that it is still there.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let leader = self.raft.metrics().borrow_watched().current_leader;
        leader.map(NodeId::new)
    }

    /// Whether this node believes that it leads. Cheap; only an answer of `propose` or `read_barrier` is proof.
    pub(crate) fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// The voters; two sets while they change.
    pub(crate) fn voter_sets(&self) -> Vec<BTreeSet<u64>> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.get_joint_config().clone()
    }

    /// Tells the others that this node leads, if it does. Does not wait for their answers.
    pub(crate) async fn beat(&self) {
        if self.is_leader() {
            // Fails where the group has stopped: then nobody is to hear from it.
            let _ = self.raft.trigger().heartbeat().await;
        }
    }

    /// Takes note that the leader sent something.
    pub(crate) fn hear_leader(&self) {
        let now = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX - 1);
        self.heard.store(now + 1, Ordering::SeqCst);
    }

    /// Whether somebody leads, not long ago: as leader this node was answered by a majority, otherwise it heard from one,
    /// within twice the longest election timeout.
    pub(crate) fn has_live_leader(&self) -> bool {
        let limit = self.election_max * 2;
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        match metrics.state {
            ServerState::Leader => {
                let membership = metrics.membership_config.membership();
                membership.voter_ids().eq([metrics.id])
                    || metrics
                        .last_quorum_acked
                        .is_some_and(|acked| acked.elapsed() < limit)
            }
            ServerState::Follower | ServerState::Learner => {
                let heard = self.heard.load(Ordering::SeqCst).checked_sub(1);
                metrics.current_leader.is_some()
                    && heard.is_some_and(|heard| {
                        let now = self.clock.monotonic();
                        now.saturating_sub(Duration::from_millis(heard)) < limit
                    })
            }
            ServerState::Candidate | ServerState::Shutdown => false,
        }
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
        let encoded = encode_command(command);
        if encoded.len() > MAX_COMMAND_LEN {
            return Err(ProposeError::TooLong(encoded.len()));
        }
        let written = self.raft.client_write(Proposal(encoded)).await;
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
        let waiting = async {
            while !self.has_live_leader() {
                tokio::time::sleep(LEADER_PAUSE).await;
            }
        };
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    /// Hands leadership, if this node has it, to the voter that is closest behind of those that answer; waits for it up to
    /// `limit`.
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
            .max_by_key(|node| (self.answered_lately(NodeId::new(*node)), matched(*node)));
        let Some(heir) = heir else { return };
        if let Err(error) = self.transfer_leader(NodeId::new(heir), limit).await {
            tracing::warn!(group = self.id.get(), %error, "hand a leadership over");
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
