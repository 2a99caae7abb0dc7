use std::fmt::Write;

use super::*;
use crate::date;
use cairn_iam::{CanonicalId, SecretKey};
use http::header;
use proptest::prelude::{any, prop, proptest};
use sha2::{Digest, Sha256};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn credential() -> Credential {
    Credential {
        secret: SecretKey::new(SECRET),
        identity: Arc::new(Identity {
            id: CanonicalId::parse(&"a".repeat(64)).unwrap(),
            display_name: "tester".to_owned(),
            is_root: true,
        }),
    }
}

fn look_up(access_key: &str) -> Option<Credential> {
    (access_key == ACCESS_KEY).then(credential)
}

fn at(amz_date: &str) -> Timestamp {
    date::parse_amz_date(amz_date).unwrap()
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn verify_at(parts: &Parts, now: Timestamp) -> Result<Verified, S3Error> {
    let authenticator = Authenticator::new("us-east-1", false);
    let query = Query::parse(parts.uri.query()).unwrap();
    authenticator.verify(parts, &query, now, look_up)
}

/// The requests of "Examples: Signature Calculations in AWS Signature Version 4", all of 24 May 2013.
mod published {
    use super::*;

    const DATE: &str = "20130524T000000Z";
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

    fn authorization(signed_headers: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={signed_headers},Signature={signature}"
        )
    }

    fn verify(parts: &Parts) -> Verified {
        verify_at(parts, at(DATE)).unwrap()
    }

    #[test]
    fn get_object() {
        let authorization = authorization(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        let parts = head(
            "GET",
            "/test.txt",
            &[
                HOST,
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", DATE),
                ("authorization", &authorization),
            ],
        );
        let verified = verify(&parts);
        assert!(matches!(verified.caller(), Caller::Signed(..)));
        assert_eq!(verified.identity().unwrap().display_name, "tester");
        assert!(matches!(verified.payload(), PayloadForm::Signed(_)));
    }

    #[test]
    fn put_object() {
        let authorization = authorization(
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
        let sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let parts = head(
            "PUT",
            "/test%24file.text",
            &[
                HOST,
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-date", DATE),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", sha256),
                ("authorization", &authorization),
            ],
        );
        verify(&parts);
    }

    #[test]
    fn get_bucket_lifecycle_and_list_objects() {
        for (target, signature) in [
            (
                "/?lifecycle",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "/?max-keys=2&prefix=J",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let authorization = authorization("host;x-amz-content-sha256;x-amz-date", signature);
            let parts = head(
                "GET",
                target,
                &[
                    HOST,
                    ("x-amz-date", DATE),
                    ("x-amz-content-sha256", EMPTY_SHA256),
                    ("authorization", &authorization),
                ],
            );
            verify(&parts);
        }
    }

    #[test]
    fn presigned_get() {
        let target = format!(
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_KEY}%2F20130524%2Fus-east-1%2Fs3%2F\
             aws4_request&X-Amz-Date={DATE}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
             aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
        let parts = head("GET", &target, &[HOST]);
        let verified = verify(&parts);
        assert!(matches!(verified.caller(), Caller::Presigned(..)));
        assert_eq!(verified.payload(), PayloadForm::Unsigned);
        let last_moment = at(DATE).plus_millis(86_400_000);
        assert!(verify_at(&parts, last_moment).is_ok());
        let error = verify_at(&parts, last_moment.plus_millis(1)).unwrap_err();
        assert_eq!(error.message(), "Request has expired");
        assert_eq!(error.code(), Code::AccessDenied);
        let early = Timestamp::from_millis(at(DATE).as_millis() - 900_001);
        let error = verify_at(&parts, early).unwrap_err();
        assert_eq!(error.message(), "Request is not valid yet");
    }

    #[test]
    fn chunked_upload_with_its_chunks() {
        let authorization = authorization(
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        );
        let parts = head(
            "PUT",
            "/examplebucket/chunkObject.txt",
            &[
                ("host", "s3.amazonaws.com"),
                ("x-amz-date", DATE),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                ("content-encoding", "aws-chunked"),
                ("x-amz-decoded-content-length", "66560"),
                ("content-length", "66824"),
                ("authorization", &authorization),
            ],
        );
        let mut chain = verify(&parts).chunks().unwrap();
        for (len, signature) in [
            (
                65536,
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            ),
            (
                1024,
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            ),
            (
                0,
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ),
        ] {
            let mut claimed = [0; 32];
            hex::decode_to_slice(signature, &mut claimed).unwrap();
            assert!(chain.accept_chunk(&Sha256::digest(vec![b'a'; len]), claimed));
        }
    }
}

/// A signer written apart from the verifier: slow, and from the text of the specification.
struct Signer<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a [(String, String)],
    headers: &'a [(String, String)],
    date: &'a str,
}

impl Signer<'_> {
    fn escape(text: &str, keep: &str) -> String {
        text.bytes().fold(String::new(), |mut escaped, byte| {
            let letter = char::from(byte);
            if byte.is_ascii_alphanumeric() || "-._~".contains(letter) || keep.contains(letter) {
                escaped.push(letter);
            } else {
                write!(escaped, "%{byte:02X}").unwrap();
            }
            escaped
        })
    }

    fn wire_query(&self) -> String {
        let pairs = self.query.iter();
        let pairs = pairs
            .map(|(name, value)| format!("{}={}", Self::escape(name, ""), Self::escape(value, "")));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The request, signed in its headers.
    fn request(&self) -> Parts {
        let mut headers = self.headers.to_vec();
        headers.push(("host".to_owned(), "s3.example:9000".to_owned()));
        headers.push(("x-amz-date".to_owned(), self.date.to_owned()));
        headers.push((
            "x-amz-content-sha256".to_owned(),
            "UNSIGNED-PAYLOAD".to_owned(),
        ));
        let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut sorted_query = self.wire_query();
        let mut pairs: Vec<(&str, &str)> = sorted_query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        sorted_query = pairs.join("&");
        let mut lines = String::new();
        for name in &names {
            let values: Vec<String> = headers
                .iter()
                .filter(|(own, _)| own == name)
                .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            writeln!(lines, "{name}:{}", values.join(",")).unwrap();
        }
        let path = Self::escape(self.path, "/");
        let canonical = format!(
            "{}\n{path}\n{sorted_query}\n{lines}\n{}\nUNSIGNED-PAYLOAD",
            self.method,
            names.join(";")
        );
        let day = &self.date[..8];
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let hash = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", self.date);
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for step in [day, "us-east-1", "s3", "aws4_request", &text] {
            key = hmac_by_hand(&key, step.as_bytes());
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={}, Signature={}",
            names.join(";"),
            hex::encode(key)
        );
        headers.push(("authorization".to_owned(), authorization));
        let target = format!("{path}?{}", self.wire_query());
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        head(self.method, &target, &headers)
    }
}

/// HMAC from its definition.
fn hmac_by_hand(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block.resize(64, 0);
    let inner: Vec<u8> = block.iter().map(|byte| byte ^ 0x36).collect();
    let outer: Vec<u8> = block.iter().map(|byte| byte ^ 0x5c).collect();
    let inner = Sha256::digest([inner, text.to_vec()].concat());
    Sha256::digest([outer, inner.to_vec()].concat()).to_vec()
}

const NOW: &str = "20261122T063800Z";

fn signed(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Signer {
        method,
        path,
        query: &[],
        headers: &headers,
        date: NOW,
    }
    .request()
}

fn code_of(parts: &Parts) -> Code {
    verify_at(parts, at(NOW)).unwrap_err().code()
}

proptest! {
    #[test]
    fn what_another_signer_signs_is_accepted_and_changes_to_it_are_not(
        key in "\\PC{1,20}",
        query in prop::collection::vec(("[a-zA-Z ~*+é-]{1,6}", "\\PC{0,8}"), 0..5),
        headers in prop::collection::vec(("x-amz-meta-[a-z]{1,3}", "[ -~]{0,12}"), 0..4),
        change in any::<bool>(),
    ) {
        let path = format!("/bucket/{key}");
        let mut parts = Signer { method: "PUT", path: &path, query: &query, headers: &headers, date: NOW }.request();
        assert!(verify_at(&parts, at(NOW)).is_ok(), "{parts:?}");
        if change {
            parts.method = http::Method::DELETE;
        } else {
            let changed = format!("{}x", parts.uri.path());
            parts.uri = changed.parse().unwrap();
        }
        assert_eq!(code_of(&parts), Code::SignatureDoesNotMatch);
    }
}

#[test]
fn an_expectation_of_a_date_without_its_header_is_met_by_the_date_of_http() {
    let parts = signed("GET", "/bucket/key", &[]);
    let mut moved = parts.clone();
    moved.headers.remove("x-amz-date");
    // The name of the header is part of what is signed.
    assert_eq!(code_of(&moved), Code::AccessDenied);
    moved
        .headers
        .insert("date", "Sun, 22 Nov 2026 06:38:00 -0000".parse().unwrap());
    assert_eq!(code_of(&moved), Code::SignatureDoesNotMatch);
}

#[test]
fn a_mismatch_tells_what_was_signed() {
    let mut parts = signed("GET", "/bucket/key", &[]);
    parts.method = http::Method::HEAD;
    let error = verify_at(&parts, at(NOW)).unwrap_err();
    let names: Vec<&str> = error.details().iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "AWSAccessKeyId",
            "StringToSign",
            "SignatureProvided",
            "StringToSignBytes",
            "CanonicalRequest",
            "CanonicalRequestBytes"
        ]
    );
    assert!(
        error.details()[4]
            .1
            .starts_with("HEAD\n/bucket/key\n\nhost:")
    );
    assert!(!format!("{error:?}").contains(SECRET));
}

