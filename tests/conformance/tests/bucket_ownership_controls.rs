use aws_sdk_s3::types::{
    BucketCannedAcl, ObjectCannedAcl, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

fn controls(ownership: ObjectOwnership) -> OwnershipControls {
    let rule = OwnershipControlsRule::builder().object_ownership(ownership);
    let controls = OwnershipControls::builder().rules(rule.build().unwrap());
    controls.build().unwrap()
}

async fn told(bucket: &Bucket) -> ObjectOwnership {
    let get = bucket.client().get_bucket_ownership_controls();
    let told = get.bucket(bucket.name()).send().await.unwrap();
    let rules = told.ownership_controls.unwrap().rules;
    assert_eq!(rules.len(), 1);
    rules[0].object_ownership.clone()
}

#[tokio::test]
async fn ownership_is_what_it_was_set_to_and_absent_once_it_is_removed() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    assert_eq!(told(&bucket).await, ObjectOwnership::BucketOwnerEnforced);
    for ownership in [
        ObjectOwnership::ObjectWriter,
        ObjectOwnership::BucketOwnerPreferred,
        ObjectOwnership::BucketOwnerEnforced,
    ] {
        let put = client.put_bucket_ownership_controls();
        let put = put.bucket(bucket.name());
        let put = put.ownership_controls(controls(ownership.clone()));
        put.send().await.unwrap();
        assert_eq!(told(&bucket).await, ownership);
    }
    for _ in 0..2 {
        let delete = client.delete_bucket_ownership_controls();
        delete.bucket(bucket.name()).send().await.unwrap();
        let get = client.get_bucket_ownership_controls();
        let get = get.bucket(bucket.name()).send().await;
        assert_refused(get, 404, "OwnershipControlsNotFoundError");
    }
}

#[tokio::test]
async fn a_bucket_is_made_with_the_ownership_that_its_maker_says() {
    let client = sdk();
    let name = fresh_name();
    let create = client.create_bucket().bucket(&name);
    let create = create.object_ownership(ObjectOwnership::ObjectWriter);
    create.send().await.unwrap();
    let bucket = Bucket::named(name, endpoint());
    assert_eq!(told(&bucket).await, ObjectOwnership::ObjectWriter);
}

#[tokio::test]
async fn who_says_private_of_a_bucket_can_say_it_of_its_objects() {
    let name = fresh_name();
    let create = sdk().create_bucket().bucket(&name);
    create.acl(BucketCannedAcl::Private).send().await.unwrap();
    let bucket = Bucket::named(name, endpoint());
    assert_eq!(told(&bucket).await, ObjectOwnership::BucketOwnerPreferred);
    let put = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key("key");
    put.acl(ObjectCannedAcl::Private).send().await.unwrap();
}

#[tokio::test]
async fn ownership_of_an_absent_bucket_is_refused() {
    let client = sdk();
    let get = client.get_bucket_ownership_controls().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
    let put = client.put_bucket_ownership_controls().bucket(fresh_name());
    let put = put.ownership_controls(controls(ObjectOwnership::ObjectWriter));
    assert_refused(put.send().await, 404, "NoSuchBucket");
    let delete = client.delete_bucket_ownership_controls();
    let delete = delete.bucket(fresh_name());
    assert_refused(delete.send().await, 404, "NoSuchBucket");
}

#[test]
fn documents_of_something_else_are_malformed() {
    let bucket = Bucket::create_blocking();
    let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
    for inner in [
        "",
        "<Rule/>",
        "<Rule><ObjectOwnership>Nobody</ObjectOwnership></Rule>",
        &rule.repeat(2),
    ] {
        let document = format!("<OwnershipControls>{inner}</OwnershipControls>");
        let put = Request::new("PUT", format!("/{}", bucket.name()));
        let answer = endpoint().exchange(put.query("ownershipControls", "").body(document));
        assert_eq!(
            answer.verdict(),
            (400, "MalformedXML".to_owned()),
            "{inner}"
        );
    }
    let create = Request::new("PUT", format!("/{}", fresh_name()));
    let create = create.header("x-amz-object-ownership", "Nobody");
    let answer = endpoint().exchange(create);
    assert_eq!(answer.verdict(), (400, "InvalidArgument".to_owned()));
}
