//! What the group owes: blobs to be removed, and counts.

use cairn_types::namespace::DataView;
use cairn_types::namespace::data::{FreedBlob, GroupStatus};

use super::check_limit;
use crate::failure::Failure;
use crate::store::{Cursor, Store};
use crate::{hash, key, record};

/// A page of freed blobs, oldest first.
pub(super) fn freed<S: Store>(store: &S, limit: u32) -> Result<DataView, Failure> {
    let limit = check_limit(limit, 1, 1_000)?;
    let mut blobs = Vec::new();
    let mut cursor = store.cursor();
    cursor.seek(&key::data::freed_blobs())?;
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
