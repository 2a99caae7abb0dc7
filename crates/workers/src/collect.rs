//! Blobs that nothing refers to are found on the disks and removed.
//!
//! What a disk has and the metadata does not know is not proof: a commit may be on its way. So the horizon of the groups is
//! raised first, by a commit in each: from then on older blobs that nothing refers to are never committed, and what is found of
//! them can be condemned for good. Only what was condemned is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_client::{MutateError, QueryError, ShardError};
use cairn_types::id::{BlobId, DiskId, GroupId};
use cairn_types::time::Timestamp;

use crate::Workers;
use crate::removal::Removal;

/// Blobs in one question.
const PAGE: usize = 500;

/// A pass that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A disk could not be listed.
    #[error("list the blobs of a disk")]
    List(#[from] ShardError),
    /// A group did not say what it refers to.
    #[error("ask for blobs that nothing refers to")]
    Ask(#[from] QueryError),
    /// A group did not decide.
    #[error("condemn blobs")]
    Condemn(#[from] MutateError),
}

/// Collects for ever, every `interval`.
pub(crate) async fn run(workers: &Workers, interval: Duration, age: Duration) {
    let mut removal = Removal::new(workers.clock.clone());
    loop {
        tokio::time::sleep(interval).await;
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let now = workers.clock.now().as_millis();
        let horizon = Timestamp::from_millis(now.saturating_sub(age_ms));
        pass(workers, &mut removal, horizon).await;
    }
}

/// One pass over all disks that answer, for the groups that this process is responsible for.
async fn pass(workers: &Workers, removal: &mut Removal, horizon: Timestamp) {
    let groups = workers.responsibilities();
    if groups.is_empty() {
        return;
    }
    for group in &groups {
        // Without it, condemning is as safe, and leaves a row for each blob until the horizon is raised.
        if let Err(error) = workers.blobs.raise_horizon(*group, horizon).await {
            tracing::debug!(%error, %group, "raise the horizon");
        }
    }
    for disk in &workers.topology.current().topology().disks {
        if let Err(error) = collect_disk(workers, removal, &groups, disk.id, horizon).await {
            tracing::debug!(%error, disk = %disk.id, "collect orphans");
        }
    }
}

async fn collect_disk(
    workers: &Workers,
    removal: &mut Removal,
    groups: &BTreeSet<GroupId>,
    disk: DiskId,
    horizon: Timestamp,
) -> Result<(), CollectError> {
    let mut suspects: BTreeMap<GroupId, Vec<BlobId>> = BTreeMap::new();
    let mut list = workers.shards.list_blobs(disk, None, None).await?;
    while let Some(page) = list.next().await? {
        for shard in page {
            let is_late = shard.blob.time_ms() >= horizon.as_millis();
            let group = shard.blob.group();
            if shard.is_removed || is_late || !groups.contains(&group) {
                continue;
            }
            let suspects = suspects.entry(group).or_default();
            suspects.push(shard.blob);
            if suspects.len() >= PAGE {
                let full = std::mem::take(suspects);
                judge(workers, removal, group, &full).await?;
            }
        }
    }
    for (group, rest) in suspects {
        judge(workers, removal, group, &rest).await?;
    }
    Ok(())
}

/// Condemns those that nothing refers to, and removes their shards from all disks that answer. Asks before, because hardly any
/// blob is one of these, and an answer costs no commit.
async fn judge(
    workers: &Workers,
    removal: &mut Removal,
    group: GroupId,
    suspects: &[BlobId],
) -> Result<(), CollectError> {
    let unheld = workers.blobs.unheld(group, suspects).await?;
    let condemned = workers.blobs.condemn(group, &unheld).await?;
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
