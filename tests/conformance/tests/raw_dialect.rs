//! What servers of S3 answer differently, in the dialect of AWS and in that of Ceph's gateway.

use cairn_conformance::{Bucket, Dialect, Endpoint, MIN_PART_BYTES, completed};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

use crate::samples::content;

const BOTH: [Dialect; 2] = [Dialect::Aws, Dialect::Ceph];

/// The verdict that each dialect has; the code is empty where a request is not refused.
struct Verdicts {
    aws: (u16, &'static str),
    ceph: (u16, &'static str),
}

impl Verdicts {
    #[track_caller]
    fn check(&self, endpoint: &Endpoint, answer: &Answer) {
        let (status, code) = match endpoint.dialect {
            Dialect::Aws => self.aws,
            Dialect::Ceph => self.ceph,
        };
        let found = (answer.status, answer.code().unwrap_or_default());
        let dialect = endpoint.dialect;
        assert_eq!(
            found,
            (status, code.to_owned()),
            "{dialect:?}: {}",
            answer.text()
        );
    }
}

fn list(bucket: &Bucket) -> Request {
    Request::new("GET", format!("/{}", bucket.name())).query("list-type", "2")
}

fn ask(bucket: &Bucket, request: Request) -> Answer {
    bucket.endpoint().exchange(request)
}

#[tokio::test]
async fn spaces_and_pluses_in_listed_keys_can_be_told_apart() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        bucket.put("a b+c/d%20", b"1".to_vec()).await;
        let answer = ask(&bucket, list(&bucket).query("encoding-type", "url"));
        let key = match dialect {
            Dialect::Aws => "a+b%2Bc/d%2520",
            Dialect::Ceph => "a%20b%2Bc/d%2520",
        };
        assert_eq!(xml::text(&answer.body, "Key").as_deref(), Some(key));
    }
}

#[tokio::test]
async fn an_empty_token_is_incorrect_or_none_and_start_after_is_repeated_or_not() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        for key in ["a", "b", "c"] {
            bucket.put(key, b"1".to_vec()).await;
        }
        let empty = ask(&bucket, list(&bucket).query("continuation-token", ""));
        let verdicts = Verdicts {
            aws: (400, "InvalidArgument"),
            ceph: (200, ""),
        };
        verdicts.check(bucket.endpoint(), &empty);

        let first = list(&bucket)
            .query("max-keys", "1")
            .query("start-after", "a");
        let first = ask(&bucket, first);
        assert_eq!(xml::text(&first.body, "StartAfter").as_deref(), Some("a"));
        let token = xml::text(&first.body, "NextContinuationToken").unwrap();
        let next = list(&bucket).query("continuation-token", token);
        let next = ask(&bucket, next.query("start-after", "a"));
        assert_eq!(xml::texts(&next.body, "Key"), ["c"]);
        let echoed = xml::text(&next.body, "StartAfter");
        let expected = (dialect == Dialect::Ceph).then(|| "a".to_owned());
        assert_eq!(echoed, expected, "{dialect:?}");
    }
}

#[tokio::test]
async fn writes_depend_on_any_object_or_on_another_one_in_one_dialect_alone() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let own = bucket.put("key", b"1".to_vec()).await.e_tag.unwrap();
        let put = |key: &str, name: &str, value: &str| {
            let put = Request::key("PUT", bucket.name(), key).body("2");
            ask(&bucket, put.header(name, value))
        };
        let other = "\"00000000000000000000000000000000\"";
        for (key, name, value, ceph) in [
            ("absent", "if-match", "*", (404, "NoSuchKey")),
            (
                "key",
                "if-none-match",
                own.as_str(),
                (412, "PreconditionFailed"),
            ),
            ("key", "if-none-match", other, (200, "")),
            ("key", "if-match", "*", (200, "")),
        ] {
            let aws = (501, "NotImplemented");
            let verdicts = Verdicts { aws, ceph };
            verdicts.check(bucket.endpoint(), &put(key, name, value));
        }
        assert!(!bucket.has("absent").await);
    }
}

