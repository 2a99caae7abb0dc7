//! A metadata node.

mod standing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_runtime::{Metrics, SharedClock, Tasks};
use cairn_types::cluster::MetaNode;
use cairn_types::id::{ClusterId, GroupId, NodeId, RequestId};
use cairn_types::namespace::root::ClusterInfo;
use cairn_types::namespace::{
    Mutation, MutationRequest, Query, Refusal, RootMutation, RootQuery, RootView, View,
};
use futures::future::join_all;
use tokio::runtime::Handle;

use crate::config::MetaConfig;
use crate::database::Database;
use crate::failure::{Failure, one_line};
use crate::group::{ChangeError, Group, GroupStatus, ProposeError};
use crate::housekeeping;
use crate::label::{Home, LabelError};
use crate::node::Node;
use crate::open::{OpenError, Opened, open};
use crate::service::{self, MetadataServer, ReplicationServer};

/// How long genesis waits for groups to have leaders: peers may not have started yet.
const GENESIS_LIMIT: Duration = Duration::from_mins(1);

/// How long new voters may take to be up to date.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// How long all leaderships together may take to be handed over, and everything to end.
pub(crate) const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);
const END_LIMIT: Duration = Duration::from_secs(5);

/// A running metadata node: Raft groups, their log and their tables.
///
/// It has a runtime and threads of its own. Ended by `shutdown`. Dropped without it, it hands nothing over, and the drop blocks
/// until everything has ended.
pub struct Meta {
    dir: PathBuf,
    data_groups: u16,
    node: Arc<Node>,
    raft: Handle,
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
    /// The groups could not be started.
    #[error(transparent)]
    Open(#[from] OpenError),
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
        let (tasks, log_bytes) = (tasks.child(), config.log_bytes);
        let opened = open(config, clock, tasks.clone(), metrics).await?;
        housekeeping::start(&opened.node, &tasks, log_bytes);
        Ok(Self {
            dir,
            data_groups,
            node: Arc::clone(&opened.node),
            raft: opened.runtime.handle(),
            tasks,
            running: std::sync::Mutex::new(Some(opened)),
        })
    }

    /// Makes the cluster. To be called on one of its first members after the others joined it or were invited, or on each of
    /// them, with the same values. Repeating it is no change; it is refused where anything of another cluster is. Returns when
    /// all groups have leaders and the cluster is on record.
    ///
    /// `members` are the first metadata nodes and where each is reached; a member alone leads at once. They are not put on
    /// record: for who changes them by hand.
    ///
    /// # Errors
    /// See `GenesisError`.
    pub async fn genesis(
        &self,
        cluster: ClusterId,
        region: String,
        members: BTreeMap<NodeId, String>,
    ) -> Result<(), GenesisError> {
        self.make(cluster, region, members, Vec::new()).await
    }

    /// Makes the cluster as `genesis` does, and puts its members on record, for `keep_members` to go by.
    ///
    /// # Errors
    /// See `GenesisError`.
    pub async fn genesis_on_record(
        &self,
        cluster: ClusterId,
        region: String,
        members: Vec<MetaNode>,
    ) -> Result<(), GenesisError> {
        let places = members
            .iter()
            .map(|member| (member.id, member.address.clone()))
            .collect();
        self.make(cluster, region, places, members).await
    }

    async fn make(
        &self,
        cluster: ClusterId,
        region: String,
        members: BTreeMap<NodeId, String>,
        on_record: Vec<MetaNode>,
    ) -> Result<(), GenesisError> {
        tokio::select! {
            made = self.make_or_go_on(cluster, region, members, on_record) => made,
            () = self.tasks.stopped() => Err(GenesisError::Stopped("the node is closing".to_owned())),
        }
    }

