use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream;
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::checksum::{md5_base64, md5_hex};
use cairn_dev_tests::request::Request;

use crate::samples::{ODD_KEYS, SIZES, assert_bytes, content};

#[tokio::test]
async fn objects_of_every_size_read_back_bit_for_bit_with_the_md5_as_etag() {
    let bucket = Bucket::create().await;
    for len in SIZES {
        let key = format!("size-{len}");
        let body = content(&key, len);
        let put = bucket.put(&key, body.clone()).await;
        let etag = format!("\"{}\"", md5_hex(&body));
        assert_eq!(put.e_tag(), Some(etag.as_str()), "{len}");

        let head = bucket.client().head_object().bucket(bucket.name());
        let head = head.key(&key).send().await.unwrap();
        assert_eq!(head.content_length(), i64::try_from(len).ok(), "{len}");
        assert_eq!(head.e_tag(), Some(etag.as_str()), "{len}");
        assert_bytes(&bucket.get(&key).await, &body);
    }
}

#[tokio::test]
async fn keys_of_any_text_are_stored_as_they_are() {
    let bucket = Bucket::create().await;
    for key in ODD_KEYS {
        bucket.put(key, content(key, 64)).await;
    }
    for key in ODD_KEYS {
        assert_bytes(&bucket.get(key).await, &content(key, 64));
    }
    let mut expected: Vec<&str> = ODD_KEYS.to_vec();
    expected.sort_unstable();
    assert_eq!(bucket.keys().await, expected);
    for key in ODD_KEYS {
        let delete = bucket.client().delete_object().bucket(bucket.name());
        delete.key(key).send().await.unwrap();
        assert!(!bucket.has(key).await, "{key:?}");
    }
    assert_eq!(bucket.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_longest_key_is_taken_and_a_longer_one_is_refused() {
    let bucket = Bucket::create().await;
    for longest in ["k".repeat(1_024), "é".repeat(512)] {
        bucket.put(&longest, b"x".to_vec()).await;
        assert_eq!(bucket.get(&longest).await, b"x");
    }
    for longer in ["k".repeat(1_025), "é".repeat(513)] {
        let put = bucket.client().put_object().bucket(bucket.name());
        let put = put.key(&longer).send().await;
        assert_refused(put, 400, "KeyTooLongError");
    }
    assert_eq!(bucket.keys().await.len(), 2);
}

#[tokio::test]
async fn an_overwrite_replaces_content_and_headers_wholly() {
    let bucket = Bucket::create().await;
    for len in [3_000_000, 10, 0, 20_000] {
        let body = content(&format!("{len}"), len);
        bucket.put("key", body.clone()).await;
        assert_bytes(&bucket.get("key").await, &body);
    }
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    let put = put.metadata("color", "red").content_type("text/plain");
    put.send().await.unwrap();
    bucket.put("key", b"plain".to_vec()).await;
    let head = bucket.client().head_object().bucket(bucket.name());
    let head = head.key("key").send().await.unwrap();
    assert_eq!(head.metadata().map(HashMap::len), Some(0));
    assert_ne!(head.content_type(), Some("text/plain"));
    assert_eq!(bucket.keys().await, ["key"]);
}

#[tokio::test]
async fn metadata_and_content_headers_come_back_as_they_went() {
    let bucket = Bucket::create().await;
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    let put = put
        .body(ByteStream::from_static(b"body"))
        .content_type("application/x-cairn; charset=utf-8")
        .content_encoding("identity, x-own")
        .content_language("de-CH, en")
        .content_disposition("attachment; filename=\"a b.txt\"")
        .cache_control("max-age=60, public")
        .metadata("plain", "value")
        .metadata("upper-case-value", "A Value, with: punctuation;")
        .metadata("empty", "");
    put.send().await.unwrap();

    let get = bucket.client().get_object().bucket(bucket.name());
    let get = get.key("key").send().await.unwrap();
    assert_eq!(
        get.content_type(),
        Some("application/x-cairn; charset=utf-8")
    );
    assert_eq!(get.content_encoding(), Some("identity, x-own"));
    assert_eq!(get.content_language(), Some("de-CH, en"));
    assert_eq!(
        get.content_disposition(),
        Some("attachment; filename=\"a b.txt\"")
    );
    assert_eq!(get.cache_control(), Some("max-age=60, public"));
    let metadata = get.metadata().unwrap();
    assert_eq!(metadata.len(), 3, "{metadata:?}");
    assert_eq!(metadata["plain"], "value");
    assert_eq!(metadata["upper-case-value"], "A Value, with: punctuation;");
    assert_eq!(metadata["empty"], "");
}

#[test]
fn expires_comes_back_as_text_and_a_missing_type_is_an_octet_stream() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let expires = "Thu, 01 Dec 2044 16:00:00 GMT";
    let put = Request::key("PUT", bucket.name(), "key").header("expires", expires);
    assert_eq!(endpoint.exchange(put).status, 200);
    let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.header("expires"), Some(expires));
    assert_eq!(head.header("content-type"), Some("binary/octet-stream"));
}

#[tokio::test]
async fn too_much_metadata_is_refused() {
    let bucket = Bucket::create().await;
    let put = |len: usize| {
        let put = bucket.client().put_object().bucket(bucket.name());
        put.key("key").metadata("m", "v".repeat(len)).send()
    };
    assert_refused(put(2_048).await, 400, "MetadataTooLarge");
    assert!(!bucket.has("key").await);
    // Whether the prefix of the name counts is not documented; 48 bytes are room for it.
    put(2_000).await.unwrap();
}

#[tokio::test]
async fn the_right_content_md5_is_accepted_and_the_wrong_one_stores_nothing() {
    let bucket = Bucket::create().await;
    for len in [100, 2_000_000] {
        let body = content("md5", len);
        let put = |md5: String| {
            let put = bucket.client().put_object().bucket(bucket.name());
            put.key("key")
                .content_md5(md5)
                .body(body.clone().into())
                .send()
        };
        assert_refused(put(md5_base64(b"other")).await, 400, "BadDigest");
        assert!(!bucket.has("key").await);
        assert_refused(put("c2hvcnQ=".to_owned()).await, 400, "InvalidDigest");
        assert!(!bucket.has("key").await);
        put(md5_base64(&body)).await.unwrap();
        assert_bytes(&bucket.get("key").await, &body);
        let delete = bucket.client().delete_object().bucket(bucket.name());
        delete.key("key").send().await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_bucket_takes_no_object() {
    let put = sdk().put_object().bucket(fresh_name()).key("key");
    let put = put.body(ByteStream::from_static(b"body"));
    assert_refused(put.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn an_acknowledged_object_is_read_and_listed_at_once() {
    let bucket = Bucket::create().await;
    for round in 0..50 {
        let pattern = Pattern::of("key", round, 1 + round * 997);
        bucket.put("key", pattern.bytes()).await;
        assert_bytes(&bucket.get("key").await, &pattern.bytes());
        let new = format!("new-{round:03}");
        bucket.put(&new, pattern.bytes()).await;
        assert!(bucket.keys().await.contains(&new));
    }
}
