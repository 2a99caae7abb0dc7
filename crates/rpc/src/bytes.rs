//! Identifiers of 128 bits as the 16 big-endian bytes that they are on the wire.

use bytes::Bytes;
use cairn_types::id::{BlobId, ClusterId, DiskId};
use tonic::Status;

/// 16 bytes for these bits.
pub fn from_u128(bits: u128) -> Bytes {
    Bytes::copy_from_slice(&bits.to_be_bytes())
}

/// The bits of 16 bytes.
///
/// # Errors
/// `INVALID_ARGUMENT` naming `field` for any other length.
pub fn to_u128(field: &'static str, bytes: &[u8]) -> Result<u128, Status> {
    <[u8; 16]>::try_from(bytes)
        .map(u128::from_be_bytes)
        .map_err(|_| Status::invalid_argument(format!("{field}: 16 bytes are needed")))
}

/// The blob id in 16 bytes.
///
/// # Errors
/// As `to_u128`.
pub fn blob(bytes: &[u8]) -> Result<BlobId, Status> {
    to_u128("blob", bytes).map(BlobId::from_bits)
}

/// The disk id in 16 bytes.
///
/// # Errors
/// As `to_u128`.
pub fn disk(bytes: &[u8]) -> Result<DiskId, Status> {
    to_u128("disk", bytes).map(DiskId::new)
}

/// The cluster id in 16 bytes.
///
/// # Errors
/// As `to_u128`.
pub fn cluster(bytes: &[u8]) -> Result<ClusterId, Status> {
    to_u128("cluster", bytes).map(ClusterId::new)
}
