//! What is known of disks, so that writes keep clear of those that are away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_runtime::SharedClock;
use cairn_types::id::DiskId;

use super::DiskSummary;

/// How often nodes are asked; more often while a node does not answer or a disk is out of service, so that what is back is
/// used soon.
pub(super) const POLL: Duration = Duration::from_secs(2);
pub(super) const POLL_AWAY: Duration = Duration::from_millis(500);

/// How long writes keep clear of a disk after a request to it failed. Its node's word ends it no earlier: a disk that fails
/// writes may well say that it is in service. Only where the failure was the way to the node it ends with the node's word.
const QUARANTINE: Duration = Duration::from_secs(10);

/// How long a disk that was late is remembered for it.
const SUSPICION: Duration = Duration::from_secs(70);

/// Cells in a row that came too late, after which reads keep clear of a disk for a while.
const LATE_READS: u32 = 3;

/// A disk that shards can take less than this of is full for the placement of new blobs: others write to it at the same time.
const ROOM_BYTES: u64 = 16 * 1024 * 1024;

/// The disks by what was last heard of them. A disk that nothing was heard of is taken to be well.
pub(super) struct Health {
    clock: SharedClock,
    disks: Mutex<HashMap<DiskId, State>>,
}

#[derive(Debug, Default)]
struct State {
    /// On the monotonic clock, as all that end.
    failed_until: Duration,
    away_until: Duration,
    /// When it was last found to be away.
    away_at: Duration,
    late_to_write_until: Duration,
    suspect_until: Duration,
    late_to_read_until: Duration,
    late_reads: u32,
    out_of_service: bool,
    /// By what it said to a write, or of itself, whichever was last.
    is_full: bool,
    available_bytes: Option<u64>,
}

impl State {
    fn is_answering(&self, now: Duration) -> bool {
        self.failed_until <= now && self.away_until <= now
    }
}

impl Health {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            disks: Mutex::default(),
        }
    }

    pub(super) fn failed(&self, disk: DiskId) {
        let until = self.clock.monotonic() + QUARANTINE;
        self.with(disk, |state| state.failed_until = until);
    }

    /// The way to its node broke, its node does not answer, or says that the disk is out of service.
    pub(super) fn away(&self, disk: DiskId) {
        let now = self.clock.monotonic();
        self.with(disk, |state| {
            state.away_at = now;
            state.away_until = now + QUARANTINE;
        });
    }

    /// A write found no room. Until the disk describes itself again writes keep clear of it; what it has can be read.
    pub(super) fn had_no_room(&self, disk: DiskId) {
        self.with(disk, |state| state.is_full = true);
    }

    pub(super) fn late_to_write(&self, disk: DiskId) {
        let now = self.clock.monotonic();
        self.with(disk, |state| {
            state.late_to_write_until = now + QUARANTINE;
            state.suspect_until = now + SUSPICION;
        });
    }

    pub(super) fn was_read(&self, disk: DiskId, is_late: bool) {
        let until = self.clock.monotonic() + QUARANTINE;
        self.with(disk, |state| {
            state.late_reads = if is_late { state.late_reads + 1 } else { 0 };
            if state.late_reads >= LATE_READS {
                state.late_reads = 0;
                state.late_to_read_until = until;
            }
        });
    }

    /// The time by which `described` goes.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Their node answered to what it was asked at `asked`.
    pub(super) fn described(&self, disks: &[DiskSummary], asked: Duration) {
        for disk in disks {
            self.with(disk.disk, |state| {
                if state.away_at <= asked {
                    state.away_until = Duration::ZERO;
                }
                state.out_of_service = disk.out_of_service.is_some();
                state.is_full = disk.available_bytes < ROOM_BYTES;
                state.available_bytes = Some(disk.available_bytes);
            });
        }
    }

    pub(super) fn is_writable(&self, disk: DiskId) -> bool {
        let now = self.clock.monotonic();
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.get(&disk).is_none_or(|state| {
            let is_well = state.is_answering(now) && state.late_to_write_until <= now;
            !state.out_of_service && !state.is_full && is_well
        })
    }

    pub(super) fn is_readable(&self, disk: DiskId) -> bool {
        let now = self.clock.monotonic();
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.get(&disk).is_none_or(|state| {
            let is_well = state.is_answering(now) && state.late_to_read_until <= now;
            !state.out_of_service && is_well
        })
    }

    pub(super) fn is_suspect(&self, disk: DiskId) -> bool {
        let now = self.clock.monotonic();
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        let state = disks.get(&disk);
        state.is_some_and(|state| state.suspect_until > now)
    }

    pub(super) fn available_bytes(&self, disk: DiskId) -> Option<u64> {
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.get(&disk)?.available_bytes
    }

    fn with(&self, disk: DiskId, change: impl FnOnce(&mut State)) {
        let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        change(disks.entry(disk).or_default());
    }
}

