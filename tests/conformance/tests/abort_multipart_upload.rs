use cairn_conformance::{Bucket, assert_refused, completed};

use crate::samples::content;

#[tokio::test]
async fn an_aborted_upload_is_gone_with_its_parts() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let part = bucket
        .part("key", &upload, 1, content("1", 2_000_000))
        .await;
    let abort = || {
        let abort = bucket.client().abort_multipart_upload();
        abort
            .bucket(bucket.name())
            .key("key")
            .upload_id(&upload)
            .send()
    };
    abort().await.unwrap();

    let list = bucket
        .client()
        .list_multipart_uploads()
        .bucket(bucket.name());
    assert!(list.send().await.unwrap().uploads().is_empty());
    let parts = bucket.client().list_parts().bucket(bucket.name());
    let parts = parts.key("key").upload_id(&upload).send().await;
    assert_refused(parts, 404, "NoSuchUpload");
    let put = bucket
        .client()
        .upload_part()
        .bucket(bucket.name())
        .key("key");
    let put = put.upload_id(&upload).part_number(2).send().await;
    assert_refused(put, 404, "NoSuchUpload");
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete
        .multipart_upload(completed(vec![part]))
        .send()
        .await;
    assert_refused(complete, 404, "NoSuchUpload");
    assert!(!bucket.has("key").await);
}

#[tokio::test]
async fn aborting_one_upload_leaves_the_others_and_the_object() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"object".to_vec()).await;
    let (one, two) = (bucket.begin("key").await, bucket.begin("key").await);
    let part = bucket.part("key", &two, 1, content("2", 1_000)).await;
    let abort = bucket.client().abort_multipart_upload();
    let abort = abort.bucket(bucket.name()).key("key").upload_id(one);
    abort.send().await.unwrap();
    assert_eq!(bucket.get("key").await, b"object");
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(two);
    let complete = complete.multipart_upload(completed(vec![part]));
    complete.send().await.unwrap();
    assert_eq!(bucket.get("key").await, content("2", 1_000));
}

#[tokio::test]
async fn an_unknown_upload_cannot_be_aborted() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    for (key, upload) in [("key", "unknown"), ("other", upload.as_str())] {
        let abort = bucket.client().abort_multipart_upload();
        let abort = abort.bucket(bucket.name()).key(key).upload_id(upload);
        assert_refused(abort.send().await, 404, "NoSuchUpload");
    }
}
