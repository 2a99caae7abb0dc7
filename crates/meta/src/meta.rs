//! A metadata node.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_runtime::{Metrics, SharedClock, Tasks};
use cairn_types::id::{ClusterId, GroupId, NodeId, RequestId};
use cairn_types::namespace::root::ClusterInfo;
use cairn_types::namespace::{
    DataMutation, Mutation, MutationRequest, Query, Refusal, RootMutation, RootQuery, RootView,
    View,
};
use futures::future::join_all;
use openraft::async_runtime::WatchReceiver;

use crate::config::MetaConfig;
use crate::database::Database;
use crate::failure::{Failure, one_line};
use crate::group::{Group, GroupStatus, ProposeError};
use crate::label::{Label, LabelError};
use crate::node::Node;
use crate::open::{OpenError, Opened, open};
use crate::service::{self, MetadataServer, ReplicationServer};

/// How long genesis waits for groups to have leaders: peers may not have started yet.
const GENESIS_LIMIT: Duration = Duration::from_mins(1);

/// How long a leadership may take to be handed over, and everything to end.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);
const END_LIMIT: Duration = Duration::from_secs(5);

/// How often the clock is compared with those of the peers, where this node leads.
const CLOCK_INTERVAL: Duration = Duration::from_millis(200);

/// How often a quiet group is looked after.
const CHORE_INTERVAL: Duration = Duration::from_secs(10);

/// A running metadata node: Raft groups, their log and their tables.
///
/// It has a runtime and threads of its own. Ended by `shutdown`. Dropped without it, it hands nothing over, and the drop blocks
/// until everything has ended.
pub struct Meta {
    dir: PathBuf,
    data_groups: u16,
    node: Arc<Node>,
    tasks: Tasks,
    running: std::sync::Mutex<Option<Opened>>,
}

/// The cluster was not made.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// This node or its groups belong to another cluster, or to one with other constants.
    #[error("{} holds the metadata of another cluster: {reason}", dir.display())]
    Conflict {
        /// The node's directory.
        dir: PathBuf,
        /// What differs.
        reason: String,
    },
    /// This node is not among the members.
    #[error("node {node} is not among the members")]
    NotMember {
        /// This node.
        node: NodeId,
    },
    /// The label could not be written.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Groups have no leaders yet. Trying again goes on where this ended.
    #[error("groups have no leaders after {0:?}: are the other members reachable?")]
    Timeout(Duration),
    /// A group has stopped.
    #[error("a group has stopped: {0}")]
    Stopped(String),
}

/// The members of a group could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("change the members of group {group}: {reason}")]
pub struct MembershipError {
    /// The group.
    pub group: GroupId,
    /// Why, on one line.
    pub reason: String,
}

impl Meta {
    /// Opens the node's directory and starts its groups; they find their leaders in the background.
    ///
    /// Blocking work is done elsewhere. `tasks` gets the node's housekeeping.
    ///
    /// # Errors
    /// See `OpenError`; each says on one line what to do.
    pub async fn open(
        config: MetaConfig,
        clock: SharedClock,
        tasks: &Tasks,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        let (dir, data_groups) = (config.dir.clone(), config.data_groups);
        let opened = open(config, clock, metrics).await?;
        let meta = Self {
            dir,
            data_groups,
            node: Arc::clone(&opened.node),
            tasks: tasks.child(),
            running: std::sync::Mutex::new(Some(opened)),
        };
        for group in meta.node.groups() {
            meta.watch(&group, metrics);
            meta.look_after(group.id());
        }
        meta.mind_clock();
        Ok(meta)
    }

