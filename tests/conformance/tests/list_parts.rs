use aws_sdk_s3::types::Part;
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

use crate::samples::content;

#[tokio::test]
async fn parts_are_listed_by_number_with_their_sizes() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    for (number, len) in [(10, 1_000), (2, 0), (7, 2_000_000)] {
        bucket
            .part("key", &upload, number, content("part", len))
            .await;
    }
    let list = bucket.client().list_parts().bucket(bucket.name());
    let list = list.key("key").upload_id(&upload).send().await.unwrap();
    let parts: Vec<_> = list
        .parts()
        .iter()
        .map(|part| (part.part_number(), part.size()))
        .collect();
    let expected = [
        (Some(2), Some(0)),
        (Some(7), Some(2_000_000)),
        (Some(10), Some(1_000)),
    ];
    assert_eq!(parts, expected);
    assert_eq!(list.is_truncated(), Some(false));
    assert_eq!(list.upload_id(), Some(upload.as_str()));
    assert!(
        list.parts()
            .iter()
            .all(|part| part.last_modified().is_some())
    );
    let etags: Vec<_> = list.parts().iter().map(|part| part.e_tag()).collect();
    assert_ne!(etags[0], etags[1]);
}

#[tokio::test]
async fn pages_of_parts_join_to_the_whole() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    let numbers = [1, 2, 5, 1_000, 1_001, 9_999, 10_000];
    for number in numbers {
        bucket.part("key", &upload, number, b"x".to_vec()).await;
    }
    for max_parts in [1, 2, 3, 7, 8] {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let list = bucket.client().list_parts().bucket(bucket.name());
            let list = list.key("key").upload_id(&upload).max_parts(max_parts);
            let page = list.set_part_number_marker(marker).send().await.unwrap();
            assert!(page.parts().len() <= usize::try_from(max_parts).unwrap());
            found.extend(page.parts().iter().filter_map(Part::part_number));
            if page.is_truncated() == Some(false) {
                break;
            }
            marker = page.next_part_number_marker;
            assert!(marker.is_some());
        }
        assert_eq!(found, numbers, "{max_parts}");
    }
}

#[tokio::test]
async fn a_page_without_length_has_no_parts_and_none_behind_it() {
    let bucket = Bucket::create().await;
    let upload = bucket.begin("key").await;
    bucket.part("key", &upload, 1, b"x".to_vec()).await;
    let list = bucket.client().list_parts().bucket(bucket.name());
    let list = list.key("key").upload_id(&upload).max_parts(0);
    let page = list.send().await.unwrap();
    assert_eq!((page.parts().len(), page.is_truncated()), (0, Some(false)));
}

#[tokio::test]
async fn what_is_absent_has_no_parts() {
    let bucket = Bucket::create().await;
    let list = bucket.client().list_parts().bucket(bucket.name());
    let list = list.key("key").upload_id("unknown").send().await;
    assert_refused(list, 404, "NoSuchUpload");
    let list = sdk().list_parts().bucket(fresh_name()).key("key");
    assert_refused(list.upload_id("unknown").send().await, 404, "NoSuchBucket");
}

#[test]
fn senseless_limits_are_refused() {
    let bucket = Bucket::create_blocking();
    for (name, value) in [
        ("max-parts", "-1"),
        ("max-parts", "abc"),
        ("part-number-marker", "x"),
    ] {
        let list = Request::key("GET", bucket.name(), "key").query("uploadId", "unknown");
        let answer = endpoint().exchange(list.query(name, value));
        let expected = (400, "InvalidArgument".to_owned());
        assert_eq!(answer.verdict(), expected, "{name}={value}");
    }
}
