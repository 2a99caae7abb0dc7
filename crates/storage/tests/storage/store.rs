//! One disk without gRPC around it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cairn_runtime::{ManualClock, Metrics};
use cairn_storage::disk::Disk;
use cairn_storage::disk::posix::PosixDisk;
use cairn_storage::label::Label;
use cairn_storage::record::Seed;
use cairn_storage::recovery::RecoveryError;
use cairn_storage::shards::{CellFrames, ReadError, Shards, Slice, WriteError};
use cairn_types::id::{BlobId, ClusterId, DiskId, Epoch, NodeId};
use cairn_types::time::Timestamp;

use crate::shard::TestShard;

/// The read grace of all tests.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// A disk that is open, and its clock.
pub(crate) struct Store {
    pub(crate) shards: Arc<Shards>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: Metrics,
}

/// The label of all tests' disks.
pub(crate) fn label() -> Label {
    Label {
        cluster: ClusterId::new(1),
        node: NodeId::new(2),
        disk: DiskId::new(3),
        seed: Seed::new(4 << 64 | 5),
        segment_len_bytes: 8 << 20,
    }
}

impl Store {
    /// Opens a disk.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Self {
        Self::open_at(disk, Duration::from_secs(1000))
    }

    /// Opens a disk at this time since 1970.
    pub(crate) fn open_at(disk: Arc<dyn Disk>, now: Duration) -> Self {
        Self::try_open_at(disk, now).unwrap()
    }

    /// Opens a disk, if it can be opened.
    pub(crate) fn try_open(disk: Arc<dyn Disk>) -> Result<Self, RecoveryError> {
        Self::try_open_at(disk, Duration::from_secs(1000))
    }

    fn try_open_at(disk: Arc<dyn Disk>, now: Duration) -> Result<Self, RecoveryError> {
        let now = u64::try_from(now.as_millis()).unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(now));
        let metrics = Metrics::new();
        let (shards, _) = Shards::open(disk, label(), GRACE, clock.clone(), &metrics)?;
        Ok(Self {
            shards: Arc::new(shards),
            clock,
            metrics,
        })
    }

    /// Opens a directory.
    pub(crate) fn open_dir(dir: &Path) -> Self {
        let disk = PosixDisk::open(dir).unwrap();
        disk.make_folders().unwrap();
        Self::open(Arc::new(disk))
    }

    pub(crate) async fn write(&self, shard: &TestShard) -> Result<[u8; 16], WriteError> {
        self.write_at_epoch(shard, 1).await
    }

    pub(crate) async fn write_at_epoch(
        &self,
        shard: &TestShard,
        epoch: u64,
    ) -> Result<[u8; 16], WriteError> {
        let mut writer = self
            .shards
            .begin(shard.blob, shard.shard, Epoch::new(epoch))?;
        for (stripe, cell) in (0..).zip(&shard.cells) {
            let hashes = shard.hashes(stripe);
            writer.cell(stripe, cell.clone(), hashes).await?;
        }
        writer.finish().await
    }

    /// Reads one whole cell.
    pub(crate) async fn read(
        &self,
        blob: BlobId,
        shard: u8,
        stripe: u32,
    ) -> Result<CellFrames, ReadError> {
        let located = self.shards.find(blob, shard).await?;
        let slice = Slice {
            stripe,
            first_frame: 0,
            frame_count: 0,
        };
        self.shards.read(located, slice).await
    }

    /// Whether the shard reads back whole, and is whole in the list.
    pub(crate) async fn has(&self, shard: &TestShard) -> bool {
        for (stripe, cell) in (0..).zip(&shard.cells) {
            match self.read(shard.blob, shard.shard, stripe).await {
                Ok(frames) => assert_eq!(&frames.data, cell, "wrong bytes were given out"),
                Err(_) => return false,
            }
        }
        let list = self.list().await;
        let found = list
            .iter()
            .find(|one| one.blob == shard.blob && one.shard == shard.shard);
        found
            .is_some_and(|one| one.root == shard.root() && one.stripe_count == shard.stripe_count())
    }

    pub(crate) async fn list(&self) -> Vec<cairn_storage::shards::Summary> {
        self.shards.list(None, None, usize::MAX).await.unwrap()
    }

    pub(crate) async fn collect_all(&self) {
        while self.shards.collect().await.unwrap() > 0 {}
    }

    /// Closes it in good order.
    pub(crate) fn close(self) {
        self.shards.close();
    }
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
