//! Removing the shards of blobs from all disks of their placement groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use cairn_client::{ShardClient, TopologyCache};
use cairn_runtime::SharedClock;
use cairn_types::id::{BlobId, DiskId};
use futures::future::join_all;

/// A disk that did not answer is left alone for so long, twice as long each further time up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// A disk that has not answered for so long is not waited for. What it still has is found by the collector when it is back:
/// nothing refers to it.
const LONG: Duration = Duration::from_mins(10);

/// Removes shards, and remembers which disks do not answer.
pub(crate) struct Removal {
    clock: SharedClock,
    absences: Absences,
}

/// The disks that did not answer when they were last asked.
#[derive(Debug, Default)]
struct Absences(HashMap<DiskId, Absence>);

#[derive(Debug)]
struct Absence {
    since: Duration,
    pause: Duration,
    until: Duration,
}

impl Removal {
    /// Nothing is known of any disk yet.
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            absences: Absences::default(),
        }
    }

    /// Tombstones the shards of `blobs`, on all disks at once; answers those that may be forgotten, see `is_gone`. The others
    /// are to be tried again.
    pub(crate) async fn remove(
        &mut self,
        shards: &ShardClient,
        topology: &TopologyCache,
        blobs: &[BlobId],
    ) -> Vec<BlobId> {
        let members = members(topology, blobs).await;
        let mut by_disk: BTreeMap<DiskId, Vec<BlobId>> = BTreeMap::new();
        for (blob, disks) in &members {
            for disk in disks {
                by_disk.entry(*disk).or_default().push(*blob);
            }
        }
        let now = self.clock.monotonic();
        by_disk.retain(|disk, _| self.absences.is_due(*disk, now));
        let asked = by_disk.iter().map(|(disk, blobs)| async move {
            let removed = shards.remove_blobs(*disk, blobs).await;
            (*disk, removed)
        });
        let asked = join_all(asked).await;
        let now = self.clock.monotonic();
        let mut answered = BTreeSet::new();
        for (disk, removed) in asked {
            match removed {
                Ok(()) => {
                    self.absences.end(disk);
                    answered.insert(disk);
                }
                Err(error) => {
                    tracing::debug!(%error, "remove shards");
                    if self.absences.begin(disk, now) {
                        tracing::warn!(%error, "a disk has not removed shards for long; the collector comes back to it");
                    }
                }
            }
        }
        let is_long_away = |disk: &DiskId| self.absences.is_long(*disk, now);
        members
            .into_iter()
            .filter(|(_, disks)| is_gone(disks, &answered, is_long_away))
            .map(|(blob, _)| blob)
            .collect()
    }
}

impl Absences {
    /// Whether the disk is to be asked.
    fn is_due(&self, disk: DiskId, now: Duration) -> bool {
        self.0.get(&disk).is_none_or(|absence| absence.until <= now)
    }

    /// The disk answered.
    fn end(&mut self, disk: DiskId) {
        self.0.remove(&disk);
    }

    /// The disk did not answer, once more; whether that makes it long by now and did not before.
    fn begin(&mut self, disk: DiskId, now: Duration) -> bool {
        let (first, longest) = PAUSES;
        let absence = self.0.entry(disk).or_insert(Absence {
            since: now,
            pause: first,
            until: now,
        });
        let was_long = absence.until.saturating_sub(absence.since) >= LONG;
        absence.until = now + absence.pause;
        absence.pause = (absence.pause * 2).min(longest);
        !was_long && absence.until.saturating_sub(absence.since) >= LONG
    }

    /// Whether the disk has not answered for so long that nobody waits for it.
    fn is_long(&self, disk: DiskId, now: Duration) -> bool {
        let absence = self.0.get(&disk);
        absence.is_some_and(|absence| now.saturating_sub(absence.since) >= LONG)
    }
}

/// The disks that may have shards of each blob. Blobs whose placement group is not known are left out.
async fn members(topology: &TopologyCache, blobs: &[BlobId]) -> BTreeMap<BlobId, Vec<DiskId>> {
    let mut members = BTreeMap::new();
    for blob in blobs {
        let id = blob.placement_group();
        let layout = topology.with_placement_group(id).await.ok();
        let group = layout
            .as_ref()
            .and_then(|layout| layout.placement_group(id));
        let Some(group) = group else {
            tracing::warn!(%blob, "the placement group of a blob to be removed is not known");
            continue;
        };
        members.insert(*blob, group.members.clone());
    }
    members
}

/// Whether a blob with shards on `members` may be forgotten: every disk has tombstoned them, or has been away for long. When
/// not one of them answered, it is more likely this process that is cut off.
fn is_gone(
    members: &[DiskId],
    answered: &BTreeSet<DiskId>,
    is_long_away: impl Fn(&DiskId) -> bool,
) -> bool {
    members.iter().any(|disk| answered.contains(disk))
        && members
            .iter()
            .all(|disk| answered.contains(disk) || is_long_away(disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DiskId = DiskId::new(1);
    const B: DiskId = DiskId::new(2);
    const C: DiskId = DiskId::new(3);

    #[test]
    fn a_blob_is_forgotten_when_all_that_are_not_long_away_have_answered() {
        for (answered, long_away, is_forgotten) in [
            (&[A, B, C][..], &[][..], true),
            (&[A, B], &[], false),
            (&[A, B], &[C], true),
            (&[A], &[C], false),
            // Cut off from everybody, or all disks lost: nothing was tombstoned.
            (&[], &[A, B, C], false),
        ] {
            let answered = answered.iter().copied().collect();
            let gone = is_gone(&[A, B, C], &answered, |disk| long_away.contains(disk));
            assert_eq!(gone, is_forgotten, "{answered:?} {long_away:?}");
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_is_asked_less_and_less_often_until_it_does() {
        let mut absences = Absences::default();
        let mut now = Duration::from_secs(100);
        assert!(absences.is_due(A, now));
        let mut asked = 0;
        let mut told = 0;
        for _ in 0..1_200 {
            if absences.is_due(A, now) {
                asked += 1;
                told += u32::from(absences.begin(A, now));
            }
            now += Duration::from_secs(1);
        }
        assert!((20..30).contains(&asked), "{asked}");
        assert_eq!(told, 1);
        assert!(absences.is_long(A, now) && !absences.is_long(B, now));
        absences.end(A);
        assert!(absences.is_due(A, now) && !absences.is_long(A, now));
    }
}
