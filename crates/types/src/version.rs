//! Versions of a key as clients speak of them.

use std::fmt;

use crate::id::{ParseIdError, VersionId};

/// Whether a bucket keeps the versions that are overwritten and deleted. A bucket that was never told to keeps none; one that
/// was is never again as if it had not been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// Every write makes a version of its own.
    Enabled,
    /// What there is stays; a write makes the null version, in place of the one before.
    Suspended,
}

/// A version as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NamedVersion {
    /// The null version: what was written while versioning was not enabled. A key has one at most.
    Null,
    /// The one with this id.
    Id(VersionId),
}

impl NamedVersion {
    /// What clients know the version with this id as.
    pub const fn of(version: VersionId, is_null: bool) -> Self {
        if is_null {
            Self::Null
        } else {
            Self::Id(version)
        }
    }

    /// Reads what `Display` writes.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        match text {
            "null" => Ok(Self::Null),
            text => VersionId::parse(text).map(Self::Id),
        }
    }
}

impl fmt::Display for NamedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Id(version) => version.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Order;

    #[test]
    fn a_version_is_named_by_its_id_or_as_null() {
        let id = VersionId::new(Order::new(5), 0xab);
        for (name, text) in [
            (NamedVersion::of(id, true), "null"),
            (
                NamedVersion::of(id, false),
                "000000000000000500000000000000ab",
            ),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(NamedVersion::parse(text), Ok(name));
        }
        for bad in ["", "Null", "NULL", "null ", "5"] {
            assert!(NamedVersion::parse(bad).is_err(), "{bad}");
        }
    }
}
