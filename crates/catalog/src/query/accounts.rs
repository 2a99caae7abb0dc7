//! Accounts and their access keys.

use cairn_types::account::{CanonicalId, IdentityPage};
use cairn_types::id::Epoch;
use cairn_types::namespace::RootView;

use super::check_limit;
use crate::failure::Failure;
use crate::record::account::{AccountRow, IdentitiesRow};
use crate::store::Store;
use crate::{key, record};

/// Accounts of a page: with all their keys at their longest they fit into one message.
const LARGEST_PAGE: u32 = 500;

/// A page of accounts by id, unless what the asker knows is the newest: that costs one point read.
pub(super) fn identities<S: Store>(
    store: &S,
    known: Epoch,
    after: Option<&CanonicalId>,
    limit: u32,
) -> Result<RootView, Failure> {
    let limit = check_limit(limit, 1, LARGEST_PAGE)?;
    let row: IdentitiesRow = record::get(store, &key::root::identities())?.unwrap_or_default();
    if row.epoch == known {
        return Ok(RootView::Identities(None));
    }
    let table = key::root::accounts();
    let mut from = table.clone();
    if let Some(after) = after {
        // No id has a byte 0 in it: behind `after` comes what is longer by one.
        from.extend(after.as_str().as_bytes());
        from.push(0);
    }
    let mut rows = record::scan(store, &table, &from, limit.saturating_add(1))?;
    let truncated = rows.len() > limit;
    rows.truncate(limit);
    let entries = rows.into_iter().map(|(_, AccountRow(entry))| entry);
    Ok(RootView::Identities(Some(IdentityPage {
        epoch: row.epoch,
        entries: entries.collect(),
        truncated,
    })))
}
