//! Reading cells, and not believing a byte of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cairn_erasure::frame::{FRAME_LEN, verify_frames};
use cairn_types::id::BlobId;

use super::{Core, Outage};
use crate::index::rows::{CellPlace, ShardRow};
use crate::pool::PoolError;
use crate::record::{HEADER_LEN, Header};

/// So much data in front of the wanted frames is read along rather than left out by a second read.
const READ_THROUGH_LEN: usize = 128 * 1024;

/// How often a shard that is replaced meanwhile is looked up again.
const TRIES: usize = 3;

/// A read that gives no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The disk does not have the shard.
    #[error("the disk does not have this shard")]
    Missing,
    /// It has it, and the cell is damaged or cannot be read.
    #[error("cell {stripe} is damaged")]
    Damaged {
        /// The cell's stripe.
        stripe: u32,
    },
    /// The shard has no such cell, or the cell no such frames.
    #[error("the shard has no such frames")]
    OutOfRange,
    /// The disk is out of service.
    #[error("the disk is out of service: {0}")]
    OutOfService(String),
}

/// Frames of one cell that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The stripe.
    pub stripe: u32,
    /// The first frame within the cell.
    pub first_frame: u32,
    /// How many; 0: to the end of the cell.
    pub frame_count: u32,
}

/// Frames that verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFrames {
    /// The stripe.
    pub stripe: u32,
    /// The first frame within the cell.
    pub first_frame: u32,
    /// Whole frames; the cell's last may be shorter.
    pub data: Bytes,
    /// 16 bytes for each of them.
    pub hashes: Bytes,
    /// Bytes of the whole cell.
    pub cell_len: u32,
}

/// A shard that was found on the disk.
#[derive(Debug, Clone)]
pub struct Located {
    blob: BlobId,
    shard: u8,
    row: Arc<ShardRow>,
}

impl From<PoolError> for ReadError {
    fn from(error: PoolError) -> Self {
        Self::OutOfService(error.to_string())
    }
}

impl From<Outage> for ReadError {
    fn from(outage: Outage) -> Self {
        Self::OutOfService(outage.0)
    }
}

/// Looks a shard up. Removed ones are found until their space is given back.
pub(super) fn find(core: &Core, blob: BlobId, shard: u8) -> Result<Located, ReadError> {
    core.check_service()?;
    let row = core.ledger.index().shard(blob, shard);
    let row = row.map_err(|error| core.index_failed(&error))?;
    Ok(Located {
        blob,
        shard,
        row: Arc::new(row.ok_or(ReadError::Missing)?),
    })
}

/// Reads and verifies one slice.
///
/// Bytes that do not verify are either damaged, or the shard went away or was written anew since it was looked up; the
/// index tells which.
pub(super) fn read(core: &Core, located: &Located, slice: Slice) -> Result<CellFrames, ReadError> {
    core.check_service()?;
    let mut located = located.clone();
    for _ in 0..TRIES {
        let index = usize::try_from(slice.stripe).map_err(|_| ReadError::OutOfRange)?;
        let place = *located.row.cells.get(index).ok_or(ReadError::OutOfRange)?;
        let wanted = Wanted::new(slice, place)?;
        match wanted.read(core, &located, place) {
            Ok(Some(frames)) => return Ok(frames),
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => core.read_failed(place.segment, u64::from(place.offset), &error)?,
        }
        let again = find(core, located.blob, located.shard)?;
        if again.row.sequence == located.row.sequence {
            return Err(blame(core, &again, slice.stripe));
        }
        located = again;
    }
    Err(ReadError::Missing)
}

/// The same shard as before, and its bytes do not verify.
fn blame(core: &Core, located: &Located, stripe: u32) -> ReadError {
    if let Some(removed_at) = located.row.removed_at
        && removed_at.saturating_add(core.grace_ms()) <= core.now()
    {
        // Its space was being given back just now.
        return ReadError::Missing;
    }
    core.counts.damaged_cells.inc();
    core.counts.damaged_here.fetch_add(1, Ordering::Relaxed);
    tracing::warn!(
        disk = %core.label.disk,
        blob = %located.blob,
        shard = located.shard,
        stripe,
        "cell is damaged"
    );
    ReadError::Damaged { stripe }
}

