//! `Expect: 100-continue`: a client that asks before it sends megabytes.

use cairn_conformance::{Bucket, endpoint, fresh_name};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::Moment;

use crate::samples::{assert_bytes, content};

const LEN: u64 = 2_000_000;

fn asking(bucket: &str) -> Request {
    let put = Request::key("PUT", bucket, "key").body(content("key", LEN));
    put.header("expect", "100-continue")
}

#[test]
fn a_client_that_waits_is_told_to_go_on_and_then_served() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = endpoint.sign(asking(bucket.name()));
    let mut wire = endpoint.connect();
    wire.send(&put.head());
    assert_eq!(wire.read_head().unwrap().status, 100);
    wire.send(&put.body);
    assert_eq!(wire.read_answer("PUT").unwrap().status, 200);
    let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
    assert_bytes(&get.body, &put.body);
}

#[test]
fn a_request_that_will_be_refused_is_refused_before_its_body() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let mut stranger = endpoint.signer.clone();
    stranger.secret_key.push('x');
    let old = Moment::now().shifted(-3_600);
    let long = Request::key("PUT", bucket.name(), &"k".repeat(1_025)).body(content("key", LEN));
    let long = long.header("expect", "100-continue");
    let encrypted = asking(bucket.name()).header("x-amz-server-side-encryption", "AES256");
    let anonymous = asking(bucket.name()).host(&endpoint.host);
    let anonymous = anonymous.header("content-length", LEN.to_string());
    let host = &endpoint.host;
    for (request, status, code) in [
        (
            asking(bucket.name()).signed(&stranger, host),
            403,
            "SignatureDoesNotMatch",
        ),
        (anonymous, 403, "AccessDenied"),
        (
            asking(bucket.name())
                .signed_at(&endpoint.signer, host, old)
                .0,
            403,
            "RequestTimeTooSkewed",
        ),
        (endpoint.sign(asking(&fresh_name())), 404, "NoSuchBucket"),
        (endpoint.sign(long), 400, "KeyTooLongError"),
        (endpoint.sign(encrypted), 501, "NotImplemented"),
    ] {
        let mut wire = endpoint.connect();
        wire.send(&request.head());
        let first = wire.read_head().unwrap();
        assert_eq!(first.status, status, "{code}: the first answer is the last");
        let answer = wire.read_rest("PUT", first).unwrap();
        assert_eq!(answer.verdict(), (status, code.to_owned()));
    }
}

#[test]
fn a_client_that_does_not_wait_is_served_as_well() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = endpoint.sign(asking(bucket.name()));
    let mut wire = endpoint.connect();
    wire.send(&[put.head().as_slice(), &put.body].concat());
    assert_eq!(wire.read_answer("PUT").unwrap().status, 200);
    let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
    assert_bytes(&get.body, &put.body);
}

/// The AWS CLI in version 1 does not find its way on a connection on which one of its questions was not answered by 100.
#[test]
fn a_client_that_asks_without_a_body_is_told_that_the_connection_ends() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for (expects, connection) in [(false, None), (true, Some("close"))] {
        let mut put = Request::key("PUT", bucket.name(), "key").header("content-length", "0");
        if expects {
            put = put.header("expect", "100-continue");
        }
        let answer = endpoint.exchange(put);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), connection);
    }
}
