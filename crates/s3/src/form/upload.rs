//! What a form asks for: an object like that of a `PutObject`, and an answer of its own kind.

use bytes::Bytes;
use cairn_types::etag::ETag;
use cairn_types::name::{BucketName, ObjectKey};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::fields::Fields;
use super::tagging::tagging_header;
use crate::code::Code;
use crate::error::S3Error;
use crate::route::parse_key;
use crate::uri::{self, Slash};
use crate::xml::writer::XmlWriter;

/// Fields that sign the form and say nothing of the object.
const SIGNING_FIELDS: [&str; 4] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
];

/// Fields that stand for headers of the same name, besides those of Amazon.
const HEADER_FIELDS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// What a form asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct PostUpload {
    /// The key.
    pub key: ObjectKey,
    /// The headers of a `PutObject` that asks for the same.
    pub headers: HeaderMap,
    /// What it wants to be told.
    pub answer: PostAnswer,
}

/// How a form wants its success answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostAnswer {
    /// By this status: 200, 201 with a document, or 204.
    Status(StatusCode),
    /// By sending the browser to this URL.
    Redirect(String),
}

impl PostUpload {
    /// Reads the fields of a form.
    ///
    /// # Errors
    /// `UserKeyMustBeSpecified`, `KeyTooLongError`, `InvalidURI`, `InvalidToken`, `MalformedXML` for tags,
    /// `InvalidArgument` for a value that can be no header.
    pub fn parse(fields: &Fields) -> Result<Self, S3Error> {
        let key = fields
            .get("key")
            .ok_or_else(|| S3Error::new(Code::UserKeyMustBeSpecified))?;
        if key.is_empty() {
            return Err(S3Error::with_message(
                Code::InvalidArgument,
                "User key must have a length greater than 0.",
            )
            .detail("ArgumentName", "key"));
        }
        if fields.get("x-amz-security-token").is_some() {
            // No session was ever given out.
            return Err(S3Error::new(Code::InvalidToken));
        }
        Ok(Self {
            key: parse_key(key)?,
            headers: headers(fields)?,
            answer: PostAnswer::parse(fields),
        })
    }
}

