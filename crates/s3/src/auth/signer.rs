//! Signing requests as clients do, for Cairn's own tools.

use cairn_iam::SecretKey;
use cairn_types::time::Timestamp;
use http::request::Parts;
use http::{HeaderName, HeaderValue, header};

use super::canonical;
use super::claim::Scope;
use super::signing_key::SigningKey;
use crate::date::format_amz_date;
use crate::query::Query;

/// The SHA-256 of no bytes: what a request without a body signs for it.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a signature is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose<'a> {
    /// The service: `s3`, or another one that an `Authenticator` was made for.
    pub service: &'a str,
    /// The region.
    pub region: &'a str,
}

/// Signs a request without a body, in its `Authorization` header, at the time `now`. It must have its `Host` header.
///
/// Panics: when the path or query is not percent-encoded UTF-8.
pub fn sign_request(
    parts: &mut Parts,
    access_key: &str,
    secret: &SecretKey,
    purpose: Purpose<'_>,
    now: Timestamp,
) {
    let amz_date = format_amz_date(now);
    let scope = Scope {
        date: amz_date.chars().take(8).collect(),
        region: purpose.region.to_owned(),
        service: purpose.service.to_owned(),
    };
    let ascii = |text: &str| {
        HeaderValue::from_str(text).expect("digits, letters and the caller's key are header text")
    };
    let date_name = HeaderName::from_static("x-amz-date");
    parts.headers.insert(date_name, ascii(&amz_date));
    let payload_name = HeaderName::from_static(super::claim::PAYLOAD_HEADER);
    parts.headers.insert(payload_name, ascii(EMPTY_SHA256));
    let signed = ["host", super::claim::PAYLOAD_HEADER, "x-amz-date"].map(str::to_owned);
    let query = Query::parse(parts.uri.query()).expect("the caller's query is well-formed");
    let canonical = canonical::request(parts, &query, &signed, EMPTY_SHA256)
        .expect("the caller's path is well-formed");
    let text = canonical::string_to_sign(&amz_date, &scope.text(), &canonical);
    let signature = SigningKey::derive(secret, &scope).sign(text.as_bytes());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{}, SignedHeaders={}, Signature={}",
        scope.text(),
        signed.join(";"),
        hex::encode(signature)
    );
    parts
        .headers
        .insert(header::AUTHORIZATION, ascii(&authorization));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cairn_iam::{CanonicalId, Credential, Identity};

    use super::*;
    use crate::auth::Authenticator;

    #[test]
    fn what_is_signed_here_is_accepted_here() {
        let request = http::Request::get("/admin/v1/status?verbose=1").header("host", "h:9001");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let secret = SecretKey::new("swordfish");
        let purpose = Purpose {
            service: "another",
            region: "eu-1",
        };
        sign_request(&mut parts, "somebody", &secret, purpose, now);
        let query = Query::parse(parts.uri.query()).unwrap();
        let look_up = |secret: &str| {
            Some(Credential {
                secret: SecretKey::new(secret),
                identity: Arc::new(Identity {
                    id: CanonicalId::parse(&"1".repeat(64)).unwrap(),
                    display_name: "somebody".to_owned(),
                    is_root: true,
                }),
            })
        };
        let authenticator = Authenticator::new("eu-1", false).of_service("another");
        let verify = |secret: &str| {
            authenticator
                .verify(&parts, &query, now, |_| look_up(secret))
                .is_ok()
        };
        assert!(verify("swordfish"));
        assert!(!verify("sailfish"));
        let of_s3 = Authenticator::new("eu-1", false);
        let verified = of_s3.verify(&parts, &query, now, |_| look_up("swordfish"));
        assert!(verified.is_err(), "a signature for another service");
    }
}
