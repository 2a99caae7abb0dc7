//! Who somebody is.

pub use cairn_types::account::{CanonicalId, CanonicalIdError};

/// Somebody known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What buckets and objects name as their owner.
    pub id: CanonicalId,
    /// What people read.
    pub display_name: String,
    /// Whether it is the cluster's root identity, which may do everything.
    pub is_root: bool,
}
