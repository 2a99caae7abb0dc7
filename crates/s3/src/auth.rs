//! Who sent a request: AWS Signature Version 4, in the `Authorization` header or in the query.
//!
//! Source: AWS, "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference.

mod canonical;
mod chunk_chain;
mod claim;
mod signer;
mod signing_key;

use std::sync::Arc;

use cairn_iam::{AccessKey, Credential, Identity};
use cairn_types::time::Timestamp;
use http::request::Parts;
use subtle::ConstantTimeEq;

use crate::body::PayloadForm;
use crate::code::Code;
use crate::error::S3Error;
use crate::query::Query;

pub(crate) use chunk_chain::ChunkChain;
use claim::{Claim, Place};
pub use signer::{Purpose, sign_request};
use signing_key::{SigningKey, SigningKeys};

/// How far a request's clock may be off.
const SKEW_LIMIT_MS: u64 = 15 * 60 * 1000;

/// Checks signatures for one service in one region. One per process and service: it remembers the signing keys of the day.
#[derive(Debug)]
pub struct Authenticator {
    service: &'static str,
    region: String,
    any_region: bool,
    keys: SigningKeys,
}

/// A request whose sender is proven, or that has none. Only `Authenticator::verify` makes one.
#[derive(Debug)]
pub struct Verified {
    caller: Caller,
    payload: PayloadForm,
    chunks: Option<ChunkChain>,
}

/// Who sent a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody who did not say.
    Anonymous,
    /// The holder of an access key, in an `Authorization` header.
    Signed(AccessKey, Arc<Identity>),
    /// Whoever has a link that the holder of an access key made.
    Presigned(AccessKey, Arc<Identity>),
}

impl Authenticator {
    /// An authenticator of S3 in a region. With `any_region` it takes requests that were signed for any other one too.
    pub fn new(region: impl Into<String>, any_region: bool) -> Self {
        Self {
            service: "s3",
            region: region.into(),
            any_region,
            keys: SigningKeys::default(),
        }
    }

    /// The same for another service: what was signed for one is of no use at the other.
    #[must_use]
    pub fn of_service(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }

    /// Proves who sent a request, at the time `now`. `look_up` gives what an access key stands for.
    ///
    /// A request without any signature is anonymous; one with a signature that is wrong in any way is an error, never
    /// anonymous. The body is not looked at: `VerifiedBody` checks it against what was signed.
    /// Cost: about ten SHA-256 blocks and one for each 64 bytes of the head; not blocking but for a short lock.
    ///
    /// # Errors
    /// The codes of S3: `InvalidAccessKeyId`, `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `AccessDenied` for an
    /// expired link or an unsigned header, `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError` and the
    /// like.
    pub fn verify(
        &self,
        parts: &Parts,
        query: &Query,
        now: Timestamp,
        look_up: impl Fn(&str) -> Option<Credential>,
    ) -> Result<Verified, S3Error> {
        let Some(claim) = Claim::find(parts, query)? else {
            return anonymous(parts);
        };
        self.check_scope(&claim)?;
        let credential = look_up(&claim.access_key).ok_or_else(|| {
            S3Error::new(Code::InvalidAccessKeyId)
                .detail("AWSAccessKeyId", claim.access_key.clone())
        })?;
        let access_key = AccessKey::parse(&claim.access_key)
            .map_err(|_| S3Error::new(Code::InvalidAccessKeyId))?;
        claim.check_time(now)?;
        let key = self.check_signature(&claim, &credential, parts, query)?;
        let payload = PayloadForm::parse(&claim.payload)?;
        let chunks = ChunkChain::new(key, claim.amz_date(), claim.scope.text(), claim.signature);
        let caller = match claim.place {
            Place::Header => Caller::Signed(access_key, credential.identity),
            Place::Query { .. } if payload.has_signed_chunks() => {
                return Err(S3Error::with_message(
                    Code::InvalidRequest,
                    "A presigned request cannot sign the chunks of its body",
                ));
            }
            Place::Query { .. } => Caller::Presigned(access_key, credential.identity),
        };
        Ok(Verified {
            caller,
            payload,
            chunks: payload.has_signed_chunks().then_some(chunks),
        })
    }

