use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

async fn bucket_with(keys: &[&str]) -> Bucket {
    let bucket = Bucket::create().await;
    for key in keys {
        bucket.put(key, b"x".to_vec()).await;
    }
    bucket
}

#[tokio::test]
async fn pages_follow_each_other_by_marker() {
    let all = ["a", "b/1", "b/2", "c", "d/1", "e"];
    let bucket = bucket_with(&all).await;
    for max_keys in 1..=6 {
        let (mut keys, mut marker) = (Vec::new(), String::new());
        loop {
            let list = bucket.client().list_objects().bucket(bucket.name());
            let list = list.max_keys(max_keys).marker(&marker);
            let page = list.send().await.unwrap();
            assert_eq!(page.marker(), Some(marker.as_str()));
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|one| one.key().map(str::to_owned)),
            );
            if page.is_truncated() == Some(false) {
                break;
            }
            // Without a delimiter there is no NextMarker: the last key is where to go on.
            marker = keys.last().unwrap().clone();
        }
        assert_eq!(keys, all, "{max_keys}");
    }
}

#[tokio::test]
async fn with_a_delimiter_the_next_marker_may_be_a_common_prefix() {
    let bucket = bucket_with(&["a", "b/1", "b/2", "c", "d/1", "e"]).await;
    for max_keys in 1..=5 {
        let (mut names, mut marker) = (Vec::new(), None);
        loop {
            let list = bucket.client().list_objects().bucket(bucket.name());
            let list = list.delimiter("/").max_keys(max_keys).set_marker(marker);
            let page = list.send().await.unwrap();
            let keys = page.contents().iter().filter_map(|one| one.key());
            let common = page.common_prefixes().iter().filter_map(|one| one.prefix());
            let mut both: Vec<String> = keys.chain(common).map(str::to_owned).collect();
            both.sort();
            names.extend(both);
            marker = page.next_marker;
            assert_eq!(page.is_truncated, Some(marker.is_some()));
            if marker.is_none() {
                break;
            }
            assert_eq!(marker.as_ref(), names.last());
        }
        assert_eq!(names, ["a", "b/", "c", "d/", "e"], "{max_keys}");
    }
}

#[tokio::test]
async fn a_prefix_and_a_delimiter_select_one_level() {
    let bucket = bucket_with(&["p/a", "p/q/b", "p/q/c", "p/r/d", "q/e"]).await;
    let list = bucket.client().list_objects().bucket(bucket.name());
    let page = list.prefix("p/").delimiter("/").send().await.unwrap();
    let keys: Vec<&str> = page.contents().iter().filter_map(|one| one.key()).collect();
    assert_eq!(keys, ["p/a"]);
    let common = page.common_prefixes().iter().filter_map(|one| one.prefix());
    assert_eq!(common.collect::<Vec<_>>(), ["p/q/", "p/r/"]);
    assert_eq!(page.prefix(), Some("p/"));
    assert_eq!(page.delimiter(), Some("/"));
}

#[test]
fn entries_name_their_owner_and_the_page_its_limits() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint().exchange(put).status, 200);
    let list = Request::new("GET", format!("/{}", bucket.name()));
    let answer = endpoint().exchange(list.query("max-keys", "7"));
    assert_eq!(answer.status, 200);
    let element = |name: &str| xml::text(&answer.body, name);
    assert_eq!(element("Name").as_deref(), Some(bucket.name()));
    assert_eq!(element("MaxKeys").as_deref(), Some("7"));
    assert_eq!(element("IsTruncated").as_deref(), Some("false"));
    assert_eq!(element("Size").as_deref(), Some("4"));
    assert!(!element("ID").unwrap().is_empty());
    // What only version 2 has.
    assert_eq!(element("KeyCount"), None);
}

#[tokio::test]
async fn an_absent_bucket_has_no_list() {
    let list = sdk().list_objects().bucket(fresh_name());
    assert_refused(list.send().await, 404, "NoSuchBucket");
}
