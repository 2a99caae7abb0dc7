use cairn_conformance::{Bucket, assert_refused, endpoint, refusal};
use cairn_dev_tests::request::Request;

use crate::samples::content;

#[tokio::test]
async fn if_none_match_star_creates_and_never_overwrites() {
    let bucket = Bucket::create().await;
    // Inline and in shards: the condition is decided where the version becomes visible, the same for both.
    for (key, len) in [("small", 10), ("large", 1_500_000)] {
        let put = |body| {
            let put = bucket.client().put_object().bucket(bucket.name());
            put.key(key).if_none_match("*").body(body).send()
        };
        put(content(key, len).into()).await.unwrap();
        let other = put(content("other", len).into()).await;
        assert_refused(other, 412, "PreconditionFailed");
        assert_eq!(bucket.get(key).await, content(key, len));
        let delete = bucket.client().delete_object().bucket(bucket.name());
        delete.key(key).send().await.unwrap();
        put(content("again", len).into()).await.unwrap();
        assert_eq!(bucket.get(key).await, content("again", len));
    }
}

#[tokio::test]
async fn if_match_overwrites_only_the_version_it_names() {
    let bucket = Bucket::create().await;
    let first = bucket.put("key", b"1".to_vec()).await.e_tag.unwrap();
    let put = |etag: &str, body: &[u8]| {
        let put = bucket.client().put_object().bucket(bucket.name());
        put.key("key")
            .if_match(etag)
            .body(body.to_vec().into())
            .send()
    };
    let second = put(&first, b"2").await.unwrap().e_tag.unwrap();
    assert_refused(put(&first, b"3").await, 412, "PreconditionFailed");
    assert_eq!(bucket.get("key").await, b"2");
    put(second.trim_matches('"'), b"3").await.unwrap();
    assert_eq!(bucket.get("key").await, b"3");
}

#[tokio::test]
async fn if_match_on_an_absent_key_finds_no_key() {
    let bucket = Bucket::create().await;
    let put = bucket.client().put_object().bucket(bucket.name());
    let put = put.key("absent").if_match("\"x\"").send().await;
    assert_refused(put, 404, "NoSuchKey");
    assert!(!bucket.has("absent").await);
}

#[test]
fn forms_that_s3_does_not_have_for_writes_are_not_implemented() {
    let bucket = Bucket::create_blocking();
    for (header, value) in [("if-none-match", "\"x\""), ("if-match", "*")] {
        let put = Request::key("PUT", bucket.name(), "key").body("body");
        let answer = endpoint().exchange(put.header(header, value));
        let expected = (501, "NotImplemented".to_owned());
        assert_eq!(answer.verdict(), expected, "{header}: {value}");
    }
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}

#[tokio::test]
async fn of_many_who_create_the_same_key_at_once_one_succeeds() {
    let bucket = Bucket::create().await;
    for round in 0..10 {
        // Alternately inline and in shards.
        let len = if round % 2 == 0 { 100 } else { 200_000 };
        let key = format!("key-{round}");
        let tries: Vec<_> = (0..16)
            .map(|writer| {
                let put = bucket.client().put_object().bucket(bucket.name());
                let body = content(&format!("writer-{writer}"), len);
                let put = put.key(&key).if_none_match("*").body(body.into());
                tokio::spawn(put.send())
            })
            .collect();
        let mut winners = Vec::new();
        for (writer, attempt) in tries.into_iter().enumerate() {
            match attempt.await.unwrap() {
                Ok(_) => winners.push(writer),
                refused => {
                    let (status, code) = refusal(refused);
                    let known = [
                        (412, "PreconditionFailed"),
                        (409, "ConditionalRequestConflict"),
                    ];
                    assert!(known.contains(&(status, code.as_str())), "{status} {code}");
                }
            }
        }
        assert_eq!(winners.len(), 1, "winners {winners:?}");
        let expected = content(&format!("writer-{}", winners[0]), len);
        assert_eq!(bucket.get(&key).await, expected);
    }
}

#[tokio::test]
async fn counting_with_if_match_loses_no_count() {
    let bucket = Bucket::create().await;
    bucket.put("counter", b"0".to_vec()).await;
    let counters: Vec<_> = (0..4)
        .map(|_| {
            let (client, name) = (bucket.client().clone(), bucket.name().to_owned());
            tokio::spawn(async move {
                let mut counted = 0_u32;
                while counted < 10 {
                    let get = client.get_object().bucket(&name).key("counter");
                    let get = get.send().await.unwrap();
                    let etag = get.e_tag().unwrap().to_owned();
                    let body = get.body.collect().await.unwrap().to_vec();
                    let value: u32 = String::from_utf8(body).unwrap().parse().unwrap();
                    let put = client.put_object().bucket(&name).key("counter");
                    let body = format!("{}", value + 1).into_bytes();
                    let put = put.if_match(etag).body(body.into());
                    if put.send().await.is_ok() {
                        counted += 1;
                    }
                }
            })
        })
        .collect();
    for counter in counters {
        counter.await.unwrap();
    }
    assert_eq!(bucket.get("counter").await, b"40");
}
