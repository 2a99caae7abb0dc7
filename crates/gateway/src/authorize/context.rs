//! What a request says of itself, as conditions of policies see it.

use std::net::IpAddr;

use cairn_iam::context::{Context, Value};
use cairn_s3::auth::{Caller, Proof};
use cairn_s3::date::parse_amz_date;
use cairn_s3::operations::Operation;
use cairn_s3::query::Query;
use cairn_types::time::Timestamp;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

/// What is known of a request beside its head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    /// Where it comes from: of the connection, never what a header says.
    pub(crate) peer: IpAddr,
    /// Whether nobody on the way could read it.
    pub(crate) is_secure: bool,
    /// When it is decided.
    pub(crate) now: Timestamp,
}

/// Headers that are keys by their own name, with `s3:` before.
const HEADERS: [&str; 15] = [
    "x-amz-acl",
    "x-amz-bucket-namespace",
    "x-amz-content-sha256",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Headers that are keys by another name.
const RENAMED: [(HeaderName, &str); 4] = [
    (header::IF_MATCH, "s3:if-match"),
    (header::IF_NONE_MATCH, "s3:if-none-match"),
    (header::USER_AGENT, "aws:UserAgent"),
    (header::REFERER, "aws:Referer"),
];

/// The same of object lock.
const LOCK: [(&str, &str); 3] = [
    ("x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    (
        "x-amz-object-lock-retain-until-date",
        "s3:object-lock-retain-until-date",
    ),
];

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The context of a request. What stands in its document is added by those who read it.
///
/// Source: AWS, "Actions, resources, and condition keys for Amazon S3"; "AWS global condition context keys".
pub(super) fn of_request(
    parts: &Parts,
    query: &Query,
    operation: Operation,
    sender: (&Caller, Option<Proof>),
    surroundings: Surroundings,
) -> Context {
    let mut context = Context::new();
    add_surroundings(&mut context, surroundings);
    add_signature(&mut context, query, sender, surroundings.now);
    add_headers(&mut context, &parts.headers, surroundings.now);
    add_query(&mut context, query, operation);
    context
}

fn add_surroundings(context: &mut Context, surroundings: Surroundings) {
    let now = surroundings.now;
    context.add("aws:SourceIp", Value::Address(surroundings.peer));
    context.add("aws:SecureTransport", Value::Flag(surroundings.is_secure));
    context.add("aws:CurrentTime", Value::Time(now));
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    context.add("aws:EpochTime", Value::Number(seconds));
}

fn add_signature(
    context: &mut Context,
    query: &Query,
    (caller, proof): (&Caller, Option<Proof>),
    now: Timestamp,
) {
    let user = match caller {
        Caller::Anonymous => {
            context.add_text("aws:PrincipalType", "Anonymous");
            context.add_text("aws:userid", "anonymous");
            return;
        }
        Caller::Signed(_, identity) | Caller::Presigned(_, identity) => identity,
    };
    context.add_text("aws:PrincipalType", "Account");
    context.add_text("aws:userid", user.id.as_str());
    context.add_text("aws:username", &user.display_name);
    if let Some(proof) = proof {
        context.add_text("s3:authType", proof.place.name());
        context.add_text("s3:signatureversion", proof.version.name());
    }
    if let Some(signed) = query.get("X-Amz-Date").and_then(parse_amz_date) {
        let age = now.as_millis().saturating_sub(signed.as_millis());
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        context.add("s3:signatureAge", Value::Number(age));
    }
}

fn add_headers(context: &mut Context, headers: &HeaderMap, now: Timestamp) {
    for name in HEADERS {
        if let Some(text) = text(headers, name) {
            context.add_text(&format!("s3:{name}"), text);
        }
    }
    for (name, key) in RENAMED {
        if let Some(text) = text(headers, name.as_str()) {
            context.add_text(key, text);
        }
    }
    for (name, key) in LOCK {
        if let Some(text) = text(headers, name) {
            context.add_text(key, text);
        }
    }
    if let Some(until) = text(headers, "x-amz-object-lock-retain-until-date")
        && let Some(until) = cairn_s3::date::parse_iso8601(until)
    {
        let days = until.as_millis().saturating_sub(now.as_millis()) / DAY_MS;
        let days = i64::try_from(days).unwrap_or(i64::MAX);
        context.add(
            "s3:object-lock-remaining-retention-days",
            Value::Number(days),
        );
    }
    if let Some(source) = text(headers, "x-amz-copy-source") {
        // One that cannot be read is refused as a source before anything is copied.
        let path = cairn_s3::input::copy_source_path(source);
        context.add_text("s3:x-amz-copy-source", path.as_deref().unwrap_or(source));
    }
    if let Some(tags) = text(headers, "x-amz-tagging")
        && let Ok(tags) = Query::parse(Some(tags))
    {
        add_tags(context, tags.iter());
    }
}

/// Tags that a request wants to give.
pub(crate) fn add_tags<'a>(context: &mut Context, tags: impl Iterator<Item = (&'a str, &'a str)>) {
    for (key, value) in tags {
        context.add_text(&format!("s3:RequestObjectTag/{key}"), value);
        context.add_text("s3:RequestObjectTagKeys", key);
    }
}

