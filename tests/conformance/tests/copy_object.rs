use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::types::MetadataDirective;
use cairn_conformance::{Bucket, MIN_PART_BYTES, assert_refused, completed, endpoint, fresh_name};
use cairn_dev_tests::checksum::md5_hex;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::encode;

use crate::samples::{ODD_KEYS, assert_bytes, content};

fn copy(from: &Bucket, key: &str, to: &Bucket, copied: &str) -> CopyObjectFluentBuilder {
    let source = format!("{}/{}", from.name(), encode(key.as_bytes(), true));
    let copy = to.client().copy_object().bucket(to.name());
    copy.key(copied).copy_source(source)
}

#[tokio::test]
async fn copies_of_every_kind_of_size_are_exact_within_and_between_buckets() {
    let (one, two) = (Bucket::create().await, Bucket::create().await);
    for len in [0, 1, 16_384, 16_385, 1_048_577, 10_000_000] {
        let body = content("source", len);
        let put = one.put("source", body.clone()).await;
        for to in [&one, &two] {
            let copied = copy(&one, "source", to, "copy").send().await.unwrap();
            let result = copied.copy_object_result().unwrap();
            assert_eq!(result.e_tag(), put.e_tag());
            assert!(result.last_modified().is_some());
            assert_bytes(&to.get("copy").await, &body);
        }
        // The copy is an object of its own.
        one.put("source", b"changed".to_vec()).await;
        assert_bytes(&two.get("copy").await, &body);
    }
}

#[tokio::test]
async fn a_copy_outlives_its_source() {
    let bucket = Bucket::create().await;
    let body = content("source", 5_000_000);
    bucket.put("source", body.clone()).await;
    copy(&bucket, "source", &bucket, "copy")
        .send()
        .await
        .unwrap();
    let delete = bucket.client().delete_object().bucket(bucket.name());
    delete.key("source").send().await.unwrap();
    assert_bytes(&bucket.get("copy").await, &body);
}

#[tokio::test]
async fn headers_are_copied_or_replaced_as_directed() {
    let bucket = Bucket::create().await;
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("source");
    let put = put.content_type("text/plain").metadata("color", "red");
    put.send().await.unwrap();
    let head = async |key: &str| {
        let head = bucket.client().head_object().bucket(bucket.name());
        let head = head.key(key).send().await.unwrap();
        let color = head.metadata().and_then(|meta| meta.get("color").cloned());
        (head.content_type, color)
    };

    copy(&bucket, "source", &bucket, "copied")
        .send()
        .await
        .unwrap();
    let kept = (Some("text/plain".to_owned()), Some("red".to_owned()));
    assert_eq!(head("copied").await, kept);

    // Without the directive to replace, headers of the request are not taken.
    let ignoring = copy(&bucket, "source", &bucket, "ignored").metadata("color", "blue");
    ignoring.send().await.unwrap();
    assert_eq!(head("ignored").await, kept);

    let replacing = copy(&bucket, "source", &bucket, "replaced")
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/html")
        .metadata("color", "blue");
    replacing.send().await.unwrap();
    let replaced = (Some("text/html".to_owned()), Some("blue".to_owned()));
    assert_eq!(head("replaced").await, replaced);
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let bucket = Bucket::create().await;
    bucket.put("key", content("key", 100_000)).await;
    let same = copy(&bucket, "key", &bucket, "key").send().await;
    assert_refused(same, 400, "InvalidRequest");
    let changing = copy(&bucket, "key", &bucket, "key")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("new", "yes");
    changing.send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &content("key", 100_000));
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["new"], "yes");
}

#[tokio::test]
async fn odd_keys_are_found_as_sources() {
    let bucket = Bucket::create().await;
    for key in ODD_KEYS {
        bucket.put(key, content(key, 50)).await;
        copy(&bucket, key, &bucket, "copy").send().await.unwrap();
        assert_bytes(&bucket.get("copy").await, &content(key, 50));
    }
}

