//! Bodies that are not what their headers say.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::checksum::md5_base64;
use cairn_dev_tests::request::Request;

use crate::samples::{assert_bytes, content};

#[track_caller]
fn assert_absent(bucket: &Bucket) {
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}

#[test]
fn a_body_that_breaks_off_leaves_no_object() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for (declared, sent) in [
        (10, 0),
        (10_000, 9_999),
        (1_000_000, 500_000),
        (9_000_000, 8_999_999),
        (9_000_000, 4_194_304),
    ] {
        let body = content("key", declared);
        let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body(body.clone()));
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        wire.send(&body[..sent]);
        wire.finish_sending().unwrap();
        // An answer is allowed here, success is not.
        if let Ok(answer) = wire.read_answer("PUT") {
            assert_eq!(answer.verdict(), (400, "IncompleteBody".to_owned()));
        }
        assert_absent(&bucket);
    }
    let list = endpoint.exchange(Request::new("GET", format!("/{}", bucket.name())));
    assert!(!list.text().contains("<Key>"));
}

#[test]
fn a_body_that_breaks_off_leaves_the_old_object() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let old = content("old", 2_000_000);
    let put = Request::key("PUT", bucket.name(), "key").body(old.clone());
    assert_eq!(endpoint.exchange(put).status, 200);
    for len in [10_000, 6_000_000] {
        let body = content("new", len);
        let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body(body.clone()));
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        wire.send(&body[..body.len() / 2]);
        // Dropped without a word, as a crashed client does.
        drop(wire);
        let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
        assert_bytes(&get.body, &old);
    }
}

#[test]
fn bytes_beyond_the_declared_length_are_no_part_of_the_object() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body("01234"));
    let mut wire = endpoint.connect();
    wire.send(&[put.head().as_slice(), b"0123456789\r\n\r\n"].concat());
    assert_eq!(wire.read_answer("PUT").unwrap().status, 200);
    // What follows is read as a request, and is none.
    if let Ok(answer) = wire.read_answer("GET") {
        assert_eq!(answer.status, 400);
    }
    let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.body, b"01234");
}

#[test]
fn a_put_without_a_length_is_refused() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = endpoint.sign(Request::key("PUT", bucket.name(), "key"));
    let put = put.without("content-length");
    let answer = endpoint.connect().exchange(&put);
    assert_eq!(answer.verdict(), (411, "MissingContentLength".to_owned()));
    assert_absent(&bucket);
}

#[test]
fn a_length_that_is_no_number_is_refused() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for len in [
        "-1",
        "+5",
        "",
        "five",
        "5 5",
        "0x5",
        "99999999999999999999999",
    ] {
        let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body("12345"));
        let put = put.with("content-length", len);
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        let answer = wire.read_answer("PUT").unwrap();
        assert_eq!(answer.status, 400, "{len:?}");
        assert_absent(&bucket);
    }
    let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body("12345"));
    let put = put.header("content-length", "4");
    let mut wire = endpoint.connect();
    wire.send(&[put.head().as_slice(), b"12345"].concat());
    assert_eq!(wire.read_answer("PUT").unwrap().status, 400);
    assert_absent(&bucket);
}

#[test]
fn a_length_together_with_chunked_coding_smuggles_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for coding in ["chunked", "Chunked", "identity, chunked"] {
        let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body("12345"));
        let put = put.header("transfer-encoding", coding);
        let smuggled = endpoint.sign(Request::key("PUT", bucket.name(), "smuggled"));
        let mut wire = endpoint.connect();
        wire.send(
            &[
                put.head().as_slice(),
                b"5\r\n12345\r\n0\r\n\r\n",
                &smuggled.head(),
            ]
            .concat(),
        );
        let answer = wire.read_answer("PUT").unwrap();
        // Refused, or taken by its coding alone, which is what outweighs a length (RFC 9112, 6.3).
        match answer.status {
            200 => {
                let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
                assert_bytes(&get.body, b"12345");
            }
            status => assert!(matches!(status, 400 | 501), "{coding}: {}", answer.text()),
        }
        // What follows on such a connection may be anybody's: it is not served.
        assert!(wire.read_answer("PUT").is_err(), "{coding}");
        let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "smuggled"));
        assert_eq!(head.status, 404);
    }
}

#[test]
fn chunked_coding_alone_stores_the_exact_body_or_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").unsigned();
    let put = endpoint.sign(put.header("transfer-encoding", "chunked"));
    let mut wire = endpoint.connect();
    wire.send(
        &[
            put.head().as_slice(),
            b"5\r\n12345\r\n3\r\n678\r\n0\r\n\r\n",
        ]
        .concat(),
    );
    let answer = wire.read_answer("PUT").unwrap();
    let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
    match answer.status {
        200 => assert_eq!(get.body, b"12345678"),
        400 | 411 | 501 => assert_eq!(get.status, 404),
        other => panic!("{other}: {}", answer.text()),
    }
}