fn add_query(context: &mut Context, query: &Query, operation: Operation) {
    let is_listing = matches!(
        operation,
        Operation::ListObjects | Operation::ListObjectsV2 | Operation::ListObjectVersions
    );
    if is_listing {
        for (parameter, key) in [("prefix", "s3:prefix"), ("delimiter", "s3:delimiter")] {
            if let Some(text) = query.get(parameter) {
                context.add_text(key, text);
            }
        }
        if let Some(text) = query.get("max-keys") {
            context.add_text("s3:max-keys", text);
        }
    }
    if let Some(version) = query.get_nonempty("versionId") {
        context.add_text("s3:VersionId", version);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cairn_iam::{AccessKey, CanonicalId, Identity};
    use cairn_s3::auth::{ProofPlace, SignatureVersion};
    use cairn_s3::route::Addressing;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const ANONYMOUS: Sender = (Caller::Anonymous, None);

    type Sender = (Caller, Option<Proof>);

    fn by_header() -> Sender {
        signed(ProofPlace::Header, SignatureVersion::Four)
    }

    fn context(sender: &Sender, target: &str, headers: &[(&str, &str)]) -> Context {
        let method = if target.contains("list") {
            "GET"
        } else {
            "PUT"
        };
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let route = Addressing::default().route(&parts).unwrap();
        let surroundings = Surroundings {
            peer: IpAddr::from([192, 0, 2, 7]),
            is_secure: false,
            now: NOW,
        };
        let (caller, proof) = sender;
        let sender = (caller, *proof);
        of_request(&parts, &route.query, route.operation, sender, surroundings)
    }

    fn signed(place: ProofPlace, version: SignatureVersion) -> Sender {
        let key = AccessKey::parse("key").unwrap();
        let identity = Arc::new(Identity {
            id: CanonicalId::parse("testid").unwrap(),
            display_name: "tester".to_owned(),
            is_root: false,
        });
        let proof = Some(Proof { place, version });
        match place {
            ProofPlace::Query => (Caller::Presigned(key, identity), proof),
            _ => (Caller::Signed(key, identity), proof),
        }
    }

    fn text(context: &Context, key: &str) -> Option<String> {
        match context.get(key) {
            [] => None,
            [Value::Text(text)] => Some(text.clone()),
            other => panic!("{key}: {other:?}"),
        }
    }

    #[test]
    fn a_request_says_where_it_comes_from_and_how_it_was_signed() {
        let anonymous = context(&ANONYMOUS, "/bucket/key", &[]);
        let address = Value::Address(IpAddr::from([192, 0, 2, 7]));
        assert_eq!(anonymous.get("aws:SourceIp"), [address]);
        assert_eq!(anonymous.get("aws:SecureTransport"), [Value::Flag(false)]);
        assert_eq!(anonymous.get("aws:CurrentTime"), [Value::Time(NOW)]);
        assert_eq!(text(&anonymous, "s3:authType"), None);
        let userid = text(&anonymous, "aws:userid");
        assert_eq!(userid.as_deref(), Some("anonymous"));

        for (place, kind) in [
            (ProofPlace::Header, "REST-HEADER"),
            (ProofPlace::Form, "POST"),
        ] {
            let sent = signed(place, SignatureVersion::Four);
            let context = context(&sent, "/bucket/key", &[]);
            assert_eq!(text(&context, "s3:authType").as_deref(), Some(kind));
            let version = text(&context, "s3:signatureversion");
            assert_eq!(version.as_deref(), Some("AWS4-HMAC-SHA256"));
        }
        let old = signed(ProofPlace::Header, SignatureVersion::Two);
        let old = context(&old, "/bucket/key", &[]);
        assert_eq!(text(&old, "s3:signatureversion").as_deref(), Some("AWS"));

        let target = "/bucket/key?X-Amz-Signature=s&X-Amz-Date=20270115T075900Z";
        let by_query = signed(ProofPlace::Query, SignatureVersion::Four);
        let by_query = context(&by_query, target, &[]);
        let kind = text(&by_query, "s3:authType");
        assert_eq!(kind.as_deref(), Some("REST-QUERY-STRING"));
        assert_eq!(by_query.get("s3:signatureAge"), [Value::Number(60_000)]);
    }

    #[test]
    fn headers_of_a_write_are_keys_of_their_own() {
        let headers = [
            ("x-amz-acl", "public-read"),
            ("x-amz-grant-read", "id=1"),
            ("x-amz-copy-source", "/source/a%2Fb?versionId=null"),
            ("x-amz-metadata-directive", "COPY"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-tagging", "team=red&level=1%202"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("referer", "http://example.com/"),
            ("if-none-match", "*"),
        ];
        let context = context(&by_header(), "/bucket/key", &headers);
        for (key, value) in [
            ("s3:x-amz-acl", "public-read"),
            ("s3:x-amz-grant-read", "id=1"),
            ("s3:x-amz-copy-source", "source/a/b"),
            ("s3:x-amz-metadata-directive", "COPY"),
            ("s3:x-amz-server-side-encryption", "AES256"),
            ("s3:RequestObjectTag/team", "red"),
            ("s3:RequestObjectTag/level", "1 2"),
            ("s3:object-lock-mode", "GOVERNANCE"),
            ("aws:Referer", "http://example.com/"),
            ("s3:if-none-match", "*"),
        ] {
            assert_eq!(text(&context, key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(context.get("s3:RequestObjectTagKeys").len(), 2);
        assert!(context.get("s3:prefix").is_empty());
    }

    #[test]
    fn only_listings_have_the_keys_of_listings() {
        let query = "list-type=2&prefix=a&delimiter=/&max-keys=7";
        let listing = context(&ANONYMOUS, &format!("/bucket?{query}"), &[]);
        for (key, value) in [
            ("s3:prefix", "a"),
            ("s3:delimiter", "/"),
            ("s3:max-keys", "7"),
        ] {
            assert_eq!(text(&listing, key).as_deref(), Some(value), "{key}");
        }
        let other = context(&ANONYMOUS, "/bucket/key?prefix=a&versionId=null", &[]);
        assert_eq!(text(&other, "s3:prefix"), None);
        assert_eq!(text(&other, "s3:VersionId").as_deref(), Some("null"));
    }
}
