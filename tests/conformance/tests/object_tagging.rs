use aws_sdk_s3::Client;
use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use cairn_conformance::{Bucket, assert_refused, completed, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

use crate::bucket_tagging::{numbered, pairs, tagging};

async fn tags(client: &Client, bucket: &Bucket, key: &str) -> Vec<(String, String)> {
    let get = client.get_object_tagging().bucket(bucket.name()).key(key);
    let told = get.send().await.expect("get the tags");
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    pairs(&told.tag_set).into_iter().map(owned).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test]
async fn tags_of_an_object_are_told_by_key_until_they_are_removed() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    bucket.put("key", b"body".to_vec()).await;
    let head = || client.head_object().bucket(bucket.name()).key("key").send();
    let before = head().await.unwrap();
    assert_eq!(
        (before.tag_count, tags(client, &bucket, "key").await),
        (None, vec![])
    );
    let set = [("b", "2"), ("a", "1"), ("c", "")];
    let put = client.put_object_tagging().bucket(bucket.name()).key("key");
    let put = put.tagging(tagging(&set)).send().await.unwrap();
    assert_eq!(put.version_id, None);
    let by_key = [("a", "1"), ("b", "2"), ("c", "")];
    assert_eq!(tags(client, &bucket, "key").await, owned(&by_key));
    let after = head().await.unwrap();
    assert_eq!(after.tag_count, Some(3));
    assert_eq!(after.last_modified, before.last_modified);
    for _ in 0..2 {
        let delete = client.delete_object_tagging().bucket(bucket.name());
        delete.key("key").send().await.unwrap();
        assert_eq!(tags(client, &bucket, "key").await, []);
    }
    // Writing it anew begins anew.
    let put = client.put_object_tagging().bucket(bucket.name()).key("key");
    put.tagging(tagging(&set)).send().await.unwrap();
    bucket.put("key", b"body".to_vec()).await;
    assert_eq!(tags(client, &bucket, "key").await, []);
}

#[tokio::test]
async fn each_version_has_tags_of_its_own() {
    let bucket = Bucket::versioned().await;
    let client = bucket.client();
    let old = bucket.put("key", b"old".to_vec()).await.version_id.unwrap();
    let new = bucket.put("key", b"new".to_vec()).await.version_id.unwrap();
    let put = client.put_object_tagging().bucket(bucket.name()).key("key");
    let put = put.version_id(&old).tagging(tagging(&[("of", "old")]));
    assert_eq!(put.send().await.unwrap().version_id, Some(old.clone()));
    let put = client.put_object_tagging().bucket(bucket.name()).key("key");
    let put = put.tagging(tagging(&[("of", "new")])).send().await.unwrap();
    assert_eq!(put.version_id, Some(new.clone()));
    for (version, of) in [(&old, "old"), (&new, "new")] {
        let get = client.get_object_tagging().bucket(bucket.name()).key("key");
        let told = get.version_id(version).send().await.unwrap();
        assert_eq!(told.version_id, Some(version.clone()));
        assert_eq!(pairs(&told.tag_set), [("of", of)]);
    }
    let delete = client
        .delete_object_tagging()
        .bucket(bucket.name())
        .key("key");
    let deleted = delete.version_id(&old).send().await.unwrap();
    assert_eq!(deleted.version_id, Some(old));
    assert_eq!(tags(client, &bucket, "key").await, owned(&[("of", "new")]));
}

