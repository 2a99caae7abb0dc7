//! What a disk has, what is being written to it, and what is to go: the index and all that must change together with it.
//!
//! Two locks, taken in this order: `changes` makes changes of the index one after the other, and is held while rows are
//! read and written, so only the threads of the disk take it. `state` is held for moments and never while waiting for the
//! disk, so tasks may take it too. The order of effects, which every method keeps:
//!
//! 1. A cell's record is written, and its place noted (`placed`).
//! 2. Before the last cell of an attempt is written, the attempt must be allowed to be whole (`close`): after that its
//!    records alone make it a shard when the index is rebuilt. So at most one root of a shard is ever whole on the disk.
//! 3. The segment is synced.
//! 4. The rows are written (`settle`), and only then is anybody told.
//!
//! Removals take a sequence, write a tombstone, sync, and change the rows; attempts that began before count as removed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cairn_erasure::HASH_LEN;
use cairn_types::id::{BlobId, Epoch, PlacementGroupId};

use crate::epochs::EpochTable;
use crate::index::rows::{CellPlace, CounterRow, DoomedRow, ShardRow};
use crate::index::{Index, IndexError};

mod accounts;
mod change;

pub use accounts::{Accounts, Totals};

use change::Change;

/// Why an attempt cannot become a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The placement group has moved on.
    #[error(
        "the epoch {writer} of the placement group is older than {known}, which this disk knows"
    )]
    StaleEpoch {
        /// What the writer named.
        writer: Epoch,
        /// What the disk knows.
        known: Epoch,
    },
    /// The disk has this shard with other content.
    #[error("the disk has this shard with other content")]
    OtherContent,
    /// The blob was removed while it was written.
    #[error("the blob was removed while this shard was written")]
    Removed,
    /// The attempt is not known: it failed before.
    #[error("this attempt has failed before")]
    Gone,
}

/// See the module.
#[derive(Debug)]
pub struct Ledger {
    index: Index,
    changes: Mutex<()>,
    state: Mutex<State>,
}

/// What is kept beside the index.
#[derive(Debug)]
pub struct State {
    /// Bytes by segment.
    pub accounts: Accounts,
    /// What `AdvanceEpoch` was told.
    pub advanced: EpochTable,
    /// The highest epoch seen in writes.
    pub seen: BTreeMap<PlacementGroupId, Epoch>,
    /// Sequence and segment number that were given out last.
    pub counters: CounterRow,
    /// Attempts under way, by sequence.
    attempts: BTreeMap<u64, Attempt>,
    /// Until when removed blobs are kept for readers, in milliseconds of the monotonic clock.
    pins: HashMap<BlobId, u64>,
}

#[derive(Debug)]
struct Attempt {
    blob: BlobId,
    shard: u8,
    epoch: Epoch,
    cells: Vec<CellPlace>,
    /// Allowed to be whole with this root.
    closing: Option<[u8; HASH_LEN]>,
    /// The blob was removed meanwhile.
    removed: bool,
}

/// A removal whose tombstones are durable.
#[derive(Debug, Clone)]
pub struct Removal {
    /// The blobs.
    pub blobs: Vec<BlobId>,
    /// Its place in the order of the disk.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub removed_at: u64,
    /// Where its tombstones are.
    pub segment: u32,
}

impl State {
    /// The state of a disk on which nothing is being written.
    pub fn new(
        accounts: Accounts,
        advanced: EpochTable,
        seen: BTreeMap<PlacementGroupId, Epoch>,
        counters: CounterRow,
    ) -> Self {
        Self {
            accounts,
            advanced,
            seen,
            counters,
            attempts: BTreeMap::new(),
            pins: HashMap::new(),
        }
    }

    fn epoch(&self, group: PlacementGroupId) -> Epoch {
        let seen = self.seen.get(&group).copied().unwrap_or(Epoch::new(0));
        seen.max(self.advanced.get(group))
    }

    fn check_epoch(&self, blob: BlobId, writer: Epoch) -> Result<(), Conflict> {
        let known = self.epoch(blob.placement_group());
        if writer < known {
            Err(Conflict::StaleEpoch { writer, known })
        } else {
            Ok(())
        }
    }

    fn shard_of(&self, sequence: u64) -> Option<(BlobId, u8)> {
        let attempt = self.attempts.get(&sequence)?;
        Some((attempt.blob, attempt.shard))
    }

