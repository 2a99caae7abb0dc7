use aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsFluentBuilder;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use cairn_conformance::{Bucket, assert_refused, fresh_name, refusal, sdk};

use crate::samples::ODD_KEYS;

fn deletion(bucket: &str, keys: &[&str], quiet: bool) -> DeleteObjectsFluentBuilder {
    let objects = keys
        .iter()
        .map(|key| ObjectIdentifier::builder().key(*key).build().unwrap());
    let delete = Delete::builder()
        .set_objects(Some(objects.collect()))
        .quiet(quiet)
        .build();
    sdk()
        .delete_objects()
        .bucket(bucket)
        .delete(delete.unwrap())
}

#[tokio::test]
async fn every_key_is_reported_deleted_also_the_absent_ones() {
    let bucket = Bucket::create().await;
    for key in ["a", "b/c", "kept"] {
        bucket.put(key, b"x".to_vec()).await;
    }
    let deletion = deletion(bucket.name(), &["a", "absent", "b/c"], false);
    let answer = deletion.send().await.unwrap();
    let deleted: Vec<&str> = answer
        .deleted()
        .iter()
        .filter_map(|one| one.key())
        .collect();
    assert_eq!(deleted, ["a", "absent", "b/c"]);
    assert!(answer.errors().is_empty());
    assert_eq!(bucket.keys().await, ["kept"]);
}

#[tokio::test]
async fn a_quiet_deletion_reports_only_errors() {
    let bucket = Bucket::create().await;
    bucket.put("a", b"x".to_vec()).await;
    let deletion = deletion(bucket.name(), &["a", "absent"], true);
    let answer = deletion.send().await.unwrap();
    assert!(answer.deleted().is_empty() && answer.errors().is_empty());
    assert_eq!(bucket.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn keys_inside_the_document_are_the_same_keys_as_in_paths() {
    let bucket = Bucket::create().await;
    // XML has no way to write other control characters.
    let writable = |key: &&str| !key.contains(['\u{1}', '\u{7f}']);
    let keys: Vec<&str> = ODD_KEYS.into_iter().filter(writable).collect();
    for key in &keys {
        bucket.put(key, b"x".to_vec()).await;
    }
    let deletion = deletion(bucket.name(), &keys, false);
    let answer = deletion.send().await.unwrap();
    assert_eq!(answer.deleted().len(), keys.len());
    assert_eq!(bucket.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_key_named_twice_is_deleted_once() {
    let bucket = Bucket::create().await;
    bucket.put("a", b"x".to_vec()).await;
    let deletion = deletion(bucket.name(), &["a", "a"], false);
    let answer = deletion.send().await.unwrap();
    assert!(answer.errors().is_empty());
    assert!(!bucket.has("a").await);
}

#[tokio::test]
async fn a_thousand_keys_are_taken_and_one_more_is_refused() {
    let bucket = Bucket::create().await;
    let keys: Vec<String> = (0..1_001)
        .map(|number| format!("key-{number:04}"))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    bucket.put("key-0000", b"x".to_vec()).await;
    bucket.put("key-1000", b"x".to_vec()).await;
    let too_many = deletion(bucket.name(), &keys, false);
    assert_refused(too_many.send().await, 400, "MalformedXML");
    assert_eq!(bucket.keys().await, ["key-0000", "key-1000"]);
    let thousand = deletion(bucket.name(), &keys[..1_000], false);
    let answer = thousand.send().await.unwrap();
    assert_eq!(answer.deleted().len(), 1_000);
    assert_eq!(bucket.keys().await, ["key-1000"]);
}

#[tokio::test]
async fn a_deletion_without_keys_is_malformed() {
    let bucket = Bucket::create().await;
    let nothing = deletion(bucket.name(), &[], false);
    assert_refused(nothing.send().await, 400, "MalformedXML");
}

#[tokio::test]
async fn an_absent_bucket_has_nothing_to_delete() {
    let deletion = deletion(&fresh_name(), &["a"], false);
    assert_refused(deletion.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn a_key_that_is_too_long_deletes_nothing_of_the_others_silently() {
    let bucket = Bucket::create().await;
    bucket.put("a", b"x".to_vec()).await;
    let long = "k".repeat(1_025);
    let deletion = deletion(bucket.name(), &["a", &long], false);
    // Either the whole request is refused, or each key has its own verdict; never a silent success for the long one.
    match deletion.send().await {
        Ok(answer) => {
            assert_eq!(answer.errors().len(), 1);
            assert_eq!(answer.deleted().len(), 1);
            assert!(!bucket.has("a").await);
        }
        refused => {
            assert_eq!(refusal(refused).0, 400);
            assert!(bucket.has("a").await);
        }
    }
}
