use cairn_conformance::{Bucket, assert_refused, completed, fresh_name, sdk};

#[tokio::test]
async fn an_upload_has_an_id_of_its_own_and_changes_no_object() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"old".to_vec()).await;
    let (one, two) = (bucket.begin("key").await, bucket.begin("key").await);
    assert_ne!(one, two);
    assert!(!one.is_empty());
    assert_eq!(bucket.get("key").await, b"old");
}

#[tokio::test]
async fn headers_given_at_the_beginning_are_those_of_the_object() {
    let bucket = Bucket::create().await;
    let create = bucket.client().create_multipart_upload();
    let create = create
        .bucket(bucket.name())
        .key("key")
        .content_type("text/x-own")
        .cache_control("no-store")
        .metadata("color", "red");
    let created = create.send().await.unwrap();
    assert_eq!(created.bucket(), Some(bucket.name()));
    assert_eq!(created.key(), Some("key"));
    let upload = created.upload_id.unwrap();
    let part = bucket.part("key", &upload, 1, b"body".to_vec()).await;
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key");
    let complete = complete
        .upload_id(upload)
        .multipart_upload(completed(vec![part]));
    complete.send().await.unwrap();

    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/x-own"));
    assert_eq!(head.cache_control(), Some("no-store"));
    assert_eq!(head.metadata().unwrap()["color"], "red");
}

#[tokio::test]
async fn an_absent_bucket_and_a_long_key_are_refused() {
    let create = sdk().create_multipart_upload().bucket(fresh_name());
    assert_refused(create.key("key").send().await, 404, "NoSuchBucket");
    let bucket = Bucket::create().await;
    let create = bucket.client().create_multipart_upload();
    let create = create.bucket(bucket.name()).key("k".repeat(1_025));
    assert_refused(create.send().await, 400, "KeyTooLongError");
}
