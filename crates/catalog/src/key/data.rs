//! Keys of the tables of data groups.

use cairn_types::id::{BlobId, BucketId, Order, UploadId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::UploadKey;
use cairn_types::settings::DocumentKind;
use cairn_types::time::Timestamp;

use super::{Fields, Mark, RowKey, text};
use crate::record::blob::{BlobRow, CollectionRow, DegradedRow};
use crate::record::bucket::{BucketRow, OpenedRow, RangeRow};
use crate::record::object::{CurrentRow, KeyRow, VersionRow};
use crate::record::settings::{BucketAclRow, BucketDocumentRow, BucketPolicyRow};
use crate::record::upload::{PartRow, UploadEntryRow, UploadRow};
use crate::store::StoreError;

const BUCKETS: u8 = 0x10;
const RANGES: u8 = 0x11;
const CURRENT: u8 = 0x12;
const KEYS: u8 = 0x13;
const VERSIONS: u8 = 0x14;
const UPLOADS: u8 = 0x15;
const UPLOAD_ENTRIES: u8 = 0x16;
const PARTS: u8 = 0x17;
const DOOMED_UPLOADS: u8 = 0x18;
const OPENED: u8 = 0x19;
const GONE_BUCKETS: u8 = 0x1a;
const BUCKET_ACLS: u8 = 0x1b;
const BUCKET_POLICIES: u8 = 0x1c;
const BUCKET_DOCUMENTS: u8 = 0x1d;
const COLLECTION: u8 = 0x20;
const BLOBS: u8 = 0x21;
const FREED: u8 = 0x22;
const CONDEMNED: u8 = 0x23;
const DEGRADED: u8 = 0x24;

fn in_bucket(table: u8, bucket: BucketId) -> Vec<u8> {
    // Room for a key of usual length, so that most keys are allocated once.
    let mut bytes = Vec::with_capacity(96);
    bytes.push(table);
    bytes.extend(bucket.get().to_be_bytes());
    bytes
}

fn of_key(table: u8, bucket: BucketId, key: &str) -> Vec<u8> {
    let mut bytes = in_bucket(table, bucket);
    text::push(&mut bytes, key);
    bytes
}

fn of_upload(table: u8, upload: &UploadKey) -> Vec<u8> {
    let mut bytes = of_key(table, upload.bucket, upload.key.as_str());
    bytes.extend(upload.upload.get().to_be_bytes());
    bytes
}

pub(crate) fn bucket(bucket: BucketId) -> RowKey<BucketRow> {
    RowKey::new(in_bucket(BUCKETS, bucket))
}

pub(crate) fn opened() -> RowKey<OpenedRow> {
    RowKey::new(vec![OPENED])
}

/// A bucket that was drained.
pub(crate) fn gone_bucket(bucket: BucketId) -> RowKey<Mark> {
    RowKey::new(in_bucket(GONE_BUCKETS, bucket))
}

/// What all buckets that were drained begin with.
pub(crate) fn gone_buckets() -> Vec<u8> {
    vec![GONE_BUCKETS]
}

/// Reads a key of the table of buckets that were drained; `None` if it is one of a later table.
pub(crate) fn parse_gone_bucket(key: &[u8]) -> Result<Option<BucketId>, StoreError> {
    let Some(mut fields) = Fields::of(GONE_BUCKETS, key) else {
        return Ok(None);
    };
    let bucket = take_bucket(&mut fields)?;
    fields.end()?;
    Ok(Some(bucket))
}

pub(crate) fn bucket_acl(bucket: BucketId) -> RowKey<BucketAclRow> {
    RowKey::new(in_bucket(BUCKET_ACLS, bucket))
}

pub(crate) fn bucket_policy(bucket: BucketId) -> RowKey<BucketPolicyRow> {
    RowKey::new(in_bucket(BUCKET_POLICIES, bucket))
}

pub(crate) fn bucket_document(bucket: BucketId, kind: DocumentKind) -> RowKey<BucketDocumentRow> {
    let mut bytes = bucket_documents(bucket);
    let number = u8::try_from(cairn_schema::document_kind_number(kind));
    bytes.push(number.expect("the numbers of kinds are below 256"));
    RowKey::new(bytes)
}

/// What all documents of a bucket begin with.
pub(crate) fn bucket_documents(bucket: BucketId) -> Vec<u8> {
    in_bucket(BUCKET_DOCUMENTS, bucket)
}

/// Of which kind the document is whose key ends so behind what all documents of its bucket begin with.
pub(crate) fn parse_document_kind(suffix: &[u8]) -> Result<DocumentKind, StoreError> {
    let mut fields = Fields {
        table: BUCKET_DOCUMENTS,
        rest: suffix,
    };
    let kind = take_document_kind(&mut fields)?;
    fields.end()?;
    Ok(kind)
}

/// The range of a bucket that begins at `start`.
pub(crate) fn range(bucket: BucketId, start: &str) -> RowKey<RangeRow> {
    RowKey::new(of_key(RANGES, bucket, start))
}

pub(crate) fn current(bucket: BucketId, key: &str) -> RowKey<CurrentRow> {
    RowKey::new(of_key(CURRENT, bucket, key))
}

/// What the current rows of all keys with this prefix begin with.
pub(crate) fn current_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
    let mut bytes = in_bucket(CURRENT, bucket);
    text::push_prefix(&mut bytes, prefix);
    bytes
}