#[tokio::test]
async fn a_part_that_is_listed_twice_is_out_of_order_or_the_last_counts() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let upload = bucket.begin("key").await;
        let first = bucket.part("key", &upload, 1, b"first".to_vec()).await;
        let second = bucket.part("key", &upload, 1, b"second".to_vec()).await;
        let part = |etag: Option<&str>| {
            let etag = etag.unwrap().trim_matches('"');
            format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let body = format!(
            "<CompleteMultipartUpload>{}{}</CompleteMultipartUpload>",
            part(first.e_tag()),
            part(second.e_tag())
        );
        let complete = Request::key("POST", bucket.name(), "key").query("uploadId", &upload);
        let verdicts = Verdicts {
            aws: (400, "InvalidPartOrder"),
            ceph: (200, ""),
        };
        verdicts.check(bucket.endpoint(), &ask(&bucket, complete.body(body)));
        if dialect == Dialect::Ceph {
            assert_eq!(bucket.get("key").await, b"second");
        }
    }
}

#[tokio::test]
async fn parts_and_ranges_that_are_not_there_are_refused_in_two_ways() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        bucket.put("key", b"12345".to_vec()).await;
        let get = Request::key("GET", bucket.name(), "key").query("partNumber", "2");
        let verdicts = Verdicts {
            aws: (416, "InvalidPartNumber"),
            ceph: (400, "InvalidPart"),
        };
        verdicts.check(bucket.endpoint(), &ask(&bucket, get));

        let upload = bucket.begin("copy").await;
        let copy = Request::key("PUT", bucket.name(), "copy")
            .query("partNumber", "1")
            .query("uploadId", &upload)
            .header("x-amz-copy-source", format!("/{}/key", bucket.name()));
        let beyond = copy.header("x-amz-copy-source-range", "bytes=0-5");
        let verdicts = Verdicts {
            aws: (400, "InvalidArgument"),
            ceph: (416, "InvalidRange"),
        };
        verdicts.check(bucket.endpoint(), &ask(&bucket, beyond));
    }
}

#[tokio::test]
async fn a_checksum_that_cannot_be_is_refused_in_two_ways() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let create = Request::key("POST", bucket.name(), "key").query("uploads", "");
        let create = create.header("x-amz-checksum-algorithm", "SHA256");
        let upload = xml::text(&ask(&bucket, create).body, "UploadId").unwrap();
        let put = bucket
            .client()
            .upload_part()
            .bucket(bucket.name())
            .key("key");
        let put = put.upload_id(&upload).part_number(1);
        let algorithm = aws_sdk_s3::types::ChecksumAlgorithm::Sha256;
        let put = put
            .checksum_algorithm(algorithm)
            .body(b"body".to_vec().into());
        let part = put.send().await.unwrap();
        let body = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag><ChecksumSHA256>{}</ChecksumSHA256>\
             </Part></CompleteMultipartUpload>",
            part.e_tag().unwrap(),
            part.checksum_sha256().unwrap()
        );
        let complete = Request::key("POST", bucket.name(), "key").query("uploadId", &upload);
        let complete = complete.header("x-amz-checksum-sha256", "bad").body(body);
        let verdicts = Verdicts {
            aws: (400, "InvalidRequest"),
            ceph: (400, "BadDigest"),
        };
        verdicts.check(bucket.endpoint(), &ask(&bucket, complete));
    }
}

#[tokio::test]
async fn deletions_depend_on_time_and_length_in_one_dialect_alone() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let size = |value: &str| {
            let delete = Request::key("DELETE", bucket.name(), "key");
            ask(&bucket, delete.header("x-amz-if-match-size", value))
        };
        let aws = (501, "NotImplemented");
        bucket.put("key", b"12345".to_vec()).await;
        for (value, ceph) in [("6", (412, "PreconditionFailed")), ("5", (204, ""))] {
            let verdicts = Verdicts { aws, ceph };
            verdicts.check(bucket.endpoint(), &size(value));
        }
        assert_eq!(bucket.has("key").await, dialect == Dialect::Aws);
    }
}

#[tokio::test]
async fn metadata_beyond_ascii_is_told_in_two_ways() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let put = Request::key("PUT", bucket.name(), "key").body("1");
        let put = put.header("x-amz-meta-name", "Zo\u{eb}");
        assert_eq!(ask(&bucket, put).status, 200);
        let head = bucket
            .endpoint()
            .sign(Request::key("GET", bucket.name(), "key"));
        let mut wire = bucket.endpoint().connect();
        wire.send(&head.head());
        let answer = wire.read_answer("GET").unwrap();
        let told = answer.header("x-amz-meta-name");
        match dialect {
            Dialect::Aws => assert_eq!(told, Some("=?UTF-8?B?Wm/Dqw==?=")),
            // The harness reads headers as UTF-8, which one letter of ISO 8859-1 is not.
            Dialect::Ceph => assert!(told.unwrap().starts_with("Zo"), "{told:?}"),
        }
    }
}

