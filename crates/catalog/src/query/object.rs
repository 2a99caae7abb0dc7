//! One object.

use cairn_types::id::{BucketId, Order, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::{DataView, Refusal};
use cairn_types::object::Content;
use cairn_types::version::NamedVersion;

use super::bucket;
use crate::failure::Failure;
use crate::record::object::{ObjectRow, VersionRow};
use crate::store::{Store, StoreError};
use crate::{key, record};

/// A version with all that is in its record.
pub(super) fn whole<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<NamedVersion>,
) -> Result<DataView, Failure> {
    let (order, object) = find(store, bucket, key, version)?;
    let version = object.into_version(key.clone(), order);
    Ok(DataView::Object(Box::new(version)))
}

/// A version without its bytes, and without where they are: but which parts there are, is told.
pub(super) fn head<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<NamedVersion>,
) -> Result<DataView, Failure> {
    let (order, object) = find(store, bucket, key, version)?;
    let mut version = object.into_version(key.clone(), order);
    match &version.content {
        Content::Parts { .. } => {}
        Content::Inline(_) | Content::Extents(_) => {
            version.content = Content::Extents(Vec::new());
        }
    }
    Ok(DataView::Object(Box::new(version)))
}

/// A version that is an object, and its order.
pub(crate) fn find<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<NamedVersion>,
) -> Result<(Order, ObjectRow), Failure> {
    bucket::check_known(store, bucket)?;
    let (order, row) = match version {
        None => newest(store, bucket, key)?,
        Some(NamedVersion::Null) => null(store, bucket, key)?,
        Some(NamedVersion::Id(id)) => {
            let row = record::get(store, &key::data::version(bucket, key, id.order()))?;
            let row = row.filter(|row: &VersionRow| row.random() == id.random());
            (id.order(), row.ok_or(Refusal::NoSuchVersion)?)
        }
    };
    match row {
        VersionRow::Object(object) => Ok((order, object)),
        VersionRow::Marker(marker) => Err(Refusal::DeleteMarker {
            version: VersionId::new(order, marker.random),
            is_null: marker.is_null,
            last_modified: marker.last_modified,
        }
        .into()),
    }
}

fn newest<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<(Order, VersionRow), Failure> {
    let row = record::get(store, &key::data::object_key(bucket, key))?;
    let order = row.ok_or(Refusal::NoSuchKey)?.newest;
    Ok((order, named(store, bucket, key, order)?))
}

fn null<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<(Order, VersionRow), Failure> {
    let row = record::get(store, &key::data::object_key(bucket, key))?;
    let null = row.and_then(|row| row.null);
    let order = null.ok_or(Refusal::NoSuchVersion)?;
    Ok((order, named(store, bucket, key, order)?))
}

/// The version that its key names.
fn named<S: Store>(
    store: &S,
    bucket: BucketId,
    key: &ObjectKey,
    order: Order,
) -> Result<VersionRow, StoreError> {
    let version = record::get(store, &key::data::version(bucket, key, order))?;
    version.ok_or(StoreError::Inconsistent {
        what: "a key names a version that is not there",
    })
}
