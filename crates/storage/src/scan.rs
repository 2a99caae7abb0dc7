//! Reading a segment record by record.

use std::io;

use cairn_erasure::frame::verify_frames;

use crate::disk::{Disk, is_unreadable};
use crate::record::{HEADER_LEN, Header, Kind, Seed, TABLE_LEN_MAX};

/// Bytes read at once: several small records, or the header of a large one with little too much.
const WINDOW_LEN: usize = 64 * 1024;

const ALIGN: u64 = 64;

/// What a medium fails to read at a time.
const BLOCK_LEN: u64 = 4096;

/// Blocks of a segment that are stepped over. More than some bad places, it is a disk that fails, and what it still has
/// would not be found.
const UNREADABLE_MAX: u32 = 16;

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The segment.
    pub segment: u32,
    /// Where to begin: 0, or the end of a record.
    pub from: u64,
    /// From here on a cell counts only if its data verifies: it may have been written without being synced.
    pub verify_from: u64,
}

/// What was found at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The end of the last record that verifies; what lies behind was never acknowledged.
    pub end: u64,
    /// The segment ends with a seal.
    pub sealed: bool,
    /// Bytes between records that are no records: damage, or writes that a crash cut short.
    pub skipped_bytes: u64,
}

/// A record that was found: its offset, its header, and the frame hashes of a cell.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Where its header is.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// Its frame hashes.
    pub table: &'a [u8],
}

/// Shows the records of a segment in order.
///
/// A place that is no record is stepped over 64 bytes at a time until there is one again: records are bound to disk and
/// segment by a secret, so users' bytes are never taken for one. A place that cannot be read is stepped over, too, but not
/// behind `verify_from`, where the end of what was acknowledged is looked for.
///
/// Cost: one read of 64 KiB for each large record, one pass over the data behind `verify_from`.
///
/// # Errors
/// The disk's.
pub fn scan(
    disk: &dyn Disk,
    seed: Seed,
    span: Span,
    mut visit: impl FnMut(Found<'_>),
) -> io::Result<End> {
    let len = disk.segment_len(span.segment)?;
    let mut window = Window {
        disk,
        segment: span.segment,
        start: 0,
        bytes: Vec::new(),
    };
    let mut found_end = End {
        end: span.from,
        sealed: false,
        skipped_bytes: 0,
    };
    let mut at = span.from;
    let mut unreadable = 0;
    while at + ALIGN <= len {
        let (header, table) = match window.record_at(seed, span, len, at) {
            Ok(Some(found)) => found,
            Ok(None) => {
                at += ALIGN;
                continue;
            }
            Err(error) => {
                unreadable += 1;
                let is_harmless = is_unreadable(&error) && at < span.verify_from;
                if !is_harmless || unreadable > UNREADABLE_MAX {
                    return Err(error);
                }
                tracing::warn!(segment = span.segment, offset = at, %error, "a place in a segment cannot be read");
                at = (at + 1).next_multiple_of(BLOCK_LEN);
                continue;
            }
        };
        visit(Found {
            offset: at,
            header,
            table: &table,
        });
        found_end.skipped_bytes += at - found_end.end;
        found_end.sealed = header.kind == Kind::Seal;
        at += header.record_len();
        found_end.end = at;
    }
    Ok(found_end)
}

/// Whether the segment ends with a seal: then all of it was synced.
///
/// # Errors
/// The disk's.
pub fn is_sealed(disk: &dyn Disk, seed: Seed, segment: u32) -> io::Result<bool> {
    let len = disk.segment_len(segment)?;
    let Some(at) = len.checked_sub(ALIGN) else {
        return Ok(false);
    };
    let bytes = disk.read(segment, at, HEADER_LEN)?;
    let header = Header::parse(&bytes).and_then(|parsed| parsed.verify(seed, segment, &[]));
    Ok(header.is_some_and(|header| header.kind == Kind::Seal))
}

/// A stretch of the segment in memory.
struct Window<'a> {
    disk: &'a dyn Disk,
    segment: u32,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn record_at(
        &mut self,
        seed: Seed,
        span: Span,
        len: u64,
        at: u64,
    ) -> io::Result<Option<(Header, Vec<u8>)>> {
        let head = self.get(at, HEADER_LEN + TABLE_LEN_MAX)?;
        let Some((parsed, table)) = Header::parse(head).and_then(|parsed| {
            let table = head.get(HEADER_LEN..HEADER_LEN + parsed.table_len())?;
            Some((parsed, table.to_vec()))
        }) else {
            return Ok(None);
        };
        let Some(header) = parsed.verify(seed, self.segment, &table) else {
            return Ok(None);
        };
        if at + header.record_len() > len {
            return Ok(None);
        }
        if header.kind.is_cell() && at >= span.verify_from && !self.verify(&header, &table, at)? {
            return Ok(None);
        }
        Ok(Some((header, table)))
    }

    fn verify(&mut self, header: &Header, table: &[u8], at: u64) -> io::Result<bool> {
        let skip = header.data_start();
        let bytes = self.get(at, skip + header.data_len())?;
        let data = bytes.get(skip..).unwrap_or_default();
        let checked = verify_frames(header.blob, header.stripe, header.shard, 0, data, table);
        Ok(data.len() == header.data_len() && checked.is_ok())
    }

    /// `len` bytes at `at`, fewer where the segment ends.
    fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let is_inside = |window: &Self| {
            let skip = usize::try_from(at.checked_sub(window.start)?).ok()?;
            (skip + len <= window.bytes.len()).then_some(skip)
        };
        let skip = if let Some(skip) = is_inside(self) {
            skip
        } else {
            self.bytes = match self.disk.read(self.segment, at, len.max(WINDOW_LEN)) {
                // What is read along may be what cannot be read.
                Err(error) if is_unreadable(&error) => self.disk.read(self.segment, at, len)?,
                read => read?,
            };
            self.start = at;
            0
        };
        let end = self.bytes.len().min(skip + len);
        Ok(self.bytes.get(skip..end).unwrap_or_default())
    }
}