/// The key of the object that a current row is of.
pub(crate) fn parse_current(key: &[u8]) -> Result<String, StoreError> {
    let mut fields = Fields::of(CURRENT, key).ok_or(StoreError::Key { table: CURRENT })?;
    fields.take::<8>()?;
    let text = fields.take_text()?;
    fields.end()?;
    Ok(text)
}

pub(crate) fn object_key(bucket: BucketId, key: &ObjectKey) -> RowKey<KeyRow> {
    RowKey::new(of_key(KEYS, bucket, key.as_str()))
}

pub(crate) fn version(bucket: BucketId, key: &ObjectKey, order: Order) -> RowKey<VersionRow> {
    let mut bytes = of_key(VERSIONS, bucket, key.as_str());
    bytes.extend((!order.get()).to_be_bytes());
    RowKey::new(bytes)
}

/// What the versions of one key begin with.
pub(crate) fn versions_of(bucket: BucketId, key: &str) -> Vec<u8> {
    of_key(VERSIONS, bucket, key)
}

/// What the versions of all keys with this prefix begin with.
pub(crate) fn version_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
    let mut bytes = in_bucket(VERSIONS, bucket);
    text::push_prefix(&mut bytes, prefix);
    bytes
}

/// Which key a version is of, and its order.
pub(crate) fn parse_version(key: &[u8]) -> Result<(ObjectKey, Order), StoreError> {
    let mut fields = Fields::of(VERSIONS, key).ok_or(StoreError::Key { table: VERSIONS })?;
    take_bucket(&mut fields)?;
    let key = take_object_key(&mut fields)?;
    let order = Order::new(!u64::from_be_bytes(fields.take()?));
    fields.end()?;
    Ok((key, order))
}

pub(crate) fn upload(upload: &UploadKey) -> RowKey<UploadRow> {
    RowKey::new(of_upload(UPLOADS, upload))
}

pub(crate) fn upload_entry(upload: &UploadKey, initiated: Timestamp) -> RowKey<UploadEntryRow> {
    let mut bytes = of_key(UPLOAD_ENTRIES, upload.bucket, upload.key.as_str());
    bytes.extend(initiated.as_millis().to_be_bytes());
    bytes.extend(upload.upload.get().to_be_bytes());
    RowKey::new(bytes)
}

/// What the entries of the uploads of one key begin with.
pub(crate) fn upload_entries_of(bucket: BucketId, key: &str) -> Vec<u8> {
    of_key(UPLOAD_ENTRIES, bucket, key)
}

/// What the entries of the uploads of all keys with this prefix begin with.
pub(crate) fn upload_entry_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
    let mut bytes = in_bucket(UPLOAD_ENTRIES, bucket);
    text::push_prefix(&mut bytes, prefix);
    bytes
}

/// Which upload an entry is of, and when it was begun.
pub(crate) fn parse_upload_entry(key: &[u8]) -> Result<(UploadKey, Timestamp), StoreError> {
    let mut fields = Fields::of(UPLOAD_ENTRIES, key).ok_or(StoreError::Key {
        table: UPLOAD_ENTRIES,
    })?;
    let bucket = take_bucket(&mut fields)?;
    let key = take_object_key(&mut fields)?;
    let initiated = take_time(&mut fields)?;
    let upload = UploadId::new(u128::from_be_bytes(fields.take()?));
    fields.end()?;
    let upload = UploadKey {
        bucket,
        key,
        upload,
    };
    Ok((upload, initiated))
}

pub(crate) fn part(upload: &UploadKey, number: u16) -> RowKey<PartRow> {
    let mut bytes = parts_of(upload);
    bytes.extend(number.to_be_bytes());
    RowKey::new(bytes)
}

/// What the parts of an upload begin with.
pub(crate) fn parts_of(upload: &UploadKey) -> Vec<u8> {
    of_upload(PARTS, upload)
}

/// The number of the part whose key is `parts_of` its upload and then this.
pub(crate) fn parse_part_number(suffix: &[u8]) -> Result<u16, StoreError> {
    let number = suffix
        .try_into()
        .map_err(|_| StoreError::Key { table: PARTS })?;
    Ok(u16::from_be_bytes(number))
}

