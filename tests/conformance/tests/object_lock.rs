use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, Delete, ObjectIdentifier, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode,
    ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule,
};
use cairn_conformance::{Bucket, assert_refused, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

const FAR: &str = "2130-01-01T00:00:00Z";
const FARTHER: &str = "2131-01-01T00:00:00Z";

fn date(text: &str) -> DateTime {
    DateTime::from_str(text, DateTimeFormat::DateTime).unwrap()
}

fn governed_until(text: &str) -> ObjectLockRetention {
    ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .retain_until_date(date(text))
        .build()
}

/// Sets the retention of the newest version.
async fn retain(
    bucket: &Bucket,
    key: &str,
    retention: ObjectLockRetention,
    bypass: bool,
) -> Result<(), (u16, String)> {
    let put = bucket.client().put_object_retention().bucket(bucket.name());
    let put = put.key(key).retention(retention);
    let put = if bypass {
        put.bypass_governance_retention(true)
    } else {
        put
    };
    match put.send().await {
        Ok(_) => Ok(()),
        refused => Err(cairn_conformance::refusal(refused)),
    }
}

async fn hold(bucket: &Bucket, key: &str, status: ObjectLockLegalHoldStatus) {
    let put = bucket
        .client()
        .put_object_legal_hold()
        .bucket(bucket.name());
    let status = ObjectLockLegalHold::builder().status(status).build();
    put.key(key).legal_hold(status).send().await.unwrap();
}

/// Deletes a version and tells what came of it.
fn delete(bucket: &Bucket, key: &str, version: &str, bypass: bool) -> Answer {
    let delete = Request::key("DELETE", bucket.name(), key).query("versionId", version);
    let delete = if bypass {
        delete.header("x-amz-bypass-governance-retention", "true")
    } else {
        delete
    };
    endpoint().exchange(delete)
}

fn locked() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

fn configuration(days: Option<i32>) -> ObjectLockConfiguration {
    let rule = days.map(|days| {
        let default = DefaultRetention::builder();
        let default = default.mode(ObjectLockRetentionMode::Governance).days(days);
        ObjectLockRule::builder()
            .default_retention(default.build())
            .build()
    });
    ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .set_rule(rule)
        .build()
}

async fn configure(bucket: &Bucket, configuration: ObjectLockConfiguration) {
    let put = bucket.client().put_object_lock_configuration();
    let put = put
        .bucket(bucket.name())
        .object_lock_configuration(configuration);
    put.send().await.unwrap();
}

#[tokio::test]
async fn a_bucket_tells_of_its_lock_what_it_was_told() {
    let bucket = Bucket::locking().await;
    assert_eq!(
        bucket.versioning().await,
        Some(BucketVersioningStatus::Enabled)
    );
    let get = || {
        let get = bucket.client().get_object_lock_configuration();
        get.bucket(bucket.name()).send()
    };
    let told = || async { get().await.unwrap().object_lock_configuration.unwrap() };
    assert_eq!(told().await, configuration(None));
    configure(&bucket, configuration(Some(3))).await;
    assert_eq!(told().await, configuration(Some(3)));
    configure(&bucket, configuration(None)).await;
    assert_eq!(told().await, configuration(None));
}

#[tokio::test]
async fn a_bucket_without_lock_has_none_until_it_keeps_versions() {
    let bucket = Bucket::create().await;
    let get = bucket
        .client()
        .get_object_lock_configuration()
        .bucket(bucket.name());
    let told = get.send().await;
    assert_refused(told, 404, "ObjectLockConfigurationNotFoundError");
    let put = || {
        let put = bucket.client().put_object_lock_configuration();
        let put = put.bucket(bucket.name());
        put.object_lock_configuration(configuration(None)).send()
    };
    assert_refused(put().await, 409, "InvalidBucketState");
    bucket.set_versioning(BucketVersioningStatus::Enabled).await;
    put().await.unwrap();
    let suspend = Request::new("PUT", format!("/{}", bucket.name())).query("versioning", "");
    let status = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let suspended = endpoint().exchange(suspend.body(status));
    assert_eq!(suspended.verdict(), (409, "InvalidBucketState".to_owned()));
}

#[test]
fn documents_that_cannot_be_are_malformed() {
    let bucket = Bucket::create_blocking();
    let put = |parameter: &str, body: String| {
        let put = match parameter {
            "object-lock" => Request::new("PUT", format!("/{}", bucket.name())),
            _ => Request::key("PUT", bucket.name(), "key"),
        };
        endpoint()
            .exchange(put.query(parameter, "").body(body))
            .verdict()
    };
    let rule = |inner: &str| {
        format!(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>{inner}\
             </DefaultRetention></Rule></ObjectLockConfiguration>"
        )
    };
    let date = format!("<RetainUntilDate>{FAR}</RetainUntilDate>");
    for (parameter, body) in [
        (
            "object-lock",
            rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"),
        ),
        ("object-lock", rule("<Mode>governance</Mode><Days>1</Days>")),
        ("object-lock", rule("<Mode>GOVERNANCE</Mode>")),
        ("object-lock", "<ObjectLockConfiguration/>".to_owned()),
        (
            "retention",
            format!("<Retention><Mode>abc</Mode>{date}</Retention>"),
        ),
        ("retention", format!("<Retention>{date}</Retention>")),
        (
            "legal-hold",
            "<LegalHold><Status>abc</Status></LegalHold>".to_owned(),
        ),
        ("legal-hold", "<LegalHold/>".to_owned()),
    ] {
        let malformed = (400, "MalformedXML".to_owned());
        assert_eq!(put(parameter, body.clone()), malformed, "{body}");
        let missing = (400, "MissingRequestBodyError".to_owned());
        assert_eq!(put(parameter, String::new()), missing, "{parameter}");
    }
}

#[tokio::test]
async fn a_retention_is_told_extended_and_shortened_only_by_who_says_so() {
    let bucket = Bucket::locking().await;
    let version = bucket.put("key", b"1".to_vec()).await.version_id.unwrap();
    let get = || {
        let get = bucket.client().get_object_retention().bucket(bucket.name());
        get.key("key").send()
    };
    assert_refused(get().await, 404, "NoSuchObjectLockConfiguration");
    retain(&bucket, "key", governed_until(FAR), false)
        .await
        .unwrap();
    let told = || async { get().await.unwrap().retention.unwrap() };
    assert_eq!(told().await, governed_until(FAR));
    retain(&bucket, "key", governed_until(FARTHER), false)
        .await
        .unwrap();
    assert_eq!(told().await, governed_until(FARTHER));
    let shortened = retain(&bucket, "key", governed_until(FAR), false).await;
    assert_eq!(shortened, Err(locked()));
    let past = retain(&bucket, "key", governed_until("2001-01-01T00:00:00Z"), true).await;
    assert_eq!(past, Err((400, "InvalidArgument".to_owned())));
    retain(&bucket, "key", governed_until(FAR), true)
        .await
        .unwrap();
    assert_eq!(told().await, governed_until(FAR));

    let head = bucket
        .client()
        .head_object()
        .bucket(bucket.name())
        .key("key");
    let head = head.send().await.unwrap();
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Governance));
    assert_eq!(head.object_lock_retain_until_date(), Some(&date(FAR)));

    let refused = delete(&bucket, "key", &version, false);
    assert_eq!(refused.verdict(), locked());
    let message = "Access Denied because object protected by object lock.";
    assert!(refused.text().contains(message), "{}", refused.text());
    assert_eq!(delete(&bucket, "key", &version, true).status, 204);
    assert!(!bucket.has("key").await);
}

