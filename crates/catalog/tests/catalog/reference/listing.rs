//! Pages of listings, by looking at all there is.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cairn_types::id::{Order, UploadId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::DataView;
use cairn_types::namespace::data::{
    ListObjects, ListUploads, ListVersions, ListedContent, ListedObject, ListedUpload,
    ListedVersion,
};
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;

use super::{Model, Object, Upload, Version};

impl Model {
    /// A page of objects, by looking at all of them.
    pub(crate) fn list_objects(&self, query: &ListObjects) -> Option<DataView> {
        let bucket = self.buckets.get(&query.bucket)?;
        let mut entries: BTreeMap<String, Option<ListedObject>> = BTreeMap::new();
        for key in bucket.versions.keys() {
            let Some((version, object)) = bucket.current(key) else {
                continue;
            };
            match line(key, &query.prefix, &query.delimiter) {
                Line::None => {}
                Line::Key => {
                    let row = listed_object(key, version, object);
                    entries.insert(key.as_str().to_owned(), Some(row));
                }
                Line::CommonPrefix(prefix) => {
                    entries.insert(prefix, None);
                }
            }
        }
        entries.retain(|entry, _| entry.as_str() > query.after.as_str());
        let limit = usize::try_from(query.limit).expect("a small number");
        let more = limit > 0 && entries.len() > limit;
        let page: Vec<_> = entries.into_iter().take(limit).collect();
        let next = page.last().map(|(entry, _)| entry.clone());
        let objects = page.iter().filter_map(|(_, row)| row.clone()).collect();
        let prefixes = page.iter().filter(|(_, row)| row.is_none());
        Some(DataView::Objects {
            objects,
            common_prefixes: prefixes.map(|(entry, _)| entry.clone()).collect(),
            next: next.filter(|_| more),
        })
    }

    /// A page of versions, by looking at all of them.
    pub(crate) fn list_versions(&self, query: &ListVersions) -> Option<DataView> {
        let bucket = self.buckets.get(&query.bucket)?;
        let mut entries = BTreeMap::new();
        for (key, versions) in &bucket.versions {
            for version in versions {
                match line(key, &query.prefix, &query.delimiter) {
                    Line::None => {}
                    Line::Key => {
                        let name = (key.as_str().to_owned(), Reverse(version.version.order()));
                        let is_latest = versions.last().map(|v| v.version) == Some(version.version);
                        entries.insert(name, Some(listed_version(key, version, is_latest)));
                    }
                    Line::CommonPrefix(prefix) => {
                        entries.insert((prefix, Reverse(Order::new(0))), None);
                    }
                }
            }
        }
        let marker = ObjectKey::parse(&query.after_key).ok();
        let of_marker = marker.and_then(|key| bucket.versions.get(&key));
        let null = of_marker.and_then(|versions| versions.iter().find(|v| v.is_null));
        let after = query.after_version.map(|version| match version {
            NamedVersion::Null => null.map_or(Order::new(u64::MAX), |null| null.version.order()),
            NamedVersion::Id(id) => id.order(),
        });
        entries.retain(|(entry, order), row| match after {
            Some(after) if row.is_some() && *entry == query.after_key => order.0 < after,
            _ => entry.as_str() > query.after_key.as_str(),
        });
        let limit = usize::try_from(query.limit).expect("a small number");
        let more = limit > 0 && entries.len() > limit;
        let page: Vec<_> = entries.into_iter().take(limit).collect();
        let next = page.last().map(|((entry, _), row)| {
            let name = |row: &ListedVersion| NamedVersion::of(row.version, row.is_null);
            (entry.clone(), row.as_ref().map(name))
        });
        let versions = page.iter().filter_map(|(_, row)| row.clone()).collect();
        let prefixes = page.iter().filter(|(_, row)| row.is_none());
        Some(DataView::Versions {
            versions,
            common_prefixes: prefixes.map(|((entry, _), _)| entry.clone()).collect(),
            next: next.filter(|_| more),
        })
    }