#[test]
fn clocks_may_differ_by_a_quarter_of_an_hour() {
    let parts = signed("GET", "/bucket/key", &[]);
    let now = at(NOW).as_millis();
    for (shift, accepted) in [
        (0, true),
        (900_000, true),
        (-900_000, true),
        (900_001, false),
        (-900_001, false),
    ] {
        let now = Timestamp::from_millis(now.checked_add_signed(shift).unwrap());
        match verify_at(&parts, now) {
            Ok(_) => assert!(accepted, "{shift}"),
            Err(error) => {
                assert!(!accepted, "{shift}");
                assert_eq!(error.code(), Code::RequestTimeTooSkewed);
            }
        }
    }
}

#[test]
fn headers_of_amazon_must_be_signed() {
    let mut parts = signed("PUT", "/bucket/key", &[("x-amz-meta-a", "b")]);
    assert!(verify_at(&parts, at(NOW)).is_ok());
    parts
        .headers
        .insert("x-amz-acl", "public-read".parse().unwrap());
    let error = verify_at(&parts, at(NOW)).unwrap_err();
    assert_eq!(error.code(), Code::AccessDenied);
    assert_eq!(
        error.details(),
        [("HeadersNotSigned", "x-amz-acl".to_owned())]
    );
    let mut unsigned = signed("PUT", "/bucket/key", &[]);
    unsigned
        .headers
        .insert("user-agent", "any".parse().unwrap());
    assert!(verify_at(&unsigned, at(NOW)).is_ok());
}

