//! Talking to a cluster: the metadata groups by `MetaClient`, the shards on disks by `ShardClient`.
//!
//! What a caller sees are nouns and outcomes: who leads a group, which node a disk is in, what to try again and for how
//! long is settled here. A change that was not answered is never taken for one that did not happen.

pub mod accounts;
pub mod blobs;
pub mod buckets;
pub mod meta;
pub mod objects;
pub mod peers;
pub mod settings;
pub mod shards;
pub mod topology;
pub mod uploads;
pub mod versions;

pub use accounts::{Accounts, Identities, IdentityCache};
pub use blobs::Blobs;
pub use buckets::Buckets;
pub use meta::{Indexed, MetaClient, MutateError, QueryError};
pub use objects::Objects;
pub use peers::Peers;
pub use shards::{ShardClient, ShardError, ShardErrorKind};
pub use topology::TopologyCache;
pub use uploads::Uploads;
