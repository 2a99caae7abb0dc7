use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};

#[tokio::test]
async fn the_location_is_the_region_and_empty_for_the_first_one() {
    let bucket = Bucket::create().await;
    let location = bucket.client().get_bucket_location().bucket(bucket.name());
    let constraint = location.send().await.unwrap().location_constraint;
    let found = constraint
        .as_ref()
        .map_or("", |constraint| constraint.as_str());
    let region = endpoint().signer.region.as_str();
    let expected = if region == "us-east-1" { "" } else { region };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_absent_bucket_has_no_location() {
    let location = sdk().get_bucket_location().bucket(fresh_name());
    assert_refused(location.send().await, 404, "NoSuchBucket");
}
