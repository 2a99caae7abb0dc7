//! Listings of versions: by key, and those of one key newest first.
//!
//! One seek finds the first row, and one more passes over each common prefix, however many keys and versions it stands for.

use bytes::Bytes;
use cairn_types::id::{Order, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::DataView;
use cairn_types::namespace::data::{ListVersions, ListedContent, ListedVersion};
use cairn_types::version::NamedVersion;

use super::listing::{LARGEST_PAGE, Page, Pattern};
use super::{bucket, check_limit};
use crate::failure::Failure;
use crate::record::object::{KeyRow, VersionRow};
use crate::store::{Cursor, Store, StoreError};
use crate::{key, record};

/// A page of versions.
pub(super) fn versions<S: Store>(store: &S, query: &ListVersions) -> Result<DataView, Failure> {
    bucket::check_known(store, query.bucket)?;
    let limit = check_limit(query.limit, 0, LARGEST_PAGE)?;
    let pattern = Pattern {
        prefix: &query.prefix,
        delimiter: &query.delimiter,
    };
    let mut page = Page::new(limit);
    let mut next_version = None;
    let table = key::data::version_prefix(query.bucket, &query.prefix);
    let mut latest = Latest::default();
    let mut cursor = store.cursor();
    if limit > 0 {
        let behind = match pattern.common_prefix(&query.after_key) {
            Some(common) => key::after_prefix(key::data::version_prefix(query.bucket, common)),
            None if query.after_key.is_empty() => table.clone(),
            None => behind_version(store, query, &mut latest)?,
        };
        cursor.seek(behind.as_slice().max(&table))?;
    }
    while let Some((row_key, value)) = cursor.current().filter(|(key, _)| key.starts_with(&table)) {
        if page.is_full() {
            page.is_truncated = true;
            break;
        }
        let (key, order) = key::data::parse_version(row_key)?;
        if let Some(common) = pattern.common_prefix(key.as_str()) {
            let rows = key::data::version_prefix(query.bucket, common);
            cursor.seek(&key::after_prefix(rows))?;
            page.roll_up(common);
            next_version = None;
        } else {
            let row: VersionRow = record::decode(Bytes::copy_from_slice(value))?;
            let listed = listed(key.clone(), order, &row, latest.is(&key, order));
            next_version = Some(NamedVersion::of(listed.version, listed.is_null));
            page.add(key.as_str(), listed);
            cursor.next()?;
        }
    }
    Ok(DataView::Versions {
        next: page.is_truncated.then_some((page.last, next_version)),
        versions: page.rows,
        common_prefixes: page.common_prefixes,
    })
}

/// Which version is the newest of its key: the first that is met, unless the page begins amid a key's versions.
#[derive(Default)]
struct Latest {
    of: Option<(ObjectKey, Order)>,
}

impl Latest {
    fn is(&mut self, key: &ObjectKey, order: Order) -> bool {
        match &self.of {
            Some((known, newest)) if known == key => *newest == order,
            _ => {
                self.of = Some((key.clone(), order));
                true
            }
        }
    }
}

/// Where the versions begin that come after `after_key` and `after_version`.
///
/// An id tells where its version was, though it may be gone. Where the null version was, only its key tells.
fn behind_version<S: Store>(
    store: &S,
    query: &ListVersions,
    latest: &mut Latest,
) -> Result<Vec<u8>, StoreError> {
    let of_key = key::data::versions_of(query.bucket, &query.after_key);
    let Some(version) = query.after_version else {
        return Ok(key::after_prefix(of_key));
    };
    let Ok(key) = ObjectKey::parse(&query.after_key) else {
        return Ok(of_key);
    };
    let row: Option<KeyRow> = record::get(store, &key::data::object_key(query.bucket, &key))?;
    let Some(row) = row else {
        return Ok(of_key);
    };
    let order = match version {
        NamedVersion::Null => row.null,
        NamedVersion::Id(id) => Some(id.order()),
    };
    let behind = match order {
        Some(order) => {
            let row_key = key::data::version(query.bucket, &key, order);
            key::after_prefix(row_key.into_bytes())
        }
        // Rather a version twice than one never.
        None => of_key,
    };
    latest.of = Some((key, row.newest));
    Ok(behind)
}

fn listed(key: ObjectKey, order: Order, row: &VersionRow, is_latest: bool) -> ListedVersion {
    let object = row.object().map(|object| ListedContent {
        len: object.len,
        etag: object.etag.clone(),
        checksum: object
            .checksum
            .as_ref()
            .map(|whole| (whole.checksum.algorithm(), whole.kind)),
    });
    ListedVersion {
        key,
        version: VersionId::new(order, row.random()),
        is_null: row.is_null(),
        is_latest,
        last_modified: row.last_modified(),
        owner: row.owner().cloned(),
        object,
    }
}
