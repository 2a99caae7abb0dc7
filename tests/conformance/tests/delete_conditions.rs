use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use cairn_conformance::{Bucket, Dialect, assert_refused};
use cairn_dev_tests::request::Request;

const OTHER: &str = "\"00000000000000000000000000000000\"";

#[tokio::test]
async fn an_object_is_deleted_only_while_it_has_the_etag() {
    let bucket = Bucket::create().await;
    let etag = bucket.put("key", b"1".to_vec()).await.e_tag.unwrap();
    let delete = |etag: &str| {
        let delete = bucket.client().delete_object().bucket(bucket.name());
        delete.key("key").if_match(etag).send()
    };
    assert_refused(delete(OTHER).await, 412, "PreconditionFailed");
    assert!(bucket.has("key").await);
    delete(&etag).await.unwrap();
    assert!(!bucket.has("key").await);
    bucket.put("key", b"1".to_vec()).await;
    delete("*").await.unwrap();
    // What is not there is deleted, whatever was to hold of it.
    delete(OTHER).await.unwrap();
}

#[tokio::test]
async fn with_a_version_its_own_etag_counts() {
    let bucket = Bucket::versioned().await;
    let old = bucket.put("key", b"1".to_vec()).await;
    let new = bucket.put("key", b"2".to_vec()).await;
    let delete = |version: &str, etag: &str| {
        let delete = bucket.client().delete_object().bucket(bucket.name());
        delete.key("key").version_id(version).if_match(etag).send()
    };
    let version = old.version_id().unwrap();
    let refused = delete(version, new.e_tag().unwrap()).await;
    assert_refused(refused, 412, "PreconditionFailed");
    delete(version, old.e_tag().unwrap()).await.unwrap();
    assert_eq!(bucket.versions("").len(), 1);
}

#[tokio::test]
async fn a_marker_on_top_has_no_etag() {
    let bucket = Bucket::versioned().await;
    let put = bucket.put("key", b"1".to_vec()).await;
    let delete = |etag: Option<&str>| {
        let delete = bucket.client().delete_object().bucket(bucket.name());
        let delete = delete.key("key").set_if_match(etag.map(str::to_owned));
        delete.send()
    };
    delete(None).await.unwrap();
    let refused = delete(put.e_tag()).await;
    assert_refused(refused, 412, "PreconditionFailed");
    delete(Some("*")).await.unwrap();
}

#[tokio::test]
async fn each_line_of_a_list_has_conditions_of_its_own() {
    let bucket = Bucket::create().await;
    let mut lines = Vec::new();
    for (key, matches) in [("same", true), ("other", false)] {
        let etag = bucket.put(key, b"1".to_vec()).await.e_tag.unwrap();
        let etag = if matches { etag } else { OTHER.to_owned() };
        let line = ObjectIdentifier::builder().key(key).e_tag(etag);
        lines.push(line.build().unwrap());
    }
    let list = Delete::builder().set_objects(Some(lines)).build().unwrap();
    let delete = bucket.client().delete_objects().bucket(bucket.name());
    let answer = delete.delete(list).send().await.unwrap();
    assert_eq!(answer.deleted().len(), 1);
    let [error] = answer.errors() else {
        panic!("{answer:?}");
    };
    let told = (error.key(), error.code());
    assert_eq!(told, (Some("other"), Some("PreconditionFailed")));
    assert_eq!(bucket.keys().await, ["other"]);
}

#[tokio::test]
async fn time_and_length_count_in_the_ceph_dialect() {
    let Some(bucket) = Bucket::speaking(Dialect::Ceph).await else {
        return;
    };
    bucket.put("key", b"12345".to_vec()).await;
    let head = bucket
        .client()
        .head_object()
        .bucket(bucket.name())
        .key("key");
    let modified = *head.send().await.unwrap().last_modified().unwrap();
    let earlier = DateTime::from_secs(modified.secs() - 60);
    let delete = |time: DateTime, size: i64| {
        let delete = bucket.client().delete_object().bucket(bucket.name());
        let delete = delete.key("key").if_match_last_modified_time(time);
        delete.if_match_size(size).send()
    };
    for (time, size) in [(earlier, 5), (modified, 4)] {
        assert_refused(delete(time, size).await, 412, "PreconditionFailed");
    }
    delete(modified, 5).await.unwrap();
    assert!(!bucket.has("key").await);

    bucket.put("listed", b"12345".to_vec()).await;
    let list = |size: i64| {
        let line = ObjectIdentifier::builder().key("listed").size(size);
        let list = Delete::builder().objects(line.build().unwrap());
        let delete = bucket.client().delete_objects().bucket(bucket.name());
        delete.delete(list.build().unwrap()).send()
    };
    assert_eq!(list(6).await.unwrap().errors().len(), 1);
    assert_eq!(list(5).await.unwrap().deleted().len(), 1);
    let strange = Request::key("DELETE", bucket.name(), "key").header("x-amz-if-match-size", "x");
    let answer = bucket.endpoint().exchange(strange);
    assert_eq!(answer.verdict(), (400, "InvalidArgument".to_owned()));
}