#[tokio::test]
async fn quotas_and_counters_are_told_in_one_dialect_alone() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        for key in ["a", "b", "c"] {
            bucket.put(key, b"123".to_vec()).await;
        }
        let head = Request::new("HEAD", format!("/{}", bucket.name()));
        let head = ask(&bucket, head.query("read-stats", "true"));
        assert_eq!(head.status, 200);
        let usage = ask(&bucket, Request::new("GET", "/").query("usage", ""));
        assert_eq!(usage.status, 200);
        let quota = xml::text(&usage.body, "QuotaMaxBuckets");
        match dialect {
            Dialect::Aws => {
                assert_eq!(head.header("x-rgw-object-count"), None);
                assert_eq!(quota, None);
            }
            Dialect::Ceph => {
                assert_eq!(head.header("x-rgw-object-count"), Some("3"));
                assert_eq!(head.header("x-rgw-bytes-used"), Some("9"));
                assert_eq!(quota.as_deref(), Some("1000"));
            }
        }
        let unordered = list(&bucket).query("allow-unordered", "true");
        let verdicts = Verdicts {
            aws: (200, ""),
            ceph: (400, "InvalidArgument"),
        };
        let delimited = ask(&bucket, unordered.query("delimiter", "/"));
        verdicts.check(bucket.endpoint(), &delimited);
    }
}

#[tokio::test]
async fn an_absent_key_says_that_no_marker_hides_it_in_one_dialect_alone() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let head = ask(&bucket, Request::key("HEAD", bucket.name(), "absent"));
        assert_eq!(head.status, 404);
        let expected = (dialect == Dialect::Ceph).then_some("false");
        assert_eq!(head.header("x-amz-delete-marker"), expected);
    }
}

#[tokio::test]
async fn the_owner_may_make_a_bucket_again_in_the_ceph_dialect() {
    let Some(bucket) = Bucket::speaking(Dialect::Ceph).await else {
        return;
    };
    bucket.put("kept", b"1".to_vec()).await;
    let again = ask(&bucket, Request::new("PUT", format!("/{}", bucket.name())));
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(bucket.keys().await, ["kept"]);
}

#[tokio::test]
async fn a_default_retention_of_no_days_is_refused_in_two_ways() {
    for dialect in BOTH {
        let Some(endpoint) = cairn_conformance::speaking(dialect) else {
            continue;
        };
        let bucket = Bucket::locking_at(endpoint).await;
        for period in ["<Days>0</Days>", "<Years>-1</Years>"] {
            let body = format!(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                 <Mode>GOVERNANCE</Mode>{period}</DefaultRetention></Rule></ObjectLockConfiguration>"
            );
            let put = Request::new("PUT", format!("/{}", bucket.name()));
            let answer = ask(&bucket, put.query("object-lock", "").body(body));
            let verdicts = Verdicts {
                aws: (400, "InvalidArgument"),
                ceph: (400, "InvalidRetentionPeriod"),
            };
            verdicts.check(endpoint, &answer);
        }
    }
}

#[tokio::test]
async fn parts_without_checksums_are_only_counted_or_listed() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let upload = Request::key("POST", bucket.name(), "key").query("uploads", "");
        let upload = xml::text(&ask(&bucket, upload).body, "UploadId").unwrap();
        let mut parts = Vec::new();
        for (number, len) in [(1, MIN_PART_BYTES), (2, 7)] {
            let body = content(&format!("{number}"), len);
            let put = Request::key("PUT", bucket.name(), "key")
                .query("partNumber", number.to_string())
                .query("uploadId", &upload);
            let stored = ask(&bucket, put.body(body));
            let part = aws_sdk_s3::types::CompletedPart::builder().part_number(number);
            parts.push(part.e_tag(stored.header("etag").unwrap()).build());
        }
        let complete = bucket.client().complete_multipart_upload();
        let complete = complete.bucket(bucket.name()).key("key").upload_id(&upload);
        let complete = complete.multipart_upload(completed(parts)).send().await;
        complete.unwrap();
        let get = Request::key("GET", bucket.name(), "key").query("attributes", "");
        let told = ask(
            &bucket,
            get.header("x-amz-object-attributes", "ObjectParts"),
        );
        assert_eq!(xml::text(&told.body, "PartsCount").as_deref(), Some("2"));
        let sizes = xml::texts(&told.body, "Size");
        match dialect {
            Dialect::Aws => assert!(sizes.is_empty(), "{}", told.text()),
            Dialect::Ceph => assert_eq!(sizes, [MIN_PART_BYTES.to_string(), "7".to_owned()]),
        }
    }
}

