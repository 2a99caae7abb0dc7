//! What operators see: health, metrics, the admin API, and `cairn admin` that speaks to it.
//!
//! The console's address serves `/-/live`, `/-/ready` and `/-/writable` (open), `/metrics` (open: it listens on its own
//! address), and `/admin/v1/…`, signed with `SigV4` by the root key for the service `cairn-admin`.

pub mod cluster_file;
pub mod collect;
pub mod command;
pub mod console;
pub mod status;
pub mod steer;
pub mod users;

pub use console::{Admin, Console, MAX_CONNECTIONS, Readiness};
pub use status::ClusterStatus;

/// The service that requests to the admin API are signed for.
pub const SERVICE: &str = "cairn-admin";
