use std::time::Duration;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use crate::samples::{ODD_KEYS, assert_bytes, content};

fn valid() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_mins(10)).expect("ten minutes are allowed")
}

/// Sends what the SDK has signed as any other program would: the URL, and the headers that it names.
fn send(presigned: &PresignedRequest, method: &'static str, body: &[u8]) -> Answer {
    let endpoint = endpoint();
    let origin = format!("http://{}", endpoint.host);
    let target = presigned
        .uri()
        .strip_prefix(&origin)
        .expect("the endpoint's own URL");
    let mut request = Request::new(method, target)
        .host(&endpoint.host)
        .body(body.to_vec());
    for (name, value) in presigned.headers() {
        request = request.with(name, value);
    }
    if method == "PUT" {
        request = request.with("content-length", body.len().to_string());
    }
    endpoint.connect().exchange(&request)
}

#[tokio::test]
async fn a_presigned_url_reads_and_writes_without_credentials() {
    let bucket = Bucket::create().await;
    for len in [0, 100, 2_000_000] {
        let body = content("key", len);
        let put = bucket
            .client()
            .put_object()
            .bucket(bucket.name())
            .key("key");
        let put = put.presigned(valid()).await.unwrap();
        let answer = send(&put, "PUT", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let get = bucket
            .client()
            .get_object()
            .bucket(bucket.name())
            .key("key");
        let get = get.presigned(valid()).await.unwrap();
        let answer = send(&get, "GET", b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_bytes(&answer.body, &body);
    }
}

#[tokio::test]
async fn odd_keys_are_presigned_as_well() {
    let bucket = Bucket::create().await;
    for key in ODD_KEYS {
        bucket.put(key, content(key, 10)).await;
        let get = bucket.client().get_object().bucket(bucket.name()).key(key);
        let get = get.presigned(valid()).await.unwrap();
        let answer = send(&get, "GET", b"");
        assert_eq!(answer.status, 200, "{key:?}: {}", answer.text());
        assert_bytes(&answer.body, &content(key, 10));
    }
}

#[tokio::test]
async fn a_presigned_reader_may_override_headers_of_the_answer() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"x".to_vec()).await;
    let get = bucket
        .client()
        .get_object()
        .bucket(bucket.name())
        .key("key");
    let get = get.response_content_disposition("attachment; filename=\"ü.txt\"");
    let get = get.presigned(valid()).await.unwrap();
    let answer = send(&get, "GET", b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let disposition = answer.header("content-disposition").unwrap();
    assert!(
        disposition.starts_with("attachment; filename="),
        "{disposition}"
    );
}

#[tokio::test]
async fn heads_deletes_and_parts_are_presigned_too() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"12345".to_vec()).await;
    let head = bucket
        .client()
        .head_object()
        .bucket(bucket.name())
        .key("key");
    let head = head.presigned(valid()).await.unwrap();
    assert_eq!(send(&head, "HEAD", b"").header("content-length"), Some("5"));
    let delete = bucket
        .client()
        .delete_object()
        .bucket(bucket.name())
        .key("key");
    let delete = delete.presigned(valid()).await.unwrap();
    assert_eq!(send(&delete, "DELETE", b"").status, 204);
    assert!(!bucket.has("key").await);

    let upload = bucket.begin("key").await;
    let part = bucket
        .client()
        .upload_part()
        .bucket(bucket.name())
        .key("key");
    let part = part.upload_id(&upload).part_number(1);
    let part = part.presigned(valid()).await.unwrap();
    let answer = send(&part, "PUT", b"part");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("etag").is_some());
}
