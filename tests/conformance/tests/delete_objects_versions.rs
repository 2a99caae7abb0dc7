//! `DeleteObjects` where versions are kept.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use cairn_conformance::Bucket;

fn delete(objects: &[(String, Option<String>)]) -> Delete {
    let objects = objects.iter().map(|(key, version)| {
        let object = ObjectIdentifier::builder().key(key);
        object.set_version_id(version.clone()).build().unwrap()
    });
    let delete = Delete::builder().set_objects(Some(objects.collect()));
    delete.build().unwrap()
}

#[tokio::test]
async fn lines_name_versions_and_are_told_of_markers() {
    let bucket = Bucket::versioned().await;
    let version = bucket.put("a", b"x".to_vec()).await.version_id.unwrap();
    bucket.put("b", b"x".to_vec()).await;
    let named = |key: &str, version: &str| (key.to_owned(), Some(version.to_owned()));
    let lines = [
        named("a", &version),
        ("b".to_owned(), None),
        named("b", "null"),
        named("b", "strange"),
    ];
    let request = bucket.client().delete_objects().bucket(bucket.name());
    let answer = request.delete(delete(&lines)).send().await.unwrap();
    let deleted = answer.deleted();
    assert_eq!(deleted.len(), 3);
    assert_eq!(deleted[0].version_id(), Some(version.as_str()));
    assert_eq!(deleted[0].delete_marker(), None);
    assert_eq!(deleted[1].version_id(), None);
    assert_eq!(deleted[1].delete_marker(), Some(true));
    let marker = deleted[1].delete_marker_version_id().unwrap().to_owned();
    assert_eq!(deleted[2].version_id(), Some("null"));
    let errors = answer.errors();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].version_id(), Some("strange"));
    assert_eq!(errors[0].code(), Some("NoSuchVersion"));
    assert_eq!(bucket.versions("a"), []);

    let request = bucket.client().delete_objects().bucket(bucket.name());
    let lines = [named("b", &marker)];
    let answer = request.delete(delete(&lines)).send().await.unwrap();
    let deleted = &answer.deleted()[0];
    assert_eq!(deleted.version_id(), Some(marker.as_str()));
    assert_eq!(deleted.delete_marker(), Some(true));
    assert_eq!(deleted.delete_marker_version_id(), Some(marker.as_str()));
    assert!(bucket.has("b").await);
}

#[tokio::test]
async fn many_who_delete_the_same_versions_at_once_all_succeed() {
    let bucket = Bucket::versioned().await;
    for round in 0..3 {
        for key in 0..5 {
            bucket.put(&format!("key-{key}"), vec![round]).await;
        }
    }
    let rows = bucket.versions("");
    assert_eq!(rows.len(), 15);
    let lines: Vec<_> = rows
        .into_iter()
        .map(|(key, id, _)| (key, Some(id)))
        .collect();
    let mut deletions = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let request = bucket.client().delete_objects().bucket(bucket.name());
        deletions.spawn(request.delete(delete(&lines)).send());
    }
    for answer in deletions.join_all().await {
        let answer = answer.unwrap();
        assert_eq!(answer.deleted().len(), 15);
        assert!(answer.errors().is_empty());
    }
    assert_eq!(bucket.versions(""), []);
}
