//! Which writers are too old.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use cairn_types::id::{Epoch, PlacementGroupId};

/// The name of the file.
pub const FILE_NAME: &str = "epochs";

const MAGIC: &[u8; 8] = b"CEpochs1";

/// The epochs that placement groups were advanced to on a disk.
///
/// A file of its own, because it outlives the segments: `CEpochs1`, then placement group (u32) and epoch (u64), little
/// endian, by group, and a CRC-32C of all before it. It is replaced as a whole. It holds what `AdvanceEpoch` was told, which
/// must never be forgotten; epochs seen in writes are in the headers of the cells that they wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochTable(BTreeMap<PlacementGroupId, Epoch>);

/// Bytes that are no table of epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file of epochs is damaged")]
pub struct EpochTableError;

impl EpochTable {
    /// The epoch of a group; 0 if it was never advanced.
    pub fn get(&self, group: PlacementGroupId) -> Epoch {
        self.0.get(&group).copied().unwrap_or(Epoch::new(0))
    }

    /// Raises the epoch of a group; whether it was lower before.
    pub fn raise(&mut self, group: PlacementGroupId, epoch: Epoch) -> bool {
        let raised = self.get(group) < epoch;
        if raised {
            self.0.insert(group, epoch);
        }
        raised
    }

    /// The file's content.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (group, epoch) in &self.0 {
            bytes.put_u32_le(group.get());
            bytes.put_u64_le(epoch.get());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.put_u32_le(crc);
        bytes
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// Anything that `encode` did not write.
    pub fn decode(content: &[u8]) -> Result<Self, EpochTableError> {
        let (body, mut crc) = content
            .split_last_chunk::<4>()
            .ok_or(EpochTableError)
            .map(|(body, crc)| (body, &crc[..]))?;
        let mut rows = body.strip_prefix(MAGIC).ok_or(EpochTableError)?;
        if crc.get_u32_le() != crc32c::crc32c(body) || !rows.len().is_multiple_of(12) {
            return Err(EpochTableError);
        }
        let mut table = BTreeMap::new();
        while rows.has_remaining() {
            let group = PlacementGroupId::new(rows.get_u32_le());
            table.insert(group, Epoch::new(rows.get_u64_le()));
        }
        Ok(Self(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_only_grow_and_read_back() {
        let group = PlacementGroupId::new(7);
        let mut table = EpochTable::default();
        assert_eq!(EpochTable::decode(&table.encode()), Ok(table.clone()));
        assert!(table.raise(group, Epoch::new(3)));
        assert!(!table.raise(group, Epoch::new(3)));
        assert!(!table.raise(group, Epoch::new(2)));
        assert_eq!(table.get(group), Epoch::new(3));
        let content = table.encode();
        assert_eq!(EpochTable::decode(&content), Ok(table));
        for bit in 0..content.len() * 8 {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                EpochTable::decode(&damaged),
                Err(EpochTableError),
                "bit {bit}"
            );
        }
        assert_eq!(EpochTable::decode(b""), Err(EpochTableError));
    }
}
