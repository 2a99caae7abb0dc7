//! Who pays for requests, acceleration, and access logs that there are none of.

use aws_sdk_s3::types::{
    AccelerateConfiguration, BucketAccelerateStatus, ObjectCannedAcl, Payer,
    RequestPaymentConfiguration,
};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use crate::bucket_acl::writers_bucket;

fn put(bucket: &Bucket, resource: &str, document: &str) -> Answer {
    let put = Request::new("PUT", format!("/{}", bucket.name()));
    endpoint().exchange(put.query(resource, "").body(document.to_owned()))
}

#[tokio::test]
async fn the_owner_pays_until_it_is_said_otherwise() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let payer = || async {
        let get = client.get_bucket_request_payment().bucket(bucket.name());
        get.send().await.unwrap().payer.unwrap()
    };
    assert_eq!(payer().await, Payer::BucketOwner);
    for expected in [Payer::Requester, Payer::BucketOwner] {
        let configuration = RequestPaymentConfiguration::builder().payer(expected.clone());
        let put = client.put_bucket_request_payment().bucket(bucket.name());
        let put = put.request_payment_configuration(configuration.build().unwrap());
        put.send().await.unwrap();
        assert_eq!(payer().await, expected);
    }
    let get = sdk().get_bucket_request_payment().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn who_pays_has_to_be_known_and_to_say_so() {
    let bucket = writers_bucket().await;
    let write = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    let write = write.acl(ObjectCannedAcl::PublicRead).send();
    write.await.unwrap();
    let anonymous = || {
        let get = Request::key("GET", bucket.name(), "key").host(&endpoint().host);
        let get = get.header("x-amz-request-payer", "requester");
        endpoint().connect().exchange(&get).status
    };
    assert_eq!(anonymous(), 200);
    let pays = |payer: &str| {
        let inner = format!("<Payer>{payer}</Payer>");
        let root = "RequestPaymentConfiguration";
        put(
            &bucket,
            "requestPayment",
            &format!("<{root}>{inner}</{root}>"),
        )
    };
    assert_eq!(pays("Requester").status, 200);
    assert_eq!(anonymous(), 403);
    // The owner need not say it.
    assert!(bucket.has("key").await);
    assert_eq!(pays("BucketOwner").status, 200);
    assert_eq!(anonymous(), 200);
}

#[tokio::test]
async fn acceleration_is_unset_until_it_is_set() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let status = || async {
        let get = client.get_bucket_accelerate_configuration();
        get.bucket(bucket.name()).send().await.unwrap().status
    };
    assert_eq!(status().await, None);
    for expected in [
        BucketAccelerateStatus::Enabled,
        BucketAccelerateStatus::Suspended,
    ] {
        let configuration = AccelerateConfiguration::builder().status(expected.clone());
        let put = client.put_bucket_accelerate_configuration();
        let put = put.bucket(bucket.name());
        let put = put.accelerate_configuration(configuration.build());
        put.send().await.unwrap();
        assert_eq!(status().await, Some(expected));
    }
}

#[tokio::test]
async fn a_bucket_has_no_access_log_and_takes_that_it_has_none() {
    let bucket = Bucket::create().await;
    let get = bucket.client().get_bucket_logging().bucket(bucket.name());
    assert_eq!(get.send().await.unwrap().logging_enabled, None);
    assert_eq!(
        put(&bucket, "logging", "<BucketLoggingStatus/>").status,
        200
    );
    let enabled = "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix/></LoggingEnabled></BucketLoggingStatus>";
    let answer = put(&bucket, "logging", enabled);
    assert_eq!(answer.verdict(), (501, "NotImplemented".to_owned()));
    let get = sdk().get_bucket_logging().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
}

#[test]
fn documents_of_something_else_are_malformed() {
    let bucket = Bucket::create_blocking();
    for (resource, document) in [
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>Nobody</Payer></RequestPaymentConfiguration>",
        ),
        ("requestPayment", "<RequestPaymentConfiguration/>"),
        (
            "accelerate",
            "<AccelerateConfiguration><Status>On</Status></AccelerateConfiguration>",
        ),
        ("logging", "<Logging/>"),
    ] {
        let answer = put(&bucket, resource, document);
        assert_eq!(
            answer.verdict(),
            (400, "MalformedXML".to_owned()),
            "{document}"
        );
    }
}
