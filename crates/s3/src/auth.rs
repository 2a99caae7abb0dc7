//! Who sent a request: AWS Signature Version 4, or Version 2 where it is taken, in the `Authorization` header, in the query
//! or in the fields of a form.
//!
//! Source: AWS, "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference.

mod canonical;
mod chunk_chain;
mod claim;
mod form;
mod signer;
mod signing_key;
mod version_two;

use std::sync::Arc;

use cairn_iam::{AccessKey, Credential, Identity};
use cairn_types::time::Timestamp;
use http::request::Parts;
use subtle::ConstantTimeEq;

use crate::body::PayloadForm;
use crate::code::Code;
use crate::error::S3Error;
use crate::query::Query;
use crate::route::Addressing;

pub(crate) use chunk_chain::ChunkChain;
use claim::{Claim, Found, Place, spaced_hex};
pub use signer::{Purpose, sign_request};
use signing_key::{SigningKey, SigningKeys};
use version_two::OldClaim;

/// How far a request's clock may be off.
const SKEW_LIMIT_MS: u64 = 15 * 60 * 1000;

/// Checks signatures for one service in one region. One per process and service: it remembers the signing keys of the day.
#[derive(Debug)]
pub struct Authenticator {
    service: &'static str,
    region: String,
    any_region: bool,
    terms: Terms,
    keys: SigningKeys,
}

/// What is taken beyond what AWS takes of a new account.
#[derive(Debug)]
struct Terms {
    /// Where buckets stand in requests signed by version 2; `None`: it is not taken.
    version_two: Option<Addressing>,
    /// The code for links that are valid for less or longer than S3 allows.
    expires_code: Code,
}

/// A request whose sender is proven, or that has none. Only `Authenticator::verify` makes one.
#[derive(Debug)]
pub struct Verified {
    caller: Caller,
    proof: Option<Proof>,
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

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The version of the signature.
    pub version: SignatureVersion,
    /// Where it stood.
    pub place: ProofPlace,
}

/// The version of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureVersion {
    /// HMAC-SHA1 over some of a request.
    Two,
    /// HMAC-SHA256 over a canonical request.
    Four,
}

/// Where a signature stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofPlace {
    /// In the `Authorization` header.
    Header,
    /// In the query.
    Query,
    /// In the fields of a form.
    Form,
}

impl SignatureVersion {
    /// As the condition key `s3:signatureversion` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Two => "AWS",
            Self::Four => "AWS4-HMAC-SHA256",
        }
    }
}

impl ProofPlace {
    /// As the condition key `s3:authType` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "REST-HEADER",
            Self::Query => "REST-QUERY-STRING",
            Self::Form => "POST",
        }
    }
}

impl Authenticator {
    /// An authenticator of S3 in a region. With `any_region` it takes requests that were signed for any other one too.
    pub fn new(region: impl Into<String>, any_region: bool) -> Self {
        Self {
            service: "s3",
            region: region.into(),
            any_region,
            terms: Terms {
                version_two: None,
                expires_code: Code::AuthorizationQueryParametersError,
            },
            keys: SigningKeys::default(),
        }
    }

    /// Takes Signature Version 2 too, which signs the bucket that a host names as part of the path.
    #[must_use]
    pub fn taking_version_two(mut self, addressing: Addressing) -> Self {
        self.terms.version_two = Some(addressing);
        self
    }

    /// Refuses links that are valid for less or longer than S3 allows with this code.
    #[must_use]
    pub const fn refusing_expires_by(mut self, code: Code) -> Self {
        self.terms.expires_code = code;
        self
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
        match Found::in_request(parts, query, &self.terms)? {
            None => anonymous(parts),
            Some(Found::Two(claim)) => self.verify_version_two(&claim, parts, query, now, look_up),
            Some(Found::Four(claim)) => {
                self.check_scope(&claim)?;
                let (access_key, credential) = holder(&claim.access_key, look_up)?;
                claim.check_time(now)?;
                let key = self.check_signature(&claim, &credential, parts, query)?;
                let caller = claim.place.caller(access_key, credential.identity);
                Verified::by_version_four(&claim, caller, key)
            }
        }
    }

