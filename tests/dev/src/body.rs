//! Content that is written, and checked at any offset, from a seed alone: no test keeps what it wrote in memory.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::ops::Range;

const WORD_BYTES: u64 = 8;

/// The bytes of one version of one object: a sequence of `SplitMix64` words (little endian), cut at its length.
///
/// Two patterns of different seeds agree in a word with probability 2⁻⁶⁴, so a shifted, mixed or zero-filled answer is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    seed: u64,
    len_bytes: u64,
}

/// Where read bytes first differ from the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the object is {found:#04x} where {expected:#04x} was written")]
pub struct Mismatch {
    /// Offset in the object, from its first byte.
    pub offset: u64,
    /// The byte of the pattern.
    pub expected: u8,
    /// The byte that was read.
    pub found: u8,
}

impl Pattern {
    /// The pattern of a version of a key. Same arguments, same bytes, in any process.
    ///
    /// # Panics
    /// Never: a SHA-256 has eight bytes to take.
    pub fn of(key: &str, version: u64, len_bytes: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(key.as_bytes());
        hash.update(version.to_le_bytes());
        let digest = hash.finalize();
        let head: [u8; 8] = digest
            .first_chunk()
            .copied()
            .expect("a SHA-256 has 32 bytes");
        Self {
            seed: u64::from_le_bytes(head),
            len_bytes,
        }
    }

    /// Length of the object in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The whole object. Allocates its length.
    pub fn bytes(&self) -> Bytes {
        self.range(0..self.len_bytes)
    }

    /// Bytes `range` of the object, cut at its length. Allocates the length of the range.
    ///
    /// # Panics
    /// When the range does not fit into memory.
    pub fn range(&self, range: Range<u64>) -> Bytes {
        let end = range.end.min(self.len_bytes);
        let len = usize::try_from(end.saturating_sub(range.start)).expect("a test's range fits");
        let mut out = vec![0; len];
        self.fill(range.start, &mut out);
        Bytes::from(out)
    }

    /// The object cut into parts, each of `part_bytes` but the last.
    pub fn parts(&self, part_bytes: u64) -> Vec<Bytes> {
        let mut parts = Vec::new();
        let mut offset = 0;
        while offset < self.len_bytes() {
            parts.push(self.range(offset..offset + part_bytes));
            offset += part_bytes;
        }
        parts
    }

    /// Writes the bytes from `offset` on into `out`.
    ///
    /// # Panics
    /// Never: words are cut to what is left of `out`.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        let mut index = offset / WORD_BYTES;
        let skip = usize::try_from(offset % WORD_BYTES).expect("below eight");
        let mut rest = out;
        let mut word = self.word(index).to_le_bytes();
        let mut source = word.get(skip..).unwrap_or_default();
        while !rest.is_empty() {
            let taken = source.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(taken);
            head.copy_from_slice(source.get(..taken).expect("taken is at most its length"));
            rest = tail;
            index += 1;
            word = self.word(index).to_le_bytes();
            source = &word;
        }
    }

    /// Checks a piece that was read at `offset`.
    ///
    /// # Errors
    /// The first byte that differs; a piece reaching beyond the object differs at its end.
    pub fn check(&self, offset: u64, piece: &[u8]) -> Result<(), Mismatch> {
        let expected = self.range(offset..offset.saturating_add(len_u64(piece)));
        if expected == piece {
            return Ok(());
        }
        let equal = expected
            .iter()
            .zip(piece)
            .take_while(|(left, right)| left == right)
            .count();
        Err(Mismatch {
            offset: offset + u64::try_from(equal).unwrap_or(u64::MAX),
            expected: expected.get(equal).copied().unwrap_or_default(),
            found: piece.get(equal).copied().unwrap_or_default(),
        })
    }

    fn word(&self, index: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014): one word at any index, no state.
        let step = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed.wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn len_u64(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_from_the_middle_equals_the_same_piece_of_the_whole() {
        let pattern = Pattern::of("some/key", 3, 1_000);
        let whole = pattern.bytes();
        for (start, end) in [(0, 1), (1, 9), (7, 8), (8, 16), (13, 999), (999, 1_000)] {
            let piece = pattern.range(start..end);
            let (from, to) = (
                usize::try_from(start).unwrap(),
                usize::try_from(end).unwrap(),
            );
            assert_eq!(piece, whole.slice(from..to), "{start}..{end}");
            assert_eq!(pattern.check(start, &piece), Ok(()));
        }
    }

    #[test]
    fn one_changed_byte_a_shift_and_a_longer_answer_are_found() {
        let pattern = Pattern::of("key", 1, 100);
        let mut bytes = pattern.bytes().to_vec();
        bytes[57] ^= 1;
        assert_eq!(pattern.check(0, &bytes).unwrap_err().offset, 57);
        assert!(pattern.check(0, &pattern.range(1..100)).is_err());
        bytes[57] ^= 1;
        bytes.push(0);
        assert_eq!(pattern.check(0, &bytes).unwrap_err().offset, 100);
    }

    #[test]
    fn versions_of_one_key_differ() {
        let first = Pattern::of("key", 1, 64).bytes();
        assert_ne!(first, Pattern::of("key", 2, 64).bytes());
        assert_ne!(first, Pattern::of("other", 1, 64).bytes());
    }
}
