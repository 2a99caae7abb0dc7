use std::collections::BTreeSet;

use aws_sdk_s3::types::{EncodingType, ObjectStorageClass};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk, url_decoded};
use cairn_dev_tests::request::Request;

use crate::samples::ODD_KEYS;

const TREE: [&str; 12] = [
    "a", "a/", "a/1", "a/2", "a/b/3", "ab", "b/1", "b/2", "c", "c//d", "ä/1", "z",
];

/// Keys and common prefixes of a listing over all its pages of at most `max_keys`, each page checked against the limit.
async fn pages(
    bucket: &Bucket,
    prefix: &str,
    delimiter: Option<&str>,
    start_after: Option<&str>,
    max_keys: i32,
) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    let mut token = None;
    loop {
        let list = bucket.client().list_objects_v2().bucket(bucket.name());
        let list = list.prefix(prefix).max_keys(max_keys);
        let list = list.set_delimiter(delimiter.map(str::to_owned));
        let list = list.set_start_after(start_after.map(str::to_owned));
        let page = list.set_continuation_token(token).send().await.unwrap();
        let found = page.contents().len() + page.common_prefixes().len();
        assert!(found <= usize::try_from(max_keys).unwrap());
        assert_eq!(page.key_count(), i32::try_from(found).ok());
        assert_eq!(
            page.is_truncated(),
            Some(page.next_continuation_token.is_some())
        );
        keys.extend(
            page.contents()
                .iter()
                .filter_map(|one| one.key().map(str::to_owned)),
        );
        let common = page.common_prefixes().iter();
        prefixes.extend(common.filter_map(|one| one.prefix().map(str::to_owned)));
        token = page.next_continuation_token;
        if token.is_none() {
            return (keys, prefixes);
        }
        assert!(found > 0, "a page that is not the last has something");
    }
}

/// What a listing must give, computed from the set of keys alone.
fn expected(
    keys: &[&str],
    prefix: &str,
    delimiter: Option<&str>,
    start_after: &str,
) -> (Vec<String>, Vec<String>) {
    let (mut plain, mut common) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        let Some(rest) = key.strip_prefix(prefix).filter(|_| *key > start_after) else {
            continue;
        };
        match delimiter.and_then(|text| rest.find(text).map(|at| at + text.len())) {
            Some(at) => common.insert(format!("{prefix}{}", &rest[..at])),
            None => plain.insert((*key).to_owned()),
        };
    }
    (plain.into_iter().collect(), common.into_iter().collect())
}

async fn bucket_with(keys: &[&str]) -> Bucket {
    let bucket = Bucket::create().await;
    for key in keys {
        bucket.put(key, b"x".to_vec()).await;
    }
    bucket
}

#[tokio::test]
async fn every_page_size_gives_the_same_whole_with_and_without_delimiter() {
    let bucket = bucket_with(&TREE).await;
    for prefix in ["", "a", "a/", "a/b", "c/", "ä", "nothing"] {
        for delimiter in [None, Some("/"), Some("b/"), Some("//")] {
            let expected = expected(&TREE, prefix, delimiter, "");
            for max_keys in [1, 2, 3, 5, 1_000] {
                let found = pages(&bucket, prefix, delimiter, None, max_keys).await;
                assert_eq!(found, expected, "{prefix:?} {delimiter:?} {max_keys}");
            }
        }
    }
}

#[tokio::test]
async fn a_listing_starts_after_the_key_asked_for() {
    let bucket = bucket_with(&TREE).await;
    for start in [
        "a",
        "a/",
        "a/1",
        "a/9",
        "aa",
        "b",
        "b/1",
        "z",
        "zz",
        "\u{10ffff}",
    ] {
        let expected = expected(&TREE, "", None, start);
        for max_keys in [2, 1_000] {
            let found = pages(&bucket, "", None, Some(start), max_keys).await;
            assert_eq!(found, expected, "{start:?}");
        }
    }
    // Beyond all keys of a common prefix, the prefix is beyond the start too.
    let (keys, prefixes) = pages(&bucket, "", Some("/"), Some("a/zzz"), 1_000).await;
    assert_eq!(keys, ["ab", "c", "z"]);
    assert_eq!(prefixes, ["b/", "c/", "ä/"]);
}

#[tokio::test]
async fn entries_carry_what_head_says() {
    let bucket = Bucket::create().await;
    let put = bucket.put("key", vec![7; 12_345]).await;
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.fetch_owner(true).send().await.unwrap();
    assert_eq!(page.name(), Some(bucket.name()));
    assert_eq!(page.max_keys(), Some(1_000));
    let entry = &page.contents()[0];
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").send().await.unwrap();
    assert_eq!(entry.e_tag(), put.e_tag());
    assert_eq!(entry.size(), Some(12_345));
    // A listing has milliseconds where a header has seconds.
    let seconds = |date: Option<&aws_sdk_s3::primitives::DateTime>| date.unwrap().secs();
    assert_eq!(
        seconds(entry.last_modified()),
        seconds(head.last_modified())
    );
    assert_eq!(
        entry.storage_class().map(ObjectStorageClass::as_str),
        Some("STANDARD")
    );
    let owner = entry.owner().and_then(|owner| owner.id()).unwrap();
    assert!(!owner.is_empty());

    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.send().await.unwrap();
    assert!(page.contents()[0].owner().is_none());
}