    /// Makes the cluster, on each of its first members or on one of them, with the same values. Repeating it is no change;
    /// it is refused where anything of another cluster is. Returns when all groups have leaders and the cluster is on record.
    ///
    /// `members` are the first metadata nodes and where each is reached; a member alone leads at once.
    ///
    /// # Errors
    /// See `GenesisError`.
    pub async fn genesis(
        &self,
        cluster: ClusterId,
        region: String,
        members: BTreeMap<NodeId, String>,
    ) -> Result<(), GenesisError> {
        if !members.contains_key(&self.node.id()) {
            let node = self.node.id();
            return Err(GenesisError::NotMember { node });
        }
        let label = self.label_for(cluster).await?;
        let groups = self.node.groups();
        let made = join_all(groups.iter().map(|group| group.initialize(&members))).await;
        for result in made {
            result.map_err(|error| GenesisError::Stopped(error.to_string()))?;
        }
        let leaders = groups
            .iter()
            .map(|group| group.wait_for_leader(GENESIS_LIMIT));
        if join_all(leaders).await.contains(&false) {
            return Err(GenesisError::Timeout(GENESIS_LIMIT));
        }
        let wanted = RootMutation::Genesis {
            cluster,
            data_group_count: label.data_groups,
            region,
            members: Vec::new(),
        };
        let recorded = tokio::time::timeout(GENESIS_LIMIT, self.record(wanted)).await;
        recorded.unwrap_or(Err(GenesisError::Timeout(GENESIS_LIMIT)))
    }

    /// Makes this node one of an existing cluster: from now on it takes what that cluster's leaders send. Repeating it is no
    /// change.
    ///
    /// # Errors
    /// `Conflict` where anything of another cluster is.
    pub async fn join(&self, cluster: ClusterId) -> Result<(), GenesisError> {
        self.label_for(cluster).await.map(drop)
    }

    /// Makes `members` the voters of every group that this node leads, and gives the groups that it does not lead: those are to
    /// be asked of their leaders. New members must have joined; it waits until they are up to date. A member that lost its
    /// log comes back as a new one, with an id that was never used.
    ///
    /// # Errors
    /// That of the first group that could not change; repeating it goes on there.
    pub async fn change_members(
        &self,
        members: BTreeMap<NodeId, String>,
    ) -> Result<Vec<GroupId>, MembershipError> {
        let mut led_elsewhere = Vec::new();
        for group in self.node.groups() {
            match group.change_members(&members).await {
                Ok(()) => {}
                Err(ProposeError::NotLeader(_)) => led_elsewhere.push(group.id()),
                Err(error @ (ProposeError::Discarded | ProposeError::Stopped(_))) => {
                    let (group, reason) = (group.id(), error.to_string());
                    return Err(MembershipError { group, reason });
                }
            }
        }
        Ok(led_elsewhere)
    }

    /// The label of this node in `cluster`: the one it has, or a new one if nothing is here yet.
    async fn label_for(&self, cluster: ClusterId) -> Result<Label, GenesisError> {
        let conflict = |reason: String| GenesisError::Conflict {
            dir: self.dir.clone(),
            reason,
        };
        if let Some(label) = self.node.label() {
            if label.cluster != cluster {
                return Err(conflict(format!("it is of cluster {}", label.cluster)));
            }
            return Ok(label);
        }
        for group in self.node.groups() {
            let is_initialized = group.raft().is_initialized().await;
            if is_initialized.map_err(|fatal| GenesisError::Stopped(fatal.to_string()))? {
                return Err(conflict("there is a log but no label".to_owned()));
            }
        }
        let label = Label {
            cluster,
            node: self.node.id(),
            data_groups: self.data_groups,
        };
        let dir = self.dir.clone();
        // Before anything is logged: a log without a label would be nobody's.
        self.node.pool().run(move || label.write(&dir)).await?;
        self.node.set_label(label);
        Ok(label)
    }

