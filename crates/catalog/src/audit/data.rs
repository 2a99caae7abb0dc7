//! Rules of the tables of data groups.

use std::collections::BTreeMap;

use cairn_types::id::{BlobId, BucketId, Order};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{Counters, UploadKey, extents};
use cairn_types::object::{Content, Extent};
use cairn_types::time::Timestamp;
use cairn_types::version::Versioning;

use super::{Audit, Row};
use crate::key;
use crate::key::data::DataKey;
use crate::record;
use crate::record::blob::{BlobRow, CollectionRow, DegradedRow, Holder};
use crate::record::bucket::{BucketRow, OpenedRow, RangeRow};
use crate::record::object::{CurrentRow, KeyRow, ObjectRow, VersionRow};
use crate::record::settings::{BucketAclRow, BucketDocumentRow, BucketPolicyRow};
use crate::record::upload::{PartRow, UploadEntryRow, UploadRow};
use crate::store::{Store, StoreError};

/// What is counted while all rows pass by.
#[derive(Debug, Default)]
pub(super) struct DataTally {
    counters: BTreeMap<BucketId, Counters>,
    freed: u64,
    condemned: u64,
    degraded: u64,
    doomed: u64,
    expected_doomed: u64,
}

impl DataTally {
    /// What the group's row says.
    pub(super) fn expect_doomed(&mut self, count: u64) {
        self.expected_doomed = count;
    }

    fn of(&mut self, bucket: BucketId) -> &mut Counters {
        self.counters.entry(bucket).or_default()
    }

    /// Compares what was counted with what is said.
    pub(super) fn compare<S: Store>(&self, audit: &mut Audit<'_, S>) -> Result<(), StoreError> {
        for (&bucket, counted) in &self.counters {
            let row_key = key::data::range(bucket, "");
            let range = record::get(audit.store, &row_key)?;
            let said = range.map(|range| range.counters);
            let rule = "the counters of a bucket are not what it holds";
            audit.require(said == Some(*counted), rule, row_key.as_bytes());
        }
        let row_key = key::data::collection();
        let said = record::get(audit.store, &row_key)?.unwrap_or_default();
        let counted = CollectionRow {
            horizon: said.horizon,
            freed: self.freed,
            condemned: self.condemned,
            degraded: self.degraded,
        };
        let rule = "the counts of blobs are not those of their rows";
        audit.require(said == counted, rule, row_key.as_bytes());
        let rule = "the count of doomed uploads is not that of their rows";
        let is_right = self.doomed == self.expected_doomed;
        audit.require(is_right, rule, key::group().as_bytes());
        Ok(())
    }
}

pub(super) fn check<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    key: &DataKey,
) -> Result<(), StoreError> {
    match key {
        DataKey::Bucket(_)
        | DataKey::Range(..)
        | DataKey::BucketAcl(_)
        | DataKey::BucketPolicy(_)
        | DataKey::BucketDocument(..) => check_bucket(row, tally, key)?,
        DataKey::Current(bucket, key) => check_current(row, tally, *bucket, key)?,
        DataKey::Key(bucket, key) => check_key(row, *bucket, key)?,
        DataKey::Version(bucket, key, order) => check_version(row, tally, *bucket, key, *order)?,
        DataKey::Upload(upload) => check_upload(row, tally, upload)?,
        DataKey::UploadEntry(upload, initiated) => {
            let entry: UploadEntryRow = row.decode()?;
            let there = row.get(&key::data::upload(upload))?;
            let is_open = matches!(there, Some(UploadRow::Open(info))
                if info.initiated == *initiated && info.settings.owner == entry.owner
                    && info.initiator == entry.initiator);
            row.require(is_open, "an upload is listed that is not open");
        }
        DataKey::Part(upload, number) => check_part(row, tally, upload, *number)?,
        DataKey::DoomedUpload(upload) => {
            tally.doomed += 1;
            let there = row.get(&key::data::upload(upload))?;
            row.require(there.is_none(), "a doomed upload is not gone");
        }
        DataKey::Opened => {
            row.decode::<OpenedRow>()?;
        }
        DataKey::GoneBucket(bucket) => {
            let there = row.get(&key::data::bucket(*bucket))?;
            row.require(there.is_none(), "a bucket that is gone is there");
        }
        DataKey::Collection => {
            row.decode::<CollectionRow>()?;
        }
        DataKey::Blob(blob) => check_blob(row, tally, *blob)?,
        DataKey::Freed(freed, blob) => {
            let there = row.get(&key::data::blob(*blob))?;
            let is_freed = there == Some(BlobRow::Freed { freed: *freed });
            row.require(is_freed, "a blob is listed as freed that is not");
        }
        DataKey::Condemned(begun, blob) => {
            let there = row.get(&key::data::blob(*blob))?;
            let is_condemned = matches!(there, Some(BlobRow::Condemned { .. }))
                && *begun == Timestamp::from_millis(blob.time_ms());
            row.require(is_condemned, "a blob is listed as condemned that is not");
        }
        DataKey::Degraded(blob) => {
            row.decode::<DegradedRow>()?;
            tally.degraded += 1;
            let there = row.get(&key::data::blob(*blob))?;
            let is_held = matches!(there, Some(BlobRow::Held(_)));
            row.require(is_held, "a blob is to be repaired that nothing refers to");
        }
    }
    Ok(())
}

