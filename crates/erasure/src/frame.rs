//! The hashes that bind bytes to their place.
//!
//! A cell is checked in frames of 64 KiB (its last may be shorter). The gateway computes a frame's hash before it sends it,
//! storage checks it on arrival and stores it as it is, and whoever reads checks it again: one hash from end to end. The
//! hash is seeded with the frame's place, so that right bytes in the wrong place never pass.

use bytes::{BufMut, Bytes, BytesMut};
use cairn_types::id::BlobId;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64, xxh3_128_with_seed};

/// Bytes of a frame; the last frame of a cell may be shorter.
pub const FRAME_LEN: usize = 64 * 1024;

/// Bytes of a frame's hash and of a shard's root.
pub const HASH_LEN: usize = 16;

/// A frame whose bytes are not those that were written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The hash of this frame, counted within the cell, is another.
    #[error("frame {0} is damaged or not the one that belongs here")]
    Mismatch(u32),
    /// There are not 16 bytes of hashes for every frame.
    #[error("there are {hashes_len} bytes of hashes for {data_len} bytes of frames")]
    Count {
        /// Bytes of the frames.
        data_len: usize,
        /// Bytes of the hashes.
        hashes_len: usize,
    },
}

/// How many frames a cell of `cell_len` bytes has.
pub const fn frame_count(cell_len: usize) -> usize {
    cell_len.div_ceil(FRAME_LEN)
}

/// The hash of one frame at its place: XXH3-128, big endian, seeded with XXH3-64 of
/// `blob (16, big endian) | stripe (4) | frame (4) | shard (1)`.
///
/// Cost: one pass over `data`, tens of GB/s. Not cryptographic: it finds damage and mistakes, not an enemy.
pub fn frame_hash(blob: BlobId, stripe: u32, shard: u8, frame: u32, data: &[u8]) -> [u8; HASH_LEN] {
    let mut place = [0; 25];
    let mut rest = &mut place[..];
    rest.put_u128(blob.get());
    rest.put_u32(stripe);
    rest.put_u32(frame);
    rest.put_u8(shard);
    xxh3_128_with_seed(data, xxh3_64(&place)).to_be_bytes()
}

/// The hashes of all frames of one cell, 16 bytes each, in order.
pub fn frame_hashes(blob: BlobId, stripe: u32, shard: u8, cell: &[u8]) -> Bytes {
    let mut hashes = BytesMut::with_capacity(frame_count(cell.len()) * HASH_LEN);
    for (frame, data) in (0..).zip(cell.chunks(FRAME_LEN)) {
        hashes.put_slice(&frame_hash(blob, stripe, shard, frame, data));
    }
    hashes.freeze()
}

/// Checks whole frames of one cell, `first_frame` and those behind it, against their hashes.
///
/// # Errors
/// The first frame that does not match; hashes that are not 16 bytes for each frame.
pub fn verify_frames(
    blob: BlobId,
    stripe: u32,
    shard: u8,
    first_frame: u32,
    data: &[u8],
    hashes: &[u8],
) -> Result<(), FrameError> {
    if frame_count(data.len()) * HASH_LEN != hashes.len() {
        return Err(FrameError::Count {
            data_len: data.len(),
            hashes_len: hashes.len(),
        });
    }
    let expected = hashes.chunks_exact(HASH_LEN);
    for ((frame, data), expected) in (first_frame..).zip(data.chunks(FRAME_LEN)).zip(expected) {
        if frame_hash(blob, stripe, shard, frame, data) != expected {
            return Err(FrameError::Mismatch(frame));
        }
    }
    Ok(())
}

/// Computes the root of a shard: XXH3-128, big endian, over the hashes of all its frames, cell by cell in stripe order.
///
/// The metadata records it at commit, so a stale, foreign or shortened shard is never taken for the right one.
#[derive(Clone)]
pub struct ShardRoot {
    hasher: Xxh3Default,
}

impl ShardRoot {
    /// Of no frames yet.
    pub fn new() -> Self {
        Self {
            hasher: Xxh3Default::new(),
        }
    }

    /// Takes in the frame hashes of the next cell, or some of them in order.
    pub fn update(&mut self, frame_hashes: &[u8]) {
        self.hasher.update(frame_hashes);
    }

    /// The root of all that was taken in so far.
    pub fn finish(&self) -> [u8; HASH_LEN] {
        self.hasher.digest128().to_be_bytes()
    }
}

impl Default for ShardRoot {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ShardRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShardRoot")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOB: BlobId = BlobId::from_bits(0x0000_0001_0002_0000_0000_0003_0000_0004);

    #[test]
    fn hashes_are_those_of_the_format() {
        assert_eq!(
            u128::from_be_bytes(frame_hash(BLOB, 5, 1, 2, b"cairn")),
            0x7abd_643c_dc5d_008e_eb2c_2db6_a341_be3d
        );
        let mut root = ShardRoot::new();
        root.update(&frame_hash(BLOB, 5, 1, 2, b"cairn"));
        assert_eq!(
            u128::from_be_bytes(root.finish()),
            0xb91b_2071_e965_f4e5_4404_ee2d_4c31_d8d0
        );
    }

    #[test]
    fn right_bytes_in_the_wrong_place_do_not_verify() {
        let data = vec![7; FRAME_LEN + 100];
        let hashes = frame_hashes(BLOB, 3, 1, &data);
        assert_eq!(hashes.len(), 2 * HASH_LEN);
        assert_eq!(verify_frames(BLOB, 3, 1, 0, &data, &hashes), Ok(()));
        assert_eq!(
            verify_frames(BLOB, 3, 1, 1, &data[FRAME_LEN..], &hashes[HASH_LEN..]),
            Ok(())
        );
        let mismatch = Err(FrameError::Mismatch(0));
        let other = BlobId::from_bits(BLOB.get() + 1);
        assert_eq!(verify_frames(other, 3, 1, 0, &data, &hashes), mismatch);
        assert_eq!(verify_frames(BLOB, 4, 1, 0, &data, &hashes), mismatch);
        assert_eq!(verify_frames(BLOB, 3, 2, 0, &data, &hashes), mismatch);
        assert!(verify_frames(BLOB, 3, 1, 1, &data, &hashes).is_err());
        assert!(verify_frames(BLOB, 3, 1, 0, &data, &hashes[..HASH_LEN]).is_err());
        assert!(verify_frames(BLOB, 3, 1, 0, &data, &hashes[..31]).is_err());
    }

    #[test]
    fn the_root_does_not_depend_on_how_hashes_come() {
        let hashes = frame_hashes(BLOB, 0, 0, &vec![1; 5 * FRAME_LEN]);
        let mut whole = ShardRoot::new();
        whole.update(&hashes);
        let mut pieces = ShardRoot::new();
        for piece in hashes.chunks(HASH_LEN) {
            pieces.update(piece);
        }
        assert_eq!(whole.finish(), pieces.finish());
        pieces.update(&[0; HASH_LEN]);
        assert_ne!(whole.finish(), pieces.finish());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(len in 1_usize..200_000, bit in any::<prop::sample::Index>()) {
            let mut data = vec![0x5a; len];
            let hashes = frame_hashes(BLOB, 0, 0, &data);
            let bit = bit.index(len * 8);
            data[bit / 8] ^= 1 << (bit % 8);
            let frame = u32::try_from(bit / 8 / FRAME_LEN).unwrap();
            prop_assert_eq!(verify_frames(BLOB, 0, 0, 0, &data, &hashes), Err(FrameError::Mismatch(frame)));
        }
    }
}
