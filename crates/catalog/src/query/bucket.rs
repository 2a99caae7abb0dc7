//! What is known of a bucket.

use cairn_types::id::BucketId;
use cairn_types::namespace::{DataView, Refusal};

use crate::failure::Failure;
use crate::store::{Store, StoreError};
use crate::{key, record};

/// What a bucket holds.
pub(super) fn counters<S: Store>(store: &S, bucket: BucketId) -> Result<DataView, Failure> {
    check_known(store, bucket)?;
    let range = record::get(store, &key::data::range(bucket, ""))?;
    let range = range.ok_or(StoreError::Inconsistent {
        what: "a bucket has no range",
    })?;
    Ok(DataView::Counters(range.counters))
}

/// Whether a bucket keeps versions.
pub(super) fn versioning<S: Store>(store: &S, bucket: BucketId) -> Result<DataView, Failure> {
    match record::get(store, &key::data::bucket(bucket))? {
        Some(row) => Ok(DataView::Versioning(row.versioning)),
        None => Err(Refusal::NoSuchBucket.into()),
    }
}

/// Checks that the bucket is known here. A fenced one is: it is read until it is gone.
pub(super) fn check_known<S: Store>(store: &S, bucket: BucketId) -> Result<(), Failure> {
    match record::get(store, &key::data::bucket(bucket))? {
        Some(_) => Ok(()),
        None => Err(Refusal::NoSuchBucket.into()),
    }
}
