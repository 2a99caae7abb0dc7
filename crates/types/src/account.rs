//! Who somebody is.

use std::fmt;
use std::sync::Arc;

/// The id of an account as S3 shows it in owners and grants. AWS's has 64 hexadecimal digits, other stores' are names such as
/// `testid` and `tenant$id`: 1 to 128 bytes of printable ASCII without what documents and headers would have to escape.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalId(Arc<str>);

/// Text that is no canonical id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a canonical id has 1 to 128 printable ASCII characters, and none of space, quotes, '<', '>', '&' and ','"
)]
pub struct CanonicalIdError;

impl CanonicalId {
    /// The longest in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks a canonical id.
    ///
    /// # Errors
    /// An empty text, one of more than 128 bytes, or one with other characters than those of a canonical id.
    pub fn parse(text: &str) -> Result<Self, CanonicalIdError> {
        let is_allowed = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'&' | b',')
        };
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(is_allowed) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_id_is_short_and_needs_no_escaping() {
        let longest = "f".repeat(128);
        for good in ["0af", "testid", "testx$9876", "RGW1", "a:b/c", &longest] {
            let id = CanonicalId::parse(good).unwrap();
            assert_eq!(id.as_str(), good);
        }
        let too_long = "f".repeat(129);
        for bad in [
            "", &too_long, "a b", "a\"", "a'", "<a", "a>", "a&b", "a,b", "é", "a\n",
        ] {
            assert_eq!(CanonicalId::parse(bad), Err(CanonicalIdError), "{bad}");
        }
    }
}
