//! Multipart uploads, up to their completion.

use bytes::Bytes;
use cairn_types::id::{BucketId, UploadId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{Counters, UploadInfo, UploadKey, extents};
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::object::{Content, NewPart, NewUpload};

use super::change::{Change, subtract};
use super::{blob, limits, version};
use crate::failure::Failure;
use crate::key;
use crate::record;
use crate::record::blob::Holder;
use crate::record::upload::{PartRow, UploadEntryRow, UploadRow};
use crate::store::{Cursor, Store, StoreError};

/// Begins an upload.
pub(super) fn create<S: Store>(
    change: &mut Change<'_, S>,
    bucket: BucketId,
    key: &ObjectKey,
    upload: &NewUpload,
) -> Result<DataReply, Failure> {
    let row = change.writable(bucket)?;
    limits::check_upload(upload)?;
    version::check_lock(&row, &upload.settings.lock)?;
    let initiated = change.clock();
    let target = UploadKey {
        bucket,
        key: key.clone(),
        upload: UploadId::new(change.random()),
    };
    let row_key = key::data::upload(&target);
    if change.get(&row_key)?.is_some() {
        return Err(limits::malformed("the random bits were used before").into());
    }
    let info = UploadInfo {
        initiated,
        headers: upload.headers.clone(),
        checksum: upload.checksum,
        settings: upload.settings.clone(),
        initiator: upload.initiator.clone(),
    };
    let entry = UploadEntryRow {
        checksum: upload.checksum,
        owner: upload.settings.owner.clone(),
        initiator: upload.initiator.clone(),
    };
    change.put(row_key, &UploadRow::Open(info));
    change.put(key::data::upload_entry(&target, initiated), &entry);
    let mut range = change.range(bucket)?;
    range.counters.uploads += 1;
    change.put_range(bucket, &range);
    Ok(DataReply::UploadCreated {
        upload: target.upload,
        initiated,
    })
}

/// Commits a part in place of one of the same number.
pub(super) fn put_part<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
    number: u16,
    part: &NewPart,
) -> Result<DataReply, Failure> {
    change.writable(upload.bucket)?;
    limits::check_part(number, part)?;
    let info = open_upload(change, upload)?;
    if let Some((algorithm, _)) = info.checksum
        && part.checksum.as_ref().map(|sum| sum.checksum.algorithm()) != Some(algorithm)
    {
        return Err(Refusal::ChecksumKindMismatch.into());
    }
    blob::check_new(change, extents(&part.content))?;
    let mut range = change.range(upload.bucket)?;
    let row_key = key::data::part(upload, number);
    if let Some(old) = change.get(&row_key)? {
        blob::free(change, extents(&old.content))?;
        count_part_out(&mut range.counters, old.len)?;
    }
    range.counters.parts += 1;
    range.counters.part_bytes += part.len;
    let row = PartRow {
        len: part.len,
        etag: part.etag.clone(),
        checksum: part.checksum.clone(),
        last_modified: change.clock(),
        content: part.content.clone(),
    };
    let holder = Holder::Part {
        upload: upload.clone(),
        number,
    };
    blob::hold(change, &holder, extents(&part.content))?;
    change.put(row_key, &row);
    change.put_range(upload.bucket, &range);
    Ok(DataReply::PartCommitted {
        last_modified: change.clock(),
    })
}

/// Forgets an upload and frees its parts: at once, or, if that is too much for one command, in the chores of later ones. In a
/// fenced bucket too.
pub(super) fn abort<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
) -> Result<DataReply, Failure> {
    change.bucket(upload.bucket)?;
    let info = open_upload(change, upload)?;
    let parts = stored_parts(change, upload, usize::from(limits::PARTS))?;
    let mut range = change.range(upload.bucket)?;
    for part in &parts {
        count_part_out(&mut range.counters, part.row.len)?;
    }
    change.put_range(upload.bucket, &range);
    remove_open(change, upload, &info)?;
    if change.take_parts_at_once(parts.len()) {
        for part in &parts {
            remove_part(change, upload, part)?;
        }
    } else {
        doom(change, upload);
    }
    Ok(DataReply::Done)
}

/// An upload that takes parts.
pub(super) fn open_upload<S: Store>(
    change: &Change<'_, S>,
    upload: &UploadKey,
) -> Result<UploadInfo, Failure> {
    match change.get(&key::data::upload(upload))? {
        Some(UploadRow::Open(info)) => Ok(info),
        Some(UploadRow::Completed { .. }) | None => Err(Refusal::NoSuchUpload.into()),
    }
}