    fn verify_version_two(
        &self,
        claim: &OldClaim,
        parts: &Parts,
        query: &Query,
        now: Timestamp,
        look_up: impl Fn(&str) -> Option<Credential>,
    ) -> Result<Verified, S3Error> {
        let (access_key, credential) = holder(&claim.access_key, look_up)?;
        claim.check_time(now)?;
        let addressing = self.terms.version_two.as_ref();
        let bucket = addressing.and_then(|addressing| addressing.bucket_in_host(parts));
        claim.check_signature(&credential.secret, parts, query, bucket.as_deref())?;
        let (caller, place) = if claim.is_presigned() {
            let caller = Caller::Presigned(access_key, credential.identity);
            (caller, ProofPlace::Query)
        } else {
            let caller = Caller::Signed(access_key, credential.identity);
            (caller, ProofPlace::Header)
        };
        Ok(Verified {
            caller,
            proof: Some(Proof {
                version: SignatureVersion::Two,
                place,
            }),
            payload: unsigned_payload(parts)?,
            chunks: None,
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
    fn by_version_four(claim: &Claim, caller: Caller, key: SigningKey) -> Result<Self, S3Error> {
        let payload = PayloadForm::parse(&claim.payload)?;
        let place = match claim.place {
            Place::Header => ProofPlace::Header,
            Place::Query { .. } if payload.has_signed_chunks() => {
                return Err(S3Error::with_message(
                    Code::InvalidRequest,
                    "A presigned request cannot sign the chunks of its body",
                ));
            }
            Place::Query { .. } => ProofPlace::Query,
        };
        let chunks = ChunkChain::new(key, claim.amz_date(), claim.scope.text(), claim.signature);
        Ok(Self {
            caller,
            proof: Some(Proof {
                version: SignatureVersion::Four,
                place,
            }),
            payload,
            chunks: payload.has_signed_chunks().then_some(chunks),
        })
    }

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

    /// How the sender proved who they are; `None` for an anonymous request.
    pub const fn proof(&self) -> Option<Proof> {
        self.proof
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
            proof: None,
            payload,
            chunks: payload.has_signed_chunks().then_some(chunks),
        }
    }

    /// What the first chunk's signature builds on, when chunks are signed.
    pub(crate) fn chunks(&self) -> Option<ChunkChain> {
        self.chunks.clone()
    }
}

impl Terms {
    const fn takes_version_two(&self) -> bool {
        self.version_two.is_some()
    }
}

impl Place {
    fn caller(self, access_key: AccessKey, identity: Arc<Identity>) -> Caller {
        match self {
            Self::Header => Caller::Signed(access_key, identity),
            Self::Query { .. } => Caller::Presigned(access_key, identity),
        }
    }
}

/// The holder of an access key.
fn holder(
    access_key: &str,
    look_up: impl Fn(&str) -> Option<Credential>,
) -> Result<(AccessKey, Credential), S3Error> {
    let unknown = || {
        let named: String = access_key.chars().take(256).collect();
        S3Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", named)
    };
    let credential = look_up(access_key).ok_or_else(unknown)?;
    let access_key = AccessKey::parse(access_key).map_err(|_| unknown())?;
    Ok((access_key, credential))
}

fn anonymous(parts: &Parts) -> Result<Verified, S3Error> {
    Ok(Verified {
        caller: Caller::Anonymous,
        proof: None,
        payload: unsigned_payload(parts)?,
        chunks: None,
    })
}

/// How a body is protected that no signature covers: nobody can have signed its chunks.
fn unsigned_payload(parts: &Parts) -> Result<PayloadForm, S3Error> {
    let payload = match parts.headers.get(claim::PAYLOAD_HEADER) {
        Some(value) => PayloadForm::parse(value.to_str().unwrap_or_default())?,
        None if has_unannounced_chunks(parts) => PayloadForm::UnsignedChunksWithTrailer,
        None => PayloadForm::Unsigned,
    };
    if payload.has_signed_chunks() {
        return Err(S3Error::new(Code::AccessDenied));
    }
    Ok(payload)
}

/// Whether a body is aws-chunked although no header of a signature says so: SDKs that sign nothing, or by version 2, send
/// checksums behind it all the same.
fn has_unannounced_chunks(parts: &Parts) -> bool {
    let encodings = parts.headers.get_all(http::header::CONTENT_ENCODING);
    parts.headers.contains_key("x-amz-trailer")
        && encodings.iter().any(|value| {
            let value = value.to_str().unwrap_or_default();
            value
                .split(',')
                .any(|coding| coding.trim().eq_ignore_ascii_case("aws-chunked"))
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

#[cfg(test)]
mod tests;
