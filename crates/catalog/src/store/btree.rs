//! Rows in memory: for the simulation and for tests.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{Cursor, Store, StoreError, Txn};

/// A store in memory that counts how it is read.
#[derive(Debug, Default)]
pub struct BTreeStore {
    rows: BTreeMap<Vec<u8>, Bytes>,
    gets: AtomicU64,
    seeks: AtomicU64,
    nexts: AtomicU64,
}

/// How often a `BTreeStore` was read since it was made or its counts were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCounts {
    /// Calls of `Store::get`.
    pub gets: u64,
    /// Calls of `Cursor::seek`.
    pub seeks: u64,
    /// Calls of `Cursor::next`.
    pub nexts: u64,
}

impl BTreeStore {
    /// A store without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// All rows, by key: what a snapshot holds.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_ref()))
    }

    /// How it was read since the last call, and counts from zero again.
    pub fn take_counts(&self) -> ReadCounts {
        ReadCounts {
            gets: self.gets.swap(0, Ordering::Relaxed),
            seeks: self.seeks.swap(0, Ordering::Relaxed),
            nexts: self.nexts.swap(0, Ordering::Relaxed),
        }
    }
}

impl FromIterator<(Vec<u8>, Bytes)> for BTreeStore {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Bytes)>>(rows: I) -> Self {
        Self {
            rows: rows.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Clone for BTreeStore {
    /// The same rows, counted from zero.
    fn clone(&self) -> Self {
        Self {
            rows: self.rows.clone(),
            ..Self::default()
        }
    }
}

impl PartialEq for BTreeStore {
    /// Whether the rows are the same; how they were read does not count.
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Eq for BTreeStore {}

impl Store for BTreeStore {
    type Cursor<'a> = BTreeCursor<'a>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        Ok(self.rows.get(key).cloned())
    }

    fn cursor(&self) -> BTreeCursor<'_> {
        BTreeCursor {
            store: self,
            rest: None,
            current: None,
        }
    }
}

impl Txn for BTreeStore {
    fn put(&mut self, key: Vec<u8>, value: Bytes) {
        self.rows.insert(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.rows.remove(&key);
    }
}

/// A position in a `BTreeStore`.
#[derive(Debug)]
pub struct BTreeCursor<'a> {
    store: &'a BTreeStore,
    rest: Option<Range<'a, Vec<u8>, Bytes>>,
    current: Option<(&'a [u8], &'a [u8])>,
}

impl BTreeCursor<'_> {
    fn step(&mut self) {
        let next = self.rest.as_mut().and_then(Iterator::next);
        self.current = next.map(|(key, value)| (key.as_slice(), value.as_ref()));
    }
}

impl Cursor for BTreeCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.store.seeks.fetch_add(1, Ordering::Relaxed);
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(key), Bound::Unbounded);
        self.rest = Some(self.store.rows.range::<[u8], _>(from));
        self.step();
        Ok(())
    }

    fn next(&mut self) -> Result<(), StoreError> {
        self.store.nexts.fetch_add(1, Ordering::Relaxed);
        self.step();
        Ok(())
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        self.current
    }
}
