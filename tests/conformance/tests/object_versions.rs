//! Objects with versions: what is written, read and deleted by name.

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::types::BucketVersioningStatus::{Enabled, Suspended};
use cairn_conformance::{Bucket, MIN_PART_BYTES, assert_refused, completed, endpoint};
use cairn_dev_tests::request::Request;

use crate::samples::{assert_bytes, content};

/// Writes an object and gives its version.
async fn put(bucket: &Bucket, key: &str, body: &[u8]) -> String {
    let put = bucket.put(key, body.to_vec()).await;
    put.version_id.expect("a version is named")
}

async fn delete(bucket: &Bucket, key: &str, version: Option<&str>) -> DeleteObjectOutput {
    let delete = bucket.client().delete_object().bucket(bucket.name());
    let delete = delete.key(key).set_version_id(version.map(str::to_owned));
    delete.send().await.unwrap()
}

async fn read(bucket: &Bucket, key: &str, version: &str) -> Vec<u8> {
    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key(key).version_id(version).send().await.unwrap();
    assert_eq!(get.version_id(), Some(version));
    get.body.collect().await.unwrap().to_vec()
}

#[tokio::test]
async fn every_version_is_read_by_its_name_and_the_newest_without() {
    let bucket = Bucket::versioned().await;
    let mut versions = Vec::new();
    for len in [0, 100, 20_000, 3_000_000] {
        let body = content(&len.to_string(), len);
        versions.push((put(&bucket, "key", &body).await, body));
    }
    for (version, body) in &versions {
        assert_bytes(&read(&bucket, "key", version).await, body);
        let head = bucket.client().head_object().bucket(bucket.name());
        let head = head.key("key").version_id(version).send().await.unwrap();
        assert_eq!(head.version_id(), Some(version.as_str()));
        assert_eq!(head.content_length(), i64::try_from(body.len()).ok());
    }
    let (newest, body) = versions.last().unwrap();
    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key("key").send().await.unwrap();
    assert_eq!(get.version_id(), Some(newest.as_str()));
    assert_bytes(&get.body.collect().await.unwrap().to_vec(), body);
    assert_eq!(bucket.keys().await, ["key"]);
}

#[tokio::test]
async fn a_bucket_that_never_kept_versions_names_none() {
    let bucket = Bucket::create().await;
    let put = bucket.put("key", b"body".to_vec()).await;
    assert_eq!(put.version_id(), None);
    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key("key").send().await.unwrap();
    assert_eq!(get.version_id(), None);
    let deleted = delete(&bucket, "key", None).await;
    assert_eq!(
        (deleted.version_id(), deleted.delete_marker()),
        (None, None)
    );
    // What is there is the null version all the same.
    bucket.put("key", b"body".to_vec()).await;
    assert_eq!(read(&bucket, "key", "null").await, b"body");
    delete(&bucket, "key", Some("null")).await;
    assert!(!bucket.has("key").await);
}

#[tokio::test]
async fn a_delete_marker_hides_the_key_and_its_removal_restores_it() {
    let bucket = Bucket::versioned().await;
    let version = put(&bucket, "key", b"body").await;
    let deleted = delete(&bucket, "key", None).await;
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id.unwrap();
    assert_ne!(marker, version);

    let get = bucket.client().get_object().bucket(bucket.name());
    assert_refused(get.key("key").send().await, 404, "NoSuchKey");
    assert_eq!(bucket.keys().await, Vec::<String>::new());
    assert_eq!(read(&bucket, "key", &version).await, b"body");

    let restored = delete(&bucket, "key", Some(&marker)).await;
    assert_eq!(restored.delete_marker(), Some(true));
    assert_eq!(restored.version_id(), Some(marker.as_str()));
    assert_eq!(bucket.get("key").await, b"body");
    assert_eq!(bucket.keys().await, ["key"]);
}

#[test]
fn a_marker_is_told_of_whether_it_is_met_or_named() {
    let bucket = Bucket::versioned_blocking();
    let delete = endpoint().exchange(Request::key("DELETE", bucket.name(), "key"));
    assert_eq!(delete.status, 204);
    let marker = delete.header("x-amz-version-id").unwrap().to_owned();
    for (version, status) in [(None, 404), (Some(marker.as_str()), 405)] {
        for method in ["GET", "HEAD"] {
            let mut read = Request::key(method, bucket.name(), "key");
            if let Some(version) = version {
                read = read.query("versionId", version);
            }
            let answer = endpoint().exchange(read);
            assert_eq!(answer.status, status, "{method}: {}", answer.text());
            assert_eq!(answer.header("x-amz-delete-marker"), Some("true"));
            assert_eq!(answer.header("x-amz-version-id"), Some(marker.as_str()));
            let is_named = version.is_some();
            let allow = answer.header("allow");
            assert_eq!(allow, is_named.then_some("DELETE"), "{method}");
            assert_eq!(answer.header("last-modified").is_some(), is_named);
            if method == "GET" {
                let code = if is_named {
                    "MethodNotAllowed"
                } else {
                    "NoSuchKey"
                };
                assert_eq!(answer.verdict().1, code);
            }
        }
    }
}

