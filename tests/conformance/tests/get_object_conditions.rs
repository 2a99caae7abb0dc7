use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::Moment;
use cairn_dev_tests::wire::Answer;

struct Object {
    bucket: Bucket,
    etag: String,
    modified: String,
}

/// An object whose date of change is told by the server itself, so that no clock of ours matters.
fn object() -> Object {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("0123456789");
    assert_eq!(endpoint().exchange(put).status, 200);
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    Object {
        etag: head.header("etag").unwrap().to_owned(),
        modified: head.header("last-modified").unwrap().to_owned(),
        bucket,
    }
}

impl Object {
    fn ask(&self, method: &'static str, conditions: &[(&str, &str)]) -> Answer {
        let mut request = Request::key(method, self.bucket.name(), "key");
        for (name, value) in conditions {
            request = request.header(name, *value);
        }
        endpoint().exchange(request)
    }
}

#[test]
fn conditions_decide_alone_and_together() {
    let object = object();
    let bare = object.etag.trim_matches('"').to_owned();
    let several = format!("\"x\", {}", object.etag);
    let (etag, now) = (object.etag.as_str(), object.modified.as_str());
    let old = Moment::now().shifted(-86_400).http_date();
    let (matches, none) = ("if-match", "if-none-match");
    let (since, unchanged) = ("if-modified-since", "if-unmodified-since");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[(matches, etag)], 200),
        (&[(matches, &bare)], 200),
        (&[(matches, "*")], 200),
        (&[(matches, &several)], 200),
        (&[(matches, "\"x\"")], 412),
        (&[(none, etag)], 304),
        (&[(none, "*")], 304),
        (&[(none, &several)], 304),
        (&[(none, "\"x\"")], 200),
        (&[(since, &old)], 200),
        (&[(since, now)], 304),
        (&[(unchanged, now)], 200),
        (&[(unchanged, &old)], 412),
        // As documented with GetObject: a true If-Match outweighs a false If-Unmodified-Since, …
        (&[(matches, etag), (unchanged, &old)], 200),
        // … and a false If-None-Match outweighs a true If-Modified-Since.
        (&[(none, etag), (since, &old)], 304),
        (&[(none, "\"x\""), (since, now)], 200),
        (&[(since, "yesterday, more or less")], 200),
    ];
    for (conditions, status) in cases {
        for method in ["GET", "HEAD"] {
            let answer = object.ask(method, conditions);
            assert_eq!(answer.status, *status, "{method} {conditions:?}");
            let expected: &[u8] = match (method, *status) {
                ("GET", 200) => b"0123456789",
                ("GET", 412) => continue,
                _ => b"",
            };
            assert_eq!(answer.body, expected, "{method} {conditions:?}");
        }
    }
}

#[test]
fn a_failed_condition_is_named_and_not_modified_carries_the_etag() {
    let object = object();
    let failed = object.ask("GET", &[("if-match", "\"x\"")]);
    assert_eq!(failed.verdict(), (412, "PreconditionFailed".to_owned()));
    let unchanged = object.ask("GET", &[("if-none-match", &object.etag)]);
    assert_eq!(unchanged.header("etag"), Some(object.etag.as_str()));
    assert_eq!(
        unchanged.header("last-modified"),
        Some(object.modified.as_str())
    );
}

#[test]
fn a_condition_on_an_absent_key_does_not_hide_that_it_is_absent() {
    let object = object();
    for header in ["if-match", "if-none-match"] {
        let request = Request::key("GET", object.bucket.name(), "absent");
        let answer = endpoint().exchange(request.header(header, "\"x\""));
        assert_eq!(answer.verdict(), (404, "NoSuchKey".to_owned()), "{header}");
    }
}
