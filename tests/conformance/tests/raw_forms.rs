//! Objects that browsers upload by forms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::checksum::Algorithm;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::Moment;
use cairn_dev_tests::wire::Answer;

use crate::samples::{assert_bytes, content};

const BOUNDARY: &str = "----boundary7MA4YWxkTrZu0gW";

/// A form: fields, then the file.
struct Form {
    fields: Vec<(String, String)>,
    filename: &'static str,
    file: Vec<u8>,
}

impl Form {
    fn new(file: impl Into<Vec<u8>>) -> Self {
        Self {
            fields: Vec::new(),
            filename: "name.txt",
            file: file.into(),
        }
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signs a policy of these conditions, valid for ten minutes, by version 4.
    fn signed(self, bucket: &Bucket, conditions: &str) -> Self {
        let moment = Moment::now();
        let signer = &endpoint().signer;
        let (_, credential) = signer.form_signature(moment, "");
        let conditions = format!(
            "{{\"bucket\": \"{}\"}}, {{\"x-amz-credential\": \"{credential}\"}}, \
             {{\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"}}, {{\"x-amz-date\": \"{}\"}}, {conditions}",
            bucket.name(),
            moment.stamp()
        );
        let policy = policy(&conditions, 600);
        let (signature, credential) = signer.form_signature(moment, &policy);
        self.field("policy", &policy)
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field("x-amz-credential", &credential)
            .field("x-amz-date", &moment.stamp())
            .field("x-amz-signature", &signature)
    }

    /// Signs a policy by version 2.
    fn signed_by_version_two(self, policy: &str) -> Self {
        let signer = &endpoint().signer;
        self.field("AWSAccessKeyId", &signer.access_key)
            .field("signature", &signer.version_two(policy))
            .field("policy", policy)
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.filename
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        body
    }

    fn request(&self, bucket: &Bucket) -> Request {
        let body = self.body();
        Request::new("POST", format!("/{}", bucket.name()))
            .header("host", endpoint().host.clone())
            .header(
                "content-type",
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .header("content-length", body.len().to_string())
            .body(body)
    }

    fn post(&self, bucket: &Bucket) -> Answer {
        endpoint().connect().exchange(&self.request(bucket))
    }
}

/// A policy in base64 that ends in so many seconds.
fn policy(conditions: &str, seconds: i64) -> String {
    let stamp = Moment::now().shifted(seconds).stamp();
    let field = |from: usize, len: usize| &stamp[from..from + len];
    let end = format!(
        "{}-{}-{}T{}:{}:{}Z",
        field(0, 4),
        field(4, 2),
        field(6, 2),
        field(9, 2),
        field(11, 2),
        field(13, 2)
    );
    STANDARD.encode(format!(
        "{{\"expiration\": \"{end}\", \"conditions\": [{conditions}]}}"
    ))
}

fn get(bucket: &Bucket, key: &str) -> Answer {
    endpoint().exchange(Request::key("GET", bucket.name(), key))
}

#[track_caller]
fn assert_absent(bucket: &Bucket, key: &str) {
    assert_eq!(get(bucket, key).verdict(), (404, "NoSuchKey".to_owned()));
}

const ANY_KEY: &str = r#"["starts-with", "$key", ""]"#;

#[test]
fn a_signed_form_stores_its_file_with_what_its_fields_say() {
    let bucket = Bucket::create_blocking();
    let conditions = format!(
        r#"{ANY_KEY}, {{"acl": "bucket-owner-full-control"}}, ["starts-with", "$Content-Type", "text/"], ["eq", "$x-amz-meta-color", "red"],
           {{"Cache-Control": "no-cache"}}, ["content-length-range", 1, 100]"#
    );
    let form = Form::new("content")
        .field("KEY", "a/${filename}")
        .field("acl", "bucket-owner-full-control")
        .field("Content-Type", "text/plain")
        .field("x-amz-meta-Color", "red")
        .field("Cache-Control", "no-cache")
        .field("x-ignore-me", "anything");
    let answer = form.signed(&bucket, &conditions).post(&bucket);
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(answer.body.is_empty());
    let stored = get(&bucket, "a/name.txt");
    assert_eq!(stored.body, b"content");
    assert_eq!(stored.header("content-type"), Some("text/plain"));
    assert_eq!(stored.header("x-amz-meta-color"), Some("red"));
    assert_eq!(stored.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("etag"), stored.header("etag"));
    let location = format!("http://{}/{}/a%2Fname.txt", endpoint().host, bucket.name());
    assert_eq!(answer.header("location"), Some(location.as_str()));
}

#[test]
fn files_of_all_sizes_come_out_as_they_went_in() {
    let bucket = Bucket::create_blocking();
    for len in [0, 1, 16_384, 16_385, 1_000_000, 4_194_304, 9_000_001] {
        let bytes = content("form", len);
        let form = Form::new(bytes.clone()).field("key", "key");
        let answer = form.signed(&bucket, ANY_KEY).post(&bucket);
        assert_eq!(answer.status, 204, "{len}: {}", answer.text());
        assert_bytes(&get(&bucket, "key").body, &bytes);
    }
}

#[test]
fn a_form_signed_by_version_two_is_taken() {
    let bucket = Bucket::create_blocking();
    let conditions = format!(
        r#"{{"bUcKeT": "{}"}}, ["StArTs-WiTh", "$KeY", "\\$foo"]"#,
        bucket.name()
    );
    let good = policy(&conditions, 600);
    let form = Form::new("content").field("key", r"\$foo.txt");
    let answer = form.signed_by_version_two(&good).post(&bucket);
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(get(&bucket, r"\$foo.txt").body, b"content");
    let forged = Form::new("content")
        .field("key", r"\$foo.bar")
        .field("AWSAccessKeyId", &endpoint().signer.access_key)
        .field("signature", "bWq2s1WEIj+Ydj0vQ697zp+IXMU=")
        .field("policy", &good);
    let answer = forged.post(&bucket);
    assert_eq!(answer.verdict(), (403, "SignatureDoesNotMatch".to_owned()));
    assert_absent(&bucket, r"\$foo.bar");
    let expired = policy(&conditions, -600);
    let form = Form::new("content").field("key", r"\$foo.bar");
    let answer = form.signed_by_version_two(&expired).post(&bucket);
    assert_eq!(answer.verdict(), (403, "AccessDenied".to_owned()));
    assert!(
        answer
            .text()
            .contains("Invalid according to Policy: Policy expired.")
    );
}

#[test]
fn success_is_answered_as_the_form_asks() {
    let bucket = Bucket::create_blocking();
    let post = |name: &str, value: &str| {
        let conditions = format!(r#"{ANY_KEY}, {{"{name}": "{value}"}}"#);
        let form = Form::new("content").field("key", "a b").field(name, value);
        form.signed(&bucket, &conditions).post(&bucket)
    };
    for (asked, status) in [("200", 200), ("204", 204), ("404", 204)] {
        assert_eq!(post("success_action_status", asked).status, status);
    }
    let created = post("success_action_status", "201");
    assert_eq!(created.status, 201);
    let document = created.text();
    let bucket_element = format!("<Bucket>{}</Bucket><Key>a b</Key>", bucket.name());
    assert!(document.contains(&bucket_element), "{document}");
    let redirected = post("success_action_redirect", "http://here.test/done?x=1");
    assert_eq!(redirected.status, 303);
    let etag = redirected.header("etag").unwrap().trim_matches('"');
    let place = format!(
        "http://here.test/done?x=1&bucket={}&key=a%20b&etag=%22{etag}%22",
        bucket.name()
    );
    assert_eq!(redirected.header("location"), Some(place.as_str()));
}

#[test]
fn what_a_policy_does_not_allow_is_not_stored() {
    let bucket = Bucket::create_blocking();
    let form = || Form::new("content").field("key", "key");
    let narrow = |range: &str| format!(r#"{ANY_KEY}, ["content-length-range", {range}]"#);
    let key = r#"{"key": "other"}"#;
    for (form, status, code) in [
        (form().signed(&bucket, key), 403, "AccessDenied"),
        (
            form().field("acl", "private").signed(&bucket, ANY_KEY),
            403,
            "AccessDenied",
        ),
        (
            form().signed(&bucket, r#"{"bucket": "other"}"#),
            403,
            "AccessDenied",
        ),
        (
            form().signed(&bucket, &narrow("0, 6")),
            400,
            "EntityTooLarge",
        ),
        (
            form().signed(&bucket, &narrow("8, 9")),
            400,
            "EntityTooSmall",
        ),
        (
            form().signed(&bucket, &narrow("-1, 9")),
            400,
            "InvalidPolicyDocument",
        ),
        (
            form().signed(&bucket, &narrow("0")),
            400,
            "InvalidPolicyDocument",
        ),
        (form().signed(&bucket, "{}"), 400, "InvalidPolicyDocument"),
        (form().field("policy", "e30="), 400, "InvalidArgument"),
        (form(), 403, "AccessDenied"),
        (
            Form::new("content").signed(&bucket, ANY_KEY),
            400,
            "UserKeyMustBeSpecified",
        ),
    ] {
        let answer = form.post(&bucket);
        assert_eq!(
            answer.verdict(),
            (status, code.to_owned()),
            "{}",
            answer.text()
        );
        assert_absent(&bucket, "key");
    }
    let large = format!(r#"{ANY_KEY}, ["content-length-range", 0, 5000000]"#);
    let form = Form::new(content("large", 6_000_000)).field("key", "key");
    let answer = form.signed(&bucket, &large).post(&bucket);
    assert_eq!(answer.verdict(), (400, "EntityTooLarge".to_owned()));
    assert_absent(&bucket, "key");
}

#[test]
fn what_a_form_asks_for_and_is_not_built_is_refused() {
    let bucket = Bucket::create_blocking();
    let conditions = format!(r#"{ANY_KEY}, ["starts-with", "$x-amz-storage-class", ""]"#);
    let form = Form::new("content")
        .field("key", "key")
        .field("x-amz-storage-class", "GLACIER");
    let answer = form.signed(&bucket, &conditions).post(&bucket);
    assert_eq!(answer.verdict(), (501, "NotImplemented".to_owned()));
    assert_absent(&bucket, "key");
}

#[test]
fn a_checksum_of_the_file_is_verified() {
    let bucket = Bucket::create_blocking();
    for algorithm in Algorithm::ALL {
        let post = |value: &str| {
            let form = Form::new("content").field("key", "key");
            let form = form.field(algorithm.header(), value);
            form.signed(&bucket, ANY_KEY).post(&bucket)
        };
        let good = algorithm.value(b"content");
        assert_eq!(post(&good).status, 204, "{}", algorithm.name());
        let other = algorithm.value(b"other");
        assert_eq!(post(&other).verdict(), (400, "BadDigest".to_owned()));
        assert_eq!(post("sailor").status, 400);
    }
}

#[test]
fn a_form_that_breaks_off_or_is_none_leaves_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let form = Form::new(content("form", 100_000)).field("key", "key");
    let form = form.signed(&bucket, ANY_KEY);
    let whole = form.request(&bucket);
    // The end is missing, and the length says so.
    let mut wire = endpoint.connect();
    wire.send(&whole.head());
    wire.send(&whole.body[..50_000]);
    wire.finish_sending().unwrap();
    if let Ok(answer) = wire.read_answer("POST") {
        assert_eq!(answer.verdict(), (400, "IncompleteBody".to_owned()));
    }
    assert_absent(&bucket, "key");
    // The last boundary is missing, and the length is right.
    let cut = whole.body.slice(..whole.body.len() - 10);
    let shortened = whole.clone().with("content-length", cut.len().to_string());
    let answer = endpoint.connect().exchange(&shortened.body(cut));
    assert_eq!(answer.verdict(), (400, "MalformedPOSTRequest".to_owned()));
    for (kind, code) in [
        (
            "application/x-www-form-urlencoded",
            "RequestIsNotMultiPartContent",
        ),
        ("multipart/form-data", "MalformedPOSTRequest"),
        (
            "multipart/form-data; boundary=other",
            "MaxPostPreDataLengthExceededError",
        ),
    ] {
        let other = whole.clone().with("content-type", kind);
        let answer = endpoint.connect().exchange(&other);
        assert_eq!(answer.verdict(), (400, code.to_owned()), "{kind}");
    }
    let long = form
        .field("x-ignore-long", &"x".repeat(21_000))
        .post(&bucket);
    let code = "MaxPostPreDataLengthExceededError".to_owned();
    assert_eq!(long.verdict(), (400, code));
    assert_absent(&bucket, "key");
}

#[test]
fn what_follows_the_file_is_passed_over_and_the_connection_goes_on() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let form = Form::new("content").field("key", "key");
    let form = form.signed(&bucket, ANY_KEY);
    let mut body = form.body();
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    body.truncate(body.len() - tail.len());
    let more = format!(
        "\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nother\r\n--{BOUNDARY}--\r\n{}",
        "x".repeat(100_000)
    );
    body.extend_from_slice(more.as_bytes());
    let request = form.request(&bucket);
    let request = request
        .with("content-length", body.len().to_string())
        .body(body);
    let mut wire = endpoint.connect();
    let answer = wire.exchange(&request);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let next = endpoint.sign(Request::key("GET", bucket.name(), "key"));
    assert_eq!(wire.exchange(&next).body, b"content");
    assert_absent(&bucket, "other");
}

#[test]
fn headers_and_parameters_that_no_policy_covers_are_not_read() {
    let bucket = Bucket::create_blocking();
    let form = Form::new("content").field("key", "key");
    let form = form.signed(&bucket, ANY_KEY);
    let mut request = form.request(&bucket).query("x-amz-meta-b", "c");
    for (name, value) in [
        ("x-amz-meta-a", "b"),
        ("content-encoding", "gzip"),
        ("x-amz-storage-class", "GLACIER"),
    ] {
        request = request.header(name, value);
    }
    let answer = endpoint().connect().exchange(&request);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let stored = get(&bucket, "key");
    for name in ["x-amz-meta-a", "x-amz-meta-b", "content-encoding"] {
        assert_eq!(stored.header(name), None, "{name}");
    }
}
