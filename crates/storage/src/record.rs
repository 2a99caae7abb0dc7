//! The format of segments.
//!
//! A segment is a run of records, each at a multiple of 64 bytes:
//!
//! ```text
//! header 64 bytes | frame hashes, 16 bytes each | data | zeros up to a multiple of 64
//! ```
//!
//! Only cells have hashes and data. The header, little endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0–3 | magic `CRec` |
//! | 4 | format version, 1 |
//! | 5 | kind |
//! | 6 | shard: which cell of the stripe this is |
//! | 7 | id of the frames' hash; 1 = XXH3-128 seeded with the frame's place |
//! | 8–23 | blob |
//! | 24–27 | stripe |
//! | 28–31 | length of the data; in a dead record, of all that follows the header |
//! | 32–39 | a cell: epoch of the placement group at its writer; a tombstone: when, in milliseconds since 1970 |
//! | 40–47 | sequence: which attempt of this disk wrote it |
//! | 48–51 | number of the segment |
//! | 52–53 | how many frame hashes follow |
//! | 54–55 | zero |
//! | 56–63 | XXH3-64 of the disk's secret, bytes 0–55 and the frame hashes, seeded with the secret's lower half |
//!
//! Why so: the header binds its cell to its place in the blob, to its segment and to its disk, so that a record that lands
//! elsewhere is not taken for one that belongs there. The secret is random, and only on the disk's label: whatever bytes
//! users store, they cannot make a record out of them, even if they know the ids of disk, blob and segment. A cell's data is covered by its frame hashes, which the writer of the blob computed.
//! Sequences order all attempts and removals of a disk, whichever segment they lie in.

use bytes::{Buf, BufMut};
use cairn_erasure::frame::{FRAME_LEN, HASH_LEN, frame_count};
use cairn_types::id::BlobId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a header, and what records are aligned to.
pub const HEADER_LEN: usize = 64;

/// The longest cell.
pub const CELL_LEN_MAX: usize = cairn_erasure::CELL_LEN_MAX as usize;

/// Bytes of the longest table of frame hashes.
pub const TABLE_LEN_MAX: usize = CELL_LEN_MAX.div_ceil(FRAME_LEN) * HASH_LEN;

/// The longest record.
pub const RECORD_LEN_MAX: u64 = (HEADER_LEN + TABLE_LEN_MAX + CELL_LEN_MAX) as u64;

const MAGIC: &[u8; 4] = b"CRec";
const VERSION: u8 = 1;
const HASH_ID: u8 = 1;
const CHECKED_LEN: usize = 56;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A cell that others of its shard follow.
    Cell,
    /// The cell of the highest stripe: with it, the attempt is whole.
    LastCell,
    /// All shards of the blob that attempts of a lower sequence wrote are removed.
    Tombstone,
    /// Nothing: a cell was here and its space was given back.
    Dead,
    /// The end of a segment that is not written to any more; all before it is on stable media.
    Seal,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Cell => 1,
            Self::LastCell => 2,
            Self::Tombstone => 3,
            Self::Dead => 4,
            Self::Seal => 5,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Cell,
            2 => Self::LastCell,
            3 => Self::Tombstone,
            4 => Self::Dead,
            5 => Self::Seal,
            _ => return None,
        })
    }

    /// Whether it has frames and data.
    pub const fn is_cell(self) -> bool {
        matches!(self, Self::Cell | Self::LastCell)
    }
}

/// The secret of a disk that the checksums of its records are made with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(u128);

impl Seed {
    /// The secret with these bits, which are to be random.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits, for the label alone.
    pub(crate) const fn bits(self) -> u128 {
        self.0
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(***)")
    }
}

/// A header. The table above says what its fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the module documents them, in one table")]
pub struct Header {
    pub kind: Kind,
    pub blob: BlobId,
    pub shard: u8,
    pub stripe: u32,
    pub data_len: u32,
    /// Epoch of a cell, time of a tombstone.
    pub epoch: u64,
    pub sequence: u64,
    pub segment: u32,
}

/// A header whose checksum has not been compared yet.
#[derive(Debug, Clone, Copy)]
pub struct Unverified {
    header: Header,
    checked: [u8; CHECKED_LEN],
    checksum: u64,
}

