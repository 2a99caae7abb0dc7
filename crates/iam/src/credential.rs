//! Access keys and their secrets.

use std::fmt;
use std::sync::Arc;

use crate::identity::Identity;

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
    fn secrets_do_not_print() {
        let secret = SecretKey::new("swordfish");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.expose(), "swordfish");
    }
}
