//! Bringing up a node from its directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread::JoinHandle;

use cairn_runtime::{CpuPool, Metrics, SharedClock};
use cairn_types::id::{GroupId, NodeId};
use openraft::Config;
use tokio::runtime::Runtime;

use crate::config::MetaConfig;
use crate::consensus::GroupRaft;
use crate::database::{AccessError, Database, DatabaseError};
use crate::failure::FailureCell;
use crate::group::Group;
use crate::label::{Label, LabelError};
use crate::log::{GroupLog, Writer, WriterCounters};
use crate::node::{Node, NodeParts};
use crate::service::peers::{GroupNetwork, Peers};
use crate::skew::Skew;
use crate::state::{ReadCounters, StateMachine, Tables};
use crate::watermark::{Position, Watermark};

/// Threads for long reads and for the rows of snapshots.
const POOL_THREADS: usize = 2;

/// Threads of the runtime that Raft has for itself, so that load elsewhere does not cost elections.
const RAFT_THREADS: usize = 2;

/// A metadata node could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory could not be made or used.
    #[error("use the directory {}", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The label of the directory is not usable.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// It is the directory of another node.
    #[error("{} belongs to node {found}, this is node {expected}", dir.display())]
    OtherNode {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who came.
        expected: NodeId,
    },
    /// RocksDB could not be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// What was known to be durable cannot be told any more.
    #[error(
        "the durable index in {} is damaged: wipe this node and let it join again under a new id",
        dir.display()
    )]
    Watermark {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// A log or a vote is behind what was known to be durable.
    #[error(
        "the log of group {group} in {} lost entries that were acknowledged ({found} instead of {known}): \
         wipe this node and let it join again under a new id", dir.display()
    )]
    ShortenedLog {
        /// The directory.
        dir: PathBuf,
        /// The group.
        group: u16,
        /// What the log has.
        found: String,
        /// What was durable.
        known: String,
    },
    /// What is on disk cannot be read.
    #[error("recover group {group}: {reason}")]
    Group {
        /// The group.
        group: u16,
        /// Why, on one line.
        reason: String,
    },
    /// The configuration contradicts itself.
    #[error("the metadata configuration: {0}")]
    Config(String),
    /// The system gives no threads.
    #[error("start threads")]
    Threads(#[source] std::io::Error),
}