    async fn make_or_go_on(
        &self,
        cluster: ClusterId,
        region: String,
        members: BTreeMap<NodeId, String>,
        on_record: Vec<MetaNode>,
    ) -> Result<(), GenesisError> {
        if !members.contains_key(&self.node.id()) {
            let node = self.node.id();
            return Err(GenesisError::NotMember { node });
        }
        let known = self.node.home();
        let home = Home {
            cluster,
            data_groups: known.map_or(self.data_groups, |home| home.data_groups),
        };
        self.node.settle(home).await?;
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
            data_group_count: home.data_groups,
            region: region.clone(),
            members: on_record,
        };
        let recording = self.record(wanted, home, &region);
        let recorded = tokio::time::timeout(GENESIS_LIMIT, recording).await;
        recorded.unwrap_or(Err(GenesisError::Timeout(GENESIS_LIMIT)))
    }

    /// Makes this node one of an existing cluster, durably: from now on it takes what that cluster's leaders send. Repeating it
    /// is no change. `data_group_count` is what that cluster has; the node's own configuration says nothing here.
    ///
    /// # Errors
    /// `Conflict` where anything of another cluster is, or of one with another number of data groups.
    pub async fn join(
        &self,
        cluster: ClusterId,
        data_group_count: u16,
    ) -> Result<(), GenesisError> {
        let home = Home {
            cluster,
            data_groups: data_group_count,
        };
        self.node.settle(home).await
    }

    /// Makes `members` the voters of every group that this node leads, and gives the groups that it does not lead: those are to
    /// be asked of their leaders. New members must have joined; they become voters once they are up to date. A member that lost
    /// its log comes back as a new one.
    ///
    /// # Errors
    /// That of the first group that could not change, also when a new member is not up to date within ten seconds; the voters
    /// of that group are as they were. Repeating it goes on there.
    pub async fn change_members(
        &self,
        members: BTreeMap<NodeId, String>,
    ) -> Result<Vec<GroupId>, MembershipError> {
        let mut led_elsewhere = Vec::new();
        let learners = BTreeMap::new();
        for group in self.node.groups() {
            let changed = group.change_members(&members, &learners, CHANGE_LIMIT);
            match changed.await {
                Ok(()) => {}
                Err(ChangeError::NotLeader(_)) => led_elsewhere.push(group.id()),
                Err(error) => {
                    let (group, reason) = (group.id(), error.to_string());
                    return Err(MembershipError { group, reason });
                }
            }
        }
        Ok(led_elsewhere)
    }

    /// Proposes genesis, or sees that whoever leads has done it.
    async fn record(
        &self,
        wanted: RootMutation,
        home: Home,
        region: &str,
    ) -> Result<(), GenesisError> {
        let request = MutationRequest {
            request: RequestId::new(cairn_runtime::random::u128()),
            minted: self.node.clock().now(),
            guard: None,
            mutation: Mutation::Root(wanted),
        };
        loop {
            let root = self.node.root();
            let root = root.ok_or_else(|| GenesisError::Stopped("shut down".to_owned()))?;
            if let Some(info) = cluster_info(&root)? {
                return self.agrees(home, region, &info);
            }
            match self.node.propose(&root, request.clone()).await {
                Ok((_, Ok(_))) => return Ok(()),
                Ok((_, Err(Refusal::GenesisConflict))) => {}
                Ok((_, Err(refusal))) => return Err(GenesisError::Stopped(refusal.to_string())),
                Err(ProposeError::NotLeader(_) | ProposeError::Discarded) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error @ (ProposeError::Stopped(_) | ProposeError::TooLong(_))) => {
                    return Err(GenesisError::Stopped(error.to_string()));
                }
            }
        }
    }

    fn agrees(&self, home: Home, region: &str, info: &ClusterInfo) -> Result<(), GenesisError> {
        let is_same = info.cluster == home.cluster
            && info.data_group_count == home.data_groups
            && info.region == region;
        if is_same {
            return Ok(());
        }
        Err(GenesisError::Conflict {
            dir: self.dir.clone(),
            reason: format!("{info:?} is on record"),
        })
    }

    /// From now on, as long as this node runs: while it leads the root group, it keeps the members of all groups as they are on
    /// record there (`Topology::meta_nodes`) and their leaders spread over them. Every node of a cluster does this.
    pub fn keep_members(&self) {
        let keeping = crate::keeper::keep(Arc::clone(&self.node));
        self.tasks.spawn_essential("meta members", keeping);
    }

    /// The services, to be mounted on a server. Both check callers themselves, from the moment on when the node is of a cluster;
    /// before, they only let themselves be identified and invited. Raft gets a server of its own with a listener of its own
    /// where load on the metadata must not hold it up: to be run on `raft_handle`.
    pub fn services(&self) -> (MetadataServer, ReplicationServer) {
        service::servers(&self.node)
    }

    /// The runtime that Raft has for itself, for the server of its service. What runs there ends when the node is closed.
    pub fn raft_handle(&self) -> Handle {
        self.raft.clone()
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node.id()
    }

    /// The cluster, from genesis or joining on.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.node.cluster()
    }

    /// Whether requests would be served: the node is of a cluster, nothing failed, and every group has a leader that showed
    /// itself within the last second or so.
    pub fn is_ready(&self) -> bool {
        let groups = self.node.groups();
        let are_led = !groups.is_empty() && groups.iter().all(|group| group.has_live_leader());
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
            if !group.has_live_leader()
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

    /// Hands all leaderships to other voters at once, within two seconds, and then closes.
    pub async fn shutdown(&self) {
        let groups = self.node.groups();
        let handing = join_all(groups.iter().map(|group| group.hand_over(HAND_OVER_LIMIT)));
        if tokio::time::timeout(HAND_OVER_LIMIT, handing)
            .await
            .is_err()
        {
            tracing::warn!("not all leaderships were handed over in time");
        }
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
        let groups = self.node.end();
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
}

impl Drop for Meta {
    fn drop(&mut self) {
        let running = self.running.get_mut();
        let opened = running.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(opened) = opened {
            self.tasks.stop();
            self.node.end();
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
        runtime.end(END_LIMIT);
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
