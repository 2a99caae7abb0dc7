//! Signing keys: derived from a secret for one day, region and service, and remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use cairn_iam::SecretKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::claim::Scope;

/// The most signing keys that are remembered; beyond, all are forgotten. A key is 32 bytes and costs four HMACs.
const REMEMBERED_LIMIT: usize = 4096;

/// A key that signs for one scope.
#[derive(Clone)]
pub(crate) struct SigningKey([u8; 32]);

impl SigningKey {
    pub(super) fn derive(secret: &SecretKey, scope: &Scope) -> Self {
        let start = format!("AWS4{}", secret.expose());
        let date = hmac(start.as_bytes(), scope.date.as_bytes());
        let region = hmac(&date, scope.region.as_bytes());
        let service = hmac(&region, scope.service.as_bytes());
        Self(hmac(&service, b"aws4_request"))
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        hmac(&self.0, text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The signing keys of proven requests.
#[derive(Debug, Default)]
pub(super) struct SigningKeys {
    known: Mutex<HashMap<(String, Scope), (SecretKey, SigningKey)>>,
}

impl SigningKeys {
    /// The signing key of a secret; a remembered one only if the secret is still the same.
    pub(super) fn get(&self, access_key: &str, secret: &SecretKey, scope: &Scope) -> SigningKey {
        let known = self.known.lock().expect("nothing panics under this lock");
        let found = known.get(&(access_key.to_owned(), scope.clone()));
        if let Some((known_secret, key)) = found {
            let known_secret = known_secret.expose().as_bytes();
            if bool::from(known_secret.ct_eq(secret.expose().as_bytes())) {
                return key.clone();
            }
        }
        drop(known);
        SigningKey::derive(secret, scope)
    }

    /// Remembers a key that verified a signature; others would let strangers fill the memory.
    pub(super) fn remember(
        &self,
        access_key: &str,
        secret: &SecretKey,
        scope: &Scope,
        key: &SigningKey,
    ) {
        let mut known = self.known.lock().expect("nothing panics under this lock");
        let name = (access_key.to_owned(), scope.clone());
        if known.len() >= REMEMBERED_LIMIT && !known.contains_key(&name) {
            known.clear();
        }
        known.insert(name, (secret.clone(), key.clone()));
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(region: &str) -> Scope {
        Scope {
            date: "20150830".to_owned(),
            region: region.to_owned(),
            service: "iam".to_owned(),
        }
    }

    #[test]
    fn a_signing_key_is_derived_as_aws_publishes_it() {
        let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let key = SigningKey::derive(&secret, &scope("us-east-1"));
        assert_eq!(
            hex::encode(key.0),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn a_changed_secret_gets_another_key() {
        let keys = SigningKeys::default();
        let (old, new) = (SecretKey::new("old"), SecretKey::new("new"));
        let scope = scope("r");
        let first = keys.get("k", &old, &scope);
        keys.remember("k", &old, &scope, &first);
        assert_eq!(keys.get("k", &old, &scope).0, first.0);
        let second = keys.get("k", &new, &scope);
        assert_eq!(second.0, SigningKey::derive(&new, &scope).0);
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let keys = SigningKeys::default();
        let secret = SecretKey::new("s");
        let key = keys.get("k", &secret, &scope("r"));
        for number in 0..=REMEMBERED_LIMIT {
            keys.remember("k", &secret, &scope(&number.to_string()), &key);
        }
        assert!(keys.known.lock().unwrap().len() <= REMEMBERED_LIMIT);
    }
}