#[tokio::test]
async fn a_prefix_is_repeated_encoded_or_as_it_was_sent() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let list = Request::new("GET", format!("/{}", bucket.name()));
        let list = list.query("prefix", "a/ü").query("encoding-type", "url");
        let answer = ask(&bucket, list);
        let prefix = match dialect {
            Dialect::Aws => "a/%C3%BC",
            Dialect::Ceph => "a/ü",
        };
        assert_eq!(xml::text(&answer.body, "Prefix").as_deref(), Some(prefix));
    }
}

#[tokio::test]
async fn groups_stand_before_owners_in_the_acls_of_one_dialect() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let controls = "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
        let path = || format!("/{}", bucket.name());
        let controls = Request::new("PUT", path())
            .query("ownershipControls", "")
            .body(controls);
        assert_eq!(ask(&bucket, controls).status, 200);
        let put = Request::new("PUT", path())
            .query("acl", "")
            .header("x-amz-acl", "public-read");
        assert_eq!(ask(&bucket, put).status, 200);
        let answer = ask(&bucket, Request::new("GET", path()).query("acl", ""));
        let expected = match dialect {
            Dialect::Aws => ["FULL_CONTROL", "READ"],
            Dialect::Ceph => ["READ", "FULL_CONTROL"],
        };
        assert_eq!(xml::texts(&answer.body, "Permission"), expected);
    }
}

#[tokio::test]
async fn statements_that_can_never_apply_are_refused_or_kept() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject",
                "Resource": "arn:aws:s3:::{}"}}]}}"#,
            bucket.name()
        );
        let put = Request::new("PUT", format!("/{}", bucket.name())).query("policy", "");
        let verdicts = Verdicts {
            aws: (400, "MalformedPolicy"),
            ceph: (204, ""),
        };
        verdicts.check(bucket.endpoint(), &ask(&bucket, put.body(policy)));
    }
}

#[tokio::test]
async fn who_does_not_sign_is_refused_the_list_of_buckets_or_told_of_none() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let endpoint = bucket.endpoint();
        let list = Request::new("GET", "/").host(&endpoint.host);
        let answer = endpoint.connect().exchange(&list);
        let verdicts = Verdicts {
            aws: (403, "AccessDenied"),
            ceph: (200, ""),
        };
        verdicts.check(endpoint, &answer);
        assert!(xml::texts(&answer.body, "Name").is_empty());
    }
}

#[tokio::test]
async fn a_checksum_that_cannot_be_is_an_invalid_request_or_a_bad_digest() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        let put = Request::key("PUT", bucket.name(), "key").body("1");
        let verdicts = Verdicts {
            aws: (400, "InvalidRequest"),
            ceph: (400, "BadDigest"),
        };
        let answer = ask(&bucket, put.header("x-amz-checksum-sha256", "bad"));
        verdicts.check(bucket.endpoint(), &answer);
        assert!(!bucket.has("key").await);
    }
}

#[tokio::test]
async fn buckets_are_found_by_tenant_in_one_dialect_alone() {
    for dialect in BOTH {
        let Some(bucket) = Bucket::speaking(dialect).await else {
            continue;
        };
        for (tenant, ceph) in [("", (200, "")), ("other", (404, "NoSuchBucket"))] {
            let path = format!("/{tenant}%3A{}", bucket.name());
            let verdicts = Verdicts {
                aws: (400, "InvalidBucketName"),
                ceph,
            };
            verdicts.check(bucket.endpoint(), &ask(&bucket, Request::new("GET", path)));
        }
    }
}
