//! The storage role: shards of blobs in segment files on disks. It knows nothing of what the blobs are for.
//!
//! From the outside in: [`Storage`] is all disks of a node and their gRPC [`service`]; [`shards`] is one disk in service:
//! its writers, readers and the collector of freed space; [`ledger`] is the order of effects, one lock around the
//! [`index`] and what must change together with it; [`recovery`] makes index and segments agree when a disk is opened;
//! [`scan`] reads a segment, whose format is [`record`]'s; [`disk`] is the seam to the file system.
//!
//! What is promised: a write is answered when its bytes are durable; of a write that failed nothing is ever read; no byte
//! is given out that does not match the hash that its writer computed; the index may be lost at any time.

pub mod config;
pub mod disk;
pub mod epochs;
pub mod identity;
pub mod index;
pub mod label;
pub mod ledger;
pub mod pool;
pub mod record;
pub mod recovery;
pub mod scan;
pub mod service;
pub mod shards;
pub mod storage;

pub use config::StorageConfig;
pub use identity::{identify, identify_all};
pub use storage::{DiskInfo, OpenError, Storage};
