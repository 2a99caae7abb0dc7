//! Blobs that nothing refers to are found on the disks and removed.
//!
//! What a disk has and the metadata does not know is not proof: a commit may be on its way. So the blobs are condemned
//! first, by a commit in their group; whatever wins, the other is refused. Only what was condemned is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_client::{MutateError, ShardError};
use cairn_types::id::{BlobId, DiskId, GroupId};
use cairn_types::time::Timestamp;

use crate::Workers;
use crate::removal::Removal;

/// Blobs in one command.
const PAGE: usize = 500;

/// A pass that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A disk could not be listed.
    #[error("list the blobs of a disk")]
    List(#[from] ShardError),
    /// A group did not decide.
    #[error("condemn blobs")]
    Condemn(#[from] MutateError),
}

/// Collects for ever, every `interval`.
pub(crate) async fn run(workers: &Workers, interval: Duration, age: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let now = workers.clock.now().as_millis();
        let horizon = Timestamp::from_millis(now.saturating_sub(age_ms));
        pass(workers, horizon).await;
    }
}

/// One pass over all disks. When all could be read, no older blob is left that could still be committed, and the horizon
/// of the groups is raised, so that they need not remember what was condemned.
async fn pass(workers: &Workers, horizon: Timestamp) {
    let layout = workers.topology.current();
    let mut is_complete = true;
    for disk in &layout.topology().disks {
        if let Err(error) = collect_disk(workers, disk.id, horizon).await {
            tracing::debug!(%error, disk = %disk.id, "collect orphans");
            is_complete = false;
        }
    }
    if !is_complete {
        return;
    }
    for group in &layout.topology().data_groups {
        if let Err(error) = workers.blobs.raise_horizon(*group, horizon).await {
            tracing::debug!(%error, %group, "raise the horizon");
        }
    }
}

async fn collect_disk(
    workers: &Workers,
    disk: DiskId,
    horizon: Timestamp,
) -> Result<(), CollectError> {
    let mut removal = Removal::default();
    let mut suspects: BTreeMap<GroupId, Vec<BlobId>> = BTreeMap::new();
    let mut list = workers.shards.list_blobs(disk, None, None).await?;
    while let Some(page) = list.next().await? {
        for shard in page {
            if shard.is_removed || shard.blob.time_ms() >= horizon.as_millis() {
                continue;
            }
            let group = shard.blob.group();
            let suspects = suspects.entry(group).or_default();
            suspects.push(shard.blob);
            if suspects.len() >= PAGE {
                let full = std::mem::take(suspects);
                judge(workers, &mut removal, group, &full).await?;
            }
        }
    }
    for (group, rest) in suspects {
        judge(workers, &mut removal, group, &rest).await?;
    }
    Ok(())
}

/// Condemns those that nothing refers to, removes their shards, and forgets those that are gone everywhere.
async fn judge(
    workers: &Workers,
    removal: &mut Removal,
    group: GroupId,
    suspects: &[BlobId],
) -> Result<(), CollectError> {
    if suspects.is_empty() {
        return Ok(());
    }
    let condemned = workers.blobs.condemn(group, suspects).await?;
    if condemned.is_empty() {
        return Ok(());
    }
    tracing::info!(%group, count = condemned.len(), "blobs without any reference");
    workers
        .metrics
        .counter("cairn_worker_condemned_blobs_total", &[])
        .inc_by(condemned.len() as u64);
    removal
        .remove(&workers.shards, &workers.topology, &condemned)
        .await;
    Ok(())
}
