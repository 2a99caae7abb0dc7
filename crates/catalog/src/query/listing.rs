//! Listings by key, with common prefixes rolled up.
//!
//! One seek finds the first row, and one more passes over each common prefix, however many keys it stands for. Keys order as
//! their UTF-8 bytes do.

use bytes::Bytes;
use cairn_types::id::UploadId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::DataView;
use cairn_types::namespace::data::{
    ListObjects, ListUploads, ListedObject, ListedUpload, UploadKey,
};

use super::{bucket, check_limit};
use crate::failure::Failure;
use crate::record::object::CurrentRow;
use crate::record::upload::{UploadEntryRow, UploadRow};
use crate::store::{Cursor, Store, StoreError};
use crate::{key, record};

/// Rows of a page.
pub(super) const LARGEST_PAGE: u32 = 1_000;

/// Which keys are wanted, and which are rolled up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
}

impl Pattern<'_> {
    /// The common prefix that a text with the prefix is rolled up into, if it is.
    pub(super) fn common_prefix<'k>(&self, text: &'k str) -> Option<&'k str> {
        let rest = text.strip_prefix(self.prefix)?;
        if self.delimiter.is_empty() {
            return None;
        }
        let (before, _) = rest.split_once(self.delimiter)?;
        text.get(..self.prefix.len() + before.len() + self.delimiter.len())
    }
}

/// A page of current objects.
pub(super) fn objects<S: Store>(store: &S, query: &ListObjects) -> Result<DataView, Failure> {
    bucket::check_known(store, query.bucket)?;
    let limit = check_limit(query.limit, 0, LARGEST_PAGE)?;
    let pattern = Pattern {
        prefix: &query.prefix,
        delimiter: &query.delimiter,
    };
    let table = key::data::current_prefix(query.bucket, &query.prefix);
    let behind = match pattern.common_prefix(&query.after) {
        Some(common) => key::after_prefix(key::data::current_prefix(query.bucket, common)),
        None if query.after.is_empty() => table.clone(),
        None => key::after_prefix(key::data::current(query.bucket, &query.after).into_bytes()),
    };
    let mut page = Page::new(limit);
    let mut cursor = store.cursor();
    if limit > 0 {
        cursor.seek(behind.as_slice().max(&table))?;
    }
    while let Some((row_key, value)) = cursor.current().filter(|(key, _)| key.starts_with(&table)) {
        if page.is_full() {
            page.is_truncated = true;
            break;
        }
        let text = key::data::parse_current(row_key)?;
        if let Some(common) = pattern.common_prefix(&text) {
            let rows = key::data::current_prefix(query.bucket, common);
            cursor.seek(&key::after_prefix(rows))?;
            page.roll_up(common);
        } else {
            page.add(&text, listed_object(&text, value)?);
            cursor.next()?;
        }
    }
    Ok(DataView::Objects {
        next: page.is_truncated.then_some(page.last),
        objects: page.rows,
        common_prefixes: page.common_prefixes,
    })
}

/// A page of open uploads: by key, and those of one key by the time they were begun.
pub(super) fn uploads<S: Store>(store: &S, query: &ListUploads) -> Result<DataView, Failure> {
    bucket::check_known(store, query.bucket)?;
    let limit = check_limit(query.limit, 0, LARGEST_PAGE)?;
    let pattern = Pattern {
        prefix: &query.prefix,
        delimiter: &query.delimiter,
    };
    let table = key::data::upload_entry_prefix(query.bucket, &query.prefix);
    let behind = match pattern.common_prefix(&query.after_key) {
        Some(common) => key::after_prefix(key::data::upload_entry_prefix(query.bucket, common)),
        None if query.after_key.is_empty() => table.clone(),
        None => behind_upload(store, query)?,
    };
    let mut page = Page::new(limit);
    let mut last_upload = None;
    let mut cursor = store.cursor();
    if limit > 0 {
        cursor.seek(behind.as_slice().max(&table))?;
    }
    while let Some((row_key, value)) = cursor.current().filter(|(key, _)| key.starts_with(&table)) {
        if page.is_full() {
            page.is_truncated = true;
            break;
        }
        let (upload, initiated) = key::data::parse_upload_entry(row_key)?;
        if let Some(common) = pattern.common_prefix(upload.key.as_str()) {
            let entries = key::data::upload_entry_prefix(query.bucket, common);
            cursor.seek(&key::after_prefix(entries))?;
            page.roll_up(common);
            last_upload = None;
        } else {
            let row: UploadEntryRow = record::decode(Bytes::copy_from_slice(value))?;
            last_upload = Some(upload.upload);
            let listed = ListedUpload {
                key: upload.key.clone(),
                upload: upload.upload,
                initiated,
                checksum: row.checksum,
                owner: row.owner,
                initiator: row.initiator,
            };
            page.add(upload.key.as_str(), listed);
            cursor.next()?;
        }
    }
    Ok(DataView::Uploads {
        next: page.is_truncated.then_some((page.last, last_upload)),
        uploads: page.rows,
        common_prefixes: page.common_prefixes,
    })
}

