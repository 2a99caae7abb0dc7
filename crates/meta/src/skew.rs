//! How far this node's clock is from those of its peers.
//!
//! The leader's clock becomes the group's clock, and that never goes back: a leader whose clock is an hour ahead would age
//! everything by an hour. So every Raft call and answer carries its sender's clock, and a node that a majority of the nodes it
//! knows is more than `LIMIT` away from proposes nothing, and hands over what it leads.
//!
//! It may be elected: its log may be the longest, and only as leader can it bring the others up to date and hand over.
//!
//! Offsets are kept as long as the process runs: a peer that is down now did not change its clock thereby.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_runtime::SharedClock;
use tonic::metadata::MetadataMap;

const HEADER: &str = "cairn-clock-ms";

/// Further than this from the majority a clock counts as wrong.
const LIMIT: Duration = Duration::from_secs(5);

/// What is known of the peers' clocks.
pub(crate) struct Skew {
    clock: SharedClock,
    /// Theirs minus ours in milliseconds, by node.
    offsets: Mutex<HashMap<u64, i64>>,
}

impl Skew {
    /// Nothing is known yet.
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            offsets: Mutex::default(),
        }
    }

    /// Says what this node's clock shows.
    pub(crate) fn tell(&self, metadata: &mut MetadataMap) {
        metadata.insert(HEADER, self.now().into());
    }

    /// Time that only goes forward, to measure with.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Takes note of what `node` says that its clock shows, or showed at some moment of the last `elapsed`.
    pub(crate) fn observe(&self, node: u64, metadata: &MetadataMap, elapsed: Duration) {
        let told = metadata
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok());
        let Some(theirs) = told else { return };
        // The middle of the call is the best guess of when it was.
        let half = u64::try_from(elapsed.as_millis() / 2).unwrap_or(u64::MAX);
        let ours = self.now().saturating_sub(half);
        let offset = i128::from(theirs) - i128::from(ours);
        let offset = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
        self.offsets().insert(node, offset);
    }

    /// Whether a majority of the known nodes, this one among them, is further away than the limit.
    pub(crate) fn is_off(&self) -> bool {
        let limit = u64::try_from(LIMIT.as_millis()).expect("a few thousand");
        let offsets = self.offsets();
        let known = offsets.len() + 1;
        let far = offsets
            .values()
            .filter(|offset| offset.unsigned_abs() > limit)
            .count();
        far > known / 2
    }

    fn now(&self) -> u64 {
        self.clock.now().as_millis()
    }

    fn offsets(&self) -> std::sync::MutexGuard<'_, HashMap<u64, i64>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cairn_runtime::ManualClock;
    use cairn_types::time::Timestamp;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn skew() -> Skew {
        Skew::new(ManualClock::new(Timestamp::from_millis(NOW)))
    }

    fn hear(skew: &Skew, node: u64, theirs: u64) {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, theirs.into());
        skew.observe(node, &metadata, Duration::from_millis(10));
    }

    #[test]
    fn only_a_majority_far_away_makes_this_clock_wrong() {
        let skew = skew();
        assert!(!skew.is_off(), "alone");
        hear(&skew, 2, NOW + 3_600_000);
        assert!(!skew.is_off(), "one against one");
        hear(&skew, 3, NOW + 4_000);
        assert!(!skew.is_off(), "the other one is wrong");
        hear(&skew, 3, NOW + 3_600_000);
        assert!(skew.is_off(), "two against one");
        hear(&skew, 2, NOW - 3_000);
        assert!(!skew.is_off());
        hear(&skew, 2, 0);
        assert!(skew.is_off(), "behind is as wrong as ahead");
    }

    #[test]
    fn what_a_stranger_says_of_its_clock_harms_nothing() {
        let skew = skew();
        hear(&skew, 2, u64::MAX);
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, tonic::metadata::MetadataValue::from_static("soon"));
        skew.observe(3, &metadata, Duration::MAX);
        skew.observe(3, &MetadataMap::new(), Duration::ZERO);
        assert!(!skew.is_off());
    }
}