#[tokio::test]
async fn a_held_version_stays_until_it_is_let_go() {
    let bucket = Bucket::locking().await;
    let version = bucket.put("key", b"1".to_vec()).await.version_id.unwrap();
    let get = || {
        let get = bucket
            .client()
            .get_object_legal_hold()
            .bucket(bucket.name());
        get.key("key").send()
    };
    assert_refused(get().await, 404, "NoSuchObjectLockConfiguration");
    for status in [
        ObjectLockLegalHoldStatus::On,
        ObjectLockLegalHoldStatus::Off,
    ] {
        hold(&bucket, "key", status.clone()).await;
        let told = get().await.unwrap().legal_hold.unwrap();
        assert_eq!(told.status(), Some(&status));
        let head = bucket
            .client()
            .head_object()
            .bucket(bucket.name())
            .key("key");
        let head = head.send().await.unwrap();
        assert_eq!(head.object_lock_legal_hold_status(), Some(&status));
        if status == ObjectLockLegalHoldStatus::On {
            let refused = delete(&bucket, "key", &version, true);
            assert_eq!(refused.verdict(), locked());
        }
    }
    // Without a version it goes below a marker, which is no version that anybody locked.
    let marker = bucket
        .client()
        .delete_object()
        .bucket(bucket.name())
        .key("key");
    let marker = marker.send().await.unwrap().version_id.unwrap();
    assert_eq!(delete(&bucket, "key", &marker, false).status, 204);
    assert_eq!(delete(&bucket, "key", &version, false).status, 204);
}

