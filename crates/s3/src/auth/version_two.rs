//! Signature Version 2: the older way to sign, by HMAC-SHA1 over a few headers and the names of sub-resources.
//!
//! It covers neither the body nor most parameters. Parameters that stand for headers are signed here as headers are, since
//! they are read as such.
//! Source: AWS, "Signing and authenticating REST requests" (Signature Version 2) of the S3 developer guide.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_iam::SecretKey;
use cairn_types::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use http::header;
use http::request::Parts;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::SKEW_LIMIT_MS;
use super::claim::{skewed, spaced_hex, time_of_header};
use crate::code::Code;
use crate::date;
use crate::error::S3Error;
use crate::operations::Operation;
use crate::query::Query;
use crate::uri::{self, Plus};

/// Parameters that are signed and tell no operation from another.
const SIGNED_PARAMETERS: [&str; 8] = [
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];

/// Parameters that tell operations from each other, or refine one, and are not signed.
const UNSIGNED_MARKS: [&str; 4] = ["annotationName", "id", "list-type", "x-id"];

/// A signature of version 2 and what it says it is of.
#[derive(Debug)]
pub(super) struct OldClaim {
    pub(super) access_key: String,
    signature: Signature,
    place: OldPlace,
}

/// An HMAC-SHA1 as it was sent: one of another length matches nothing.
#[derive(Debug)]
struct Signature {
    text: String,
    bytes: [u8; 20],
}

#[derive(Debug)]
enum OldPlace {
    Header { time: Timestamp },
    Query { expires: Timestamp, text: String },
}

impl OldClaim {
    /// What follows `AWS ` in an `Authorization` header: `<access key>:<signature in base64>`.
    pub(super) fn from_header(fields: &str, parts: &Parts) -> Result<Self, S3Error> {
        let (access_key, signature) = fields.trim().split_once(':').ok_or_else(|| {
            S3Error::invalid_argument(
                "Authorization",
                fields,
                "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            )
        })?;
        let time = time_of_header(parts)?;
        // Dates before 1970 become 1970; no clock is there.
        if time.as_millis() == 0 {
            return Err(S3Error::with_message(
                Code::AccessDenied,
                "AWS authentication requires a valid Date or x-amz-date header",
            ));
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            signature: Signature::parse(signature),
            place: OldPlace::Header { time },
        })
    }

    /// `AWSAccessKeyId`, `Expires` and `Signature`.
    pub(super) fn from_query(query: &Query) -> Result<Self, S3Error> {
        let names = ["AWSAccessKeyId", "Expires", "Signature"];
        if names.iter().any(|name| query.count(name) != 1) {
            return Err(S3Error::with_message(
                Code::AccessDenied,
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
            ));
        }
        let value = |name| query.get(name).unwrap_or_default();
        let text = value("Expires");
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = is_number.then(|| text.parse::<u64>().ok()).flatten();
        let expires = seconds
            .and_then(|seconds| seconds.checked_mul(1000))
            .ok_or_else(|| {
                S3Error::with_message(
                    Code::AccessDenied,
                    "Invalid date (should be seconds since epoch)",
                )
            })?;
        Ok(Self {
            access_key: value("AWSAccessKeyId").to_owned(),
            // A plus that was not encoded has become a blank.
            signature: Signature::parse(&value("Signature").replace(' ', "+")),
            place: OldPlace::Query {
                expires: Timestamp::from_millis(expires),
                text: text.to_owned(),
            },
        })
    }

    /// Whether it stands in the query: whoever has the link has what it gives.
    pub(super) const fn is_presigned(&self) -> bool {
        matches!(self.place, OldPlace::Query { .. })
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), S3Error> {
        match self.place {
            OldPlace::Header { time } => {
                let apart = time.millis_since(now).max(now.millis_since(time));
                if apart > SKEW_LIMIT_MS {
                    return Err(skewed(&date::format_http_date(time), now));
                }
                Ok(())
            }
            OldPlace::Query { expires, .. } if now > expires => Err(S3Error::with_message(
                Code::AccessDenied,
                "Request has expired",
            )
            .detail("Expires", date::format_iso8601(expires))
            .detail("ServerTime", date::format_iso8601(now))),
            OldPlace::Query { .. } => Ok(()),
        }
    }

    /// Compares the signature with the one that `secret` makes. `bucket`: the bucket that the host names.
    pub(super) fn check_signature(
        &self,
        secret: &SecretKey,
        parts: &Parts,
        query: &Query,
        bucket: Option<&str>,
    ) -> Result<(), S3Error> {
        let path = parts.uri.path();
        let text = self.string_to_sign(parts, query, bucket, path)?;
        if self.is_of(secret, &text) {
            return Ok(());
        }
        // SDKs sign a bucket with a slash behind it, also where they send none.
        let is_bucket = bucket.is_none() && path.rfind('/') == Some(0) && path.len() > 1;
        if is_bucket {
            let text = self.string_to_sign(parts, query, bucket, &format!("{path}/"))?;
            if self.is_of(secret, &text) {
                return Ok(());
            }
        }
        // Nothing in it is secret: the client sent it all.
        Err(S3Error::new(Code::SignatureDoesNotMatch)
            .detail("AWSAccessKeyId", self.access_key.clone())
            .detail("StringToSign", String::from_utf8_lossy(&text))
            .detail("SignatureProvided", self.signature.text.clone())
            .detail("StringToSignBytes", spaced_hex(&text)))
    }

