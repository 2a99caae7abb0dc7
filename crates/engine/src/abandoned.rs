//! Blobs that were begun and not committed.
//!
//! Whatever ends a write before its commit (an error, a client that went away, a caller that dropped the future) drops the
//! write's `Begun`, and that queues its blobs here. They are condemned by a commit in their group, which skips what is
//! referred to; only then are their shards removed. So an unknown outcome of a commit is never taken for a failure, and a
//! commit that is still on its way is refused when it comes: the group remembers the condemned until its horizon passes them.

use std::time::Duration;

use cairn_client::{Blobs, ShardClient, ShardErrorKind};
use cairn_runtime::Tasks;
use cairn_runtime::metrics::Counter;
use cairn_types::id::{BlobId, DiskId, GroupId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Writes whose blobs may wait. A process that abandons more leaves the rest to the collector of orphans.
const QUEUE_LEN: usize = 1024;

/// Writes that are cleared away at once.
const AT_ONCE: usize = 16;

/// Tries before a write is left to the collector of orphans, the pauses between them doubling from one second.
const TRIES: u32 = 8;

/// One write's blobs.
#[derive(Debug)]
struct Abandoned {
    group: GroupId,
    blobs: Vec<(BlobId, Vec<DiskId>)>,
}

/// The way for abandoned blobs to those who clear them away.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Abandoned>,
    abandoned_blobs: Counter,
}

/// The blobs of a write that is not committed yet. Dropping it abandons them.
#[derive(Debug)]
pub(crate) struct Begun {
    queue: Queue,
    group: GroupId,
    blobs: Vec<(BlobId, Vec<DiskId>)>,
}

impl Queue {
    /// For a write whose version will be committed in `group`.
    pub(crate) fn guard(&self, group: GroupId) -> Begun {
        Begun {
            queue: self.clone(),
            group,
            blobs: Vec::new(),
        }
    }
}

impl Begun {
    /// The group in which the version will be committed.
    pub(crate) fn group(&self) -> GroupId {
        self.group
    }

    /// A blob is begun: to be called before anything is sent to its disks.
    pub(crate) fn begin(&mut self, blob: BlobId, disks: Vec<DiskId>) {
        self.blobs.push((blob, disks));
    }

    /// The blob that was begun last is not needed: it is abandoned, whatever becomes of the write.
    pub(crate) fn give_up_last(&mut self) {
        let mut last = self.queue.guard(self.group);
        last.blobs.extend(self.blobs.pop());
    }

    /// The blobs are referred to.
    pub(crate) fn committed(mut self) {
        self.blobs.clear();
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.blobs.is_empty() {
            return;
        }
        let blobs = std::mem::take(&mut self.blobs);
        let count = u64::try_from(blobs.len()).unwrap_or(u64::MAX);
        self.queue.abandoned_blobs.inc_by(count);
        let abandoned = Abandoned {
            group: self.group,
            blobs,
        };
        match self.queue.sender.try_send(abandoned) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => tracing::warn!(
                blobs = count,
                "too many writes were abandoned, their blobs are left to the collector of orphans"
            ),
            // The process is stopping: what it abandons then is for the collector, too.
            Err(TrySendError::Closed(_)) => {
                tracing::debug!(blobs = count, "blobs are left to the collector of orphans");
            }
        }
    }
}

/// Starts clearing away.
pub(crate) fn start(
    tasks: &Tasks,
    blobs: Blobs,
    shards: ShardClient,
    abandoned_blobs: Counter,
) -> Queue {
    let (sender, mut waiting) = mpsc::channel(QUEUE_LEN);
    tasks.spawn_essential("clear abandoned blobs", async move {
        let mut clearing = FuturesUnordered::new();
        loop {
            tokio::select! {
                next = waiting.recv(), if clearing.len() < AT_ONCE => match next {
                    Some(abandoned) => clearing.push(clear(abandoned, &blobs, &shards)),
                    None => break,
                },
                Some(()) = clearing.next() => {}
            }
        }
        while clearing.next().await.is_some() {}
    });
    Queue {
        sender,
        abandoned_blobs,
    }
}

/// Clears one write away, trying again for some minutes.
async fn clear(mut abandoned: Abandoned, blobs: &Blobs, shards: &ShardClient) {
    let mut pause = Duration::from_secs(1);
    for _ in 0..TRIES {
        match try_clear(&mut abandoned, blobs, shards).await {
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(group = %abandoned.group, error, "abandoned blobs not cleared yet");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
    tracing::warn!(
        group = %abandoned.group,
        blobs = abandoned.blobs.len(),
        "abandoned blobs are left to the collector of orphans"
    );
}

async fn try_clear(
    abandoned: &mut Abandoned,
    blobs: &Blobs,
    shards: &ShardClient,
) -> Result<(), String> {
    let ids: Vec<_> = abandoned.blobs.iter().map(|(blob, _)| *blob).collect();
    // Condemned before any shard goes: what a commit refers to is not in the answer.
    let condemned = blobs
        .condemn(abandoned.group, &ids)
        .await
        .map_err(|error| error.to_string())?;
    abandoned.blobs.retain(|(blob, _)| condemned.contains(blob));
    let removals = abandoned.blobs.iter().flat_map(|(blob, disks)| {
        disks
            .iter()
            .map(|disk| async { shards.remove_blobs(*disk, &[*blob]).await })
    });
    let removals: FuturesUnordered<_> = removals.collect();
    let failed: Vec<_> = removals
        .filter_map(|removed| async { removed.err() })
        // A disk that is away may be so for long. Nothing refers to what it has, so the collector of orphans finds it when it
        // is back; waiting for it here would keep others waiting.
        .filter(|error| {
            let is_away = matches!(
                error.kind,
                ShardErrorKind::Unavailable | ShardErrorKind::Unknown
            );
            std::future::ready(!is_away)
        })
        .collect()
        .await;
    if let Some(error) = failed.first() {
        return Err(error.to_string());
    }
    Ok(())
}