#[tokio::test]
async fn objects_can_be_written_locked() {
    let bucket = Bucket::locking().await;
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("put");
    let put = put
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(date(FAR))
        .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::Off)
        .body(b"1".to_vec().into());
    put.send().await.unwrap();

    let copy = bucket
        .client()
        .copy_object()
        .bucket(bucket.name())
        .key("copy");
    let copy = copy
        .copy_source(format!("{}/put", bucket.name()))
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(date(FARTHER));
    copy.send().await.unwrap();

    let create = bucket.client().create_multipart_upload();
    let create = create.bucket(bucket.name()).key("parts");
    let create = create
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(date(FAR));
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let part = bucket.part("parts", &upload, 1, b"1".to_vec()).await;
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete
        .bucket(bucket.name())
        .key("parts")
        .upload_id(&upload);
    let complete = complete.multipart_upload(cairn_conformance::completed(vec![part]));
    complete.send().await.unwrap();

    for (key, until, hold) in [
        ("put", FAR, Some(ObjectLockLegalHoldStatus::Off)),
        // A copy is not locked by what it is a copy of.
        ("copy", FARTHER, None),
        ("parts", FAR, None),
    ] {
        let head = bucket.client().head_object().bucket(bucket.name()).key(key);
        let head = head.send().await.unwrap();
        assert_eq!(
            head.object_lock_retain_until_date(),
            Some(&date(until)),
            "{key}"
        );
        assert_eq!(head.object_lock_legal_hold_status(), hold.as_ref(), "{key}");
        let refused = delete(&bucket, key, head.version_id().unwrap(), false);
        assert_eq!(refused.verdict(), locked(), "{key}");
    }
}

#[test]
fn headers_that_cannot_be_are_refused_before_anything_is_written() {
    let bucket = Bucket::create_blocking();
    let mode = ("x-amz-object-lock-mode", "GOVERNANCE");
    let until = "x-amz-object-lock-retain-until-date";
    for (headers, code) in [
        (&[mode][..], "InvalidArgument"),
        (&[(until, FAR)], "InvalidArgument"),
        (
            &[("x-amz-object-lock-mode", "abc"), (until, FAR)],
            "InvalidArgument",
        ),
        (&[mode, (until, "tomorrow")], "InvalidArgument"),
        (&[mode, (until, "2001-01-01T00:00:00Z")], "InvalidArgument"),
        (&[("x-amz-object-lock-legal-hold", "on")], "InvalidArgument"),
        // The bucket has no lock.
        (&[mode, (until, FAR)], "InvalidRequest"),
        (&[("x-amz-object-lock-legal-hold", "ON")], "InvalidRequest"),
    ] {
        let mut put = Request::key("PUT", bucket.name(), "key").body("1");
        for (name, value) in headers {
            put = put.header(name, *value);
        }
        let verdict = endpoint().exchange(put).verdict();
        assert_eq!(verdict, (400, code.to_owned()), "{headers:?}");
    }
    let get = endpoint().exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.status, 404);
}

