//! A key and its versions: the newest comes on top, and any of them may go.

use bytes::Bytes;
use cairn_types::id::{BucketId, Order, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::Refusal;
use cairn_types::namespace::data::{
    Committed, Counters, DeleteCondition, DeleteRefusal, DeleteTarget, Deleted, ETagCondition,
    UploadKey, WriteCondition,
};
use cairn_types::object::Content;
use cairn_types::time::Timestamp;
use cairn_types::version::{NamedVersion, Versioning};
use sha2::{Digest, Sha256};

use super::change::{Change, subtract};
use super::{blob, upload};
use crate::key;
use crate::record;
use crate::record::object::{CurrentRow, KeyRow, MarkerRow, ObjectRow, VersionRow};
use crate::store::{Cursor, Store, StoreError};

/// A key: what a command finds there, and what it does to it. Each changes the key once.
pub(super) struct Slot<'a> {
    bucket: BucketId,
    versioning: Option<Versioning>,
    key: &'a ObjectKey,
    row: Option<KeyRow>,
    current: Option<CurrentRow>,
}

impl<'a> Slot<'a> {
    pub(super) fn read<S: Store>(
        change: &Change<'_, S>,
        bucket: BucketId,
        versioning: Option<Versioning>,
        key: &'a ObjectKey,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            bucket,
            versioning,
            key,
            row: change.get(&key::data::object_key(bucket, key))?,
            current: change.get(&key::data::current(bucket, key.as_str()))?,
        })
    }

    /// Checks what must hold of the current object.
    pub(super) fn check(&self, condition: &WriteCondition) -> Result<(), Refusal> {
        match (condition, &self.current) {
            (WriteCondition::Always, _)
            | (WriteCondition::IfAbsent | WriteCondition::IfNoneMatch(_), None)
            | (WriteCondition::IfPresent, Some(_)) => Ok(()),
            (WriteCondition::IfPresent | WriteCondition::IfMatch(_), None) => {
                Err(Refusal::NoSuchKey)
            }
            (WriteCondition::IfMatch(etag), Some(current)) if *etag == current.etag => Ok(()),
            (WriteCondition::IfNoneMatch(etag), Some(current)) if *etag != current.etag => Ok(()),
            (
                WriteCondition::IfAbsent
                | WriteCondition::IfMatch(_)
                | WriteCondition::IfNoneMatch(_),
                Some(_),
            ) => Err(Refusal::PreconditionFailed),
        }
    }

    /// Checks what must hold of the version that is named, or else of the newest one, and whether a named one is locked. Where it
    /// is not there, nothing must, and what was to hold of it leaves no delete marker. `None`: it goes on.
    ///
    /// Cost: a point read where there is a condition, or a lock in the bucket.
    pub(super) fn check_deletion<S: Store>(
        &self,
        change: &Change<'_, S>,
        target: &DeleteTarget,
        can_be_locked: bool,
    ) -> Result<Option<Deleted>, StoreError> {
        let condition = &target.condition;
        let is_free = *condition == DeleteCondition::default();
        if is_free && !(can_be_locked && target.version.is_some()) {
            return Ok(None);
        }
        let order = match target.version {
            Some(version) => self.find(change, version)?,
            None => self.row.as_ref().map(|row| row.newest),
        };
        let Some(order) = order else {
            return Ok((!is_free).then_some(Deleted::Missing));
        };
        let row_key = key::data::version(self.bucket, self.key, order);
        let version = change.get(&row_key)?.ok_or(StoreError::Inconsistent {
            what: "a key names a version that is not there",
        })?;
        if !holds(condition, &version) {
            let refusal = DeleteRefusal::PreconditionFailed;
            return Ok(Some(Deleted::Refused(refusal)));
        }
        let is_locked = target.version.is_some()
            && version.object().is_some_and(|object| {
                let lock = &object.settings.lock;
                lock.binds(change.clock(), target.bypass_governance)
            });
        Ok(is_locked.then_some(Deleted::Refused(DeleteRefusal::Locked)))
    }

    /// Whether what is written now is the null version.
    pub(super) fn makes_null(&self) -> bool {
        self.versioning != Some(Versioning::Enabled)
    }

    /// Makes an object the newest version of the key. What its content refers to is left to the caller.
    pub(super) fn commit<S: Store>(
        self,
        change: &mut Change<'_, S>,
        object: ObjectRow,
    ) -> Result<Committed, StoreError> {
        let version = VersionRow::Object(object);
        let order = self.push(change, &version)?;
        let object = version.object().expect("it was made one just above");
        Ok(committed(order, object))
    }

    /// Makes a delete marker the newest version of the key, whatever is there. `place` tells the markers of one command apart.
    pub(super) fn mark<S: Store>(
        self,
        change: &mut Change<'_, S>,
        place: u32,
        target: &DeleteTarget,
    ) -> Result<Deleted, StoreError> {
        let marker = MarkerRow {
            random: version_random(change, place),
            is_null: self.makes_null(),
            last_modified: change.clock(),
            owner: target.marker_owner.clone(),
        };
        let (random, is_null) = (marker.random, marker.is_null);
        let order = self.push(change, &VersionRow::Marker(marker))?;
        let version = VersionId::new(order, random);
        Ok(Deleted::Marked { version, is_null })
    }

    /// Removes the key of a bucket without versioning: its null version, which is the only one.
    pub(super) fn remove_only<S: Store>(
        self,
        change: &mut Change<'_, S>,
    ) -> Result<Deleted, StoreError> {
        let is_only = |row: &KeyRow| row.null == Some(row.newest);
        if self.row.as_ref().is_some_and(|row| !is_only(row)) {
            return Err(StoreError::Inconsistent {
                what: "a key without versioning has a version beside the null version",
            });
        }
        let Some(row) = self.row.clone() else {
            return Ok(Deleted::Missing);
        };
        let mut range = change.range(self.bucket)?;
        take_version(
            change,
            &mut range.counters,
            self.bucket,
            self.key,
            row.newest,
        )?;
        count_current_out(&mut range.counters, self.current.as_ref())?;
        change.put_range(self.bucket, &range);
        change.delete(key::data::object_key(self.bucket, self.key));
        change.delete(key::data::current(self.bucket, self.key.as_str()));
        Ok(Deleted::Removed { is_marker: false })
    }

    /// Removes one version for good. If it was the newest, what is below it is.
    ///
    /// Cost: one seek if it was the newest.
    pub(super) fn remove<S: Store>(
        self,
        change: &mut Change<'_, S>,
        version: NamedVersion,
    ) -> Result<Deleted, StoreError> {
        let (Some(order), Some(row)) = (self.find(change, version)?, self.row.clone()) else {
            return Ok(Deleted::Missing);
        };
        let mut range = change.range(self.bucket)?;
        let counters = &mut range.counters;
        let removed = take_version(change, counters, self.bucket, self.key, order)?;
        let null = row.null.filter(|null| *null != order);
        if row.newest == order {
            count_current_out(counters, self.current.as_ref())?;
            if let Some((newest, version)) = self.below(change, order)? {
                self.put_newest(change, counters, &KeyRow { newest, null }, &version);
            } else {
                change.delete(key::data::object_key(self.bucket, self.key));
                change.delete(key::data::current(self.bucket, self.key.as_str()));
            }
        } else {
            let row = KeyRow { null, ..row };
            change.put(key::data::object_key(self.bucket, self.key), &row);
        }
        change.put_range(self.bucket, &range);
        let is_marker = removed.object().is_none();
        Ok(Deleted::Removed { is_marker })
    }

    /// Makes a version the newest of the key, in place of the null version if it is one, and counts it. Gives its order.
    fn push<S: Store>(
        &self,
        change: &mut Change<'_, S>,
        version: &VersionRow,
    ) -> Result<Order, StoreError> {
        let (bucket, key) = (self.bucket, self.key);
        let mut range = change.range(bucket)?;
        let order = Order::new(range.order.get() + 1);
        range.order = order;
        let counters = &mut range.counters;
        let mut null = self.row.as_ref().and_then(|row| row.null);
        if version.is_null() {
            if let Some(replaced) = null {
                take_version(change, counters, bucket, key, replaced)?;
            }
            null = Some(order);
        }
        count_current_out(counters, self.current.as_ref())?;
        counters.versions += 1;
        counters.version_bytes += version.len();
        change.put(key::data::version(bucket, key, order), version);
        let newest = order;
        self.put_newest(change, counters, &KeyRow { newest, null }, version);
        change.put_range(bucket, &range);
        Ok(order)
    }

    /// Writes what follows from `version` being the newest, and counts the object that is current then.
    fn put_newest<S: Store>(
        &self,
        change: &mut Change<'_, S>,
        counters: &mut Counters,
        row: &KeyRow,
        version: &VersionRow,
    ) {
        change.put(key::data::object_key(self.bucket, self.key), row);
        let current = key::data::current(self.bucket, self.key.as_str());
        match version {
            VersionRow::Object(object) => {
                counters.objects += 1;
                counters.bytes += object.len;
                change.put(current, &CurrentRow::of(object));
            }
            VersionRow::Marker(_) if self.current.is_some() => change.delete(current),
            VersionRow::Marker(_) => {}
        }
    }

    /// The order of a version that is there.
    fn find<S: Store>(
        &self,
        change: &Change<'_, S>,
        version: NamedVersion,
    ) -> Result<Option<Order>, StoreError> {
        match version {
            NamedVersion::Null => Ok(self.row.as_ref().and_then(|row| row.null)),
            NamedVersion::Id(id) => {
                let row_key = key::data::version(self.bucket, self.key, id.order());
                let row = change.get(&row_key)?;
                let row = row.filter(|row| row.random() == id.random());
                Ok(row.map(|_| id.order()))
            }
        }
    }

    /// The newest version of the key below the one at `order`.
    fn below<S: Store>(
        &self,
        change: &Change<'_, S>,
        order: Order,
    ) -> Result<Option<(Order, VersionRow)>, StoreError> {
        let versions = key::data::versions_of(self.bucket, self.key.as_str());
        let row_key = key::data::version(self.bucket, self.key, order);
        let mut cursor = change.rows().cursor();
        cursor.seek(&key::after_prefix(row_key.into_bytes()))?;
        match cursor.current() {
            Some((row_key, value)) if row_key.starts_with(&versions) => {
                let (_, order) = key::data::parse_version(row_key)?;
                let row = record::decode(Bytes::copy_from_slice(value))?;
                Ok(Some((order, row)))
            }
            _ => Ok(None),
        }
    }
}

