use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;

#[tokio::test]
async fn a_redirect_is_kept_with_the_object() {
    let bucket = Bucket::create().await;
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    let put = put
        .website_redirect_location("/other")
        .body(b"1".to_vec().into());
    put.send().await.unwrap();
    let get = bucket
        .client()
        .get_object()
        .bucket(bucket.name())
        .key("key");
    let get = get.send().await.unwrap();
    assert_eq!(get.website_redirect_location(), Some("/other"));
}

#[test]
fn a_redirect_that_leads_nowhere_is_refused() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("1");
    let put = put.header("x-amz-website-redirect-location", "other");
    let answer = endpoint().exchange(put);
    assert_eq!(
        answer.verdict(),
        (400, "InvalidRedirectLocation".to_owned())
    );
    let message = "The website redirect location must have a prefix of";
    assert!(answer.text().contains(message), "{}", answer.text());
}
