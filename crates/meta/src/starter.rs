//! Starting the groups of a node: when it is opened, or when it finds its cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use cairn_runtime::{Metrics, SharedClock, Tasks};
use cairn_types::id::{GroupId, NodeId};
use openraft::Config;
use openraft::async_runtime::WatchReceiver;
use tokio::runtime::Handle;

use crate::consensus::GroupRaft;
use crate::database::{AccessError, Database};
use crate::failure::one_line;
use crate::group::{Group, GroupParts};
use crate::log::{GroupLog, Writer};
use crate::node::Node;
use crate::open::OpenError;
use crate::service::peers::{GroupNetwork, Peers};
use crate::state::{ReadCounters, StateMachine, Tables};
use crate::watermark::Position;

/// What starting groups takes.
pub(crate) struct Starter {
    parts: StarterParts,
}

/// What a starter is made of.
pub(crate) struct StarterParts {
    /// Where everything is kept.
    pub(crate) storage: Storage,
    /// How Raft keeps time.
    pub(crate) pace: Arc<Config>,
    /// Time between two heartbeats.
    pub(crate) heartbeat: Duration,
    /// The longest time without a leader.
    pub(crate) election_max: Duration,
    /// To measure with.
    pub(crate) clock: SharedClock,
    /// The apply version that the cluster activated.
    pub(crate) activated: Arc<AtomicU32>,
    /// The metrics of the process.
    pub(crate) metrics: Metrics,
    /// Raft's runtime.
    pub(crate) runtime: Handle,
    /// The node's housekeeping.
    pub(crate) tasks: Tasks,
}

/// The storage of a node, open.
pub(crate) struct Storage {
    /// The node's directory.
    pub(crate) dir: PathBuf,
    /// The database in it.
    pub(crate) database: Arc<Database>,
    /// The writer of its logs.
    pub(crate) writer: Writer,
    /// What was durable when it was opened.
    pub(crate) known: BTreeMap<u16, Position>,
}

type Stored = Vec<(GroupLog, Arc<Tables>)>;

impl Starter {
    /// A starter; nothing is started yet.
    pub(crate) fn new(parts: StarterParts) -> Self {
        Self { parts }
    }

