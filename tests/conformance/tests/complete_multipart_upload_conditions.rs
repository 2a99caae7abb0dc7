use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use cairn_conformance::{Bucket, assert_refused, completed};

use crate::samples::{assert_bytes, content};

/// An upload of one part for a bucket's `key`, ready to be completed.
async fn ready(bucket: &Bucket, body: &str) -> CompleteMultipartUploadFluentBuilder {
    let upload = bucket.begin("key").await;
    let part = bucket.part("key", &upload, 1, content(body, 300_000)).await;
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(upload);
    complete.multipart_upload(completed(vec![part]))
}

#[tokio::test]
async fn if_none_match_star_completes_only_where_no_object_is() {
    let bucket = Bucket::create().await;
    let first = ready(&bucket, "first").await.if_none_match("*");
    first.send().await.unwrap();
    let second = ready(&bucket, "second").await;
    let refused = second.clone().if_none_match("*").send().await;
    assert_refused(refused, 412, "PreconditionFailed");
    assert_bytes(&bucket.get("key").await, &content("first", 300_000));
    // A refused completion leaves the upload as it was.
    second.send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &content("second", 300_000));
}

#[tokio::test]
async fn if_match_completes_only_over_the_version_it_names() {
    let bucket = Bucket::create().await;
    let etag = bucket.put("key", b"old".to_vec()).await.e_tag.unwrap();
    let upload = ready(&bucket, "new").await;
    let refused = upload.clone().if_match("\"x\"").send().await;
    assert_refused(refused, 412, "PreconditionFailed");
    assert_eq!(bucket.get("key").await, b"old");
    upload.if_match(etag).send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &content("new", 300_000));
}

#[tokio::test]
async fn if_match_on_an_absent_key_finds_no_key() {
    let bucket = Bucket::create().await;
    let refused = ready(&bucket, "new").await.if_match("\"x\"").send().await;
    assert_refused(refused, 404, "NoSuchKey");
    assert!(!bucket.has("key").await);
}
