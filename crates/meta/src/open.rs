//! Bringing up a node from its directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_runtime::{CpuPool, Metrics, SharedClock, Tasks};
use cairn_types::id::NodeId;
use tokio::runtime::{Handle, Runtime};

use crate::config::MetaConfig;
use crate::database::{Database, DatabaseError};
use crate::failure::FailureCell;
use crate::label::{self, Label, LabelError};
use crate::log::{Writer, WriterCounters};
use crate::node::{Node, NodeParts};
use crate::service::peers::Peers;
use crate::skew::Skew;
use crate::starter::{Starter, StarterParts, Storage};
use crate::watermark::Watermark;

/// What a directory without a label may contain: `lost+found` of a fresh file system, and a label that was cut short.
const HARMLESS: [&str; 2] = ["lost+found", label::DRAFT];

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
    /// There is metadata, and nothing says whose it is.
    #[error("{} holds metadata, but its label NODE is gone: wipe this node and let it join again", dir.display())]
    Unlabelled {
        /// The directory.
        dir: PathBuf,
    },
    /// Somebody else's files are there, and no label.
    #[error("{}: the directory has no label NODE and contains {entry:?}; give an empty directory", dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// One of the files.
        entry: String,
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
    pub(crate) runtime: RaftRuntime,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// Raft's own runtime. Dropped, it ends without waiting: whoever opens a node may be cut short, and a runtime that is waited
/// for inside of another panics.
pub(crate) struct RaftRuntime(Option<Runtime>);

impl RaftRuntime {
    fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RAFT_THREADS)
            .thread_name("meta-raft")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// To start something on it.
    pub(crate) fn handle(&self) -> Handle {
        let runtime = self.0.as_ref();
        runtime.expect("taken by `end` alone").handle().clone()
    }

    /// Ends everything on it. Blocks, `limit` at most.
    pub(crate) fn end(mut self, limit: Duration) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(limit);
        }
    }
}

impl Drop for RaftRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What was found on disk.
struct Recovered {
    label: Label,
    storage: Storage,
    threads: Vec<JoinHandle<()>>,
}

/// Opens the directory, checks what is in it, and starts a Raft for each group of the node's home, if it has one. A group in
/// which this node votes alone stands for election before this returns.
pub(crate) async fn open(
    config: MetaConfig,
    clock: SharedClock,
    tasks: Tasks,
    metrics: &Metrics,
) -> Result<Opened, OpenError> {
    let pace = config.pace().config();
    let pace = Arc::new(pace.map_err(|error| OpenError::Config(error.to_string()))?);
    if !(1..=1_000).contains(&config.data_groups) {
        let reason = "there are 1 to 1,000 data groups".to_owned();
        return Err(OpenError::Config(reason));
    }
    let failure = FailureCell::new();
    let runtime = RaftRuntime::start().map_err(OpenError::Threads)?;
    let recovery = {
        let (config, metrics, failure) = (config.clone(), metrics.clone(), failure.clone());
        let recovery = move || recover(&config, &metrics, &failure);
        runtime.handle().spawn_blocking(recovery)
    };
    let recovered = match recovery.await {
        Ok(recovered) => recovered?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    let pool = CpuPool::new(POOL_THREADS)
        .map_err(|error| OpenError::Threads(std::io::Error::other(error)))?;
    let activated = Arc::new(AtomicU32::new(1));
    let skew = Arc::new(Skew::new(Arc::clone(&clock)));
    let peers = Peers::new(Arc::clone(&config.dial), Arc::clone(&skew));
    let database = Arc::clone(&recovered.storage.database);
    let starter = Starter::new(StarterParts {
        storage: recovered.storage,
        pace,
        heartbeat: config.heartbeat,
        election_max: config.election_max,
        clock: Arc::clone(&clock),
        activated: Arc::clone(&activated),
        metrics: metrics.clone(),
        runtime: runtime.handle(),
        tasks,
    });
    let parts = NodeParts {
        id: recovered.label.node,
        name: config.name,
        dir: config.dir,
        peers,
        clock,
        skew,
        pool,
        activated,
        failure,
    };
    let node = Arc::new(Node::new(parts, starter));
    if let (Some(home), Some(starter)) = (recovered.label.home, node.starter()) {
        node.run(&starter, home).await?;
    }
    Ok(Opened {
        node,
        database,
        runtime,
        threads: recovered.threads,
    })
}

/// Reads what is on disk, or makes a new node of an empty directory. Blocks.
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
    let label = labelled(dir, config.proposed_node)?;
    // The lock of the database keeps other processes from the other files, too.
    let last_group = label.home.map(|home| home.data_groups);
    let database = Database::open(&dir.join("db"), last_group)?;
    let (watermark, known, keeper) = Watermark::open(
        dir,
        label.home.is_some(),
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
    let storage = Storage {
        dir: dir.clone(),
        database,
        writer,
        known,
    };
    Ok(Recovered {
        label,
        storage,
        threads: vec![thread, keeper],
    })
}

/// The label of the directory. An empty one gets one now, with an id that never was a node's: whatever the configuration says,
/// a directory that was wiped does not vote under the id that it had.
fn labelled(dir: &Path, proposed: Option<NodeId>) -> Result<Label, OpenError> {
    if let Some(label) = Label::read(dir)? {
        return match proposed {
            Some(expected) if expected != label.node => Err(OpenError::OtherNode {
                dir: dir.to_owned(),
                found: label.node,
                expected,
            }),
            _ => Ok(label),
        };
    }
    if dir.join("db").join("CURRENT").exists() {
        let dir = dir.to_owned();
        return Err(OpenError::Unlabelled { dir });
    }
    if let Some(entry) = foreign_entry(dir)? {
        let dir = dir.to_owned();
        return Err(OpenError::Foreign { dir, entry });
    }
    let label = Label {
        node: proposed.unwrap_or_else(new_node),
        home: None,
    };
    label.write(dir)?;
    Ok(label)
}

/// Something in a directory that no label says to be a metadata node's, and that such a node would not have left there before
/// it had one.
fn foreign_entry(dir: &Path) -> Result<Option<String>, OpenError> {
    let unusable = |source| OpenError::Directory {
        dir: dir.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(unusable)? {
        let name = entry.map_err(unusable)?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// A node id that was never used. 48 bits are enough for that, and fit into every number that somebody may read it as.
fn new_node() -> NodeId {
    NodeId::new(cairn_runtime::random::u64() >> 17 | 1 << 47)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_wiped_is_another_node() {
        let dir = tempfile::tempdir().unwrap();
        let first = labelled(dir.path(), None).unwrap();
        assert_eq!(labelled(dir.path(), None).unwrap(), first, "it is kept");
        std::fs::remove_file(dir.path().join("NODE")).unwrap();
        let second = labelled(dir.path(), None).unwrap();
        assert_ne!(second.node, first.node);
        let other = labelled(dir.path(), Some(first.node));
        assert!(matches!(other, Err(OpenError::OtherNode { .. })));
    }

    #[test]
    fn a_directory_with_somebodys_files_is_left_alone_and_a_fresh_file_system_is_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.txt"), "a life's work").unwrap();
        let refused = labelled(dir.path(), None).unwrap_err();
        assert!(refused.to_string().contains("thesis.txt"), "{refused}");
        assert!(!dir.path().join("NODE").exists());

        std::fs::remove_file(dir.path().join("thesis.txt")).unwrap();
        std::fs::create_dir(dir.path().join("lost+found")).unwrap();
        std::fs::write(dir.path().join(label::DRAFT), "cairn-me").unwrap();
        labelled(dir.path(), None).unwrap();
    }
}