    /// Raft's runtime.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.parts.runtime
    }

    /// Starts the groups 0 up to and including `last_group` on Raft's runtime, with what the database has of them.
    ///
    /// # Errors
    /// What a group has on disk cannot be read, or is less than what was durable.
    pub(crate) async fn start(
        self: &Arc<Self>,
        node: &Arc<Node>,
        last_group: u16,
    ) -> Result<Vec<Arc<Group>>, OpenError> {
        let starter = Arc::clone(self);
        let recovery = move || starter.recover(last_group);
        let stored = match self.runtime().spawn_blocking(recovery).await {
            Ok(stored) => stored?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let (starter, id, peers) = (Arc::clone(self), node.id(), node.peers().clone());
        let starting = async move {
            let starts = stored
                .into_iter()
                .map(|(log, tables)| starter.start_group(id, &peers, log, tables));
            futures::future::try_join_all(starts).await
        };
        match self.runtime().spawn(starting).await {
            Ok(groups) => groups,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Reads what is on disk of the groups. Blocks.
    fn recover(&self, last_group: u16) -> Result<Stored, OpenError> {
        let Storage {
            dir,
            database,
            writer,
            known,
        } = &self.parts.storage;
        let metrics = &self.parts.metrics;
        let reads = ReadCounters {
            gets: metrics.counter("cairn_meta_gets_total", &[]),
            seeks: metrics.counter("cairn_meta_seeks_total", &[]),
            nexts: metrics.counter("cairn_meta_nexts_total", &[]),
        };
        let broken = |group: u16, error: AccessError| OpenError::Group {
            group,
            reason: one_line(&error),
        };
        database
            .make_groups(last_group)
            .map_err(|error| broken(last_group, error))?;
        let mut groups = Vec::new();
        for group in 0..=last_group {
            let log = GroupLog::recover(group, Arc::clone(database), writer.clone());
            let log = log.map_err(|error| broken(group, error))?;
            check(dir, group, &log, known.get(&group))?;
            let tables = Tables::recover(group, Arc::clone(database), reads.clone());
            let tables = tables.map_err(|error| broken(group, error))?;
            groups.push((log, Arc::new(tables)));
        }
        Ok(groups)
    }

    async fn start_group(
        &self,
        node: NodeId,
        peers: &Peers,
        log: GroupLog,
        tables: Arc<Tables>,
    ) -> Result<Arc<Group>, OpenError> {
        let number = tables.group();
        let id = GroupId::new(number);
        let broken = |reason: String| OpenError::Group {
            group: number,
            reason,
        };
        let parts = &self.parts;
        let activated = (id == GroupId::ROOT).then(|| Arc::clone(&parts.activated));
        let label = number.to_string();
        let entries = parts
            .metrics
            .counter("cairn_raft_entries_applied_total", &[("group", &label)]);
        let machine = StateMachine::new(Arc::clone(&tables), activated, entries);
        let machine = machine.map_err(|error| broken(one_line(&error)))?;
        let network = GroupNetwork {
            peers: peers.clone(),
            group: number,
        };
        let pace = Arc::clone(&parts.pace);
        let raft = GroupRaft::new(node.get(), pace, network, log.clone(), machine)
            .await
            .map_err(|error| broken(error.to_string()))?;
        // All groups beat together: see `beat`.
        raft.runtime_config().heartbeat(false);
        let group = Group::new(GroupParts {
            id,
            raft,
            tables,
            log,
            clock: Arc::clone(&parts.clock),
            election_max: parts.election_max,
        });
        group
            .elect_if_alone()
            .await
            .map_err(|error| broken(error.to_string()))?;
        Ok(Arc::new(group))
    }

    /// From now on, as long as the node has groups, those that it leads beat all at the same moment, so that their beats to
    /// one node go in one message.
    pub(crate) fn beat(&self, node: &Arc<Node>) {
        let (node, pause) = (Arc::downgrade(node), self.parts.heartbeat);
        self.runtime().spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let groups = node.upgrade().map(|node| node.groups());
                let groups = groups.unwrap_or_default();
                if groups.is_empty() {
                    return;
                }
                for group in groups {
                    group.beat().await;
                }
            }
        });
    }

    /// Reports a fatal error of a group, learns where its members are, and shows whether this node leads it.
    pub(crate) fn watch(&self, node: &Arc<Node>, group: &Group) {
        let id = group.id();
        let label = id.to_string();
        let node_label = node.id().to_string();
        let labels = [("group", label.as_str()), ("node", &node_label)];
        let leads = self.parts.metrics.gauge("cairn_raft_is_leader", &labels);
        let mut seen = group.raft().metrics();
        let node = Arc::clone(node);
        let tasks = &self.parts.tasks;
        tasks.spawn_essential("meta group watch", async move {
            let mut members = None;
            loop {
                let (fatal, is_leader, found) = {
                    let now = seen.borrow_watched();
                    let fatal = now.running_state.as_ref().err().cloned();
                    let is_leader = now.current_leader == Some(now.id);
                    (fatal, is_leader, Arc::clone(&now.membership_config))
                };
                leads.set(i64::from(is_leader));
                if members.as_ref() != Some(&found) {
                    for (member, place) in found.membership().nodes() {
                        node.peers().learn(id.get(), *member, &place.addr);
                    }
                    members = Some(found);
                }
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
}

/// A log must have what was durable, and a vote must not be older.
fn check(
    dir: &Path,
    group: u16,
    log: &GroupLog,
    known: Option<&Position>,
) -> Result<(), OpenError> {
    let Some(known) = known else { return Ok(()) };
    let found = log.recovered();
    let vote = found.vote.map_or((0, 0, false), |vote| {
        (vote.leader_id.term, vote.leader_id.node_id, vote.committed)
    });
    if found.log_len() >= known.log_len && vote >= known.vote {
        return Ok(());
    }
    let told = |len: u64, (term, node, _): (u64, u64, bool)| {
        format!("{len} entries, vote of term {term} for node {node}")
    };
    Err(OpenError::ShortenedLog {
        dir: dir.to_owned(),
        group,
        found: told(found.log_len(), vote),
        known: told(known.log_len, known.vote),
    })
}