#[tokio::test]
async fn names_of_versions_that_are_not_there_or_cannot_be_are_refused() {
    let bucket = Bucket::versioned().await;
    let version = put(&bucket, "key", b"body").await;
    delete(&bucket, "key", Some(&version)).await;
    put(&bucket, "key", b"body").await;
    for (key, version, status, code) in [
        ("key", version.as_str(), 404, "NoSuchVersion"),
        ("other", version.as_str(), 404, "NoSuchVersion"),
        ("key", "null", 404, "NoSuchVersion"),
        ("key", "strange", 400, "InvalidArgument"),
        ("key", "", 400, "InvalidArgument"),
    ] {
        let get = Request::key("GET", bucket.name(), key).query("versionId", version);
        let verdict = endpoint().exchange(get).verdict();
        assert_eq!(verdict, (status, code.to_owned()), "{version:?}");
    }
    // Deleting what is not there is done.
    let gone = delete(&bucket, "key", Some(&version)).await;
    assert_eq!(gone.version_id(), Some(version.as_str()));
    assert_eq!(gone.delete_marker(), None);
    let write = Request::key("PUT", bucket.name(), "key").query("versionId", "null");
    let verdict = endpoint().exchange(write).verdict();
    assert_eq!(verdict, (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn what_was_there_before_versioning_is_the_null_version() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"null".to_vec()).await;
    bucket.set_versioning(Enabled).await;
    let version = put(&bucket, "key", b"second").await;
    assert_eq!(bucket.get("key").await, b"second");
    assert_eq!(read(&bucket, "key", "null").await, b"null");
    delete(&bucket, "key", Some(&version)).await;
    assert_eq!(bucket.get("key").await, b"null");
    let gone = delete(&bucket, "key", Some("null")).await;
    assert_eq!(gone.version_id(), Some("null"));
    let get = bucket.client().get_object().bucket(bucket.name());
    assert_refused(get.key("key").send().await, 404, "NoSuchKey");
    assert_eq!(bucket.versions(""), []);
}

#[tokio::test]
async fn a_suspended_bucket_overwrites_its_null_version_and_nothing_else() {
    let bucket = Bucket::versioned().await;
    let kept = put(&bucket, "key", b"kept").await;
    bucket.set_versioning(Suspended).await;
    for body in [b"one", b"two"] {
        let put = bucket.put("key", body.to_vec()).await;
        assert_eq!(put.version_id(), None);
        assert_eq!(read(&bucket, "key", "null").await, body);
    }
    let row = |version: &str| ("key".to_owned(), version.to_owned(), false);
    assert_eq!(bucket.versions(""), [row("null"), row(&kept)]);

    // A marker takes the place of the null version, too.
    for _ in 0..2 {
        let deleted = delete(&bucket, "key", None).await;
        assert_eq!(deleted.delete_marker(), Some(true));
        assert_eq!(deleted.version_id(), Some("null"));
        let marker = ("key".to_owned(), "null".to_owned(), true);
        assert_eq!(bucket.versions(""), [marker, row(&kept)]);
    }
    delete(&bucket, "key", Some("null")).await;
    assert_eq!(bucket.get("key").await, b"kept");

    // Versions are kept again as soon as versioning is enabled, beside the null version.
    bucket.put("key", b"null".to_vec()).await;
    bucket.set_versioning(Enabled).await;
    let newest = put(&bucket, "key", b"newest").await;
    assert_eq!(bucket.versions(""), [row(&newest), row("null"), row(&kept)]);
    assert_eq!(read(&bucket, "key", "null").await, b"null");
}

#[tokio::test]
async fn a_bucket_with_versions_or_markers_is_not_empty() {
    let bucket = Bucket::versioned().await;
    let marker = delete(&bucket, "key", None).await.version_id.unwrap();
    let removal = || bucket.client().delete_bucket().bucket(bucket.name());
    assert_refused(removal().send().await, 409, "BucketNotEmpty");
    delete(&bucket, "key", Some(&marker)).await;
    removal().send().await.unwrap();
}

#[tokio::test]
async fn a_completed_upload_is_a_version_of_its_own() {
    let bucket = Bucket::versioned().await;
    let before = put(&bucket, "key", b"before").await;
    let upload = bucket.begin("key").await;
    let body = content("part", MIN_PART_BYTES);
    let part = bucket.part("key", &upload, 1, body.clone()).await;
    let complete = || {
        let complete = bucket.client().complete_multipart_upload();
        let complete = complete.bucket(bucket.name()).key("key");
        let parts = completed(vec![part.clone()]);
        complete.upload_id(&upload).multipart_upload(parts)
    };
    let version = complete().send().await.unwrap().version_id.unwrap();
    assert_ne!(version, before);
    let again = complete().send().await.unwrap();
    assert_eq!(again.version_id(), Some(version.as_str()));
    assert_bytes(&read(&bucket, "key", &version).await, &body);
    assert_eq!(read(&bucket, "key", &before).await, b"before");
    let put = bucket.put("key", b"after".to_vec()).await;
    assert!(put.version_id().is_some());
    assert_bytes(&read(&bucket, "key", &version).await, &body);
}

#[tokio::test]
async fn copies_are_of_the_version_that_is_named_and_name_it() {
    let (bucket, plain) = (Bucket::versioned().await, Bucket::create().await);
    let first = put(&bucket, "a?b&c", b"first").await;
    let second = put(&bucket, "a?b&c", b"second").await;
    for (version, body) in [
        (Some(&first), b"first".as_slice()),
        (Some(&second), b"second"),
        (None, b"second"),
    ] {
        let mut source = format!("{}/a%3Fb%26c", bucket.name());
        if let Some(version) = version {
            source = format!("{source}?versionId={version}");
        }
        for to in [&bucket, &plain] {
            let copy = to.client().copy_object().bucket(to.name()).key("copy");
            let copied = copy.copy_source(&source).send().await.unwrap();
            let copied_from = copied.copy_source_version_id();
            assert_eq!(copied_from, Some(version.unwrap_or(&second).as_str()));
            assert_eq!(to.get("copy").await, body);
            assert_eq!(copied.version_id().is_some(), to.name() == bucket.name());
        }
    }
}

#[tokio::test]
async fn an_older_version_is_restored_by_a_copy_onto_its_key() {
    let bucket = Bucket::versioned().await;
    let first = put(&bucket, "key", b"first").await;
    let second = put(&bucket, "key", b"second").await;
    let copy = || bucket.client().copy_object().bucket(bucket.name());
    let source = format!("{}/key", bucket.name());
    let same = copy().key("key").copy_source(&source).send().await;
    assert_refused(same, 400, "InvalidRequest");
    let restored = copy()
        .key("key")
        .copy_source(format!("{source}?versionId={first}"));
    let third = restored.send().await.unwrap().version_id.unwrap();
    assert_eq!(bucket.get("key").await, b"first");
    let row = |version: &String| ("key".to_owned(), version.clone(), false);
    assert_eq!(
        bucket.versions(""),
        [row(&third), row(&second), row(&first)]
    );
}

#[tokio::test]
async fn delete_markers_cannot_be_copied() {
    let bucket = Bucket::versioned().await;
    let marker = delete(&bucket, "key", None).await.version_id.unwrap();
    let source = format!("{}/key", bucket.name());
    let copy = |source: String| {
        let copy = bucket.client().copy_object().bucket(bucket.name());
        copy.key("copy").copy_source(source)
    };
    let current = copy(source.clone()).send().await;
    assert_refused(current, 404, "NoSuchKey");
    let named = copy(format!("{source}?versionId={marker}")).send().await;
    assert_refused(named, 400, "InvalidRequest");
}

#[tokio::test]
async fn parts_are_copied_from_the_version_that_is_named() {
    let bucket = Bucket::versioned().await;
    let body = content("first", 100_000);
    let first = put(&bucket, "source", &body).await;
    put(&bucket, "source", b"second").await;
    let upload = bucket.begin("key").await;
    let copy = bucket.client().upload_part_copy().bucket(bucket.name());
    let copy = copy.key("key").upload_id(&upload).part_number(1);
    let copy = copy.copy_source(format!("{}/source?versionId={first}", bucket.name()));
    let copied = copy
        .copy_source_range("bytes=10-99999")
        .send()
        .await
        .unwrap();
    assert_eq!(copied.copy_source_version_id(), Some(first.as_str()));
    let part = aws_sdk_s3::types::CompletedPart::builder()
        .part_number(1)
        .set_e_tag(copied.copy_part_result.unwrap().e_tag);
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key");
    let complete = complete
        .upload_id(&upload)
        .multipart_upload(completed(vec![part.build()]));
    complete.send().await.unwrap();
    assert_bytes(&bucket.get("key").await, &body[10..]);
}
