//! What the catalog asks of the place where its rows are: ordered bytes, read by key and in order, written in one go.
//!
//! `BTreeStore` is one such place, RocksDB in `meta` the other. `Overlay` makes a `Txn` of any `Store`, so that a new place
//! needs only to be read, and to take a batch of writes.

mod btree;
mod overlay;

use std::error::Error;

use bytes::Bytes;
use cairn_schema::DecodeError;

pub use btree::{BTreeCursor, BTreeStore, ReadCounts};
pub use overlay::{Overlay, OverlayCursor, Writes};

/// Ordered rows that can be read. All reads see one state: nothing changes while a `Store` is borrowed.
pub trait Store {
    /// A position among the rows.
    type Cursor<'a>: Cursor
    where
        Self: 'a;

    /// The value at `key`. This is the hot path of applying and of reading objects.
    ///
    /// # Errors
    /// `StoreError::Backend`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// A cursor that stands nowhere yet. Cheap: the first `seek` costs.
    fn cursor(&self) -> Self::Cursor<'_>;
}

/// A position among ordered rows.
pub trait Cursor {
    /// Goes to the first row whose key is at least `key`.
    ///
    /// # Errors
    /// `StoreError::Backend`.
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError>;

    /// Goes to the row behind this one. Nothing to do at the end, or before the first `seek`.
    ///
    /// # Errors
    /// `StoreError::Backend`.
    fn next(&mut self) -> Result<(), StoreError>;

    /// Key and value of the row it stands on; `None` at the end, and before the first `seek`.
    fn current(&self) -> Option<(&[u8], &[u8])>;
}

/// A store that takes writes. A write is seen by every later read through the same transaction.
pub trait Txn: Store {
    /// Sets the value of a key.
    fn put(&mut self, key: Vec<u8>, value: Bytes);

    /// Removes a key, whether or not it is there.
    fn delete(&mut self, key: Vec<u8>);
}

/// The rows could not be read, or are not what the catalog wrote. A node that meets this stops: it can no longer be sure to
/// apply the same as its peers.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The place where the rows are has failed.
    #[error("read the tables")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
    /// A row does not decode.
    #[error("decode a row of kind {kind}")]
    Record {
        /// The kind of row.
        kind: &'static str,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The key of a row is not one of its table.
    #[error("a key of table {table:#04x} does not decode")]
    Key {
        /// The tag of the table.
        table: u8,
    },
    /// Two rows contradict each other.
    #[error("the tables contradict each other: {what}")]
    Inconsistent {
        /// How, in words.
        what: &'static str,
    },
}
