//! Metadata nodes as their callers see them: over gRPC, in one process.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails there"
)]

mod cluster;
mod damage;
mod harness;
mod single;
mod sockets;
