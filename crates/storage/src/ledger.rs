//! What a disk has, what is being written to it, and what is to go: the index and all that must change together with it.
//!
//! One lock covers everything here. It is held while a batch of rows is made and written (some 10 µs), never across a read
//! or a sync of a segment. The order of effects, which every method keeps:
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
use crate::index::rows::{CellPlace, CounterRow, DoomedRow, SegmentRow, ShardRow};
use crate::index::{Batch, Index, IndexError};

mod accounts;

pub use accounts::{Accounts, Totals};

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

    /// How far a segment is indexed: up to what is synced, but not beyond a cell whose attempt is under way.
    fn segment_row(&self, segment: u32) -> Option<SegmentRow> {
        self.accounts.row(segment)
    }
}

impl Ledger {
    /// Puts index and state together.
    pub fn new(index: Index, state: State) -> Self {
        Self {
            index,
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
        let mut state = self.lock();
        let Some(attempt) = state.attempts.get(&sequence) else {
            return Ok(Err(Conflict::Gone));
        };
        if attempt.removed {
            return Ok(Err(Conflict::Removed));
        }
        if let Err(conflict) = state.check_epoch(attempt.blob, attempt.epoch) {
            return Ok(Err(conflict));
        }
        let is_rival = |other: &Attempt| {
            let is_same = other.blob == attempt.blob && other.shard == attempt.shard;
            is_same && !other.removed && other.closing.is_some_and(|other| other != root)
        };
        if state.attempts.values().any(is_rival) {
            return Ok(Err(Conflict::OtherContent));
        }
        let existing = self.index.shard(attempt.blob, attempt.shard)?;
        if existing.is_some_and(|row| row.removed_at.is_none() && row.root != root) {
            return Ok(Err(Conflict::OtherContent));
        }
        if let Some(attempt) = state.attempts.get_mut(&sequence) {
            attempt.closing = Some(root);
        }
        Ok(Ok(()))
    }

    /// Gives up an attempt: its cells are doomed at once.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn abandon(&self, sequence: u64) -> Result<(), IndexError> {
        let mut state = self.lock();
        let Some(attempt) = state.attempts.remove(&sequence) else {
            return Ok(());
        };
        let mut change = Change::default();
        change.doom_attempt(&mut state, sequence, attempt);
        change.write(&self.index, &mut state)
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
        let mut state = self.lock();
        state.accounts.synced(synced.0, synced.1);
        let mut change = Change::default();
        change.segments.insert(synced.0);
        for removal in removals {
            change.remove(&self.index, &mut state, removal)?;
        }
        let mut answers = Vec::with_capacity(attempts.len());
        for sequence in attempts {
            answers.push(change.settle(&self.index, &mut state, *sequence, now)?);
        }
        change.write(&self.index, &mut state)?;
        Ok(answers)
    }

    /// Begins a removal: its sequence, and those of the blobs that have anything to remove. Attempts under way at those
    /// blobs will not become shards.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn begin_removal(&self, blobs: &[BlobId]) -> Result<(u64, Vec<BlobId>), IndexError> {
        let mut state = self.lock();
        state.counters.sequence += 1;
        let sequence = state.counters.sequence;
        let mut open = BTreeSet::new();
        for attempt in state.attempts.values_mut() {
            if blobs.contains(&attempt.blob) {
                attempt.removed = true;
                open.insert(attempt.blob);
            }
        }
        drop(state);
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
        let mut state = self.lock();
        let mut change = Change::default();
        for row in rows {
            let existing = change.shard(&self.index, row.blob, row.shard)?;
            if existing.is_some_and(|existing| existing.sequence == row.sequence) {
                change.shards.insert((row.blob, row.shard), None);
            }
            change.batch.delete_doomed(row);
            state.accounts.freed(row);
        }
        change.write(&self.index, &mut state)
    }

    /// Numbers a new segment and opens its account.
    pub fn new_segment(&self) -> u32 {
        let mut state = self.lock();
        state.counters.segment += 1;
        let segment = state.counters.segment;
        state.accounts.open(segment);
        segment
    }

    /// Notes that nothing will be written to the segment any more, and that it is synced up to its end.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn sealed(&self, segment: u32, end: u64) -> Result<(), IndexError> {
        let mut state = self.lock();
        state.accounts.synced(segment, end);
        state.accounts.seal(segment);
        let mut change = Change::default();
        change.segments.insert(segment);
        change.write(&self.index, &mut state)
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
        let mut state = self.lock();
        state.accounts.close(segment);
        let mut batch = Batch::default();
        batch.delete_segment(segment);
        batch.put_counters(state.counters);
        self.index.write(batch)
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch in the making, and the shards as they will be.
#[derive(Default)]
struct Change {
    batch: Batch,
    shards: BTreeMap<(BlobId, u8), Option<ShardRow>>,
    segments: BTreeSet<u32>,
}