    /// Proposes genesis, or sees that whoever leads has done it.
    async fn record(&self, wanted: RootMutation) -> Result<(), GenesisError> {
        let request = MutationRequest {
            request: RequestId::new(cairn_runtime::random::u128()),
            minted: self.node.clock().now(),
            mutation: Mutation::Root(wanted.clone()),
        };
        loop {
            let root = self.node.root();
            let root = root.ok_or_else(|| GenesisError::Stopped("shut down".to_owned()))?;
            if let Some(info) = cluster_info(&root)? {
                return self.agrees(&wanted, &info);
            }
            match self.node.propose(&root, request.clone()).await {
                Ok((_, Ok(_))) => return Ok(()),
                Ok((_, Err(Refusal::GenesisConflict))) => {}
                Ok((_, Err(refusal))) => return Err(GenesisError::Stopped(refusal.to_string())),
                Err(ProposeError::NotLeader(_) | ProposeError::Discarded) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error @ ProposeError::Stopped(_)) => {
                    return Err(GenesisError::Stopped(error.to_string()));
                }
            }
        }
    }

    fn agrees(&self, wanted: &RootMutation, info: &ClusterInfo) -> Result<(), GenesisError> {
        let found = RootMutation::Genesis {
            cluster: info.cluster,
            data_group_count: info.data_group_count,
            region: info.region.clone(),
            members: Vec::new(),
        };
        if *wanted == found {
            return Ok(());
        }
        Err(GenesisError::Conflict {
            dir: self.dir.clone(),
            reason: format!("{found:?} is on record"),
        })
    }

    /// The services, to be mounted on a server: the metadata service, which wants `rpc::identity::Check` around it once the
    /// cluster is known, and Raft, which checks callers itself. Load on their runtime does not hold up Raft's own.
    pub fn services(&self) -> (MetadataServer, ReplicationServer) {
        service::servers(&self.node)
    }

    /// The cluster, from genesis or joining on.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.node.cluster()
    }

    /// Whether requests would be served: the node is of a cluster, nothing failed, and every group knows its leader.
    pub fn is_ready(&self) -> bool {
        let groups = self.node.groups();
        let are_led = !groups.is_empty() && groups.iter().all(|group| group.leader().is_some());
        are_led && self.node.cluster().is_some() && self.node.failure().get().is_none()
    }

    /// What each group is doing. Blocks for a few reads.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn status(&self) -> std::io::Result<Vec<GroupStatus>> {
        let groups = self.node.groups();
        groups.iter().map(|group| group.status()).collect()
    }

    /// Stands for election in every group that has no leader, without waiting until one is missed. Whoever lacks entries that a
    /// majority has does not win.
    pub async fn stand_for_election(&self) {
        for group in self.node.groups() {
            if group.leader().is_none()
                && let Err(error) = group.raft().trigger().elect(true).await
            {
                tracing::debug!(%error, group = %group.id(), "stand for election");
            }
        }
    }

    /// Resolves when the node must not go on, and why: the process is to end with this line. Never, if all is well. Cancel
    /// safe.
    pub async fn failed(&self) -> Failure {
        self.node.failure().wait().await
    }

    /// Hands leaderships to other voters, and then closes.
    pub async fn shutdown(&self) {
        let groups = self.node.groups();
        join_all(groups.iter().map(|group| group.hand_over(HAND_OVER_LIMIT))).await;
        drop(groups);
        self.close().await;
    }

    /// Ends all groups, writes what is not on disk yet, and closes the database; for when all nodes end together, and nobody is
    /// left to lead.
    pub async fn close(&self) {
        let opened = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.take()
        };
        let Some(opened) = opened else { return };
        self.tasks.stop();
        let groups = self.node.set_groups(Vec::new());
        let ends = join_all(groups.iter().map(|group| group.raft().shutdown())).await;
        for error in ends.into_iter().filter_map(Result::err) {
            tracing::warn!(error = %error, "a group did not end in order");
        }
        drop(groups);
        self.tasks.stop_and_join(END_LIMIT).await;
        let Ok(ending) = end(opened) else { return };
        while !ending.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Reports a fatal error of a group, and shows whether this node leads it.
    fn watch(&self, group: &Group, metrics: &Metrics) {
        let id = group.id();
        let label = id.to_string();
        let node_label = self.node.id().to_string();
        let labels = [("group", label.as_str()), ("node", &node_label)];
        let leads = metrics.gauge("cairn_raft_is_leader", &labels);
        let mut seen = group.raft().metrics();
        let node = Arc::clone(&self.node);
        self.tasks.spawn("meta group watch", async move {
            loop {
                let (fatal, is_leader) = {
                    let now = seen.borrow_watched();
                    let fatal = now.running_state.as_ref().err().cloned();
                    (fatal, now.current_leader == Some(now.id))
                };
                leads.set(i64::from(is_leader));
                match fatal {
                    None | Some(openraft::error::Fatal::Stopped) => {}
                    Some(fatal) => {
                        let reason = format!("group {id}: {}", one_line(&fatal));
                        node.failure().report(reason);
                    }
                }
                if seen.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Hands over what this node leads while its clock is wrong.
    fn mind_clock(&self) {
        let node = Arc::clone(&self.node);
        self.tasks.spawn("meta clock", async move {
            loop {
                tokio::time::sleep(CLOCK_INTERVAL).await;
                let mut led = node.groups();
                led.retain(|group| group.is_leader());
                if led.is_empty() || !node.skew().is_off() {
                    continue;
                }
                tracing::warn!("the clock of this node is wrong: it hands over what it leads");
                join_all(led.iter().map(|group| group.hand_over(HAND_OVER_LIMIT))).await;
            }
        });
    }

    /// Proposes the chores of a group that nothing else is proposed to.
    fn look_after(&self, group: GroupId) {
        let node = Arc::clone(&self.node);
        self.tasks.spawn("meta group chores", async move {
            loop {
                tokio::time::sleep(CHORE_INTERVAL).await;
                let Some(group) = node.group(group.get()) else {
                    return;
                };
                if let Err(error) = do_chores(&node, &group).await {
                    tracing::warn!(group = group.id().get(), error, "chores of a group");
                }
            }
        });
    }
}

impl Drop for Meta {
    fn drop(&mut self) {
        let running = self.running.get_mut();
        let opened = running.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(opened) = opened {
            self.tasks.stop();
            self.node.set_groups(Vec::new());
            // Waited for, so that nothing touches the directory any more; a thread that panicked has said so.
            if let Ok(ending) = end(opened) {
                let _ = ending.join();
            }
        }
    }
}

impl std::fmt::Debug for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meta")
            .field("dir", &self.dir)
            .field("node", &self.node.id())
            .finish_non_exhaustive()
    }
}

/// What this node's tables say of the cluster: perhaps not yet, never wrongly.
fn cluster_info(root: &Group) -> Result<Option<ClusterInfo>, GenesisError> {
    let query = Query::Root(RootQuery::Cluster);
    let view = cairn_catalog::query(&root.tables().freeze(), GroupId::ROOT, &query)
        .map_err(|error| GenesisError::Stopped(one_line(&error)))?;
    Ok(match view {
        Ok(View::Root(RootView::Cluster(info))) => info,
        _ => None,
    })
}

async fn do_chores(node: &Node, group: &Group) -> Result<(), String> {
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
        mutation: Mutation::Data(DataMutation::ExpireRequests),
    };
    match node.propose(group, request).await {
        // Whoever leads now does them.
        Ok(_) | Err(ProposeError::NotLeader(_) | ProposeError::Discarded) => Ok(()),
        Err(error @ ProposeError::Stopped(_)) => Err(error.to_string()),
    }
}

/// Ends the runtime and the threads and closes the database, on a thread of its own: a runtime is not to be ended from within
/// another. Without the system giving one, they end with the process.
fn end(opened: Opened) -> std::io::Result<JoinHandle<()>> {
    let Opened {
        node,
        database,
        runtime,
        threads,
    } = opened;
    drop(node);
    let ending = std::thread::Builder::new().name("meta-end".to_owned());
    ending.spawn(move || {
        // Dropping the groups' tasks drops their way to the writer, which ends it, and that the watermark's keeper.
        runtime.shutdown_timeout(END_LIMIT);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the metadata panicked");
            }
        }
        if let Err(error) = database.sync() {
            tracing::error!(error = %one_line(&error), "sync the metadata");
        }
        database.stop_background_work();
        close_database(database);
    })
}

/// Waits until the last request and the last snapshot let go of the database: then it is closed, and may be opened again.
fn close_database(mut database: Arc<Database>) {
    let pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while let Err(shared) = Arc::try_unwrap(database) {
        if waited >= END_LIMIT {
            tracing::warn!("somebody still reads the metadata; it closes behind them");
            return;
        }
        database = shared;
        std::thread::sleep(pause);
        waited += pause;
    }
}

#[cfg(test)]
mod tests;
