//! Removing the shards of blobs from all disks of their placement groups.

use std::collections::{BTreeMap, HashMap};

use cairn_client::{ShardClient, ShardErrorKind, TopologyCache};
use cairn_types::id::{BlobId, DiskId};

/// A disk that failed so many times in a row is taken to be away. What it still has is found by the collector when it is
/// back: nothing refers to it.
const TRIES: u32 = 3;

/// Removes shards, and remembers which disks do not answer.
#[derive(Default)]
pub(crate) struct Removal {
    failures: HashMap<DiskId, u32>,
}

impl Removal {
    /// Tombstones the shards of `blobs`; answers those of which no disk that is there has a shard left that is not
    /// tombstoned. The others are to be tried again.
    pub(crate) async fn remove(
        &mut self,
        shards: &ShardClient,
        topology: &TopologyCache,
        blobs: &[BlobId],
    ) -> Vec<BlobId> {
        let mut by_disk: BTreeMap<DiskId, Vec<BlobId>> = BTreeMap::new();
        let mut open: BTreeMap<BlobId, bool> = BTreeMap::new();
        for blob in blobs {
            let Ok(layout) = topology.with_placement_group(blob.placement_group()).await else {
                tracing::warn!(%blob, "the placement group of a blob to be removed is not known");
                continue;
            };
            let members = layout
                .placement_group(blob.placement_group())
                .map_or(&[][..], |group| &group.members);
            for disk in members {
                by_disk.entry(*disk).or_default().push(*blob);
            }
            open.insert(*blob, false);
        }
        for (disk, blobs) in by_disk {
            if !self.remove_from(shards, disk, &blobs).await {
                open.extend(blobs.into_iter().map(|blob| (blob, true)));
            }
        }
        open.into_iter()
            .filter(|(_, is_open)| !is_open)
            .map(|(blob, _)| blob)
            .collect()
    }

    /// Whether nothing more is to be done on this disk.
    async fn remove_from(&mut self, shards: &ShardClient, disk: DiskId, blobs: &[BlobId]) -> bool {
        match shards.remove_blobs(disk, blobs).await {
            Ok(()) => {
                self.failures.remove(&disk);
                true
            }
            Err(error) if error.kind == ShardErrorKind::Unavailable => true,
            Err(error) => {
                let failures = self.failures.entry(disk).or_default();
                *failures += 1;
                if *failures == TRIES {
                    tracing::warn!(%error, "a disk does not remove shards; the collector will come back to it");
                }
                *failures >= TRIES
            }
        }
    }
}