/// Rules of a bucket's own rows.
fn check_bucket<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    key: &DataKey,
) -> Result<(), StoreError> {
    match key {
        DataKey::Bucket(bucket) => {
            let there: BucketRow = row.decode()?;
            tally.of(*bucket);
            let keeps_versions = there.versioning == Some(Versioning::Enabled);
            let rule = "a bucket with object lock does not keep versions";
            row.require(there.lock.is_none() || keeps_versions, rule);
        }
        DataKey::BucketAcl(bucket) => {
            row.decode::<BucketAclRow>()?;
            let bucket = key::data::bucket(*bucket);
            row.marked(&bucket, "an ACL is of no bucket")?;
        }
        DataKey::BucketPolicy(bucket) => {
            row.decode::<BucketPolicyRow>()?;
            let bucket = key::data::bucket(*bucket);
            row.marked(&bucket, "a policy is of no bucket")?;
        }
        DataKey::BucketDocument(bucket, _) => {
            row.decode::<BucketDocumentRow>()?;
            let bucket = key::data::bucket(*bucket);
            row.marked(&bucket, "a document is of no bucket")?;
        }
        DataKey::Range(bucket, _) => {
            row.decode::<RangeRow>()?;
            let bucket = key::data::bucket(*bucket);
            row.marked(&bucket, "a range is of no bucket")?;
        }
        _ => {}
    }
    Ok(())
}

fn check_current<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<(), StoreError> {
    let current: CurrentRow = row.decode()?;
    let counters = tally.of(bucket);
    counters.objects += 1;
    counters.bytes += current.len;
    let newest = match row.get(&key::data::object_key(bucket, key))? {
        Some(keyed) => row.get(&key::data::version(bucket, key, keyed.newest))?,
        None => None,
    };
    let newest = newest.and_then(VersionRow::into_object);
    let is_same = newest.is_some_and(|newest| CurrentRow::of(&newest) == current);
    row.require(is_same, "a listed object is not its key's newest version");
    Ok(())
}

fn check_key<S: Store>(
    row: &mut Row<'_, '_, S>,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<(), StoreError> {
    let keyed: KeyRow = row.decode()?;
    if let Some(null) = keyed.null {
        let null = row.get(&key::data::version(bucket, key, null))?;
        let is_null = null.is_some_and(|null| null.is_null());
        row.require(is_null, "a key's null version is none");
    }
    match row.get(&key::data::version(bucket, key, keyed.newest))? {
        Some(VersionRow::Object(_)) => row.marked(
            &key::data::current(bucket, key.as_str()),
            "a key has no current object",
        ),
        Some(VersionRow::Marker(_)) => Ok(()),
        None => {
            row.require(false, "a key's newest version is not there");
            Ok(())
        }
    }
}

fn check_version<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    bucket: BucketId,
    key: &ObjectKey,
    order: Order,
) -> Result<(), StoreError> {
    let version: VersionRow = row.decode()?;
    let counters = tally.of(bucket);
    counters.versions += 1;
    counters.version_bytes += version.len();
    let range = row.get(&key::data::range(bucket, ""))?;
    let is_counted = range.is_some_and(|range| order <= range.order);
    row.require(is_counted, "a version's order is above its range's");
    let keyed = row.get(&key::data::object_key(bucket, key))?;
    let is_found = keyed.as_ref().is_some_and(|keyed| order <= keyed.newest);
    row.require(is_found, "a version is above its key's newest");
    let is_known_as_null = keyed.is_some_and(|keyed| keyed.null == Some(order));
    let rule = "a version is null and its key does not know, or the other way round";
    row.require(is_known_as_null == version.is_null(), rule);
    let (keeps_versions, can_be_locked) = match row.get(&key::data::bucket(bucket))? {
        Some(bucket) => (bucket.versioning.is_some(), bucket.lock.is_some()),
        None => (false, false),
    };
    match &version {
        VersionRow::Object(object) => {
            let rule = "a bucket without versioning keeps a version";
            row.require(object.is_null || keeps_versions, rule);
            let rule = "a version is locked in a bucket without object lock";
            row.require(can_be_locked || object.settings.lock.is_empty(), rule);
            check_content(row, bucket, key, order, object)
        }
        VersionRow::Marker(_) => {
            row.require(
                keeps_versions,
                "a bucket without versioning has a delete marker",
            );
            Ok(())
        }
    }
}

