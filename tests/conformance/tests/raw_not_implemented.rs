//! What is not built is refused by name, before a byte of a body is read, and never half done.

use cairn_conformance::{Bucket, endpoint, fresh_name};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

/// Headers that ask for something which would be dangerous to ignore.
const HEADERS: [(&str, &str); 7] = [
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-server-side-encryption", "aws:kms"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ("x-amz-storage-class", "STANDARD_IA"),
    ("x-amz-storage-class", "GLACIER"),
];

const BUCKET_RESOURCES: [&str; 8] = [
    "analytics",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "metrics",
    "notification",
    "replication",
];

const OBJECT_RESOURCES: [&str; 1] = ["torrent"];

/// The verdict over a head alone: the megabyte it declares is never sent.
fn verdict_before_body(request: Request) -> (u16, String) {
    let endpoint = endpoint();
    let request = endpoint.sign(request.unsigned().header("content-length", "1000000"));
    let mut wire = endpoint.connect();
    wire.send(&request.head());
    wire.read_answer(request.method).unwrap().verdict()
}

fn not_implemented() -> (u16, String) {
    (501, "NotImplemented".to_owned())
}

/// Sub-resources that S3 has no operation to remove, or only one of many by its id.
const WITHOUT_DELETE: [&str; 6] = [
    "analytics",
    "intelligent-tiering",
    "inventory",
    "metrics",
    "notification",
    "torrent",
];

/// Sub-resources that S3 has no operation to set, or only one of many by its id.
const WITHOUT_PUT: [&str; 5] = [
    "analytics",
    "intelligent-tiering",
    "inventory",
    "metrics",
    "torrent",
];

/// What S3 has and this store has not is not implemented; what S3 has not either is not allowed.
fn refused(method: &str, resource: &str) -> (u16, String) {
    let is_of_s3 = match method {
        "DELETE" => !WITHOUT_DELETE.contains(&resource),
        "PUT" => !WITHOUT_PUT.contains(&resource),
        _ => true,
    };
    if is_of_s3 {
        not_implemented()
    } else {
        (405, "MethodNotAllowed".to_owned())
    }
}

fn bucket_with_key() -> Bucket {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint().exchange(put).status, 200);
    bucket
}

#[track_caller]
fn assert_untouched(bucket: &Bucket) {
    let get = endpoint().exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.body, b"body");
    let list = endpoint().exchange(Request::new("GET", format!("/{}", bucket.name())));
    assert_eq!(xml::texts(&list.body, "Key"), ["key"]);
}

#[test]
fn headers_that_ask_for_more_are_refused_before_the_body() {
    let bucket = bucket_with_key();
    for (name, value) in HEADERS {
        let put = Request::key("PUT", bucket.name(), "key").header(name, value);
        assert_eq!(
            verdict_before_body(put),
            not_implemented(),
            "{name}: {value}"
        );
    }
    assert_untouched(&bucket);
}

#[test]
fn uploads_and_copies_refuse_the_same_headers() {
    let bucket = bucket_with_key();
    let source = format!("/{}/key", bucket.name());
    for (name, value) in HEADERS {
        let create = Request::key("POST", bucket.name(), "other").query("uploads", "");
        let answer = endpoint().exchange(create.header(name, value));
        assert_eq!(
            answer.verdict(),
            not_implemented(),
            "upload, {name}: {value}"
        );
        let copy = Request::key("PUT", bucket.name(), "other");
        let copy = copy.header("x-amz-copy-source", source.clone());
        let answer = endpoint().exchange(copy.header(name, value));
        assert_eq!(answer.verdict(), not_implemented(), "copy, {name}: {value}");
    }
    assert_untouched(&bucket);
    let uploads = Request::new("GET", format!("/{}", bucket.name())).query("uploads", "");
    let uploads = endpoint().exchange(uploads);
    assert_eq!(xml::texts(&uploads.body, "UploadId"), Vec::<String>::new());
}

#[test]
fn headers_that_ask_for_what_is_anyway_are_taken() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").header("x-amz-storage-class", "STANDARD");
    let answer = endpoint().exchange(put.body("body"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_untouched(&bucket);
}

#[test]
fn buckets_refuse_what_they_cannot_keep() {
    let bucket = format!("/{}", fresh_name());
    let create = Request::new("PUT", bucket.clone());
    let create = create.header("x-amz-bucket-namespace", "account-regional");
    let answer = endpoint().exchange(create);
    assert_eq!(answer.verdict(), not_implemented());
    let head = endpoint().exchange(Request::new("HEAD", bucket));
    assert_eq!(head.status, 404);
}

#[test]
fn sub_resources_of_buckets_are_refused_and_the_bucket_stays() {
    let bucket = bucket_with_key();
    let path = format!("/{}", bucket.name());
    for resource in BUCKET_RESOURCES {
        for method in ["GET", "DELETE"] {
            let answer =
                endpoint().exchange(Request::new(method, path.clone()).query(resource, ""));
            assert_eq!(
                answer.verdict(),
                refused(method, resource),
                "{method} ?{resource}"
            );
        }
        let put = Request::new("PUT", path.clone()).query(resource, "");
        assert_eq!(
            verdict_before_body(put),
            refused("PUT", resource),
            "PUT ?{resource}"
        );
    }
    assert_untouched(&bucket);
}

#[test]
fn sub_resources_of_objects_are_refused_and_the_object_stays() {
    let bucket = bucket_with_key();
    for resource in OBJECT_RESOURCES {
        for method in ["GET", "DELETE"] {
            let request = Request::key(method, bucket.name(), "key").query(resource, "");
            let answer = endpoint().exchange(request);
            assert_eq!(
                answer.verdict(),
                refused(method, resource),
                "{method} ?{resource}"
            );
        }
        let put = Request::key("PUT", bucket.name(), "key").query(resource, "");
        assert_eq!(
            verdict_before_body(put),
            refused("PUT", resource),
            "PUT ?{resource}"
        );
    }
    for (resource, more) in [("restore", None), ("select", Some(("select-type", "2")))] {
        let mut post = Request::key("POST", bucket.name(), "key").query(resource, "");
        if let Some((name, value)) = more {
            post = post.query(name, value);
        }
        assert_eq!(
            verdict_before_body(post),
            not_implemented(),
            "POST ?{resource}"
        );
    }
    assert_untouched(&bucket);
}

#[test]
fn encryption_with_a_clients_key_is_not_ignored_on_reads() {
    let bucket = bucket_with_key();
    for method in ["GET", "HEAD"] {
        let get = Request::key(method, bucket.name(), "key")
            .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
            .header("x-amz-server-side-encryption-customer-key", "A".repeat(44))
            .header(
                "x-amz-server-side-encryption-customer-key-md5",
                "A".repeat(24),
            );
        let answer = endpoint().exchange(get);
        assert!(
            matches!(answer.status, 400 | 501),
            "{method}: {}",
            answer.status
        );
    }
}

#[test]
fn methods_that_s3_does_not_have_for_a_sub_resource_are_not_allowed() {
    let bucket = bucket_with_key();
    for (method, resource) in [
        ("DELETE", "accelerate"),
        ("DELETE", "acl"),
        ("DELETE", "logging"),
        ("DELETE", "policyStatus"),
        ("DELETE", "requestPayment"),
        ("PUT", "policyStatus"),
    ] {
        let request = Request::new(method, format!("/{}", bucket.name())).query(resource, "");
        let verdict = endpoint().exchange(request).verdict();
        assert_eq!(
            verdict,
            (405, "MethodNotAllowed".to_owned()),
            "{method} ?{resource}"
        );
    }
    assert_untouched(&bucket);
}
