//! Making the index agree with the segments when a disk is opened.
//!
//! Normally only what lies behind each segment's mark is read: the little that was written since the index was last on
//! stable media. Without a whole index, all segments are read from their start. Either way the same rules hold:
//!
//! - An attempt all of whose cells are found is a shard, unless a tombstone of a higher sequence names its blob. Of several
//!   (they have the same root) the newest counts.
//! - An attempt that is not whole was never acknowledged, and its cells are doomed. Only when the index was lost, too, an
//!   attempt may look so because one of its cells is damaged: if its last cell lies where all was synced, it is a shard
//!   with a cell missing, and otherwise its bytes are left alone.
//! - What lies behind the last record of a segment was never acknowledged and is cut off.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use cairn_erasure::ShardRoot;
use cairn_types::id::{BlobId, Epoch, PlacementGroupId};

use crate::disk::Disk;
use crate::epochs::{self, EpochTable, EpochTableError};
use crate::index::rows::{CellPlace, CounterRow, DoomedRow, SegmentRow, ShardRow};
use crate::index::{Batch, Index, IndexError};
use crate::ledger::{Accounts, Ledger, State};
use crate::record::{Header, Kind, RECORD_LEN_MAX, Seed};
use crate::scan::{Found, Span, is_sealed, scan};

/// More than a writer leaves unsynced: what lies before the last so many bytes of a segment is durable.
const UNSYNCED_LEN_MAX: u64 = 64 << 20;

/// Rows written at once while rebuilding.
const BATCH_LEN: usize = 4096;