#[tokio::test]
async fn an_object_is_written_uploaded_and_copied_with_tags() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let put = client.put_object().bucket(bucket.name()).key("put");
    put.tagging("a=1&b=x%20y+z&c").send().await.unwrap();
    let expected = owned(&[("a", "1"), ("b", "x y z"), ("c", "")]);
    assert_eq!(tags(client, &bucket, "put").await, expected);
    let create = client.create_multipart_upload().bucket(bucket.name());
    let created = create.key("upload").tagging("d=4").send().await.unwrap();
    let upload = created.upload_id.unwrap();
    let part = bucket.part("upload", &upload, 1, b"body".to_vec()).await;
    let complete = client.complete_multipart_upload().bucket(bucket.name());
    let complete = complete.key("upload").upload_id(&upload);
    let complete = complete.multipart_upload(completed(vec![part]));
    complete.send().await.unwrap();
    assert_eq!(tags(client, &bucket, "upload").await, owned(&[("d", "4")]));
    let copy = |key: &str| {
        let copy = client.copy_object().bucket(bucket.name()).key(key);
        copy.copy_source(format!("{}/put", bucket.name()))
    };
    copy("copy").send().await.unwrap();
    assert_eq!(tags(client, &bucket, "copy").await, expected);
    let renamed = copy("renamed").metadata_directive(MetadataDirective::Replace);
    renamed.send().await.unwrap();
    assert_eq!(tags(client, &bucket, "renamed").await, expected);
    let replaced = copy("replaced").tagging_directive(TaggingDirective::Replace);
    replaced.tagging("e=5").send().await.unwrap();
    assert_eq!(
        tags(client, &bucket, "replaced").await,
        owned(&[("e", "5")])
    );
}

#[test]
fn tags_that_cannot_be_are_refused() {
    let bucket = Bucket::create_blocking();
    let key = |method| Request::key(method, bucket.name(), "key");
    assert_eq!(endpoint().exchange(key("PUT").body("body")).status, 200);
    let put =
        |document: String| endpoint().exchange(key("PUT").query("tagging", "").body(document));
    assert_eq!(put(numbered(10)).status, 200);
    let answer = put(numbered(11));
    assert_eq!(answer.verdict(), (400, "BadRequest".to_owned()));
    let message = xml::text(&answer.body, "Message");
    assert_eq!(
        message.as_deref(),
        Some("Object tags cannot be greater than 10")
    );
    for (key, value) in [
        ("k".repeat(129), String::new()),
        ("k".to_owned(), "v".repeat(257)),
    ] {
        let tag = format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let answer = put(format!("<Tagging><TagSet>{tag}</TagSet></Tagging>"));
        assert_eq!(answer.verdict(), (400, "InvalidTag".to_owned()));
    }
    assert_eq!(
        put("<Tagging/>".to_owned()).verdict(),
        (400, "MalformedXML".to_owned())
    );
    for header in ["a=1&a=2", "a=%zz"] {
        let answer = endpoint().exchange(key("PUT").header("x-amz-tagging", header).body("other"));
        assert_eq!(
            answer.verdict(),
            (400, "InvalidArgument".to_owned()),
            "{header}"
        );
        let name = xml::text(&answer.body, "ArgumentName");
        assert_eq!(name.as_deref(), Some("x-amz-tagging"));
    }
    let get = endpoint().exchange(key("GET"));
    assert_eq!(
        (get.body.as_slice(), get.header("x-amz-tagging-count")),
        (&b"body"[..], Some("10"))
    );
}

#[tokio::test]
async fn what_is_not_there_has_no_tags() {
    let bucket = Bucket::versioned().await;
    let client = sdk();
    let get = client.get_object_tagging().bucket(fresh_name()).key("key");
    assert_refused(get.send().await, 404, "NoSuchBucket");
    let get = client.get_object_tagging().bucket(bucket.name()).key("key");
    assert_refused(get.send().await, 404, "NoSuchKey");
    let put = client.put_object_tagging().bucket(bucket.name()).key("key");
    let put = put.tagging(tagging(&[("a", "b")]));
    assert_refused(put.send().await, 404, "NoSuchKey");
    bucket.put("key", b"body".to_vec()).await;
    let absent = "00000000000000ff00000000000000ff";
    let get = client.get_object_tagging().bucket(bucket.name()).key("key");
    assert_refused(get.version_id(absent).send().await, 404, "NoSuchVersion");
    let delete = client.delete_object().bucket(bucket.name()).key("key");
    let marker = delete.send().await.unwrap().version_id.unwrap();
    let get = client.get_object_tagging().bucket(bucket.name()).key("key");
    assert_refused(get.send().await, 404, "NoSuchKey");
    let get = client.get_object_tagging().bucket(bucket.name()).key("key");
    assert_refused(get.version_id(marker).send().await, 405, "MethodNotAllowed");
}
