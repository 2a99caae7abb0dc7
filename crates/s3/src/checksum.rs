//! Computing the checksums that clients may declare, and their names in headers and XML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_types::checksum::{Checksum, ChecksumAlgorithm};
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum being computed.
///
/// Cost: about 20 GB/s a core for the CRCs on CPUs with carry-less multiplication, 1 to 2 GB/s for the SHAs on CPUs with
/// their instructions. CPU-bound.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// One of the three CRCs.
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
}

impl Hasher {
    /// A checksum of no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = |variant| Self::Crc(algorithm, crc_fast::Digest::new(variant));
        match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The checksum of all bytes that were taken in.
    pub fn finish(self) -> Checksum {
        let checksum = match self {
            Self::Crc(algorithm, digest) => {
                let value = digest.finalize().to_be_bytes();
                let from = value.len() - algorithm.value_len();
                Checksum::new(algorithm, value.get(from..).unwrap_or_default())
            }
            Self::Sha1(digest) => Checksum::new(ChecksumAlgorithm::Sha1, &digest.finalize()),
            Self::Sha256(digest) => Checksum::new(ChecksumAlgorithm::Sha256, &digest.finalize()),
        };
        checksum.expect("each algorithm gives as many bytes as its checksum has")
    }
}

/// The header and trailer that carries a checksum: `x-amz-checksum-crc32c`.
pub const fn header_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

/// The XML element that carries a checksum: `ChecksumCRC32C`.
pub const fn element_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// A checksum as headers and XML write it: base64 of its bytes, big endian.
pub fn encode(checksum: &Checksum) -> String {
    STANDARD.encode(checksum.value())
}

/// Reads what `encode` writes. `None` for what is not base64 or not of the algorithm's length.
pub fn decode(algorithm: ChecksumAlgorithm, text: &str) -> Option<Checksum> {
    if text.len() > 64 {
        return None;
    }
    Checksum::new(algorithm, &STANDARD.decode(text).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_check_string_are_the_published_ones() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (
                ChecksumAlgorithm::Sha1,
                "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            ),
            (
                ChecksumAlgorithm::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"1234");
            hasher.update(b"");
            hasher.update(b"56789");
            let checksum = hasher.finish();
            assert_eq!(hex::encode(checksum.value()), expected);
            assert_eq!(decode(algorithm, &encode(&checksum)), Some(checksum));
        }
    }

    #[test]
    fn values_of_another_length_are_refused() {
        for bad in [
            "",
            "AAAA",
            "AAAAAA",
            "AAAAAAA=",
            "!!!!!!==",
            &"A".repeat(1000),
        ] {
            assert_eq!(decode(ChecksumAlgorithm::Crc32, bad), None, "{bad}");
        }
        assert!(decode(ChecksumAlgorithm::Crc32, "AAAAAA==").is_some());
    }
}
