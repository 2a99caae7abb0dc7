//! AWS Signature Version 4, written from its specification and not from the product, so that the two check each other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha1::Sha1;
use sha2::Sha256;

use crate::checksum::sha256_hex;

/// `x-amz-content-sha256` of a body whose bytes are not signed.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// `x-amz-content-sha256` of an aws-chunked body, each chunk signed.
pub const STREAMING: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// As [`STREAMING`], with signed trailing headers.
pub const STREAMING_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
/// `x-amz-content-sha256` of an aws-chunked body without chunk signatures, with trailing headers.
pub const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Who signs, and for which region.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
    /// Region of the credential scope.
    pub region: String,
}

/// A moment as signatures write it.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Timestamp);

/// What a signature covers, beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Canonical<'a> {
    /// Method, in capitals.
    pub method: &'a str,
    /// Path as sent, encoded once.
    pub path: &'a str,
    /// Query names and values, decoded, in any order.
    pub query: &'a [(String, String)],
    /// Headers to sign, in any order and any case.
    pub headers: &'a [(String, String)],
    /// Value of `x-amz-content-sha256`.
    pub payload: &'a str,
}

impl Moment {
    /// Now, by the clock of this machine.
    pub fn now() -> Self {
        Self(Timestamp::now())
    }

    /// Parses `2013-05-24T00:00:00Z`.
    ///
    /// # Panics
    /// When it is no RFC 3339 timestamp.
    pub fn parse(text: &str) -> Self {
        Self(text.parse().expect("a timestamp of RFC 3339"))
    }

    /// This moment moved by some seconds, to the past when negative.
    ///
    /// # Panics
    /// When it leaves the years 1 to 9999.
    #[must_use]
    pub fn shifted(self, seconds: i64) -> Self {
        let span = jiff::SignedDuration::from_secs(seconds);
        Self(self.0.checked_add(span).expect("a moment within the era"))
    }

    /// `20130524`.
    pub fn date(self) -> String {
        self.0.strftime("%Y%m%d").to_string()
    }

    /// `20130524T000000Z`.
    pub fn stamp(self) -> String {
        self.0.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `Fri, 24 May 2013 00:00:00 GMT`.
    pub fn http_date(self) -> String {
        let zoned = self.0.to_zoned(TimeZone::UTC);
        zoned.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

impl Signer {
    /// The value of `Authorization`, and the bare signature that a first chunk builds on.
    pub fn authorization(&self, moment: Moment, request: Canonical<'_>) -> (String, String) {
        let signature = self.signature(moment, request);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.access_key,
            self.scope(moment),
            signed_headers(request.headers),
        );
        (value, signature)
    }

    /// The query of a presigned request: that of `request` with the six parameters of its signature.
    pub fn presigned_query(
        &self,
        moment: Moment,
        expires_seconds: &str,
        request: Canonical<'_>,
    ) -> Vec<(String, String)> {
        let mut query = request.query.to_vec();
        let credential = format!("{}/{}", self.access_key, self.scope(moment));
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", credential),
            ("X-Amz-Date", moment.stamp()),
            ("X-Amz-Expires", expires_seconds.to_owned()),
            ("X-Amz-SignedHeaders", signed_headers(request.headers)),
        ] {
            query.push((name.to_owned(), value));
        }
        let signature = self.signature(
            moment,
            Canonical {
                query: &query,
                ..request
            },
        );
        query.push(("X-Amz-Signature".to_owned(), signature));
        query
    }

    /// The signature of a text by Signature Version 2: of a request's string to sign, or of a form's policy.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    pub fn version_two(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret_key.as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// The signature of a form's policy, in base64, by Signature Version 4; and the credential that goes with it.
    pub fn form_signature(&self, moment: Moment, policy: &str) -> (String, String) {
        let credential = format!("{}/{}", self.access_key, self.scope(moment));
        (self.mac(moment, policy), credential)
    }

    /// Signature of one chunk of an aws-chunked body, after the `previous` one.
    pub fn chunk_signature(&self, moment: Moment, previous: &str, chunk: &[u8]) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
            moment.stamp(),
            self.scope(moment),
            sha256_hex(b""),
            sha256_hex(chunk)
        );
        self.mac(moment, &text)
    }

    /// Signature of the trailing headers, which are `name:value\n` each, after the last chunk's.
    pub fn trailer_signature(&self, moment: Moment, previous: &str, trailer: &str) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{}",
            moment.stamp(),
            self.scope(moment),
            sha256_hex(trailer.as_bytes())
        );
        self.mac(moment, &text)
    }

    fn scope(&self, moment: Moment) -> String {
        format!("{}/{}/s3/aws4_request", moment.date(), self.region)
    }

    fn signature(&self, moment: Moment, request: Canonical<'_>) -> String {
        let canonical = canonical_text(request);
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            moment.stamp(),
            self.scope(moment),
            sha256_hex(canonical.as_bytes())
        );
        self.mac(moment, &text)
    }

    fn mac(&self, moment: Moment, text: &str) -> String {
        let seed = format!("AWS4{}", self.secret_key);
        let mut key = hmac(seed.as_bytes(), moment.date().as_bytes());
        for step in [self.region.as_str(), "s3", "aws4_request"] {
            key = hmac(&key, step.as_bytes());
        }
        hex::encode(hmac(&key, text.as_bytes()))
    }
}

