//! The canonical request: one text for everything that is signed.
//!
//! S3 does not normalize paths: what was asked for is decoded once and encoded once, and `//` and `..` stay.

use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::code::Code;
use crate::error::S3Error;
use crate::query::Query;
use crate::route::host;
use crate::uri::{self, Plus, Slash};

/// The canonical request. `payload` is what stands for the body.
pub(super) fn request(
    parts: &Parts,
    query: &Query,
    signed_headers: &[String],
    payload: &str,
) -> Result<Vec<u8>, S3Error> {
    let path =
        uri::decode(parts.uri.path(), Plus::Literal).map_err(|_| S3Error::new(Code::InvalidURI))?;
    let mut text = Vec::with_capacity(1024);
    push_line(&mut text, parts.method.as_str().as_bytes());
    push_line(&mut text, uri::encode(&path, Slash::Keep).as_bytes());
    push_line(&mut text, canonical_query(query).as_bytes());
    for name in signed_headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        push_header_value(&mut text, parts, name);
        text.push(b'\n');
    }
    text.push(b'\n');
    push_line(&mut text, signed_headers.join(";").as_bytes());
    text.extend_from_slice(payload.as_bytes());
    Ok(text)
}

/// What is signed in place of the canonical request.
pub(super) fn string_to_sign(amz_date: &str, scope: &str, canonical: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(canonical));
    format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{hash}")
}

/// Everything but the signature itself, sorted by encoded name and then value.
fn canonical_query(query: &Query) -> String {
    let mut pairs: Vec<(String, String)> = query
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| {
            (
                uri::encode(name, Slash::Encode),
                uri::encode(value, Slash::Encode),
            )
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// All values of a header with commas between, each without blanks around it and with single blanks inside.
fn push_header_value(text: &mut Vec<u8>, parts: &Parts, name: &str) {
    let mut values = parts.headers.get_all(name).iter();
    match values.next() {
        Some(first) => push_squeezed(text, first.as_bytes()),
        None if name == "host" => {
            text.extend_from_slice(host(parts).unwrap_or_default().as_bytes());
        }
        // Signed but not sent: it counts as empty.
        None => {}
    }
    for value in values {
        text.push(b',');
        push_squeezed(text, value.as_bytes());
    }
}

fn push_squeezed(text: &mut Vec<u8>, value: &[u8]) {
    let words = value
        .split(|byte| *byte == b' ' || *byte == b'\t')
        .filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

fn push_line(text: &mut Vec<u8>, line: &[u8]) {
    text.extend_from_slice(line);
    text.push(b'\n');
}