#[tokio::test]
async fn versions_of_a_bucket_without_lock_cannot_be_locked() {
    let bucket = Bucket::versioned().await;
    bucket.put("key", b"1".to_vec()).await;
    let refused = retain(&bucket, "key", governed_until(FAR), false).await;
    assert_eq!(refused, Err((400, "InvalidRequest".to_owned())));
    for parameter in ["retention", "legal-hold"] {
        let get = Request::key("GET", bucket.name(), "key").query(parameter, "");
        let answer = endpoint().exchange(get);
        assert_eq!(answer.verdict(), (400, "InvalidRequest".to_owned()));
        let message = "Bucket is missing Object Lock Configuration";
        assert!(answer.text().contains(message), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_default_retention_holds_for_what_is_written_from_then_on() {
    let bucket = Bucket::locking().await;
    bucket.put("before", b"1".to_vec()).await;
    configure(&bucket, configuration(Some(1))).await;
    let version = bucket.put("after", b"1".to_vec()).await.version_id.unwrap();
    let head = |key: &str| {
        let head = bucket.client().head_object().bucket(bucket.name());
        head.key(key).send()
    };
    assert_eq!(head("before").await.unwrap().object_lock_mode(), None);
    let after = head("after").await.unwrap();
    let modified = after.last_modified().unwrap().secs();
    let until = after.object_lock_retain_until_date().unwrap().secs();
    assert!((86_399..=86_401).contains(&(until - modified)), "{after:?}");
    let refused = delete(&bucket, "after", &version, false);
    assert_eq!(refused.verdict(), locked());
}

#[tokio::test]
async fn a_locked_version_does_not_keep_others_from_being_deleted() {
    let bucket = Bucket::locking().await;
    let mut lines = Vec::new();
    for key in ["free", "locked"] {
        let version = bucket.put(key, b"1".to_vec()).await.version_id.unwrap();
        let line = ObjectIdentifier::builder().key(key).version_id(version);
        lines.push(line.build().unwrap());
    }
    retain(&bucket, "locked", governed_until(FAR), false)
        .await
        .unwrap();
    let delete = |bypass: bool| {
        let list = Delete::builder().set_objects(Some(lines.clone()));
        let delete = bucket.client().delete_objects().bucket(bucket.name());
        let delete = delete.delete(list.build().unwrap());
        if bypass {
            delete.bypass_governance_retention(true).send()
        } else {
            delete.send()
        }
    };
    let first = delete(false).await.unwrap();
    assert_eq!(first.deleted().len(), 1);
    let [error] = first.errors() else {
        panic!("{first:?}");
    };
    assert_eq!(
        (error.key(), error.code()),
        (Some("locked"), Some("AccessDenied"))
    );
    let second = delete(true).await.unwrap();
    assert_eq!((second.deleted().len(), second.errors().len()), (2, 0));
    let versions = bucket.versions("");
    assert!(versions.is_empty(), "{versions:?}");
}

#[tokio::test]
async fn compliance_is_passed_by_nobody_before_its_time() {
    let bucket = Bucket::locking().await;
    let version = bucket.put("key", b"1".to_vec()).await.version_id.unwrap();
    // A time that comes while the test waits for it: until then nobody may.
    let head = bucket
        .client()
        .head_object()
        .bucket(bucket.name())
        .key("key");
    let now = head.send().await.unwrap().last_modified().unwrap().secs();
    let retention = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Compliance)
        .retain_until_date(DateTime::from_secs(now + 6))
        .build();
    retain(&bucket, "key", retention, false).await.unwrap();
    let refused = delete(&bucket, "key", &version, true);
    assert_eq!(refused.verdict(), locked());
    let weaker = retain(&bucket, "key", governed_until(FAR), true).await;
    assert_eq!(weaker, Err(locked()));
    let patience = std::time::Duration::from_secs(30);
    let gone = cairn_dev_tests::wait::poll(patience, || {
        let delete = Request::key("DELETE", bucket.name(), "key").query("versionId", &version);
        let answer = endpoint().exchange(delete);
        (answer.status == 204).then_some(())
    });
    assert!(gone.is_some());
    let get = Request::key("GET", bucket.name(), "key").query("versionId", &version);
    assert_eq!(
        xml::text(&endpoint().exchange(get).body, "Code").as_deref(),
        Some("NoSuchVersion")
    );
}
