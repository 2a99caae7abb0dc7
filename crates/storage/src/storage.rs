//! All disks of a node.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use cairn_runtime::{Metrics, SharedClock, Tasks};
use cairn_types::id::{ClusterId, DiskId, NodeId};
use tokio::sync::oneshot;

use crate::config::StorageConfig;
use crate::disk::posix::DirectoryError;
use crate::label::LabelError;
use crate::shards::{Outage, Shards};

mod opening;

use opening::Opener;

/// How often a disk looks for space to give back.
const COLLECT_EVERY: Duration = Duration::from_secs(1);

/// How long closing waits for background work, and then for disks.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Why the storage role cannot start. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No directory, or one twice.
    #[error("storage needs at least one directory, and each only once")]
    Directories,
    /// The label names another cluster.
    #[error(
        "{path}: this disk belongs to cluster {found}, not to {expected}; give another directory, or empty this one if its data is not needed"
    )]
    OtherCluster {
        /// The disk's directory.
        path: PathBuf,
        /// The cluster on its label.
        found: ClusterId,
        /// This one.
        expected: ClusterId,
    },
    /// The label names another node.
    #[error(
        "{path}: this disk belongs to node {found}, not to {expected}; start it as that node, or empty this directory if its data is not needed"
    )]
    OtherNode {
        /// The disk's directory.
        path: PathBuf,
        /// The node on its label.
        found: NodeId,
        /// This one.
        expected: NodeId,
    },
    /// The label is of a newer build.
    #[error("{path}: {source}")]
    Label {
        /// The disk's directory.
        path: PathBuf,
        /// Why not.
        source: LabelError,
    },
    /// The directory has no label and is not empty.
    #[error("{path}: the directory has no label and contains {entry:?}; give an empty directory")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What is in it.
        entry: String,
    },
    /// Two directories have the same label.
    #[error("{path}: this is a copy of the disk in {original}; remove one of them")]
    Copy {
        /// The second of them.
        path: PathBuf,
        /// The first.
        original: PathBuf,
    },
    /// The disks of two nodes, or of two clusters.
    #[error(
        "{path} is a disk of node {node} of cluster {cluster}, and {other_path} one of node {other_node} of cluster {other_cluster}; give the disks of one node"
    )]
    TwoOwners {
        /// A disk.
        path: PathBuf,
        /// Its cluster.
        cluster: ClusterId,
        /// Its node.
        node: NodeId,
        /// Another disk.
        other_path: PathBuf,
        /// Its cluster.
        other_cluster: ClusterId,
        /// Its node.
        other_node: NodeId,
    },
    /// The directory of a disk that was in use is not there.
    #[error("{path}: there is no such directory; is the disk mounted?")]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// The directory of a disk that was in use has no label.
    #[error("{path}: there is no label in the directory; is the disk mounted?")]
    Unlabelled {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file system is too small.
    #[error("{path}: the file system has {capacity_bytes} bytes, a disk needs at least 512 MiB")]
    TooSmall {
        /// The directory.
        path: PathBuf,
        /// Its file system's size.
        capacity_bytes: u64,
    },
    /// It cannot be made, locked, read or written.
    #[error("{path}: the directory cannot be used: {source}")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: DirectoryError,
    },
}

/// A disk of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskInfo {
    /// Its id, from its label.
    pub id: DiskId,
    /// Its directory.
    pub path: PathBuf,
    /// Bytes of its file system.
    pub capacity_bytes: u64,
}

/// The storage role: the disks of a node. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Storage {
    slots: Arc<Slots>,
    read_grace: Duration,
    tasks: Tasks,
}

/// All places for disks of a node.
pub(crate) type Slots = Vec<Slot>;

/// A place for a disk, whether it works or not.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) path: PathBuf,
    /// Unknown until the label was read.
    info: OnceLock<DiskInfo>,
    state: RwLock<State>,
}

#[derive(Debug, Clone)]
enum State {
    /// On the way: its label, or its index, is being read.
    Opening(&'static str),
    Open(Arc<Shards>),
    Closed(String),
}

impl Storage {
    /// Opens all disks, labels those that may be new, and starts giving space back in the background.
    ///
    /// A disk that fails to open, that is not mounted, or that does not answer, is kept out of service while the others
    /// serve; one that answers late comes into service then. Blocks: every disk's label is read once, and unless
    /// `opens_in_background` its index, too. Call it within a tokio runtime.
    ///
    /// # Errors
    /// What an operator has got wrong; see [`OpenError`].
    pub fn open(
        config: &StorageConfig,
        node: NodeId,
        cluster: ClusterId,
        clock: SharedClock,
        tasks: &Tasks,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        let distinct: BTreeSet<&PathBuf> = config.disks.iter().collect();
        if distinct.is_empty() || distinct.len() != config.disks.len() {
            return Err(OpenError::Directories);
        }
        let opener = Opener {
            node,
            cluster,
            config: config.clone(),
            clock,
            metrics: metrics.clone(),
        };
        let storage = Self {
            slots: opener.open_all()?,
            read_grace: config.read_grace,
            tasks: tasks.child(),
        };
        storage.start_collecting();
        Ok(storage)
    }

