//! The life of a bucket in its data group: opened, perhaps fenced, drained away.

use std::cmp::Ordering;

use cairn_types::id::{BucketId, Epoch, Order};
use cairn_types::name::BucketName;
use cairn_types::namespace::data::{Counters, UploadInfo, UploadKey};
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::settings::{BucketSettings, InitialSettings};

use super::change::Change;
use super::{limits, settings, upload};
use crate::failure::Failure;
use crate::key;
use crate::record::bucket::{BucketRow, OpenedRow, RangeRow};
use crate::record::upload::UploadRow;
use crate::store::{Cursor, Store, StoreError};

/// Marks of buckets that are gone which one command forgets.
const GONE_AT_ONCE: usize = 1_000;

/// Makes a bucket known, with what it is made with, and with one range that begins at the first key.
pub(super) fn open<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    name: &BucketName,
    epoch: Epoch,
    initial: &InitialSettings,
) -> Result<DataReply, Failure> {
    let row_key = key::data::bucket(bucket);
    if let Some(row) = change.get(&row_key)? {
        return if row.epoch > epoch {
            Err(came_too_late(bucket))
        } else {
            Ok(DataReply::Done)
        };
    }
    if is_gone(change, bucket)? {
        return Err(Refusal::NoSuchBucket.into());
    }
    let made = BucketSettings::from(initial.clone());
    let row = BucketRow {
        name: name.clone(),
        is_fenced: false,
        epoch,
        versioning: made.versioning,
        settings_epoch: made.epoch,
        lock: made.lock,
    };
    let range = RangeRow {
        order: Order::new(0),
        counters: Counters::default(),
    };
    change.put(row_key, &row);
    change.put_range(bucket, &range);
    settings::put_initial(change, bucket, made);
    Ok(DataReply::Done)
}

/// Stops writes of objects, if there are none.
pub(super) fn fence<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<DataReply, Failure> {
    if let Some(row) = before(change, bucket, epoch, true)? {
        if change.range(bucket)?.counters.versions > 0 {
            return Err(Refusal::BucketNotEmpty.into());
        }
        let row = BucketRow {
            is_fenced: true,
            epoch,
            ..row
        };
        change.put(key::data::bucket(bucket), &row);
    }
    Ok(DataReply::Done)
}

/// Lets objects be written again. It counts also where no fence is: one that is on its way then comes too late.
pub(super) fn unfence<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
) -> Result<DataReply, Failure> {
    if let Some(row) = before(change, bucket, epoch, false)? {
        let row = BucketRow {
            is_fenced: false,
            epoch,
            ..row
        };
        change.put(key::data::bucket(bucket), &row);
    }
    Ok(DataReply::Done)
}

/// Removes uploads and parts of a fenced bucket, `limit` of them at most; after the last of them the bucket itself.
///
/// Cost: one seek for all uploads, which may have to pass those that were removed before, and one for the parts of each.
pub(super) fn drain<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
    opened_below: BucketId,
    limit: u32,
) -> Result<DataReply, Failure> {
    let mut left = usize::try_from(limit).map_err(|_| limits::malformed("a limit too large"))?;
    limits::check_named(left)?;
    let row_key = key::data::bucket(bucket);
    let Some(row) = change.get(&row_key)? else {
        return Ok(DataReply::Drained { more: false });
    };
    // It commits only after every group fenced it, so this cannot be, but what is drained does not come back.
    if row.epoch > epoch || !row.is_fenced {
        return Err(came_too_late(bucket));
    }
    change.put(row_key, &BucketRow { epoch, ..row });
    // One more than may go, to know whether there are more.
    for (upload, info) in first_uploads(change, bucket, left + 1)? {
        left -= upload::remove_open_parts(change, &upload, left)?;
        if left == 0 {
            return Ok(DataReply::Drained { more: true });
        }
        upload::remove_open(change, &upload, &info)?;
        left -= 1;
    }
    change.delete(key::data::range(bucket, ""));
    change.delete(key::data::bucket(bucket));
    settings::forget(change, bucket)?;
    remember_gone(change, bucket, opened_below)?;
    Ok(DataReply::Drained { more: false })
}

/// The row of a bucket for which a step to `is_fenced` is yet to be taken; `None` if it was taken at this epoch.
fn before<S: Store>(
    change: &Change<'_, S>,
    bucket: BucketId,
    epoch: Epoch,
    is_fenced: bool,
) -> Result<Option<BucketRow>, Failure> {
    let row = change.bucket(bucket)?;
    match row.epoch.cmp(&epoch) {
        Ordering::Less => Ok(Some(row)),
        Ordering::Equal if row.is_fenced == is_fenced => Ok(None),
        Ordering::Equal | Ordering::Greater => Err(came_too_late(bucket)),
    }
}

pub(super) fn came_too_late(bucket: BucketId) -> Failure {
    Refusal::BucketInTransition { bucket }.into()
}

fn is_gone<S: Store>(change: &Change<'_, S>, bucket: BucketId) -> Result<bool, StoreError> {
    let opened = change.get(&key::data::opened())?;
    if opened.is_some_and(|opened| bucket < opened.below) {
        return Ok(true);
    }
    change.has(&key::data::gone_bucket(bucket))
}

/// Remembers that a bucket is gone, so that it is not opened again by one who is late; for ever, but mostly as one number for
/// all buckets below it.
fn remember_gone<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    opened_below: BucketId,
) -> Result<(), StoreError> {
    let opened = change.get(&key::data::opened())?;
    let before = opened.map_or(BucketId::new(0), |opened| opened.below);
    let below = before.max(opened_below);
    if bucket >= below {
        change.mark(key::data::gone_bucket(bucket));
    }
    if below == before {
        return Ok(());
    }
    change.put(key::data::opened(), &OpenedRow { below });
    let mut known = Vec::new();
    let mut cursor = change.rows().cursor();
    cursor.seek(&key::data::gone_buckets())?;
    while let Some((row_key, _)) = cursor.current()
        && known.len() < GONE_AT_ONCE
    {
        match key::data::parse_gone_bucket(row_key)? {
            Some(gone) if gone < below => known.push(gone),
            _ => break,
        }
        cursor.next()?;
    }
    drop(cursor);
    for gone in known {
        change.delete(key::data::gone_bucket(gone));
    }
    Ok(())
}

/// At most `limit` open uploads of a bucket, in the order of listing.
fn first_uploads<S: Store>(
    change: &Change<'_, S>,
    bucket: BucketId,
    limit: usize,
) -> Result<Vec<(UploadKey, UploadInfo)>, StoreError> {
    let prefix = key::data::upload_entry_prefix(bucket, "");
    let mut uploads = Vec::new();
    let mut cursor = change.rows().cursor();
    cursor.seek(&prefix)?;
    while uploads.len() < limit {
        let Some((row_key, _)) = cursor.current().filter(|(key, _)| key.starts_with(&prefix))
        else {
            break;
        };
        let (upload, _) = key::data::parse_upload_entry(row_key)?;
        match change.get(&key::data::upload(&upload))? {
            Some(UploadRow::Open(info)) => uploads.push((upload, info)),
            Some(UploadRow::Completed { .. }) | None => {
                return Err(StoreError::Inconsistent {
                    what: "an upload is listed that is not open",
                });
            }
        }
        cursor.next()?;
    }
    Ok(uploads)
}
