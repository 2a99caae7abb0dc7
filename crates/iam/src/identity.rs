//! Who somebody is.

use std::fmt;
use std::sync::Arc;

/// The id of an identity as S3 shows it in owners and grants: 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalId(Arc<str>);

/// Text that is no canonical id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a canonical id has 64 lower-case hexadecimal digits")]
pub struct CanonicalIdError;

impl CanonicalId {
    /// Checks a canonical id.
    ///
    /// # Errors
    /// Anything but 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, CanonicalIdError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.into()))
        } else {
            Err(CanonicalIdError)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CanonicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "canonical id {}", self.0)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_id_has_one_form() {
        assert!(CanonicalId::parse(&"0af".repeat(22)[..64]).is_ok());
        for bad in ["", &"a".repeat(63), &"a".repeat(65), &"A".repeat(64)] {
            assert_eq!(CanonicalId::parse(bad), Err(CanonicalIdError), "{bad}");
        }
    }
}
