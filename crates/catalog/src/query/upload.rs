//! Uploads and their parts.

use cairn_types::namespace::data::{ListedPart, PartContent, UploadInfo, UploadKey};
use cairn_types::namespace::{DataView, Refusal};

use super::{bucket, check_limit};
use crate::failure::Failure;
use crate::record::upload::{PartRow, UploadRow};
use crate::store::{Store, StoreError};
use crate::{key, record};

/// Parts of a page.
const LARGEST_PAGE: u32 = 1_000;

/// An open upload.
pub(super) fn upload<S: Store>(store: &S, upload: &UploadKey) -> Result<DataView, Failure> {
    open(store, upload).map(DataView::Upload)
}

/// A page of an open upload's parts.
pub(super) fn parts<S: Store>(
    store: &S,
    upload: &UploadKey,
    after: u16,
    limit: u32,
) -> Result<DataView, Failure> {
    let limit = check_limit(limit, 1, LARGEST_PAGE)?;
    let info = open(store, upload)?;
    let mut rows = match after.checked_add(1) {
        Some(from) => stored_parts(store, upload, from, limit + 1)?,
        None => Vec::new(),
    };
    let truncated = rows.len() > limit;
    rows.truncate(limit);
    let parts = rows
        .into_iter()
        .map(|(number, row)| ListedPart {
            number,
            len: row.len,
            etag: row.etag,
            checksum: row.checksum,
            last_modified: row.last_modified,
        })
        .collect();
    Ok(DataView::Parts {
        info,
        parts,
        truncated,
    })
}

/// Where the bytes of a version's parts are.
pub(super) fn part_contents<S: Store>(
    store: &S,
    upload: &UploadKey,
    from: u16,
    limit: u32,
) -> Result<DataView, Failure> {
    let limit = check_limit(limit, 1, LARGEST_PAGE)?;
    bucket::check_known(store, upload.bucket)?;
    match record::get(store, &key::data::upload(upload))? {
        Some(UploadRow::Completed { .. }) => {}
        Some(UploadRow::Open(_)) | None => return Err(Refusal::NoSuchUpload.into()),
    }
    let rows = stored_parts(store, upload, from, limit)?;
    let parts = rows
        .into_iter()
        .map(|(number, row)| PartContent {
            number,
            len: row.len,
            etag: row.etag,
            checksum: row.checksum,
            content: row.content,
        })
        .collect();
    Ok(DataView::PartContents(parts))
}

fn open<S: Store>(store: &S, upload: &UploadKey) -> Result<UploadInfo, Failure> {
    bucket::check_known(store, upload.bucket)?;
    match record::get(store, &key::data::upload(upload))? {
        Some(UploadRow::Open(info)) => Ok(info),
        Some(UploadRow::Completed { .. }) | None => Err(Refusal::NoSuchUpload.into()),
    }
}

fn stored_parts<S: Store>(
    store: &S,
    upload: &UploadKey,
    from: u16,
    limit: usize,
) -> Result<Vec<(u16, PartRow)>, StoreError> {
    let prefix = key::data::parts_of(upload);
    let from = key::data::part(upload, from).into_bytes();
    let rows = record::scan(store, &prefix, &from, limit)?;
    rows.into_iter()
        .map(|(suffix, row)| Ok((key::data::parse_part_number(&suffix)?, row)))
        .collect()
}