    fn close(
        &mut self,
        sequence: u64,
        root: [u8; HASH_LEN],
        existing: Option<&ShardRow>,
    ) -> Result<(), Conflict> {
        let attempt = self.attempts.get(&sequence).ok_or(Conflict::Gone)?;
        if attempt.removed {
            return Err(Conflict::Removed);
        }
        self.check_epoch(attempt.blob, attempt.epoch)?;
        let is_rival = |other: &Attempt| {
            let is_same = other.blob == attempt.blob && other.shard == attempt.shard;
            is_same && !other.removed && other.closing.is_some_and(|other| other != root)
        };
        let differs = existing.is_some_and(|row| row.removed_at.is_none() && row.root != root);
        if differs || self.attempts.values().any(is_rival) {
            return Err(Conflict::OtherContent);
        }
        if let Some(attempt) = self.attempts.get_mut(&sequence) {
            attempt.closing = Some(root);
        }
        Ok(())
    }

    fn begin_removal(&mut self, blobs: &[BlobId]) -> (u64, BTreeSet<BlobId>) {
        self.counters.sequence += 1;
        let named: BTreeSet<&BlobId> = blobs.iter().collect();
        let mut open = BTreeSet::new();
        for attempt in self.attempts.values_mut() {
            if named.contains(&attempt.blob) {
                attempt.removed = true;
                open.insert(attempt.blob);
            }
        }
        (self.counters.sequence, open)
    }
}

impl Ledger {
    /// Puts index and state together.
    pub fn new(index: Index, state: State) -> Self {
        Self {
            index,
            changes: Mutex::new(()),
            state: Mutex::new(state),
        }
    }

    /// The index, for reading.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Begins an attempt to write a shard; its sequence.
    ///
    /// # Errors
    /// `StaleEpoch`.
    pub fn begin(&self, blob: BlobId, shard: u8, epoch: Epoch) -> Result<u64, Conflict> {
        let mut state = self.lock();
        state.check_epoch(blob, epoch)?;
        state.counters.sequence += 1;
        let sequence = state.counters.sequence;
        state.attempts.insert(
            sequence,
            Attempt {
                blob,
                shard,
                epoch,
                cells: Vec::new(),
                closing: None,
                removed: false,
            },
        );
        Ok(sequence)
    }

    /// A cell of the attempt was written there; it need not be synced yet.
    pub fn placed(&self, sequence: u64, place: CellPlace) {
        let mut state = self.lock();
        state.accounts.hold(sequence, place);
        if let Some(attempt) = state.attempts.get_mut(&sequence) {
            attempt.cells.push(place);
        }
    }

    /// Allows the attempt to be whole with this root. Call it before its last cell is written.
    ///
    /// # Errors
    /// The attempt may not become a shard; its last cell must not be written.
    pub fn close(
        &self,
        sequence: u64,
        root: [u8; HASH_LEN],
    ) -> Result<Result<(), Conflict>, IndexError> {
        let _one_change = self.one_change();
        let Some((blob, shard)) = self.lock().shard_of(sequence) else {
            return Ok(Err(Conflict::Gone));
        };
        let existing = self.index.shard(blob, shard)?;
        Ok(self.lock().close(sequence, root, existing.as_ref()))
    }

