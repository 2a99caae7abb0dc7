//! The shards of freed blobs are removed from their disks, and then the blobs are forgotten.
//!
//! The order: shards tombstoned on every disk before the row that remembers them goes. A crash in between repeats it.

use std::collections::HashMap;
use std::time::Duration;

use cairn_client::QueryError;
use cairn_types::id::{BlobId, GroupId};
use cairn_types::namespace::data::FreedBlob;

use crate::Workers;
use crate::removal::Removal;

/// Blobs in one round: one request to each disk, one commit.
const PAGE: u32 = 500;

/// Blobs that a disk kept from being forgotten are tried again after the first pause; it doubles up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

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

/// The way through the freed blobs of a group, again and again. Those that a disk holds up are passed over for a while, so that
/// what was freed after them is not held up, too.
#[derive(Debug, Default)]
struct Walk {
    after: Option<FreedBlob>,
    has_left: bool,
    pause: Duration,
    again_at: Duration,
}

/// Reclaims for ever, every `interval` and without a pause while there is more.
pub(crate) async fn run(workers: &Workers, interval: Duration) {
    let mut removal = Removal::new(workers.clock.clone());
    let mut walks: HashMap<GroupId, Walk> = HashMap::new();
    loop {
        let mut is_behind = false;
        let groups = workers.responsibilities();
        walks.retain(|group, _| groups.contains(group));
        for group in groups {
            let walk = walks.entry(group).or_default();
            match round(workers, &mut removal, walk, group).await {
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
    walk: &mut Walk,
    group: GroupId,
) -> Result<bool, ReclaimError> {
    let after = walk.position(workers.clock.monotonic());
    let page = workers.blobs.freed(group, after, PAGE).await?;
    let freed: Vec<BlobId> = page.iter().map(|freed| freed.blob).collect();
    let mut removed = Vec::new();
    if !freed.is_empty() {
        removed = removal
            .remove(&workers.shards, &workers.topology, &freed)
            .await;
        workers.blobs.forget(group, &removed).await?;
        workers
            .metrics
            .counter("cairn_worker_reclaimed_blobs_total", &[])
            .inc_by(removed.len() as u64);
    }
    let has_left = removed.len() < freed.len();
    Ok(walk.advance(page, has_left, workers.clock.monotonic()))
}

impl Walk {
    /// Behind which blob to go on.
    fn position(&mut self, now: Duration) -> Option<FreedBlob> {
        if self.has_left && now >= self.again_at {
            self.after = None;
            self.has_left = false;
        }
        self.after.clone()
    }

    /// A page was worked off, of which some may be left; whether another follows.
    fn advance(&mut self, page: Vec<FreedBlob>, has_left: bool, now: Duration) -> bool {
        let (first_pause, longest) = PAUSES;
        let is_full = page.len() == PAGE as usize;
        if has_left && !self.has_left {
            self.has_left = true;
            self.pause = (self.pause * 2).clamp(first_pause, longest);
            self.again_at = now + self.pause;
        }
        if is_full || self.has_left {
            self.after = page.into_iter().next_back().or(self.after.take());
        } else {
            // All the way to the end with nothing left.
            *self = Self::default();
        }
        is_full
    }
}

#[cfg(test)]
mod tests {
    use cairn_types::id::PlacementGroupId;
    use cairn_types::time::Timestamp;

    use super::*;

    fn page(len: u32, freed: u64) -> Vec<FreedBlob> {
        let blob = |number| BlobId::new(PlacementGroupId::new(1), GroupId::new(1), freed, number);
        let freed = Timestamp::from_millis(freed);
        let blobs = (0..len).map(|number| FreedBlob {
            blob: blob(number),
            freed,
        });
        blobs.collect()
    }

    #[test]
    fn a_walk_without_anything_left_begins_at_the_front_again() {
        let mut walk = Walk::default();
        let now = Duration::ZERO;
        assert_eq!(walk.position(now), None);
        assert!(walk.advance(page(PAGE, 1), false, now));
        assert_eq!(walk.position(now), page(PAGE, 1).pop());
        assert!(!walk.advance(page(3, 2), false, now));
        assert_eq!(walk.position(now), None);
    }

    #[test]
    fn blobs_that_are_held_up_hold_up_nothing_behind_them() {
        let mut walk = Walk::default();
        let mut now = Duration::from_secs(5);
        let mut fronts = 0;
        for second in 1..=600 {
            // Always the same full page that cannot be forgotten, and a new blob behind it.
            while match walk.position(now) {
                None => {
                    fronts += 1;
                    walk.advance(page(PAGE, 1), true, now)
                }
                Some(_) => walk.advance(page(1, second + 1), false, now),
            } {}
            assert_eq!(walk.after, page(1, second + 1).pop());
            now += Duration::from_secs(1);
        }
        assert!((10..20).contains(&fronts), "{fronts}");
        // They went at last: the pause is short again when it happens again.
        now += Duration::from_mins(2);
        assert_eq!(walk.position(now), None);
        assert!(!walk.advance(page(2, 1), false, now));
        assert!(!walk.advance(page(2, 1), true, now));
        assert_eq!(walk.again_at, now + PAUSES.0);
    }
}