#[test]
fn a_request_without_a_signature_is_anonymous_and_signs_no_chunks() {
    let parts = head("GET", "/bucket/key", &[("host", "h")]);
    let verified = verify_at(&parts, at(NOW)).unwrap();
    assert!(matches!(verified.caller(), Caller::Anonymous));
    assert_eq!(verified.identity(), None);
    for (payload, code) in [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Code::AccessDenied),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Code::AccessDenied,
        ),
        ("nonsense", Code::InvalidArgument),
    ] {
        let parts = head("PUT", "/bucket/key", &[("x-amz-content-sha256", payload)]);
        assert_eq!(code_of(&parts), code, "{payload}");
    }
}

#[test]
fn forged_signatures_are_refused_whatever_the_payload() {
    for payload in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        EMPTY_SHA256,
    ] {
        let mut parts = signed("PUT", "/bucket/key", &[]);
        parts
            .headers
            .insert("x-amz-content-sha256", payload.parse().unwrap());
        if payload == "UNSIGNED-PAYLOAD" {
            let forged = parts.headers["authorization"].to_str().unwrap();
            let forged = format!("{}0", &forged[..forged.len() - 1]);
            let other = format!("{}1", &forged[..forged.len() - 1]);
            let forged = if parts.headers["authorization"] == forged {
                other
            } else {
                forged
            };
            parts
                .headers
                .insert("authorization", forged.parse().unwrap());
        }
        assert_eq!(code_of(&parts), Code::SignatureDoesNotMatch, "{payload}");
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261122T063800Z&X-Amz-Expires=60\
                     &X-Amz-SignedHeaders=host;x-amz-content-sha256&X-Amz-Signature=00\
                     &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/s3/aws4_request";
        let headers = [("host", "h"), ("x-amz-content-sha256", payload)];
        let presigned = head("PUT", &format!("/bucket/key?{query}"), &headers);
        assert_eq!(
            code_of(&presigned),
            Code::SignatureDoesNotMatch,
            "{payload}"
        );
    }
}