/// Removes the rows of an open upload whose parts are gone, and counts it out.
pub(super) fn remove_open<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
    info: &UploadInfo,
) -> Result<(), StoreError> {
    let mut range = change.range(upload.bucket)?;
    subtract(&mut range.counters.uploads, 1, "fewer uploads than rows")?;
    change.put_range(upload.bucket, &range);
    change.delete(key::data::upload(upload));
    change.delete(key::data::upload_entry(upload, info.initiated));
    Ok(())
}

/// Removes at most `limit` parts of an open upload, frees their blobs and counts them out. Gives how many.
pub(super) fn remove_open_parts<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
    limit: usize,
) -> Result<usize, StoreError> {
    let parts = stored_parts(change, upload, limit)?;
    let mut range = change.range(upload.bucket)?;
    for part in &parts {
        count_part_out(&mut range.counters, part.row.len)?;
        remove_part(change, upload, part)?;
    }
    change.put_range(upload.bucket, &range);
    Ok(parts.len())
}

/// Removes a completed upload whose version goes: at once, or, if that is too much for one command, in the chores of later
/// ones.
pub(super) fn remove_completed<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
    part_count: usize,
) -> Result<(), StoreError> {
    change.delete(key::data::upload(upload));
    if change.take_parts_at_once(part_count) {
        for part in stored_parts(change, upload, usize::from(limits::PARTS))? {
            remove_part(change, upload, &part)?;
        }
    } else {
        doom(change, upload);
    }
    Ok(())
}

/// Leaves the parts of an upload that is gone to the chores.
fn doom<S: Store>(change: &mut Change<'_, S>, upload: &UploadKey) {
    change.mark(key::data::doomed_upload(upload));
    change.row().doomed_uploads += 1;
}

/// Removes at most `limit` parts of doomed uploads.
pub(super) fn remove_doomed<S: Store>(
    change: &mut Change<'_, S>,
    limit: usize,
) -> Result<(), StoreError> {
    let mut left = limit;
    while left > 0 && change.row().doomed_uploads > 0 {
        let upload = first_doomed(change)?;
        let parts = stored_parts(change, &upload, left)?;
        for part in &parts {
            remove_part(change, &upload, part)?;
        }
        if parts.len() == left {
            return Ok(());
        }
        left -= parts.len();
        change.delete(key::data::doomed_upload(&upload));
        let doomed = &mut change.row().doomed_uploads;
        subtract(doomed, 1, "fewer doomed uploads than rows")?;
    }
    Ok(())
}

fn first_doomed<S: Store>(change: &Change<'_, S>) -> Result<UploadKey, StoreError> {
    let mut cursor = change.rows().cursor();
    cursor.seek(&key::data::doomed_uploads())?;
    let row = cursor.current();
    let parsed = row.map(|(row_key, _)| key::data::parse_doomed_upload(row_key));
    parsed
        .transpose()?
        .flatten()
        .ok_or(StoreError::Inconsistent {
            what: "more doomed uploads than rows",
        })
}

/// A part without its inline bytes, of which the parts of an upload may have too many to hold.
pub(super) struct StoredPart {
    pub(super) number: u16,
    pub(super) row: PartRow,
}

/// At most `limit` parts of an upload, by number.
pub(super) fn stored_parts<S: Store>(
    change: &Change<'_, S>,
    upload: &UploadKey,
    limit: usize,
) -> Result<Vec<StoredPart>, StoreError> {
    let prefix = key::data::parts_of(upload);
    let mut parts = Vec::new();
    let mut cursor = change.rows().cursor();
    cursor.seek(&prefix)?;
    while parts.len() < limit {
        let Some((row_key, value)) = cursor.current() else {
            break;
        };
        let Some(suffix) = row_key.strip_prefix(prefix.as_slice()) else {
            break;
        };
        let number = key::data::parse_part_number(suffix)?;
        let mut row: PartRow = record::decode(Bytes::copy_from_slice(value))?;
        if let Content::Inline(bytes) = &mut row.content {
            *bytes = Bytes::new();
        }
        parts.push(StoredPart { number, row });
        cursor.next()?;
    }
    Ok(parts)
}

/// Removes a part's row and frees its blobs.
pub(super) fn remove_part<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
    part: &StoredPart,
) -> Result<(), StoreError> {
    change.delete(key::data::part(upload, part.number));
    blob::free(change, extents(&part.row.content))
}

/// Counts out a part of an open upload.
pub(super) fn count_part_out(counters: &mut Counters, len: u64) -> Result<(), StoreError> {
    subtract(&mut counters.parts, 1, "fewer parts than rows")?;
    subtract(&mut counters.part_bytes, len, "fewer bytes than parts")
}
