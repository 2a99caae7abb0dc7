//! Exactly once: what requests came to is remembered as long as they may come again.

use cairn_types::id::RequestId;
use cairn_types::namespace::{MutationRequest, Refusal, Reply};
use cairn_types::time::Timestamp;

use super::change::Change;
use crate::key;
use crate::record::group::{GroupRow, RequestRow};
use crate::store::{Cursor, Store, StoreError};

/// A request older than this, by the group's clock, is refused, and one that is from so far ahead; another is remembered if it was
/// here.
const REMEMBERED_MS: u64 = 10 * 60 * 1000;

/// How long expired requests may gather before they are looked for, so that a seek finds more than one.
const GATHERING_MS: u64 = 1_000;

/// Refuses a request that may have been here and been forgotten, and one that would have to be remembered for long: what is
/// remembered has a bound, and so has the time until it is looked through.
pub(super) fn check_time(clock: Timestamp, minted: Timestamp) -> Result<(), Refusal> {
    if clock.millis_since(minted) > REMEMBERED_MS {
        return Err(Refusal::RequestTooOld { clock });
    }
    if minted.millis_since(clock) > REMEMBERED_MS {
        return Err(Refusal::RequestTooNew { clock });
    }
    Ok(())
}

/// What the request came to when it was here before. Once it may be forgotten it is not found, whether or not it was: so no
/// answer depends on which chores were done when.
pub(super) fn find<S: Store>(
    change: &Change<'_, S>,
    id: RequestId,
) -> Result<Option<Result<Reply, Refusal>>, StoreError> {
    let clock = change.clock();
    let row = change.get(&key::request(id))?;
    let row = row.filter(|row| row.remembered_until >= clock);
    Ok(row.map(|row| row.result))
}

/// Remembers what the request came to. A refusal too: it was told to the client, and must not become a success. Not its words:
/// they are another in another release, and replicas of two releases must write the same rows.
pub(super) fn remember<S: Store>(
    change: &mut Change<'_, S>,
    request: &MutationRequest,
    result: &Result<Reply, Refusal>,
) {
    let applied = change.clock();
    // A client's clock may be ahead of the group's, ten minutes at most: then the request is young for longer, and forgetting it
    // sooner would let a late copy of it be applied once more.
    let remembered_until = applied.max(request.minted).plus_millis(REMEMBERED_MS);
    let row = RequestRow {
        applied,
        remembered_until,
        result: result.clone().map_err(Refusal::without_words),
    };
    change.put(key::request(request.request), &row);
    change.mark(key::request_expiry(remembered_until, request.request));
}

/// Whether there are requests to forget at `now`.
pub(super) fn has_expired<S: Store>(
    store: &S,
    row: &GroupRow,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if now < row.expire_next {
        return Ok(false);
    }
    let found = find_expired(store, row.expired_to, now, 1)?;
    Ok(!found.expired.is_empty())
}

/// Forgets at most `limit` requests that would be refused by now.
pub(super) fn expire<S: Store>(change: &mut Change<'_, S>, limit: usize) -> Result<(), StoreError> {
    let clock = change.clock();
    if clock < change.row().expire_next {
        return Ok(());
    }
    let from = change.row().expired_to;
    let found = find_expired(change.rows(), from, clock, limit)?;
    for (until, id) in &found.expired {
        change.delete(key::request(*id));
        change.delete(key::request_expiry(*until, *id));
    }
    let row = change.row();
    if let Some((until, _)) = found.expired.last() {
        row.expired_to = *until;
    }
    row.expire_next = match found.next {
        Some(until) if until < clock => row.expire_next,
        Some(until) => until.plus_millis(GATHERING_MS),
        // Whatever comes from now on is remembered for at least this long.
        None => clock.plus_millis(REMEMBERED_MS + GATHERING_MS),
    };
    Ok(())
}

struct Found {
    expired: Vec<(Timestamp, RequestId)>,
    /// When the first that is left expires.
    next: Option<Timestamp>,
}

/// One seek: it begins where the last one ended, so it does not wade through what was removed.
fn find_expired<S: Store>(
    store: &S,
    from: Timestamp,
    clock: Timestamp,
    limit: usize,
) -> Result<Found, StoreError> {
    let mut found = Found {
        expired: Vec::new(),
        next: None,
    };
    let mut cursor = store.cursor();
    cursor.seek(&key::request_expiries_from(from))?;
    while let Some((row_key, _)) = cursor.current() {
        let Some((until, id)) = key::parse_request_expiry(row_key)? else {
            break;
        };
        if until >= clock || found.expired.len() == limit {
            found.next = Some(until);
            break;
        }
        found.expired.push((until, id));
        cursor.next()?;
    }
    Ok(found)
}