#[tokio::test]
async fn what_is_absent_is_named() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"x".to_vec()).await;
    let absent_key = copy(&bucket, "absent", &bucket, "copy").send().await;
    assert_refused(absent_key, 404, "NoSuchKey");
    let elsewhere = format!("{}/key", fresh_name());
    let absent_source = bucket.client().copy_object().bucket(bucket.name());
    let absent_source = absent_source.key("copy").copy_source(elsewhere);
    assert_refused(absent_source.send().await, 404, "NoSuchBucket");
    let absent_target = copy(&bucket, "key", &bucket, "copy").bucket(fresh_name());
    assert_refused(absent_target.send().await, 404, "NoSuchBucket");
    assert_eq!(bucket.keys().await, ["key"]);
}

#[tokio::test]
async fn conditions_on_the_source_decide() {
    let bucket = Bucket::create().await;
    let etag = bucket.put("key", b"x".to_vec()).await.e_tag.unwrap();
    let copying = || copy(&bucket, "key", &bucket, "copy");
    for refused in [
        copying().copy_source_if_match("\"x\""),
        copying().copy_source_if_none_match(&etag),
        copying().copy_source_if_unmodified_since(aws_sdk_s3::primitives::DateTime::from_secs(1)),
    ] {
        assert_refused(refused.send().await, 412, "PreconditionFailed");
        assert!(!bucket.has("copy").await);
    }
    for accepted in [
        copying().copy_source_if_match(&etag),
        copying().copy_source_if_none_match("\"x\""),
        copying().copy_source_if_modified_since(aws_sdk_s3::primitives::DateTime::from_secs(1)),
    ] {
        accepted.send().await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_of_a_multipart_object_has_a_plain_etag() {
    let bucket = Bucket::create().await;
    let bodies = [content("1", MIN_PART_BYTES), content("2", 1_000_000)];
    let upload = bucket.begin("source").await;
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        parts.push(bucket.part("source", &upload, number, body.clone()).await);
    }
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("source");
    let complete = complete
        .upload_id(&upload)
        .multipart_upload(completed(parts));
    complete.send().await.unwrap();

    let copied = copy(&bucket, "source", &bucket, "copy")
        .send()
        .await
        .unwrap();
    let whole = bodies.concat();
    let etag = format!("\"{}\"", md5_hex(&whole));
    let result = copied.copy_object_result().unwrap();
    assert_eq!(result.e_tag(), Some(etag.as_str()));
    assert_bytes(&bucket.get("copy").await, &whole);
}

#[test]
fn sources_that_name_no_object_are_refused() {
    let bucket = Bucket::create_blocking();
    for source in ["", "/", "bucket", "/bucket/", "bucket/%zz", "?versionId=x"] {
        let copy = Request::key("PUT", bucket.name(), "copy").header("x-amz-copy-source", source);
        let answer = endpoint().exchange(copy);
        assert_eq!(answer.status, 400, "{source:?}: {}", answer.text());
    }
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "copy"));
    assert_eq!(head.status, 404);
}

#[test]
fn a_leading_slash_of_the_source_is_no_part_of_it() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint().exchange(put).status, 200);
    let source = format!("/{}/key", bucket.name());
    let copy = Request::key("PUT", bucket.name(), "copy").header("x-amz-copy-source", source);
    assert_eq!(endpoint().exchange(copy).status, 200);
    let get = endpoint().exchange(Request::key("GET", bucket.name(), "copy"));
    assert_eq!(get.body, b"body");
}

#[test]
fn what_a_source_lacks_is_named_as_the_sources() {
    let bucket = Bucket::create_blocking();
    let elsewhere = fresh_name();
    for (source, named) in [
        (
            format!("{elsewhere}/original"),
            format!("<BucketName>{elsewhere}</BucketName>"),
        ),
        (
            format!("{}/original", bucket.name()),
            "<Key>original</Key>".to_owned(),
        ),
    ] {
        let copy = Request::key("PUT", bucket.name(), "copy").header("x-amz-copy-source", source);
        let answer = endpoint().exchange(copy);
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert!(answer.text().contains(&named), "{}", answer.text());
    }
}
