//! Of lists of keys, versions and uploads.

use cairn_conformance::{Bucket, fresh_name};
use cairn_dev_tests::request::Request;

use super::{INVALID_VERSION, Of, Refused, of_bucket};

const INVALID_ENCODING: &str = "Invalid Encoding Method specified in Request";

pub(super) fn rows(bucket: &Bucket) -> Vec<Refused> {
    let absent = fresh_name();
    let mut rows = Vec::new();
    for (operation, parameter, limit) in [
        (
            "ListObjects",
            "",
            "Provided max-keys not an integer or within integer range",
        ),
        (
            "ListObjectVersions",
            "versions",
            "Provided max-keys not an integer or within integer range",
        ),
        (
            "ListMultipartUploads",
            "uploads",
            "Provided max-uploads not an integer or within integer range",
        ),
    ] {
        let of = Of(operation);
        let ask = || of_bucket("GET", bucket.name(), parameter);
        let limited = if operation == "ListMultipartUploads" {
            "max-uploads"
        } else {
            "max-keys"
        };
        rows.push(of.no_such_bucket(of_bucket("GET", &absent, parameter)));
        rows.push(of.invalid(ask().query("encoding-type", "nonsense"), INVALID_ENCODING));
        for bad in ["nonsense", "-1", "99999999999"] {
            rows.push(of.invalid(ask().query(limited, bad), limit));
        }
    }
    rows.extend(of_second_version(bucket, &absent));
    let versions = Of("ListObjectVersions");
    let ask = || of_bucket("GET", bucket.name(), "versions");
    rows.extend([
        versions.invalid(
            ask().query("version-id-marker", "nonsense"),
            "A version-id marker cannot be specified without a key marker.",
        ),
        versions.invalid(
            ask()
                .query("key-marker", "a")
                .query("version-id-marker", "nonsense"),
            INVALID_VERSION,
        ),
        Of("ListObjects").invalid(
            Request::new("GET", format!("/{}", bucket.name())).query("list-type", "1"),
            "Invalid List Type Specified in Request",
        ),
        Of("ListMultipartUploads").invalid(
            of_bucket("GET", bucket.name(), "uploads")
                .query("key-marker", "a")
                .query("upload-id-marker", "nonsense"),
            "Invalid uploadId marker",
        ),
    ]);
    rows
}

fn of_second_version(bucket: &Bucket, absent: &str) -> Vec<Refused> {
    let of = Of("ListObjectsV2");
    let list = |name: &str| Request::new("GET", format!("/{name}")).query("list-type", "2");
    let ask = || list(bucket.name());
    let token = "The continuation token provided is incorrect";
    vec![
        of.no_such_bucket(list(absent)),
        of.invalid(ask().query("encoding-type", "nonsense"), INVALID_ENCODING),
        of.invalid(
            ask().query("max-keys", "nonsense"),
            "Provided max-keys not an integer or within integer range",
        ),
        of.invalid(ask().query("continuation-token", "nonsense"), token),
        of.invalid(ask().query("continuation-token", ""), token),
    ]
}
