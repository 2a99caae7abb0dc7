//! The wire: the metadata service for gateways and operators, and Raft between metadata nodes.

pub(crate) mod messages;
pub(crate) mod peers;

mod metadata;
mod replication;

pub use metadata::MetadataService;
pub use replication::RaftService;
