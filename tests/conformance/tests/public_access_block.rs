use aws_sdk_s3::types::{BucketCannedAcl, ObjectCannedAcl, PublicAccessBlockConfiguration};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

use crate::bucket_acl::writers_bucket;

/// The four switches: block ACLs, ignore ACLs, block policies, restrict buckets.
fn block([acls, ignore, policy, restrict]: [bool; 4]) -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(acls)
        .ignore_public_acls(ignore)
        .block_public_policy(policy)
        .restrict_public_buckets(restrict)
        .build()
}

async fn set(bucket: &Bucket, block: PublicAccessBlockConfiguration) {
    let put = bucket.client().put_public_access_block();
    let put = put.bucket(bucket.name());
    let put = put.public_access_block_configuration(block);
    put.send().await.unwrap();
}

#[tokio::test]
async fn switches_are_what_they_were_set_to_and_absent_once_they_are_removed() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    for switches in [
        block([true, false, false, true]),
        block([false, true, true, false]),
        block([false, false, false, false]),
    ] {
        set(&bucket, switches.clone()).await;
        let get = client.get_public_access_block().bucket(bucket.name());
        let told = get.send().await.unwrap();
        assert_eq!(told.public_access_block_configuration, Some(switches));
    }
    for _ in 0..2 {
        let delete = client.delete_public_access_block();
        delete.bucket(bucket.name()).send().await.unwrap();
        let get = client.get_public_access_block().bucket(bucket.name());
        assert_refused(
            get.send().await,
            404,
            "NoSuchPublicAccessBlockConfiguration",
        );
    }
    let get = client.get_public_access_block().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn public_acls_and_policies_are_refused_where_they_are_blocked() {
    let bucket = writers_bucket().await;
    let client = bucket.client();
    set(&bucket, block([true, false, true, false])).await;
    for acl in [
        BucketCannedAcl::PublicRead,
        BucketCannedAcl::PublicReadWrite,
        BucketCannedAcl::AuthenticatedRead,
    ] {
        let put = client.put_bucket_acl().bucket(bucket.name()).acl(acl);
        assert_refused(put.send().await, 403, "AccessDenied");
    }
    let put = client.put_object().bucket(bucket.name()).key("key");
    let public = put.acl(ObjectCannedAcl::PublicRead).send().await;
    assert_refused(public, 403, "AccessDenied");
    assert!(!bucket.has("key").await);
    let put = client.put_object().bucket(bucket.name()).key("key");
    put.acl(ObjectCannedAcl::Private).send().await.unwrap();
    let acl = client.put_object_acl().bucket(bucket.name()).key("key");
    let public = acl.acl(ObjectCannedAcl::AuthenticatedRead).send().await;
    assert_refused(public, 403, "AccessDenied");
    let policy = |principal: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal},
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{}/*"}}}}"#,
            bucket.name()
        )
    };
    let put = client.put_bucket_policy().bucket(bucket.name());
    let public = put.policy(policy(r#""*""#)).send().await;
    assert_refused(public, 403, "AccessDenied");
    let put = client.put_bucket_policy().bucket(bucket.name());
    let closed = put.policy(policy(r#"{"AWS": "arn:aws:iam::123456789012:root"}"#));
    closed.send().await.unwrap();
}

#[test]
fn documents_of_something_else_are_malformed() {
    let bucket = Bucket::create_blocking();
    for inner in [
        "<BlockPublicAcls>yes</BlockPublicAcls>",
        "<BlockPublicAcls>true</BlockPublicAcls><BlockPublicAcls>true</BlockPublicAcls>",
        "<BlockAll>true</BlockAll>",
    ] {
        let document =
            format!("<PublicAccessBlockConfiguration>{inner}</PublicAccessBlockConfiguration>");
        let put = Request::new("PUT", format!("/{}", bucket.name()));
        let answer = endpoint().exchange(put.query("publicAccessBlock", "").body(document));
        assert_eq!(
            answer.verdict(),
            (400, "MalformedXML".to_owned()),
            "{inner}"
        );
    }
    let get = sdk_blocking_status(&bucket);
    assert_eq!(get, 404);
}

fn sdk_blocking_status(bucket: &Bucket) -> u16 {
    let get = Request::new("GET", format!("/{}", bucket.name()));
    endpoint()
        .exchange(get.query("publicAccessBlock", ""))
        .status
}

#[tokio::test]
async fn an_absent_bucket_takes_no_switches() {
    let put = sdk().put_public_access_block().bucket(fresh_name());
    let put = put.public_access_block_configuration(block([true, true, true, true]));
    assert_refused(put.send().await, 404, "NoSuchBucket");
}