impl Header {
    /// A dead record over `record_len` bytes: a multiple of 64, at least 64.
    pub fn dead(segment: u32, record_len: u64) -> Self {
        let header_len = u64::try_from(HEADER_LEN).expect("64");
        Self {
            kind: Kind::Dead,
            blob: BlobId::from_bits(0),
            shard: 0,
            stripe: 0,
            data_len: u32::try_from(record_len.saturating_sub(header_len))
                .expect("segments are at most 1 GiB"),
            epoch: 0,
            sequence: 0,
            segment,
        }
    }

    /// The end of a segment.
    pub fn seal(segment: u32) -> Self {
        Self {
            kind: Kind::Seal,
            ..Self::dead(segment, 0)
        }
    }

    /// How many frame hashes follow.
    pub fn frame_count(&self) -> usize {
        if self.kind.is_cell() {
            frame_count(self.data_len())
        } else {
            0
        }
    }

    /// Bytes of the frame hashes that follow.
    pub fn table_len(&self) -> usize {
        self.frame_count() * HASH_LEN
    }

    /// Bytes from the record's start to its data.
    pub fn data_start(&self) -> usize {
        HEADER_LEN + self.table_len()
    }

    /// Length of the data in bytes.
    pub fn data_len(&self) -> usize {
        usize::try_from(self.data_len).expect("32 bits fit")
    }

    /// Bytes of the whole record with its padding.
    pub fn record_len(&self) -> u64 {
        match self.kind {
            Kind::Cell | Kind::LastCell => record_len(self.data_len),
            Kind::Dead => u64::from(self.data_len) + 64,
            Kind::Tombstone | Kind::Seal => 64,
        }
    }

    /// The header as it is written; `table` is the frame hashes that follow.
    ///
    /// # Panics
    /// `table` is not as long as the data asks for.
    pub fn encode(&self, seed: Seed, table: &[u8]) -> [u8; HEADER_LEN] {
        assert_eq!(table.len(), self.table_len(), "16 bytes for each frame");
        let mut bytes = [0; HEADER_LEN];
        let mut rest = &mut bytes[..];
        rest.put_slice(MAGIC);
        rest.put_u8(VERSION);
        rest.put_u8(self.kind.code());
        rest.put_u8(self.shard);
        rest.put_u8(HASH_ID);
        rest.put_u128_le(self.blob.get());
        rest.put_u32_le(self.stripe);
        rest.put_u32_le(self.data_len);
        rest.put_u64_le(self.epoch);
        rest.put_u64_le(self.sequence);
        rest.put_u32_le(self.segment);
        rest.put_u16_le(u16::try_from(self.frame_count()).expect("at most 16 frames"));
        rest.put_u16_le(0);
        let (checked, rest) = bytes.split_at_mut(CHECKED_LEN);
        rest.copy_from_slice(&checksum(seed, checked, table).to_le_bytes());
        bytes
    }

    /// Reads the fields; `None` when these bytes are no header. They count only after [`Unverified::verify`].
    pub fn parse(bytes: &[u8]) -> Option<Unverified> {
        let (mut bytes, _) = bytes.split_at_checked(HEADER_LEN)?;
        let checked = <[u8; CHECKED_LEN]>::try_from(bytes.get(..CHECKED_LEN)?).ok()?;
        if bytes.get(..4)? != MAGIC {
            return None;
        }
        bytes.advance(4);
        let (version, kind) = (bytes.get_u8(), Kind::from_code(bytes.get_u8())?);
        let (shard, hash_id) = (bytes.get_u8(), bytes.get_u8());
        let header = Self {
            kind,
            shard,
            blob: BlobId::from_bits(bytes.get_u128_le()),
            stripe: bytes.get_u32_le(),
            data_len: bytes.get_u32_le(),
            epoch: bytes.get_u64_le(),
            sequence: bytes.get_u64_le(),
            segment: bytes.get_u32_le(),
        };
        let (frames, zero) = (bytes.get_u16_le(), bytes.get_u16_le());
        let is_whole = !kind.is_cell() || (1..=CELL_LEN_MAX).contains(&header.data_len());
        let is_format = version == VERSION && hash_id == HASH_ID && zero == 0 && is_whole;
        (is_format && usize::from(frames) == header.frame_count()).then(|| Unverified {
            header,
            checked,
            checksum: bytes.get_u64_le(),
        })
    }
}

