//! What a request says of itself, as conditions of policies see it.

use std::net::IpAddr;

use cairn_iam::context::{Context, Value};
use cairn_s3::auth::Caller;
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
    caller: &Caller,
    surroundings: Surroundings,
) -> Context {
    let mut context = Context::new();
    add_surroundings(&mut context, surroundings);
    add_signature(&mut context, query, caller, surroundings.now);
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

fn add_signature(context: &mut Context, query: &Query, caller: &Caller, now: Timestamp) {
    let (kind, user) = match caller {
        Caller::Anonymous => {
            context.add_text("aws:PrincipalType", "Anonymous");
            context.add_text("aws:userid", "anonymous");
            return;
        }
        Caller::Signed(_, identity) => ("REST-HEADER", identity),
        Caller::Presigned(_, identity) => ("REST-QUERY-STRING", identity),
    };
    context.add_text("aws:PrincipalType", "Account");
    context.add_text("aws:userid", user.id.as_str());
    context.add_text("aws:username", &user.display_name);
    context.add_text("s3:authType", kind);
    let is_new = query.contains("X-Amz-Signature") || kind == "REST-HEADER";
    let version = if is_new { "AWS4-HMAC-SHA256" } else { "AWS" };
    context.add_text("s3:signatureversion", version);
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