/// A node that runs, and what must be ended with it.
pub(crate) struct Opened {
    pub(crate) node: Arc<Node>,
    pub(crate) database: Arc<Database>,
    pub(crate) runtime: Runtime,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// What was found on disk.
struct Recovered {
    label: Option<Label>,
    database: Arc<Database>,
    groups: Vec<(GroupLog, Arc<Tables>)>,
    threads: Vec<JoinHandle<()>>,
}

/// Opens the directory, checks what is in it, and starts a Raft for each group. A group in which this node votes alone
/// stands for election before this returns.
pub(crate) async fn open(
    config: MetaConfig,
    clock: SharedClock,
    metrics: &Metrics,
) -> Result<Opened, OpenError> {
    let pace = config.pace().config();
    let pace = Arc::new(pace.map_err(|error| OpenError::Config(error.to_string()))?);
    if !(1..=1_000).contains(&config.data_groups) {
        let reason = "there are 1 to 1,000 data groups".to_owned();
        return Err(OpenError::Config(reason));
    }
    let failure = FailureCell::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RAFT_THREADS)
        .thread_name("meta-raft")
        .enable_all()
        .build()
        .map_err(OpenError::Threads)?;
    let recovery = {
        let (config, metrics, failure) = (config.clone(), metrics.clone(), failure.clone());
        runtime.spawn_blocking(move || recover(&config, &metrics, &failure))
    };
    let recovered = match recovery.await {
        Ok(Ok(recovered)) => recovered,
        Ok(Err(error)) => {
            runtime.shutdown_background();
            return Err(error);
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    let pool = CpuPool::new(POOL_THREADS)
        .map_err(|error| OpenError::Threads(std::io::Error::other(error)))?;
    let activated = Arc::new(AtomicU32::new(1));
    let skew = Arc::new(Skew::new(Arc::clone(&clock)));
    let peers = Peers::new(Arc::clone(&config.dial), Arc::clone(&skew));
    let node = Arc::new(Node::new(NodeParts {
        id: config.node,
        label: recovered.label,
        peers: peers.clone(),
        clock,
        skew,
        pool,
        activated: Arc::clone(&activated),
        failure,
    }));
    let starter = Starter {
        node: config.node,
        pace,
        peers,
        activated,
        metrics: metrics.clone(),
    };
    let running = runtime.spawn(async move { starter.start_all(recovered.groups).await });
    let running = match running.await {
        Ok(running) => running,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    match running {
        Ok(groups) => drop(node.set_groups(groups)),
        Err(error) => {
            runtime.shutdown_background();
            return Err(error);
        }
    }
    Ok(Opened {
        node,
        database: recovered.database,
        runtime,
        threads: recovered.threads,
    })
}

/// Reads everything that is on disk. Blocks.
fn recover(
    config: &MetaConfig,
    metrics: &Metrics,
    failure: &FailureCell,
) -> Result<Recovered, OpenError> {
    let dir = &config.dir;
    let unusable = |source| OpenError::Directory {
        dir: dir.clone(),
        source,
    };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let label = Label::read(dir)?;
    if let Some(label) = &label
        && label.node != config.node
    {
        return Err(OpenError::OtherNode {
            dir: dir.clone(),
            found: label.node,
            expected: config.node,
        });
    }
    let last_group = label.map_or(config.data_groups, |label| label.data_groups);
    // The lock of the database keeps other processes from the other files, too.
    let database = Database::open(&dir.join("db"), last_group)?;
    let (watermark, known, keeper) = Watermark::open(
        dir,
        metrics.counter("cairn_watermark_syncs_total", &[]),
        failure.clone(),
    )
    .map_err(|source| match source.kind() {
        std::io::ErrorKind::InvalidData => OpenError::Watermark {
            dir: dir.clone(),
            source,
        },
        _ => unusable(source),
    })?;
    let counters = WriterCounters {
        syncs: metrics.counter("cairn_raft_log_syncs_total", &[]),
        bytes: metrics.counter("cairn_raft_log_bytes_total", &[]),
    };
    let (writer, thread) =
        Writer::start(Arc::clone(&database), watermark, counters, failure.clone())
            .map_err(OpenError::Threads)?;
    let mut groups = Vec::new();
    for group in 0..=last_group {
        let broken = |error: AccessError| OpenError::Group {
            group,
            reason: crate::failure::one_line(&error),
        };
        let log =
            GroupLog::recover(group, Arc::clone(&database), writer.clone()).map_err(broken)?;
        check(dir, group, &log, known.get(&group))?;
        let reads = ReadCounters {
            gets: metrics.counter("cairn_meta_gets_total", &[]),
            seeks: metrics.counter("cairn_meta_seeks_total", &[]),
            nexts: metrics.counter("cairn_meta_nexts_total", &[]),
        };
        let tables = Tables::recover(group, Arc::clone(&database), reads).map_err(broken)?;
        groups.push((log, Arc::new(tables)));
    }
    Ok(Recovered {
        label,
        database,
        groups,
        threads: vec![thread, keeper],
    })
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

/// What starting a group takes.
struct Starter {
    node: NodeId,
    pace: Arc<Config>,
    peers: Peers,
    activated: Arc<AtomicU32>,
    metrics: Metrics,
}

impl Starter {
    async fn start_all(
        &self,
        groups: Vec<(GroupLog, Arc<Tables>)>,
    ) -> Result<Vec<Arc<Group>>, OpenError> {
        let starts = groups
            .into_iter()
            .map(|(log, tables)| self.start(log, tables));
        futures::future::try_join_all(starts).await
    }

    async fn start(&self, log: GroupLog, tables: Arc<Tables>) -> Result<Arc<Group>, OpenError> {
        let number = tables.group();
        let id = GroupId::new(number);
        let broken = |reason: String| OpenError::Group {
            group: number,
            reason,
        };
        let activated = (id == GroupId::ROOT).then(|| Arc::clone(&self.activated));
        let label = number.to_string();
        let entries = self
            .metrics
            .counter("cairn_raft_entries_applied_total", &[("group", &label)]);
        let machine = StateMachine::new(Arc::clone(&tables), activated, entries);
        let machine = machine.map_err(|error| broken(crate::failure::one_line(&error)))?;
        let network = GroupNetwork {
            peers: self.peers.clone(),
            group: number,
        };
        let raft = GroupRaft::new(
            self.node.get(),
            Arc::clone(&self.pace),
            network,
            log,
            machine,
        )
        .await
        .map_err(|error| broken(error.to_string()))?;
        let group = Group::new(id, raft, tables);
        group
            .elect_if_alone()
            .await
            .map_err(|error| broken(error.to_string()))?;
        Ok(Arc::new(group))
    }
}
