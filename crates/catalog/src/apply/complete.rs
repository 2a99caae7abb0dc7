//! Completing a multipart upload.

use cairn_types::checksum::{Checksum, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::Order;
use cairn_types::namespace::data::{CompletedPart, UploadInfo, UploadKey, WriteCondition};
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::object::{Content, PartSpan};
use cairn_types::settings::ObjectSettings;
use md5::{Digest, Md5};

use super::change::Change;
use super::slot::Slot;
use super::upload::{self, StoredPart};
use super::{limits, slot, version, whole};
use crate::failure::Failure;
use crate::key;
use crate::record::object::ObjectRow;
use crate::record::upload::UploadRow;
use crate::store::{Store, StoreError};

/// What the client asks for.
pub(super) struct Completion<'a> {
    pub(super) upload: &'a UploadKey,
    pub(super) parts: &'a [CompletedPart],
    pub(super) condition: &'a WriteCondition,
    pub(super) checksum: Option<&'a Checksum>,
    pub(super) declared_len: Option<u64>,
}

/// Makes the named parts of an upload one version; the others are freed. The rows of the named ones stay where they are.
pub(super) fn complete<S: Store>(
    change: &mut Change<'_, S>,
    completion: &Completion<'_>,
) -> Result<DataReply, Failure> {
    let upload = completion.upload;
    let bucket = change.writable(upload.bucket)?;
    let info = match change.get(&key::data::upload(upload))? {
        Some(UploadRow::Open(info)) => info,
        Some(UploadRow::Completed { order }) => return repeat(change, completion, order),
        None => return Err(Refusal::NoSuchUpload.into()),
    };
    check_list(completion.parts)?;
    let slot = Slot::read(change, upload.bucket, bucket.versioning, &upload.key)?;
    slot.check(completion.condition)?;
    let stored = upload::stored_parts(change, upload, usize::from(limits::PARTS))?;
    let (named, others) = select(completion.parts, stored)?;
    let len = check_sizes(&named, completion.declared_len)?;
    let checksum = whole::checksum(info.checksum, &named)?;
    check_checksum(completion.checksum, checksum.as_ref())?;

    let object = ObjectRow {
        random: slot::version_random(change, 0),
        is_null: slot.makes_null(),
        last_modified: change.clock(),
        len,
        etag: whole_etag(completion.parts),
        checksum,
        headers: info.headers.clone(),
        settings: ObjectSettings {
            lock: version::lock_of_new(bucket.lock, info.settings.lock, change.clock()),
            ..info.settings.clone()
        },
        content: Content::Parts {
            upload: upload.upload,
            parts: named.iter().map(span).collect(),
        },
    };
    let committed = slot.commit(change, object)?;
    close(change, upload, &info, &named, &others)?;
    let order = committed.version.order();
    change.put(key::data::upload(upload), &UploadRow::Completed { order });
    Ok(DataReply::Committed(committed))
}

/// The answer to a completion that happened before: the same, if it is of the same parts.
fn repeat<S: Store>(
    change: &Change<'_, S>,
    completion: &Completion<'_>,
    order: Order,
) -> Result<DataReply, Failure> {
    let upload = completion.upload;
    let version = change
        .get(&key::data::version(upload.bucket, &upload.key, order))?
        .ok_or(StoreError::Inconsistent {
            what: "an upload was completed to a version that is not there",
        })?;
    let completed = version.into_object();
    let Some((completed, Content::Parts { parts, .. })) =
        completed.as_ref().map(|row| (row, &row.content))
    else {
        return Err(StoreError::Inconsistent {
            what: "an upload was completed to a version without parts",
        }
        .into());
    };
    let numbers = parts.iter().map(|part| part.number);
    let is_same = !completion.parts.is_empty()
        && numbers.eq(completion.parts.iter().map(|part| part.number))
        && completed.etag == whole_etag(completion.parts);
    if !is_same {
        return Err(Refusal::NoSuchUpload.into());
    }
    Ok(DataReply::Committed(slot::committed(order, completed)))
}

