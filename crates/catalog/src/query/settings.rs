//! What a bucket was told to be.

use std::collections::BTreeMap;

use cairn_types::id::BucketId;
use cairn_types::namespace::{DataView, Refusal, SettingsGuard};
use cairn_types::settings::{BucketSettings, DocumentKind};

use crate::failure::Failure;
use crate::record::settings::BucketDocumentRow;
use crate::store::{Store, StoreError};
use crate::{key, record};

/// All that a bucket was told to be. Four point reads and a seek.
pub(super) fn settings<S: Store>(store: &S, bucket: BucketId) -> Result<DataView, Failure> {
    let row = record::get(store, &key::data::bucket(bucket))?;
    let row = row.ok_or(Refusal::NoSuchBucket)?;
    let acl = record::get(store, &key::data::bucket_acl(bucket))?;
    let policy = record::get(store, &key::data::bucket_policy(bucket))?;
    let prefix = key::data::bucket_documents(bucket);
    let rows = record::scan(store, &prefix, &prefix, DocumentKind::ALL.len())?;
    let mut documents = BTreeMap::new();
    for (suffix, BucketDocumentRow(document)) in rows {
        documents.insert(key::data::parse_document_kind(&suffix)?, document);
    }
    Ok(DataView::Settings(Box::new(BucketSettings {
        epoch: row.settings_epoch,
        versioning: row.versioning,
        lock: row.lock,
        acl: acl.map(|row| row.0),
        policy: policy.map(|row| row.0),
        documents,
    })))
}

/// Whether the settings of a bucket are those that somebody decided by.
pub(crate) fn holds<S: Store>(store: &S, guard: SettingsGuard) -> Result<bool, StoreError> {
    let row = record::get(store, &key::data::bucket(guard.bucket))?;
    Ok(row.is_some_and(|row| row.settings_epoch == guard.settings))
}
