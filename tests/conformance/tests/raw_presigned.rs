//! Presigned requests at their limits, and altered ones.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::Moment;

fn bucket_with_key() -> Bucket {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint().exchange(put).status, 200);
    bucket
}

fn presigned(request: Request, seconds_ago: i64, expires: &str) -> Request {
    let endpoint = endpoint();
    let moment = Moment::now().shifted(-seconds_ago);
    request.presigned(&endpoint.signer, &endpoint.host, moment, expires)
}

fn verdict(request: &Request) -> (u16, String) {
    endpoint().connect().exchange(request).verdict()
}

fn get(bucket: &Bucket) -> Request {
    Request::key("GET", bucket.name(), "key")
}

/// Replaces the value of a query parameter.
fn replaced(request: &Request, name: &str, value: &str) -> Request {
    let mut request = request.clone();
    let found = request.query.iter_mut().find(|(known, _)| known == name);
    let (_, found) = found.expect("a parameter of the signature");
    value.clone_into(found);
    request
}

#[test]
fn a_url_is_valid_until_it_expires() {
    let bucket = bucket_with_key();
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(verdict(&presigned(get(&bucket), 0, "60")).0, 200);
    assert_eq!(verdict(&presigned(get(&bucket), 50, "60")).0, 200);
    assert_eq!(verdict(&presigned(get(&bucket), 70, "60")), denied);
    // Seven days are the most; almost so old is still valid.
    assert_eq!(verdict(&presigned(get(&bucket), 604_700, "604800")).0, 200);
    assert_eq!(verdict(&presigned(get(&bucket), 604_900, "604800")), denied);
    // Signed by a clock that is ahead by more than clocks may be.
    let early = verdict(&presigned(get(&bucket), -3_600, "60"));
    assert_eq!(early.0, 403, "{early:?}");
}

#[test]
fn a_lifetime_that_makes_no_sense_is_refused() {
    let bucket = bucket_with_key();
    for expires in ["604801", "-1", "abc", "", "1e3", "99999999999999999999"] {
        let found = verdict(&presigned(get(&bucket), 0, expires));
        let expected = (400, "AuthorizationQueryParametersError".to_owned());
        assert_eq!(found, expected, "{expires:?}");
    }
    // Zero seconds are over at once.
    let (status, _) = verdict(&presigned(get(&bucket), 2, "0"));
    assert!(matches!(status, 400 | 403), "{status}");
}

#[test]
fn an_altered_url_is_refused() {
    let bucket = bucket_with_key();
    let good = presigned(
        get(&bucket).query("response-content-type", "text/plain"),
        0,
        "60",
    );
    assert_eq!(verdict(&good).0, 200);
    let mut other_key = good.clone();
    other_key.path = format!("/{}/other", bucket.name());
    let mut other_method = good.clone();
    other_method.method = "DELETE";
    let mut more = good.clone();
    more.query.push(("prefix".to_owned(), "x".to_owned()));
    let other_host = good.clone().with("host", "localhost:1");
    let later = replaced(&good, "X-Amz-Expires", "61");
    let other_value = replaced(&good, "response-content-type", "text/html");
    let mut without = good.clone();
    without
        .query
        .retain(|(name, _)| name != "response-content-type");
    let forged = replaced(&good, "X-Amz-Signature", &"0".repeat(64));
    for altered in [
        other_key,
        other_method,
        more,
        other_host,
        later,
        other_value,
        without,
        forged,
    ] {
        let expected = (403, "SignatureDoesNotMatch".to_owned());
        assert_eq!(
            verdict(&altered),
            expected,
            "{} {}",
            altered.method,
            altered.target()
        );
    }
    assert_eq!(endpoint().exchange(get(&bucket)).body, b"body");
}

#[test]
fn a_url_that_lacks_or_doubles_a_parameter_is_refused() {
    let bucket = bucket_with_key();
    let good = presigned(get(&bucket), 0, "60");
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ] {
        let mut without = good.clone();
        without.query.retain(|(known, _)| known != name);
        let (status, code) = verdict(&without);
        assert!(
            matches!(status, 400 | 403),
            "without {name}: {status} {code}"
        );
        let mut twice = good.clone();
        let value = good.query.iter().find(|(known, _)| known == name).unwrap();
        twice.query.push(value.clone());
        let (status, code) = verdict(&twice);
        assert!(matches!(status, 400 | 403), "twice {name}: {status} {code}");
    }
}

#[test]
fn a_url_for_a_put_writes_and_keeps_its_signed_headers() {
    let bucket = Bucket::create_blocking();
    let endpoint = endpoint();
    let put = Request::key("PUT", bucket.name(), "key")
        .header("content-type", "text/x-own")
        .header("x-amz-meta-color", "red")
        .body("body");
    let put = presigned(put, 0, "60");
    let without = put.clone().without("x-amz-meta-color");
    assert_eq!(verdict(&without).0, 403);
    let other = put.clone().with("content-type", "text/html");
    assert_eq!(verdict(&other), (403, "SignatureDoesNotMatch".to_owned()));
    let added = put.clone().header("x-amz-meta-more", "1");
    assert_eq!(verdict(&added).0, 403);
    let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
    assert_eq!(verdict(&put).0, 200);
    let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.header("content-type"), Some("text/x-own"));
    assert_eq!(head.header("x-amz-meta-color"), Some("red"));
}

#[test]
fn one_url_can_be_used_again_within_its_time() {
    let bucket = bucket_with_key();
    let good = presigned(get(&bucket), 0, "60");
    for _ in 0..3 {
        assert_eq!(verdict(&good).0, 200);
    }
}

#[test]
fn a_parameter_that_asks_for_what_is_not_built_is_refused_in_any_case() {
    let bucket = Bucket::create_blocking();
    for (name, value) in [
        ("X-Amz-Server-Side-Encryption", "AES256"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Storage-Class", "GLACIER"),
    ] {
        let put = Request::key("PUT", bucket.name(), "key").query(name, value);
        let (status, code) = verdict(&presigned(put.body("body"), 0, "60"));
        assert_eq!((status, code.as_str()), (501, "NotImplemented"), "{name}");
    }
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}
