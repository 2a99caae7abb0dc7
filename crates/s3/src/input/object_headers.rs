//! The headers that are kept with an object.

use cairn_types::object::ObjectHeaders;
use http::HeaderMap;

use super::request::header_text;
use crate::code::Code;
use crate::error::S3Error;

const USER_PREFIX: &str = "x-amz-meta-";
/// Names and values of user metadata, in bytes.
const USER_LIMIT: usize = 2048;
/// The longest location of a redirect in bytes.
const REDIRECT_LIMIT: usize = 2048;
/// The values of the other headers that are kept, in bytes.
///
/// Source: AWS allows 8 KB for all headers of a PUT.
const SYSTEM_LIMIT: usize = 8192;

/// Takes the headers of an object out of a request's.
///
/// # Errors
/// `MetadataTooLarge`, `RequestHeaderSectionTooLarge`, `InvalidArgument` for a value that is not UTF-8.
pub(super) fn object_headers(headers: &HeaderMap) -> Result<ObjectHeaders, S3Error> {
    let kept = ObjectHeaders {
        content_type: header_text(headers, "content-type")?.filter(|text| !text.is_empty()),
        content_encoding: header_text(headers, "content-encoding")?.and_then(stored_encoding),
        content_language: header_text(headers, "content-language")?,
        content_disposition: header_text(headers, "content-disposition")?,
        cache_control: header_text(headers, "cache-control")?,
        expires: header_text(headers, "expires")?,
        website_redirect: website_redirect(headers)?,
        user: user_metadata(headers)?,
    };
    let system = [
        &kept.content_type,
        &kept.content_encoding,
        &kept.content_language,
        &kept.content_disposition,
        &kept.cache_control,
        &kept.expires,
    ];
    let len: usize = system.into_iter().flatten().map(String::len).sum();
    if len > SYSTEM_LIMIT {
        return Err(S3Error::new(Code::RequestHeaderSectionTooLarge)
            .detail("MaxSizeAllowed", SYSTEM_LIMIT.to_string()));
    }
    Ok(kept)
}

/// Where a web site that the bucket is sends readers of the object.
pub(super) fn website_redirect(headers: &HeaderMap) -> Result<Option<String>, S3Error> {
    let text = header_text(headers, "x-amz-website-redirect-location")?;
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let begins = ["/", "http://", "https://"];
    let is_location = begins.iter().any(|begin| text.starts_with(begin));
    if !is_location || text.len() > REDIRECT_LIMIT {
        return Err(Code::InvalidRedirectLocation.into());
    }
    Ok(Some(text))
}

/// What of `Content-Encoding` belongs to the object: `aws-chunked` belongs to the request.
fn stored_encoding(text: String) -> Option<String> {
    if !text.to_ascii_lowercase().contains("aws-chunked") {
        return Some(text).filter(|text| !text.is_empty());
    }
    let kept: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    Some(kept.join(",")).filter(|text| !text.is_empty())
}

fn user_metadata(headers: &HeaderMap) -> Result<Vec<(String, String)>, S3Error> {
    let mut user: Vec<(String, String)> = Vec::new();
    let mut len = 0;
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(USER_PREFIX) else {
            continue;
        };
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| {
            S3Error::invalid_argument("x-amz-meta", name, "A metadata value is not UTF-8")
        })?;
        let value = value.trim();
        len += value.len();
        if let Some((_, known)) = user.iter_mut().find(|(known, _)| known == name) {
            known.push(',');
            known.push_str(value);
            len += 1;
        } else {
            len += name.len();
            user.push((name.to_owned(), value.to_owned()));
        }
        if len > USER_LIMIT {
            return Err(S3Error::new(Code::MetadataTooLarge)
                .detail("Size", len.to_string())
                .detail("MaxSizeAllowed", USER_LIMIT.to_string()));
        }
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &[u8])]) -> Result<ObjectHeaders, S3Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                http::HeaderValue::from_bytes(value).unwrap(),
            );
        }
        object_headers(&headers)
    }

    #[test]
    fn headers_are_kept_as_they_came() {
        let kept = parse(&[
            ("content-type", b"text/plain; charset=utf-8"),
            ("cache-control", b"no-cache"),
            ("cache-control", b"private"),
            ("expires", b"whenever"),
            ("X-Amz-Meta-Name", "Zoë".as_bytes()),
            ("x-amz-meta-list", b"a"),
            ("x-amz-meta-list", b" b "),
            ("x-amz-date", b"x"),
        ])
        .unwrap();
        assert_eq!(
            kept.content_type.as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(kept.cache_control.as_deref(), Some("no-cache,private"));
        assert_eq!(kept.expires.as_deref(), Some("whenever"));
        assert_eq!(
            kept.user,
            [
                ("name".to_owned(), "Zoë".to_owned()),
                ("list".to_owned(), "a,b".to_owned())
            ]
        );
    }

    #[test]
    fn a_redirect_leads_to_a_path_or_a_web_page() {
        let parse = |value: &str| {
            let kept = parse(&[("x-amz-website-redirect-location", value.as_bytes())]);
            kept.map(|kept| kept.website_redirect)
                .map_err(|error| error.code())
        };
        for location in ["/other", "http://example.com", "https://example.com/x"] {
            assert_eq!(parse(location), Ok(Some(location.to_owned())));
        }
        assert_eq!(parse(""), Ok(None));
        let long = format!("/{}", "a".repeat(REDIRECT_LIMIT));
        for location in ["other", "ftp://example.com", &long] {
            assert_eq!(parse(location), Err(Code::InvalidRedirectLocation));
        }
    }

    #[test]
    fn aws_chunked_is_no_encoding_of_the_object() {
        for (sent, kept) in [
            ("aws-chunked", None),
            ("gzip", Some("gzip")),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, AWS-Chunked , br", Some("gzip,br")),
            ("gzip, br", Some("gzip, br")),
            ("", None),
        ] {
            let headers = parse(&[("content-encoding", sent.as_bytes())]).unwrap();
            assert_eq!(headers.content_encoding.as_deref(), kept, "{sent}");
        }
    }

    #[test]
    fn metadata_has_a_limit_of_2_kib() {
        let fits = vec![b'v'; USER_LIMIT - 1];
        assert!(parse(&[("x-amz-meta-n", &fits)]).is_ok());
        let over = vec![b'v'; USER_LIMIT];
        let error = parse(&[("x-amz-meta-n", &over)]).unwrap_err();
        assert_eq!(error.code(), Code::MetadataTooLarge);
        let long = vec![b'v'; SYSTEM_LIMIT + 1];
        let error = parse(&[("cache-control", &long)]).unwrap_err();
        assert_eq!(error.code(), Code::RequestHeaderSectionTooLarge);
        let error = parse(&[("x-amz-meta-n", b"\xff")]).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}
