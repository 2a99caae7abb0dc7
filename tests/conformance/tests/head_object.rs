use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

#[tokio::test]
async fn a_head_tells_what_a_get_would() {
    let bucket = Bucket::create().await;
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    let put = put.content_type("text/plain").metadata("a", "b");
    put.body(b"12345".to_vec().into()).send().await.unwrap();
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").send().await.unwrap();
    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key("key").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.e_tag(), get.e_tag());
    assert_eq!(head.content_type(), get.content_type());
    assert_eq!(head.last_modified(), get.last_modified());
    assert_eq!(head.metadata(), get.metadata());
    assert_eq!(head.accept_ranges(), Some("bytes"));
}

#[tokio::test]
async fn an_absent_object_and_an_absent_bucket_are_404() {
    let bucket = Bucket::create().await;
    let head = bucket.client().head_object().bucket(bucket.name());
    assert_refused(head.key("no").send().await, 404, "NotFound");
    let head = sdk().head_object().bucket(fresh_name()).key("no");
    assert_refused(head.send().await, 404, "NotFound");
}

#[test]
fn no_answer_to_a_head_has_a_body() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("0123456789");
    assert_eq!(endpoint.exchange(put).status, 200);
    // All over one connection: a stray body would be read as the next answer.
    let mut wire = endpoint.connect();
    let head = |key: &str| Request::key("HEAD", bucket.name(), key);
    for (request, status) in [
        (head("key"), 200),
        (head("absent"), 404),
        (head("key").header("if-match", "\"x\""), 412),
        (head("key").header("range", "bytes=99-"), 416),
        (head("key").header("range", "bytes=2-3"), 206),
    ] {
        let answer = wire.exchange(&endpoint.sign(request));
        assert_eq!(answer.status, status);
    }
    let get = endpoint.sign(Request::key("GET", bucket.name(), "key"));
    assert_eq!(wire.exchange(&get).body, b"0123456789");
}

#[tokio::test]
async fn a_range_of_a_head_has_its_length() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"0123456789".to_vec()).await;
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").range("bytes=2-5").send().await.unwrap();
    assert_eq!(head.content_length(), Some(4));
    assert_eq!(head.content_range(), Some("bytes 2-5/10"));
}
