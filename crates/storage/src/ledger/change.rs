//! A change of the index and of the accounts, in the making.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use cairn_types::id::{BlobId, Epoch, PlacementGroupId};

use super::{Attempt, Conflict, Removal, State};
use crate::index::rows::{CellPlace, DoomedRow, ShardRow};
use crate::index::{Batch, Index, IndexError};

/// The rows that a change is about, as they will be.
///
/// Rows are loaded before the state is locked, because reading them may wait for the disk; then the state is changed and
/// the rows with it; then the batch is written.
#[derive(Default)]
pub(super) struct Change {
    batch: Batch,
    shards: BTreeMap<(BlobId, u8), Option<ShardRow>>,
    changed: BTreeSet<(BlobId, u8)>,
    segments: BTreeSet<u32>,
}

impl Change {
    pub(super) fn load(
        &mut self,
        index: &Index,
        blob: BlobId,
        shard: u8,
    ) -> Result<(), IndexError> {
        if let Entry::Vacant(place) = self.shards.entry((blob, shard)) {
            place.insert(index.shard(blob, shard)?);
        }
        Ok(())
    }

    pub(super) fn load_all(&mut self, index: &Index, blob: BlobId) -> Result<(), IndexError> {
        for (shard, row) in index.shards_of(blob)? {
            self.shards.insert((blob, shard), Some(row));
        }
        Ok(())
    }

    /// The segment is durable up to there.
    pub(super) fn synced(&mut self, state: &mut State, segment: u32, end: u64) {
        state.accounts.synced(segment, end);
        self.segments.insert(segment);
    }

    /// Removes what was written before the removal.
    pub(super) fn remove(&mut self, state: &mut State, removal: &Removal) {
        for blob in &removal.blobs {
            let living: Vec<(u8, ShardRow)> = self
                .shards
                .range((*blob, u8::MIN)..=(*blob, u8::MAX))
                .filter_map(|((_, shard), row)| Some((*shard, row.clone()?)))
                .filter(|(_, row)| row.removed_at.is_none() && row.sequence < removal.sequence)
                .collect();
            for (shard, mut row) in living {
                row.removed_at = Some(removal.removed_at);
                self.doom(
                    state,
                    &DoomedRow {
                        since: removal.removed_at,
                        sequence: row.sequence,
                        blob: *blob,
                        shard,
                        tombstone_segment: Some(removal.segment),
                        cells: row.cells.clone(),
                    },
                );
                self.put(*blob, shard, Some(row));
            }
        }
    }

    /// Makes a shard of an attempt whose cells are durable.
    pub(super) fn settle(
        &mut self,
        state: &mut State,
        sequence: u64,
        now: u64,
    ) -> Result<(), Conflict> {
        let attempt = state.attempts.remove(&sequence).ok_or(Conflict::Gone)?;
        let allowed = match (attempt.removed, attempt.closing) {
            (true, _) => Err(Conflict::Removed),
            (false, None) => Err(Conflict::Gone),
            (false, Some(root)) => state
                .check_epoch(attempt.blob, attempt.epoch)
                .map(|()| root),
        };
        let root = match allowed {
            Ok(root) => root,
            Err(conflict) => {
                self.doom_attempt(state, sequence, attempt);
                return Err(conflict);
            }
        };
        let (blob, shard) = (attempt.blob, attempt.shard);
        let old = self.shards.remove(&(blob, shard)).flatten();
        if let Some(old) = old.filter(|old| old.removed_at.is_none()) {
            // The same content again: a repair, or a retry. The new cells are known to be good.
            self.doom(
                state,
                &DoomedRow {
                    since: now,
                    sequence: old.sequence,
                    blob,
                    shard,
                    tombstone_segment: None,
                    cells: old.cells,
                },
            );
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
        self.put(blob, shard, Some(row));
        Ok(())
    }

    /// Gives an attempt up.
    pub(super) fn doom_attempt(&mut self, state: &mut State, sequence: u64, attempt: Attempt) {
        self.release(state, sequence, &attempt.cells);
        if attempt.cells.is_empty() {
            return;
        }
        state.accounts.living(&attempt.cells);
        self.doom(
            state,
            &DoomedRow {
                since: 0,
                sequence,
                blob: attempt.blob,
                shard: attempt.shard,
                tombstone_segment: None,
                cells: attempt.cells,
            },
        );
    }

    /// Forgets cells whose space was given back.
    pub(super) fn forget(&mut self, state: &mut State, row: &DoomedRow) {
        let existing = self.shards.get(&(row.blob, row.shard));
        let existing = existing.and_then(Option::as_ref);
        if existing.is_some_and(|existing| existing.sequence == row.sequence) {
            self.put(row.blob, row.shard, None);
        }
        self.batch.delete_doomed(row);
        state.accounts.freed(row);
    }

    /// Forgets a segment whose file is gone.
    pub(super) fn forget_segment(&mut self, state: &mut State, segment: u32) {
        state.accounts.close(segment);
        self.batch.delete_segment(segment);
    }

    /// Puts everything into the batch.
    pub(super) fn finish(&mut self, state: &State) {
        for key in &self.changed {
            match self.shards.get(key).and_then(Option::as_ref) {
                Some(row) => self.batch.put_shard(key.0, key.1, row),
                None => self.batch.delete_shard(key.0, key.1),
            }
        }
        for segment in &self.segments {
            if let Some(row) = state.accounts.row(*segment) {
                self.batch.put_segment(*segment, row);
            }
        }
        self.batch.put_counters(state.counters);
    }

    /// Writes the batch.
    pub(super) fn write(self, index: &Index) -> Result<(), IndexError> {
        index.write(self.batch)
    }

    fn put(&mut self, blob: BlobId, shard: u8, row: Option<ShardRow>) {
        self.shards.insert((blob, shard), row);
        self.changed.insert((blob, shard));
    }

    fn doom(&mut self, state: &mut State, row: &DoomedRow) {
        state.accounts.doomed(row);
        self.batch.put_doomed(row);
    }

    fn see_epoch(&mut self, state: &mut State, group: PlacementGroupId, epoch: Epoch) {
        if state.seen.get(&group).is_none_or(|seen| *seen < epoch) {
            state.seen.insert(group, epoch);
            self.batch.put_epoch(group, epoch);
        }
    }

    /// The attempt is settled, one way or the other: its cells no longer hold back how far their segments are indexed.
    fn release(&mut self, state: &mut State, sequence: u64, cells: &[CellPlace]) {
        state.accounts.release(sequence, cells);
        self.segments.extend(cells.iter().map(|cell| cell.segment));
    }
}
