//! The life of a bucket in its data group: opened, perhaps fenced, drained away.

use cairn_types::id::{BucketId, Order};
use cairn_types::name::BucketName;
use cairn_types::namespace::data::{Counters, UploadInfo, UploadKey};
use cairn_types::namespace::{DataReply, Refusal};

use super::change::Change;
use super::{limits, upload};
use crate::failure::Failure;
use crate::key;
use crate::record::bucket::{BucketRow, RangeRow};
use crate::record::upload::UploadRow;
use crate::store::{Cursor, Store, StoreError};

/// Makes a bucket known, with one range that begins at the first key.
pub(super) fn open<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    name: &BucketName,
) -> Result<DataReply, Failure> {
    let row_key = key::data::bucket(bucket);
    if change.get(&row_key)?.is_none() {
        let row = BucketRow {
            name: name.clone(),
            is_fenced: false,
        };
        let range = RangeRow {
            order: Order::new(0),
            counters: Counters::default(),
        };
        change.put(row_key, &row);
        change.put_range(bucket, &range);
    }
    Ok(DataReply::Done)
}

/// Stops writes of objects, if there are none.
pub(super) fn fence<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<DataReply, Failure> {
    let row_key = key::data::bucket(bucket);
    if let Some(row) = change.get(&row_key)?
        && !row.is_fenced
    {
        if change.range(bucket)?.counters.versions > 0 {
            return Err(Refusal::BucketNotEmpty.into());
        }
        let row = BucketRow {
            is_fenced: true,
            ..row
        };
        change.put(row_key, &row);
    }
    Ok(DataReply::Done)
}

/// Lets objects be written again.
pub(super) fn unfence<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
) -> Result<DataReply, Failure> {
    let row = BucketRow {
        is_fenced: false,
        ..change.bucket(bucket)?
    };
    change.put(key::data::bucket(bucket), &row);
    Ok(DataReply::Done)
}

/// Removes uploads and parts of a fenced bucket, `limit` of them at most; after the last of them the bucket itself.
pub(super) fn drain<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    limit: u32,
) -> Result<DataReply, Failure> {
    let mut left = usize::try_from(limit).map_err(|_| limits::malformed("a limit too large"))?;
    limits::check_named(left)?;
    let Some(row) = change.get(&key::data::bucket(bucket))? else {
        return Ok(DataReply::Drained { more: false });
    };
    if !row.is_fenced {
        return Err(limits::malformed("only a fenced bucket is drained").into());
    }
    while let Some((upload, info)) = first_upload(change, bucket)? {
        left -= upload::remove_open_parts(change, &upload, left)?;
        if left == 0 {
            return Ok(DataReply::Drained { more: true });
        }
        upload::remove_open(change, &upload, &info)?;
        left -= 1;
    }
    change.delete(key::data::range(bucket, ""));
    change.delete(key::data::bucket(bucket));
    Ok(DataReply::Drained { more: false })
}

fn first_upload<S: Store>(
    change: &Change<'_, S>,
    bucket: BucketId,
) -> Result<Option<(UploadKey, UploadInfo)>, StoreError> {
    let prefix = key::data::upload_entry_prefix(bucket, "");
    let mut cursor = change.rows().cursor();
    cursor.seek(&prefix)?;
    let Some((row_key, _)) = cursor.current().filter(|(key, _)| key.starts_with(&prefix)) else {
        return Ok(None);
    };
    let (upload, _) = key::data::parse_upload_entry(row_key)?;
    match change.get(&key::data::upload(&upload))? {
        Some(UploadRow::Open(info)) => Ok(Some((upload, info))),
        Some(UploadRow::Completed { .. }) | None => Err(StoreError::Inconsistent {
            what: "an upload is listed that is not open",
        }),
    }
}