    fn is_of(&self, secret: &SecretKey, text: &[u8]) -> bool {
        hmac_sha1(secret, text).ct_eq(&self.signature.bytes).into()
    }

    fn string_to_sign(
        &self,
        parts: &Parts,
        query: &Query,
        bucket: Option<&str>,
        path: &str,
    ) -> Result<Vec<u8>, S3Error> {
        let mut text = Vec::with_capacity(512);
        let mut push_line = |line: &[u8]| {
            text.extend_from_slice(line);
            text.push(b'\n');
        };
        push_line(parts.method.as_str().as_bytes());
        for name in ["content-md5", "content-type"] {
            push_line(self.standard_header(parts, query, name));
        }
        match &self.place {
            OldPlace::Query { text, .. } => push_line(text.as_bytes()),
            OldPlace::Header { .. } if parts.headers.contains_key("x-amz-date") => push_line(b""),
            OldPlace::Header { .. } => push_line(header_value(parts, header::DATE.as_str())),
        }
        push_amazon_headers(&mut text, parts, query);
        push_resource(&mut text, parts, bucket, path)?;
        Ok(text)
    }

    /// A header's value. SDKs move these headers into the query of a presigned request.
    fn standard_header<'a>(&self, parts: &'a Parts, query: &'a Query, name: &str) -> &'a [u8] {
        match header_value(parts, name) {
            b"" if self.is_presigned() => query.get(name).unwrap_or_default().as_bytes(),
            value => value,
        }
    }
}

impl Signature {
    fn parse(text: &str) -> Self {
        let decoded = STANDARD.decode(text.trim()).unwrap_or_default();
        Self {
            // Repeated to the client if it does not match.
            text: text.chars().take(256).collect(),
            bytes: decoded.try_into().unwrap_or_default(),
        }
    }
}

/// What a secret makes of a text.
pub(super) fn hmac_sha1(secret: &SecretKey, text: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn header_value<'a>(parts: &'a Parts, name: &str) -> &'a [u8] {
    let value = parts.headers.get(name);
    value.map_or(b"", |value| value.as_bytes().trim_ascii())
}

/// All headers of Amazon, sorted, a line each; and parameters that stand for headers.
fn push_amazon_headers(text: &mut Vec<u8>, parts: &Parts, query: &Query) {
    let mut amazon: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in &parts.headers {
        if name.as_str().starts_with("x-amz-") {
            let values = amazon.entry(name.as_str().to_owned()).or_default();
            values.push(value.as_bytes().trim_ascii());
        }
    }
    for (name, value) in query.iter() {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !parts.headers.contains_key(&name) {
            let values = amazon.entry(name).or_default();
            values.push(value.as_bytes().trim_ascii());
        }
    }
    for (name, values) in amazon {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&values.join(&b','));
        text.push(b'\n');
    }
}

/// The bucket of the host, the path, encoded as it was sent, and the sub-resources, sorted, with their decoded values.
fn push_resource(
    text: &mut Vec<u8>,
    parts: &Parts,
    bucket: Option<&str>,
    path: &str,
) -> Result<(), S3Error> {
    if let Some(bucket) = bucket {
        text.push(b'/');
        text.extend_from_slice(bucket.as_bytes());
    }
    text.extend_from_slice(if path.is_empty() { "/" } else { path }.as_bytes());
    let mut signed = Vec::new();
    for pair in parts.uri.query().unwrap_or_default().split('&') {
        // `acl` and `acl=` are signed as they were written, so the decoded query will not do.
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        let decode =
            |text| uri::decode(text, Plus::Blank).map_err(|_| S3Error::new(Code::InvalidURI));
        let name = decode(name)?;
        if is_signed(&name) {
            signed.push(match value {
                Some(value) => format!("{name}={}", decode(value)?),
                None => name,
            });
        }
    }
    signed.sort_by(|one, other| name_of(one).cmp(name_of(other)));
    for (index, pair) in signed.iter().enumerate() {
        text.push(if index == 0 { b'?' } else { b'&' });
        text.extend_from_slice(pair.as_bytes());
    }
    Ok(())
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// Whether a parameter belongs to the resource: whatever makes another operation of a request does, so that nobody can make
/// a request for something else of a signed one.
fn is_signed(name: &str) -> bool {
    let mut marks = Operation::rows().iter().flat_map(|row| row.marks);
    SIGNED_PARAMETERS.contains(&name)
        || (!UNSIGNED_MARKS.contains(&name) && marks.any(|mark| mark.parameter() == Some(name)))
}

#[cfg(test)]
mod tests;