    /// A page of uploads, by looking at all of them.
    pub(crate) fn list_uploads(&self, query: &ListUploads) -> Option<DataView> {
        let bucket = self.buckets.get(&query.bucket)?;
        let mut entries = BTreeMap::new();
        for ((key, id), upload) in &bucket.uploads {
            match line(key, &query.prefix, &query.delimiter) {
                Line::None => {}
                Line::Key => {
                    let name = (key.as_str().to_owned(), upload.initiated, id.get());
                    entries.insert(name, Some(listed_upload(key, *id, upload)));
                }
                Line::CommonPrefix(prefix) => {
                    entries.insert((prefix, Timestamp::default(), 0), None);
                }
            }
        }
        let marker = ObjectKey::parse(&query.after_key)
            .ok()
            .zip(query.after_upload);
        let after = marker.map(|(key, id)| {
            let upload = bucket.uploads.get(&(key, id));
            upload.map(|upload| (upload.initiated, id.get()))
        });
        entries.retain(|(entry, initiated, id), row| {
            let is_same_key = row.is_some() && *entry == query.after_key;
            match after {
                Some(Some(after)) if is_same_key => (*initiated, *id) > after,
                Some(None) if is_same_key => true,
                _ => entry.as_str() > query.after_key.as_str(),
            }
        });
        let limit = usize::try_from(query.limit).expect("a small number");
        let more = limit > 0 && entries.len() > limit;
        let page: Vec<_> = entries.into_iter().take(limit).collect();
        let last = page.last();
        let next = last.map(|((entry, ..), row)| (entry.clone(), row.as_ref().map(|r| r.upload)));
        let uploads = page.iter().filter_map(|(_, row)| row.clone()).collect();
        let prefixes = page.iter().filter(|(_, row)| row.is_none());
        Some(DataView::Uploads {
            uploads,
            common_prefixes: prefixes.map(|((entry, ..), _)| entry.clone()).collect(),
            next: next.filter(|_| more),
        })
    }
}

/// The line of a listing that a key is in.
enum Line {
    None,
    Key,
    CommonPrefix(String),
}

fn line(key: &ObjectKey, prefix: &str, delimiter: &str) -> Line {
    let Some(rest) = key.as_str().strip_prefix(prefix) else {
        return Line::None;
    };
    match rest.find(delimiter) {
        Some(at) if !delimiter.is_empty() => {
            Line::CommonPrefix([prefix, &rest[..at], delimiter].concat())
        }
        _ => Line::Key,
    }
}

fn listed_version(key: &ObjectKey, version: &Version, is_latest: bool) -> ListedVersion {
    let listed = version.object.as_ref();
    let listed = listed.map(|object| listed_object(key, version, object));
    ListedVersion {
        key: key.clone(),
        version: version.version,
        is_null: version.is_null,
        is_latest,
        last_modified: version.at,
        owner: version.owner.clone(),
        object: listed.map(|listed| ListedContent {
            len: listed.len,
            etag: listed.etag,
            checksum: listed.checksum,
        }),
    }
}

fn listed_object(key: &ObjectKey, version: &Version, object: &Object) -> ListedObject {
    let checksum = object.new.checksum.as_ref();
    ListedObject {
        key: key.clone(),
        len: object.new.len,
        etag: object.new.etag.clone(),
        last_modified: version.at,
        checksum: checksum.map(|whole| (whole.checksum.algorithm(), whole.kind)),
        owner: version.owner.clone(),
    }
}

fn listed_upload(key: &ObjectKey, upload: UploadId, row: &Upload) -> ListedUpload {
    ListedUpload {
        key: key.clone(),
        upload,
        initiated: row.initiated,
        checksum: row.new.checksum,
        owner: row.new.settings.owner.clone(),
        initiator: row.new.initiator.clone(),
    }
}
