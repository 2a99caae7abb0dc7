//! Opening the disks of a node: their labels first, then what is on them.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use cairn_runtime::{Metrics, SharedClock};
use cairn_types::id::{ClusterId, DiskId, NodeId};

use super::{DiskInfo, OpenError, Slot, Slots, State};
use crate::config::StorageConfig;
use crate::disk::Disk;
use crate::disk::posix::{DirectoryError, PosixDisk};
use crate::identity::ask_each;
use crate::label::{self, Label, LabelError, segment_len_bytes};
use crate::record::Seed;
use crate::shards::Shards;

/// The smallest file system that is worth a disk; 512 MiB with the file system's own share taken off.
const CAPACITY_MIN: u64 = 256 << 20;

/// What all disks are opened with.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) node: NodeId,
    pub(super) cluster: ClusterId,
    pub(super) config: StorageConfig,
    pub(super) clock: SharedClock,
    pub(super) metrics: Metrics,
}

/// A disk whose label was read, or why it was not.
type Answer = (usize, Result<Labelled, OpenError>);

/// A labelled disk.
struct Labelled {
    disk: PosixDisk,
    label: Label,
    capacity_bytes: u64,
}

impl Opener {
    /// All at the same time: opening a disk is waiting for it. Nothing is changed on any disk, but for labels of new ones,
    /// before it is known that they belong together.
    pub(super) fn open_all(self) -> Result<Arc<Slots>, OpenError> {
        let paths = &self.config.disks;
        let slots: Slots = paths.iter().cloned().map(Slot::new).collect();
        let asked = self.clone();
        let answers = ask_each(paths, move |_, path| asked.find_label(path));
        let mut labelled = Vec::new();
        let mut mistake = None;
        // To the end also after a mistake, so that no disk is still locked when that is told.
        while let Ok((index, answer)) = answers.recv_timeout(self.config.label_limit) {
            let slot = slots.get(index).expect("the index of one of them");
            match answer {
                Ok(found) => match identify(&slots, index, &found) {
                    Ok(()) => labelled.push((index, found)),
                    Err(copy) => mistake = Some(copy),
                },
                Err(error) if is_mistake(&error) => mistake = Some(error),
                Err(error) => keep_out(slot, &error),
            }
        }
        if let Some(mistake) = mistake {
            return Err(mistake);
        }
        for slot in slots.iter().filter(|slot| slot.is_opening()) {
            if slot.info().is_none() {
                tracing::error!(path = %slot.path.display(), "disk does not answer and is out of service until it does");
            }
        }
        let slots = Arc::new(slots);
        let (done, opened) = channel();
        for (index, found) in labelled {
            self.start_opening(&slots, index, found, done.clone());
        }
        self.wait_for_late(&slots, answers);
        drop(done);
        if !self.config.opens_in_background {
            // Ends when all threads have.
            while let Ok(()) = opened.recv() {}
        }
        Ok(slots)
    }

    /// Disks that answer only after opening has gone on without them.
    fn wait_for_late(&self, slots: &Arc<Slots>, answers: Receiver<Answer>) {
        let (opener, slots) = (self.clone(), Arc::clone(slots));
        start_thread(move || {
            while let Ok((index, answer)) = answers.recv() {
                let found = answer.and_then(|found| {
                    identify(&slots, index, &found)?;
                    Ok(found)
                });
                match found {
                    Ok(found) => {
                        let (done, _) = channel();
                        opener.start_opening(&slots, index, found, done);
                    }
                    Err(error) => keep_out(slots.get(index).expect("one of them"), &error),
                }
            }
        });
    }

    /// Opens what is on the disk, on a thread of its own, and brings it into service.
    fn start_opening(&self, slots: &Arc<Slots>, index: usize, found: Labelled, done: Sender<()>) {
        let (opener, slots) = (self.clone(), Arc::clone(slots));
        start_thread(move || {
            let slot = slots.get(index).expect("the index of one of them");
            opener.open(slot, found);
            // Nobody may be waiting for it.
            let _ = done.send(());
        });
    }