/// Why a disk cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The disk cannot be read or written.
    #[error("read the segments: {0}")]
    Io(#[from] io::Error),
    /// The index can be neither opened nor made again.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The epochs are damaged.
    #[error(transparent)]
    Epochs(#[from] EpochTableError),
}

/// A disk as it was found.
#[derive(Debug)]
pub struct Recovered {
    /// Index and accounts.
    pub ledger: Ledger,
    /// Segments that can be written on, with their ends: at most `writers` of them.
    pub open: Vec<(u32, u64)>,
    /// What was done, for the log.
    pub report: Report,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// The index was made anew from the segments.
    pub rebuilt: bool,
    /// Records that were read again.
    pub records: u64,
    /// Shards that were put into the index.
    pub shards: u64,
    /// Bytes between and behind records that are no records.
    pub skipped_bytes: u64,
}

/// Opens the index of a disk, makes it anew if it is lost or damaged, and brings it up to date. An index that cannot be
/// opened for another reason is left as it is.
///
/// `segment_len_bytes` and `writers` say which segments are written on; `now` is when what is found replaced counts as
/// doomed. Blocks. Cost: one pass over the index, and the tails of the segments.
///
/// # Errors
/// See [`RecoveryError`].
pub fn recover(
    disk: &dyn Disk,
    seed: Seed,
    segment_len_bytes: u64,
    writers: usize,
    now: u64,
) -> Result<Recovered, RecoveryError> {
    let advanced = match disk.read_file(epochs::FILE_NAME)? {
        None => EpochTable::default(),
        Some(content) => EpochTable::decode(&content)?,
    };
    let bring_up_to_date = |index: Index, known: Known| {
        let mut recovery = Recovery::new(disk, seed, index, known, now)?;
        recovery.scan_all()?;
        recovery.resolve()?;
        recovery.finish(advanced.clone(), segment_len_bytes, writers)
    };
    let found = match open_whole(disk) {
        Ok(None) => None,
        Ok(Some((index, known))) => match bring_up_to_date(index, known) {
            Err(RecoveryError::Index(error)) if error.is_damage() => Some(error),
            result => return result,
        },
        Err(error) if error.is_damage() => Some(error),
        // It may be whole, and reading all segments may take hours.
        Err(error) => return Err(error.into()),
    };
    if let Some(error) = found {
        tracing::warn!(%error, "the index of a disk is damaged and is made anew");
    }
    let (index, known) = anew(disk)?;
    bring_up_to_date(index, known)
}

/// What the index knew.
#[derive(Default)]
struct Known {
    whole: bool,
    segments: BTreeMap<u32, SegmentRow>,
    seen: BTreeMap<PlacementGroupId, Epoch>,
    counters: CounterRow,
    doomed: Vec<DoomedRow>,
}

/// The index, if it is there and was made whole.
fn open_whole(disk: &dyn Disk) -> Result<Option<(Index, Known)>, IndexError> {
    let index = Index::open(disk.index_dir())?;
    if !index.is_whole()? {
        return Ok(None);
    }
    let known = Known {
        whole: true,
        segments: index.segments()?,
        seen: index.epochs()?,
        counters: index.counters()?,
        doomed: index.doomed(u64::MAX, usize::MAX)?,
    };
    Ok(Some((index, known)))
}

fn anew(disk: &dyn Disk) -> Result<(Index, Known), RecoveryError> {
    match std::fs::remove_dir_all(disk.index_dir()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok((Index::open(disk.index_dir())?, Known::default()))
}

struct Recovery<'a> {
    disk: &'a dyn Disk,
    seed: Seed,
    index: Index,
    known: Known,
    now: u64,
    segments: BTreeMap<u32, Tail>,
    attempts: HashMap<(BlobId, u8, u64), Attempt>,
    /// By blob, the highest sequence of a tombstone, with its time and segment.
    tombstones: HashMap<BlobId, (u64, u64, u32)>,
    /// Sequences of attempts whose cells are doomed already.
    doomed: BTreeSet<u64>,
    batch: Batch,
    pending: BTreeMap<(BlobId, u8), ShardRow>,
    report: Report,
}

/// What is known of a segment.
struct Tail {
    from: u64,
    len: u64,
    end: u64,
    sealed: bool,
}

/// Cells of an attempt that were found.
#[derive(Default)]
struct Attempt {
    epoch: u64,
    cells: BTreeMap<u32, (CellPlace, Box<[u8]>)>,
    last: Option<u32>,
    /// The last cell lies where all is durable, so the others were too.
    was_whole: bool,
}

impl Attempt {
    fn is_whole(&self) -> bool {
        self.last
            .and_then(|last| usize::try_from(last).ok())
            .is_some_and(|last| self.cells.len() == last + 1)
    }

    /// The shard that it is. Stripes that were not found stand as empty places, and the root is another than it was: a
    /// census sees that the shard is not what it should be.
    fn into_row(self, sequence: u64) -> ShardRow {
        let mut root = ShardRoot::new();
        let mut cells = Vec::with_capacity(self.cells.len());
        for (stripe, (place, table)) in self.cells {
            while u32::try_from(cells.len()).is_ok_and(|next| next < stripe) {
                cells.push(CellPlace {
                    segment: place.segment,
                    offset: place.offset,
                    data_len: 0,
                });
            }
            root.update(&table);
            cells.push(place);
        }
        ShardRow {
            removed_at: None,
            epoch: Epoch::new(self.epoch),
            sequence,
            root: root.finish(),
            cells,
        }
    }
}

impl<'a> Recovery<'a> {
    fn new(
        disk: &'a dyn Disk,
        seed: Seed,
        index: Index,
        known: Known,
        now: u64,
    ) -> Result<Self, RecoveryError> {
        let mut segments = BTreeMap::new();
        for segment in disk.segments()? {
            let row = known.segments.get(&segment);
            let len = disk.segment_len(segment)?;
            let from = row.map_or(0, |row| u64::from(row.indexed_up_to)).min(len);
            let sealed = match row {
                Some(row) => row.sealed,
                None => is_sealed(disk, seed, segment)?,
            };
            segments.insert(
                segment,
                Tail {
                    from,
                    len,
                    end: from,
                    sealed,
                },
            );
        }
        let doomed = known.doomed.iter().map(|row| row.sequence).collect();
        Ok(Self {
            disk,
            seed,
            index,
            known,
            now,
            segments,
            attempts: HashMap::new(),
            tombstones: HashMap::new(),
            doomed,
            batch: Batch::default(),
            pending: BTreeMap::new(),
            report: Report::default(),
        })
    }

    fn scan_all(&mut self) -> Result<(), RecoveryError> {
        self.report.rebuilt = !self.known.whole && !self.segments.is_empty();
        let numbers: Vec<u32> = self.segments.keys().copied().collect();
        for number in numbers {
            self.known.counters.segment = self.known.counters.segment.max(number);
            let Some(tail) = self.segments.get(&number) else {
                continue;
            };
            let (from, len) = (tail.from, tail.len);
            if from == len {
                continue;
            }
            // What is read may be in memory only, if the process was killed; the index must never know more than the disk.
            self.disk.sync(number)?;
            let verify_from = match (tail.sealed, self.known.whole) {
                (true, _) => u64::MAX,
                (false, true) => from,
                (false, false) => len.saturating_sub(UNSYNCED_LEN_MAX + RECORD_LEN_MAX),
            };
            let span = Span {
                segment: number,
                from,
                verify_from,
            };
            let (disk, seed) = (self.disk, self.seed);
            let mut whole = Vec::new();
            let found = scan(disk, seed, span, |found| {
                whole.extend(self.take(span, found));
            })?;
            self.report.skipped_bytes += found.skipped_bytes + (len - found.end);
            if let Some(tail) = self.segments.get_mut(&number) {
                tail.end = found.end;
                tail.sealed |= found.sealed;
            }
            for key in whole {
                self.put(key)?;
            }
        }
        Ok(())
    }

    /// Takes a record in; the attempt that it makes whole.
    fn take(&mut self, span: Span, found: Found<'_>) -> Option<(BlobId, u8, u64)> {
        let Header {
            kind,
            blob,
            shard,
            sequence,
            ..
        } = found.header;
        let segment = span.segment;
        self.report.records += 1;
        let counters = &mut self.known.counters;
        counters.sequence = counters.sequence.max(sequence);
        match kind {
            Kind::Dead | Kind::Seal => None,
            Kind::Tombstone => {
                let tombstone = (sequence, found.header.epoch, segment);
                let newest = self.tombstones.entry(blob).or_insert(tombstone);
                *newest = tombstone.max(*newest);
                None
            }
            Kind::Cell | Kind::LastCell => {
                let epoch = Epoch::new(found.header.epoch);
                let seen = self
                    .known
                    .seen
                    .entry(blob.placement_group())
                    .or_insert(epoch);
                if epoch > *seen {
                    *seen = epoch;
                }
                let place = CellPlace {
                    segment,
                    offset: u32::try_from(found.offset).expect("segments are at most 1 GiB"),
                    data_len: found.header.data_len,
                };
                let key = (blob, shard, sequence);
                let attempt = self.attempts.entry(key).or_default();
                attempt.epoch = found.header.epoch;
                attempt
                    .cells
                    .insert(found.header.stripe, (place, found.table.into()));
                if kind == Kind::LastCell {
                    attempt.last = Some(found.header.stripe);
                    attempt.was_whole = found.offset < span.verify_from;
                }
                attempt.is_whole().then_some(key)
            }
        }
    }

    /// Puts a whole attempt into the index.
    fn put(&mut self, key: (BlobId, u8, u64)) -> Result<(), RecoveryError> {
        let Some(attempt) = self.attempts.remove(&key) else {
            return Ok(());
        };
        let (blob, shard, sequence) = key;
        let existing = match self.pending.get(&(blob, shard)) {
            Some(row) => Some(row.clone()),
            None => self.index.shard(blob, shard)?,
        };
        let existing_sequence = existing.as_ref().map(|row| row.sequence);
        if existing_sequence == Some(sequence) || self.doomed.contains(&sequence) {
            return Ok(());
        }
        let row = attempt.into_row(sequence);
        if existing_sequence.is_some_and(|existing| existing > sequence) {
            self.doom(blob, shard, &row, self.now, None);
            return Ok(());
        }
        if let Some(old) = existing.filter(|old| old.removed_at.is_none()) {
            self.doom(blob, shard, &old, self.now, None);
        }
        self.batch.put_shard(blob, shard, &row);
        self.pending.insert((blob, shard), row);
        self.report.shards += 1;
        self.write_if_long(BATCH_LEN)
    }

    fn doom(
        &mut self,
        blob: BlobId,
        shard: u8,
        row: &ShardRow,
        since: u64,
        tombstone_segment: Option<u32>,
    ) {
        if self.doomed.insert(row.sequence) {
            self.batch.put_doomed(&DoomedRow {
                since,
                sequence: row.sequence,
                blob,
                shard,
                tombstone_segment,
                cells: row.cells.clone(),
            });
        }
    }

    fn write_if_long(&mut self, limit: usize) -> Result<(), RecoveryError> {
        if self.batch.len() >= limit {
            self.index.write(std::mem::take(&mut self.batch))?;
            self.pending.clear();
        }
        Ok(())
    }

    /// Decides on what was not whole, and applies tombstones.
    fn resolve(&mut self) -> Result<(), RecoveryError> {
        // What is whole is in the index before it is asked whether there is anything better than what is not.
        self.write_if_long(1)?;
        let mut rest: Vec<_> = std::mem::take(&mut self.attempts).into_iter().collect();
        rest.sort_by_key(|((_, _, sequence), _)| *sequence);
        for (key, attempt) in rest {
            self.resolve_attempt(key, attempt)?;
        }
        self.write_if_long(1)?;
        let mut tombstones: Vec<_> = std::mem::take(&mut self.tombstones).into_iter().collect();
        tombstones.sort_by_key(|(_, (sequence, _, _))| *sequence);
        for (blob, (sequence, removed_at, segment)) in tombstones {
            for (shard, mut row) in self.index.shards_of(blob)? {
                if row.removed_at.is_none() && row.sequence < sequence {
                    self.doom(blob, shard, &row, removed_at, Some(segment));
                    row.removed_at = Some(removed_at);
                    self.batch.put_shard(blob, shard, &row);
                }
            }
            self.write_if_long(BATCH_LEN)?;
        }
        self.write_if_long(1)
    }

    fn resolve_attempt(
        &mut self,
        key: (BlobId, u8, u64),
        attempt: Attempt,
    ) -> Result<(), RecoveryError> {
        let (blob, shard, sequence) = key;
        let existing = self.index.shard(blob, shard)?;
        if self.doomed.contains(&sequence)
            || existing
                .as_ref()
                .is_some_and(|row| row.sequence == sequence)
        {
            // Settled before: only some of its cells lie behind the mark.
            return Ok(());
        }
        if self.known.whole {
            self.doom(blob, shard, &attempt.into_row(sequence), 0, None);
        } else if attempt.was_whole && existing.is_none() {
            tracing::warn!(%blob, shard, "a shard was found with cells missing");
            self.attempts.insert(key, attempt);
            self.put(key)?;
        }
        Ok(())
    }

    /// Cuts off what was never acknowledged, closes segments that will not be written on, and opens the accounts.
    fn finish(
        mut self,
        advanced: EpochTable,
        segment_len_bytes: u64,
        writers: usize,
    ) -> Result<Recovered, RecoveryError> {
        let mut open = Vec::new();
        let mut accounts = Accounts::default();
        let numbers: Vec<u32> = self.segments.keys().rev().copied().collect();
        for number in numbers {
            let Some(tail) = self.segments.get_mut(&number) else {
                continue;
            };
            if !tail.sealed && tail.len > tail.end {
                self.disk.truncate(number, tail.end)?;
                self.disk.sync(number)?;
            }
            let has_room = tail.end + 2 * RECORD_LEN_MAX <= segment_len_bytes;
            if !tail.sealed && has_room && open.len() < writers {
                open.push((number, tail.end));
            } else if !tail.sealed {
                // Synced first: a seal says that all before it is durable.
                self.disk.sync(number)?;
                let seal = Header::seal(number).encode(self.seed, &[]);
                self.disk.write(number, tail.end, &[&seal])?;
                self.disk.sync(number)?;
                tail.sealed = true;
            }
            accounts.open(number);
            accounts.synced(number, tail.end);
            if tail.sealed {
                accounts.seal(number);
            }
            if let Some(row) = accounts.row(number) {
                self.batch.put_segment(number, row);
            }
        }
        let gone = self.known.segments.keys();
        for number in gone.filter(|number| !self.segments.contains_key(number)) {
            self.batch.delete_segment(*number);
        }
        for (group, epoch) in &self.known.seen {
            self.batch.put_epoch(*group, *epoch);
        }
        self.batch.put_counters(self.known.counters);
        self.batch.put_whole();
        self.index.write(self.batch)?;
        fill(&mut accounts, &self.index)?;
        let state = State::new(accounts, advanced, self.known.seen, self.known.counters);
        Ok(Recovered {
            ledger: Ledger::new(self.index, state),
            open,
            report: self.report,
        })
    }
}

/// Counts all shards and doomed cells in. Every row is read: damage of the index is found now, not later.
fn fill(accounts: &mut Accounts, index: &Index) -> Result<(), IndexError> {
    index.visit_shards(BlobId::from_bits(0), 0, |_, _, row| {
        if row.removed_at.is_none() {
            accounts.living(&row.cells);
        }
        true
    })?;
    for row in index.doomed(u64::MAX, usize::MAX)? {
        accounts.living(&row.cells);
        accounts.doomed(&row);
    }
    Ok(())
}
