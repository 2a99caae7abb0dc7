//! Buckets named by the host of a request instead of its path.

use cairn_conformance::{Bucket, endpoint, fresh_name};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

/// The domains that a server answers for when nothing else is configured.
const DOMAINS: [&str; 2] = ["s3.localhost", "localhost"];

fn send(host: &str, request: Request) -> Answer {
    let endpoint = endpoint();
    let signed = request.signed(&endpoint.signer, host);
    endpoint.connect().exchange(&signed)
}

#[test]
fn a_host_names_the_bucket_under_each_domain_with_and_without_port() {
    let bucket = Bucket::create_blocking();
    let port = endpoint().address.port();
    for domain in DOMAINS {
        for host in [
            format!("{}.{domain}", bucket.name()),
            format!("{}.{domain}:{port}", bucket.name()),
            format!("{}.{}", bucket.name().to_uppercase(), domain.to_uppercase()),
        ] {
            let put = send(&host, Request::new("PUT", "/a/key").body(host.clone()));
            assert_eq!(put.status, 200, "{host}: {}", put.text());
            let by_path = endpoint().exchange(Request::key("GET", bucket.name(), "a/key"));
            assert_eq!(by_path.body, host.as_bytes());
            let get = send(&host, Request::new("GET", "/a/key"));
            assert_eq!(get.body, host.as_bytes());
            let list = send(&host, Request::new("GET", "/").query("list-type", "2"));
            assert_eq!(xml::texts(&list.body, "Key"), ["a/key"], "{host}");
            let head = send(&host, Request::new("HEAD", "/"));
            assert_eq!(head.status, 200, "{host}");
        }
    }
}

#[test]
fn a_key_that_looks_like_a_bucket_stays_a_key() {
    let (bucket, other) = (Bucket::create_blocking(), Bucket::create_blocking());
    let host = format!("{}.s3.localhost", bucket.name());
    let path = format!("/{}/key", other.name());
    assert_eq!(
        send(&host, Request::new("PUT", path).body("body")).status,
        200
    );
    let key = format!("{}/key", other.name());
    let get = endpoint().exchange(Request::key("GET", bucket.name(), &key));
    assert_eq!(get.body, b"body");
    let head = endpoint().exchange(Request::key("HEAD", other.name(), "key"));
    assert_eq!(head.status, 404);
}

#[test]
fn a_bucket_is_made_and_removed_by_its_host() {
    let name = fresh_name();
    let host = format!("{name}.s3.localhost");
    assert_eq!(send(&host, Request::new("PUT", "/")).status, 200);
    let head = endpoint().exchange(Request::new("HEAD", format!("/{name}")));
    assert_eq!(head.status, 200);
    assert_eq!(send(&host, Request::new("DELETE", "/")).status, 204);
    let gone = send(&host, Request::new("GET", "/"));
    assert_eq!(gone.verdict(), (404, "NoSuchBucket".to_owned()));
}

#[test]
fn a_dotted_bucket_is_found_by_its_host() {
    let name = format!("{}.with.dots", fresh_name());
    let host = format!("{name}.s3.localhost");
    assert_eq!(send(&host, Request::new("PUT", "/")).status, 200);
    assert_eq!(
        send(&host, Request::new("PUT", "/key").body("x")).status,
        200
    );
    let get = endpoint().exchange(Request::key("GET", &name, "key"));
    assert_eq!(get.body, b"x");
    assert_eq!(send(&host, Request::new("DELETE", "/key")).status, 204);
    assert_eq!(send(&host, Request::new("DELETE", "/")).status, 204);
}

#[test]
fn a_host_of_no_known_domain_leaves_the_bucket_in_the_path() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint().exchange(put).status, 200);
    for host in [
        "s3.localhost",
        "localhost",
        "example.org",
        "some.example.org:80",
        "127.0.0.1",
        "[::1]:9000",
    ] {
        let get = send(host, Request::key("GET", bucket.name(), "key"));
        assert_eq!(get.body, b"body", "{host}");
    }
}
