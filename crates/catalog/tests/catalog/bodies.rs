//! Bytes of parts, said shortly: one byte, repeated. Their checksums are taken over real bytes, once each.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use cairn_types::checksum::{Checksum, ChecksumAlgorithm};
use cairn_types::etag::ETag;
use cairn_types::object::NewPart;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A run of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Body {
    pub(crate) byte: u8,
    pub(crate) len: u64,
}

type Known = HashMap<(ChecksumAlgorithm, Vec<Body>), Checksum>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl Body {
    /// No MD5, but as different as one from body to body.
    pub(crate) fn etag(self) -> ETag {
        let mut md5 = [self.byte; 16];
        md5[8..].copy_from_slice(&self.len.to_be_bytes());
        ETag::from_md5(md5)
    }
}

/// The body of a part that has its ETag.
pub(crate) fn of_part(part: &NewPart) -> Body {
    Body {
        byte: part.etag.md5()[0],
        len: part.len,
    }
}

/// The checksum of bodies, one behind the other.
pub(crate) fn checksum(algorithm: ChecksumAlgorithm, bodies: &[Body]) -> Checksum {
    let mut known = KNOWN.lock().expect("nothing panics with the lock");
    let entry = known.entry((algorithm, bodies.to_vec()));
    entry
        .or_insert_with(|| {
            let bytes = bodies.iter().flat_map(|body| {
                let len = usize::try_from(body.len).expect("it fits into memory");
                std::iter::repeat_n(body.byte, len)
            });
            of_bytes(algorithm, &bytes.collect::<Vec<_>>())
        })
        .clone()
}

/// The checksum of the bodies' checksums.
pub(crate) fn checksum_of_checksums(algorithm: ChecksumAlgorithm, bodies: &[Body]) -> Checksum {
    let sums = bodies.iter().map(|body| checksum(algorithm, &[*body]));
    let bytes: Vec<u8> = sums.flat_map(|sum| sum.value().to_vec()).collect();
    of_bytes(algorithm, &bytes)
}

fn of_bytes(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let crc = |algorithm, len: usize| {
        let mut crc = Crc::new(algorithm);
        crc.update(bytes);
        crc.finalize().to_be_bytes()[8 - len..].to_vec()
    };
    let value = match algorithm {
        ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
        ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, 4),
        ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, 8),
        ChecksumAlgorithm::Sha1 => Sha1::digest(bytes).to_vec(),
        ChecksumAlgorithm::Sha256 => Sha256::digest(bytes).to_vec(),
    };
    Checksum::new(algorithm, &value).expect("the algorithm's length")
}
