//! What the group owes: blobs to be removed, and counts.

use cairn_types::id::BlobId;
use cairn_types::namespace::DataView;
use cairn_types::namespace::data::{FreedBlob, GroupStatus};

use super::{check_limit, malformed};
use crate::failure::Failure;
use crate::record::blob::BlobRow;
use crate::store::{Cursor, Store};
use crate::{hash, key, record};

/// Blobs in one question.
const BLOBS_MAX: usize = 1_000;

/// A page of freed blobs, oldest first.
pub(super) fn freed<S: Store>(
    store: &S,
    after: Option<&FreedBlob>,
    limit: u32,
) -> Result<DataView, Failure> {
    let limit = check_limit(limit, 1, 1_000)?;
    let mut blobs = Vec::new();
    let mut cursor = store.cursor();
    match after {
        None => cursor.seek(&key::data::freed_blobs())?,
        Some(after) => {
            let last = key::data::freed(after.freed, after.blob);
            cursor.seek(last.as_bytes())?;
            if cursor
                .current()
                .is_some_and(|(found, _)| found == last.as_bytes())
            {
                cursor.next()?;
            }
        }
    }
    while blobs.len() < limit {
        let Some((row_key, _)) = cursor.current() else {
            break;
        };
        let Some((freed, blob)) = key::data::parse_freed(row_key)? else {
            break;
        };
        blobs.push(FreedBlob { blob, freed });
        cursor.next()?;
    }
    Ok(DataView::FreedBlobs(blobs))
}

/// Those of `blobs` that nothing refers to.
pub(super) fn unheld<S: Store>(store: &S, blobs: &[BlobId]) -> Result<DataView, Failure> {
    if blobs.is_empty() || blobs.len() > BLOBS_MAX {
        return Err(malformed("the number of blobs is not allowed").into());
    }
    let mut unheld = Vec::new();
    for &blob in blobs {
        match record::get(store, &key::data::blob(blob))? {
            Some(BlobRow::Held(_)) => {}
            Some(BlobRow::Freed { .. } | BlobRow::Condemned { .. }) | None => unheld.push(blob),
        }
    }
    Ok(DataView::UnheldBlobs(unheld))
}

/// The group's counts and marks.
pub(super) fn status<S: Store>(store: &S) -> Result<DataView, Failure> {
    let collection = record::get(store, &key::data::collection())?.unwrap_or_default();
    Ok(DataView::Status(GroupStatus {
        clock: hash::group_clock(store)?,
        horizon: collection.horizon,
        freed_blobs: collection.freed,
        condemned_blobs: collection.condemned,
        degraded_blobs: collection.degraded,
        state_hash: hash::state_hash(store)?,
    }))
}
