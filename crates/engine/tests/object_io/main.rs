//! Object I/O over the real wire, against the real state machine and disks that fail as they are told to.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod buckets;
mod cluster;
mod copies;
mod disks;
mod gets;
mod memory;
mod metadata;
mod puts;
mod versions;
