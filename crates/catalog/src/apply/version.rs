//! What is kept of a version beside bytes and headers: changed without writing it anew. Neither when it was modified changes, nor
//! its order, so neither listings nor conditions notice.

use cairn_types::acl::Acl;
use cairn_types::id::VersionId;
use cairn_types::lock::{BucketLock, LegalHold, ObjectLock, Retention};
use cairn_types::namespace::data::VersionTarget;
use cairn_types::namespace::{DataMutation, DataReply, Refusal};
use cairn_types::tag::Tags;
use cairn_types::time::Timestamp;

use super::change::Change;
use super::limits;
use crate::failure::Failure;
use crate::key;
use crate::query::object;
use crate::record::bucket::BucketRow;
use crate::record::object::{ObjectRow, VersionRow};
use crate::store::Store;

/// Changes something of a version.
///
/// # Panics
/// When the mutation is of no version.
pub(super) fn set<S: Store>(
    change: &mut Change<'_, S>,
    mutation: &DataMutation,
) -> Result<DataReply, Failure> {
    match mutation {
        DataMutation::SetObjectTags { target, tags } => set_tags(change, target, tags),
        DataMutation::SetObjectAcl { target, acl } => set_acl(change, target, acl.as_ref()),
        DataMutation::SetRetention {
            target,
            retention,
            bypass_governance,
        } => set_retention(change, target, *retention, *bypass_governance),
        DataMutation::SetLegalHold { target, legal_hold } => {
            set_legal_hold(change, target, *legal_hold)
        }
        other => unreachable!("{other:?} is of no version"),
    }
}

/// Changes the tags of a version.
fn set_tags<S: Store>(
    change: &mut Change<'_, S>,
    target: &VersionTarget,
    tags: &Tags,
) -> Result<DataReply, Failure> {
    limits::check_tags(tags)?;
    edit(change, target, |object| {
        object.settings.tags = tags.clone();
        Ok(())
    })
}

/// Changes the ACL of a version.
fn set_acl<S: Store>(
    change: &mut Change<'_, S>,
    target: &VersionTarget,
    acl: Option<&Acl>,
) -> Result<DataReply, Failure> {
    edit(change, target, |object| {
        object.settings.acl = acl.cloned();
        Ok(())
    })
}

/// Changes until when a version is retained.
fn set_retention<S: Store>(
    change: &mut Change<'_, S>,
    target: &VersionTarget,
    retention: Option<Retention>,
    bypass_governance: bool,
) -> Result<DataReply, Failure> {
    let now = change.clock();
    require_lock(change, target)?;
    edit(change, target, |object| {
        let lock = &mut object.settings.lock;
        let may_change = |there: Retention| there.may_become(retention, now, bypass_governance);
        if !lock.retention.is_none_or(may_change) {
            return Err(Refusal::ObjectLocked);
        }
        lock.retention = retention;
        Ok(())
    })
}

/// Changes whether a version is held.
fn set_legal_hold<S: Store>(
    change: &mut Change<'_, S>,
    target: &VersionTarget,
    legal_hold: LegalHold,
) -> Result<DataReply, Failure> {
    require_lock(change, target)?;
    edit(change, target, |object| {
        object.settings.lock.legal_hold = Some(legal_hold);
        Ok(())
    })
}

/// The lock of a version that is committed now: what its writer said, and else the bucket's default.
pub(super) fn lock_of_new(
    bucket: Option<BucketLock>,
    given: ObjectLock,
    now: Timestamp,
) -> ObjectLock {
    let default = bucket.and_then(|lock| lock.default);
    let default = default.map(|default| Retention {
        mode: default.mode,
        until: default.period.after(now),
    });
    ObjectLock {
        retention: given.retention.or(default),
        ..given
    }
}

/// Checks that a lock is given only where there is one.
pub(super) fn check_lock(bucket: &BucketRow, given: &ObjectLock) -> Result<(), Refusal> {
    if bucket.lock.is_none() && !given.is_empty() {
        return Err(Refusal::NoObjectLock);
    }
    Ok(())
}

/// Whether the bucket has object lock is looked at before whether the version is there.
fn require_lock<S: Store>(change: &Change<'_, S>, target: &VersionTarget) -> Result<(), Failure> {
    match change.writable(target.bucket)?.lock {
        Some(_) => Ok(()),
        None => Err(Refusal::NoObjectLock.into()),
    }
}

fn edit<S: Store>(
    change: &mut Change<'_, S>,
    target: &VersionTarget,
    how: impl FnOnce(&mut ObjectRow) -> Result<(), Refusal>,
) -> Result<DataReply, Failure> {
    change.writable(target.bucket)?;
    let found = object::find(change.rows(), target.bucket, &target.key, target.version)?;
    let (order, mut row) = found;
    how(&mut row)?;
    let (version, is_null) = (VersionId::new(order, row.random), row.is_null);
    let row_key = key::data::version(target.bucket, &target.key, order);
    change.put(row_key, &VersionRow::Object(row));
    Ok(DataReply::VersionChanged { version, is_null })
}
