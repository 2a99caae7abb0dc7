//! The additional checksums of objects and uploads, as the SDK sends and verifies them.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart};
use cairn_conformance::{Bucket, MIN_PART_BYTES, assert_refused, completed, endpoint};
use cairn_dev_tests::checksum::Algorithm;
use cairn_dev_tests::request::Request;

use crate::samples::{assert_bytes, content};

fn named(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from(algorithm.name())
}

fn value_of(head: &HeadObjectOutput, algorithm: Algorithm) -> Option<&str> {
    match algorithm {
        Algorithm::Crc32 => head.checksum_crc32(),
        Algorithm::Crc32c => head.checksum_crc32_c(),
        Algorithm::Crc64Nvme => head.checksum_crc64_nvme(),
        Algorithm::Sha1 => head.checksum_sha1(),
        Algorithm::Sha256 => head.checksum_sha256(),
    }
}

async fn head(bucket: &Bucket) -> HeadObjectOutput {
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").checksum_mode(ChecksumMode::Enabled);
    head.send().await.unwrap()
}

#[tokio::test]
async fn the_sdk_sends_each_algorithm_and_the_server_keeps_its_value() {
    let bucket = Bucket::create().await;
    for algorithm in Algorithm::ALL {
        for len in [0, 10, 1_500_000] {
            let body = content("key", len);
            let put = bucket
                .client()
                .put_object()
                .bucket(bucket.name())
                .key("key");
            let put = put.checksum_algorithm(named(algorithm));
            put.body(body.clone().into()).send().await.unwrap();
            let head = head(&bucket).await;
            let expected = algorithm.value(&body);
            assert_eq!(value_of(&head, algorithm), Some(expected.as_str()));
            assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
            // The SDK asks for the checksum and verifies it while reading.
            assert_bytes(&bucket.get("key").await, &body);
        }
    }
}

#[tokio::test]
async fn a_body_of_unknown_origin_is_sent_in_chunks_with_a_trailer() {
    let bucket = Bucket::create().await;
    let directory = cairn_dev_tests::scratch::Scratch::new("trailer");
    let path = directory.path().join("body");
    for algorithm in Algorithm::ALL {
        for len in [0, 1, 65_536, 1_500_000] {
            let body = content("key", len);
            std::fs::write(&path, &body).unwrap();
            let put = bucket
                .client()
                .put_object()
                .bucket(bucket.name())
                .key("key");
            let put = put.checksum_algorithm(named(algorithm));
            let stream = ByteStream::from_path(&path).await.unwrap();
            put.body(stream).send().await.unwrap();
            let head = head(&bucket).await;
            let expected = algorithm.value(&body);
            assert_eq!(value_of(&head, algorithm), Some(expected.as_str()));
            assert_eq!(head.content_length(), i64::try_from(len).ok());
            assert_eq!(head.content_encoding(), None);
            assert_bytes(&bucket.get("key").await, &body);
        }
    }
}

#[test]
fn a_value_given_in_a_header_is_verified_and_a_wrong_one_stores_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for algorithm in Algorithm::ALL {
        for len in [5, 300_000] {
            let body = content("key", len);
            let put = |value: String| {
                let put = Request::key("PUT", bucket.name(), "key").body(body.clone());
                endpoint.exchange(put.header(algorithm.header(), value))
            };
            let wrong = put(algorithm.value(b"other"));
            assert_eq!(
                wrong.verdict(),
                (400, "BadDigest".to_owned()),
                "{algorithm:?}"
            );
            let malformed = put("bad".to_owned());
            assert_eq!(
                malformed.verdict(),
                (400, "InvalidRequest".to_owned()),
                "{algorithm:?}"
            );
            let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
            assert_eq!(head.status, 404, "{algorithm:?}");
            assert_eq!(put(algorithm.value(&body)).status, 200, "{algorithm:?}");
            let delete = endpoint.exchange(Request::key("DELETE", bucket.name(), "key"));
            assert_eq!(delete.status, 204);
        }
    }
}

#[test]
fn two_checksums_or_an_unknown_algorithm_are_refused() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let body = content("key", 10);
    let both = Request::key("PUT", bucket.name(), "key")
        .body(body.clone())
        .header("x-amz-checksum-crc32", Algorithm::Crc32.value(&body))
        .header("x-amz-checksum-sha256", Algorithm::Sha256.value(&body));
    let answer = endpoint.exchange(both);
    assert_eq!(answer.verdict(), (400, "InvalidRequest".to_owned()));
    let unknown = Request::key("PUT", bucket.name(), "key")
        .body(body)
        .header("x-amz-sdk-checksum-algorithm", "CRC17")
        .header("x-amz-checksum-crc17", "AAAA");
    let answer = endpoint.exchange(unknown);
    assert_eq!(answer.verdict(), (400, "InvalidRequest".to_owned()));
    let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}

#[test]
fn a_checksum_is_told_when_asked_for_and_only_of_a_whole_object() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let (body, name) = (content("key", 1_000), "x-amz-checksum-crc32c");
    let value = Algorithm::Crc32c.value(&body);
    let put = Request::key("PUT", bucket.name(), "key").body(body);
    assert_eq!(
        endpoint.exchange(put.header(name, value.clone())).status,
        200
    );
    let ask = |method| Request::key(method, bucket.name(), "key");
    let mode = "x-amz-checksum-mode";
    for method in ["GET", "HEAD"] {
        let asked = endpoint.exchange(ask(method).header(mode, "ENABLED"));
        assert_eq!(asked.header(name), Some(value.as_str()), "{method}");
        let unasked = endpoint.exchange(ask(method));
        assert_eq!(unasked.header(name), None, "{method}");
        let range = ask(method)
            .header(mode, "ENABLED")
            .header("range", "bytes=0-9");
        let part = endpoint.exchange(range);
        assert_eq!((part.status, part.header(name)), (206, None), "{method}");
    }
}