/// A page on the way.
pub(super) struct Page<R> {
    limit: usize,
    pub(super) rows: Vec<R>,
    pub(super) common_prefixes: Vec<String>,
    /// The last key or common prefix of it.
    pub(super) last: String,
    pub(super) is_truncated: bool,
}

impl<R> Page<R> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            rows: Vec::new(),
            common_prefixes: Vec::new(),
            last: String::new(),
            is_truncated: false,
        }
    }

    pub(super) fn add(&mut self, key: &str, row: R) {
        self.rows.push(row);
        key.clone_into(&mut self.last);
    }

    pub(super) fn roll_up(&mut self, common_prefix: &str) {
        self.common_prefixes.push(common_prefix.to_owned());
        common_prefix.clone_into(&mut self.last);
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() + self.common_prefixes.len() >= self.limit
    }
}

fn listed_object(key: &str, value: &[u8]) -> Result<ListedObject, StoreError> {
    let row: CurrentRow = record::decode(Bytes::copy_from_slice(value))?;
    let key = ObjectKey::parse(key).map_err(|_| StoreError::Inconsistent {
        what: "an object is current whose key is none",
    })?;
    Ok(ListedObject {
        key,
        len: row.len,
        etag: row.etag,
        last_modified: row.last_modified,
        checksum: row.checksum,
        owner: row.owner,
    })
}

/// Where the uploads begin that come after `after_key` and `after_upload`.
///
/// The order is by time, which only the upload itself tells. If it is gone since, its key is listed from the start: rather an
/// upload twice than one never.
fn behind_upload<S: Store>(store: &S, query: &ListUploads) -> Result<Vec<u8>, StoreError> {
    let of_key = key::data::upload_entries_of(query.bucket, &query.after_key);
    match query.after_upload {
        None => Ok(key::after_prefix(of_key)),
        Some(id) => match initiated_entry(store, query, id)? {
            Some(entry) => Ok(key::after_prefix(entry)),
            None => Ok(of_key),
        },
    }
}

fn initiated_entry<S: Store>(
    store: &S,
    query: &ListUploads,
    upload: UploadId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Ok(key) = ObjectKey::parse(&query.after_key) else {
        return Ok(None);
    };
    let upload = UploadKey {
        bucket: query.bucket,
        key,
        upload,
    };
    match record::get(store, &key::data::upload(&upload))? {
        Some(UploadRow::Open(info)) => {
            let entry = key::data::upload_entry(&upload, info.initiated);
            Ok(Some(entry.into_bytes()))
        }
        Some(UploadRow::Completed { .. }) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_roll_up_to_the_first_delimiter_behind_the_prefix() {
        let roll = |prefix, delimiter, key| Pattern { prefix, delimiter }.common_prefix(key);
        assert_eq!(roll("", "/", "a/b/c"), Some("a/"));
        assert_eq!(roll("a/", "/", "a/b/c"), Some("a/b/"));
        assert_eq!(roll("a", "/", "a/b/c"), Some("a/"));
        assert_eq!(roll("a/b", "/", "a/b"), None);
        assert_eq!(roll("x", "/", "a/b"), None);
        assert_eq!(roll("", "", "a/b"), None);
        assert_eq!(roll("", "→", "a→b"), Some("a→"));
        assert_eq!(roll("", "//", "a/b//c"), Some("a/b//"));
        assert_eq!(roll("a", "aa", "aaaa"), Some("aaa"));
    }
}
