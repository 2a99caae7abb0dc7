//! Every operation that is built, and the errors that S3 documents for it: code, status and message, all three of which clients
//! match on.
//!
//! Source: AWS, "Error responses" and the pages of the operations in the "Amazon S3 API Reference".

mod buckets;
mod listings;
mod objects;
mod settings;
mod uploads;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

/// A request that is refused, and how.
struct Refused {
    operation: &'static str,
    request: Request,
    status: u16,
    code: &'static str,
    message: &'static str,
}

/// What is refused of one operation.
struct Of(&'static str);

impl Of {
    fn with(
        &self,
        request: Request,
        status: u16,
        code: &'static str,
        message: &'static str,
    ) -> Refused {
        Refused {
            operation: self.0,
            request,
            status,
            code,
            message,
        }
    }

    fn no_such_bucket(&self, request: Request) -> Refused {
        let message = "The specified bucket does not exist";
        self.with(request, 404, "NoSuchBucket", message)
    }

    fn no_such_key(&self, request: Request) -> Refused {
        self.with(request, 404, "NoSuchKey", NO_SUCH_KEY)
    }

    fn malformed(&self, request: Request) -> Refused {
        self.with(request, 400, "MalformedXML", MALFORMED)
    }

    fn invalid(&self, request: Request, message: &'static str) -> Refused {
        self.with(request, 400, "InvalidArgument", message)
    }
}

const NO_SUCH_KEY: &str = "The specified key does not exist.";
const NO_SUCH_VERSION: &str = "The specified version does not exist.";
const NO_SUCH_UPLOAD: &str = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                              aborted or completed.";
const MALFORMED: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";
const INVALID_VERSION: &str = "Invalid version id specified";

/// An id of the form that versions have, of none that there is.
fn absent_version() -> String {
    "0".repeat(32)
}

fn of_bucket(method: &'static str, bucket: &str, parameter: &str) -> Request {
    let request = Request::new(method, format!("/{bucket}"));
    if parameter.is_empty() {
        request
    } else {
        request.query(parameter, "")
    }
}

fn of_key(method: &'static str, bucket: &Bucket, key: &str, parameter: &str) -> Request {
    let request = Request::key(method, bucket.name(), key);
    if parameter.is_empty() {
        request
    } else {
        request.query(parameter, "")
    }
}

/// Sends each and compares all of the answer that a client may look at.
fn check(rows: Vec<Refused>) {
    assert!(!rows.is_empty());
    let mut wrong = Vec::new();
    for row in rows {
        let name = format!(
            "{}: {} {}",
            row.operation,
            row.request.method,
            row.request.target()
        );
        let is_silent = row.request.method == "HEAD";
        let answer = endpoint().exchange(row.request);
        let text = |element| xml::text(&answer.body, element).unwrap_or_default();
        let found = (answer.status, text("Code"), text("Message"));
        let expected = if is_silent {
            (row.status, String::new(), String::new())
        } else {
            (row.status, row.code.to_owned(), row.message.to_owned())
        };
        if found != expected {
            wrong.push(format!(
                "{name}\n  found    {found:?}\n  expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_operation_that_is_built_is_left_out() {
    let bucket = Bucket::create_blocking();
    let rows = buckets::rows(&bucket)
        .into_iter()
        .chain(listings::rows(&bucket))
        .chain(objects::rows(&bucket))
        .chain(settings::rows(&bucket))
        .chain(uploads::rows(&bucket));
    let tested: BTreeSet<&str> = rows.map(|row| row.operation).collect();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).expect("the README is there");
    let built: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" | yes |"))
        .filter_map(|line| line.split(" | ").next())
        .collect();
    assert!(built.len() > 50, "{built:?}");
    assert_eq!(tested, built);
}

#[test]
fn of_buckets() {
    let bucket = Bucket::create_blocking();
    check(buckets::rows(&bucket));
}

#[test]
fn of_listings() {
    let bucket = Bucket::create_blocking();
    check(listings::rows(&bucket));
}

#[test]
fn of_objects() {
    let bucket = Bucket::create_blocking();
    check(objects::rows(&bucket));
}

#[test]
fn of_settings_of_buckets() {
    let bucket = Bucket::create_blocking();
    check(settings::rows(&bucket));
}

#[test]
fn of_uploads() {
    let bucket = Bucket::create_blocking();
    check(uploads::rows(&bucket));
}

#[test]
fn who_does_not_sign_is_denied_each_operation() {
    let bucket = Bucket::create_blocking();
    let mut wrong = Vec::new();
    for row in buckets::rows(&bucket)
        .into_iter()
        .chain(listings::rows(&bucket))
        .chain(objects::rows(&bucket))
        .chain(settings::rows(&bucket))
        .chain(uploads::rows(&bucket))
    {
        // Browsers do not sign the one, and a form's fields sign the other.
        if matches!(
            row.operation,
            "OptionsBucket" | "OptionsObject" | "PostObject"
        ) || !row.request.target().contains(bucket.name())
        {
            continue;
        }
        let name = format!("{}: {}", row.operation, row.request.target());
        let len = row.request.body.len().to_string();
        let request = row.request.host(&endpoint().host);
        let request = request.header("content-length", len);
        let answer = endpoint().connect().exchange(&request);
        // What cannot be understood is told before who asks is known to be nobody.
        if answer.status != 403 && answer.status != row.status {
            wrong.push(format!("{name}: {}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
