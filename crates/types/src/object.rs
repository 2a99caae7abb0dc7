//! An object version and where its bytes are.

use bytes::Bytes;

use crate::account::CanonicalId;
use crate::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use crate::cluster::Profile;
use crate::etag::ETag;
use crate::id::{BlobId, UploadId, VersionId};
use crate::name::ObjectKey;
use crate::settings::ObjectSettings;
use crate::time::Timestamp;

/// Headers that are kept with an object and given back as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectHeaders {
    /// `Content-Type`; an object without one is `binary/octet-stream`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, as text.
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect: Option<String>,
    /// `x-amz-meta-*` without that prefix, lower case, in the order of arrival.
    pub user: Vec<(String, String)>,
}

/// A run of an object's bytes: one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The blob; it names its placement group.
    pub blob: BlobId,
    /// Bytes of the object in it.
    pub plain_len: u64,
    /// Bytes of the blob itself, before erasure coding; equals `plain_len` while nothing is compressed or encrypted.
    pub stored_len: u64,
    /// How it is cut into stripes.
    pub profile: Profile,
    /// Its largest cell in bytes.
    pub cell_len: u32,
    /// Which code made the parity; 1 = Reed–Solomon over GF(2⁸) with a Vandermonde-derived matrix.
    pub erasure_code: u8,
    /// How the bytes are compressed; 0 = not.
    pub codec: u8,
    /// How the bytes are encrypted; 0 = not.
    pub cipher: u8,
    /// The root of each shard: the hash of its frames' hashes, `profile.width()` of them.
    pub roots: Vec<[u8; 16]>,
    /// Shards that were not durable when the blob was committed, ascending: repair owes them.
    pub missing_shards: Vec<u8>,
}

/// A part inside a completed multipart object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpan {
    /// 1 to 10,000.
    pub number: u16,
    /// Its bytes.
    pub len: u64,
}

/// Where the bytes of a version are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the record itself.
    Inline(Bytes),
    /// In blobs, in order.
    Extents(Vec<Extent>),
    /// In the parts of an upload, in order; their extents stay where the parts were recorded.
    Parts {
        /// The upload they were recorded under.
        upload: UploadId,
        /// The parts, by number.
        parts: Vec<PartSpan>,
    },
}

/// One version of an object, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its key.
    pub key: ObjectKey,
    /// Its id; every version has one inside, whether or not clients see it.
    pub version: VersionId,
    /// True for the null version: clients know it as `null` or without any id.
    pub is_null: bool,
    /// When it was committed, by the group's clock.
    pub last_modified: Timestamp,
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag.
    pub etag: ETag,
    /// The checksum that was verified when it was written.
    pub checksum: Option<ObjectChecksum>,
    /// Its headers.
    pub headers: ObjectHeaders,
    /// Owner, ACL, tags and lock.
    pub settings: ObjectSettings,
    /// Its bytes.
    pub content: Content,
}

/// A version about to be committed: all that the writer knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Its length in bytes; agrees with `content`.
    pub len: u64,
    /// Its ETag.
    pub etag: ETag,
    /// The checksum that was verified.
    pub checksum: Option<ObjectChecksum>,
    /// Its headers.
    pub headers: ObjectHeaders,
    /// Owner, ACL, tags and lock. Without a retention it gets the bucket's default. A lock in a bucket without: `NoObjectLock`.
    pub settings: ObjectSettings,
    /// Its bytes: never `Parts`, which only completing an upload makes.
    pub content: Content,
}

/// What was decided when a multipart upload was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// The headers of the object to be.
    pub headers: ObjectHeaders,
    /// The checksum that every part is to have, if one was asked for.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Owner, ACL, tags and lock of the object to be, as of one that is put.
    pub settings: ObjectSettings,
    /// Who began it; `None`: the bucket's owner.
    pub initiator: Option<CanonicalId>,
}

/// A part about to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// Its length in bytes; agrees with `content`.
    pub len: u64,
    /// The MD5 of its bytes.
    pub etag: ETag,
    /// The checksum that was verified.
    pub checksum: Option<ObjectChecksum>,
    /// Its bytes: never `Parts`.
    pub content: Content,
}
