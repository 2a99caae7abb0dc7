use cairn_conformance::{Bucket, endpoint, fresh_name};
use cairn_dev_tests::request::Request;

#[tokio::test]
async fn a_bucket_names_its_region() {
    let bucket = Bucket::create().await;
    let head = bucket.client().head_bucket().bucket(bucket.name());
    let region = head.send().await.unwrap().bucket_region;
    assert_eq!(region.as_deref(), Some(endpoint().signer.region.as_str()));
}

#[test]
fn an_absent_bucket_is_404_without_a_body() {
    let endpoint = endpoint();
    let path = format!("/{}", fresh_name());
    let request = endpoint.sign(Request::new("HEAD", path));
    let mut wire = endpoint.connect();
    let answer = wire.exchange(&request);
    assert_eq!(answer.status, 404);
    // Had a body followed, it would be taken for the start of this second answer.
    assert_eq!(wire.exchange(&request).status, 404);
}
