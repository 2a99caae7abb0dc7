//! The namespace as a deterministic state machine: the same commands give the same rows on every node.
//!
//! A group's rows are in a [`Store`] that others supply: RocksDB in `meta`, [`BTreeStore`] in simulations and tests. [`apply`]
//! changes them by one command of the group's log, [`query`] reads them. Nothing else happens here: no clock, no dice, no disk,
//! no network. Time and random bits come with the command, from the node that proposed it.
//!
//! - `key` says where each row is, and why so.
//! - `record` says what each row holds, and how it is stored.
//! - `apply` has a file for each subject that commands change.
//! - `query` has a file for each subject that queries read.
//! - `audit` counts everything again.

mod apply;
mod audit;
mod failure;
mod hash;
mod key;
mod query;
mod record;
mod store;

pub use apply::{APPLY_VERSION, Applied, ApplyError, apply, has_chores};
pub use audit::{Contradiction, audit};
pub use hash::{group_clock, state_hash};
pub use key::FIRST_FREE_TAG;
pub use query::{query, query_guarded};
pub use store::{
    BTreeCursor, BTreeStore, Cursor, Overlay, OverlayCursor, ReadCounts, Store, StoreError, Txn,
    Writes,
};