    /// Gives up an attempt: its cells are doomed at once. One that has none leaves nothing to write: on a full disk there are
    /// many of those.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn abandon(&self, sequence: u64) -> Result<(), IndexError> {
        let _one_change = self.one_change();
        let mut change = Change::default();
        {
            let mut state = self.lock();
            let Some(attempt) = state.attempts.remove(&sequence) else {
                return Ok(());
            };
            if attempt.cells.is_empty() {
                return Ok(());
            }
            change.doom_attempt(&mut state, sequence, attempt);
            change.finish(&state);
        }
        change.write(&self.index)
    }

    /// Makes shards of attempts whose cells are all durable, and removes shards whose tombstones are. `synced` says how far
    /// which segment was synced. One answer for each attempt, in order.
    ///
    /// # Errors
    /// The index cannot be written; it is not known what was changed.
    pub fn settle(
        &self,
        attempts: &[u64],
        removals: &[Removal],
        synced: (u32, u64),
        now: u64,
    ) -> Result<Vec<Result<(), Conflict>>, IndexError> {
        let _one_change = self.one_change();
        let mut change = Change::default();
        let written: Vec<(BlobId, u8)> = {
            let state = self.lock();
            let shards = attempts.iter().map(|sequence| state.shard_of(*sequence));
            shards.flatten().collect()
        };
        for (blob, shard) in written {
            change.load(&self.index, blob, shard)?;
        }
        for blob in removals.iter().flat_map(|removal| &removal.blobs) {
            change.load_all(&self.index, *blob)?;
        }
        let answers = {
            let mut state = self.lock();
            change.synced(&mut state, synced.0, synced.1);
            for removal in removals {
                change.remove(&mut state, removal);
            }
            let answers = attempts
                .iter()
                .map(|sequence| change.settle(&mut state, *sequence, now))
                .collect();
            change.finish(&state);
            answers
        };
        change.write(&self.index)?;
        Ok(answers)
    }

    /// Begins a removal: its sequence, and those of the blobs that have anything to remove. Attempts under way at those
    /// blobs will not become shards.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn begin_removal(&self, blobs: &[BlobId]) -> Result<(u64, Vec<BlobId>), IndexError> {
        let _one_change = self.one_change();
        let (sequence, open) = self.lock().begin_removal(blobs);
        let mut found = Vec::new();
        for blob in blobs {
            let shards = self.index.shards_of(*blob)?;
            if open.contains(blob) || shards.iter().any(|(_, row)| row.removed_at.is_none()) {
                found.push(*blob);
            }
        }
        Ok((sequence, found))
    }

    /// The space of these cells was given back, durably: forgets them.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn forget(&self, rows: &[DoomedRow]) -> Result<(), IndexError> {
        let _one_change = self.one_change();
        let mut change = Change::default();
        for row in rows {
            change.load(&self.index, row.blob, row.shard)?;
        }
        {
            let mut state = self.lock();
            for row in rows {
                change.forget(&mut state, row);
            }
            change.finish(&state);
        }
        change.write(&self.index)
    }

    /// Numbers a new segment and opens its account.
    pub fn new_segment(&self) -> u32 {
        let mut state = self.lock();
        state.counters.segment += 1;
        let segment = state.counters.segment;
        state.accounts.open(segment);
        segment
    }

    /// Closes the account of a new segment that could not be made. Its number is not given out again.
    pub fn not_made(&self, segment: u32) {
        self.lock().accounts.close(segment);
    }

    /// Notes that nothing will be written to the segment any more, and that it is synced up to its end.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn sealed(&self, segment: u32, end: u64) -> Result<(), IndexError> {
        let _one_change = self.one_change();
        let mut change = Change::default();
        {
            let mut state = self.lock();
            change.synced(&mut state, segment, end);
            state.accounts.seal(segment);
            change.finish(&state);
        }
        change.write(&self.index)
    }

    /// The sealed segments in which nothing is left that counts.
    pub fn empty_segments(&self) -> Vec<u32> {
        self.lock().accounts.empty_segments()
    }

    /// The segment's file is gone: forgets it.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn forget_segment(&self, segment: u32) -> Result<(), IndexError> {
        let _one_change = self.one_change();
        let mut change = Change::default();
        {
            let mut state = self.lock();
            change.forget_segment(&mut state, segment);
            change.finish(&state);
        }
        change.write(&self.index)
    }

    /// Bytes that live, and bytes that wait to be given back.
    pub fn totals(&self) -> Totals {
        self.lock().accounts.totals()
    }

    /// The table to write when the group is raised to this epoch; `None` when it is there already.
    pub fn raised_epochs(&self, group: PlacementGroupId, epoch: Epoch) -> Option<EpochTable> {
        let mut table = self.lock().advanced.clone();
        table.raise(group, epoch).then_some(table)
    }

    /// The group was raised to this epoch, durably.
    pub fn set_epoch(&self, group: PlacementGroupId, epoch: Epoch) {
        self.lock().advanced.raise(group, epoch);
    }

    /// Keeps the space of these blobs until `until` milliseconds of the monotonic clock. At most `limit` blobs are pinned
    /// at a time; whether all were.
    pub fn pin(&self, blobs: &[BlobId], now: u64, until: u64, limit: usize) -> bool {
        let mut state = self.lock();
        state.pins.retain(|_, until| *until > now);
        for blob in blobs {
            if state.pins.len() >= limit && !state.pins.contains_key(blob) {
                return false;
            }
            let lease = state.pins.entry(*blob).or_default();
            *lease = until.max(*lease);
        }
        true
    }

    /// Those of the blobs that are pinned.
    pub fn is_pinned(&self, blob: BlobId, now: u64) -> bool {
        self.lock()
            .pins
            .get(&blob)
            .is_some_and(|until| *until > now)
    }

    fn one_change(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_could_not_be_made_has_no_account() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::new(
            Accounts::default(),
            EpochTable::default(),
            BTreeMap::new(),
            CounterRow::default(),
        );
        let ledger = Ledger::new(Index::open(dir.path()).unwrap(), state);
        let first = ledger.new_segment();
        assert!(ledger.lock().accounts.row(first).is_some());
        ledger.not_made(first);
        assert_eq!(ledger.lock().accounts.row(first), None);
        assert_ne!(ledger.new_segment(), first);
    }
}
