//! Answers about settings of buckets and objects: documents that `xml` writes, and that they were changed.

use bytes::Bytes;
use cairn_types::lock::ObjectLock;
use cairn_types::version::NamedVersion;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::versions::set_version;
use super::{empty, set, set_content_type};
use crate::date::format_iso8601;
use crate::xml::lock::{hold_name, mode_name};
use crate::xml::writer::XmlWriter;

const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const LOCK_MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const LOCK_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const LOCK_HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");

/// A 200 with a whole document: of a setting as it was stored, or as a writer of `xml` has made it.
pub fn setting(document: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(document.into());
    set_content_type(response.headers_mut());
    response
}

/// The answer to what sets something of an object.
pub fn object_configured() -> Response<Bytes> {
    empty(StatusCode::OK)
}

/// The answer to what takes a setting away, of a bucket or an object.
pub fn setting_removed() -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT)
}

/// The same answer, saying which version it is about; `None`: its bucket never kept versions, and clients do not expect one.
#[must_use]
pub fn of_version(mut response: Response<Bytes>, version: Option<NamedVersion>) -> Response<Bytes> {
    if let Some(version) = version {
        set_version(response.headers_mut(), version);
    }
    response
}

/// The answer of `GetBucketPolicy`: the text as it was put.
pub fn bucket_policy(text: Bytes) -> Response<Bytes> {
    let mut response = Response::new(text);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The answer of `PutBucketPolicy`.
pub fn bucket_policy_stored() -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT)
}

/// The answer of `PutBucketTagging`.
pub fn bucket_tags_stored() -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT)
}

/// The answer of `GetBucketPolicyStatus`.
pub fn bucket_policy_status(is_public: bool) -> Response<Bytes> {
    let mut xml = XmlWriter::document();
    xml.open_root("PolicyStatus");
    xml.value("IsPublic", &is_public);
    xml.close("PolicyStatus");
    setting(xml.finish())
}

/// The answer to a preflight request, with the headers that `cors::preflight` made.
pub fn preflight(headers: HeaderMap) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    *response.headers_mut() = headers;
    response
}

/// Says how many tags an object has, if any: for readers who may see the tags.
pub fn set_tagging_count(headers: &mut HeaderMap, count: usize) {
    if count > 0 {
        headers.insert(TAGGING_COUNT, HeaderValue::from(count));
    }
}

/// Says until when an object is retained: for readers who may see that.
pub fn set_retention(headers: &mut HeaderMap, lock: &ObjectLock) {
    if let Some(retention) = lock.retention {
        set(headers, LOCK_MODE, mode_name(retention.mode));
        set(headers, LOCK_UNTIL, &format_iso8601(retention.until));
    }
}

/// Says whether an object is held: for readers who may see that.
pub fn set_legal_hold(headers: &mut HeaderMap, lock: &ObjectLock) {
    if let Some(hold) = lock.legal_hold {
        set(headers, LOCK_HOLD, hold_name(hold));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cors::{CorsMethod, Pattern, Rule, Rules};
    use cairn_types::lock::{LegalHold, Retention, RetentionMode};
    use cairn_types::time::Timestamp;

    #[test]
    fn settings_are_answered_as_they_were_stored() {
        let response = setting("<a/>");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/xml");
        assert_eq!(response.body().as_ref(), b"<a/>");
        let policy = bucket_policy(Bytes::from_static(b" {} "));
        assert_eq!(policy.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(policy.body().as_ref(), b" {} ");
        assert_eq!(bucket_policy_stored().status(), 204);
        assert_eq!(bucket_tags_stored().status(), 204);
        assert_eq!(setting_removed().status(), 204);
        assert_eq!(object_configured().status(), 200);
        let status = bucket_policy_status(true);
        let text = String::from_utf8_lossy(status.body()).into_owned();
        assert!(
            text.ends_with("><IsPublic>true</IsPublic></PolicyStatus>"),
            "{text}"
        );
    }

    #[test]
    fn an_answer_names_its_version_where_there_is_one() {
        let named = of_version(setting_removed(), NamedVersion::parse("null").ok());
        assert_eq!(named.headers()["x-amz-version-id"], "null");
        let unnamed = of_version(setting_removed(), None);
        assert!(unnamed.headers().is_empty());
    }

    #[test]
    fn an_object_tells_how_many_tags_it_has_and_how_it_is_locked() {
        let mut headers = HeaderMap::new();
        set_tagging_count(&mut headers, 0);
        set_retention(&mut headers, &ObjectLock::default());
        set_legal_hold(&mut headers, &ObjectLock::default());
        assert!(headers.is_empty());
        let lock = ObjectLock {
            retention: Some(Retention {
                mode: RetentionMode::Compliance,
                until: Timestamp::from_millis(1_893_456_000_000),
            }),
            legal_hold: Some(LegalHold::Off),
        };
        set_tagging_count(&mut headers, 2);
        set_retention(&mut headers, &lock);
        set_legal_hold(&mut headers, &lock);
        for (name, value) in [
            (TAGGING_COUNT, "2"),
            (LOCK_MODE, "COMPLIANCE"),
            (LOCK_UNTIL, "2030-01-01T00:00:00.000Z"),
            (LOCK_HOLD, "OFF"),
        ] {
            assert_eq!(headers[&name], value, "{name}");
        }
    }

    #[test]
    fn a_preflight_answer_is_headers_alone() {
        let any = Pattern::new("*".to_owned()).unwrap();
        let rules = Rules::new(vec![Rule {
            id: None,
            allowed_headers: Vec::new(),
            allowed_methods: vec![CorsMethod::Get],
            allowed_origins: vec![any],
            expose_headers: Vec::new(),
            max_age_seconds: None,
        }]);
        let headers = rules.unwrap().preflight("http://a", CorsMethod::Get, &[]);
        let response = preflight(headers.unwrap());
        assert_eq!(response.status(), 200);
        assert!(response.body().is_empty());
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}
