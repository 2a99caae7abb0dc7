use aws_sdk_s3::types::{Tag, Tagging};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

pub(crate) fn tagging(pairs: &[(&str, &str)]) -> Tagging {
    let tags = pairs.iter().map(|(key, value)| {
        let tag = Tag::builder().key(*key).value(*value);
        tag.build().unwrap()
    });
    let tagging = Tagging::builder().set_tag_set(Some(tags.collect()));
    tagging.build().unwrap()
}

pub(crate) fn pairs(tags: &[Tag]) -> Vec<(&str, &str)> {
    tags.iter().map(|tag| (tag.key(), tag.value())).collect()
}

/// A document with so many tags.
pub(crate) fn numbered(count: usize) -> String {
    let tag = |number| format!("<Tag><Key>k{number}</Key><Value>v</Value></Tag>");
    let tags: String = (0..count).map(tag).collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

#[tokio::test]
async fn tags_of_a_bucket_are_told_by_key_until_they_are_removed() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let get = || client.get_bucket_tagging().bucket(bucket.name()).send();
    assert_refused(get().await, 404, "NoSuchTagSet");
    for set in [
        &[("b", "2"), ("a", "é +-=._:/@"), ("c", "")][..],
        &[("a", "1")],
    ] {
        let put = client.put_bucket_tagging().bucket(bucket.name());
        put.tagging(tagging(set)).send().await.unwrap();
        let mut by_key = set.to_vec();
        by_key.sort_unstable();
        assert_eq!(pairs(&get().await.unwrap().tag_set), by_key);
    }
    for _ in 0..2 {
        let delete = client.delete_bucket_tagging().bucket(bucket.name());
        delete.send().await.unwrap();
        assert_refused(get().await, 404, "NoSuchTagSet");
    }
}

#[test]
fn tags_that_cannot_be_are_refused() {
    let bucket = Bucket::create_blocking();
    let put = |document: String| {
        let put = Request::new("PUT", format!("/{}", bucket.name()));
        endpoint().exchange(put.query("tagging", "").body(document))
    };
    assert_eq!(put(numbered(50)).status, 204);
    let too_many = put(numbered(51));
    assert_eq!(too_many.verdict(), (400, "BadRequest".to_owned()));
    let twice = "<Tag><Key>a</Key><Value/></Tag>".repeat(2);
    for (inner, code, message) in [
        (
            twice,
            "InvalidTag",
            "Cannot provide multiple Tags with the same key",
        ),
        (
            "<Tag><Key/><Value/></Tag>".to_owned(),
            "InvalidTag",
            "The TagKey you have provided is invalid",
        ),
        (
            "<Tag><Key>a</Key><Value>a;b</Value></Tag>".to_owned(),
            "InvalidTag",
            "The TagValue you have provided is invalid",
        ),
        (
            "<Tag><Key>aws:a</Key><Value/></Tag>".to_owned(),
            "InvalidTag",
            "System tags cannot be added/updated by requester",
        ),
    ] {
        let answer = put(format!("<Tagging><TagSet>{inner}</TagSet></Tagging>"));
        assert_eq!(answer.verdict(), (400, code.to_owned()), "{inner}");
        assert_eq!(xml::text(&answer.body, "Message").as_deref(), Some(message));
    }
    for document in [
        "<Tagging/>",
        "<Tagging><TagSet><Tag/></TagSet></Tagging>",
        "<Tags/>",
    ] {
        let answer = put(document.to_owned());
        assert_eq!(
            answer.verdict(),
            (400, "MalformedXML".to_owned()),
            "{document}"
        );
    }
}

#[tokio::test]
async fn an_absent_bucket_has_no_tags() {
    let client = sdk();
    let get = client.get_bucket_tagging().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
    let put = client.put_bucket_tagging().bucket(fresh_name());
    let put = put.tagging(tagging(&[("a", "b")]));
    assert_refused(put.send().await, 404, "NoSuchBucket");
    let delete = client.delete_bucket_tagging().bucket(fresh_name());
    assert_refused(delete.send().await, 404, "NoSuchBucket");
}
