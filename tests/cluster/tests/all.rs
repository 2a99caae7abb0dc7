//! Tests of a cluster of real processes: nothing that was acknowledged is lost or read stale, whatever of it dies.

#![expect(
    clippy::disallowed_methods,
    reason = "tests see the cluster from outside: real clocks, and tasks that end with their runtime"
)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where the cluster is wrong, also in its helpers"
)]

mod fixture;
mod registers;
mod sdk_user;
mod traffic;

mod conformance;
mod degraded;
mod growth;
mod handover;
mod moved;
mod partition;
mod races;
mod rejoin;
mod stale_reads;
mod storm;
