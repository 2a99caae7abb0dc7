//! What a metadata process has running, as its services see it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use cairn_catalog::APPLY_VERSION;
use cairn_runtime::{CpuPool, SharedClock};
use cairn_types::id::{ClusterId, GroupId, NodeId};
use cairn_types::namespace::{Command, MutationRequest, Refusal, Reply};

use crate::failure::{FailureCell, one_line};
use crate::group::{Group, ProposeError};
use crate::label::{Home, Label};
use crate::meta::GenesisError;
use crate::open::OpenError;
use crate::service::peers::Peers;
use crate::skew::Skew;
use crate::starter::Starter;

/// The node. It outlives its groups: when they were shut down, services answer that there are none.
pub(crate) struct Node {
    parts: NodeParts,
    home: OnceLock<Home>,
    groups: RwLock<Vec<Arc<Group>>>,
    /// What starts groups; none after the end.
    starter: Mutex<Option<Arc<Starter>>>,
    /// Held while the node finds its home.
    settling: tokio::sync::Mutex<()>,
}

/// What a node is made of.
pub(crate) struct NodeParts {
    /// Its id.
    pub(crate) id: NodeId,
    /// What operators call it.
    pub(crate) name: String,
    /// Where its label is.
    pub(crate) dir: PathBuf,
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
    /// A node of no cluster, without groups.
    pub(crate) fn new(parts: NodeParts, starter: Starter) -> Self {
        Self {
            parts,
            home: OnceLock::new(),
            groups: RwLock::default(),
            starter: Mutex::new(Some(Arc::new(starter))),
            settling: tokio::sync::Mutex::default(),
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> NodeId {
        self.parts.id
    }

    /// What operators call it.
    pub(crate) fn name(&self) -> &str {
        &self.parts.name
    }

    /// Its home, from genesis or joining on.
    pub(crate) fn home(&self) -> Option<Home> {
        self.home.get().copied()
    }

    /// Its cluster, from genesis or joining on.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.home().map(|home| home.cluster)
    }

    /// Makes this node one of `home`, durably, and starts its groups; no change where that is so already. It goes on when the
    /// caller goes away.
    ///
    /// # Errors
    /// `Conflict` where it is of another cluster, or of one with other constants.
    pub(crate) async fn settle(self: &Arc<Self>, home: Home) -> Result<(), GenesisError> {
        let starter = self.starter().ok_or_else(ended)?;
        let node = Arc::clone(self);
        let task = Arc::clone(&starter);
        let settling = async move { node.settle_by(&task, home).await };
        match starter.runtime().spawn(settling).await {
            Ok(settled) => settled,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ended()),
        }
    }

    async fn settle_by(
        self: Arc<Self>,
        starter: &Arc<Starter>,
        home: Home,
    ) -> Result<(), GenesisError> {
        let _turn = self.settling.lock().await;
        if let Some(known) = self.home()
            && known != home
        {
            return Err(self.conflict(format!(
                "it is of cluster {} with {} data groups",
                known.cluster, known.data_groups
            )));
        }
        if self.home().is_none() {
            if !(1..=1_000).contains(&home.data_groups) {
                return Err(self.conflict("there are 1 to 1,000 data groups".to_owned()));
            }
            // Before anything is logged: a log without a home would be nobody's.
            let label = Label {
                node: self.id(),
                home: Some(home),
            };
            let dir = self.parts.dir.clone();
            let written = self.pool().run(move || label.write(&dir)).await;
            if let Err(error) = written {
                // Nobody knows now whose the directory is; it is read when the process starts again.
                self.failure().report(one_line(&error));
                return Err(error.into());
            }
            self.home.get_or_init(|| home);
        }
        if self.groups().is_empty() {
            self.run(starter, home).await?;
        }
        Ok(())
    }

    /// Starts the groups of the node's home.
    pub(crate) async fn run(
        self: &Arc<Self>,
        starter: &Arc<Starter>,
        home: Home,
    ) -> Result<(), OpenError> {
        self.home.get_or_init(|| home);
        self.peers().introduce(home.cluster, self.id());
        let groups = starter.start(self, home.data_groups).await?;
        let is_open = {
            let starter = self.starter.lock().unwrap_or_else(PoisonError::into_inner);
            if starter.is_some() {
                self.set_groups(groups.clone());
            }
            starter.is_some()
        };
        if is_open {
            for group in &groups {
                starter.watch(self, group);
            }
            starter.beat(self);
        }
        Ok(())
    }

    fn conflict(&self, reason: String) -> GenesisError {
        GenesisError::Conflict {
            dir: self.parts.dir.clone(),
            reason,
        }
    }

    /// What starts groups, until the end.
    pub(crate) fn starter(&self) -> Option<Arc<Starter>> {
        let starter = self.starter.lock();
        starter.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on no group is started; gives those that run.
    pub(crate) fn end(&self) -> Vec<Arc<Group>> {
        let starter = self.starter.lock();
        let mut starter = starter.unwrap_or_else(PoisonError::into_inner);
        *starter = None;
        self.set_groups(Vec::new())
    }

    /// The way to other nodes.
    pub(crate) fn peers(&self) -> &Peers {
        &self.parts.peers
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

    /// The members of the root group and where they are, as far as this node knows.
    pub(crate) fn members(&self) -> Vec<(NodeId, String)> {
        let Some(root) = self.root() else {
            return Vec::new();
        };
        let membership = root.membership();
        let members = membership.nodes();
        members
            .map(|(id, member)| (NodeId::new(*id), member.addr.clone()))
            .collect()
    }

    /// The root group, if it runs.
    pub(crate) fn root(&self) -> Option<Arc<Group>> {
        self.group(GroupId::ROOT.get())
    }

    /// Sets the groups that run, by id from 0 on; gives those that ran before.
    fn set_groups(&self, groups: Vec<Arc<Group>>) -> Vec<Arc<Group>> {
        let mut running = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut running, groups)
    }

    /// Threads for what takes long.
    pub(crate) fn pool(&self) -> CpuPool {
        self.parts.pool.clone()
    }

    /// The time.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.parts.clock
    }

    /// How far the clock is from the peers'.
    pub(crate) fn skew(&self) -> &Skew {
        &self.parts.skew
    }

    /// Where the end is reported.
    pub(crate) fn failure(&self) -> &FailureCell {
        &self.parts.failure
    }

    /// Makes a request a command, with a time, random bits, and rules that all nodes know, and proposes it to a group. Gives its
    /// place in the log and its answer. A dropped proposal may yet be committed.
    ///
    /// # Errors
    /// See `ProposeError`. While too few voters agree with this node's clock it is as if it did not lead.
    pub(crate) async fn propose(
        &self,
        group: &Group,
        request: MutationRequest,
    ) -> Result<(u64, Result<Reply, Refusal>), ProposeError> {
        if !group.is_leader() {
            return Err(ProposeError::NotLeader(group.leader()));
        }
        if !self.agrees_with(group) {
            return Err(ProposeError::NotLeader(None));
        }
        let activated = self.parts.activated.load(Ordering::SeqCst);
        let command = Command {
            apply_version: APPLY_VERSION.min(activated),
            request,
            proposed: self.clock().now(),
            random: cairn_runtime::random::u128(),
        };
        group.propose(&command).await
    }

    /// Whether this node's clock is that of a majority of the group's voters.
    pub(crate) fn agrees_with(&self, group: &Group) -> bool {
        self.skew().is_agreed(self.id().get(), &group.voter_sets())
    }
}

fn ended() -> GenesisError {
    GenesisError::Stopped("the node has ended".to_owned())
}
