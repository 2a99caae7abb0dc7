//! The checksum of a whole, from those of its parts.

mod crc;

use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use self::crc::Crc;
use super::upload::StoredPart;
use crate::store::StoreError;

/// The checksum of an upload's version, if the upload was begun with one. At least one part.
///
/// Cost: one pass over the parts' checksums; adding up ten thousand CRCs takes some milliseconds.
///
/// Source: AWS, "Checking object integrity in Amazon S3", "Full object and composite checksum types".
pub(super) fn checksum(
    spec: Option<(ChecksumAlgorithm, ChecksumKind)>,
    parts: &[StoredPart],
) -> Result<Option<ObjectChecksum>, StoreError> {
    let Some((algorithm, kind)) = spec else {
        return Ok(None);
    };
    let mut sums = Vec::with_capacity(parts.len());
    for part in parts {
        let checksum = part.row.checksum.as_ref().map(|sum| &sum.checksum);
        match checksum {
            Some(checksum) if checksum.algorithm() == algorithm => {
                sums.push((checksum.value(), part.row.len));
            }
            _ => {
                return Err(StoreError::Inconsistent {
                    what: "a part has not the checksum of its upload",
                });
            }
        }
    }
    let value = match kind {
        ChecksumKind::Composite => of_checksums(algorithm, &sums),
        ChecksumKind::FullObject => combined(algorithm, &sums)?,
    };
    let checksum = Checksum::new(algorithm, &value)
        .expect("both ways to compute it give as many bytes as the algorithm has");
    Ok(Some(ObjectChecksum { checksum, kind }))
}

/// The checksum of the parts' checksums, one behind the other.
fn of_checksums(algorithm: ChecksumAlgorithm, sums: &[(&[u8], u64)]) -> Vec<u8> {
    let values: Vec<u8> = sums.iter().flat_map(|(value, _)| *value).copied().collect();
    match algorithm {
        ChecksumAlgorithm::Sha1 => Sha1::digest(&values).to_vec(),
        ChecksumAlgorithm::Sha256 => Sha256::digest(&values).to_vec(),
        ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, &values, 4),
        ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, &values, 4),
        ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, &values, 8),
    }
}

fn crc(algorithm: CrcAlgorithm, bytes: &[u8], len: usize) -> Vec<u8> {
    low_bytes(crc_fast::checksum(algorithm, bytes), len)
}

/// What the checksum of all bytes is, from the checksums and lengths of the parts.
fn combined(algorithm: ChecksumAlgorithm, sums: &[(&[u8], u64)]) -> Result<Vec<u8>, StoreError> {
    let crc = Crc::of(algorithm).ok_or(StoreError::Inconsistent {
        what: "an upload was begun with a checksum that parts do not add up to",
    })?;
    let whole = crc.add_up(sums.iter().map(|(value, len)| (number(value), *len)));
    Ok(low_bytes(whole, algorithm.value_len()))
}

fn number(value: &[u8]) -> u64 {
    value
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn low_bytes(number: u64, len: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes
        .get(bytes.len() - len..)
        .expect("a CRC has 4 or 8 bytes")
        .to_vec()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cairn_types::etag::ETag;
    use cairn_types::object::Content;
    use cairn_types::time::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;
    use crate::record::upload::PartRow;

    fn direct(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let value = match algorithm {
            ChecksumAlgorithm::Crc32 => crc_fast::crc32_iso_hdlc(bytes).to_be_bytes().to_vec(),
            ChecksumAlgorithm::Crc32c => crc_fast::crc32_iscsi(bytes).to_be_bytes().to_vec(),
            ChecksumAlgorithm::Crc64Nvme => crc_fast::crc64_nvme(bytes).to_be_bytes().to_vec(),
            ChecksumAlgorithm::Sha1 => Sha1::digest(bytes).to_vec(),
            ChecksumAlgorithm::Sha256 => Sha256::digest(bytes).to_vec(),
        };
        Checksum::new(algorithm, &value).unwrap()
    }

    fn part(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> StoredPart {
        let checksum = ObjectChecksum {
            checksum: direct(algorithm, bytes),
            kind: ChecksumKind::FullObject,
        };
        StoredPart {
            number: 1,
            row: PartRow {
                len: bytes.len() as u64,
                etag: ETag::from_md5([0; 16]),
                checksum: Some(checksum),
                last_modified: Timestamp::default(),
                content: Content::Inline(Bytes::new()),
            },
        }
    }

    fn whole(
        algorithm: ChecksumAlgorithm,
        kind: ChecksumKind,
        parts: &[Vec<u8>],
    ) -> Result<Option<ObjectChecksum>, StoreError> {
        let parts: Vec<_> = parts.iter().map(|bytes| part(algorithm, bytes)).collect();
        checksum(Some((algorithm, kind)), &parts)
    }

    #[test]
    fn a_sha_does_not_add_up() {
        let result = whole(
            ChecksumAlgorithm::Sha1,
            ChecksumKind::FullObject,
            &[vec![1], vec![2]],
        );
        assert!(matches!(result, Err(StoreError::Inconsistent { .. })));
    }

    proptest! {
        #[test]
        fn crcs_of_parts_add_up_to_that_of_the_whole(parts in vec(vec(any::<u8>(), 0..300), 1..6)) {
            for algorithm in [
                ChecksumAlgorithm::Crc32,
                ChecksumAlgorithm::Crc32c,
                ChecksumAlgorithm::Crc64Nvme,
            ] {
                let result = whole(algorithm, ChecksumKind::FullObject, &parts).unwrap().unwrap();
                assert_eq!(result.checksum, direct(algorithm, &parts.concat()));
                assert_eq!(result.kind, ChecksumKind::FullObject);
            }
        }

        #[test]
        fn a_composite_is_taken_over_the_checksums(parts in vec(vec(any::<u8>(), 0..30), 1..6)) {
            for algorithm in ChecksumAlgorithm::ALL {
                let sums: Vec<u8> = parts
                    .iter()
                    .flat_map(|bytes| direct(algorithm, bytes).value().to_vec())
                    .collect();
                let result = whole(algorithm, ChecksumKind::Composite, &parts).unwrap().unwrap();
                assert_eq!(result.checksum, direct(algorithm, &sums));
                assert_eq!(result.kind, ChecksumKind::Composite);
            }
        }
    }
}
