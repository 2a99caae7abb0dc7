//! Putting and deleting objects.

use cairn_types::id::BucketId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{DeleteTarget, WriteCondition, extents};
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::object::NewObject;
use cairn_types::settings::ObjectSettings;

use super::change::Change;
use super::slot::{self, Slot};
use super::{blob, limits, version};
use crate::failure::Failure;
use crate::record::blob::Holder;
use crate::record::object::ObjectRow;
use crate::store::Store;

/// Commits an object.
pub(super) fn put<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    key: &ObjectKey,
    object: &NewObject,
    condition: &WriteCondition,
) -> Result<DataReply, Failure> {
    let row = change.writable(bucket)?;
    limits::check_object(object)?;
    version::check_lock(&row, &object.settings.lock)?;
    let slot = Slot::read(change, bucket, row.versioning, key)?;
    slot.check(condition)?;
    blob::check_new(change, extents(&object.content))?;
    let object_row = ObjectRow {
        random: slot::version_random(change, 0),
        is_null: slot.makes_null(),
        last_modified: change.clock(),
        len: object.len,
        etag: object.etag.clone(),
        checksum: object.checksum.clone(),
        headers: object.headers.clone(),
        settings: ObjectSettings {
            lock: version::lock_of_new(row.lock, object.settings.lock, change.clock()),
            ..object.settings.clone()
        },
        content: object.content.clone(),
    };
    let committed = slot.commit(change, object_row)?;
    let holder = Holder::Version {
        bucket,
        key: key.clone(),
        order: committed.version.order(),
    };
    blob::hold(change, &holder, extents(&object.content))?;
    Ok(DataReply::Committed(committed))
}

/// Deletes keys and versions. A fenced bucket has none, and is to get no delete marker.
pub(super) fn delete<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    targets: &[DeleteTarget],
) -> Result<DataReply, Failure> {
    let row = change.bucket(bucket)?;
    limits::check_named(targets.len())?;
    let makes_markers = row.versioning.is_some();
    if row.is_fenced && makes_markers && targets.iter().any(|target| target.version.is_none()) {
        return Err(Refusal::NoSuchBucket.into());
    }
    let mut deleted = Vec::with_capacity(targets.len());
    for (place, target) in (0..).zip(targets) {
        let slot = Slot::read(change, bucket, row.versioning, &target.key)?;
        let decided = slot.check_deletion(change, target, row.lock.is_some())?;
        deleted.push(match (decided, target.version) {
            (Some(decided), _) => decided,
            (None, Some(version)) => slot.remove(change, version)?,
            (None, None) if makes_markers => slot.mark(change, place, target)?,
            (None, None) => slot.remove_only(change)?,
        });
    }
    Ok(DataReply::Deleted(deleted))
}
