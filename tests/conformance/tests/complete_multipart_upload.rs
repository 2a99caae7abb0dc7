use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::types::CompletedPart;
use cairn_conformance::{Bucket, MIB, MIN_PART_BYTES, assert_refused, completed, refusal};
use cairn_dev_tests::checksum::multipart_etag;

use crate::samples::{assert_bytes, content};

fn complete(
    bucket: &Bucket,
    upload: &str,
    parts: Vec<CompletedPart>,
) -> CompleteMultipartUploadFluentBuilder {
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(upload);
    complete.multipart_upload(completed(parts))
}

#[tokio::test]
async fn parts_join_to_exact_bytes_and_an_etag_of_etags() {
    let bucket = Bucket::create().await;
    for lens in [
        vec![1],
        vec![0],
        vec![MIN_PART_BYTES, 1],
        vec![MIN_PART_BYTES, MIN_PART_BYTES + 3, 1],
        vec![MIN_PART_BYTES + MIB + 1, 12 * MIB - 1, 0],
        vec![8 * MIB, 8 * MIB, 8 * MIB, 700],
    ] {
        let upload = bucket.begin("key").await;
        let bodies: Vec<_> = (0..)
            .zip(&lens)
            .map(|(n, len)| content(&format!("{n}"), *len))
            .collect();
        let mut parts = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            parts.push(bucket.part("key", &upload, number, body.clone()).await);
        }
        let answer = complete(&bucket, &upload, parts).send().await.unwrap();
        let slices: Vec<&[u8]> = bodies.iter().map(AsRef::as_ref).collect();
        let etag = format!("\"{}\"", multipart_etag(&slices));
        assert_eq!(answer.e_tag(), Some(etag.as_str()), "{lens:?}");
        assert_eq!(answer.bucket(), Some(bucket.name()));
        assert_eq!(answer.key(), Some("key"));
        assert_bytes(&bucket.get("key").await, &bodies.concat());
        let head = bucket.client().head_object().bucket(bucket.name());
        let head = head.key("key").send().await.unwrap();
        assert_eq!(head.e_tag(), Some(etag.as_str()));
    }
    assert_eq!(bucket.keys().await, ["key"]);
}

#[tokio::test]
async fn only_the_parts_that_are_named_are_joined() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let mut parts = Vec::new();
    for number in [2, 5, 7, 10_000] {
        let body = content(&format!("{number}"), MIN_PART_BYTES);
        parts.push(bucket.part("key", &upload, number, body).await);
    }
    let named = vec![parts[0].clone(), parts[2].clone()];
    complete(&bucket, &upload, named).send().await.unwrap();
    let expected = [content("2", MIN_PART_BYTES), content("7", MIN_PART_BYTES)].concat();
    assert_bytes(&bucket.get("key").await, &expected);
    let list = bucket.client().list_parts().bucket(bucket.name());
    let list = list.key("key").upload_id(&upload).send().await;
    assert_refused(list, 404, "NoSuchUpload");
}

#[tokio::test]
async fn a_small_part_before_the_last_is_refused_and_the_upload_stays() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let small = bucket
        .part("key", &upload, 1, content("1", MIN_PART_BYTES - 1))
        .await;
    let last = bucket.part("key", &upload, 2, content("2", 10)).await;
    let refused = complete(&bucket, &upload, vec![small, last.clone()]);
    assert_refused(refused.send().await, 400, "EntityTooSmall");
    assert!(!bucket.has("key").await);

    let enough = bucket
        .part("key", &upload, 1, content("1", MIN_PART_BYTES))
        .await;
    complete(&bucket, &upload, vec![enough, last])
        .send()
        .await
        .unwrap();
    assert_eq!(bucket.get("key").await.len(), 5 * 1024 * 1024 + 10);
}

