//! The shards of freed blobs are removed from their disks, and then the blobs are forgotten.
//!
//! The order: shards tombstoned on every disk before the row that remembers them goes. A crash in between repeats it.

use std::time::Duration;

use cairn_client::QueryError;
use cairn_types::id::{BlobId, GroupId};

use crate::Workers;
use crate::removal::Removal;

/// Blobs in one round: one request to each disk, one commit.
const PAGE: u32 = 500;

/// A round that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum ReclaimError {
    /// The freed blobs could not be read.
    #[error("list freed blobs")]
    List(#[from] QueryError),
    /// They were removed and could not be forgotten.
    #[error("forget removed blobs")]
    Forget(#[from] cairn_client::MutateError),
}

/// Reclaims for ever, every `interval` and without a pause while there is more.
pub(crate) async fn run(workers: &Workers, interval: Duration) {
    let mut removal = Removal::default();
    loop {
        let mut is_behind = false;
        for group in workers.topology.current().topology().data_groups.clone() {
            match round(workers, &mut removal, group).await {
                Ok(more) => is_behind |= more,
                Err(error) => tracing::debug!(%error, %group, "reclaim"),
            }
        }
        if !is_behind {
            tokio::time::sleep(interval).await;
        }
    }
}

/// One round in one group; whether there is more to do at once.
async fn round(
    workers: &Workers,
    removal: &mut Removal,
    group: GroupId,
) -> Result<bool, ReclaimError> {
    let freed: Vec<BlobId> = workers
        .blobs
        .freed(group, None, PAGE)
        .await?
        .into_iter()
        .map(|freed| freed.blob)
        .collect();
    if freed.is_empty() {
        return Ok(false);
    }
    let removed = removal
        .remove(&workers.shards, &workers.topology, &freed)
        .await;
    workers.blobs.forget(group, &removed).await?;
    workers
        .metrics
        .counter("cairn_worker_reclaimed_blobs_total", &[])
        .inc_by(removed.len() as u64);
    let is_full_page = freed.len() == PAGE as usize;
    Ok(is_full_page && removed.len() == freed.len())
}
