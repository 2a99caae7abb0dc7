//! What a bucket was told to be.
//!
//! A change is no step of the bucket's life and leaves the epoch of that alone: of two the later one counts, and steps that were
//! taken before are repeated as before. The settings have an epoch of their own, which tells who decided by them that they are
//! others now.

use cairn_types::id::{BucketId, Epoch};
use cairn_types::lock::BucketLock;
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::settings::{BucketSettings, DocumentKind, SettingChange};
use cairn_types::version::Versioning;

use super::bucket::came_too_late;
use super::change::Change;
use crate::failure::Failure;
use crate::key::RowKey;
use crate::record::Record;
use crate::record::bucket::BucketRow;
use crate::record::settings::{BucketAclRow, BucketDocumentRow, BucketPolicyRow};
use crate::store::{Store, StoreError};
use crate::{key, record};

/// Changes one of them. What is there of objects stays as it is.
pub(super) fn change<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
    wanted: &SettingChange,
) -> Result<DataReply, Failure> {
    let mut row = change.writable(bucket)?;
    if row.epoch > epoch {
        return Err(came_too_late(bucket));
    }
    let is_changed = match wanted {
        SettingChange::Versioning(versioning) => set_versioning(&mut row, *versioning)?,
        SettingChange::Lock(lock) => set_lock(&mut row, *lock)?,
        SettingChange::Acl(acl) => {
            let acl = BucketAclRow(acl.clone());
            set_row(change, key::data::bucket_acl(bucket), Some(&acl))?
        }
        SettingChange::Policy(policy) => {
            let policy = policy.clone().map(BucketPolicyRow);
            set_row(change, key::data::bucket_policy(bucket), policy.as_ref())?
        }
        SettingChange::Document { kind, document } => {
            let document = document.clone().map(BucketDocumentRow);
            let row_key = key::data::bucket_document(bucket, *kind);
            set_row(change, row_key, document.as_ref())?
        }
    };
    if is_changed {
        row.settings_epoch = Epoch::new(row.settings_epoch.get().saturating_add(1));
        change.put(key::data::bucket(bucket), &row);
    }
    Ok(DataReply::Settings {
        epoch: row.settings_epoch,
    })
}

/// Writes what a bucket is made with, but for what stands in its row.
pub(super) fn put_initial<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    made: BucketSettings,
) {
    if let Some(acl) = made.acl {
        change.put(key::data::bucket_acl(bucket), &BucketAclRow(acl));
    }
    for (kind, document) in made.documents {
        let row_key = key::data::bucket_document(bucket, kind);
        change.put(row_key, &BucketDocumentRow(document));
    }
}

/// Removes what a bucket that goes was told, but for what stands in its row.
pub(super) fn forget<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<(), StoreError> {
    set_row(change, key::data::bucket_acl(bucket), None)?;
    set_row(change, key::data::bucket_policy(bucket), None)?;
    let prefix = key::data::bucket_documents(bucket);
    let most = DocumentKind::ALL.len();
    let rows = record::scan::<_, BucketDocumentRow>(change.rows(), &prefix, &prefix, most)?;
    for (suffix, _) in rows {
        let kind = key::data::parse_document_kind(&suffix)?;
        change.delete(key::data::bucket_document(bucket, kind));
    }
    Ok(())
}

/// Sets or removes a row, unless it is so already. Gives whether it was not.
fn set_row<S: Store, R: Record + PartialEq>(
    change: &mut Change<'_, S>,
    row_key: RowKey<R>,
    wanted: Option<&R>,
) -> Result<bool, StoreError> {
    let there = change.get(&row_key)?;
    let is_changed = there.as_ref() != wanted;
    match wanted {
        Some(row) if is_changed => change.put(row_key, row),
        None if is_changed => change.delete(row_key),
        Some(_) | None => {}
    }
    Ok(is_changed)
}

/// Where objects can be locked, versions are kept for good.
fn set_versioning(row: &mut BucketRow, versioning: Versioning) -> Result<bool, Refusal> {
    if row.lock.is_some() && versioning == Versioning::Suspended {
        return Err(Refusal::InvalidBucketState);
    }
    Ok(row.versioning.replace(versioning) != Some(versioning))
}

fn set_lock(row: &mut BucketRow, lock: BucketLock) -> Result<bool, Refusal> {
    if row.versioning != Some(Versioning::Enabled) {
        return Err(Refusal::InvalidBucketState);
    }
    Ok(row.lock.replace(lock) != Some(lock))
}
