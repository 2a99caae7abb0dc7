//! Whether buckets are public by their policies, and what is wrong of texts that are none.

use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

fn allowing(bucket: &Bucket, principal: &str) -> String {
    format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{{\"Effect\": \"Allow\", \"Principal\": {principal}, \
         \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::{}/*\"}}]\n}} ",
        bucket.name()
    )
}

fn put(bucket: &Bucket, policy: &str) -> Answer {
    let put = Request::new("PUT", format!("/{}", bucket.name())).query("policy", "");
    endpoint().exchange(put.body(policy.to_owned()))
}

#[test]
fn setting_and_removing_a_policy_answers_without_a_document() {
    let bucket = Bucket::create_blocking();
    let answer = put(&bucket, &allowing(&bucket, "\"*\""));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let path = format!("/{}", bucket.name());
    let get = endpoint().exchange(Request::new("GET", path.clone()).query("policy", ""));
    assert_eq!(get.header("content-type"), Some("application/json"));
    let delete = endpoint().exchange(Request::new("DELETE", path).query("policy", ""));
    assert_eq!((delete.status, delete.body.len()), (204, 0));
}

#[test]
fn what_is_no_policy_is_refused_with_what_is_wrong_of_it() {
    let bucket = Bucket::create_blocking();
    let other = fresh_name();
    let statement = |inner: &str| format!("{{\"Statement\": [{{{inner}}}]}}");
    let of = |action: &str, resource: &str| {
        statement(&format!(
            "\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"{action}\", \"Resource\": \"{resource}\""
        ))
    };
    let own = format!("arn:aws:s3:::{}", bucket.name());
    for (policy, message) in [
        (
            "x".to_owned(),
            "Policies must be valid JSON and the first byte must be '{'",
        ),
        ("{".to_owned(), "This policy contains invalid Json"),
        ("{}".to_owned(), "Missing required field Statement"),
        (of("s3:GetEverything", &own), "Policy has invalid action"),
        (
            of("s3:ListBucket", &format!("arn:aws:s3:::{other}")),
            "Policy has invalid resource",
        ),
        (
            of("s3:GetObject", &own),
            "Action does not apply to any resource(s) in statement",
        ),
        (
            statement(&format!(
                "\"Effect\": \"Allow\", \"NotPrincipal\": \"*\", \"Action\": \"s3:ListBucket\", \"Resource\": \"{own}\""
            )),
            "Allow with NotPrincipal is not allowed.",
        ),
    ] {
        let answer = put(&bucket, &policy);
        assert_eq!(
            answer.verdict(),
            (400, "MalformedPolicy".to_owned()),
            "{policy}"
        );
        assert_eq!(
            xml::text(&answer.body, "Message").as_deref(),
            Some(message),
            "{policy}"
        );
    }
    let long = format!("{{\"Id\": \"{}\"}}", "x".repeat(30_000));
    assert_eq!(
        put(&bucket, &long).verdict(),
        (400, "MalformedPolicy".to_owned())
    );
}

#[tokio::test]
async fn a_policy_says_whether_the_bucket_is_public() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let status = || {
        client
            .get_bucket_policy_status()
            .bucket(bucket.name())
            .send()
    };
    assert_refused(status().await, 404, "NoSuchBucketPolicy");
    for (principal, is_public) in [
        ("\"*\"", true),
        ("{\"AWS\": \"arn:aws:iam::123456789012:root\"}", false),
    ] {
        let put = client.put_bucket_policy().bucket(bucket.name());
        put.policy(allowing(&bucket, principal))
            .send()
            .await
            .unwrap();
        let told = status().await.unwrap().policy_status.unwrap();
        assert_eq!(told.is_public, Some(is_public), "{principal}");
    }
}

#[tokio::test]
async fn an_absent_bucket_has_no_status_and_no_policy_to_remove() {
    let client = sdk();
    let status = client.get_bucket_policy_status().bucket(fresh_name());
    assert_refused(status.send().await, 404, "NoSuchBucket");
    let delete = client.delete_bucket_policy().bucket(fresh_name());
    assert_refused(delete.send().await, 404, "NoSuchBucket");
}
