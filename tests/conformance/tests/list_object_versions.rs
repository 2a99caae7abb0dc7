use aws_sdk_s3::types::EncodingType;
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk, url_decoded};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

/// A key, a version, and whether it is a delete marker.
type Row = (String, String, bool);

/// Three keys with versions, and the rows in the order of a listing.
async fn filled(bucket: &Bucket) -> Vec<Row> {
    let mut rows = Vec::new();
    for key in ["a", "b/c", "b/d"] {
        let mut of_key = Vec::new();
        for number in 0..3 {
            let put = bucket.put(key, vec![number]).await;
            of_key.push((key.to_owned(), put.version_id.unwrap(), false));
        }
        let delete = bucket.client().delete_object().bucket(bucket.name());
        let marker = delete.key(key).send().await.unwrap().version_id.unwrap();
        of_key.push((key.to_owned(), marker, true));
        rows.extend(of_key.into_iter().rev());
    }
    rows
}

#[tokio::test]
async fn versions_come_by_key_and_newest_first() {
    let bucket = Bucket::versioned().await;
    let rows = filled(&bucket).await;
    assert_eq!(bucket.versions(""), rows);
    assert_eq!(bucket.versions("b/"), rows[4..]);
    let list = bucket.client().list_object_versions().bucket(bucket.name());
    let list = list.send().await.unwrap();
    assert_eq!(list.is_truncated(), Some(false));
    assert_eq!(list.versions().len(), 9);
    assert!(
        list.versions()
            .iter()
            .all(|row| row.is_latest() == Some(false))
    );
    let row = &list.versions()[0];
    assert_eq!(row.size(), Some(1));
    assert!(row.e_tag().is_some() && row.last_modified().is_some());
    assert!(row.owner().unwrap().id().is_some());
    let markers = list.delete_markers();
    assert_eq!(markers.len(), 3);
    assert!(markers.iter().all(|row| row.is_latest() == Some(true)));
    assert!(markers[0].owner().unwrap().id().is_some());
}

#[tokio::test]
async fn pages_of_every_size_show_every_version_once() {
    let bucket = Bucket::versioned().await;
    let rows = filled(&bucket).await;
    for size in [1, 2, 3, 5, 11, 12, 13] {
        let mut seen = Vec::new();
        let (mut key, mut version) = (None, None);
        loop {
            let list = bucket.client().list_object_versions().bucket(bucket.name());
            let list = list.max_keys(size).set_key_marker(key.clone());
            let page = list.set_version_id_marker(version.clone()).send().await;
            let page = page.unwrap();
            assert_eq!(page.key_marker(), Some(key.as_deref().unwrap_or_default()));
            let of_page = cairn_conformance::version_rows(&page);
            assert!(of_page.len() <= usize::try_from(size).unwrap());
            seen.extend(of_page);
            if page.is_truncated() != Some(true) {
                assert_eq!(page.next_key_marker(), None);
                break;
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
        }
        seen.sort_by_key(|row| rows.iter().position(|known| known == row));
        assert_eq!(seen, rows, "pages of {size}");
    }
}

#[tokio::test]
async fn a_key_marker_alone_passes_over_all_versions_of_its_key() {
    let bucket = Bucket::versioned().await;
    let rows = filled(&bucket).await;
    let list = bucket.client().list_object_versions().bucket(bucket.name());
    let list = list.key_marker("a").send().await.unwrap();
    assert_eq!(list.versions().len() + list.delete_markers().len(), 8);
    let list = bucket.client().list_object_versions().bucket(bucket.name());
    let list = list.key_marker("a").version_id_marker(&rows[1].1);
    let list = list.send().await.unwrap();
    assert_eq!(list.versions()[0].version_id(), Some(rows[2].1.as_str()));
}

#[tokio::test]
async fn common_prefixes_stand_for_all_versions_below_them() {
    let bucket = Bucket::versioned().await;
    filled(&bucket).await;
    let list = || {
        let list = bucket.client().list_object_versions().bucket(bucket.name());
        list.delimiter("/")
    };
    let whole = list().send().await.unwrap();
    assert_eq!(whole.versions().len() + whole.delete_markers().len(), 4);
    let prefixes = |prefixes: &[aws_sdk_s3::types::CommonPrefix]| -> Vec<String> {
        let prefixes = prefixes.iter().filter_map(|prefix| prefix.prefix());
        prefixes.map(str::to_owned).collect()
    };
    assert_eq!(prefixes(whole.common_prefixes()), ["b/"]);
    bucket.put("z", b"last".to_vec()).await;
    let page = list().max_keys(5).send().await.unwrap();
    assert_eq!(prefixes(page.common_prefixes()), ["b/"]);
    assert_eq!(page.next_key_marker(), Some("b/"));
    assert_eq!(page.next_version_id_marker(), None);
    let rest = list().key_marker("b/").send().await.unwrap();
    assert_eq!(prefixes(rest.common_prefixes()), Vec::<String>::new());
    assert_eq!(rest.versions()[0].key(), Some("z"));
}

#[tokio::test]
async fn keys_are_encoded_where_that_is_asked_for() {
    let bucket = Bucket::versioned().await;
    bucket.put("a b+\u{1}", b"x".to_vec()).await;
    let list = bucket.client().list_object_versions().bucket(bucket.name());
    let list = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(list.encoding_type(), Some(&EncodingType::Url));
    let key = list.versions()[0].key().unwrap();
    assert_ne!(key, "a b+\u{1}");
    assert_eq!(url_decoded(key), "a b+\u{1}");
}

#[tokio::test]
async fn without_versioning_everything_is_the_null_version() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"body".to_vec()).await;
    let row = ("key".to_owned(), "null".to_owned(), false);
    assert_eq!(bucket.versions(""), [row]);
    let list = bucket.client().list_object_versions().bucket(bucket.name());
    let list = list.send().await.unwrap();
    assert_eq!(list.versions()[0].is_latest(), Some(true));
}

#[test]
fn versions_and_markers_stand_in_one_order() {
    let bucket = Bucket::versioned_blocking();
    for method in ["PUT", "DELETE", "PUT"] {
        endpoint().exchange(Request::key(method, bucket.name(), "key"));
    }
    let path = format!("/{}", bucket.name());
    let list = endpoint().exchange(Request::new("GET", path).query("versions", ""));
    let text = list.text();
    let latest = xml::texts(&list.body, "IsLatest");
    assert_eq!(latest, ["true", "false", "false"]);
    let marker = text.find("<DeleteMarker>").unwrap();
    assert!(text.find("<Version>").unwrap() < marker, "{text}");
    assert!(text.rfind("<Version>").unwrap() > marker, "{text}");
}

#[tokio::test]
async fn markers_that_cannot_be_are_refused() {
    let bucket = Bucket::create().await;
    let list = || {
        let list = sdk().list_object_versions();
        list.bucket(bucket.name())
    };
    let alone = list().version_id_marker("null");
    assert_refused(alone.send().await, 400, "InvalidArgument");
    let strange = list().key_marker("k").version_id_marker("strange");
    assert_refused(strange.send().await, 400, "InvalidArgument");
    let absent = sdk().list_object_versions().bucket(fresh_name());
    assert_refused(absent.send().await, 404, "NoSuchBucket");
}
