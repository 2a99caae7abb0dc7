//! The rows of the index and their bytes.

use bytes::{Buf, BufMut};
use cairn_erasure::HASH_LEN;
use cairn_types::id::{BlobId, Epoch};

use crate::record::record_len;

/// The version of the rows' values.
const VERSION: u8 = 1;

/// Where a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellPlace {
    /// The segment.
    pub segment: u32,
    /// Where its record begins.
    pub offset: u32,
    /// Bytes of data; 0 for a cell that was not found when the index was rebuilt.
    pub data_len: u32,
}

impl CellPlace {
    /// Bytes of its record; 0 for a cell that was not found.
    pub fn record_len(&self) -> u64 {
        if self.data_len == 0 {
            0
        } else {
            record_len(self.data_len)
        }
    }
}

/// A shard that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRow {
    /// When it was removed, in milliseconds since 1970; `None` while it lives.
    pub removed_at: Option<u64>,
    /// The epoch of the placement group at its writer.
    pub epoch: Epoch,
    /// The attempt that wrote it.
    pub sequence: u64,
    /// The hash of its frame hashes.
    pub root: [u8; HASH_LEN],
    /// Its cells, by stripe.
    pub cells: Vec<CellPlace>,
}

impl ShardRow {
    /// Bytes of its cells' data.
    pub fn stored_bytes(&self) -> u64 {
        self.cells.iter().map(|cell| u64::from(cell.data_len)).sum()
    }
}

/// Cells whose space is to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoomedRow {
    /// Since when, in milliseconds since 1970; 0 for those that no reader can know of.
    pub since: u64,
    /// The attempt that wrote them.
    pub sequence: u64,
    /// Their blob.
    pub blob: BlobId,
    /// Their shard.
    pub shard: u8,
    /// The segment of the tombstone that keeps them from coming back, if there is one.
    pub tombstone_segment: Option<u32>,
    /// The cells.
    pub cells: Vec<CellPlace>,
}

/// How far a segment is in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRow {
    /// Records before this offset need not be looked at again.
    pub indexed_up_to: u32,
    /// Nothing will be written to it any more.
    pub sealed: bool,
}

/// The counters of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CounterRow {
    /// The highest sequence that was given out.
    pub sequence: u64,
    /// The highest number of a segment that was given out.
    pub segment: u32,
}

/// Rows are sorted by kind, and within a kind by blob or by time.
pub mod key {
    use super::{BlobId, BufMut};

    /// The first byte of shards' keys.
    pub const SHARD: u8 = b's';
    /// The first byte of doomed cells' keys.
    pub const DOOMED: u8 = b'd';
    /// The first byte of segments' keys.
    pub const SEGMENT: u8 = b'g';
    /// The first byte of placement groups' keys.
    pub const EPOCH: u8 = b'p';
    /// The key of the counters.
    pub const COUNTERS: &[u8] = b"n";
    /// The key that says that the index is whole.
    pub const WHOLE: &[u8] = b"v";

    /// `s`, blob, shard: the shards of a placement group are one range.
    pub fn shard(blob: BlobId, shard: u8) -> Vec<u8> {
        let mut key = vec![SHARD];
        key.put_u128(blob.get());
        key.put_u8(shard);
        key
    }

    /// The blob and shard of a key.
    pub fn parse_shard(key: &[u8]) -> Option<(BlobId, u8)> {
        let bytes = <[u8; 18]>::try_from(key).ok()?;
        let [kind, blob @ .., shard] = bytes;
        (kind == SHARD).then(|| (BlobId::from_bits(u128::from_be_bytes(blob)), shard))
    }

    /// `d`, since when, sequence: the longest doomed come first.
    pub fn doomed(since: u64, sequence: u64) -> Vec<u8> {
        let mut key = vec![DOOMED];
        key.put_u64(since);
        key.put_u64(sequence);
        key
    }

    /// `g`, number.
    pub fn segment(segment: u32) -> Vec<u8> {
        numbered(SEGMENT, segment)
    }

    /// `p`, placement group.
    pub fn epoch(placement_group: u32) -> Vec<u8> {
        numbered(EPOCH, placement_group)
    }

    /// The number in a key of four bytes.
    pub fn parse_number(key: &[u8]) -> Option<u32> {
        let [_, number @ ..] = <[u8; 5]>::try_from(key).ok()?;
        Some(u32::from_be_bytes(number))
    }

    fn numbered(kind: u8, number: u32) -> Vec<u8> {
        let mut key = vec![kind];
        key.put_u32(number);
        key
    }
}

impl ShardRow {
    /// Its value.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(42 + self.cells.len() * 12);
        value.put_u8(VERSION);
        value.put_u8(u8::from(self.removed_at.is_some()));
        value.put_u64_le(self.removed_at.unwrap_or(0));
        value.put_u64_le(self.epoch.get());
        value.put_u64_le(self.sequence);
        value.put_slice(&self.root);
        put_cells(&mut value, &self.cells);
        value
    }

    /// Reads its value; `None` when it is damaged.
    pub fn decode(mut value: &[u8]) -> Option<Self> {
        if value.try_get_u8().ok()? != VERSION {
            return None;
        }
        let is_removed = value.try_get_u8().ok()? == 1;
        let removed_at = value.try_get_u64_le().ok()?;
        Some(Self {
            removed_at: is_removed.then_some(removed_at),
            epoch: Epoch::new(value.try_get_u64_le().ok()?),
            sequence: value.try_get_u64_le().ok()?,
            root: value.try_get_u128().ok()?.to_be_bytes(),
            cells: get_cells(value)?,
        })
    }
}

