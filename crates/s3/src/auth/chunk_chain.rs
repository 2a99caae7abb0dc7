//! Signatures of chunks: each builds on the one before, the first on the request's.
//!
//! Source: AWS, "Signature calculations for the Authorization header: transferring payload in multiple chunks".

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::signing_key::SigningKey;

/// A chain of signatures and how far it was followed.
#[derive(Debug, Clone)]
pub(crate) struct ChunkChain {
    key: SigningKey,
    amz_date: String,
    scope: String,
    previous: [u8; 32],
}

impl ChunkChain {
    pub(super) const fn new(
        key: SigningKey,
        amz_date: String,
        scope: String,
        seed: [u8; 32],
    ) -> Self {
        Self {
            key,
            amz_date,
            scope,
            previous: seed,
        }
    }

    /// Follows the chain by a chunk whose bytes have this SHA-256; false if the signature is not the chunk's.
    pub(crate) fn accept_chunk(&mut self, sha256: &[u8], signature: [u8; 32]) -> bool {
        let empty = hex::encode(Sha256::digest(b""));
        let content = format!("{empty}\n{}", hex::encode(sha256));
        self.accept("AWS4-HMAC-SHA256-PAYLOAD", &content, signature)
    }

    /// Follows the chain by the trailers, given as `name:value` lines each ended by a line feed.
    pub(crate) fn accept_trailers(&mut self, lines: &str, signature: [u8; 32]) -> bool {
        let content = hex::encode(Sha256::digest(lines.as_bytes()));
        self.accept("AWS4-HMAC-SHA256-TRAILER", &content, signature)
    }

    fn accept(&mut self, algorithm: &str, content: &str, signature: [u8; 32]) -> bool {
        let expected = self.key.sign(self.text(algorithm, content).as_bytes());
        self.previous = expected;
        bool::from(expected.ct_eq(&signature))
    }

    fn text(&self, algorithm: &str, content: &str) -> String {
        let previous = hex::encode(self.previous);
        format!(
            "{algorithm}\n{}\n{}\n{previous}\n{content}",
            self.amz_date, self.scope
        )
    }

    /// The signature of the next chunk, for tests that play the client.
    #[cfg(test)]
    pub(crate) fn sign_chunk(&mut self, bytes: &[u8]) -> String {
        let empty = hex::encode(Sha256::digest(b""));
        let content = format!("{empty}\n{}", hex::encode(Sha256::digest(bytes)));
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &content)
    }

    /// The signature of the trailers, for tests that play the client.
    #[cfg(test)]
    pub(crate) fn sign_trailers(&mut self, lines: &str) -> String {
        let content = hex::encode(Sha256::digest(lines.as_bytes()));
        self.sign("AWS4-HMAC-SHA256-TRAILER", &content)
    }

    #[cfg(test)]
    fn sign(&mut self, algorithm: &str, content: &str) -> String {
        self.previous = self.key.sign(self.text(algorithm, content).as_bytes());
        hex::encode(self.previous)
    }
}