/// A slice in bytes of its cell's data.
struct Wanted {
    slice: Slice,
    from: usize,
    to: usize,
}

impl Wanted {
    fn new(slice: Slice, place: CellPlace) -> Result<Self, ReadError> {
        if place.data_len == 0 {
            // The index was rebuilt without this cell.
            return Err(ReadError::Damaged {
                stripe: slice.stripe,
            });
        }
        let cell_len = usize::try_from(place.data_len).map_err(|_| ReadError::OutOfRange)?;
        let frames = |count: u32| {
            usize::try_from(count)
                .ok()
                .and_then(|count| count.checked_mul(FRAME_LEN))
                .ok_or(ReadError::OutOfRange)
        };
        let from = frames(slice.first_frame)?;
        let to = if slice.frame_count == 0 {
            cell_len
        } else {
            cell_len.min(from.saturating_add(frames(slice.frame_count)?))
        };
        let is_inside = from < to
            && (slice.frame_count == 0
                || (to - from).div_ceil(FRAME_LEN) * FRAME_LEN == frames(slice.frame_count)?);
        if is_inside {
            Ok(Self { slice, from, to })
        } else {
            Err(ReadError::OutOfRange)
        }
    }

    /// The frames, or `None` when what is there is not what should be.
    fn read(
        &self,
        core: &Core,
        located: &Located,
        place: CellPlace,
    ) -> std::io::Result<Option<CellFrames>> {
        let stripe = self.slice.stripe;
        let expected = Expected {
            located,
            place,
            stripe,
        };
        let data_start = HEADER_LEN + expected.table_len();
        let offset = u64::from(place.offset);
        let reads_through = self.from <= READ_THROUGH_LEN;
        let first_len = data_start + if reads_through { self.to } else { 0 };
        let first = Bytes::from(core.disk.read(place.segment, offset, first_len)?);
        core.counts.read_bytes.inc_by(to_u64(first.len()));
        let Some(table) = expected.table(core, &first) else {
            return Ok(None);
        };
        let data = if reads_through {
            cut(&first, data_start + self.from, data_start + self.to)
        } else {
            let at = offset + to_u64(data_start + self.from);
            let data = core.disk.read(place.segment, at, self.to - self.from)?;
            core.counts.read_bytes.inc_by(to_u64(data.len()));
            Bytes::from(data)
        };
        if data.len() != self.to - self.from {
            return Ok(None);
        }
        let first_hash = self.from / FRAME_LEN * 16;
        let hashes = cut(
            &table,
            first_hash,
            first_hash + data.len().div_ceil(FRAME_LEN) * 16,
        );
        let (blob, shard) = (located.blob, located.shard);
        let first_frame = self.slice.first_frame;
        if verify_frames(blob, stripe, shard, first_frame, &data, &hashes).is_err() {
            return Ok(None);
        }
        Ok(Some(CellFrames {
            stripe,
            first_frame,
            data,
            hashes,
            cell_len: place.data_len,
        }))
    }
}

/// The cell that should be there.
struct Expected<'a> {
    located: &'a Located,
    place: CellPlace,
    stripe: u32,
}

impl Expected<'_> {
    fn table_len(&self) -> usize {
        let cell_len = usize::try_from(self.place.data_len).expect("32 bits fit");
        cell_len.div_ceil(FRAME_LEN) * 16
    }

    /// The frame hashes behind a header that is the right one.
    fn table(&self, core: &Core, bytes: &Bytes) -> Option<Bytes> {
        let table = cut(bytes, HEADER_LEN, HEADER_LEN + self.table_len());
        let header = Header::parse(bytes)?.verify(core.seed, self.place.segment, &table)?;
        let is_right = header.kind.is_cell()
            && header.blob == self.located.blob
            && header.shard == self.located.shard
            && header.stripe == self.stripe
            && header.data_len == self.place.data_len
            && header.sequence == self.located.row.sequence;
        is_right.then_some(table)
    }
}

/// A part of the bytes, shorter where they end.
fn cut(bytes: &Bytes, from: usize, to: usize) -> Bytes {
    let to = to.min(bytes.len());
    bytes.slice(from.min(to)..to)
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).expect("a length")
}