#[test]
fn malformed_headers_are_told_apart() {
    let scope = format!("{ACCESS_KEY}/20261122/us-east-1/s3/aws4_request");
    let signature = "0".repeat(64);
    let rest = "SignedHeaders=host;x-amz-content-sha256;x-amz-date";
    for (authorization, code) in [
        (String::new(), Code::AccessDenied),
        ("AWS AKID:c2ln".to_owned(), Code::InvalidRequest),
        ("Basic abc".to_owned(), Code::InvalidArgument),
        (
            "AWS4-ECDSA-P256-SHA256 Credential=x".to_owned(),
            Code::NotImplemented,
        ),
        (
            "AWS4-HMAC-SHA256".to_owned(),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, {rest}"),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, {rest}, Signature=xyz"),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, {rest}, {rest}, Signature={signature}"),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential=a/b/{scope}, {rest}, Signature={signature}"),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={signature}"
            ),
            Code::AccessDenied,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=NOBODY/20261122/us-east-1/s3/aws4_request, {rest}, Signature={signature}"
            ),
            Code::InvalidAccessKeyId,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20261121/us-east-1/s3/aws4_request, {rest}, Signature={signature}"
            ),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20261122/us-east-1/sts/aws4_request, {rest}, Signature={signature}"
            ),
            Code::AuthorizationHeaderMalformed,
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope},{rest},Signature={signature}"),
            Code::SignatureDoesNotMatch,
        ),
    ] {
        let headers = [
            ("host", "h"),
            ("x-amz-date", NOW),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("authorization", &authorization),
        ];
        let parts = head("GET", "/bucket/key", &headers);
        assert_eq!(code_of(&parts), code, "{authorization}");
    }
}

#[test]
fn another_region_is_named_in_the_refusal_and_allowed_in_development() {
    let parts = signed("GET", "/bucket/key", &[]);
    let strict = Authenticator::new("eu-central-7", false);
    let error = strict
        .verify(&parts, &Query::default(), at(NOW), look_up)
        .unwrap_err();
    assert_eq!(error.code(), Code::AuthorizationHeaderMalformed);
    assert_eq!(error.details(), [("Region", "eu-central-7".to_owned())]);
    let open = Authenticator::new("eu-central-7", true);
    assert!(
        open.verify(&parts, &Query::default(), at(NOW), look_up)
            .is_ok()
    );
}