impl DoomedRow {
    /// Its key.
    pub fn key(&self) -> Vec<u8> {
        key::doomed(self.since, self.sequence)
    }

    /// Its value.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(39 + self.cells.len() * 12);
        value.put_u8(VERSION);
        value.put_u64_le(self.since);
        value.put_u64_le(self.sequence);
        value.put_u128(self.blob.get());
        value.put_u8(self.shard);
        value.put_u8(u8::from(self.tombstone_segment.is_some()));
        value.put_u32_le(self.tombstone_segment.unwrap_or(0));
        put_cells(&mut value, &self.cells);
        value
    }

    /// Reads its value; `None` when it is damaged.
    pub fn decode(mut value: &[u8]) -> Option<Self> {
        if value.try_get_u8().ok()? != VERSION {
            return None;
        }
        let since = value.try_get_u64_le().ok()?;
        let sequence = value.try_get_u64_le().ok()?;
        let blob = BlobId::from_bits(value.try_get_u128().ok()?);
        let shard = value.try_get_u8().ok()?;
        let has_tombstone = value.try_get_u8().ok()? == 1;
        let tombstone_segment = value.try_get_u32_le().ok()?;
        Some(Self {
            since,
            sequence,
            blob,
            shard,
            tombstone_segment: has_tombstone.then_some(tombstone_segment),
            cells: get_cells(value)?,
        })
    }
}

impl SegmentRow {
    /// Its value.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = vec![VERSION, u8::from(self.sealed)];
        value.put_u32_le(self.indexed_up_to);
        value
    }

    /// Reads its value; `None` when it is damaged.
    pub fn decode(mut value: &[u8]) -> Option<Self> {
        if value.try_get_u8().ok()? != VERSION {
            return None;
        }
        Some(Self {
            sealed: value.try_get_u8().ok()? == 1,
            indexed_up_to: value.try_get_u32_le().ok()?,
        })
    }
}

impl CounterRow {
    /// Its value.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.put_u64_le(self.sequence);
        value.put_u32_le(self.segment);
        value
    }

    /// Reads its value; `None` when it is damaged.
    pub fn decode(mut value: &[u8]) -> Option<Self> {
        if value.try_get_u8().ok()? != VERSION {
            return None;
        }
        Some(Self {
            sequence: value.try_get_u64_le().ok()?,
            segment: value.try_get_u32_le().ok()?,
        })
    }
}

fn put_cells(value: &mut Vec<u8>, cells: &[CellPlace]) {
    for cell in cells {
        value.put_u32_le(cell.segment);
        value.put_u32_le(cell.offset);
        value.put_u32_le(cell.data_len);
    }
}

fn get_cells(mut value: &[u8]) -> Option<Vec<CellPlace>> {
    if !value.len().is_multiple_of(12) {
        return None;
    }
    let mut cells = Vec::with_capacity(value.len() / 12);
    while value.has_remaining() {
        cells.push(CellPlace {
            segment: value.get_u32_le(),
            offset: value.get_u32_le(),
            data_len: value.get_u32_le(),
        });
    }
    Some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_as_they_were_written() {
        let cells = vec![
            CellPlace {
                segment: 1,
                offset: 64,
                data_len: 1 << 20,
            },
            CellPlace {
                segment: 2,
                offset: 0,
                data_len: 0,
            },
        ];
        for removed_at in [None, Some(0), Some(9)] {
            let row = ShardRow {
                removed_at,
                epoch: Epoch::new(4),
                sequence: 5,
                root: [6; 16],
                cells: cells.clone(),
            };
            assert_eq!(ShardRow::decode(&row.encode()), Some(row.clone()));
            assert_eq!(ShardRow::decode(&row.encode()[..50]), None);
            assert_eq!(row.stored_bytes(), 1 << 20);
        }
        for tombstone_segment in [None, Some(3)] {
            let row = DoomedRow {
                since: 1,
                sequence: 2,
                blob: BlobId::from_bits(3),
                shard: 4,
                tombstone_segment,
                cells: cells.clone(),
            };
            assert_eq!(DoomedRow::decode(&row.encode()), Some(row));
        }
        let segment = SegmentRow {
            indexed_up_to: 77,
            sealed: true,
        };
        assert_eq!(SegmentRow::decode(&segment.encode()), Some(segment));
        let counters = CounterRow {
            sequence: 8,
            segment: 9,
        };
        assert_eq!(CounterRow::decode(&counters.encode()), Some(counters));
        let blob = BlobId::from_bits(u128::MAX - 5);
        assert_eq!(key::parse_shard(&key::shard(blob, 7)), Some((blob, 7)));
        assert_eq!(key::parse_number(&key::segment(1234)), Some(1234));
    }
}
