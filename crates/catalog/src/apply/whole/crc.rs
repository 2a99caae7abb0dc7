//! Adding up CRCs: the CRC of bytes from those of their parts.
//!
//! A CRC is a polynomial over GF(2) modulo the algorithm's own, here with the bits reflected: the top bit is x⁰. That of a part
//! moves up by its successors' lengths, x⁸ for each byte, and the parts' sum is their exclusive or; start value and final
//! inversion cancel out. `crc_fast::checksum_combine` took about 1 ms for each part on a busy 2-core machine, so seconds for
//! an upload of ten thousand; on a quiet one all of such a completion takes 13 ms this way.
//!
//! Source: M. Adler, zlib, `crc32_combine`.

use cairn_types::checksum::ChecksumAlgorithm;

/// An algorithm whose checksums add up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crc {
    /// x⁰: the top bit of as many as a checksum has.
    one: u64,
    /// The algorithm's polynomial, reflected, without its highest power.
    polynomial: u64,
}

impl Crc {
    /// The arithmetic of an algorithm; `None` if it is no CRC.
    pub(super) fn of(algorithm: ChecksumAlgorithm) -> Option<Self> {
        let (one, polynomial) = match algorithm {
            ChecksumAlgorithm::Crc32 => (1 << 31, 0xedb8_8320),
            ChecksumAlgorithm::Crc32c => (1 << 31, 0x82f6_3b78),
            ChecksumAlgorithm::Crc64Nvme => (1 << 63, 0x9a6c_9329_ac4b_c9b5),
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => return None,
        };
        Some(Self { one, polynomial })
    }

    /// The checksum of all bytes, from the checksum and length of each part. 0 for none.
    ///
    /// Cost: two multiplications of at most 64 steps for a part that is as long as the one before, else some 70.
    pub(super) fn add_up(self, parts: impl Iterator<Item = (u64, u64)>) -> u64 {
        let mut sum = 0;
        let mut shift = (0, self.one);
        for (crc, len) in parts {
            if shift.0 != len {
                shift = (len, self.shift(len));
            }
            sum = self.multiply(shift.1, sum) ^ crc;
        }
        sum
    }

    /// x⁸ to the power of `len`.
    fn shift(self, mut len: u64) -> u64 {
        let mut power = self.one >> 8;
        let mut product = self.one;
        while len > 0 {
            if len & 1 == 1 {
                product = self.multiply(power, product);
            }
            power = self.multiply(power, power);
            len >>= 1;
        }
        product
    }

    fn multiply(self, left: u64, mut right: u64) -> u64 {
        let mut product = 0;
        let mut bit = self.one;
        while bit > 0 {
            if left & bit != 0 {
                product ^= right;
            }
            let carry = right & 1;
            right >>= 1;
            if carry == 1 {
                right ^= self.polynomial;
            }
            bit >>= 1;
        }
        product
    }
}
