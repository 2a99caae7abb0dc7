//! How far this node's clock is from those of its peers.
//!
//! The leader's clock becomes the group's clock, and that never goes back: a leader whose clock is an hour ahead would age
//! everything by an hour. So every Raft call and answer carries its sender's clock, and a node proposes only while a majority
//! of the group's voters, itself among them, was heard lately and is at most `LIMIT` away. A leader is answered by a majority
//! all the time, so waiting to hear from one costs it nothing. One that heard of too many that differ hands over.
//!
//! It may be elected: its log may be the longest, and only as leader can it bring the others up to date and hand over.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_runtime::SharedClock;
use cairn_types::id::NodeId;
use tonic::metadata::MetadataMap;

const HEADER: &str = "cairn-clock-ms";

/// Clocks that are further apart differ.
const LIMIT: Duration = Duration::from_secs(5);

/// What a peer said longer ago says nothing of its clock now, or of this one.
const LATELY: Duration = Duration::from_secs(5);

/// What is known of the peers' clocks.
pub(crate) struct Skew {
    clock: SharedClock,
    heard: Mutex<HashMap<u64, Heard>>,
}

/// What a peer said of its clock.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Its clock minus ours.
    offset_millis: i64,
    /// When that was, by the monotonic clock.
    at: Duration,
}

impl Skew {
    /// Nothing is known yet.
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            heard: Mutex::default(),
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
        let heard = Heard {
            offset_millis: offset,
            at: self.clock.monotonic(),
        };
        self.heard().insert(node, heard);
    }

    /// Whether a majority of each set of voters, `me` among them, was heard lately and agrees with this clock.
    pub(crate) fn is_agreed(&self, me: u64, voter_sets: &[BTreeSet<u64>]) -> bool {
        voter_sets.iter().all(|voters| {
            let agree = |node: &u64| *node == me || self.differs(*node) == Some(false);
            voters.iter().filter(|node| agree(node)).count() * 2 > voters.len()
        })
    }

    /// Whether a majority of a set of voters was heard lately and differs: then this clock must be taken for wrong, and another
    /// voter may find one that agrees with it. With fewer nobody can tell, and handing over would only go to and fro.
    pub(crate) fn is_off(&self, voter_sets: &[BTreeSet<u64>]) -> bool {
        voter_sets.iter().any(|voters| {
            let differ = |node: &u64| self.differs(*node) == Some(true);
            voters.iter().filter(|node| differ(node)).count() * 2 > voters.len()
        })
    }

    /// Whether a peer was heard lately and its clock differs from this one.
    pub(crate) fn is_wrong(&self, node: NodeId) -> bool {
        self.differs(node.get()) == Some(true)
    }

    /// Whether a peer's clock differs; `None` when it was not heard lately.
    fn differs(&self, node: u64) -> Option<bool> {
        let heard = *self.heard().get(&node)?;
        let is_late = self.clock.monotonic().saturating_sub(heard.at) > LATELY;
        let limit = u64::try_from(LIMIT.as_millis()).expect("a few thousand");
        (!is_late).then_some(heard.offset_millis.unsigned_abs() > limit)
    }

    fn now(&self) -> u64 {
        self.clock.now().as_millis()
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn voters(nodes: &[u64]) -> Vec<BTreeSet<u64>> {
        vec![nodes.iter().copied().collect()]
    }

    #[test]
    fn a_majority_of_the_voters_must_agree() {
        let skew = skew();
        let three = voters(&[1, 2, 3]);
        assert!(skew.is_agreed(1, &voters(&[1])), "alone");
        assert!(!skew.is_agreed(1, &three), "nobody was heard");
        assert!(!skew.is_off(&three), "but nobody differs either");
        hear(&skew, 2, NOW + 3_600_000);
        assert!(!skew.is_agreed(1, &three), "one differs, one is down");
        assert!(!skew.is_off(&three), "nobody can tell which is wrong");
        hear(&skew, 3, NOW + 4_000);
        assert!(skew.is_agreed(1, &three), "the other one is wrong");
        assert!(!skew.is_off(&three));
        hear(&skew, 3, 0);
        assert!(skew.is_off(&three), "behind is as wrong as ahead");
        hear(&skew, 4, NOW);
        assert!(!skew.is_agreed(1, &three), "4 does not vote");
        let joint = [voters(&[1, 4]), three].concat();
        assert!(!skew.is_agreed(1, &joint), "both sets count");
    }

    #[test]
    fn what_was_heard_long_ago_does_not_count() {
        let clock = ManualClock::new(Timestamp::from_millis(NOW));
        let skew = Skew::new(clock.clone());
        let three = voters(&[1, 2, 3]);
        hear(&skew, 2, NOW);
        assert!(skew.is_agreed(1, &three));
        clock.advance(LATELY + Duration::from_millis(1));
        assert!(!skew.is_agreed(1, &three));
    }

    #[test]
    fn what_a_stranger_says_of_its_clock_harms_nothing() {
        let skew = skew();
        hear(&skew, 2, u64::MAX);
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, tonic::metadata::MetadataValue::from_static("soon"));
        skew.observe(3, &metadata, Duration::MAX);
        skew.observe(3, &MetadataMap::new(), Duration::ZERO);
        assert!(skew.is_agreed(1, &voters(&[1])));
    }
}