#[tokio::test]
async fn checksums_of_parts_combine_by_the_kind_of_the_upload() {
    let bucket = Bucket::create().await;
    let bodies = [content("1", MIN_PART_BYTES), content("2", 1_000_003)];
    let slices: Vec<&[u8]> = bodies.iter().map(AsRef::as_ref).collect();
    let whole = bodies.concat();
    for (algorithm, kind) in [
        (Algorithm::Crc32, ChecksumType::Composite),
        (Algorithm::Crc32, ChecksumType::FullObject),
        (Algorithm::Crc32c, ChecksumType::Composite),
        (Algorithm::Crc32c, ChecksumType::FullObject),
        (Algorithm::Crc64Nvme, ChecksumType::FullObject),
        (Algorithm::Sha1, ChecksumType::Composite),
        (Algorithm::Sha256, ChecksumType::Composite),
    ] {
        let create = bucket.client().create_multipart_upload();
        let create = create.bucket(bucket.name()).key("key");
        let create = create
            .checksum_algorithm(named(algorithm))
            .checksum_type(kind.clone());
        let upload = create.send().await.unwrap().upload_id.unwrap();
        let mut parts = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            let put = bucket
                .client()
                .upload_part()
                .bucket(bucket.name())
                .key("key");
            let put = put.upload_id(&upload).part_number(number);
            let put = put.checksum_algorithm(named(algorithm));
            let sent = put.body(body.clone().into()).send().await.unwrap();
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .set_checksum_crc32_c(sent.checksum_crc32_c)
                .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
                .set_checksum_sha1(sent.checksum_sha1)
                .set_checksum_sha256(sent.checksum_sha256);
            parts.push(part.build());
        }
        let complete = bucket.client().complete_multipart_upload();
        let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
        let complete = complete.checksum_type(kind.clone());
        let complete = complete.multipart_upload(completed(parts));
        complete.send().await.unwrap();

        let head = head(&bucket).await;
        let expected = match kind {
            ChecksumType::Composite => algorithm.composite(&slices),
            _ => algorithm.value(&whole),
        };
        assert_eq!(
            value_of(&head, algorithm),
            Some(expected.as_str()),
            "{algorithm:?} {kind:?}"
        );
        assert_eq!(head.checksum_type(), Some(&kind), "{algorithm:?}");
        assert_bytes(&bucket.get("key").await, &whole);
    }
}

#[tokio::test]
async fn a_part_with_another_checksum_than_the_one_completed_is_refused() {
    let bucket = Bucket::create().await;
    let create = bucket.client().create_multipart_upload();
    let create = create.bucket(bucket.name()).key("key");
    let create = create.checksum_algorithm(ChecksumAlgorithm::Sha256);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let put = bucket
        .client()
        .upload_part()
        .bucket(bucket.name())
        .key("key");
    let put = put.upload_id(&upload).part_number(1);
    let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256);
    let sent = put.body(content("1", 100).into()).send().await.unwrap();
    let complete = |checksum: Option<String>| {
        let part = CompletedPart::builder()
            .part_number(1)
            .set_e_tag(sent.e_tag.clone())
            .set_checksum_sha256(checksum)
            .build();
        let complete = bucket.client().complete_multipart_upload();
        let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
        complete.multipart_upload(completed(vec![part])).send()
    };
    let wrong = complete(Some(Algorithm::Sha256.value(b"other"))).await;
    assert_refused(wrong, 400, "InvalidPart");
    assert!(!bucket.has("key").await);
    complete(sent.checksum_sha256.clone()).await.unwrap();
}

#[test]
fn a_wrong_checksum_of_the_whole_is_refused_at_completion() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let create = Request::key("POST", bucket.name(), "key")
        .query("uploads", "")
        .header("x-amz-checksum-algorithm", "CRC64NVME")
        .header("x-amz-checksum-type", "FULL_OBJECT");
    let created = endpoint.exchange(create);
    let upload = cairn_dev_tests::xml::text(&created.body, "UploadId").unwrap();
    let (body, header) = (content("1", 100), Algorithm::Crc64Nvme.header());
    let put = Request::key("PUT", bucket.name(), "key")
        .query("partNumber", "1")
        .query("uploadId", &upload)
        .header(header, Algorithm::Crc64Nvme.value(&body))
        .body(body.clone());
    let put = endpoint.exchange(put);
    let part = cairn_dev_tests::client::part_element(1, put.header("etag").unwrap());
    let document = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
    let complete = |value: String| {
        let complete = Request::key("POST", bucket.name(), "key").query("uploadId", &upload);
        let complete = complete.header(header, value).body(document.clone());
        endpoint.exchange(complete.header("x-amz-checksum-type", "FULL_OBJECT"))
    };
    let wrong = complete(Algorithm::Crc64Nvme.value(b"other"));
    assert_eq!(wrong.verdict(), (400, "BadDigest".to_owned()));
    let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
    let right = complete(Algorithm::Crc64Nvme.value(&body));
    assert_eq!(right.verdict(), (200, String::new()), "{}", right.text());
}
