//! All disks of a node.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cairn_runtime::{Metrics, SharedClock, Tasks};
use cairn_types::id::{ClusterId, DiskId, NodeId};

use crate::config::StorageConfig;
use crate::disk::Disk;
use crate::disk::posix::{DirectoryError, PosixDisk};
use crate::label::{self, Label, LabelError, segment_len_bytes};
use crate::shards::{Outage, Shards};

/// The smallest file system that is worth a disk; 512 MiB with the file system's own share taken off.
const CAPACITY_MIN: u64 = 256 << 20;

/// How often a disk looks for space to give back.
const COLLECT_EVERY: Duration = Duration::from_secs(1);

/// How long closing waits for background work.
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
    #[error("{path}: this is a copy of another disk of this node; remove one of them")]
    Copy {
        /// The second of them.
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
    slots: Arc<Vec<Slot>>,
    tasks: Tasks,
}

/// A place for a disk, whether it works or not.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) path: PathBuf,
    /// Unknown when the label cannot be read.
    pub(crate) id: Option<DiskId>,
    pub(crate) capacity_bytes: u64,
    state: RwLock<State>,
}

#[derive(Debug, Clone)]
enum State {
    Open(Arc<Shards>),
    Closed(String),
}

impl Storage {
    /// Opens all disks, labels new ones, and starts giving space back in the background.
    ///
    /// A disk that was in use and fails to open is kept out of service while the others serve. Blocks: every disk's index
    /// is read once. Call it within a tokio runtime.
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
            read_grace: config.read_grace,
            clock,
            metrics,
        };
        let slots = opener.open_all(&config.disks)?;
        let mut ids = BTreeSet::new();
        for slot in &slots {
            if slot.id.is_some_and(|id| !ids.insert(id)) {
                return Err(OpenError::Copy {
                    path: slot.path.clone(),
                });
            }
        }
        let storage = Self {
            slots: Arc::new(slots),
            tasks: tasks.child(),
        };
        storage.start_collecting();
        Ok(storage)
    }

    /// The disks whose labels could be read, in service or not.
    pub fn disks(&self) -> Vec<DiskInfo> {
        self.slots
            .iter()
            .filter_map(|slot| {
                Some(DiskInfo {
                    id: slot.id?,
                    path: slot.path.clone(),
                    capacity_bytes: slot.capacity_bytes,
                })
            })
            .collect()
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

    /// Closes all disks: what was taken is finished and durable, preallocated space is given back.
    pub async fn close(&self) {
        if !self.tasks.stop_and_join(CLOSE_LIMIT).await {
            tracing::warn!("background work on disks did not end in time");
        }
        let open: Vec<Arc<Shards>> = self.slots.iter().filter_map(Slot::take).collect();
        let closed = tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                for shards in &open {
                    scope.spawn(|| shards.close());
                }
            });
        });
        if closed.await.is_err() {
            tracing::error!("closing a disk has panicked");
        }
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn start_collecting(&self) {
        for slot in self.slots.iter() {
            if let Ok(shards) = slot.shards() {
                self.tasks.spawn("disk-collect", async move {
                    loop {
                        tokio::time::sleep(COLLECT_EVERY).await;
                        loop {
                            match shards.collect().await {
                                Ok(0) => break,
                                Ok(_) => {}
                                Err(_) => return,
                            }
                        }
                    }
                });
            }
        }
    }
}

impl Slot {
    /// The disk, if it is in service.
    pub(crate) fn shards(&self) -> Result<Arc<Shards>, Outage> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(shards) => Ok(Arc::clone(shards)),
            State::Closed(reason) => Err(Outage(reason.clone())),
        }
    }

    fn take(&self) -> Option<Arc<Shards>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let closed = State::Closed("the disk was closed".to_owned());
        match std::mem::replace(&mut *state, closed) {
            State::Open(shards) => Some(shards),
            State::Closed(_) => None,
        }
    }
}

/// What all disks are opened with.
struct Opener<'a> {
    node: NodeId,
    cluster: ClusterId,
    read_grace: Duration,
    clock: SharedClock,
    metrics: &'a Metrics,
}

/// A labelled disk.
struct Labelled {
    disk: PosixDisk,
    label: Label,
}

