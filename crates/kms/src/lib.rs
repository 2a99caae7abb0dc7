//! Sealing bytes under a master key.
//!
//! Secrets are sealed before they enter the metadata, by processes that have the master key, and opened by those that need
//! them; the metadata never sees more than a [`package`].

mod master_key;
pub mod package;

pub use master_key::{KeyId, MasterKey, MasterKeyError};
pub use package::{OpenError, Purpose};
