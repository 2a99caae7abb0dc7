use std::sync::Arc;

use cairn_iam::{CanonicalId, Identity, SecretKey};

use super::*;
use crate::form::PostPolicy;
use crate::route::Addressing;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn look_up(access_key: &str) -> Option<Credential> {
    (access_key == ACCESS_KEY).then(|| Credential {
        secret: SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        identity: Arc::new(Identity {
            id: CanonicalId::parse(&"a".repeat(64)).unwrap(),
            display_name: "tester".to_owned(),
            is_root: true,
        }),
    })
}

fn verify(pairs: &[(&str, &str)]) -> Result<Verified, S3Error> {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.push(name, (*value).to_owned());
    }
    let addressing = Addressing::new(["s3.localhost".to_owned()]);
    let authenticator = Authenticator::new("us-east-1", false).taking_version_two(addressing);
    authenticator.verify_form(&fields, look_up)
}

fn without<'a>(pairs: &[(&'a str, &'a str)], name: &str) -> Vec<(&'a str, &'a str)> {
    let others = pairs.iter().filter(|(own, _)| *own != name);
    others.copied().collect()
}

fn with<'a>(
    pairs: &[(&'a str, &'a str)],
    name: &'a str,
    value: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut changed = without(pairs, name);
    changed.push((name, value));
    changed
}

/// The policy of "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)".
const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";

const PUBLISHED: [(&str, &str); 10] = [
    ("key", "user/user1/a.png"),
    ("acl", "public-read"),
    (
        "success_action_redirect",
        "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
    ),
    ("Content-Type", "image/png"),
    ("x-amz-meta-uuid", "14365123651274"),
    ("x-amz-server-side-encryption", "AES256"),
    (
        "X-Amz-Credential",
        "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
    ),
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
    ("X-Amz-Date", "20151229T000000Z"),
    (
        "X-Amz-Signature",
        "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
    ),
];

#[test]
fn the_published_form_is_accepted_and_its_policy_holds() {
    let pairs = with(&PUBLISHED, "Policy", POLICY);
    let verified = verify(&pairs).unwrap();
    assert_eq!(verified.identity().unwrap().display_name, "tester");
    let proof = verified.proof().unwrap();
    assert_eq!(proof.version, SignatureVersion::Four);
    assert_eq!(proof.place, ProofPlace::Form);
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.push(name, value.to_owned());
    }
    let policy = PostPolicy::parse(POLICY).unwrap();
    let now = date::parse_amz_date("20151229T010000Z").unwrap();
    assert!(policy.check(&fields, "sigv4examplebucket", now).is_ok());
    assert!(policy.check(&fields, "another", now).is_err());
    let late = date::parse_amz_date("20151230T120001Z").unwrap();
    assert!(policy.check(&fields, "sigv4examplebucket", late).is_err());
}

#[test]
fn a_form_signed_by_version_four_is_whole_and_unchanged() {
    let good = with(&PUBLISHED, "policy", POLICY);
    let code = |pairs: &[(&str, &str)]| verify(pairs).unwrap_err().code();
    let changed = format!("{POLICY}IA==");
    for (name, value, expected) in [
        ("policy", changed.as_str(), Code::SignatureDoesNotMatch),
        ("X-Amz-Signature", "00", Code::SignatureDoesNotMatch),
        (
            "X-Amz-Algorithm",
            "AWS4",
            Code::AuthorizationQueryParametersError,
        ),
        (
            "X-Amz-Date",
            "20151228T000000Z",
            Code::AuthorizationQueryParametersError,
        ),
        ("X-Amz-Date", "now", Code::AuthorizationQueryParametersError),
        (
            "X-Amz-Credential",
            "AKIA",
            Code::AuthorizationQueryParametersError,
        ),
        (
            "X-Amz-Credential",
            "NOBODY/20151229/us-east-1/s3/aws4_request",
            Code::InvalidAccessKeyId,
        ),
        (
            "X-Amz-Credential",
            "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/sts/aws4_request",
            Code::AuthorizationQueryParametersError,
        ),
    ] {
        assert_eq!(code(&with(&good, name, value)), expected, "{name}: {value}");
    }
    for name in [
        "policy",
        "X-Amz-Signature",
        "X-Amz-Algorithm",
        "X-Amz-Date",
        "X-Amz-Credential",
    ] {
        assert_eq!(code(&without(&good, name)), Code::InvalidArgument, "{name}");
    }
}

/// A policy of the older kind, with what another implementation makes of it.
const OLD: [(&str, &str); 3] = [
    ("AWSAccessKeyId", ACCESS_KEY),
    (
        "policy",
        "eyAiZXhwaXJhdGlvbiI6ICIyMDA3LTEyLTAxVDEyOjAwOjAwLjAwMFoiLAogICJjb25kaXRpb25zIjogWwogICAgeyJidWNrZXQiOiAiam9obnNtaXRoIn0sCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci9lcmljLyJdLAogICAgeyJhY2wiOiAicHVibGljLXJlYWQifSwKICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL2pvaG5zbWl0aC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwKICAgIFsic3RhcnRzLXdpdGgiLCAiJENvbnRlbnQtVHlwZSIsICJpbWFnZS8iXSwKICAgIHsieC1hbXotbWV0YS11dWlkIjogIjE0MzY1MTIzNjUxMjc0In0sCiAgICBbInN0YXJ0cy13aXRoIiwgIiR4LWFtei1tZXRhLXRhZyIsICIiXQogIF0KfQ==",
    ),
    ("signature", "pTVycSpgIZkh0gEafBlVIA8DHKM="),
];

#[test]
fn a_form_signed_by_version_two_is_whole_and_unchanged() {
    let verified = verify(&OLD).unwrap();
    assert_eq!(verified.proof().unwrap().version, SignatureVersion::Two);
    let code = |pairs: &[(&str, &str)]| verify(pairs).unwrap_err().code();
    for (name, value, expected) in [
        ("policy", "e30=", Code::SignatureDoesNotMatch),
        (
            "signature",
            "MKHD8AIVlfBaEg0hkZIgpScyVTp=",
            Code::SignatureDoesNotMatch,
        ),
        ("signature", "???", Code::SignatureDoesNotMatch),
        ("AWSAccessKeyId", "foo", Code::InvalidAccessKeyId),
    ] {
        assert_eq!(code(&with(&OLD, name, value)), expected, "{name}: {value}");
    }
    for (name, _) in OLD {
        assert_eq!(code(&without(&OLD, name)), Code::InvalidArgument, "{name}");
    }
    let strict = Authenticator::new("us-east-1", false);
    let mut fields = Fields::default();
    for (name, value) in OLD {
        fields.push(name, value.to_owned());
    }
    let refused = strict.verify_form(&fields, look_up).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidRequest);
}

#[test]
fn a_form_that_nobody_signed_is_anonymous_unless_it_has_a_policy() {
    let verified = verify(&[("key", "k")]).unwrap();
    assert!(matches!(verified.caller(), Caller::Anonymous));
    assert_eq!(verified.proof(), None);
    let error = verify(&[("key", "k"), ("policy", "e30=")]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}
