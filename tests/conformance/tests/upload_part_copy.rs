use aws_sdk_s3::operation::upload_part_copy::builders::UploadPartCopyFluentBuilder;
use aws_sdk_s3::types::CompletedPart;
use cairn_conformance::{Bucket, MIB, MIN_PART_BYTES, assert_refused, completed, fresh_name};
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::checksum::md5_hex;

use crate::samples::assert_bytes;

const SOURCE_BYTES: u64 = 12 * MIB + 7;

fn source() -> Pattern {
    Pattern::of("source", 0, SOURCE_BYTES)
}

async fn bucket_with_source() -> (Bucket, String) {
    let bucket = Bucket::create().await;
    bucket.put("source", source().bytes()).await;
    let upload = bucket.begin("key").await;
    (bucket, upload)
}

fn copy(bucket: &Bucket, upload: &str, number: i32) -> UploadPartCopyFluentBuilder {
    let copy = bucket.client().upload_part_copy().bucket(bucket.name());
    let copy = copy.key("key").upload_id(upload).part_number(number);
    copy.copy_source(format!("{}/source", bucket.name()))
}

#[tokio::test]
async fn ranges_of_a_source_join_to_a_new_object() {
    let (bucket, upload) = bucket_with_source().await;
    let second = 3 + MIN_PART_BYTES;
    let cuts = [3, second, second + MIN_PART_BYTES + 1, SOURCE_BYTES];
    let mut parts = Vec::new();
    for (number, cut) in (1..).zip(cuts.windows(2)) {
        let range = format!("bytes={}-{}", cut[0], cut[1] - 1);
        let copied = copy(&bucket, &upload, number).copy_source_range(range);
        let result = copied.send().await.unwrap().copy_part_result.unwrap();
        let etag = format!("\"{}\"", md5_hex(&source().range(cut[0]..cut[1])));
        assert_eq!(result.e_tag(), Some(etag.as_str()));
        assert!(result.last_modified().is_some());
        let part = CompletedPart::builder().part_number(number).e_tag(etag);
        parts.push(part.build());
    }
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete.multipart_upload(completed(parts));
    complete.send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &source().range(3..SOURCE_BYTES));
}

#[tokio::test]
async fn without_a_range_the_whole_source_is_a_part() {
    let (bucket, upload) = bucket_with_source().await;
    let copied = copy(&bucket, &upload, 1).send().await.unwrap();
    let etag = copied.copy_part_result.unwrap().e_tag.unwrap();
    assert_eq!(etag, format!("\"{}\"", md5_hex(&source().bytes())));
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete.multipart_upload(completed(vec![part]));
    complete.send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &source().bytes());
}

#[tokio::test]
async fn a_range_that_the_source_does_not_have_is_refused() {
    let (bucket, upload) = bucket_with_source().await;
    let beyond = format!("bytes=0-{SOURCE_BYTES}");
    for range in [
        beyond.as_str(),
        "bytes=5-2",
        "bytes=-5",
        "bytes=5-",
        "0-5",
        "bytes=a-b",
        "",
    ] {
        let refused = copy(&bucket, &upload, 1).copy_source_range(range);
        assert_refused(refused.send().await, 400, "InvalidArgument");
    }
    let list = bucket.client().list_parts().bucket(bucket.name());
    let list = list.key("key").upload_id(&upload).send().await.unwrap();
    assert!(list.parts().is_empty());
}

#[tokio::test]
async fn conditions_on_the_source_decide() {
    let (bucket, upload) = bucket_with_source().await;
    let head = bucket.client().head_object().bucket(bucket.name());
    let etag = head.key("source").send().await.unwrap().e_tag.unwrap();
    let refused = copy(&bucket, &upload, 1).copy_source_if_match("\"x\"");
    assert_refused(refused.send().await, 412, "PreconditionFailed");
    let refused = copy(&bucket, &upload, 1).copy_source_if_none_match(&etag);
    assert_refused(refused.send().await, 412, "PreconditionFailed");
    let accepted = copy(&bucket, &upload, 1).copy_source_if_match(&etag);
    accepted.send().await.unwrap();
}

#[tokio::test]
async fn what_is_absent_is_named() {
    let (bucket, upload) = bucket_with_source().await;
    let absent_key = format!("{}/absent", bucket.name());
    let refused = copy(&bucket, &upload, 1).copy_source(absent_key);
    assert_refused(refused.send().await, 404, "NoSuchKey");
    let absent_bucket = format!("{}/source", fresh_name());
    let refused = copy(&bucket, &upload, 1).copy_source(absent_bucket);
    assert_refused(refused.send().await, 404, "NoSuchBucket");
    let refused = copy(&bucket, "unknown", 1).send().await;
    assert_refused(refused, 404, "NoSuchUpload");
    for number in [0, 10_001] {
        let refused = copy(&bucket, &upload, number).send().await;
        assert_refused(refused, 400, "InvalidArgument");
    }
}
