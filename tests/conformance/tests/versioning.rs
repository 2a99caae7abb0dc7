use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

#[tokio::test]
async fn versioning_is_unset_until_it_is_set_and_never_again() {
    let bucket = Bucket::create().await;
    assert_eq!(bucket.versioning().await, None);
    for status in [
        BucketVersioningStatus::Suspended,
        BucketVersioningStatus::Enabled,
        BucketVersioningStatus::Enabled,
        BucketVersioningStatus::Suspended,
    ] {
        bucket.set_versioning(status.clone()).await;
        assert_eq!(bucket.versioning().await, Some(status));
    }
    let unset = bucket.client().put_bucket_versioning();
    let unset = unset.bucket(bucket.name());
    let unset = unset.versioning_configuration(VersioningConfiguration::builder().build());
    assert_refused(
        unset.send().await,
        400,
        "IllegalVersioningConfigurationException",
    );
    let status = bucket.versioning().await;
    assert_eq!(status, Some(BucketVersioningStatus::Suspended));
}

#[tokio::test]
async fn an_absent_bucket_has_no_versioning() {
    let client = sdk();
    let get = client.get_bucket_versioning().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let put = client.put_bucket_versioning().bucket(fresh_name());
    let put = put.versioning_configuration(enabled.build());
    assert_refused(put.send().await, 404, "NoSuchBucket");
}

#[test]
fn documents_that_say_something_else_change_nothing() {
    let bucket = Bucket::create_blocking();
    let path = format!("/{}", bucket.name());
    for (inner, verdict) in [
        ("<Status>enabled</Status>", (400, "MalformedXML")),
        ("<State>Enabled</State>", (400, "MalformedXML")),
        (
            "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>",
            (501, "NotImplemented"),
        ),
    ] {
        let document = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
        let put = Request::new("PUT", path.clone()).query("versioning", "");
        let answer = endpoint().exchange(put.body(document));
        let (status, code) = verdict;
        assert_eq!(answer.verdict(), (status, code.to_owned()), "{inner}");
    }
    let get = endpoint().exchange(Request::new("GET", path).query("versioning", ""));
    assert_eq!(get.status, 200);
    assert!(!get.text().contains("Status"), "{}", get.text());
}
