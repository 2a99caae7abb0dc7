use std::sync::Arc;

use cairn_iam::{CanonicalId, Credential, Identity};

use super::*;
use crate::auth::{Authenticator, Caller, ProofPlace, SignatureVersion, Verified};
use crate::body::PayloadForm;
use crate::route::Addressing;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn look_up(access_key: &str) -> Option<Credential> {
    (access_key == ACCESS_KEY).then(|| Credential {
        secret: SecretKey::new(SECRET),
        identity: Arc::new(Identity {
            id: CanonicalId::parse(&"a".repeat(64)).unwrap(),
            display_name: "tester".to_owned(),
            is_root: true,
        }),
    })
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn at(date: &str) -> Timestamp {
    date::parse_http_date(date).unwrap()
}

fn verify(parts: &Parts, now: Timestamp) -> Result<Verified, S3Error> {
    let domains = ["s3.amazonaws.com".to_owned(), "net:8080".to_owned()];
    let authenticator =
        Authenticator::new("us-east-1", false).taking_version_two(Addressing::new(domains));
    let query = Query::parse(parts.uri.query()).unwrap();
    authenticator.verify(parts, &query, now, look_up)
}

fn code(parts: &Parts, now: Timestamp) -> Code {
    verify(parts, now).unwrap_err().code()
}

const BUCKET_HOST: &str = "johnsmith.s3.amazonaws.com";
const DATE: &str = "Tue, 27 Mar 2007 19:36:42 +0000";

fn signed_get<'a>(date: &'a str, authorization: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("host", BUCKET_HOST),
        ("date", date),
        ("authorization", authorization),
    ]
}