/// Whether a condition holds of a version. A delete marker has no ETag, and no bytes.
fn holds(condition: &DeleteCondition, version: &VersionRow) -> bool {
    let has_etag = |wanted: &ETagCondition| match wanted {
        ETagCondition::Any => true,
        ETagCondition::Is(etag) => version.object().is_some_and(|object| object.etag == *etag),
    };
    let was_modified = |wanted: Timestamp| wanted.as_secs() == version.last_modified().as_secs();
    condition.etag.as_ref().is_none_or(has_etag)
        && condition.last_modified.is_none_or(was_modified)
        && condition.len.is_none_or(|len| len == version.len())
}

/// What the writer of a version is told.
pub(super) fn committed(order: Order, version: &ObjectRow) -> Committed {
    Committed {
        version: VersionId::new(order, version.random),
        is_null: version.is_null,
        etag: version.etag.clone(),
        len: version.len,
        checksum: version.checksum.clone(),
        last_modified: version.last_modified,
    }
}

/// The bits of a command that make the id of its version unguessable; of several versions, those of the one at `place`. Who was
/// told one of them knows nothing of the others.
pub(super) fn version_random<S: Store>(change: &Change<'_, S>, place: u32) -> u64 {
    if place == 0 {
        return u64::try_from(change.random() >> 64).expect("64 of 128 bits are left");
    }
    let mut hash = Sha256::new();
    hash.update(change.random().to_be_bytes());
    hash.update(place.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let first = digest.first_chunk().expect("32 bytes begin with 8");
    u64::from_be_bytes(*first)
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

/// Removes a version and what it refers to, and counts it out. Gives what it was.
fn take_version<S: Store>(
    change: &mut Change<'_, S>,
    counters: &mut Counters,
    bucket: BucketId,
    key: &ObjectKey,
    order: Order,
) -> Result<VersionRow, StoreError> {
    let row_key = key::data::version(bucket, key, order);
    let version = change.get(&row_key)?.ok_or(StoreError::Inconsistent {
        what: "a key names a version that is not there",
    })?;
    change.delete(row_key);
    subtract(&mut counters.versions, 1, "fewer versions than rows")?;
    subtract(
        &mut counters.version_bytes,
        version.len(),
        "fewer bytes than versions",
    )?;
    match version.object().map(|object| &object.content) {
        None | Some(Content::Inline(_)) => {}
        Some(Content::Extents(extents)) => blob::free(change, extents)?,
        Some(Content::Parts { upload, parts }) => {
            let upload = UploadKey {
                bucket,
                key: key.clone(),
                upload: *upload,
            };
            upload::remove_completed(change, &upload, parts.len())?;
        }
    }
    Ok(version)
}