    /// The disks whose labels could be read so far, in service or not.
    pub fn disks(&self) -> Vec<DiskInfo> {
        self.slots.iter().filter_map(Slot::info).cloned().collect()
    }

    /// Gives back the space of everything whose time has come, now. For tests and operators; it happens every second.
    ///
    /// # Errors
    /// A disk is out of service.
    pub async fn collect(&self) -> Result<(), Outage> {
        for slot in self.slots.iter() {
            let shards = slot.shards()?;
            while shards.collect().await? > 0 {}
        }
        Ok(())
    }

    /// Closes all disks: what was taken is finished and durable, preallocated space is given back. A disk that hangs is left
    /// alone after a while.
    pub async fn close(&self) {
        if !self.tasks.stop_and_join(CLOSE_LIMIT).await {
            tracing::warn!("background work on disks did not end in time");
        }
        let closing: Vec<_> = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot, start_closing(slot.take()?)?)))
            .collect();
        let all_closed = async {
            for (slot, closed) in closing {
                if closed.await.is_err() {
                    tracing::error!(path = %slot.path.display(), "closing a disk has panicked");
                }
            }
        };
        if tokio::time::timeout(CLOSE_LIMIT, all_closed).await.is_err() {
            tracing::warn!("a disk did not finish in time");
        }
    }

    /// How long removed shards stay readable on a disk that has room.
    pub(crate) fn read_grace(&self) -> Duration {
        self.read_grace
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn start_collecting(&self) {
        for index in 0..self.slots.len() {
            let slots = Arc::clone(&self.slots);
            self.tasks.spawn_essential("disk-collect", async move {
                loop {
                    tokio::time::sleep(COLLECT_EVERY).await;
                    let Some(Ok(shards)) = slots.get(index).map(Slot::shards) else {
                        continue;
                    };
                    // A disk that went out of service meanwhile has said so.
                    while matches!(shards.collect().await, Ok(1..)) {}
                }
            });
        }
    }
}

/// On a thread of its own, which is lost if the disk hangs.
fn start_closing(shards: Arc<Shards>) -> Option<oneshot::Receiver<()>> {
    let (done, closed) = oneshot::channel();
    let started = std::thread::Builder::new()
        .name("disk-close".to_owned())
        .spawn(move || {
            shards.close();
            drop(shards);
            // Whoever waited may have stopped waiting.
            let _ = done.send(());
        });
    if let Err(error) = started {
        tracing::warn!(%error, "no thread to close a disk");
        return None;
    }
    Some(closed)
}

impl Slot {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            info: OnceLock::new(),
            state: RwLock::new(State::Opening("the disk does not tell its label")),
        }
    }

    /// What its label says, once it was read.
    pub(crate) fn info(&self) -> Option<&DiskInfo> {
        self.info.get()
    }

    /// The disk, once its label was read.
    pub(crate) fn id(&self) -> Option<DiskId> {
        self.info().map(|info| info.id)
    }

    /// The disk, if it is in service.
    pub(crate) fn shards(&self) -> Result<Arc<Shards>, Outage> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Opening(step) => Err(Outage((*step).to_owned())),
            State::Open(shards) => Ok(Arc::clone(shards)),
            State::Closed(reason) => Err(Outage(reason.clone())),
        }
    }

    fn is_opening(&self) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Opening(_))
    }

    /// The next step of opening it; given back when the disk was closed meanwhile.
    fn go_on(&self, next: State) -> Result<(), State> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Opening(_) => {
                *state = next;
                Ok(())
            }
            State::Open(_) | State::Closed(_) => Err(next),
        }
    }

    fn take(&self) -> Option<Arc<Shards>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let closed = State::Closed("the disk was closed".to_owned());
        match std::mem::replace(&mut *state, closed) {
            State::Open(shards) => Some(shards),
            State::Opening(_) | State::Closed(_) => None,
        }
    }
}