pub(crate) fn doomed_upload(upload: &UploadKey) -> RowKey<Mark> {
    RowKey::new(of_upload(DOOMED_UPLOADS, upload))
}

/// Where the doomed uploads begin.
pub(crate) fn doomed_uploads() -> Vec<u8> {
    vec![DOOMED_UPLOADS]
}

/// Reads a key of the table of doomed uploads; `None` if it is one of a later table.
pub(crate) fn parse_doomed_upload(key: &[u8]) -> Result<Option<UploadKey>, StoreError> {
    let Some(mut fields) = Fields::of(DOOMED_UPLOADS, key) else {
        return Ok(None);
    };
    let upload = take_upload(&mut fields)?;
    fields.end()?;
    Ok(Some(upload))
}

pub(crate) fn collection() -> RowKey<CollectionRow> {
    RowKey::new(vec![COLLECTION])
}

pub(crate) fn blob(blob: BlobId) -> RowKey<BlobRow> {
    let mut bytes = vec![BLOBS];
    bytes.extend(blob.get().to_be_bytes());
    RowKey::new(bytes)
}

pub(crate) fn freed(freed: Timestamp, blob: BlobId) -> RowKey<Mark> {
    RowKey::new(timed_blob(FREED, freed, blob))
}

/// Where the freed blobs begin.
pub(crate) fn freed_blobs() -> Vec<u8> {
    vec![FREED]
}

/// Reads a key of the table of freed blobs; `None` if it is one of a later table.
pub(crate) fn parse_freed(key: &[u8]) -> Result<Option<(Timestamp, BlobId)>, StoreError> {
    parse_timed_blob(FREED, key)
}

/// By the time that the blob was begun, which its id says.
pub(crate) fn condemned(blob: BlobId) -> RowKey<Mark> {
    let begun = Timestamp::from_millis(blob.time_ms());
    RowKey::new(timed_blob(CONDEMNED, begun, blob))
}

/// Where the condemned blobs begin.
pub(crate) fn condemned_blobs() -> Vec<u8> {
    vec![CONDEMNED]
}

/// Reads a key of the table of condemned blobs; `None` if it is one of a later table.
pub(crate) fn parse_condemned(key: &[u8]) -> Result<Option<(Timestamp, BlobId)>, StoreError> {
    parse_timed_blob(CONDEMNED, key)
}

pub(crate) fn degraded(blob: BlobId) -> RowKey<DegradedRow> {
    let mut bytes = vec![DEGRADED];
    bytes.extend(blob.get().to_be_bytes());
    RowKey::new(bytes)
}

/// Which row a key of these tables leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DataKey {
    Bucket(BucketId),
    Range(BucketId, String),
    Current(BucketId, ObjectKey),
    Key(BucketId, ObjectKey),
    Version(BucketId, ObjectKey, Order),
    Upload(UploadKey),
    UploadEntry(UploadKey, Timestamp),
    Part(UploadKey, u16),
    DoomedUpload(UploadKey),
    Opened,
    GoneBucket(BucketId),
    BucketAcl(BucketId),
    BucketPolicy(BucketId),
    BucketDocument(BucketId, DocumentKind),
    Collection,
    Blob(BlobId),
    Freed(Timestamp, BlobId),
    Condemned(Timestamp, BlobId),
    Degraded(BlobId),
}

impl DataKey {
    /// Reads any key; `None` if it is of none of these tables.
    pub(crate) fn parse(key: &[u8]) -> Result<Option<Self>, StoreError> {
        let Some((&table, rest)) = key.split_first() else {
            return Ok(None);
        };
        let mut fields = Fields { table, rest };
        let parsed = match table {
            BUCKETS => Self::Bucket(take_bucket(&mut fields)?),
            RANGES => Self::Range(take_bucket(&mut fields)?, fields.take_text()?),
            CURRENT => Self::Current(take_bucket(&mut fields)?, take_object_key(&mut fields)?),
            KEYS => Self::Key(take_bucket(&mut fields)?, take_object_key(&mut fields)?),
            VERSIONS => {
                let bucket = take_bucket(&mut fields)?;
                let key = take_object_key(&mut fields)?;
                let order = Order::new(!u64::from_be_bytes(fields.take()?));
                Self::Version(bucket, key, order)
            }
            UPLOADS => Self::Upload(take_upload(&mut fields)?),
            UPLOAD_ENTRIES => {
                let (upload, initiated) = parse_upload_entry(key)?;
                return Ok(Some(Self::UploadEntry(upload, initiated)));
            }
            PARTS => {
                let upload = take_upload(&mut fields)?;
                Self::Part(upload, u16::from_be_bytes(fields.take()?))
            }
            DOOMED_UPLOADS => Self::DoomedUpload(take_upload(&mut fields)?),
            OPENED => Self::Opened,
            GONE_BUCKETS => Self::GoneBucket(take_bucket(&mut fields)?),
            BUCKET_ACLS => Self::BucketAcl(take_bucket(&mut fields)?),
            BUCKET_POLICIES => Self::BucketPolicy(take_bucket(&mut fields)?),
            BUCKET_DOCUMENTS => {
                let bucket = take_bucket(&mut fields)?;
                Self::BucketDocument(bucket, take_document_kind(&mut fields)?)
            }
            COLLECTION => Self::Collection,
            BLOBS => Self::Blob(take_blob(&mut fields)?),
            FREED => Self::Freed(take_time(&mut fields)?, take_blob(&mut fields)?),
            CONDEMNED => Self::Condemned(take_time(&mut fields)?, take_blob(&mut fields)?),
            DEGRADED => Self::Degraded(take_blob(&mut fields)?),
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(parsed))
    }
}

