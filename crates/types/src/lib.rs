//! The nouns of Cairn.
//!
//! Every other crate speaks in these words; this one knows nothing but `std` and `bytes`: no I/O, no serialization, no
//! async. A value of a checked type was checked when it was made, so code that holds one does not check again.

pub mod account;
pub mod acl;
pub mod checksum;
pub mod cluster;
pub mod etag;
pub mod id;
pub mod lock;
pub mod name;
pub mod namespace;
pub mod object;
pub mod outcome;
pub mod settings;
pub mod tag;
pub mod time;
pub mod version;
