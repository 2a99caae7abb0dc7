//! The metadata role: many Raft groups in one process, each a replicated `catalog`, over one RocksDB.
//!
//! Way of a mutation: `service` (makes it a command, with time and random bits) → `group` (proposes it) → openraft → `log`
//! (one sync for whatever all groups have to write) → openraft, once a majority has it → `state` (applies it through the
//! catalog, one write without a sync) → the answer. A query is confirmed by a majority and then reads the tables.
//!
//! What must never be weakened: a log is durable before it is acknowledged (`log::writer`), a log that got shorter is
//! recognized (`watermark`), effects and their place in the log are one write (`state::tables`), a leader that restarts is
//! elected anew (`consensus`), and whoever fails stops (`failure`).

mod blocking;
mod config;
mod consensus;
mod database;
mod failure;
mod group;
mod housekeeping;
mod identify;
mod keeper;
mod label;
mod log;
mod meta;
mod node;
mod open;
mod service;
mod skew;
mod starter;
mod state;
mod watermark;

pub use config::{Dial, MetaConfig};
pub use database::DatabaseError;
pub use failure::Failure;
pub use group::GroupStatus;
pub use identify::{identify, node_of};
pub use label::LabelError;
pub use meta::{GenesisError, MembershipError, Meta};
pub use open::OpenError;
pub use service::{MetadataServer, MetadataService, RaftService, ReplicationServer, bootstrap};

#[cfg(test)]
mod tests;