fn timed_blob(table: u8, time: Timestamp, blob: BlobId) -> Vec<u8> {
    let mut bytes = vec![table];
    bytes.extend(time.as_millis().to_be_bytes());
    bytes.extend(blob.get().to_be_bytes());
    bytes
}

fn parse_timed_blob(table: u8, key: &[u8]) -> Result<Option<(Timestamp, BlobId)>, StoreError> {
    let Some(mut fields) = Fields::of(table, key) else {
        return Ok(None);
    };
    let time = take_time(&mut fields)?;
    let blob = take_blob(&mut fields)?;
    fields.end()?;
    Ok(Some((time, blob)))
}

fn take_bucket(fields: &mut Fields<'_>) -> Result<BucketId, StoreError> {
    fields.take().map(u64::from_be_bytes).map(BucketId::new)
}

fn take_document_kind(fields: &mut Fields<'_>) -> Result<DocumentKind, StoreError> {
    let [number] = fields.take()?;
    let mut kinds = DocumentKind::ALL.into_iter();
    kinds
        .find(|kind| cairn_schema::document_kind_number(*kind) == i32::from(number))
        .ok_or_else(|| fields.error())
}

fn take_time(fields: &mut Fields<'_>) -> Result<Timestamp, StoreError> {
    let millis = fields.take().map(u64::from_be_bytes)?;
    Ok(Timestamp::from_millis(millis))
}

fn take_blob(fields: &mut Fields<'_>) -> Result<BlobId, StoreError> {
    fields
        .take()
        .map(u128::from_be_bytes)
        .map(BlobId::from_bits)
}

fn take_upload(fields: &mut Fields<'_>) -> Result<UploadKey, StoreError> {
    Ok(UploadKey {
        bucket: take_bucket(fields)?,
        key: take_object_key(fields)?,
        upload: fields.take().map(u128::from_be_bytes).map(UploadId::new)?,
    })
}

fn take_object_key(fields: &mut Fields<'_>) -> Result<ObjectKey, StoreError> {
    let text = fields.take_text()?;
    ObjectKey::parse(&text).map_err(|_| fields.error())
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::proptest;

    use super::*;

    proptest! {
        #[test]
        fn versions_order_by_bucket_key_and_newest_first(
            left in (0_u64..3, "[\\x00\\x01a\u{10ffff}]{1,4}", 0_u64..3),
            right in (0_u64..3, "[\\x00\\x01a\u{10ffff}]{1,4}", 0_u64..3),
        ) {
            let encode = |(bucket, key, order): &(u64, String, u64)| {
                let key = ObjectKey::parse(key).unwrap();
                version(BucketId::new(*bucket), &key, Order::new(*order)).into_bytes()
            };
            let meaning = |(bucket, key, order): &(u64, String, u64)| {
                (*bucket, key.clone().into_bytes(), Reverse(*order))
            };
            assert_eq!(encode(&left).cmp(&encode(&right)), meaning(&left).cmp(&meaning(&right)));
        }

        #[test]
        fn entries_of_uploads_read_back_and_order_by_key_and_time(
            left in ("[\\x00\\x01a\u{10ffff}]{1,4}", 0_u64..3, 0_u128..3),
            right in ("[\\x00\\x01a\u{10ffff}]{1,4}", 0_u64..3, 0_u128..3),
        ) {
            let encode = |(key, initiated, id): &(String, u64, u128)| {
                let key = UploadKey {
                    bucket: BucketId::new(1),
                    key: ObjectKey::parse(key).unwrap(),
                    upload: UploadId::new(*id),
                };
                let initiated = Timestamp::from_millis(*initiated);
                let bytes = upload_entry(&key, initiated).into_bytes();
                assert_eq!(parse_upload_entry(&bytes).unwrap(), (key, initiated));
                bytes
            };
            assert_eq!(encode(&left).cmp(&encode(&right)), left.cmp(&right));
        }
    }
}