impl Unverified {
    /// Bytes of the frame hashes that follow the header and that its checksum covers, at most [`TABLE_LEN_MAX`].
    pub fn table_len(&self) -> usize {
        self.header.table_len()
    }

    /// The header, when its checksum is right and it belongs to this segment.
    pub fn verify(&self, seed: Seed, segment: u32, table: &[u8]) -> Option<Header> {
        let is_right = self.header.segment == segment
            && table.len() == self.table_len()
            && checksum(seed, &self.checked, table) == self.checksum;
        is_right.then_some(self.header)
    }
}

/// Bytes of a cell's record with its padding.
pub fn record_len(data_len: u32) -> u64 {
    let frames = u64::from(data_len).div_ceil(FRAME_LEN as u64);
    (64 + frames * HASH_LEN as u64 + u64::from(data_len)).next_multiple_of(64)
}

fn checksum(seed: Seed, checked: &[u8], table: &[u8]) -> u64 {
    const SEED_LEN: usize = 16;
    let mut all = [0; SEED_LEN + CHECKED_LEN + TABLE_LEN_MAX];
    let mut rest = &mut all[..];
    rest.put_u128_le(seed.0);
    rest.put_slice(checked);
    rest.put_slice(table);
    let unused = rest.len();
    let (used, _) = all.split_at(all.len() - unused);
    let lower_half = seed.0 & u128::from(u64::MAX);
    let lower_half = u64::try_from(lower_half).expect("the upper half is masked");
    xxh3_64_with_seed(used, lower_half)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEED: Seed = Seed(7 << 64);

    fn cell(data_len: u32) -> Header {
        Header {
            kind: Kind::Cell,
            blob: BlobId::from_bits(0x1234_5678_9abc_def0_1122_3344_5566_7788),
            shard: 3,
            stripe: 9,
            data_len,
            epoch: 4,
            sequence: 77,
            segment: 5,
        }
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        for header in [
            cell(1),
            cell(1 << 20),
            Header {
                kind: Kind::LastCell,
                ..cell(65_536)
            },
            Header::dead(5, 4096),
            Header::seal(5),
        ] {
            let table = vec![9; header.table_len()];
            let bytes = header.encode(SEED, &table);
            let parsed = Header::parse(&bytes).unwrap();
            assert_eq!(parsed.verify(SEED, 5, &table), Some(header));
            assert_eq!(parsed.verify(SEED, 6, &table), None, "another segment");
            assert_eq!(
                parsed.verify(Seed(8 << 64), 5, &table),
                None,
                "another disk"
            );
            assert!(header.record_len().is_multiple_of(64));
            assert!(header.record_len() <= RECORD_LEN_MAX);
        }
    }

    #[test]
    fn what_is_no_header_is_not_taken_for_one() {
        assert!(Header::parse(&[0; 64]).is_none());
        assert!(Header::parse(&cell(1).encode(SEED, &[0; 16])[..63]).is_none());
        let too_long = Header {
            kind: Kind::Dead,
            ..cell((1 << 20) + 1)
        };
        let mut bytes = too_long.encode(SEED, &[]);
        bytes[5] = Kind::Cell.code();
        assert!(Header::parse(&bytes).is_none());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_header_or_table_is_found(
            data_len in 1_u32..=1 << 20,
            bit in any::<prop::sample::Index>(),
        ) {
            let header = cell(data_len);
            let mut bytes = vec![0; HEADER_LEN];
            bytes.resize(header.data_start(), 0x5a);
            let head = header.encode(SEED, &bytes[HEADER_LEN..]);
            bytes[..HEADER_LEN].copy_from_slice(&head);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = Header::parse(&bytes).and_then(|parsed| {
                let table = bytes.get(HEADER_LEN..HEADER_LEN + parsed.table_len())?;
                parsed.verify(SEED, 5, table)
            });
            prop_assert_eq!(found, None);
        }
    }
}
