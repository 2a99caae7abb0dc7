//! What requests may ask for that is not built: refused before anything is done, never passed over.
//!
//! Some of it would be harmless to ignore today. A client that asked for encryption or a lock and was answered 200 would
//! believe that it has them.

use cairn_types::checksum::ChecksumAlgorithm;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::checksum;
use crate::code::Code;
use crate::error::S3Error;
use crate::query::Query;

/// When a header asks for something that is not built.
#[derive(Debug, Clone, Copy)]
enum When {
    /// Always.
    Present,
    /// Unless it has one of these values, which ask for what is so anyway.
    Unless(&'static [&'static str]),
}

/// A header, or with `*` at the end all headers that begin so.
const HEADERS: &[(&str, When)] = &[
    ("x-amz-bucket-namespace", When::Unless(&["global"])),
    ("x-amz-checksum-md5", When::Present),
    ("x-amz-checksum-sha512", When::Present),
    ("x-amz-checksum-xxhash*", When::Present),
    ("x-amz-copy-source-server-side-encryption-*", When::Present),
    ("x-amz-if-match-initiated-time", When::Present),
    ("x-amz-mfa", When::Present),
    ("x-amz-rename-source*", When::Present),
    ("x-amz-server-side-encryption*", When::Present),
    ("x-amz-storage-class", When::Unless(&["STANDARD", ""])),
    ("x-amz-write-offset-bytes", When::Present),
];

/// Storage classes that S3 has: others are mistakes.
const STORAGE_CLASSES: [&str; 11] = [
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
    "FSX_ONTAP",
    "FSX_OPENZFS",
    "GLACIER",
    "GLACIER_IR",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "OUTPOSTS",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
];

/// Parameters that are no headers: the six of a presigned request, what else its signature may be of, and what SDKs say of
/// a checksum that they presigned.
const PARAMETERS: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Refuses a request that asks for something that is not built, beyond what its operation is.
///
/// # Errors
/// `NotImplemented` naming the header or parameter, `InvalidArgument` or `InvalidStorageClass` for values that S3 does
/// not know either.
pub fn refuse(parts: &Parts, query: &Query) -> Result<(), S3Error> {
    for (name, value) in &parts.headers {
        let name = name.as_str();
        if !name.starts_with("x-amz-") {
            continue;
        }
        for (asked, when) in HEADERS {
            if matches(asked, name) {
                check(name, value.to_str().unwrap_or("?").trim(), *when)?;
            }
        }
    }
    refuse_delete_conditions(parts)?;
    refuse_upload_conditions(&parts.headers, query)
}

/// Moves the parameters of a presigned request that stand for headers into its headers: SDKs presign so, and S3 reads
/// them so, in letters of either case. Call it once the signature is verified, and before `refuse`.
///
/// Those of the signature stay where they are, and so do values of checksums: SDKs presign those of an empty body.
///
/// # Errors
/// `InvalidArgument` for what cannot be a header, `NotImplemented` for a source to copy from: what a request is, is decided
/// by its headers before.
pub fn hoist_headers(parts: &mut Parts, query: &Query) -> Result<(), S3Error> {
    for (name, value) in query.iter() {
        let lower = name.to_ascii_lowercase();
        if !lower.starts_with("x-amz-") || stays_parameter(&lower) {
            continue;
        }
        if lower == "x-amz-copy-source" && !parts.headers.contains_key(&lower) {
            return Err(S3Error::unbuilt_parameter(name));
        }
        let header = http::HeaderName::from_bytes(lower.as_bytes());
        let text = http::HeaderValue::from_bytes(value.as_bytes());
        let (Ok(header), Ok(text)) = (header, text) else {
            return Err(S3Error::invalid_argument(
                "Query",
                name,
                "A parameter that stands for a header is none",
            ));
        };
        if !parts.headers.contains_key(&header) {
            parts.headers.append(header, text);
        }
    }
    Ok(())
}

/// Whether a parameter beginning with `x-amz-` is of the signature, or the value of a checksum that is built.
fn stays_parameter(lower: &str) -> bool {
    let mut values = ChecksumAlgorithm::ALL
        .into_iter()
        .map(checksum::header_name);
    PARAMETERS.contains(&lower) || values.any(|value| value == lower)
}

/// Conditions on length and time are of deletions: on anything else they would be passed over.
fn refuse_delete_conditions(parts: &Parts) -> Result<(), S3Error> {
    for name in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"] {
        if parts.method != Method::DELETE && parts.headers.contains_key(name) {
            return Err(S3Error::unbuilt_header(name));
        }
    }
    Ok(())
}

/// Conditions are of the object: on anything else in an upload they would be passed over.
fn refuse_upload_conditions(headers: &HeaderMap, query: &Query) -> Result<(), S3Error> {
    let is_part = query.contains("partNumber") && query.contains("uploadId");
    let is_creation = query.contains("uploads");
    for name in ["if-match", "if-none-match"] {
        if (is_part || is_creation) && headers.contains_key(name) {
            return Err(S3Error::unbuilt_header(name));
        }
    }
    Ok(())
}