/// A request: method, target, host, date, more headers, signature.
type Published = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// The requests of "Signing and authenticating REST requests", of March 2007.
const PUBLISHED: &[Published] = &[
    (
        "GET",
        "/photos/puppy.jpg",
        BUCKET_HOST,
        DATE,
        &[],
        "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
    ),
    (
        "PUT",
        "/photos/puppy.jpg",
        BUCKET_HOST,
        "Tue, 27 Mar 2007 21:15:45 +0000",
        &[("content-type", "image/jpeg"), ("content-length", "94328")],
        "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
    ),
    (
        "GET",
        "/?prefix=photos&max-keys=50&marker=puppy",
        BUCKET_HOST,
        "Tue, 27 Mar 2007 19:42:41 +0000",
        &[("user-agent", "Mozilla/5.0")],
        "htDYFYduRNen8P9ZfE/s9SuKy0U=",
    ),
    (
        "GET",
        "/?acl",
        BUCKET_HOST,
        "Tue, 27 Mar 2007 19:44:46 +0000",
        &[],
        "c2WLPFtWHVgbEmeEG93a4cG37dM=",
    ),
    (
        "PUT",
        "/static.johnsmith.net/db-backup.dat.gz",
        "s3.amazonaws.com",
        "Tue, 27 Mar 2007 21:06:08 +0000",
        &[
            ("x-amz-acl", "public-read"),
            ("content-type", "application/x-download"),
            ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
            ("X-Amz-Meta-ReviewedBy", "joe@johnsmith.net"),
            ("X-Amz-Meta-ReviewedBy", "jane@johnsmith.net"),
            ("X-Amz-Meta-FileChecksum", "0x02661779"),
            ("X-Amz-Meta-ChecksumAlgorithm", "crc32"),
        ],
        "ilyl83RwaSoYIEdixDQcA4OnAnc=",
    ),
    (
        "GET",
        "/",
        "s3.amazonaws.com",
        "Wed, 28 Mar 2007 01:29:59 +0000",
        &[],
        "qGdzdERIC03wnaRNKh6OqZehG9s=",
    ),
    (
        "GET",
        "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
        "s3.amazonaws.com",
        "Wed, 28 Mar 2007 01:49:49 +0000",
        &[],
        "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    ),
];

#[test]
fn the_published_requests_are_accepted() {
    for &(method, target, host, date, more, signature) in PUBLISHED {
        let authorization = format!("AWS {ACCESS_KEY}:{signature}");
        let mut headers = vec![
            ("host", host),
            ("date", date),
            ("authorization", &authorization),
        ];
        headers.extend_from_slice(more);
        let parts = head(method, target, &headers);
        let verified = verify(&parts, at(date)).unwrap();
        assert!(matches!(verified.caller(), Caller::Signed(..)), "{target}");
        assert_eq!(verified.payload(), PayloadForm::Unsigned);
        let proof = verified.proof().unwrap();
        assert_eq!(proof.version, SignatureVersion::Two);
        assert_eq!(proof.place, ProofPlace::Header);
    }
}

#[test]
fn a_published_link_is_good_until_it_expires() {
    let target = format!(
        "/photos/puppy.jpg?AWSAccessKeyId={ACCESS_KEY}&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
    );
    let parts = head("GET", &target, &[("host", BUCKET_HOST)]);
    let end = Timestamp::from_millis(1_175_139_620_000);
    let verified = verify(&parts, end).unwrap();
    assert!(matches!(verified.caller(), Caller::Presigned(..)));
    assert_eq!(verified.proof().unwrap().place, ProofPlace::Query);
    let error = verify(&parts, end.plus_millis(1)).unwrap_err();
    assert_eq!(error.message(), "Request has expired");
    // A plus that was not encoded is the same.
    let loose = head("GET", &target.replace("%2B", "+"), &[("host", BUCKET_HOST)]);
    assert!(verify(&loose, end).is_ok());
}

#[test]
fn what_was_not_signed_changes_nothing_unnoticed() {
    let authorization = format!("AWS {ACCESS_KEY}:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
    let headers = signed_get(DATE, &authorization);
    let now = at(DATE);
    for target in [
        "/photos/puppy.jpg?acl",
        "/photos/puppy.jpg?versionId=1",
        "/photos/puppy.jpg?uploadId=1&partNumber=1",
        "/photos/puppy.jpg?response-content-type=text/html",
        "/photos/puppy.jpg?retention",
        "/photos/puppy.jpg?x-amz-acl=public-read",
        "/photos/puppy.jpg?X-Amz-Meta-A=b",
        "/photos/other.jpg",
        "/photos//puppy.jpg",
    ] {
        assert_eq!(
            code(&head("GET", target, &headers), now),
            Code::SignatureDoesNotMatch,
            "{target}"
        );
    }
    assert!(
        verify(
            &head("GET", "/photos/puppy.jpg?x-id=GetObject", &headers),
            now
        )
        .is_ok()
    );
    for (name, value) in [
        ("x-amz-acl", "public-read"),
        ("content-type", "text/html"),
        ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
    ] {
        let mut parts = head("GET", "/photos/puppy.jpg", &headers);
        parts.headers.insert(name, value.parse().unwrap());
        assert_eq!(code(&parts, now), Code::SignatureDoesNotMatch, "{name}");
    }
    let other = head("DELETE", "/photos/puppy.jpg", &headers);
    assert_eq!(code(&other, now), Code::SignatureDoesNotMatch);
    let mut elsewhere = headers;
    elsewhere[0].1 = "janesmith.s3.amazonaws.com";
    let elsewhere = head("GET", "/photos/puppy.jpg", &elsewhere);
    assert_eq!(code(&elsewhere, now), Code::SignatureDoesNotMatch);
}

#[test]
fn dates_are_checked_and_an_empty_one_of_amazon_is_not_made_up_for() {
    let authorization = format!("AWS {ACCESS_KEY}:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
    let now = at(DATE);
    for (date, expected) in [
        ("Bad Date", Code::AccessDenied),
        ("", Code::AccessDenied),
        ("Tue, 07 Jul 1950 21:53:04 GMT", Code::AccessDenied),
        ("Tue, 07 Jul 2005 21:53:04 GMT", Code::RequestTimeTooSkewed),
        ("Tue, 07 Jul 2030 21:53:04 GMT", Code::RequestTimeTooSkewed),
        ("Tue, 07 Jul 9999 21:53:04 GMT", Code::RequestTimeTooSkewed),
    ] {
        let mut headers = signed_get(DATE, &authorization).to_vec();
        headers.push(("x-amz-date", date));
        let parts = head("GET", "/photos/puppy.jpg", &headers);
        assert_eq!(code(&parts, now), expected, "{date}");
        let parts = head(
            "GET",
            "/photos/puppy.jpg",
            &signed_get(date, &authorization),
        );
        assert_eq!(code(&parts, now), expected, "{date}");
    }
    let parts = head(
        "GET",
        "/photos/puppy.jpg",
        &signed_get(DATE, &authorization),
    );
    assert!(verify(&parts, now.plus_millis(900_000)).is_ok());
    let late = now.plus_millis(900_001);
    assert_eq!(code(&parts, late), Code::RequestTimeTooSkewed);
}

#[test]
fn malformed_claims_are_told_apart() {
    let now = at(DATE);
    for (authorization, expected) in [
        ("AWS HAHAHA".to_owned(), Code::InvalidArgument),
        ("AWS".to_owned(), Code::InvalidArgument),
        ("AWS NOBODY:c2ln".to_owned(), Code::InvalidAccessKeyId),
        (format!("AWS {ACCESS_KEY}:"), Code::SignatureDoesNotMatch),
        (
            format!("AWS {ACCESS_KEY}:c2ln"),
            Code::SignatureDoesNotMatch,
        ),
        (format!("AWS {ACCESS_KEY}:???"), Code::SignatureDoesNotMatch),
    ] {
        let parts = head(
            "GET",
            "/photos/puppy.jpg",
            &signed_get(DATE, &authorization),
        );
        assert_eq!(code(&parts, now), expected, "{authorization}");
    }
    for query in [
        "AWSAccessKeyId=a&Signature=b",
        "Signature=b&Expires=1",
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=b&Expires=soon",
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=b&Expires=-1",
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=b&Expires=99999999999999999999",
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=b&Expires=1&Expires=2",
    ] {
        let parts = head("GET", &format!("/b/k?{query}"), &[("host", "h")]);
        assert_eq!(code(&parts, now), Code::AccessDenied, "{query}");
    }
}

#[test]
fn where_it_is_not_taken_the_refusal_names_what_is() {
    let authorization = format!("AWS {ACCESS_KEY}:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
    let link = "/k?AWSAccessKeyId=a&Signature=b&Expires=1";
    let strict = Authenticator::new("us-east-1", false);
    for parts in [
        head(
            "GET",
            "/photos/puppy.jpg",
            &signed_get(DATE, &authorization),
        ),
        head("GET", link, &[("host", BUCKET_HOST)]),
    ] {
        let query = Query::parse(parts.uri.query()).unwrap();
        let error = strict
            .verify(&parts, &query, at(DATE), look_up)
            .unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert_eq!(
            error.message(),
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        );
    }
}

#[test]
fn a_bucket_is_signed_with_a_slash_behind_it_or_without() {
    let secret = SecretKey::new(SECRET);
    for (signed, sent, is_same) in [
        ("/bucket", "/bucket", true),
        ("/bucket/", "/bucket", true),
        ("/bucket/", "/bucket/", true),
        ("/bucket", "/bucket/", false),
        ("/bucket/key/", "/bucket/key", false),
    ] {
        let text = format!("GET\n\n\n{DATE}\n{signed}?acl");
        let signature = STANDARD.encode(hmac_sha1(&secret, text.as_bytes()));
        let authorization = format!("AWS {ACCESS_KEY}:{signature}");
        let mut headers = signed_get(DATE, &authorization);
        headers[0].1 = "s3.amazonaws.com";
        let parts = head("GET", &format!("{sent}?acl"), &headers);
        assert_eq!(verify(&parts, at(DATE)).is_ok(), is_same, "{signed} {sent}");
    }
}

#[test]
fn what_sdks_sign_with_headers_in_the_query_is_accepted() {
    let secret = SecretKey::new(SECRET);
    let text =
        "PUT\n\ntext/plain\n1175139620\nx-amz-meta-a:b c\n/bucket/key?response-expires=x y&uploads";
    let signature = STANDARD.encode(hmac_sha1(&secret, text.as_bytes()));
    let signature = uri::encode(&signature, uri::Slash::Encode);
    let target = format!(
        "/bucket/key?uploads&response-expires=x%20y&prefix=z&x-amz-meta-a=b%20c&content-type=text%2Fplain\
         &AWSAccessKeyId={ACCESS_KEY}&Signature={signature}&Expires=1175139620"
    );
    let parts = head("PUT", &target, &[("host", "s3.amazonaws.com")]);
    assert!(verify(&parts, Timestamp::from_millis(1_175_139_000_000)).is_ok());
}
