use aws_sdk_s3::primitives::ByteStream;
use cairn_conformance::{
    Bucket, MIN_PART_BYTES, assert_refused, completed, endpoint, fresh_name, sdk,
};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

use crate::samples::{assert_bytes, content};

#[tokio::test]
async fn an_absent_key_and_an_absent_bucket_are_told_apart() {
    let bucket = Bucket::create().await;
    let get = bucket.client().get_object().bucket(bucket.name()).key("no");
    assert_refused(get.send().await, 404, "NoSuchKey");
    let get = sdk().get_object().bucket(fresh_name()).key("no");
    assert_refused(get.send().await, 404, "NoSuchBucket");
}

#[test]
fn the_error_names_the_key_and_the_request() {
    let bucket = Bucket::create_blocking();
    let answer = endpoint().exchange(Request::key("GET", bucket.name(), "no/such <key>"));
    assert_eq!(answer.verdict(), (404, "NoSuchKey".to_owned()));
    assert_eq!(answer.header("content-type"), Some("application/xml"));
    let element = |name: &str| xml::text(&answer.body, name);
    assert_eq!(element("Key").as_deref(), Some("no/such <key>"));
    let id = answer.header("x-amz-request-id").unwrap();
    assert_eq!(element("RequestId").as_deref(), Some(id));
    assert!(!element("Message").unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_carries_its_dates_and_says_that_ranges_work() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"body".to_vec()).await;
    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key("key").send().await.unwrap();
    assert_eq!(get.accept_ranges(), Some("bytes"));
    assert_eq!(get.content_length(), Some(4));
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").send().await.unwrap();
    assert!(get.last_modified().is_some());
    assert_eq!(get.last_modified(), head.last_modified());
    assert_eq!(get.version_id(), None);
    assert_eq!(get.delete_marker(), None);
}

#[tokio::test]
async fn a_signed_reader_may_override_the_headers_of_the_answer() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"body".to_vec()).await;
    let get = bucket
        .client()
        .get_object()
        .bucket(bucket.name())
        .key("key");
    let get = get
        .response_content_type("text/x-own")
        .response_content_disposition("inline; filename=\"x\"")
        .response_cache_control("no-cache")
        .response_content_language("fr")
        .response_content_encoding("x-own");
    let get = get.send().await.unwrap();
    assert_eq!(get.content_type(), Some("text/x-own"));
    assert_eq!(get.content_disposition(), Some("inline; filename=\"x\""));
    assert_eq!(get.cache_control(), Some("no-cache"));
    assert_eq!(get.content_language(), Some("fr"));
    assert_eq!(get.content_encoding(), Some("x-own"));
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"body");
}

#[tokio::test]
async fn a_part_number_reads_that_part_alone() {
    let bucket = Bucket::create().await;
    let bodies = [content("first", MIN_PART_BYTES), content("second", 1_000)];
    let upload = bucket.begin("key").await;
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        parts.push(bucket.part("key", &upload, number, body.clone()).await);
    }
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete.multipart_upload(completed(parts));
    complete.send().await.unwrap();
    for (number, body) in (1..).zip(&bodies) {
        let get = bucket.client().get_object().bucket(bucket.name());
        let get = get.key("key").part_number(number).send().await.unwrap();
        assert_eq!(get.parts_count(), Some(2));
        assert_bytes(&get.body.collect().await.unwrap().to_vec(), body);
    }
    let beyond = bucket.client().get_object().bucket(bucket.name());
    let beyond = beyond.key("key").part_number(3).send().await;
    assert_refused(beyond, 416, "InvalidPartNumber");
}

#[tokio::test]
async fn part_one_of_an_object_written_at_once_is_the_object() {
    let bucket = Bucket::create().await;
    bucket.put("key", ByteStream::from_static(b"body")).await;
    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key("key").part_number(1).send().await.unwrap();
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"body");
}

#[tokio::test]
async fn many_readers_of_one_object_each_get_it_whole() {
    let bucket = Bucket::create().await;
    let body = content("key", 6_000_000);
    bucket.put("key", body.clone()).await;
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let get = bucket.client().get_object().bucket(bucket.name());
            let get = get.key("key");
            tokio::spawn(async move { get.send().await.unwrap().body.collect().await.unwrap() })
        })
        .collect();
    for reader in readers {
        assert_bytes(&reader.await.unwrap().to_vec(), &body);
    }
}
