use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

use crate::samples::content;

#[tokio::test]
async fn a_deleted_object_is_gone_for_reads_and_lists() {
    let bucket = Bucket::create().await;
    for len in [0, 100, 3_000_000] {
        bucket.put("key", content("key", len)).await;
        bucket.put("other", content("other", len)).await;
        let delete = bucket.client().delete_object().bucket(bucket.name());
        delete.key("key").send().await.unwrap();
        let get = bucket.client().get_object().bucket(bucket.name());
        assert_refused(get.key("key").send().await, 404, "NoSuchKey");
        assert_eq!(bucket.keys().await, ["other"]);
        assert_eq!(bucket.get("other").await, content("other", len));
    }
}

#[test]
fn deleting_is_204_without_a_body_whether_the_key_exists_or_not() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key");
    assert_eq!(endpoint.exchange(put).status, 200);
    for _ in 0..2 {
        let answer = endpoint.exchange(Request::key("DELETE", bucket.name(), "key"));
        assert_eq!(answer.status, 204);
        assert_eq!(answer.body, b"");
        assert_eq!(answer.header("x-amz-delete-marker"), None);
        assert_eq!(answer.header("x-amz-version-id"), None);
    }
}

#[tokio::test]
async fn an_absent_bucket_has_nothing_to_delete() {
    let delete = sdk().delete_object().bucket(fresh_name()).key("key");
    assert_refused(delete.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn deleting_a_prefix_deletes_only_the_key_of_that_name() {
    let bucket = Bucket::create().await;
    for key in ["a", "a/", "a/b", "ab"] {
        bucket.put(key, b"x".to_vec()).await;
    }
    let delete = bucket.client().delete_object().bucket(bucket.name());
    delete.key("a/").send().await.unwrap();
    assert_eq!(bucket.keys().await, ["a", "a/b", "ab"]);
}
