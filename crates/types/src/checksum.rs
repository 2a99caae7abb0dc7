//! Checksums that clients declare beside the MD5.

use std::fmt;

/// An algorithm of `x-amz-checksum-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them, in the order in which S3 documents them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The length of its value in bytes.
    pub const fn value_len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Its name in headers' values and XML: `CRC32C`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The algorithm with this name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// What the checksum of a multipart object is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// Over the bytes of the object.
    FullObject,
    /// Over the checksums of its parts, shown with `-<parts>` behind.
    Composite,
}

/// A checksum value, of the length that its algorithm asks for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: [u8; 32],
}

impl Checksum {
    /// The checksum with this value; `None` when the length is not the algorithm's.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        if value.len() != algorithm.value_len() {
            return None;
        }
        let mut padded = [0; 32];
        padded.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self {
            algorithm,
            value: padded,
        })
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Its bytes, big endian.
    pub fn value(&self) -> &[u8] {
        self.value
            .get(..self.algorithm.value_len())
            .expect("no algorithm's value is longer than 32 bytes")
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm.name(), hex::encode(self.value()))
    }
}

/// The checksum of an object as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// The value.
    pub checksum: Checksum,
    /// What it is taken over.
    pub kind: ChecksumKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_has_the_length_of_its_algorithm() {
        for algorithm in ChecksumAlgorithm::ALL {
            let value = vec![9; algorithm.value_len()];
            assert_eq!(
                Checksum::new(algorithm, &value)
                    .expect("right length")
                    .value(),
                value
            );
            assert_eq!(Checksum::new(algorithm, &value[1..]), None);
            assert_eq!(ChecksumAlgorithm::parse(algorithm.name()), Some(algorithm));
        }
    }
}