    fn check_scope(&self, claim: &Claim) -> Result<(), S3Error> {
        let scope = &claim.scope;
        if scope.service != self.service {
            return Err(claim.malformed(&format!(
                "incorrect service \"{}\". This endpoint belongs to \"{}\".",
                scope.service, self.service
            )));
        }
        if scope.region != self.region && !self.any_region {
            let message = format!(
                "the region '{}' is wrong; expecting '{}'",
                scope.region, self.region
            );
            return Err(claim.malformed(&message).detail("Region", &self.region));
        }
        let date = claim.amz_date();
        if !date.starts_with(&scope.date) {
            return Err(claim.malformed(&format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
                scope.date,
                date.get(..8).unwrap_or_default()
            )));
        }
        Ok(())
    }

    fn check_signature(
        &self,
        claim: &Claim,
        credential: &Credential,
        parts: &Parts,
        query: &Query,
    ) -> Result<SigningKey, S3Error> {
        let canonical = canonical::request(parts, query, &claim.signed_headers, &claim.payload)?;
        let text = canonical::string_to_sign(&claim.amz_date(), &claim.scope.text(), &canonical);
        let key = self
            .keys
            .get(&claim.access_key, &credential.secret, &claim.scope);
        let expected = key.sign(text.as_bytes());
        if !bool::from(expected.ct_eq(&claim.signature)) {
            return Err(mismatch(claim, &canonical, &text));
        }
        self.keys
            .remember(&claim.access_key, &credential.secret, &claim.scope, &key);
        Ok(key)
    }
}

impl Verified {
    /// Who sent the request.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The identity behind the request; `None` for an anonymous one.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.caller {
            Caller::Anonymous => None,
            Caller::Signed(_, identity) | Caller::Presigned(_, identity) => Some(identity),
        }
    }

    /// How its body is protected.
    pub const fn payload(&self) -> PayloadForm {
        self.payload
    }

    /// A proven request with a body of this form, signed with a key of its own.
    #[cfg(test)]
    pub(crate) fn for_tests(payload: PayloadForm, caller: Caller) -> Self {
        let scope = claim::Scope {
            date: "20261122".to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        let key = SigningKey::derive(&cairn_iam::SecretKey::new("secret"), &scope);
        let date = "20261122T063800Z".to_owned();
        let chunks = ChunkChain::new(key, date, scope.text(), [7; 32]);
        Self {
            caller,
            payload,
            chunks: payload.has_signed_chunks().then_some(chunks),
        }
    }

    /// What the first chunk's signature builds on, when chunks are signed.
    pub(crate) fn chunks(&self) -> Option<ChunkChain> {
        self.chunks.clone()
    }
}

/// Nobody signed, so nobody can have signed chunks either.
fn anonymous(parts: &Parts) -> Result<Verified, S3Error> {
    let payload = match parts.headers.get(claim::PAYLOAD_HEADER) {
        Some(value) => PayloadForm::parse(value.to_str().unwrap_or_default())?,
        None => PayloadForm::Unsigned,
    };
    if payload.has_signed_chunks() {
        return Err(S3Error::new(Code::AccessDenied));
    }
    Ok(Verified {
        caller: Caller::Anonymous,
        payload,
        chunks: None,
    })
}

/// All that a client's author needs to find the difference. Nothing in it is secret: the client sent it all.
fn mismatch(claim: &Claim, canonical: &[u8], string_to_sign: &str) -> S3Error {
    S3Error::new(Code::SignatureDoesNotMatch)
        .detail("AWSAccessKeyId", claim.access_key.clone())
        .detail("StringToSign", string_to_sign)
        .detail("SignatureProvided", hex::encode(claim.signature))
        .detail("StringToSignBytes", spaced_hex(string_to_sign.as_bytes()))
        .detail("CanonicalRequest", String::from_utf8_lossy(canonical))
        .detail("CanonicalRequestBytes", spaced_hex(canonical))
}

fn spaced_hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests;
