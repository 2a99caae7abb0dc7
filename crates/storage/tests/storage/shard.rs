//! Shards for tests: bytes that are known from their blob alone.

use bytes::Bytes;
use cairn_erasure::ShardRoot;
use cairn_erasure::frame::frame_hashes;
use cairn_types::id::{BlobId, GroupId, PlacementGroupId};

/// A shard that is to be written.
#[derive(Debug, Clone)]
pub(crate) struct TestShard {
    pub(crate) blob: BlobId,
    pub(crate) shard: u8,
    pub(crate) cells: Vec<Bytes>,
}

/// Blob `number` in placement group 1.
pub(crate) fn blob(number: u32) -> BlobId {
    BlobId::new(PlacementGroupId::new(1), GroupId::new(1), 1_000, number)
}

impl TestShard {
    /// A shard whose bytes follow from blob and place.
    pub(crate) fn new(blob: BlobId, shard: u8, cell_lens: &[usize]) -> Self {
        let cells = (0_u64..)
            .zip(cell_lens)
            .map(|(stripe, len)| {
                let seed = u64::from(blob.get().to_be_bytes()[15]) + 256 * stripe + 7;
                (0_u64..)
                    .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed).to_be_bytes()[1])
                    .take(*len)
                    .collect()
            })
            .collect();
        Self { blob, shard, cells }
    }

    /// The frame hashes of one cell.
    pub(crate) fn hashes(&self, stripe: u32) -> Bytes {
        let cell = &self.cells[usize::try_from(stripe).unwrap()];
        frame_hashes(self.blob, stripe, self.shard, cell)
    }

    /// Its root.
    pub(crate) fn root(&self) -> [u8; 16] {
        let mut root = ShardRoot::new();
        for stripe in 0..self.stripe_count() {
            root.update(&self.hashes(stripe));
        }
        root.finish()
    }

    /// How many cells it has.
    pub(crate) fn stripe_count(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap()
    }
}
