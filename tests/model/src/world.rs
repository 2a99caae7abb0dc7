//! What a correct S3 would hold now: buckets, versions and uploads in plain ordered maps.
//!
//! Nothing here is linked from the product. What only the server can choose (the names of versions and uploads, times) is learnt
//! from its first answer and must be the same in all later ones.

mod object;
mod page;
mod upload;

pub(crate) use object::{Body, ChecksumForm, Object, Settings};
pub(crate) use page::{Entry, Page, Pattern, Place};
pub(crate) use upload::{Part, Upload};

use std::collections::BTreeMap;

use crate::told::Told;

/// The name of the version that a bucket without versioning writes.
pub(crate) const NULL: &str = "null";

/// How many names of things that are gone a bucket remembers, for asking after them.
const REMEMBERED: usize = 16;

/// The longest page of a listing.
pub(crate) const LONGEST_PAGE: usize = 1_000;

/// All buckets of a run.
#[derive(Debug)]
pub(crate) struct World {
    /// What the names of all its buckets begin with: there may be other runs' on the same cluster.
    pub(crate) label: String,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    commits: u64,
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

/// One bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) versioning: Versioning,
    pub(crate) has_lock: bool,
    /// The versions of each key, newest first. No key is here without a version. Keys order as their UTF-8 bytes do, which is
    /// also how a `BTreeMap` orders strings.
    pub(crate) keys: BTreeMap<String, Vec<Version>>,
    /// The open uploads of each key, oldest first. No key is here without one.
    pub(crate) uploads: BTreeMap<String, Vec<Upload>>,
    /// Versions that were removed, newest last.
    pub(crate) gone: Vec<Gone>,
    /// Uploads that are no longer open, newest last.
    pub(crate) ended: Vec<Ended>,
    pub(crate) created: Told,
    /// Whether it is being emptied, so that it can be deleted.
    pub(crate) is_draining: bool,
}

/// One version of a key: an object, or a delete marker.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// As the server names it; [`NULL`] for the null version.
    pub(crate) id: String,
    /// Grows with each commit, over all keys.
    pub(crate) rank: u64,
    /// `None` for a delete marker.
    pub(crate) object: Option<Object>,
    pub(crate) modified: Told,
}

/// A version that was removed.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) rank: u64,
}

/// An upload that was aborted, or completed to a version.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) key: String,
    pub(crate) id: String,
    /// The commit that it became, with the parts that were named.
    pub(crate) completed: Option<(u64, Vec<(u16, String)>)>,
}

/// What a version in a request leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    Object(&'a Version, &'a Object),
    Marker(&'a Version),
    NoKey,
    NoVersion,
}