#[tokio::test]
async fn url_encoding_hides_no_key() {
    let bucket = bucket_with(&ODD_KEYS).await;
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(page.encoding_type(), Some(&EncodingType::Url));
    let raw: Vec<&str> = page.contents().iter().filter_map(|one| one.key()).collect();
    for name in &raw {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"&' ".contains(&byte);
        assert!(name.bytes().all(plain), "{name:?} is not encoded");
    }
    let found: Vec<String> = raw.into_iter().map(url_decoded).collect();
    let mut expected = ODD_KEYS.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);

    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let list = list
        .encoding_type(EncodingType::Url)
        .delimiter("+")
        .prefix("a");
    let page = list.send().await.unwrap();
    assert_eq!(page.delimiter().map(url_decoded).as_deref(), Some("+"));
    let common = page.common_prefixes()[0].prefix().map(url_decoded);
    assert_eq!(common.as_deref(), Some("a+"));
}

#[tokio::test]
async fn keys_come_in_the_order_of_their_bytes() {
    let keys = [
        "\u{fffd}",
        "\u{10000}",
        "A",
        "Z",
        "a",
        "é",
        "~",
        "0",
        "_",
        "\u{e000}",
    ];
    let bucket = bucket_with(&keys).await;
    let mut expected = keys.to_vec();
    expected.sort_by_key(|key| key.as_bytes().to_vec());
    assert_eq!(bucket.keys().await, expected);
}

#[tokio::test]
async fn a_page_has_at_most_a_thousand_keys_whatever_is_asked() {
    let bucket = Bucket::create().await;
    let keys: Vec<String> = (0..1_005)
        .map(|number| format!("key-{number:05}"))
        .collect();
    for some in keys.chunks(32) {
        let puts: Vec<_> = some
            .iter()
            .map(|key| {
                let put = bucket.client().put_object().bucket(bucket.name());
                tokio::spawn(put.key(key).send())
            })
            .collect();
        for put in puts {
            put.await.unwrap().unwrap();
        }
    }
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.max_keys(5_000).send().await.unwrap();
    assert_eq!(page.contents().len(), 1_000);
    assert_eq!(page.is_truncated(), Some(true));
    assert_eq!(bucket.keys().await, keys);

    let list = bucket.client().list_objects().bucket(bucket.name());
    let page = list.max_keys(5_000).send().await.unwrap();
    assert_eq!(page.contents().len(), 1_000);
    let list = bucket.client().list_objects().bucket(bucket.name());
    let rest = list.marker("key-00999").send().await.unwrap();
    assert_eq!(rest.contents().len(), 5);
}

#[tokio::test]
async fn zero_keys_are_zero_keys() {
    let bucket = bucket_with(&["a"]).await;
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.max_keys(0).send().await.unwrap();
    assert_eq!(page.contents().len(), 0);
    assert_eq!(page.is_truncated(), Some(false));
}

#[test]
fn senseless_limits_and_tokens_are_refused() {
    let bucket = Bucket::create_blocking();
    for (name, value) in [
        ("max-keys", "-1"),
        ("max-keys", "abc"),
        ("max-keys", "99999999999999999999"),
        ("continuation-token", "forged"),
        ("continuation-token", ""),
        ("encoding-type", "base64"),
    ] {
        let list = Request::new("GET", format!("/{}", bucket.name()));
        let answer = endpoint().exchange(list.query("list-type", "2").query(name, value));
        let expected = (400, "InvalidArgument".to_owned());
        assert_eq!(answer.verdict(), expected, "{name}={value}");
    }
}

#[tokio::test]
async fn an_empty_bucket_has_an_empty_page_and_an_absent_one_none() {
    let bucket = Bucket::create().await;
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.delimiter("/").send().await.unwrap();
    assert_eq!(page.key_count(), Some(0));
    assert_eq!(page.is_truncated(), Some(false));
    let list = sdk().list_objects_v2().bucket(fresh_name());
    assert_refused(list.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn uploads_in_progress_are_not_listed_as_objects() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    bucket.part("key", &upload, 1, b"part".to_vec()).await;
    assert_eq!(bucket.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_page_goes_on_where_it_stopped_though_keys_change_around_it() {
    let bucket = bucket_with(&["a", "b", "c", "d", "e"]).await;
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.max_keys(2).send().await.unwrap();
    let token = page.next_continuation_token.unwrap();
    // The last key of the page goes, one before it comes, and one behind it comes.
    let delete = bucket.client().delete_object().bucket(bucket.name());
    delete.key("b").send().await.unwrap();
    bucket.put("aa", b"x".to_vec()).await;
    bucket.put("bb", b"x".to_vec()).await;
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let rest = list.continuation_token(token).send().await.unwrap();
    let keys: Vec<&str> = rest.contents().iter().filter_map(|one| one.key()).collect();
    assert_eq!(keys, ["bb", "c", "d", "e"]);
}
