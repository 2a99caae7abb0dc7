//! Keeping the blobs of a long read from being given back.
//!
//! A replaced version's shards stay readable for a grace of some 30 seconds. A read that is still running after a third of it
//! asks the disks to keep what lies ahead of it, and asks again before that lapses; so an overwrite never cuts a reader short.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cairn_types::id::{BlobId, DiskId};
use tokio::sync::oneshot;

use super::plan::{Plan, Segment};
use crate::engine::Shared;

/// How long the disks keep what was pinned.
const LEASE: Duration = Duration::from_mins(1);

/// How often it is pinned again.
const RENEW: Duration = Duration::from_secs(20);

/// Pins what a download has ahead of it, as long as this is there.
#[derive(Debug)]
pub(super) struct Pin {
    _release: oneshot::Sender<()>,
}

impl Pin {
    /// Pins once the read runs longer than most.
    pub(super) fn after_a_while(shared: &Arc<Shared>, plan: &Plan) -> Self {
        let (release, mut released) = oneshot::channel::<()>();
        let (segments, at) = plan.ahead();
        let pinning = Arc::clone(shared);
        shared.tasks.spawn("pin blobs", async move {
            let mut pause = first_pause(&pinning);
            loop {
                // Nothing is ever sent: it resolves when the other end goes.
                if tokio::time::timeout(pause, &mut released).await.is_ok() {
                    return;
                }
                let ahead = segments.get(at.load(Ordering::Relaxed).saturating_sub(1)..);
                pin(&pinning, ahead.unwrap_or_default()).await;
                pause = RENEW;
            }
        });
        Self { _release: release }
    }
}

/// Well before anything of what it reads could be given back.
fn first_pause(shared: &Shared) -> Duration {
    let pause = shared.config.pin_after;
    let grace = shared.shards.read_grace();
    grace.map_or(pause, |grace| pause.min(grace / 3))
}

/// Asks all disks at once. A disk that does not answer is a shard that may be missing later.
async fn pin(shared: &Shared, segments: &[Segment]) {
    let mut by_disk: HashMap<DiskId, Vec<BlobId>> = HashMap::new();
    for segment in segments {
        if let Segment::Blob { place, .. } = segment {
            for disk in &place.disks {
                by_disk.entry(*disk).or_default().push(place.blob);
            }
        }
    }
    let pins = by_disk.iter().map(|(disk, blobs)| async move {
        if let Err(error) = shared.shards.pin_blobs(*disk, blobs, LEASE).await {
            tracing::debug!(%disk, %error, "blobs not pinned");
        }
    });
    futures::future::join_all(pins).await;
}