fn matches(asked: &str, name: &str) -> bool {
    match asked.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == asked,
    }
}

fn check(name: &str, value: &str, when: When) -> Result<(), S3Error> {
    match when {
        When::Unless(allowed) if allowed.contains(&value) => Ok(()),
        When::Unless(_) if name == "x-amz-storage-class" && !STORAGE_CLASSES.contains(&value) => {
            Err(S3Error::new(Code::InvalidStorageClass).detail("StorageClassRequested", value))
        }
        When::Present | When::Unless(_) => Err(S3Error::unbuilt_header(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)], target: &str) -> (Parts, Query) {
        let mut request = http::Request::put(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let query = Query::parse(parts.uri.query()).unwrap();
        (parts, query)
    }

    fn verdict(headers: &[(&str, &str)], target: &str) -> Result<(), Code> {
        let (parts, query) = parts(headers, target);
        refuse(&parts, &query).map_err(|error| error.code())
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (name, value) in [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "k"),
            ("x-amz-copy-source-server-side-encryption-customer-key", "k"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-checksum-xxhash64", "x"),
            ("x-amz-write-offset-bytes", "5"),
            ("x-amz-if-match-size", "5"),
            ("x-amz-if-match-initiated-time", "x"),
        ] {
            let (parts, query) = parts(&[(name, value)], "/b/k");
            let error = refuse(&parts, &query).unwrap_err();
            assert_eq!(error.code(), Code::NotImplemented, "{name}");
            assert_eq!(error.details(), [("Header", name.to_owned())]);
        }
    }

    #[test]
    fn what_is_so_anyway_may_be_asked_for() {
        let harmless = [
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-meta-acl", "x"),
            ("x-amz-checksum-crc32", "x"),
            ("x-amz-checksum-mode", "ENABLED"),
        ];
        assert_eq!(verdict(&harmless, "/b/k?x-id=PutObject"), Ok(()));
    }

    #[test]
    fn strange_values_are_refused() {
        let class = [("x-amz-storage-class", "GOLD")];
        assert_eq!(verdict(&class, "/b/k"), Err(Code::InvalidStorageClass));
        let condition = [("if-match", "x")];
        assert_eq!(verdict(&condition, "/b/k"), Ok(()));
        let part = "/b/k?partNumber=1&uploadId=u";
        assert_eq!(verdict(&condition, part), Err(Code::NotImplemented));
    }

    #[test]
    fn parameters_of_presigned_requests_stand_for_headers() {
        let target = "/b/k?X-Amz-Signature=s&X-Amz-Date=d&x-amz-meta-a=b&x-amz-storage-class=GLACIER&x-amz-checksum-crc32=c\
                      &x-amz-sdk-checksum-algorithm=CRC32&other=1";
        let (mut parts, query) = parts(&[("x-amz-meta-b", "c")], target);
        hoist_headers(&mut parts, &query).unwrap();
        let mut names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["x-amz-meta-a", "x-amz-meta-b", "x-amz-storage-class"]
        );
        assert!(refuse(&parts, &query).is_err());
    }

    #[test]
    fn what_is_not_built_is_refused_in_parameters_of_any_case() {
        for parameter in [
            "X-Amz-Server-Side-Encryption=AES256",
            "x-amz-server-side-encryption=AES256",
            "X-Amz-Storage-Class=GLACIER",
            "X-Amz-Checksum-Xxhash64=x",
            "x-amz-checksum-sha512=x",
            "X-Amz-Copy-Source=%2Fb%2Fother",
        ] {
            let target = format!("/b/k?X-Amz-Signature=s&{parameter}");
            let (mut parts, query) = parts(&[], &target);
            let done = hoist_headers(&mut parts, &query).and_then(|()| refuse(&parts, &query));
            let code = done.map_err(|error| error.code());
            assert_eq!(code, Err(Code::NotImplemented), "{parameter}");
        }
    }

    #[test]
    fn parameters_of_the_signature_and_values_of_checksums_are_no_headers() {
        let target = "/b/k?X-Amz-Algorithm=a&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=1&X-Amz-SignedHeaders=host\
                      &X-Amz-Signature=s&X-Amz-Content-Sha256=u&X-Amz-Security-Token=t&X-Amz-Checksum-Crc32=c\
                      &x-amz-checksum-algorithm=CRC32&X-Amz-Checksum-Type=FULL_OBJECT";
        let (mut parts, query) = parts(&[], target);
        hoist_headers(&mut parts, &query).unwrap();
        let mut names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["x-amz-checksum-algorithm", "x-amz-checksum-type"]);
        assert_eq!(refuse(&parts, &query), Ok(()));
    }
}