fn check_content<S: Store>(
    row: &mut Row<'_, '_, S>,
    bucket: BucketId,
    key: &ObjectKey,
    order: Order,
    version: &ObjectRow,
) -> Result<(), StoreError> {
    match &version.content {
        Content::Inline(bytes) => {
            let is_right = u64::try_from(bytes.len()) == Ok(version.len);
            row.require(is_right, "a version has not the length of its bytes");
        }
        Content::Extents(extents) => {
            let holder = Holder::Version {
                bucket,
                key: key.clone(),
                order,
            };
            check_extents(row, &holder, extents, version.len)?;
        }
        Content::Parts { upload, parts } => {
            let upload = UploadKey {
                bucket,
                key: key.clone(),
                upload: *upload,
            };
            let there = row.get(&key::data::upload(&upload))?;
            let is_its_own = there == Some(UploadRow::Completed { order });
            row.require(is_its_own, "a version was completed from no upload");
            let mut len = 0;
            for span in parts {
                let part = row.get(&key::data::part(&upload, span.number))?;
                let is_there = part.is_some_and(|part| part.len == span.len);
                row.require(is_there, "a version names a part that is not there");
                len += span.len;
            }
            row.require(
                len == version.len,
                "a version has not the length of its parts",
            );
        }
    }
    Ok(())
}

fn check_upload<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    upload: &UploadKey,
) -> Result<(), StoreError> {
    match row.decode()? {
        UploadRow::Open(info) => {
            tally.of(upload.bucket).uploads += 1;
            let entry = key::data::upload_entry(upload, info.initiated);
            row.marked(&entry, "an open upload is not listed")
        }
        UploadRow::Completed { order } => {
            let version = key::data::version(upload.bucket, &upload.key, order);
            let version = row.get(&version)?;
            let version = version.and_then(VersionRow::into_object);
            let is_its_own = version.is_some_and(|version| {
                matches!(version.content, Content::Parts { upload: id, .. } if id == upload.upload)
            });
            row.require(is_its_own, "an upload was completed to no version");
            Ok(())
        }
    }
}

fn check_part<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    upload: &UploadKey,
    number: u16,
) -> Result<(), StoreError> {
    let part: PartRow = row.decode()?;
    let is_wanted = match row.get(&key::data::upload(upload))? {
        Some(UploadRow::Open(_)) => {
            let counters = tally.of(upload.bucket);
            counters.parts += 1;
            counters.part_bytes += part.len;
            true
        }
        Some(UploadRow::Completed { order }) => {
            let version = key::data::version(upload.bucket, &upload.key, order);
            let version = row.get(&version)?.and_then(VersionRow::into_object);
            let content = version.map(|version| version.content);
            matches!(content, Some(Content::Parts { parts, .. })
                if parts.iter().any(|span| span.number == number))
        }
        None => {
            let doomed = key::data::doomed_upload(upload);
            row.audit.store.get(doomed.as_bytes())?.is_some()
        }
    };
    row.require(is_wanted, "a part is of no upload");
    match &part.content {
        Content::Inline(bytes) => {
            let is_right = u64::try_from(bytes.len()) == Ok(part.len);
            row.require(is_right, "a part has not the length of its bytes");
            Ok(())
        }
        content => {
            let holder = Holder::Part {
                upload: upload.clone(),
                number,
            };
            check_extents(row, &holder, extents(content), part.len)
        }
    }
}

fn check_extents<S: Store>(
    row: &mut Row<'_, '_, S>,
    holder: &Holder,
    extents: &[Extent],
    len: u64,
) -> Result<(), StoreError> {
    let mut sum = 0;
    for extent in extents {
        let blob = row.get(&key::data::blob(extent.blob))?;
        let is_held = matches!(&blob, Some(BlobRow::Held(by)) if by == holder);
        row.require(is_held, "a blob is not known to be referred to");
        sum += extent.plain_len;
    }
    row.require(sum == len, "a content has not the length of its blobs");
    Ok(())
}

fn check_blob<S: Store>(
    row: &mut Row<'_, '_, S>,
    tally: &mut DataTally,
    blob: BlobId,
) -> Result<(), StoreError> {
    match row.decode()? {
        BlobRow::Held(holder) => {
            let content = held_by(row, &holder)?;
            let held = content.as_ref().map(extents).unwrap_or_default();
            let extent = held.iter().find(|extent| extent.blob == blob);
            row.require(
                extent.is_some(),
                "a blob is held by what does not refer to it",
            );
            Ok(())
        }
        BlobRow::Freed { freed } => {
            tally.freed += 1;
            row.marked(&key::data::freed(freed, blob), "a freed blob is not listed")
        }
        BlobRow::Condemned { .. } => {
            tally.condemned += 1;
            row.marked(
                &key::data::condemned(blob),
                "a condemned blob is not listed",
            )
        }
    }
}

fn held_by<S: Store>(row: &Row<'_, '_, S>, holder: &Holder) -> Result<Option<Content>, StoreError> {
    Ok(match holder {
        Holder::Version { bucket, key, order } => {
            let version = row.get(&key::data::version(*bucket, key, *order))?;
            let version = version.and_then(VersionRow::into_object);
            version.map(|version| version.content)
        }
        Holder::Part { upload, number } => {
            let part = row.get(&key::data::part(upload, *number))?;
            part.map(|part| part.content)
        }
    })
}
