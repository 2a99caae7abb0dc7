//! gRPC between the roles: the wire, and nothing of what is said over it.
//!
//! Who calls: `client`, and `meta` for Raft. Who answers: `meta::service` and `storage::service`. The same service runs
//! over a socket or over memory (`channel::in_process`), so one process exercises every edge that a cluster has.

pub mod bytes;
pub mod channel;
pub mod identity;
pub mod server;
pub mod socket;
pub mod status;

/// The generated code.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    reason = "generated from proto/"
)]
pub mod proto {
    /// `proto/cairn/storage/v1/storage.proto`
    pub mod storage {
        tonic::include_proto!("cairn.storage.v1");
    }
    /// `proto/cairn/meta/v1/meta.proto`
    pub mod meta {
        tonic::include_proto!("cairn.meta.v1");
    }
    /// `proto/cairn/raft/v1/raft.proto`
    pub mod raft {
        tonic::include_proto!("cairn.raft.v1");
    }
}
