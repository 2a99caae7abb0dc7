//! What a metadata process has running, as its services see it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cairn_catalog::APPLY_VERSION;
use cairn_runtime::{CpuPool, SharedClock};
use cairn_types::id::{ClusterId, GroupId, NodeId};
use cairn_types::namespace::{Command, MutationRequest, Refusal, Reply};

use crate::failure::FailureCell;
use crate::group::{Group, ProposeError};
use crate::label::Label;
use crate::service::peers::Peers;
use crate::skew::Skew;

/// The node. It outlives its groups: when they were shut down, services answer that there are none.
pub(crate) struct Node {
    id: NodeId,
    label: OnceLock<Label>,
    groups: RwLock<Vec<Arc<Group>>>,
    peers: Peers,
    clock: SharedClock,
    skew: Arc<Skew>,
    pool: CpuPool,
    activated: Arc<AtomicU32>,
    failure: FailureCell,
}

/// What a node is made of.
pub(crate) struct NodeParts {
    /// Its id.
    pub(crate) id: NodeId,
    /// Its label, if it has one.
    pub(crate) label: Option<Label>,
    /// The way to other nodes.
    pub(crate) peers: Peers,
    /// The time of proposals.
    pub(crate) clock: SharedClock,
    /// How far that is from the peers'.
    pub(crate) skew: Arc<Skew>,
    /// Threads for long reads and for the rows of snapshots.
    pub(crate) pool: CpuPool,
    /// The apply version that the cluster activated.
    pub(crate) activated: Arc<AtomicU32>,
    /// Where the end is reported.
    pub(crate) failure: FailureCell,
}

impl Node {
    /// A node without groups.
    pub(crate) fn new(parts: NodeParts) -> Self {
        let node = Self {
            id: parts.id,
            label: OnceLock::new(),
            groups: RwLock::default(),
            peers: parts.peers,
            clock: parts.clock,
            skew: parts.skew,
            pool: parts.pool,
            activated: parts.activated,
            failure: parts.failure,
        };
        if let Some(label) = parts.label {
            node.set_label(label);
        }
        node
    }

    /// Its id.
    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// Its label, from genesis or joining on.
    pub(crate) fn label(&self) -> Option<Label> {
        self.label.get().copied()
    }

    /// Its cluster, from genesis or joining on.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.label().map(|label| label.cluster)
    }

    /// Takes note of the label that was written.
    pub(crate) fn set_label(&self, label: Label) {
        self.peers.introduce(label.cluster, self.id);
        self.label.get_or_init(|| label);
    }

    /// The groups that run.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        self.groups
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A group, if it runs here.
    pub(crate) fn group(&self, group: u16) -> Option<Arc<Group>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.get(usize::from(group)).cloned()
    }

    /// The root group, if it runs.
    pub(crate) fn root(&self) -> Option<Arc<Group>> {
        self.group(GroupId::ROOT.get())
    }

    /// Sets the groups that run, by id from 0 on; gives those that ran before.
    pub(crate) fn set_groups(&self, groups: Vec<Arc<Group>>) -> Vec<Arc<Group>> {
        let mut running = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut running, groups)
    }

    /// Threads for what takes long.
    pub(crate) fn pool(&self) -> CpuPool {
        self.pool.clone()
    }

    /// The time.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// How far the clock is from the peers'.
    pub(crate) fn skew(&self) -> &Skew {
        &self.skew
    }

    /// Where the end is reported.
    pub(crate) fn failure(&self) -> &FailureCell {
        &self.failure
    }

    /// Makes a request a command, with a time, random bits, and rules that all nodes know, and proposes it to a group. Gives its
    /// place in the log and its answer. A dropped proposal may yet be committed.
    ///
    /// # Errors
    /// See `ProposeError`. While this node's clock is wrong it is as if it did not lead.
    pub(crate) async fn propose(
        &self,
        group: &Group,
        request: MutationRequest,
    ) -> Result<(u64, Result<Reply, Refusal>), ProposeError> {
        if !group.is_leader() {
            return Err(ProposeError::NotLeader(group.leader()));
        }
        if self.skew.is_off() {
            return Err(ProposeError::NotLeader(None));
        }
        let command = Command {
            apply_version: APPLY_VERSION.min(self.activated.load(Ordering::SeqCst)),
            request,
            proposed: self.clock.now(),
            random: cairn_runtime::random::u128(),
        };
        group.propose(&command).await
    }
}