/// Percent-encodes as S3 signs: all but `A-Z a-z 0-9 - . _ ~`, and `/` where `keep_slash`.
pub fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

/// The query as it is sent and signed: encoded and in order. Empty without parameters.
pub fn encode_query(query: &[(String, String)]) -> String {
    let mut pairs: Vec<(String, String)> = query
        .iter()
        .map(|(name, value)| {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            (encode(name, false), encode(value, false))
        })
        .collect();
    // By name and then value: as one text, `a-b=` would stand before `a=`.
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn canonical_text(request: Canonical<'_>) -> String {
    let mut lines = String::new();
    for (name, value) in canonical_headers(request.headers) {
        lines.extend([&name, ":", &value, "\n"]);
    }
    format!(
        "{}\n{}\n{}\n{lines}\n{}\n{}",
        request.method,
        request.path,
        encode_query(request.query),
        signed_headers(request.headers),
        request.payload,
    )
}

fn signed_headers(headers: &[(String, String)]) -> String {
    let names: Vec<String> = canonical_headers(headers)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.join(";")
}

/// Names in lower case and order, equal names joined by commas, white space trimmed and folded.
fn canonical_headers(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut folded: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        match folded.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => folded.push((name, value)),
        }
    }
    folded.sort();
    folded
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The worked examples of the S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
    fn example() -> (Signer, Moment) {
        let signer = Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        };
        (signer, Moment::parse("2013-05-24T00:00:00Z"))
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_published_get_with_a_range_has_the_published_signature() {
        let (signer, moment) = example();
        let empty = sha256_hex(b"");
        let headers = pairs(&[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Range", "bytes=0-9"),
            ("x-amz-content-sha256", &empty),
            ("x-amz-date", &moment.stamp()),
        ]);
        let (_, signature) = signer.authorization(
            moment,
            Canonical {
                method: "GET",
                path: "/test.txt",
                query: &[],
                headers: &headers,
                payload: &empty,
            },
        );
        assert_eq!(
            signature,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn the_published_listing_has_the_published_signature() {
        let (signer, moment) = example();
        let empty = sha256_hex(b"");
        let headers = pairs(&[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", &empty),
            ("x-amz-date", &moment.stamp()),
        ]);
        let (_, signature) = signer.authorization(
            moment,
            Canonical {
                method: "GET",
                path: "/",
                query: &pairs(&[("prefix", "J"), ("max-keys", "2")]),
                headers: &headers,
                payload: &empty,
            },
        );
        assert_eq!(
            signature,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn the_published_presigned_url_has_the_published_signature() {
        let (signer, moment) = example();
        let headers = pairs(&[("Host", "examplebucket.s3.amazonaws.com")]);
        let query = signer.presigned_query(
            moment,
            "86400",
            Canonical {
                method: "GET",
                path: "/test.txt",
                query: &[],
                headers: &headers,
                payload: UNSIGNED,
            },
        );
        assert_eq!(
            query.last().unwrap().1,
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn the_published_chunks_have_the_published_signatures() {
        let (signer, moment) = example();
        let headers = pairs(&[
            ("Host", "s3.amazonaws.com"),
            ("Content-Encoding", "aws-chunked"),
            ("Content-Length", "66824"),
            ("x-amz-content-sha256", STREAMING),
            ("x-amz-date", &moment.stamp()),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ]);
        let (_, seed) = signer.authorization(
            moment,
            Canonical {
                method: "PUT",
                path: "/examplebucket/chunkObject.txt",
                query: &[],
                headers: &headers,
                payload: STREAMING,
            },
        );
        assert_eq!(
            seed,
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
        );
        let first = signer.chunk_signature(moment, &seed, &vec![b'a'; 65_536]);
        assert_eq!(
            first,
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
        );
        let second = signer.chunk_signature(moment, &first, &vec![b'a'; 1_024]);
        assert_eq!(
            second,
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
        );
        let last = signer.chunk_signature(moment, &second, b"");
        assert_eq!(
            last,
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
        );
    }
}