#[test]
fn an_answer_is_complete_and_the_connection_goes_on_after_a_refused_body() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    // A refused request with a small body: the server may read the rest and go on, or close; both are clean.
    let bad = endpoint.sign(Request::key("PUT", bucket.name(), "key").body("body"));
    let bad = bad.with("x-amz-date", "20200101T000000Z");
    let mut wire = endpoint.connect();
    let answer = wire.exchange(&bad);
    // The date is not that of the credential's scope.
    assert_eq!(
        answer.verdict(),
        (400, "AuthorizationHeaderMalformed".to_owned())
    );
    let closing = answer.header("connection") == Some("close");
    let next = endpoint.sign(Request::new("GET", format!("/{}", bucket.name())));
    if closing {
        assert!(wire.is_closed());
    } else {
        assert_eq!(wire.exchange(&next).status, 200);
    }
}

#[test]
fn a_sender_that_writes_everything_first_gets_to_read_why_it_is_refused() {
    let endpoint = endpoint();
    let absent = cairn_conformance::fresh_name();
    let body = content("key", 8 * 1024 * 1024);
    for _ in 0..5 {
        let put = Request::key("PUT", &absent, "key").unsigned();
        let put = endpoint.sign(put.body(body.clone()));
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        wire.send(&put.body);
        let answer = wire.read_answer("PUT").unwrap();
        assert_eq!(answer.verdict(), (404, "NoSuchBucket".to_owned()));
    }
}

#[test]
fn a_refused_write_says_that_it_had_no_effect() {
    let endpoint = endpoint();
    if endpoint.server().is_none() {
        return;
    }
    let bucket = Bucket::create_blocking();
    let absent = cairn_conformance::fresh_name();
    let source = format!("/{absent}/original");
    let key = |method| Request::key(method, bucket.name(), "key");
    let forged = endpoint.sign(key("PUT").body("x"));
    let forged = forged.with("authorization", "AWS4-HMAC-SHA256 x");
    for (request, status) in [
        (forged, 400),
        (
            endpoint.sign(Request::key("PUT", &absent, "key").body("x")),
            404,
        ),
        (
            endpoint.sign(key("PUT").body("x").header("if-match", "\"x\"")),
            404,
        ),
        (
            endpoint.sign(key("PUT").header("x-amz-storage-class", "GLACIER")),
            501,
        ),
        (
            endpoint.sign(key("PUT").header("x-amz-copy-source", source)),
            404,
        ),
        (endpoint.sign(key("DELETE").query("uploadId", "x")), 404),
        (
            endpoint.sign(Request::new("DELETE", format!("/{absent}"))),
            404,
        ),
    ] {
        let answer = endpoint.connect().exchange(&request);
        let effect = answer.header("x-cairn-effect");
        let what = (answer.status, effect);
        assert_eq!(what, (status, Some("none")), "{}", answer.text());
    }
    assert_absent(&bucket);
}

#[test]
fn a_body_without_a_length_is_stored_whole() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for len in [0, 10, 20_000, 4_194_305] {
        let body = content("open", len);
        let put = Request::key("PUT", bucket.name(), "key").unsigned();
        let put = put
            .header("transfer-encoding", "chunked")
            .header("content-md5", md5_base64(&body));
        let put = endpoint.sign(put);
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        for piece in body.chunks(100_000) {
            wire.send(format!("{:x}\r\n", piece.len()).as_bytes());
            wire.send(piece);
            wire.send(b"\r\n");
        }
        wire.send(b"0\r\n\r\n");
        let answer = wire.read_answer("PUT").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        // Whatever follows such a body is not taken for a request.
        assert_eq!(answer.header("connection"), Some("close"));
        let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
        assert_bytes(&get.body, &body);
    }
}

#[test]
fn a_body_without_a_length_that_breaks_off_leaves_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for len in [10, 5_000_000] {
        let body = content("open", len);
        let put = Request::key("PUT", bucket.name(), "key").unsigned();
        let put = endpoint.sign(put.header("transfer-encoding", "chunked"));
        let mut wire = endpoint.connect();
        wire.send(&put.head());
        wire.send(format!("{len:x}\r\n").as_bytes());
        wire.send(&body);
        wire.finish_sending().unwrap();
        if let Ok(answer) = wire.read_answer("PUT") {
            assert_eq!(answer.verdict(), (400, "IncompleteBody".to_owned()));
        }
        let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
        assert_eq!(head.status, 404);
    }
}

#[test]
fn a_length_beside_the_chunked_coding_is_refused_and_smuggles_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let length = ("content-length", "5");
    let coding = ("transfer-encoding", "chunked");
    for headers in [[length, coding], [coding, length]] {
        let put = Request::key("PUT", bucket.name(), "key").unsigned();
        let put = headers
            .into_iter()
            .fold(put, |put, (name, value)| put.header(name, value));
        let put = endpoint.sign(put);
        let smuggled = endpoint.sign(Request::key("PUT", bucket.name(), "smuggled"));
        let mut wire = endpoint.connect();
        // Behind another request on the same connection.
        wire.send(&endpoint.sign(Request::new("GET", "/")).head());
        assert_eq!(wire.read_answer("GET").unwrap().status, 200);
        let head = put.head();
        wire.send(&[head.as_slice(), b"0\r\n\r\n", &smuggled.head()].concat());
        let answer = wire.read_answer("PUT").unwrap();
        assert_eq!(answer.verdict(), (400, "InvalidRequest".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(wire.read_answer("PUT").is_err());
        for key in ["key", "smuggled"] {
            let head = endpoint.exchange(Request::key("HEAD", bucket.name(), key));
            assert_eq!(head.status, 404);
        }
    }
}
