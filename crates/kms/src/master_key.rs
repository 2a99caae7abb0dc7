//! The key of a cluster, under which everything is sealed.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cairn_runtime::{Secret, random};
use sha2::{Digest, Sha256};

/// Bytes of a key.
const LEN: usize = 32;

/// What a key's id is the hash of, before the key.
const ID_CONTEXT: &[u8] = b"cairn master key id\0";

/// The key of a cluster. It prints as its id.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    bytes: Secret<[u8; LEN]>,
    id: KeyId,
}

/// Which key it is: the first 8 bytes of a SHA-256 over it. It says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

/// Text that is no master key. It does not say what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes, written as 64 hexadecimal digits or in base64")]
pub struct MasterKeyError;

impl MasterKey {
    /// A new key, of 256 random bits.
    ///
    /// # Panics
    /// When the system has no randomness to give.
    pub fn generate() -> Self {
        Self::new(random::bytes())
    }

    /// Reads a key: 64 hexadecimal digits, or the base64 of 32 bytes, with blanks around it.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let bytes = match hex::decode(text) {
            Ok(bytes) if text.len() == LEN * 2 => bytes,
            _ => BASE64_STANDARD.decode(text).map_err(|_| MasterKeyError)?,
        };
        let bytes = <[u8; LEN]>::try_from(bytes).map_err(|_| MasterKeyError)?;
        Ok(Self::new(bytes))
    }

    /// The key as 64 hexadecimal digits, for keeping it.
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(hex::encode(self.bytes.expose()))
    }

    /// Which key it is.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) const fn bytes(&self) -> &[u8; LEN] {
        self.bytes.expose()
    }

    fn new(bytes: [u8; LEN]) -> Self {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(ID_CONTEXT)
            .chain_update(bytes)
            .finalize()
            .into();
        let (id, _) = hash.split_first_chunk::<8>().expect("a hash has 32 bytes");
        Self {
            bytes: Secret::new(bytes),
            id: KeyId(*id),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "master key {}", self.id)
    }
}

impl KeyId {
    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_both_forms() {
        let key = MasterKey::generate();
        let text = key.to_text();
        assert_eq!(MasterKey::parse(text.expose()), Ok(key.clone()));
        let base64 = BASE64_STANDARD.encode(hex::decode(text.expose()).unwrap());
        assert_eq!(MasterKey::parse(&format!(" {base64}\n")), Ok(key));
    }

    #[test]
    fn nothing_else_is_a_key() {
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert_eq!(MasterKey::parse(bad), Err(MasterKeyError), "{bad}");
        }
        let short = BASE64_STANDARD.encode([1; 31]);
        assert_eq!(MasterKey::parse(&short), Err(MasterKeyError));
    }

    #[test]
    fn a_key_prints_only_its_id() {
        let key = MasterKey::parse(&"00".repeat(32)).unwrap();
        let printed = format!("{key:?}");
        assert_eq!(printed, format!("master key {}", key.id()));
        assert!(!printed.contains("0000000000000000"), "{printed}");
        assert_ne!(key.id(), MasterKey::parse(&"01".repeat(32)).unwrap().id());
    }
}