#[test]
fn a_signature_stands_in_one_place() {
    let mut parts = signed("GET", "/bucket/key", &[]);
    parts.uri = "/bucket/key?X-Amz-Signature=0".parse().unwrap();
    assert_eq!(code_of(&parts), Code::InvalidArgument);
    parts.uri = "/bucket/key?AWSAccessKeyId=a&Signature=b&Expires=1"
        .parse()
        .unwrap();
    assert_eq!(code_of(&parts), Code::InvalidArgument);
    let mut twice = signed("GET", "/bucket/key", &[]);
    let again = twice.headers["authorization"].clone();
    twice.headers.append(header::AUTHORIZATION, again);
    assert_eq!(code_of(&twice), Code::InvalidArgument);
    let mut session = signed("GET", "/bucket/key", &[("x-amz-security-token", "t")]);
    assert_eq!(code_of(&session), Code::InvalidToken);
    session.headers.clear();
    assert!(verify_at(&session, at(NOW)).is_ok());
}

#[test]
fn presigned_parameters_are_checked() {
    let good = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        (
            "X-Amz-Credential",
            "AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/s3/aws4_request",
        ),
        ("X-Amz-Date", NOW),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", "00"),
    ];
    let code = |pairs: &[(&str, &str)]| {
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let target = format!("/bucket/key?{}", pairs.join("&"));
        code_of(&head("GET", &target, &[("host", "h")]))
    };
    assert_eq!(code(&good), Code::SignatureDoesNotMatch);
    for left_out in 0..good.len() {
        let mut pairs = good.to_vec();
        pairs.remove(left_out);
        assert_eq!(code(&pairs), Code::AuthorizationQueryParametersError);
        let mut pairs = good.to_vec();
        pairs.push(good[left_out]);
        assert_eq!(code(&pairs), Code::AuthorizationQueryParametersError);
    }
    for (index, value, expected) in [
        (0, "AWS4-HMAC-SHA1", Code::AuthorizationQueryParametersError),
        (0, "AWS4-ECDSA-P256-SHA256", Code::NotImplemented),
        (
            1,
            "AKIAIOSFODNN7EXAMPLE",
            Code::AuthorizationQueryParametersError,
        ),
        (
            1,
            "AKIAIOSFODNN7EXAMPLE/20261122/r/s3/aws4_request",
            Code::AuthorizationQueryParametersError,
        ),
        (2, "yesterday", Code::AuthorizationQueryParametersError),
        (3, "0", Code::AccessDenied),
        (3, "-1", Code::AuthorizationQueryParametersError),
        (3, "x", Code::AuthorizationQueryParametersError),
        (3, "604801", Code::AuthorizationQueryParametersError),
        (
            3,
            "99999999999999999999",
            Code::AuthorizationQueryParametersError,
        ),
        (4, "", Code::AccessDenied),
    ] {
        let mut pairs = good.to_vec();
        pairs[index].1 = value;
        assert_eq!(code(&pairs), expected, "{value}");
    }
}

#[test]
fn the_code_for_links_of_a_wrong_life_can_be_chosen() {
    let authenticator =
        Authenticator::new("us-east-1", false).refusing_expires_by(Code::AccessDenied);
    for (expires, code) in [
        ("-7", Code::AccessDenied),
        ("604801", Code::AccessDenied),
        ("soon", Code::AuthorizationQueryParametersError),
    ] {
        let target = format!(
            "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={NOW}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=00&X-Amz-Credential={ACCESS_KEY}/20261122/us-east-1/s3/aws4_request"
        );
        let parts = head("GET", &target, &[("host", "h")]);
        let query = Query::parse(parts.uri.query()).unwrap();
        let refused = authenticator.verify(&parts, &query, at(NOW), look_up);
        assert_eq!(refused.unwrap_err().code(), code, "{expires}");
    }
}

#[test]
fn chunks_that_nothing_announces_are_taken_for_chunks() {
    let headers = [
        ("content-encoding", "gzip, aws-chunked"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let payload = |headers: &[(&str, &str)]| {
        let verified = verify_at(&head("PUT", "/b/k", headers), at(NOW));
        verified.unwrap().payload()
    };
    assert_eq!(payload(&headers), PayloadForm::UnsignedChunksWithTrailer);
    assert_eq!(payload(&headers[..1]), PayloadForm::Unsigned);
    assert_eq!(payload(&headers[1..]), PayloadForm::Unsigned);
}