#[cfg(test)]
mod tests {
    use cairn_runtime::ManualClock;
    use cairn_types::time::Timestamp;

    use super::*;

    #[test]
    fn a_disk_is_avoided_while_it_is_away_full_or_has_just_failed() {
        let clock = ManualClock::new(Timestamp::from_millis(1_000));
        let health = Health::new(clock.clone());
        let disk = DiskId::new(1);
        assert!(health.is_writable(disk));

        health.failed(disk);
        health.described(&[summary(None, u64::MAX)], health.now());
        assert!(
            !health.is_writable(disk),
            "its word alone does not clear it"
        );
        clock.advance(QUARANTINE);
        assert!(health.is_writable(disk));

        health.described(&[summary(Some("broken"), u64::MAX)], health.now());
        assert!(!health.is_writable(disk));
        health.described(&[summary(None, ROOM_BYTES - 1)], health.now());
        assert!(!health.is_writable(disk));
        health.described(&[summary(None, ROOM_BYTES)], health.now());
        assert!(health.is_writable(disk));
    }

    #[test]
    fn a_disk_that_was_away_is_back_when_its_node_answers_what_it_was_asked_since() {
        let clock = ManualClock::new(Timestamp::from_millis(1_000));
        let health = Health::new(clock.clone());
        let disk = DiskId::new(1);
        clock.advance(QUARANTINE);
        let asked = health.now();
        clock.advance(Duration::from_millis(1));
        health.away(disk);
        health.described(&[summary(None, u64::MAX)], asked);
        assert!(!health.is_writable(disk) && !health.is_readable(disk));
        health.described(&[summary(None, u64::MAX)], health.now());
        assert!(health.is_writable(disk) && health.is_readable(disk));

        health.away(disk);
        health.failed(disk);
        health.described(&[summary(None, u64::MAX)], health.now());
        assert!(!health.is_writable(disk), "it failed by itself, too");
        clock.advance(QUARANTINE);
        health.away(disk);
        clock.advance(QUARANTINE);
        assert!(health.is_writable(disk), "nobody asks its node");
    }

    #[test]
    fn a_disk_that_had_no_room_is_read_and_not_written_to_until_it_has_some() {
        let clock = ManualClock::new(Timestamp::from_millis(1_000));
        let health = Health::new(clock.clone());
        let disk = DiskId::new(1);
        health.described(&[summary(None, u64::MAX)], health.now());
        health.had_no_room(disk);
        clock.advance(QUARANTINE);
        assert!(!health.is_writable(disk) && health.is_readable(disk));
        health.described(&[summary(None, ROOM_BYTES - 1)], health.now());
        assert!(!health.is_writable(disk) && health.is_readable(disk));
        health.described(&[summary(None, ROOM_BYTES)], health.now());
        assert!(health.is_writable(disk));
    }

    #[test]
    fn lateness_counts_for_what_was_late() {
        let clock = ManualClock::new(Timestamp::from_millis(1_000));
        let health = Health::new(clock.clone());
        let disk = DiskId::new(1);
        health.late_to_write(disk);
        assert!(!health.is_writable(disk) && health.is_readable(disk));
        clock.advance(QUARANTINE);
        assert!(health.is_writable(disk) && health.is_suspect(disk));
        clock.advance(SUSPICION);
        assert!(!health.is_suspect(disk));

        for is_late in [true, true, false, true, true] {
            health.was_read(disk, is_late);
        }
        assert!(health.is_readable(disk), "never three times in a row");
        health.was_read(disk, true);
        assert!(!health.is_readable(disk) && health.is_writable(disk));
        clock.advance(QUARANTINE);
        assert!(health.is_readable(disk));
    }

    fn summary(out_of_service: Option<&str>, available_bytes: u64) -> DiskSummary {
        DiskSummary {
            disk: DiskId::new(1),
            path: String::new(),
            out_of_service: out_of_service.map(str::to_owned),
            capacity_bytes: u64::MAX,
            available_bytes,
            live_bytes: 0,
            removed_bytes: 0,
            damaged_cells: 0,
        }
    }
}
