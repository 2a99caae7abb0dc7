use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart, ObjectAttributes,
};
use cairn_conformance::{Bucket, MIN_PART_BYTES, assert_refused, completed, endpoint};
use cairn_dev_tests::request::Request;

use crate::samples::content;

fn all() -> Vec<ObjectAttributes> {
    vec![
        ObjectAttributes::Etag,
        ObjectAttributes::Checksum,
        ObjectAttributes::ObjectParts,
        ObjectAttributes::StorageClass,
        ObjectAttributes::ObjectSize,
    ]
}

/// Completes an object from three parts with checksums of this algorithm and gives the checksums of the parts.
async fn upload(bucket: &Bucket, algorithm: ChecksumAlgorithm, kind: ChecksumType) -> Vec<String> {
    let create = bucket.client().create_multipart_upload();
    let create = create.bucket(bucket.name()).key("key");
    let create = create
        .checksum_algorithm(algorithm.clone())
        .checksum_type(kind);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let mut parts = Vec::new();
    let mut checksums = Vec::new();
    for (number, len) in [(1, MIN_PART_BYTES), (2, MIN_PART_BYTES), (3, 11)] {
        let put = bucket
            .client()
            .upload_part()
            .bucket(bucket.name())
            .key("key");
        let put = put.upload_id(&upload).part_number(number);
        let put = put.checksum_algorithm(algorithm.clone());
        let put = put.body(content(&format!("{number}"), len).into());
        let part = put.send().await.unwrap();
        let checksum = part.checksum_sha256().or(part.checksum_crc32());
        checksums.push(checksum.unwrap().to_owned());
        let done = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_sha256(part.checksum_sha256)
            .set_checksum_crc32(part.checksum_crc32);
        parts.push(done.build());
    }
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete.multipart_upload(completed(parts.clone()));
    let first = complete.clone().send().await.unwrap();
    // Whoever did not hear of it may ask again.
    let again = complete.send().await.unwrap();
    assert_eq!(first.e_tag(), again.e_tag());
    assert_eq!(first.checksum_sha256(), again.checksum_sha256());
    assert_eq!(first.checksum_crc32(), again.checksum_crc32());
    checksums
}

#[tokio::test]
async fn an_object_that_was_put_whole_has_no_parts() {
    let bucket = Bucket::create().await;
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256);
    let put = put.body(b"body".to_vec().into()).send().await.unwrap();
    let get = bucket
        .client()
        .get_object_attributes()
        .bucket(bucket.name());
    let get = get.key("key").set_object_attributes(Some(all()));
    let told = get.send().await.unwrap();
    assert_eq!(told.e_tag(), put.e_tag().map(|etag| etag.trim_matches('"')));
    let checksum = told.checksum().unwrap();
    assert_eq!(checksum.checksum_sha256(), put.checksum_sha256());
    assert_eq!(checksum.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(told.object_parts(), None);
    assert_eq!(told.object_size(), Some(4));
    assert_eq!(
        told.storage_class()
            .map(aws_sdk_s3::types::StorageClass::as_str),
        Some("STANDARD")
    );
    assert!(told.last_modified().is_some());
    assert_eq!((told.version_id(), told.delete_marker()), (None, None));

    let get = bucket
        .client()
        .get_object_attributes()
        .bucket(bucket.name());
    let get = get
        .key("key")
        .object_attributes(ObjectAttributes::ObjectSize);
    let told = get.send().await.unwrap();
    assert_eq!((told.e_tag(), told.object_size()), (None, Some(4)));
}

