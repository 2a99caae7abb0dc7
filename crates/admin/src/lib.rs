//! What operators see: health, metrics, the admin API, and `cairn admin` that speaks to it.
//!
//! The console's address serves `/-/live` and `/-/ready` (open), `/metrics` (open: it listens on its own address), and
//! `/admin/v1/…`, signed with `SigV4` by the root key for the service `cairn-admin`.

pub mod collect;
pub mod command;
pub mod console;
pub mod status;

pub use console::{Console, Readiness};
pub use status::ClusterStatus;
