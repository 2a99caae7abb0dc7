//! The checksums of S3 as their header values, computed apart from the product's own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// One algorithm of `x-amz-checksum-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 of ISO-HDLC, as in zip.
    Crc32,
    /// CRC-32 of Castagnoli, as in iSCSI.
    Crc32c,
    /// CRC-64 of the NVM Express base specification.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The header that carries it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Its name as `x-amz-checksum-algorithm` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The raw value over `bytes`, most significant byte first.
    pub fn raw(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => crc32(CrcAlgorithm::Crc32IsoHdlc, bytes),
            Self::Crc32c => crc32(CrcAlgorithm::Crc32Iscsi, bytes),
            Self::Crc64Nvme => crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
                .to_be_bytes()
                .to_vec(),
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    /// The header's value over `bytes`: Base64 of [`Algorithm::raw`].
    pub fn value(self, bytes: &[u8]) -> String {
        STANDARD.encode(self.raw(bytes))
    }

    /// The value over parts that S3 calls composite: the checksum of the parts' checksums, with the number of parts.
    pub fn composite(self, parts: &[&[u8]]) -> String {
        let joined: Vec<u8> = parts.iter().flat_map(|part| self.raw(part)).collect();
        format!("{}-{}", self.value(&joined), parts.len())
    }
}

/// MD5 as `Content-MD5` carries it.
pub fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// MD5 in hexadecimal: the `ETag` of an object written at once, without its quotes.
pub fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// The `ETag` of a multipart object of these parts, without its quotes.
pub fn multipart_etag(parts: &[&[u8]]) -> String {
    let joined: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
    format!("{}-{}", md5_hex(&joined), parts.len())
}

/// SHA-256 in hexadecimal, as `x-amz-content-sha256` carries it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn crc32(algorithm: CrcAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let value = crc_fast::checksum(algorithm, bytes);
    let low = u32::try_from(value).expect("a CRC of 32 bits");
    low.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_published_check_string() {
        // The check values of "123456789" in the catalogue of parametrised CRC algorithms, and the digests of RFC 1321/3174/6234 tools.
        let hex_of = |algorithm: Algorithm| hex::encode(algorithm.raw(b"123456789"));
        assert_eq!(hex_of(Algorithm::Crc32), "cbf43926");
        assert_eq!(hex_of(Algorithm::Crc32c), "e3069283");
        assert_eq!(hex_of(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(
            hex_of(Algorithm::Sha1),
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
        );
        assert_eq!(
            hex_of(Algorithm::Sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        assert_eq!(md5_hex(b"123456789"), "25f9e794323b453885f5181f1b624d0b");
    }
}
