//! Request lines and headers at their limits, and beyond.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;

fn get(bucket: &Bucket) -> Request {
    Request::new("GET", format!("/{}", bucket.name()))
}

/// Sends bytes and gives the status of the answer, or `None` where the server just closes.
fn status(bytes: &[u8]) -> Option<u16> {
    let mut wire = endpoint().connect();
    // The server may answer and close before it has taken all.
    let _ = wire.try_send(bytes);
    wire.read_answer("GET").ok().map(|answer| answer.status)
}

#[track_caller]
fn assert_alive(bucket: &Bucket) {
    assert_eq!(endpoint().exchange(get(bucket)).status, 200);
}

#[test]
fn a_few_dozen_headers_of_a_few_kilobytes_are_ordinary() {
    let bucket = Bucket::create_blocking();
    let mut request = get(&bucket);
    for number in 0..40 {
        request = request.header(&format!("x-own-{number}"), "v".repeat(100));
    }
    assert_eq!(endpoint().exchange(request).status, 200);
}

#[test]
fn too_many_or_too_large_headers_are_refused_and_the_server_stays() {
    let bucket = Bucket::create_blocking();
    let mut many = endpoint().sign(get(&bucket));
    for number in 0..200 {
        many = many.header(&format!("x-own-{number}"), "v");
    }
    let large = endpoint()
        .sign(get(&bucket))
        .header("x-own", "v".repeat(1_000_000));
    let long = endpoint().sign(get(&bucket).query("x", "y".repeat(1_000_000)));
    for request in [many, large, long] {
        let answered = status(&request.head());
        let refused = matches!(answered, None | Some(400 | 413 | 414 | 431));
        assert!(refused, "{answered:?}");
        assert_alive(&bucket);
    }
}

#[test]
fn what_is_no_http_is_refused_and_the_server_stays() {
    let bucket = Bucket::create_blocking();
    let host = &endpoint().host;
    for bytes in [
        "hello\r\n\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        format!("GET / HTTP/9.9\r\nhost: {host}\r\n\r\n"),
        format!("GET /\0 HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {host}\r\nx: a\0b\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {host}\r\nx: a\r\n folded\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {host}\r\nno colon\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {host}\r\nspace : before colon\r\n\r\n"),
        format!("GET no-slash HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("{} / HTTP/1.1\r\nhost: {host}\r\n\r\n", "G".repeat(100_000)),
    ] {
        let answered = status(bytes.as_bytes());
        // Some of it may pass as HTTP; then it is a request without credentials.
        let refused = matches!(answered, None | Some(400 | 403 | 405 | 431 | 501 | 505));
        assert!(refused, "{bytes:.60?}: {answered:?}");
        assert_alive(&bucket);
    }
}

#[test]
fn a_request_without_a_host_is_refused() {
    let bucket = Bucket::create_blocking();
    let request = endpoint().sign(get(&bucket)).without("host");
    let answered = status(&request.head());
    assert!(matches!(answered, Some(400 | 403)), "{answered:?}");
}

#[test]
fn a_method_that_s3_does_not_have_is_not_allowed() {
    let bucket = Bucket::create_blocking();
    for method in ["PATCH", "TRACE", "LOCK", "CONNECTED", "get"] {
        let request = Request::key(method, bucket.name(), "key").header("content-length", "0");
        let answer = endpoint().exchange(request);
        assert_eq!(
            answer.verdict(),
            (405, "MethodNotAllowed".to_owned()),
            "{method}"
        );
    }
}

#[test]
fn names_of_headers_have_no_case() {
    let bucket = Bucket::create_blocking();
    let mut put = Request::key("PUT", bucket.name(), "key").body("body");
    put = put
        .header("X-AMZ-Meta-Color", "red")
        .header("CONTENT-TYPE", "text/plain");
    let mut put = endpoint().sign(put);
    for (name, _) in &mut put.headers {
        *name = name.to_uppercase();
    }
    assert_eq!(endpoint().connect().exchange(&put).status, 200);
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.header("x-amz-meta-color"), Some("red"));
    assert_eq!(head.header("content-type"), Some("text/plain"));
}

#[test]
fn where_a_proxy_says_a_request_came_from_changes_nothing() {
    let bucket = Bucket::create_blocking();
    for (name, value) in [
        ("x-forwarded-host", "other.s3.localhost"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=other.s3.localhost"),
        ("x-original-url", "/other/key"),
        ("x-rewrite-url", "/other/key"),
        ("x-http-method-override", "DELETE"),
    ] {
        let put = Request::key("PUT", bucket.name(), "key").body("body");
        assert_eq!(endpoint().exchange(put.header(name, value)).status, 200);
        let get = Request::key("GET", bucket.name(), "key").header(name, value);
        assert_eq!(endpoint().exchange(get).body, b"body", "{name}");
    }
}

#[test]
fn headers_of_the_inside_are_not_taken_from_outside() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key")
        .body("body")
        .header("x-cairn-index", "1")
        .header("x-cairn-effect", "none")
        .header("x-cairn-internal-owner", "somebody")
        .header("x-amz-version-id", "forged")
        .header("etag", "\"forged\"")
        .header("last-modified", "Fri, 24 May 2013 00:00:00 GMT");
    let answer = endpoint().exchange(put);
    if answer.status == 200 {
        let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
        assert_eq!(head.header("x-amz-version-id"), None);
        assert_eq!(head.header("x-cairn-internal-owner"), None);
        assert_ne!(head.header("x-cairn-effect"), Some("none"));
        assert_ne!(head.header("etag"), Some("\"forged\""));
        assert!(!head.header("last-modified").unwrap().contains("2013"));
    } else {
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
}
