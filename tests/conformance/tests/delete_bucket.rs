use cairn_conformance::{Bucket, assert_refused, fresh_name, sdk};

#[tokio::test]
async fn a_deleted_bucket_is_gone_and_its_name_is_free() {
    let (client, name) = (sdk(), fresh_name());
    client.create_bucket().bucket(&name).send().await.unwrap();
    client.delete_bucket().bucket(&name).send().await.unwrap();
    let head = client.head_bucket().bucket(&name).send().await;
    assert_refused(head, 404, "NotFound");
    let again = client.delete_bucket().bucket(&name).send().await;
    assert_refused(again, 404, "NoSuchBucket");
    client.create_bucket().bucket(&name).send().await.unwrap();
    client.delete_bucket().bucket(&name).send().await.unwrap();
}

#[tokio::test]
async fn a_bucket_with_an_object_stays() {
    let bucket = Bucket::create().await;
    bucket.put("one", b"1".to_vec()).await;
    let delete = bucket.client().delete_bucket().bucket(bucket.name());
    assert_refused(delete.send().await, 409, "BucketNotEmpty");
    assert_eq!(bucket.get("one").await, b"1");
}

#[tokio::test]
async fn a_bucket_emptied_of_its_objects_can_be_deleted() {
    let (client, name) = (sdk(), fresh_name());
    client.create_bucket().bucket(&name).send().await.unwrap();
    for key in ["a", "b/c"] {
        let put = client.put_object().bucket(&name).key(key);
        put.send().await.unwrap();
        let delete = client.delete_object().bucket(&name).key(key);
        delete.send().await.unwrap();
    }
    client.delete_bucket().bucket(&name).send().await.unwrap();
}

#[tokio::test]
async fn uploads_in_progress_do_not_hold_a_bucket() {
    let (client, name) = (sdk(), fresh_name());
    client.create_bucket().bucket(&name).send().await.unwrap();
    let create = client.create_multipart_upload().bucket(&name).key("key");
    let upload = create.send().await.unwrap().upload_id.unwrap();
    client.delete_bucket().bucket(&name).send().await.unwrap();

    // The name's next bucket knows nothing of them.
    client.create_bucket().bucket(&name).send().await.unwrap();
    let list = client.list_multipart_uploads().bucket(&name);
    assert!(list.send().await.unwrap().uploads().is_empty());
    let part = client.upload_part().bucket(&name).key("key");
    let part = part.upload_id(upload).part_number(1);
    assert_refused(part.send().await, 404, "NoSuchUpload");
    client.delete_bucket().bucket(&name).send().await.unwrap();
}

#[tokio::test]
async fn a_put_into_a_deleted_bucket_finds_none() {
    let (client, name) = (sdk(), fresh_name());
    client.create_bucket().bucket(&name).send().await.unwrap();
    client.delete_bucket().bucket(&name).send().await.unwrap();
    let put = client.put_object().bucket(&name).key("key");
    assert_refused(put.send().await, 404, "NoSuchBucket");
}