#[tokio::test]
async fn wrong_missing_and_disordered_parts_are_refused() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let one = bucket
        .part("key", &upload, 1, content("1", MIN_PART_BYTES))
        .await;
    let two = bucket
        .part("key", &upload, 2, content("2", MIN_PART_BYTES))
        .await;
    let part = |number: i32, etag: Option<&str>| {
        let part = CompletedPart::builder().part_number(number);
        part.set_e_tag(etag.map(str::to_owned)).build()
    };
    for (parts, code) in [
        (vec![part(1, two.e_tag())], "InvalidPart"),
        (
            vec![part(1, Some("\"00000000000000000000000000000000\""))],
            "InvalidPart",
        ),
        (vec![one.clone(), part(3, two.e_tag())], "InvalidPart"),
        (vec![two.clone(), one.clone()], "InvalidPartOrder"),
        (vec![one.clone(), one.clone()], "InvalidPartOrder"),
    ] {
        let refused = complete(&bucket, &upload, parts).send().await;
        assert_refused(refused, 400, code);
        assert!(!bucket.has("key").await);
    }
    complete(&bucket, &upload, vec![one, two])
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_upload_without_parts_cannot_be_completed() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let (status, code) = refusal(complete(&bucket, &upload, Vec::new()).send().await);
    assert_eq!(status, 400);
    let known = ["MalformedXML", "InvalidRequest"];
    assert!(known.contains(&code.as_str()), "{code}");
    assert!(!bucket.has("key").await);
}

#[tokio::test]
async fn completing_again_gives_the_same_answer() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let part = bucket.part("key", &upload, 1, content("1", 100)).await;
    let first = complete(&bucket, &upload, vec![part.clone()])
        .send()
        .await
        .unwrap();
    let second = complete(&bucket, &upload, vec![part]).send().await.unwrap();
    assert_eq!(first.e_tag(), second.e_tag());
    assert_bytes(&bucket.get("key").await, &content("1", 100));
}

#[tokio::test]
async fn an_unknown_upload_cannot_be_completed() {
    let bucket = Bucket::create().await;
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag("\"x\"")
        .build();
    let refused = complete(&bucket, "unknown", vec![part]).send().await;
    assert_refused(refused, 404, "NoSuchUpload");
}

#[tokio::test]
async fn the_old_object_is_read_until_the_upload_is_complete() {
    let bucket = Bucket::create().await;
    bucket.put("key", content("old", 2_000_000)).await;
    let upload = bucket.begin("key").await;
    let part = bucket
        .part("key", &upload, 1, content("new", 3_000_000))
        .await;
    assert_bytes(&bucket.get("key").await, &content("old", 2_000_000));
    complete(&bucket, &upload, vec![part]).send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &content("new", 3_000_000));
    let delete = bucket.client().delete_object().bucket(bucket.name());
    delete.key("key").send().await.unwrap();
    assert!(!bucket.has("key").await);
}

#[tokio::test]
async fn of_completing_and_aborting_at_once_one_wins() {
    let bucket = Bucket::create().await;
    let (mut completed_rounds, mut aborted_rounds) = (0, 0);
    for round in 0..20 {
        let upload = bucket.begin("key").await;
        let body = content(&format!("{round}"), 50_000);
        let part = bucket.part("key", &upload, 1, body.clone()).await;
        let completing = complete(&bucket, &upload, vec![part]).send();
        let aborting = bucket.client().abort_multipart_upload();
        let aborting = aborting.bucket(bucket.name()).key("key").upload_id(&upload);
        let (completing, aborting) = (tokio::spawn(completing), tokio::spawn(aborting.send()));
        let (completed, aborted) = (completing.await.unwrap(), aborting.await.unwrap());
        match (completed, aborted) {
            (Ok(_), aborted) => {
                completed_rounds += 1;
                // An abort after completion may find the upload gone or have nothing to do; it must not take the object away.
                if let Err(error) = aborted {
                    assert_refused::<(), _>(Err(error), 404, "NoSuchUpload");
                }
                assert_bytes(&bucket.get("key").await, &body);
            }
            (completed, Ok(_)) => {
                aborted_rounds += 1;
                assert_refused(completed, 404, "NoSuchUpload");
            }
            both => panic!("neither won: {both:?}"),
        }
        let list = bucket
            .client()
            .list_multipart_uploads()
            .bucket(bucket.name());
        assert!(list.send().await.unwrap().uploads().is_empty());
    }
    assert_eq!(completed_rounds + aborted_rounds, 20);
}
