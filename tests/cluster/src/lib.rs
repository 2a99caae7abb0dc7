//! Harness of the cluster tests: a cluster of real processes under a directory, started and hurt by the same script that users
//! have (`deploy/local/cluster`), watched through `cairn admin`, `/metrics` and logs, and never left behind.

#![expect(
    clippy::disallowed_methods,
    reason = "tests see the cluster from outside: real clocks, their own environment, and no `runtime`"
)]

pub mod cluster;
pub mod description;
mod janitor;
pub mod namespace;
pub mod sdk;
pub mod status;
