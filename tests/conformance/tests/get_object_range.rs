use cairn_conformance::{Bucket, MIB, MIN_PART_BYTES, completed, endpoint};
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use crate::samples::{assert_bytes, content};

fn get(bucket: &Bucket, range: &str) -> Answer {
    let request = Request::key("GET", bucket.name(), "key").header("range", range);
    endpoint().exchange(request)
}

fn bucket_with(pattern: Pattern) -> Bucket {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body(pattern.bytes());
    assert_eq!(endpoint().exchange(put).status, 200);
    bucket
}

#[test]
fn every_form_of_a_range_selects_its_bytes() {
    let pattern = Pattern::of("key", 0, 1_000);
    let bucket = bucket_with(pattern);
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-999", 0, 1_000),
        ("bytes=10-19", 10, 20),
        ("bytes=990-", 990, 1_000),
        ("bytes=0-", 0, 1_000),
        ("bytes=-1", 999, 1_000),
        ("bytes=-1000", 0, 1_000),
        ("bytes=-5000", 0, 1_000),
        ("bytes=500-5000", 500, 1_000),
        ("bytes=999-18446744073709551615", 999, 1_000),
    ] {
        let answer = get(&bucket, range);
        assert_eq!(answer.status, 206, "{range}");
        let content_range = format!("bytes {start}-{}/1000", end - 1);
        assert_eq!(answer.header("content-range"), Some(content_range.as_str()));
        assert_bytes(&answer.body, &pattern.range(start..end));
    }
}

#[test]
fn a_range_beyond_the_object_is_not_satisfiable() {
    let bucket = bucket_with(Pattern::of("key", 0, 1_000));
    for range in ["bytes=1000-", "bytes=1000-1001", "bytes=5000-", "bytes=-0"] {
        let answer = get(&bucket, range);
        assert_eq!(
            answer.verdict(),
            (416, "InvalidRange".to_owned()),
            "{range}"
        );
    }
}

#[test]
fn no_range_of_an_empty_object_is_satisfiable() {
    let bucket = bucket_with(Pattern::of("key", 0, 0));
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        let answer = get(&bucket, range);
        assert_eq!(
            answer.verdict(),
            (416, "InvalidRange".to_owned()),
            "{range}"
        );
    }
}

#[test]
fn a_header_that_is_no_single_range_is_ignored_or_refused() {
    let pattern = Pattern::of("key", 0, 1_000);
    let bucket = bucket_with(pattern);
    let many = format!("bytes={}", ["0-1"; 1_000].join(","));
    for range in [
        "bytes=5-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "0-1",
        "bytes=0-1,3-4",
        "bytes=99999999999999999999-",
        &many,
    ] {
        let answer = get(&bucket, range);
        // RFC 9110 lets a server ignore it (the whole object) or refuse it; a part of the object would be wrong.
        match answer.status {
            200 => assert_bytes(&answer.body, &pattern.bytes()),
            416 => assert_eq!(answer.code().as_deref(), Some("InvalidRange")),
            other => panic!("{range}: {other} {}", answer.text()),
        }
    }
}

#[test]
fn ranges_across_cells_and_stripes_are_exact() {
    let len = 10 * MIB + 12_345;
    let pattern = Pattern::of("key", 0, len);
    let bucket = bucket_with(pattern);
    for border in [64 * 1024, MIB, 4 * MIB, 5 * MIB, 8 * MIB, 10 * MIB] {
        for (start, end) in [
            (border - 1, border),
            (border, border + 1),
            (border - 1, border + 1),
            (border - 70_000.min(border), border + 12_000),
        ] {
            let answer = get(&bucket, &format!("bytes={start}-{}", end - 1));
            assert_eq!(answer.status, 206, "{start}..{end}");
            assert_bytes(&answer.body, &pattern.range(start..end));
        }
    }
    let answer = get(&bucket, &format!("bytes={}-{}", MIB + 7, 9 * MIB + 3));
    assert_bytes(&answer.body, &pattern.range(MIB + 7..9 * MIB + 4));
}

#[tokio::test]
async fn ranges_across_parts_are_exact() {
    let bucket = Bucket::create().await;
    let bodies = [
        content("one", MIN_PART_BYTES + 3),
        content("two", MIN_PART_BYTES),
        content("three", 77),
    ];
    let upload = bucket.begin("key").await;
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        parts.push(bucket.part("key", &upload, number, body.clone()).await);
    }
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
    let complete = complete.multipart_upload(completed(parts));
    complete.send().await.unwrap();

    let whole = bodies.concat();
    let border = bodies[0].len();
    let second = border + bodies[1].len();
    for (start, end) in [
        (border - 1, border + 1),
        (border, border + 10),
        (second - 5, second + 77),
        (1, second + 1),
        (second, whole.len()),
    ] {
        let get = bucket
            .client()
            .get_object()
            .bucket(bucket.name())
            .key("key");
        let get = get.range(format!("bytes={start}-{}", end - 1));
        let body = get.send().await.unwrap().body.collect().await.unwrap();
        assert_bytes(&body.to_vec(), &whole[start..end]);
    }
}
