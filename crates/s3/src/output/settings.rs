//! Answers about what a bucket was told to be.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{document, empty, set_content_type};
use crate::xml::writer::XmlWriter;

/// The answer to a question for a document, which is kept as it was written.
pub fn setting(text: Bytes) -> Response<Bytes> {
    let mut response = Response::new(text);
    set_content_type(response.headers_mut());
    response
}

/// The answer of `GetBucketPolicy`: the policy, byte for byte as it was put.
pub fn bucket_policy(text: Bytes) -> Response<Bytes> {
    let mut response = Response::new(text);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The answer of `GetBucketPolicyStatus`.
pub fn policy_status(is_public: bool) -> Response<Bytes> {
    let mut xml = XmlWriter::document();
    xml.open_root("PolicyStatus");
    xml.value("IsPublic", &is_public);
    xml.close("PolicyStatus");
    document(xml)
}

/// The answer to what removes something of a bucket, and to what sets its policy or its tags.
pub fn setting_taken() -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(response: &Response<Bytes>) -> (u16, Option<&str>, &str) {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| kind.to_str().unwrap());
        let body = std::str::from_utf8(response.body()).unwrap();
        (response.status().as_u16(), kind, body)
    }

    #[test]
    fn documents_and_policies_are_told_as_they_were_kept() {
        let xml = setting(Bytes::from_static(b"<A/>"));
        assert_eq!(told(&xml), (200, Some("application/xml"), "<A/>"));
        let json = bucket_policy(Bytes::from_static(b" {}\n"));
        assert_eq!(told(&json), (200, Some("application/json"), " {}\n"));
        assert_eq!(told(&setting_taken()), (204, None, ""));
    }

    #[test]
    fn a_policy_is_public_or_not_in_words_that_clients_read() {
        for (is_public, word) in [(true, "true"), (false, "false")] {
            let response = policy_status(is_public);
            let (status, _, body) = told(&response);
            assert_eq!(status, 200);
            let inner = format!(
                "<PolicyStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsPublic>{word}</IsPublic></PolicyStatus>"
            );
            assert!(body.ends_with(&inner), "{body}");
        }
    }
}