#[tokio::test]
async fn parts_come_in_pages_with_their_checksums() {
    let bucket = Bucket::create().await;
    let kind = ChecksumType::Composite;
    let checksums = upload(&bucket, ChecksumAlgorithm::Sha256, kind.clone()).await;
    let get = || {
        let get = bucket.client().get_object_attributes();
        let get = get.bucket(bucket.name()).key("key");
        get.set_object_attributes(Some(all()))
    };
    let told = get().send().await.unwrap();
    assert_eq!(
        told.object_size().unwrap().cast_unsigned(),
        2 * MIN_PART_BYTES + 11
    );
    let checksum = told.checksum().unwrap();
    assert!(checksum.checksum_sha256().unwrap().ends_with("-3"));
    assert_eq!(checksum.checksum_type(), Some(&kind));
    let parts = told.object_parts().unwrap();
    assert_eq!(parts.total_parts_count(), Some(3));
    assert_eq!(parts.is_truncated(), Some(false));
    let rows = |parts: &[aws_sdk_s3::types::ObjectPart]| -> Vec<_> {
        let row = |part: &aws_sdk_s3::types::ObjectPart| {
            let checksum = part.checksum_sha256().unwrap().to_owned();
            (part.part_number().unwrap(), checksum)
        };
        parts.iter().map(row).collect()
    };
    let expected: Vec<(i32, String)> = (1..).zip(checksums).collect();
    assert_eq!(rows(parts.parts()), expected);

    let page = get()
        .max_parts(1)
        .part_number_marker("1")
        .send()
        .await
        .unwrap();
    let parts = page.object_parts().unwrap();
    assert_eq!(parts.total_parts_count(), Some(3));
    assert_eq!(parts.max_parts(), Some(1));
    assert_eq!(parts.part_number_marker(), Some("1"));
    assert_eq!(parts.next_part_number_marker(), Some("2"));
    assert_eq!(parts.is_truncated(), Some(true));
    assert_eq!(rows(parts.parts()), expected[1..2]);
    let last = get()
        .max_parts(5)
        .part_number_marker("2")
        .send()
        .await
        .unwrap();
    let parts = last.object_parts().unwrap();
    assert_eq!(parts.is_truncated(), Some(false));
    assert_eq!(rows(parts.parts()), expected[2..]);
}

#[tokio::test]
async fn a_part_is_read_with_a_checksum_of_its_own() {
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
    ] {
        let bucket = Bucket::create().await;
        let checksums = upload(&bucket, algorithm, kind.clone()).await;
        for (number, checksum) in (1..).zip(&checksums) {
            let get = bucket
                .client()
                .get_object()
                .bucket(bucket.name())
                .key("key");
            let get = get.part_number(number).checksum_mode(ChecksumMode::Enabled);
            let part = get.send().await.unwrap();
            assert_eq!(part.parts_count(), Some(3));
            assert_eq!(part.checksum_type(), Some(&kind));
            let told = part.checksum_sha256().or(part.checksum_crc32());
            assert_eq!(told, Some(checksum.as_str()));
            let head = bucket
                .client()
                .head_object()
                .bucket(bucket.name())
                .key("key");
            let head = head
                .part_number(number)
                .checksum_mode(ChecksumMode::Enabled);
            let head = head.send().await.unwrap();
            assert_eq!(head.parts_count(), Some(3));
            let told = head.checksum_sha256().or(head.checksum_crc32());
            assert_eq!(told, Some(checksum.as_str()));
            assert_eq!(head.content_length(), part.content_length());
        }
        // Nobody asked for it.
        let head = bucket
            .client()
            .head_object()
            .bucket(bucket.name())
            .key("key");
        let head = head.part_number(1).send().await.unwrap();
        assert_eq!(
            (head.checksum_sha256(), head.checksum_crc32()),
            (None, None)
        );
    }
}

#[tokio::test]
async fn versions_and_markers_are_told_as_of_any_read() {
    let bucket = Bucket::versioned().await;
    let first = bucket.put("key", b"1".to_vec()).await.version_id.unwrap();
    bucket.put("key", b"22".to_vec()).await;
    let get = |version: Option<String>| {
        let get = bucket
            .client()
            .get_object_attributes()
            .bucket(bucket.name());
        let get = get
            .key("key")
            .object_attributes(ObjectAttributes::ObjectSize);
        get.set_version_id(version).send()
    };
    assert_eq!(get(None).await.unwrap().object_size(), Some(2));
    let old = get(Some(first.clone())).await.unwrap();
    assert_eq!(
        (old.object_size(), old.version_id()),
        (Some(1), Some(first.as_str()))
    );
    let delete = bucket.client().delete_object().bucket(bucket.name());
    delete.key("key").send().await.unwrap();
    assert_refused(get(None).await, 404, "NoSuchKey");
}

#[test]
fn attributes_that_are_none_are_refused() {
    let bucket = Bucket::create_blocking();
    let get = |headers: &[(&str, &str)]| {
        let mut get = Request::key("GET", bucket.name(), "key").query("attributes", "");
        for (name, value) in headers {
            get = get.header(name, *value);
        }
        endpoint().exchange(get).verdict()
    };
    let name = "x-amz-object-attributes";
    let invalid = (400, "InvalidArgument".to_owned());
    assert_eq!(get(&[(name, "ETag,Other")]), invalid);
    assert_eq!(get(&[(name, "ETag"), ("x-amz-max-parts", "-1")]), invalid);
    assert_eq!(get(&[]), (400, "InvalidRequest".to_owned()));
    assert_eq!(get(&[(name, "ETag")]), (404, "NoSuchKey".to_owned()));
}