impl World {
    pub(crate) fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            buckets: BTreeMap::new(),
            commits: 0,
        }
    }

    /// Adds a version on top of a key's; one that takes the null version's place removes that first.
    pub(crate) fn commit(
        &mut self,
        bucket: &str,
        key: &str,
        id: &str,
        object: Option<Object>,
    ) -> u64 {
        self.commits += 1;
        let rank = self.commits;
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            if id == NULL {
                bucket.remove(key, NULL);
            }
            let version = Version {
                id: id.to_owned(),
                rank,
                object,
                modified: Told::default(),
            };
            let versions = bucket.keys.entry(key.to_owned()).or_default();
            versions.insert(0, version);
        }
        rank
    }

    /// The versions of a key, newest first.
    pub(crate) fn versions(&self, bucket: &str, key: &str) -> &[Version] {
        let bucket = self.buckets.get(bucket);
        let versions = bucket.and_then(|bucket| bucket.keys.get(key));
        versions.map_or(&[], Vec::as_slice)
    }

    /// The version that a request leads to: the newest one, or the one it names. A bucket that is not there has no keys.
    pub(crate) fn find(&self, bucket: &str, key: &str, version: Option<&str>) -> Found<'_> {
        let versions = self.versions(bucket, key);
        let found = match version {
            None => versions.first(),
            Some(id) => versions.iter().find(|version| version.id == id),
        };
        match found {
            Some(version) => match &version.object {
                Some(object) => Found::Object(version, object),
                None => Found::Marker(version),
            },
            None if version.is_some() => Found::NoVersion,
            None => Found::NoKey,
        }
    }

    /// As [`World::find`], to learn something of the version.
    pub(crate) fn find_mut(
        &mut self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Option<&mut Version> {
        let versions = self.buckets.get_mut(bucket)?.keys.get_mut(key)?;
        match version {
            None => versions.first_mut(),
            Some(id) => versions.iter_mut().find(|version| version.id == id),
        }
    }

    /// The object that a reader who names no version gets.
    pub(crate) fn current(&self, bucket: &str, key: &str) -> Option<&Object> {
        match self.find(bucket, key, None) {
            Found::Object(_, object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn upload(&self, bucket: &str, key: &str, id: &str) -> Option<&Upload> {
        let uploads = self.buckets.get(bucket)?.uploads.get(key)?;
        uploads.iter().find(|upload| upload.id == id)
    }

    pub(crate) fn upload_mut(&mut self, bucket: &str, key: &str, id: &str) -> Option<&mut Upload> {
        let uploads = self.buckets.get_mut(bucket)?.uploads.get_mut(key)?;
        uploads.iter_mut().find(|upload| upload.id == id)
    }

    /// Takes an upload out of those that are open.
    pub(crate) fn end_upload(
        &mut self,
        bucket: &str,
        key: &str,
        id: &str,
        completed: Option<(u64, Vec<(u16, String)>)>,
    ) {
        let Some(bucket) = self.buckets.get_mut(bucket) else {
            return;
        };
        if let Some(uploads) = bucket.uploads.get_mut(key) {
            uploads.retain(|upload| upload.id != id);
            if uploads.is_empty() {
                bucket.uploads.remove(key);
            }
        }
        let ended = Ended {
            key: key.to_owned(),
            id: id.to_owned(),
            completed,
        };
        remember(&mut bucket.ended, ended);
    }
}

impl Bucket {
    pub(crate) fn new(has_lock: bool) -> Self {
        Self {
            versioning: if has_lock {
                Versioning::Enabled
            } else {
                Versioning::Never
            },
            has_lock,
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
            gone: Vec::new(),
            ended: Vec::new(),
            created: Told::default(),
            is_draining: false,
        }
    }

    /// Removes a version, and gives it if it was there.
    pub(crate) fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key)?;
        let at = versions.iter().position(|version| version.id == id)?;
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        let gone = Gone {
            key: key.to_owned(),
            id: id.to_owned(),
            rank: removed.rank,
        };
        if id != NULL {
            remember(&mut self.gone, gone);
        }
        Some(removed)
    }

    /// How many versions it holds, with delete markers.
    pub(crate) fn version_count(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }
}

fn remember<Item>(items: &mut Vec<Item>, item: Item) {
    if items.len() == REMEMBERED {
        items.remove(0);
    }
    items.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(world: &World) -> Vec<&str> {
        let versions = world.versions("bucket", "key").iter();
        versions.map(|version| version.id.as_str()).collect()
    }

    #[test]
    fn the_null_version_is_replaced_and_named_ones_are_kept() {
        let mut world = World::new("model");
        let bucket = Bucket::new(false);
        world.buckets.insert("bucket".to_owned(), bucket);
        for id in [NULL, "v1", NULL, "v2"] {
            world.commit("bucket", "key", id, None);
        }
        assert_eq!(ids(&world), ["v2", NULL, "v1"]);
        let bucket = world.buckets.get_mut("bucket").unwrap();
        assert_eq!(bucket.remove("key", "v2").unwrap().rank, 4);
        assert!(bucket.remove("key", "v2").is_none());
        assert_eq!(bucket.gone.len(), 1);
        assert_eq!(ids(&world), [NULL, "v1"]);
    }
}
