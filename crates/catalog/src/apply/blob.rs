//! Blobs: every one is unknown, held, freed or condemned, in one row, so that it is never two of these.

use std::collections::BTreeSet;

use cairn_types::id::BlobId;
use cairn_types::namespace::{DataReply, Refusal};
use cairn_types::object::Extent;
use cairn_types::time::Timestamp;

use super::change::{Change, subtract};
use super::limits;
use crate::failure::Failure;
use crate::key;
use crate::record::blob::{BlobRow, DegradedRow, Holder};
use crate::store::{Cursor, Store, StoreError};

/// Checks that these blobs may be committed now: they are this group's, nobody refers to them, and they are not forbidden.
///
/// Freed ones are refused as condemned ones are: their shards may be gone already.
pub(super) fn check_new<S: Store>(
    change: &mut Change<'_, S>,
    extents: &[Extent],
) -> Result<(), Failure> {
    if extents.is_empty() {
        return Ok(());
    }
    let horizon = change.collection()?.horizon;
    let mut seen = BTreeSet::new();
    for extent in extents {
        let blob = extent.blob;
        if blob.group() != change.group() {
            return Err(limits::malformed("the blob belongs to another group").into());
        }
        if !seen.insert(blob) {
            return Err(limits::malformed("the blob is named twice").into());
        }
        if is_passed(blob, horizon) {
            return Err(Refusal::BlobCondemned { blob }.into());
        }
        match change.get(&key::data::blob(blob))? {
            None => {}
            Some(BlobRow::Held(_)) => {
                return Err(limits::malformed("the blob is committed already").into());
            }
            Some(BlobRow::Freed { .. } | BlobRow::Condemned { .. }) => {
                return Err(Refusal::BlobCondemned { blob }.into());
            }
        }
    }
    Ok(())
}

/// Commits blobs that `check_new` let pass.
pub(super) fn hold<S: Store>(
    change: &mut Change<'_, S>,
    holder: &Holder,
    extents: &[Extent],
) -> Result<(), StoreError> {
    for extent in extents {
        change.put(key::data::blob(extent.blob), &BlobRow::Held(holder.clone()));
        if !extent.missing_shards.is_empty() {
            let row = DegradedRow {
                missing_shards: extent.missing_shards.clone(),
            };
            change.put(key::data::degraded(extent.blob), &row);
            change.collection()?.degraded += 1;
        }
    }
    Ok(())
}

/// Frees blobs that were held, because their holder goes.
pub(super) fn free<S: Store>(
    change: &mut Change<'_, S>,
    extents: &[Extent],
) -> Result<(), StoreError> {
    let freed = change.clock();
    for extent in extents {
        change.put(key::data::blob(extent.blob), &BlobRow::Freed { freed });
        change.mark(key::data::freed(freed, extent.blob));
        change.collection()?.freed += 1;
        // Only what was committed with shards missing has such a row.
        let is_degraded = !extent.missing_shards.is_empty()
            && change.get(&key::data::degraded(extent.blob))?.is_some();
        if is_degraded {
            change.delete(key::data::degraded(extent.blob));
            let degraded = &mut change.collection()?.degraded;
            subtract(degraded, 1, "fewer degraded blobs than rows of them")?;
        }
    }
    Ok(())
}

/// Forbids what nobody refers to. What the horizon has passed, and what was freed, is forbidden without a row.
pub(super) fn condemn<S: Store>(
    change: &mut Change<'_, S>,
    blobs: &[BlobId],
) -> Result<DataReply, Failure> {
    limits::check_named(blobs.len())?;
    let condemned = change.clock();
    let horizon = change.collection()?.horizon;
    let mut answer = Vec::new();
    for &blob in blobs {
        if blob.group() != change.group() {
            return Err(limits::malformed("the blob belongs to another group").into());
        }
        match change.get(&key::data::blob(blob))? {
            Some(BlobRow::Held(_)) => continue,
            Some(BlobRow::Freed { .. } | BlobRow::Condemned { .. }) => {}
            None if is_passed(blob, horizon) => {}
            None => {
                change.put(key::data::blob(blob), &BlobRow::Condemned { condemned });
                change.mark(key::data::condemned(blob));
                change.collection()?.condemned += 1;
            }
        }
        answer.push(blob);
    }
    Ok(DataReply::Condemned(answer))
}

/// Forgets blobs whose shards are gone. A condemned one stays until the horizon passes it: its writer may yet come.
pub(super) fn forget<S: Store>(
    change: &mut Change<'_, S>,
    blobs: &[BlobId],
) -> Result<DataReply, Failure> {
    limits::check_named(blobs.len())?;
    let horizon = change.collection()?.horizon;
    for &blob in blobs {
        match change.get(&key::data::blob(blob))? {
            Some(BlobRow::Freed { freed }) => {
                change.delete(key::data::blob(blob));
                change.delete(key::data::freed(freed, blob));
                let count = &mut change.collection()?.freed;
                subtract(count, 1, "fewer freed blobs than rows of them")?;
            }
            Some(BlobRow::Condemned { .. }) if is_passed(blob, horizon) => {
                forget_condemned(change, blob)?;
            }
            Some(BlobRow::Condemned { .. } | BlobRow::Held(_)) | None => {}
        }
    }
    Ok(DataReply::Done)
}

/// Moves the horizon forward. The condemned blobs that it passes are left to the chores, from those of this command on.
pub(super) fn raise_horizon<S: Store>(
    change: &mut Change<'_, S>,
    horizon: Timestamp,
) -> Result<DataReply, Failure> {
    // A horizon ahead of the clock would refuse the blobs that are being written now.
    if horizon > change.clock() {
        return Err(limits::malformed("the horizon is later than the group's clock").into());
    }
    let collection = change.collection()?;
    let is_raised = horizon > collection.horizon;
    collection.horizon = collection.horizon.max(horizon);
    change.row().has_passed_blobs |= is_raised;
    Ok(DataReply::Done)
}

/// Forgets at most `limit` condemned blobs that the horizon has passed, if any may be left.
pub(super) fn forget_passed<S: Store>(
    change: &mut Change<'_, S>,
    limit: usize,
) -> Result<(), StoreError> {
    if !change.row().has_passed_blobs {
        return Ok(());
    }
    let horizon = change.collection()?.horizon;
    let passed = passed_blobs(change, horizon, limit)?;
    change.row().has_passed_blobs = passed.len() == limit;
    for blob in passed {
        forget_condemned(change, blob)?;
    }
    Ok(())
}

fn is_passed(blob: BlobId, horizon: Timestamp) -> bool {
    blob.time_ms() < horizon.as_millis()
}

/// At most `limit` condemned blobs that the horizon has passed, oldest first.
fn passed_blobs<S: Store>(
    change: &Change<'_, S>,
    horizon: Timestamp,
    limit: usize,
) -> Result<Vec<BlobId>, StoreError> {
    let mut passed = Vec::new();
    let mut cursor = change.rows().cursor();
    cursor.seek(&key::data::condemned_blobs())?;
    while let Some((row_key, _)) = cursor.current() {
        match key::data::parse_condemned(row_key)? {
            Some((begun, blob)) if begun < horizon && passed.len() < limit => {
                passed.push(blob);
            }
            _ => break,
        }
        cursor.next()?;
    }
    Ok(passed)
}

fn forget_condemned<S: Store>(change: &mut Change<'_, S>, blob: BlobId) -> Result<(), StoreError> {
    change.delete(key::data::blob(blob));
    change.delete(key::data::condemned(blob));
    let count = &mut change.collection()?.condemned;
    subtract(count, 1, "fewer condemned blobs than rows of them")
}
