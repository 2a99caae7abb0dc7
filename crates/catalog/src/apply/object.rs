//! Putting and deleting objects.

use cairn_types::id::{BucketId, Order, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{Committed, Counters, UploadKey, WriteCondition, extents};
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::object::{Content, NewObject};

use super::change::{Change, subtract};
use super::{blob, limits, upload};
use crate::failure::Failure;
use crate::key;
use crate::record::blob::Holder;
use crate::record::object::{CurrentRow, KeyRow, VersionRow};
use crate::store::{Store, StoreError};

/// A key: what a write finds there, and where it goes.
pub(super) struct Slot<'a> {
    bucket: BucketId,
    key: &'a ObjectKey,
    row: Option<KeyRow>,
    current: Option<CurrentRow>,
}

impl<'a> Slot<'a> {
    pub(super) fn read<S: Store>(
        change: &Change<'_, S>,
        bucket: BucketId,
        key: &'a ObjectKey,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            bucket,
            key,
            row: change.get(&key::data::object_key(bucket, key))?,
            current: change.get(&key::data::current(bucket, key.as_str()))?,
        })
    }

    /// Checks what must hold of the current object.
    pub(super) fn check(&self, condition: &WriteCondition) -> Result<(), Refusal> {
        match (condition, &self.current) {
            (WriteCondition::Always, _) | (WriteCondition::IfAbsent, None) => Ok(()),
            (WriteCondition::IfMatch(_), None) => Err(Refusal::NoSuchKey),
            (WriteCondition::IfMatch(etag), Some(current)) if *etag == current.etag => Ok(()),
            (WriteCondition::IfAbsent | WriteCondition::IfMatch(_), Some(_)) => {
                Err(Refusal::PreconditionFailed)
            }
        }
    }

    /// Makes `version` the newest of the key, in place of the null version, and counts it. Gives its order. What the
    /// version's content refers to is left to the caller.
    pub(super) fn commit<S: Store>(
        self,
        change: &mut Change<'_, S>,
        version: &VersionRow,
    ) -> Result<Committed, StoreError> {
        let (bucket, key) = (self.bucket, self.key);
        let mut range = change.range(bucket)?;
        if let Some(null) = self.row.and_then(|row| row.null) {
            remove_version(change, &mut range.counters, bucket, key, null)?;
        }
        count_current_out(&mut range.counters, self.current.as_ref())?;
        let counters = &mut range.counters;
        counters.objects += 1;
        counters.bytes += version.len;
        counters.versions += 1;
        counters.version_bytes += version.len;
        let order = Order::new(range.order.get() + 1);
        range.order = order;
        let current = CurrentRow {
            len: version.len,
            etag: version.etag.clone(),
            last_modified: version.last_modified,
            checksum: version
                .checksum
                .as_ref()
                .map(|whole| (whole.checksum.algorithm(), whole.kind)),
        };
        let row = KeyRow {
            newest: order,
            null: Some(order),
        };
        change.put_range(bucket, &range);
        change.put(key::data::version(bucket, key, order), version);
        change.put(key::data::object_key(bucket, key), &row);
        change.put(key::data::current(bucket, key.as_str()), &current);
        Ok(committed(order, version))
    }
}

/// What the writer of a version is told.
pub(super) fn committed(order: Order, version: &VersionRow) -> Committed {
    Committed {
        version: VersionId::new(order, version.random),
        is_null: version.is_null,
        etag: version.etag.clone(),
        len: version.len,
        checksum: version.checksum.clone(),
        last_modified: version.last_modified,
    }
}

/// The bits of a command that make the id of its version unguessable.
pub(super) fn version_random<S: Store>(change: &Change<'_, S>) -> u64 {
    u64::try_from(change.random() >> 64).expect("64 of 128 bits are left")
}

/// Commits an object.
pub(super) fn put<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    key: &ObjectKey,
    object: &NewObject,
    condition: &WriteCondition,
) -> Result<DataReply, Failure> {
    change.check_writable(bucket)?;
    limits::check_object(object)?;
    let slot = Slot::read(change, bucket, key)?;
    slot.check(condition)?;
    blob::check_new(change, extents(&object.content))?;
    let version = VersionRow {
        random: version_random(change),
        is_null: true,
        last_modified: change.clock(),
        len: object.len,
        etag: object.etag.clone(),
        checksum: object.checksum.clone(),
        headers: object.headers.clone(),
        content: object.content.clone(),
    };
    let committed = slot.commit(change, &version)?;
    let holder = Holder::Version {
        bucket,
        key: key.clone(),
        order: committed.version.order(),
    };
    blob::hold(change, &holder, extents(&object.content))?;
    Ok(DataReply::Committed(committed))
}

/// Deletes keys. A fenced bucket has none.
pub(super) fn delete<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    keys: &[ObjectKey],
) -> Result<DataReply, Failure> {
    change.bucket(bucket)?;
    limits::check_named(keys.len())?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.push(delete_key(change, bucket, key)?);
    }
    Ok(DataReply::Deleted(found))
}

/// Removes the null version of a key. Gives whether there was one.
fn delete_key<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<bool, StoreError> {
    let slot = Slot::read(change, bucket, key)?;
    let Some((row, null)) = slot.row.and_then(|row| row.null.map(|null| (row, null))) else {
        return Ok(false);
    };
    // Without versioning there is no other, and so none that would become the newest.
    if row.newest != null {
        return Err(StoreError::Inconsistent {
            what: "a key without versioning has a version beside the null version",
        });
    }
    let mut range = change.range(bucket)?;
    remove_version(change, &mut range.counters, bucket, key, null)?;
    count_current_out(&mut range.counters, slot.current.as_ref())?;
    change.put_range(bucket, &range);
    change.delete(key::data::object_key(bucket, key));
    change.delete(key::data::current(bucket, key.as_str()));
    Ok(true)
}

fn count_current_out(
    counters: &mut Counters,
    current: Option<&CurrentRow>,
) -> Result<(), StoreError> {
    if let Some(current) = current {
        subtract(&mut counters.objects, 1, "fewer objects than rows")?;
        subtract(&mut counters.bytes, current.len, "fewer bytes than objects")?;
    }
    Ok(())
}

/// Removes a version and what it refers to, and counts it out.
fn remove_version<S: Store>(
    change: &mut Change<'_, S>,
    counters: &mut Counters,
    bucket: BucketId,
    key: &ObjectKey,
    order: Order,
) -> Result<(), StoreError> {
    let row_key = key::data::version(bucket, key, order);
    let version = change.get(&row_key)?.ok_or(StoreError::Inconsistent {
        what: "a key names a version that is not there",
    })?;
    change.delete(row_key);
    subtract(&mut counters.versions, 1, "fewer versions than rows")?;
    subtract(
        &mut counters.version_bytes,
        version.len,
        "fewer bytes than versions",
    )?;
    match version.content {
        Content::Inline(_) => Ok(()),
        Content::Extents(extents) => blob::free(change, &extents),
        Content::Parts { upload, parts } => {
            let upload = UploadKey {
                bucket,
                key: key.clone(),
                upload,
            };
            upload::remove_completed(change, &upload, parts.len())
        }
    }
}