impl Change {
    fn shard(
        &self,
        index: &Index,
        blob: BlobId,
        shard: u8,
    ) -> Result<Option<ShardRow>, IndexError> {
        match self.shards.get(&(blob, shard)) {
            Some(row) => Ok(row.clone()),
            None => index.shard(blob, shard),
        }
    }

    fn remove(
        &mut self,
        index: &Index,
        state: &mut State,
        removal: &Removal,
    ) -> Result<(), IndexError> {
        for blob in &removal.blobs {
            for (shard, _) in index.shards_of(*blob)? {
                let Some(mut row) = self.shard(index, *blob, shard)? else {
                    continue;
                };
                if row.removed_at.is_some() || row.sequence >= removal.sequence {
                    continue;
                }
                row.removed_at = Some(removal.removed_at);
                let doomed = DoomedRow {
                    since: removal.removed_at,
                    sequence: row.sequence,
                    blob: *blob,
                    shard,
                    tombstone_segment: Some(removal.segment),
                    cells: row.cells.clone(),
                };
                state.accounts.doomed(&doomed);
                self.batch.put_doomed(&doomed);
                self.shards.insert((*blob, shard), Some(row));
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        index: &Index,
        state: &mut State,
        sequence: u64,
        now: u64,
    ) -> Result<Result<(), Conflict>, IndexError> {
        let Some(attempt) = state.attempts.remove(&sequence) else {
            return Ok(Err(Conflict::Gone));
        };
        let refusal = match (attempt.removed, attempt.closing) {
            (true, _) => Err(Conflict::Removed),
            (false, None) => Err(Conflict::Gone),
            (false, Some(root)) => state
                .check_epoch(attempt.blob, attempt.epoch)
                .map(|()| root),
        };
        let root = match refusal {
            Ok(root) => root,
            Err(conflict) => {
                self.doom_attempt(state, sequence, attempt);
                return Ok(Err(conflict));
            }
        };
        let (blob, shard) = (attempt.blob, attempt.shard);
        if let Some(old) = self.shard(index, blob, shard)?
            && old.removed_at.is_none()
        {
            // The same content again: a repair, or a retry. The new cells are known to be good.
            let doomed = DoomedRow {
                since: now,
                sequence: old.sequence,
                blob,
                shard,
                tombstone_segment: None,
                cells: old.cells,
            };
            state.accounts.doomed(&doomed);
            self.batch.put_doomed(&doomed);
        }
        self.release(state, sequence, &attempt.cells);
        state.accounts.living(&attempt.cells);
        self.see_epoch(state, blob.placement_group(), attempt.epoch);
        let row = ShardRow {
            removed_at: None,
            epoch: attempt.epoch,
            sequence,
            root,
            cells: attempt.cells,
        };
        self.shards.insert((blob, shard), Some(row));
        Ok(Ok(()))
    }

    fn see_epoch(&mut self, state: &mut State, group: PlacementGroupId, epoch: Epoch) {
        if state.seen.get(&group).is_none_or(|seen| *seen < epoch) {
            state.seen.insert(group, epoch);
            self.batch.put_epoch(group, epoch);
        }
    }

    fn doom_attempt(&mut self, state: &mut State, sequence: u64, attempt: Attempt) {
        self.release(state, sequence, &attempt.cells);
        if attempt.cells.is_empty() {
            return;
        }
        let doomed = DoomedRow {
            since: 0,
            sequence,
            blob: attempt.blob,
            shard: attempt.shard,
            tombstone_segment: None,
            cells: attempt.cells,
        };
        state.accounts.living(&doomed.cells);
        state.accounts.doomed(&doomed);
        self.batch.put_doomed(&doomed);
    }

    /// The attempt is settled, one way or the other: its cells no longer hold back how far their segments are indexed.
    fn release(&mut self, state: &mut State, sequence: u64, cells: &[CellPlace]) {
        state.accounts.release(sequence, cells);
        self.segments.extend(cells.iter().map(|cell| cell.segment));
    }

    fn write(mut self, index: &Index, state: &mut State) -> Result<(), IndexError> {
        for ((blob, shard), row) in &self.shards {
            match row {
                Some(row) => self.batch.put_shard(*blob, *shard, row),
                None => self.batch.delete_shard(*blob, *shard),
            }
        }
        for segment in &self.segments {
            if let Some(row) = state.segment_row(*segment) {
                self.batch.put_segment(*segment, row);
            }
        }
        self.batch.put_counters(state.counters);
        index.write(self.batch)
    }
}
