//! Access keys and their secrets.

use std::fmt;
use std::sync::Arc;

use crate::identity::Identity;

/// The public half of a credential: what a request names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKey(Arc<str>);

/// Text that is no access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access key has 3 to 128 letters, digits, '_', '-' and '.'")]
pub struct AccessKeyError;

impl AccessKey {
    /// Checks an access key: 3 to 128 ASCII letters, digits, `_`, `-` and `.`.
    ///
    /// The characters leave out `/`, `,`, `=` and blanks, which separate it from what follows in a request.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, AccessKeyError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if (3..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(AccessKeyError)
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access key {:?}", &self.0)
    }
}

/// The secret half of a credential. It prints as `***` and cannot be compared: nobody ever sends it.
#[derive(Clone)]
pub struct SecretKey(Arc<str>);

impl SecretKey {
    /// Takes a secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for deriving signing keys and for sealing it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What an access key stands for.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What its holder signs with.
    pub secret: SecretKey,
    /// Whose it is.
    pub identity: Arc<Identity>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_keys_have_no_separators() {
        for good in ["AKIAIOSFODNN7EXAMPLE", "cairn", "a-b_c.d", &"k".repeat(128)] {
            assert!(AccessKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "a/b/c", "key,", "a b c", "kéy", &"k".repeat(129)] {
            assert_eq!(AccessKey::parse(bad), Err(AccessKeyError), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let secret = SecretKey::new("swordfish");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.expose(), "swordfish");
    }
}
