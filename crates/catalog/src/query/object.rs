//! One object.

use cairn_types::id::{BucketId, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::{DataView, Refusal};
use cairn_types::object::{Content, ObjectVersion};

use super::bucket;
use crate::failure::Failure;
use crate::store::{Store, StoreError};
use crate::{key, record};

/// A version with all that is in its record.
pub(super) fn whole<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<DataView, Failure> {
    let version = find(store, bucket, key, version)?;
    Ok(DataView::Object(Box::new(version)))
}

/// A version without its bytes, and without where they are: but which parts there are, is told.
pub(super) fn head<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<DataView, Failure> {
    let mut version = find(store, bucket, key, version)?;
    match &version.content {
        Content::Parts { .. } => {}
        Content::Inline(_) | Content::Extents(_) => {
            version.content = Content::Extents(Vec::new());
        }
    }
    Ok(DataView::Object(Box::new(version)))
}

fn find<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<ObjectVersion, Failure> {
    bucket::check_known(store, bucket)?;
    match version {
        None => newest(store, bucket, key),
        Some(id) => {
            let row = record::get(store, &key::data::version(bucket, key, id.order()))?;
            match row {
                Some(row) if row.random == id.random() => {
                    Ok(row.into_version(key.clone(), id.order()))
                }
                _ => Err(Refusal::NoSuchVersion.into()),
            }
        }
    }
}

fn newest<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<ObjectVersion, Failure> {
    let row = record::get(store, &key::data::object_key(bucket, key))?;
    let order = row.ok_or(Refusal::NoSuchKey)?.newest;
    let version = record::get(store, &key::data::version(bucket, key, order))?;
    let version = version.ok_or(StoreError::Inconsistent {
        what: "a key names a version that is not there",
    })?;
    Ok(version.into_version(key.clone(), order))
}
