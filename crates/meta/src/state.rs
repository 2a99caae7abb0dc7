//! The applied state of a group: its tables, how entries change them, and how they move to another node.

mod machine;
mod snapshot;
mod tables;

pub(crate) use machine::StateMachine;
pub(crate) use snapshot::{Piece, Rows, SnapshotData, StageError, Staging, applied_hash};
pub(crate) use tables::{ReadCounters, Tables};

#[cfg(test)]
mod tests;
