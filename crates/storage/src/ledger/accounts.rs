//! Bytes by segment: what lives, what waits to be given back, and what is being written.

use std::collections::BTreeMap;

use crate::index::rows::{CellPlace, DoomedRow, SegmentRow};

/// Bytes of records on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Of shards that are not removed.
    pub live_bytes: u64,
    /// Of cells whose space is to be given back.
    pub doomed_bytes: u64,
}

/// The accounts of all segments of a disk.
#[derive(Debug, Default)]
pub struct Accounts {
    segments: BTreeMap<u32, Account>,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Account {
    live_bytes: u64,
    doomed_bytes: u64,
    /// Doomed rows that need a tombstone in this segment.
    tombstones: u64,
    synced: u64,
    sealed: bool,
    /// By attempt under way, the offset of its first cell here.
    held: BTreeMap<u64, u32>,
}

impl Accounts {
    /// Opens the account of an empty segment.
    pub fn open(&mut self, segment: u32) {
        self.segments.entry(segment).or_default();
    }

    /// Closes the account of a segment that is gone.
    pub fn close(&mut self, segment: u32) {
        self.segments.remove(&segment);
    }

    /// The segment is durable up to there.
    pub fn synced(&mut self, segment: u32, end: u64) {
        if let Some(account) = self.segments.get_mut(&segment) {
            account.synced = account.synced.max(end);
        }
    }

    /// Nothing more will be written to the segment.
    pub fn seal(&mut self, segment: u32) {
        if let Some(account) = self.segments.get_mut(&segment) {
            account.sealed = true;
        }
    }

    /// An attempt has written a cell.
    pub fn hold(&mut self, sequence: u64, place: CellPlace) {
        if let Some(account) = self.segments.get_mut(&place.segment) {
            account.held.entry(sequence).or_insert(place.offset);
        }
    }

    /// An attempt is over.
    pub fn release(&mut self, sequence: u64, cells: &[CellPlace]) {
        for cell in cells {
            if let Some(account) = self.segments.get_mut(&cell.segment) {
                account.held.remove(&sequence);
            }
        }
    }

    /// These cells live from now on.
    pub fn living(&mut self, cells: &[CellPlace]) {
        for cell in cells {
            if let Some(account) = self.segments.get_mut(&cell.segment) {
                account.live_bytes += cell.record_len();
                self.totals.live_bytes += cell.record_len();
            }
        }
    }

    /// These cells lived, and are doomed from now on.
    pub fn doomed(&mut self, row: &DoomedRow) {
        for cell in &row.cells {
            if let Some(account) = self.segments.get_mut(&cell.segment) {
                let len = cell.record_len();
                account.live_bytes = account.live_bytes.saturating_sub(len);
                account.doomed_bytes += len;
                self.totals.live_bytes = self.totals.live_bytes.saturating_sub(len);
                self.totals.doomed_bytes += len;
            }
        }
        if let Some(account) = self.tombstone(row) {
            account.tombstones += 1;
        }
    }

    /// The space of these cells was given back.
    pub fn freed(&mut self, row: &DoomedRow) {
        for cell in &row.cells {
            if let Some(account) = self.segments.get_mut(&cell.segment) {
                let len = cell.record_len();
                account.doomed_bytes = account.doomed_bytes.saturating_sub(len);
                self.totals.doomed_bytes = self.totals.doomed_bytes.saturating_sub(len);
            }
        }
        if let Some(account) = self.tombstone(row) {
            account.tombstones = account.tombstones.saturating_sub(1);
        }
    }

    /// Sealed segments in which nothing is left that counts.
    pub fn empty_segments(&self) -> Vec<u32> {
        self.segments
            .iter()
            .filter(|(_, account)| {
                account.sealed
                    && account.live_bytes == 0
                    && account.doomed_bytes == 0
                    && account.tombstones == 0
                    && account.held.is_empty()
            })
            .map(|(segment, _)| *segment)
            .collect()
    }

    /// What the index is to say of a segment.
    pub fn row(&self, segment: u32) -> Option<SegmentRow> {
        let account = self.segments.get(&segment)?;
        let held = account.held.values().min().copied().unwrap_or(u32::MAX);
        let synced = u32::try_from(account.synced).expect("segments are at most 1 GiB");
        Some(SegmentRow {
            indexed_up_to: held.min(synced),
            sealed: account.sealed,
        })
    }

    /// Bytes of the whole disk.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn tombstone(&mut self, row: &DoomedRow) -> Option<&mut Account> {
        self.segments.get_mut(&row.tombstone_segment?)
    }
}