fn check_list(parts: &[CompletedPart]) -> Result<(), Refusal> {
    if !(1..=usize::from(limits::PARTS)).contains(&parts.len()) {
        return Err(limits::malformed("an object is made of 1 to 10000 parts"));
    }
    for part in parts {
        limits::check_part_number(part.number)?;
    }
    if !parts.is_sorted_by(|left, right| left.number < right.number) {
        return Err(Refusal::InvalidPartOrder);
    }
    Ok(())
}

/// Parts the stored parts into those that are named, which must all be there and as named, and the others.
fn select(
    wanted: &[CompletedPart],
    stored: Vec<StoredPart>,
) -> Result<(Vec<StoredPart>, Vec<StoredPart>), Refusal> {
    let mut named = Vec::with_capacity(wanted.len());
    let mut others = Vec::new();
    let mut wanted = wanted.iter().peekable();
    for part in stored {
        match wanted.peek() {
            Some(next) if next.number < part.number => break,
            Some(next) if next.number == part.number => {
                if !is_as_named(next, &part) {
                    break;
                }
                wanted.next();
                named.push(part);
            }
            _ => others.push(part),
        }
    }
    match wanted.next() {
        Some(part) => Err(Refusal::InvalidPart {
            number: part.number,
        }),
        None => Ok((named, others)),
    }
}

fn is_as_named(wanted: &CompletedPart, stored: &StoredPart) -> bool {
    let checksum = stored.row.checksum.as_ref().map(|sum| &sum.checksum);
    let is_checksum_right = wanted.checksum.is_none() || wanted.checksum.as_ref() == checksum;
    wanted.etag == stored.row.etag && is_checksum_right
}

/// Checks the sizes of the parts and of the whole. Gives the length of the whole.
fn check_sizes(parts: &[StoredPart], declared_len: Option<u64>) -> Result<u64, Refusal> {
    let but_last = parts.split_last().map_or(&[][..], |(_, rest)| rest);
    for part in but_last {
        if part.row.len < limits::SMALLEST_PART_LEN {
            return Err(Refusal::PartTooSmall {
                number: part.number,
                len: part.row.len,
            });
        }
    }
    // At most 10,000 parts of at most 5 GiB: no overflow.
    let len = parts.iter().map(|part| part.row.len).sum();
    if len > limits::OBJECT_LEN {
        return Err(Refusal::ObjectTooLarge);
    }
    if declared_len.is_some_and(|declared| declared != len) {
        return Err(limits::malformed(
            "the parts have another length than was declared",
        ));
    }
    Ok(len)
}

fn check_checksum(
    declared: Option<&Checksum>,
    whole: Option<&ObjectChecksum>,
) -> Result<(), Refusal> {
    let Some(declared) = declared else {
        return Ok(());
    };
    match whole.map(|whole| &whole.checksum) {
        Some(checksum) if checksum == declared => Ok(()),
        Some(checksum) if checksum.algorithm() == declared.algorithm() => {
            Err(Refusal::ChecksumMismatch)
        }
        Some(_) | None => Err(Refusal::ChecksumKindMismatch),
    }
}

/// The MD5 of the parts' MD5s, and how many there are.
fn whole_etag(parts: &[CompletedPart]) -> ETag {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.etag.md5());
    }
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    ETag::from_parts(hash.finalize().into(), count)
}

fn span(part: &StoredPart) -> PartSpan {
    PartSpan {
        number: part.number,
        len: part.row.len,
    }
}

/// The upload is open no more: it and its parts are counted out, parts that are not of the version are freed.
fn close<S: Store>(
    change: &mut Change<'_, S>,
    upload: &UploadKey,
    info: &UploadInfo,
    named: &[StoredPart],
    others: &[StoredPart],
) -> Result<(), StoreError> {
    let mut range = change.range(upload.bucket)?;
    for part in named.iter().chain(others) {
        upload::count_part_out(&mut range.counters, part.row.len)?;
    }
    change.put_range(upload.bucket, &range);
    for part in others {
        upload::remove_part(change, upload, part)?;
    }
    upload::remove_open(change, upload, info)
}
