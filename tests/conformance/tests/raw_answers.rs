//! What every answer has, whatever it answers.

use std::collections::BTreeSet;

use cairn_conformance::{Bucket, endpoint, fresh_name};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

/// One request for each kind of answer, with the status it gets.
fn requests(bucket: &Bucket) -> Vec<(Request, u16)> {
    let key = |method| Request::key(method, bucket.name(), "key");
    let bucket_path = format!("/{}", bucket.name());
    vec![
        (key("PUT").body("0123456789"), 200),
        (key("GET"), 200),
        (key("HEAD"), 200),
        (key("GET").header("range", "bytes=0-1"), 206),
        (key("GET").header("if-none-match", "*"), 304),
        (key("GET").header("if-match", "\"x\""), 412),
        (key("GET").header("range", "bytes=99-"), 416),
        (Request::key("GET", bucket.name(), "absent"), 404),
        (Request::key("HEAD", bucket.name(), "absent"), 404),
        (Request::new("GET", format!("/{}", fresh_name())), 404),
        (Request::new("GET", bucket_path.clone()), 200),
        (Request::new("HEAD", bucket_path.clone()), 200),
        (Request::new("PUT", bucket_path.clone()), 200),
        (Request::new("DELETE", bucket_path.clone()), 409),
        (
            Request::new("GET", bucket_path.clone()).query("lifecycle", ""),
            501,
        ),
        (
            Request::new("GET", bucket_path.clone()).query("max-keys", "x"),
            400,
        ),
        (
            Request::new("POST", bucket_path)
                .query("delete", "")
                .body("x"),
            400,
        ),
        (Request::new("GET", "/"), 200),
        (key("PATCH").header("content-length", "0"), 405),
        (key("DELETE"), 204),
    ]
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let requests = requests(&bucket);
    let count = requests.len();
    let mut ids = BTreeSet::new();
    for (request, status) in requests {
        let name = format!("{} {}", request.method, request.target());
        let answer = endpoint.exchange(request);
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let id = answer.header("x-amz-request-id");
        let id = id.unwrap_or_else(|| panic!("{name}: no request id"));
        assert!(!id.is_empty() && id.is_ascii(), "{name}");
        ids.insert(id.to_owned());
        assert!(answer.header("date").is_some(), "{name}");
    }
    assert_eq!(ids.len(), count);
    let anonymous = Request::new("GET", "/").host(&endpoint.host);
    let answer = endpoint.connect().exchange(&anonymous);
    assert!(answer.header("x-amz-request-id").is_some());
}

#[test]
fn every_error_is_a_document_with_code_message_and_the_same_request_id() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for (request, status) in requests(&bucket) {
        let silent = request.method == "HEAD" || status < 400;
        let name = format!("{} {}", request.method, request.target());
        let answer = endpoint.exchange(request);
        if silent {
            continue;
        }
        assert_eq!(
            answer.header("content-type"),
            Some("application/xml"),
            "{name}"
        );
        assert!(
            answer.text().starts_with("<?xml"),
            "{name}: {}",
            answer.text()
        );
        for element in ["Code", "Message", "RequestId"] {
            let text = xml::text(&answer.body, element);
            assert!(
                text.is_some_and(|text| !text.is_empty()),
                "{name}: {element}"
            );
        }
        let id = xml::text(&answer.body, "RequestId");
        assert_eq!(id.as_deref(), answer.header("x-amz-request-id"), "{name}");
    }
}

#[test]
fn all_of_them_can_share_one_connection() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let mut wire = endpoint.connect();
    for (request, status) in requests(&bucket) {
        let name = format!("{} {}", request.method, request.target());
        let answer = wire.exchange(&endpoint.sign(request));
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        if answer.header("connection") == Some("close") {
            wire = endpoint.connect();
        }
    }
}

#[test]
fn requests_sent_ahead_are_answered_in_their_order() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let mut pipeline = Vec::new();
    for number in 0..10 {
        let put = Request::key("PUT", bucket.name(), &format!("{number}"));
        let put = endpoint.sign(put.body(format!("body {number}")));
        let get = endpoint.sign(Request::key("GET", bucket.name(), &format!("{number}")));
        pipeline.extend([put.head(), put.body.to_vec(), get.head()].concat());
    }
    let mut wire = endpoint.connect();
    wire.send(&pipeline);
    for number in 0..10 {
        assert_eq!(wire.read_answer("PUT").unwrap().status, 200);
        let got = wire.read_answer("GET").unwrap();
        assert_eq!(got.text(), format!("body {number}"));
    }
}

#[test]
fn a_server_that_is_overloaded_says_that_nothing_happened() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    // More declared bytes at once than a small machine has memory; whatever is not served must be refused cleanly.
    let mut wires = Vec::new();
    for number in 0..64 {
        let put = Request::key("PUT", bucket.name(), &format!("{number}")).unsigned();
        let put = endpoint.sign(put.header("content-length", "1073741824"));
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        // A server that has refused already may not take more.
        let _ = wire.try_send(&vec![7; 1024 * 1024]);
        wires.push(wire);
    }
    for mut wire in wires {
        let _ = wire.finish_sending();
        if let Ok(answer) = wire.read_answer("PUT") {
            match answer.status {
                400 => assert_eq!(answer.code().as_deref(), Some("IncompleteBody")),
                503 => {
                    assert_eq!(answer.code().as_deref(), Some("SlowDown"));
                    assert_eq!(answer.header("x-cairn-effect"), Some("none"));
                }
                other => panic!("{other}: {}", answer.text()),
            }
        }
    }
    let list = endpoint.exchange(Request::new("GET", format!("/{}", bucket.name())));
    assert_eq!(list.status, 200);
    assert!(!list.text().contains("<Key>"));
}
