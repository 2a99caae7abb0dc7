//! Object I/O: what turns the bytes of an object into shards on disks and a record in the metadata, and back.
//!
//! A write has four steps, in this order, and everything else follows from it: a guard is armed; the stripes go to the
//! disks; the disks say that the shards are durable; the metadata commits the version. Whatever ends a write before the
//! last step leaves blobs that nothing refers to, and the guard hands them to a task that condemns and removes them. An
//! error says whether the write certainly did not happen.
//!
//! A read asks the disks of the data cells a bounded window ahead, checks every frame against its hash, and decodes what
//! is missing, damaged or late from the other cells. It ends with an error where it cannot go on: never with wrong bytes.
//!
//! No body is held whole: the bytes of all bodies in flight are taken from one budget.

mod abandoned;
pub mod budget;
mod copy;
mod engine;
mod error;
mod fallback;
mod get;
mod placing;
mod put;
mod source;

pub use copy::{CopyFrom, CopySource};
pub use engine::{Config, Engine, Parts, Target};
pub use error::{PutError, ReadError};
pub use get::Download;
pub use put::quorum::Patience;
pub use put::{Described, PartCommitted, Staged};
pub use source::{Declared, Length, Source};