    fn open(&self, slot: &Slot, found: Labelled) {
        let label = found.label;
        let path = slot.path.display();
        let reading = State::Opening("the disk is being opened");
        if slot.go_on(reading).is_err() {
            return;
        }
        let opened = Shards::open(
            Arc::new(found.disk),
            label,
            self.config.read_grace,
            Arc::clone(&self.clock),
            &self.metrics,
        );
        let state = match opened {
            Ok((shards, report)) => {
                tracing::info!(%path, disk = %label.disk, ?report, "disk opened");
                State::Open(Arc::new(shards))
            }
            Err(error) => {
                tracing::error!(%path, disk = %label.disk, %error, "disk is kept out of service");
                let disk = label.disk.to_string();
                let labels = [("disk", disk.as_str())];
                self.metrics.gauge("cairn_disk_in_service", &labels).set(0);
                State::Closed(error.to_string())
            }
        };
        if let Err(State::Open(shards)) = slot.go_on(state) {
            // All disks were closed meanwhile.
            shards.close();
        }
    }

    /// Opens the directory, and reads its label or writes a new one.
    fn find_label(&self, path: &Path) -> Result<Labelled, OpenError> {
        let unusable = |source: DirectoryError| OpenError::Unusable {
            path: path.to_owned(),
            source,
        };
        let may_be_new = self.config.label_new.contains(path);
        if may_be_new {
            std::fs::create_dir_all(path).map_err(|error| unusable(error.into()))?;
        }
        let disk = PosixDisk::open(path).map_err(|error| match error {
            DirectoryError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let path = path.to_owned();
                OpenError::Absent { path }
            }
            other => unusable(other),
        })?;
        let content = disk
            .read_file(label::FILE_NAME)
            .map_err(|error| unusable(error.into()))?;
        let label = match content {
            None if may_be_new => self.write_label(path, &disk)?,
            None => {
                let path = path.to_owned();
                return Err(OpenError::Unlabelled { path });
            }
            Some(content) => self.check_label(path, &content)?,
        };
        disk.make_folders()
            .map_err(|error| unusable(error.into()))?;
        let capacity_bytes = disk.space().map_or(0, |space| space.capacity_bytes);
        Ok(Labelled {
            disk,
            label,
            capacity_bytes,
        })
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
            seed: Seed::new(cairn_runtime::random::u128()),
            segment_len_bytes: segment_len_bytes(capacity_bytes),
        };
        disk.replace_file(label::FILE_NAME, &label.encode())
            .map_err(unusable)?;
        Ok(label)
    }
}

/// Notes what the label says, unless another disk says the same.
fn identify(slots: &Slots, index: usize, found: &Labelled) -> Result<(), OpenError> {
    let slot = slots.get(index).expect("the index of one of them");
    let id = found.label.disk;
    if let Some(original) = slots.iter().find(|other| other.id() == Some(id)) {
        return Err(OpenError::Copy {
            path: slot.path.clone(),
            original: original.path.clone(),
        });
    }
    slot.info.get_or_init(|| DiskInfo {
        id,
        path: slot.path.clone(),
        capacity_bytes: found.capacity_bytes,
    });
    Ok(())
}

fn keep_out(slot: &Slot, error: &OpenError) {
    if slot.go_on(State::Closed(error.to_string())).is_ok() {
        tracing::error!(path = %slot.path.display(), %error, "disk is kept out of service");
    }
}

fn start_thread(work: impl FnOnce() + Send + 'static) {
    let started = std::thread::Builder::new()
        .name("disk-open".to_owned())
        .spawn(work);
    if let Err(error) = started {
        tracing::error!(%error, "no thread to open a disk");
    }
}

/// What an operator has got wrong; anything else is a disk that fails, and is kept out.
fn is_mistake(error: &OpenError) -> bool {
    use std::io::ErrorKind;
    match error {
        OpenError::Absent { .. } | OpenError::Unlabelled { .. } => false,
        OpenError::Label { source, .. } => *source != LabelError::Damaged,
        OpenError::Unusable {
            source: DirectoryError::Io(source),
            ..
        } => matches!(
            source.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StorageFull
                | ErrorKind::NotADirectory
                | ErrorKind::AlreadyExists
                | ErrorKind::NotFound
        ),
        _ => true,
    }
}