impl Opener<'_> {
    /// All at the same time: opening a disk is waiting for it.
    fn open_all(&self, paths: &[PathBuf]) -> Result<Vec<Slot>, OpenError> {
        std::thread::scope(|scope| {
            let opening: Vec<_> = paths
                .iter()
                .map(|path| scope.spawn(|| self.open(path)))
                .collect();
            opening
                .into_iter()
                .map(|thread| thread.join().expect("opening a disk does not panic"))
                .collect()
        })
    }

    fn open(&self, path: &Path) -> Result<Slot, OpenError> {
        let labelled = match self.find_label(path) {
            Ok(labelled) => labelled,
            Err(error) => return keep_out_or_refuse(path, error),
        };
        let capacity_bytes = labelled
            .disk
            .space()
            .map_or(0, |space| space.capacity_bytes);
        let label = labelled.label;
        let opened = Shards::open(
            Arc::new(labelled.disk),
            label,
            self.read_grace,
            Arc::clone(&self.clock),
            self.metrics,
        );
        let state = match opened {
            Ok((shards, report)) => {
                tracing::info!(path = %path.display(), disk = %label.disk, ?report, "disk opened");
                State::Open(Arc::new(shards))
            }
            Err(error) => {
                tracing::error!(path = %path.display(), disk = %label.disk, %error, "disk is kept out of service");
                let disk = label.disk.to_string();
                let labels = [("disk", disk.as_str())];
                self.metrics.gauge("cairn_disk_in_service", &labels).set(0);
                State::Closed(error.to_string())
            }
        };
        Ok(Slot {
            path: path.to_owned(),
            id: Some(label.disk),
            capacity_bytes,
            state: RwLock::new(state),
        })
    }

    /// Opens the directory, and reads its label or writes a new one.
    fn find_label(&self, path: &Path) -> Result<Labelled, OpenError> {
        let unusable = |source: DirectoryError| OpenError::Unusable {
            path: path.to_owned(),
            source,
        };
        let disk = PosixDisk::open(path).map_err(unusable)?;
        let content = disk
            .read_file(label::FILE_NAME)
            .map_err(|error| unusable(error.into()))?;
        let label = match content {
            None => self.write_label(path, &disk)?,
            Some(content) => self.check_label(path, &content)?,
        };
        disk.make_folders()
            .map_err(|error| unusable(error.into()))?;
        Ok(Labelled { disk, label })
    }

    fn check_label(&self, path: &Path, content: &[u8]) -> Result<Label, OpenError> {
        let path = path.to_owned();
        let label = match Label::decode(content) {
            Ok(label) => label,
            Err(source) => return Err(OpenError::Label { path, source }),
        };
        if label.cluster != self.cluster {
            return Err(OpenError::OtherCluster {
                path,
                found: label.cluster,
                expected: self.cluster,
            });
        }
        if label.node != self.node {
            return Err(OpenError::OtherNode {
                path,
                found: label.node,
                expected: self.node,
            });
        }
        Ok(label)
    }

    fn write_label(&self, path: &Path, disk: &PosixDisk) -> Result<Label, OpenError> {
        let path = path.to_owned();
        let unusable = |error: std::io::Error| OpenError::Unusable {
            path: path.clone(),
            source: error.into(),
        };
        if let Some(entry) = disk.foreign_entry().map_err(unusable)? {
            return Err(OpenError::Foreign { path, entry });
        }
        let capacity_bytes = disk.space().map_err(unusable)?.capacity_bytes;
        if capacity_bytes < CAPACITY_MIN {
            return Err(OpenError::TooSmall {
                path,
                capacity_bytes,
            });
        }
        let label = Label {
            cluster: self.cluster,
            node: self.node,
            disk: DiskId::new(cairn_runtime::random::u128()),
            segment_len_bytes: segment_len_bytes(capacity_bytes),
        };
        disk.replace_file(label::FILE_NAME, &label.encode())
            .map_err(unusable)?;
        Ok(label)
    }
}

/// A disk that fails is kept out; what an operator has got wrong is refused.
fn keep_out_or_refuse(path: &Path, error: OpenError) -> Result<Slot, OpenError> {
    use std::io::ErrorKind;
    let is_failure = match &error {
        OpenError::Label { source, .. } => *source == LabelError::Damaged,
        OpenError::Unusable {
            source: DirectoryError::Io(source),
            ..
        } => !matches!(
            source.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StorageFull
                | ErrorKind::NotADirectory
                | ErrorKind::AlreadyExists
                | ErrorKind::NotFound
        ),
        _ => false,
    };
    if !is_failure {
        return Err(error);
    }
    tracing::error!(path = %path.display(), %error, "disk is kept out of service");
    Ok(Slot {
        path: path.to_owned(),
        id: None,
        capacity_bytes: 0,
        state: RwLock::new(State::Closed(error.to_string())),
    })
}
