//! Sealed bytes, as they are kept.
//!
//! A package is:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of the form: 1 |
//! | 8 | which master key it is sealed under |
//! | 12 | nonce, random |
//! | n | the bytes, under AES-256-GCM |
//! | 16 | its tag |
//!
//! What is authenticated besides: version, key id, and what the bytes are for (`Purpose`), so that a package put in the place of
//! another does not open. Nonces are random: under one key no two of 2³² packages have the same one with a probability of more
//! than 2⁻³² (NIST SP 800-38D, 8.3), and a cluster has 80,000 access keys at the most.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use cairn_runtime::{Secret, random};
use cairn_types::account::{AccessKeyId, CanonicalId};

use crate::{KeyId, MasterKey};

/// The form that packages have.
const VERSION: u8 = 1;

/// Bytes of a nonce.
const NONCE_LEN: usize = 12;

/// Bytes of a package before the sealed ones.
const HEAD_LEN: usize = 1 + 8 + NONCE_LEN;

/// Bytes that a package has more than what is sealed in it.
pub const OVERHEAD: usize = HEAD_LEN + 16;

/// What sealed bytes are for: a package opens for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The secret of an access key.
    AccessKeySecret {
        /// Whose it is.
        account: &'a CanonicalId,
        /// The key.
        key: &'a AccessKeyId,
    },
}

/// Why a package does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is shorter than any package.
    #[error("{len} bytes are no sealed package")]
    Short {
        /// Its length.
        len: usize,
    },
    /// A form that this release does not know.
    #[error("the package has form {version}, this release knows up to {VERSION}")]
    UnknownVersion {
        /// Its form.
        version: u8,
    },
    /// It is sealed under another key.
    #[error("the package is sealed under master key {sealed_under}, and this process has {own}")]
    OtherKey {
        /// The key that opens it.
        sealed_under: KeyId,
        /// The key that was tried.
        own: KeyId,
    },
    /// It was changed, or is for something else.
    #[error("the package is damaged, or was sealed for something else")]
    Damaged,
}

impl MasterKey {
    /// Seals bytes for a purpose: a package, `OVERHEAD` longer than they are. Cost: a microsecond for a secret.
    ///
    /// # Panics
    /// When the system has no randomness to give, or for 64 GiB and more.
    pub fn seal(&self, purpose: Purpose<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let payload = Payload {
            msg: plain,
            aad: &self.associated(purpose),
        };
        let sealed = self.cipher().encrypt(&nonce.into(), payload);
        let sealed = sealed.expect("AES-GCM seals anything below 64 GiB");
        let mut package = Vec::with_capacity(HEAD_LEN + sealed.len());
        package.push(VERSION);
        package.extend(self.id().as_bytes());
        package.extend(nonce);
        package.extend(sealed);
        package
    }

    /// Opens a package for the purpose that it was sealed for.
    ///
    /// # Errors
    /// See `OpenError`: what comes back was sealed by somebody who had the key, for this very purpose.
    pub fn open(&self, purpose: Purpose<'_>, package: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        let short = OpenError::Short { len: package.len() };
        let (version, rest) = package.split_first().ok_or(short)?;
        if *version != VERSION {
            return Err(OpenError::UnknownVersion { version: *version });
        }
        let (id, rest) = rest.split_first_chunk::<8>().ok_or(short)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(short)?;
        let sealed_under = KeyId::from_bytes(*id);
        if sealed_under != self.id() {
            return Err(OpenError::OtherKey {
                sealed_under,
                own: self.id(),
            });
        }
        let payload = Payload {
            msg: sealed,
            aad: &self.associated(purpose),
        };
        let plain = self.cipher().decrypt(&(*nonce).into(), payload);
        plain.map(Secret::new).map_err(|_| OpenError::Damaged)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.bytes().into())
    }

    fn associated(&self, purpose: Purpose<'_>) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.id().as_bytes());
        match purpose {
            Purpose::AccessKeySecret { account, key } => {
                // Neither can have a byte 0 in it, so that no two pairs are written the same.
                for text in ["access key secret", account.as_str(), key.as_str()] {
                    bytes.extend(text.as_bytes());
                    bytes.push(0);
                }
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn ids(account: &str, key: &str) -> (CanonicalId, AccessKeyId) {
        let account = CanonicalId::parse(account).unwrap();
        (account, AccessKeyId::parse(key).unwrap())
    }

    fn of((account, key): &(CanonicalId, AccessKeyId)) -> Purpose<'_> {
        Purpose::AccessKeySecret { account, key }
    }

    #[test]
    fn what_is_sealed_is_not_seen_and_no_two_packages_are_the_same() {
        let (master, ids) = (MasterKey::generate(), ids("testid", "AKIAEXAMPLE"));
        let plain = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let package = master.seal(of(&ids), plain);
        assert_eq!(package.len(), plain.len() + OVERHEAD);
        assert!(!package.windows(4).any(|window| window == &plain[..4]));
        assert_ne!(package, master.seal(of(&ids), plain));
        assert_eq!(*master.open(of(&ids), &package).unwrap().expose(), plain);
    }

    #[test]
    fn another_key_is_named_and_opens_nothing() {
        let (master, other) = (MasterKey::generate(), MasterKey::generate());
        let ids = ids("testid", "AKIAEXAMPLE");
        let package = master.seal(of(&ids), b"secret");
        let refused = OpenError::OtherKey {
            sealed_under: master.id(),
            own: other.id(),
        };
        assert_eq!(other.open(of(&ids), &package), Err(refused));
        let text = refused.to_string();
        assert!(text.contains(&master.id().to_string()), "{text}");
    }

    #[test]
    fn a_package_opens_only_for_what_it_was_sealed_for() {
        let master = MasterKey::generate();
        let package = master.seal(of(&ids("testid", "AKIAEXAMPLE")), b"secret");
        for other in [
            ids("testid", "AKIAEXAMPLE2"),
            ids("testid2", "AKIAEXAMPLE"),
            ids("testidA", "KIAEXAMPLE"),
        ] {
            assert_eq!(master.open(of(&other), &package), Err(OpenError::Damaged));
        }
    }

    #[test]
    fn every_byte_counts() {
        let (master, ids) = (MasterKey::generate(), ids("testid", "AKIAEXAMPLE"));
        let package = master.seal(of(&ids), b"secret");
        for at in 0..package.len() {
            let mut damaged = package.clone();
            damaged[at] ^= 1;
            let error = master.open(of(&ids), &damaged).unwrap_err();
            let expected = match at {
                0 => matches!(error, OpenError::UnknownVersion { version: 0 }),
                1..9 => matches!(error, OpenError::OtherKey { .. }),
                _ => error == OpenError::Damaged,
            };
            assert!(expected, "byte {at}: {error:?}");
            assert!(master.open(of(&ids), &package[..at]).is_err(), "{at} bytes");
        }
        let longer = [&*package, &[0]].concat();
        assert_eq!(master.open(of(&ids), &longer), Err(OpenError::Damaged));
    }

    proptest! {
        #[test]
        fn no_bytes_make_opening_panic(bytes in any::<Vec<u8>>()) {
            let master = MasterKey::parse(&"07".repeat(32)).unwrap();
            assert!(master.open(of(&ids("testid", "AKIAEXAMPLE")), &bytes).is_err());
        }
    }
}
