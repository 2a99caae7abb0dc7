//! The bucket directory and the shard map.

use bytes::Bytes;
use cairn_types::id::BucketId;
use cairn_types::name::BucketName;
use cairn_types::namespace::root::{BucketEntry, BucketState, ShardRange};
use cairn_types::namespace::{Refusal, RootView};

use super::check_limit;
use crate::failure::Failure;
use crate::record::directory::{DirectoryRow, ShardRow};
use crate::store::{Cursor, Store, StoreError};
use crate::{key, record};

/// Buckets of a page.
const LARGEST_PAGE: u32 = 10_000;

/// Which rows a page is to have.
pub(super) struct Page<'a> {
    pub(super) after: &'a str,
    pub(super) prefix: &'a str,
    pub(super) limit: u32,
}

/// The directory row of a name.
pub(super) fn bucket_by_name<S: Store>(store: &S, name: &BucketName) -> Result<RootView, Failure> {
    let row = record::get(store, &key::root::directory(name.as_str()))?;
    let row = row.ok_or(Refusal::NoSuchBucket)?;
    Ok(RootView::Bucket(with_ranges(store, name.clone(), row)?))
}

/// The directory row of an id.
pub(super) fn bucket_by_id<S: Store>(store: &S, bucket: BucketId) -> Result<RootView, Failure> {
    let entry = entry_by_id(store, bucket)?.ok_or(Refusal::NoSuchBucket)?;
    Ok(RootView::Bucket(entry))
}

/// A page of the buckets that are there, by name: one whose deletion may yet fail is. One seek, and one more for the ranges of each.
pub(super) fn buckets<S: Store>(store: &S, page: &Page<'_>) -> Result<RootView, Failure> {
    let limit = check_limit(page.limit, 1, LARGEST_PAGE)?;
    let table = key::root::directory_prefix(page.prefix);
    // No name has a byte 0 in it: behind `after` comes what is longer by one.
    let mut behind = key::root::directory_prefix(page.after);
    if !page.after.is_empty() {
        behind.push(0);
    }
    let mut entries = Vec::new();
    let mut truncated = false;
    let mut cursor = store.cursor();
    cursor.seek(behind.as_slice().max(&table))?;
    while let Some((row_key, value)) = cursor.current().filter(|(key, _)| key.starts_with(&table)) {
        let row: DirectoryRow = record::decode(Bytes::copy_from_slice(value))?;
        if matches!(row.state, BucketState::Active | BucketState::Deleting) {
            if entries.len() == limit {
                truncated = true;
                break;
            }
            let name = key::root::parse_directory(row_key)?;
            let name = BucketName::parse(&name).map_err(|_| StoreError::Inconsistent {
                what: "the directory has a name that is none",
            })?;
            entries.push(with_ranges(store, name, row)?);
        }
        cursor.next()?;
    }
    Ok(RootView::Buckets { entries, truncated })
}

/// Whether any bucket, in whatever state, is this owner's. Reads the directory up to the first that is.
pub(crate) fn owns_any<S: Store>(store: &S, owner: &str) -> Result<bool, StoreError> {
    let table = key::root::directory_prefix("");
    let mut cursor = store.cursor();
    cursor.seek(&table)?;
    while let Some((_, value)) = cursor.current().filter(|(key, _)| key.starts_with(&table)) {
        let row: DirectoryRow = record::decode(Bytes::copy_from_slice(value))?;
        if row.owner == owner {
            return Ok(true);
        }
        cursor.next()?;
    }
    Ok(false)
}

/// As `buckets`, of one owner. One seek, and a point read and a seek for each.
pub(super) fn owned_buckets<S: Store>(
    store: &S,
    owner: &str,
    page: &Page<'_>,
) -> Result<RootView, Failure> {
    let limit = check_limit(page.limit, 1, LARGEST_PAGE)?;
    let table = key::root::owned_buckets(owner, page.prefix);
    let mut behind = key::root::owned_buckets(owner, page.after);
    if !page.after.is_empty() {
        behind.push(0);
    }
    let mut entries = Vec::new();
    let mut truncated = false;
    let mut cursor = store.cursor();
    cursor.seek(behind.as_slice().max(&table))?;
    while let Some((row_key, _)) = cursor.current().filter(|(key, _)| key.starts_with(&table)) {
        let name = key::root::parse_owned_bucket(row_key)?;
        let row = record::get(store, &key::root::directory(&name))?;
        let (Some(row), Ok(name)) = (row, BucketName::parse(&name)) else {
            return Err(StoreError::Inconsistent {
                what: "an owner has a bucket that is not in the directory",
            }
            .into());
        };
        if matches!(row.state, BucketState::Active | BucketState::Deleting) {
            if entries.len() == limit {
                truncated = true;
                break;
            }
            entries.push(with_ranges(store, name, row)?);
        }
        cursor.next()?;
    }
    Ok(RootView::Buckets { entries, truncated })
}

/// The directory row of an id with its ranges, if there is one.
pub(crate) fn entry_by_id<S: Store>(
    store: &S,
    bucket: BucketId,
) -> Result<Option<BucketEntry>, StoreError> {
    let Some(name) = record::get(store, &key::root::bucket_name(bucket))? else {
        return Ok(None);
    };
    let row = record::get(store, &key::root::directory(name.name.as_str()))?;
    match row {
        Some(row) if row.bucket == bucket => with_ranges(store, name.name, row).map(Some),
        _ => Err(StoreError::Inconsistent {
            what: "a bucket's name does not lead back to it",
        }),
    }
}

/// The directory row of a bucket as it is told.
pub(crate) fn entry(name: BucketName, row: DirectoryRow, ranges: Vec<ShardRange>) -> BucketEntry {
    BucketEntry {
        bucket: row.bucket,
        name,
        owner: row.owner,
        created: row.created,
        state: row.state,
        epoch: row.epoch,
        initial: row.initial,
        ranges,
    }
}

fn with_ranges<S: Store>(
    store: &S,
    name: BucketName,
    row: DirectoryRow,
) -> Result<BucketEntry, StoreError> {
    let prefix = key::root::shards_of(row.bucket);
    let mut ranges = Vec::new();
    let mut cursor = store.cursor();
    cursor.seek(&prefix)?;
    while let Some((row_key, value)) = cursor.current().filter(|(key, _)| key.starts_with(&prefix))
    {
        let shard: ShardRow = record::decode(Bytes::copy_from_slice(value))?;
        ranges.push(ShardRange {
            start: key::root::parse_shard(row_key)?,
            group: shard.group,
            epoch: shard.epoch,
        });
        cursor.next()?;
    }
    if ranges.is_empty() {
        return Err(StoreError::Inconsistent {
            what: "a bucket has no row in the shard map",
        });
    }
    Ok(entry(name, row, ranges))
}
