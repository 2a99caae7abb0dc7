use cairn_conformance::{Bucket, assert_refused, completed, endpoint};
use cairn_dev_tests::checksum::{md5_base64, md5_hex};
use cairn_dev_tests::request::Request;

use crate::samples::{assert_bytes, content};

#[tokio::test]
async fn a_part_answers_with_its_md5() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    for (number, len) in [
        (1, 0),
        (2, 1),
        (3, 16_385),
        (9_999, 1_048_577),
        (10_000, 6_000_000),
    ] {
        let body = content("part", len);
        let part = bucket.part("key", &upload, number, body.clone()).await;
        let etag = format!("\"{}\"", md5_hex(&body));
        assert_eq!(part.e_tag(), Some(etag.as_str()));
    }
}

#[tokio::test]
async fn a_part_sent_again_replaces_the_first() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let first = bucket
        .part("key", &upload, 1, content("first", 2_000_000))
        .await;
    let second = bucket
        .part("key", &upload, 1, content("second", 1_000))
        .await;
    let complete = |part| {
        let complete = bucket.client().complete_multipart_upload();
        let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
        complete.multipart_upload(completed(vec![part])).send()
    };
    assert_refused(complete(first).await, 400, "InvalidPart");
    complete(second).await.unwrap();
    assert_bytes(&bucket.get("key").await, &content("second", 1_000));
}

#[tokio::test]
async fn parts_may_come_at_once_and_in_any_order() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let bodies: Vec<_> = (1..=6)
        .map(|number| content(&format!("part-{number}"), 5_242_880 + number))
        .collect();
    let sending: Vec<_> = (1..)
        .zip(&bodies)
        .map(|(number, body)| {
            let put = bucket.client().upload_part().bucket(bucket.name());
            let put = put.key("key").upload_id(&upload).part_number(number);
            tokio::spawn(put.body(body.clone().into()).send())
        })
        .collect();
    for part in sending {
        part.await.unwrap().unwrap();
    }
    let list = bucket.client().list_parts().bucket(bucket.name());
    let list = list.key("key").upload_id(&upload).send().await.unwrap();
    let parts = list.parts().iter().map(|part| {
        aws_sdk_s3::types::CompletedPart::builder()
            .set_part_number(part.part_number())
            .set_e_tag(part.e_tag.clone())
            .build()
    });
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete.multipart_upload(completed(parts.collect()));
    complete.send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &bodies.concat());
}

#[test]
fn part_numbers_go_from_1_to_10_000() {
    let bucket = Bucket::create_blocking();
    let upload = begin(&bucket);
    for number in [
        "0",
        "10001",
        "-1",
        "1000000000",
        "1x",
        "",
        "99999999999999999999",
    ] {
        let put = Request::key("PUT", bucket.name(), "key").body("part");
        let put = put.query("partNumber", number).query("uploadId", &upload);
        let answer = endpoint().exchange(put);
        let expected = (400, "InvalidArgument".to_owned());
        assert_eq!(answer.verdict(), expected, "{number:?}");
    }
}

#[test]
fn an_upload_that_is_not_there_takes_no_part() {
    let bucket = Bucket::create_blocking();
    let upload = begin(&bucket);
    for (key, upload) in [
        ("key", "unknown"),
        ("other", &upload),
        ("key", &"x".repeat(2_000)),
    ] {
        let put = Request::key("PUT", bucket.name(), key).body("part");
        let put = put.query("partNumber", "1").query("uploadId", upload);
        let answer = endpoint().exchange(put);
        assert_eq!(answer.verdict(), (404, "NoSuchUpload".to_owned()), "{key}");
    }
    let other = Bucket::create_blocking();
    let put = Request::key("PUT", other.name(), "key").body("part");
    let put = put.query("partNumber", "1").query("uploadId", upload);
    let answer = endpoint().exchange(put);
    assert_eq!(answer.verdict(), (404, "NoSuchUpload".to_owned()));
}

#[test]
fn a_part_with_the_wrong_md5_is_no_part() {
    let bucket = Bucket::create_blocking();
    let upload = begin(&bucket);
    let put = Request::key("PUT", bucket.name(), "key")
        .body("part")
        .header("content-md5", md5_base64(b"other"))
        .query("partNumber", "1")
        .query("uploadId", &upload);
    let answer = endpoint().exchange(put);
    assert_eq!(answer.verdict(), (400, "BadDigest".to_owned()));
    let list = Request::key("GET", bucket.name(), "key").query("uploadId", &upload);
    let answer = endpoint().exchange(list);
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("<Part>"), "{}", answer.text());
}

fn begin(bucket: &Bucket) -> String {
    let create = Request::key("POST", bucket.name(), "key").query("uploads", "");
    let answer = endpoint().exchange(create);
    cairn_dev_tests::xml::text(&answer.body, "UploadId").expect("an upload has an id")
}