impl PostAnswer {
    /// A URL that is none, or a status that is not offered, is passed over, as at S3.
    fn parse(fields: &Fields) -> Self {
        let url = fields
            .get("success_action_redirect")
            .or_else(|| fields.get("redirect"));
        let is_url = |url: &&str| {
            let is_web = url.starts_with("http://") || url.starts_with("https://");
            is_web && url.parse::<http::Uri>().is_ok()
        };
        if let Some(url) = url.filter(is_url) {
            return Self::Redirect(url.to_owned());
        }
        Self::Status(match fields.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        })
    }

    /// The answer to a form whose object was stored. `base` is where the service is: `http://host`.
    pub fn stored(
        &self,
        base: &str,
        bucket: &BucketName,
        key: &ObjectKey,
        etag: &ETag,
    ) -> Response<Bytes> {
        let etag = format!("\"{etag}\"");
        let encoded = |text: &str| uri::encode(text, Slash::Encode);
        let location = format!("{base}/{bucket}/{}", encoded(key.as_str()));
        let mut response = Response::new(Bytes::new());
        let place = match self {
            Self::Redirect(url) => {
                *response.status_mut() = StatusCode::SEE_OTHER;
                let joint = if url.contains('?') { '&' } else { '?' };
                format!(
                    "{url}{joint}bucket={bucket}&key={}&etag={}",
                    encoded(key.as_str()),
                    encoded(&etag)
                )
            }
            Self::Status(status) => {
                *response.status_mut() = *status;
                if *status == StatusCode::CREATED {
                    let document = document(&location, bucket, key, &etag);
                    *response.body_mut() = Bytes::from(document);
                    let kind = HeaderValue::from_static("application/xml");
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                }
                location
            }
        };
        let headers = response.headers_mut();
        for (name, text) in [(header::ETAG, etag), (header::LOCATION, place)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// `PostResponse`, which is in no namespace.
fn document(location: &str, bucket: &BucketName, key: &ObjectKey, etag: &str) -> String {
    let mut xml = XmlWriter::document();
    xml.open("PostResponse");
    xml.text("Location", location);
    xml.text("Bucket", bucket.as_str());
    xml.text("Key", key.as_str());
    xml.text("ETag", etag);
    xml.close("PostResponse");
    xml.finish()
}

fn headers(fields: &Fields) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let (header, value) = match name {
            "acl" => ("x-amz-acl", value.to_owned()),
            "tagging" => ("x-amz-tagging", tagging_header(value)?),
            name if SIGNING_FIELDS.contains(&name) => continue,
            name if name.starts_with("x-amz-") || HEADER_FIELDS.contains(&name) => {
                (name, value.to_owned())
            }
            _ => continue,
        };
        let header_name = HeaderName::from_bytes(header.as_bytes());
        let header_value = HeaderValue::from_bytes(value.trim().as_bytes());
        let (Ok(header_name), Ok(header_value)) = (header_name, header_value) else {
            return Err(S3Error::invalid_argument(
                "Field",
                name,
                "A field that stands for a header cannot be one",
            ));
        };
        headers.insert(header_name, header_value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.push(name, (*value).to_owned());
        }
        fields
    }

    #[test]
    fn fields_become_the_headers_of_a_put() {
        let upload = PostUpload::parse(&fields(&[
            ("key", "a/b"),
            ("acl", "public-read"),
            ("Content-Type", "text/plain"),
            ("x-amz-meta-Name", "Zoë"),
            ("X-Amz-Credential", "c"),
            ("x-ignore-this", "i"),
            ("submit", "Upload"),
            (
                "tagging",
                "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
            ),
        ]))
        .unwrap();
        assert_eq!(upload.key.as_str(), "a/b");
        assert_eq!(upload.answer, PostAnswer::Status(StatusCode::NO_CONTENT));
        let mut headers: Vec<_> = upload
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                ("content-type", &b"text/plain"[..]),
                ("x-amz-acl", b"public-read"),
                ("x-amz-meta-name", "Zoë".as_bytes()),
                ("x-amz-tagging", b"a=b"),
            ]
        );
    }

    #[test]
    fn a_form_needs_a_key_and_fields_that_can_be_headers() {
        let code = |pairs: &[(&str, &str)]| {
            let parsed = PostUpload::parse(&fields(pairs));
            parsed.map(|_| ()).map_err(|error| error.code())
        };
        assert_eq!(code(&[]), Err(Code::UserKeyMustBeSpecified));
        assert_eq!(code(&[("key", "")]), Err(Code::InvalidArgument));
        let long = "k".repeat(1025);
        assert_eq!(code(&[("key", &long)]), Err(Code::KeyTooLongError));
        let key = ("key", "k");
        assert_eq!(
            code(&[key, ("content-type", "a\r\nb: c")]),
            Err(Code::InvalidArgument)
        );
        assert_eq!(
            code(&[key, ("x-amz-security-token", "t")]),
            Err(Code::InvalidToken)
        );
        assert_eq!(code(&[key, ("tagging", "a=b")]), Err(Code::MalformedXML));
        assert_eq!(code(&[key]), Ok(()));
    }

    fn stored(pairs: &[(&str, &str)]) -> Response<Bytes> {
        let mut fields = fields(pairs);
        fields.push("key", "a b/c".to_owned());
        let upload = PostUpload::parse(&fields).unwrap();
        let bucket = BucketName::parse("bucket").unwrap();
        let etag = ETag::from_md5([0x11; 16]);
        upload
            .answer
            .stored("http://h:1", &bucket, &upload.key, &etag)
    }

    #[test]
    fn success_is_answered_as_it_was_asked_for() {
        let etag = "\"11111111111111111111111111111111\"";
        for (asked, status) in [("200", 200), ("204", 204), ("404", 204), ("", 204)] {
            let answer = stored(&[("success_action_status", asked)]);
            assert_eq!(answer.status(), status, "{asked}");
            assert!(answer.body().is_empty());
            assert_eq!(answer.headers()["etag"], etag);
            assert_eq!(answer.headers()["location"], "http://h:1/bucket/a%20b%2Fc");
        }
        let created = stored(&[("success_action_status", "201")]);
        assert_eq!(created.status(), 201);
        let document = String::from_utf8(created.body().to_vec()).unwrap();
        assert!(
            document.ends_with(
                "<PostResponse><Location>http://h:1/bucket/a%20b%2Fc</Location><Bucket>bucket</Bucket>\
                 <Key>a b/c</Key><ETag>&quot;11111111111111111111111111111111&quot;</ETag></PostResponse>"
            ),
            "{document}"
        );
    }

    #[test]
    fn a_browser_is_sent_where_the_form_says() {
        let place = |url: &str, name: &str| {
            let answer = stored(&[(name, url), ("success_action_status", "200")]);
            let place = answer.headers()["location"].to_str().unwrap().to_owned();
            (answer.status().as_u16(), place)
        };
        let query = "bucket=bucket&key=a%20b%2Fc&etag=%2211111111111111111111111111111111%22";
        assert_eq!(
            place("http://x/y", "success_action_redirect"),
            (303, format!("http://x/y?{query}"))
        );
        assert_eq!(
            place("https://x/y?z=1", "redirect"),
            (303, format!("https://x/y?z=1&{query}"))
        );
        for bad in [
            "javascript:alert(1)",
            "/here",
            "http://a b/",
            "http://x/\r\ny: z",
        ] {
            assert_eq!(place(bad, "redirect").0, 200, "{bad}");
        }
    }
}
