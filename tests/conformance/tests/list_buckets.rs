use cairn_conformance::{Bucket, fresh_name, sdk};

#[tokio::test]
async fn buckets_are_listed_in_order_with_a_date_that_stays() {
    let buckets = [Bucket::create().await, Bucket::create().await];
    let first = sdk().list_buckets().send().await.unwrap();
    let names: Vec<&str> = first
        .buckets()
        .iter()
        .filter_map(|one| one.name())
        .collect();
    for bucket in &buckets {
        assert!(names.contains(&bucket.name()));
    }
    assert!(names.is_sorted(), "{names:?}");
    let owner = first.owner().and_then(|owner| owner.id()).unwrap();
    assert!(!owner.is_empty());

    let again = sdk().list_buckets().send().await.unwrap();
    for bucket in &buckets {
        let date = |list: &[aws_sdk_s3::types::Bucket]| {
            let found = list.iter().find(|one| one.name() == Some(bucket.name()));
            *found.unwrap().creation_date().unwrap()
        };
        assert_eq!(date(first.buckets()), date(again.buckets()));
    }
}

#[tokio::test]
async fn a_deleted_bucket_is_not_listed() {
    let (client, name) = (sdk(), fresh_name());
    client.create_bucket().bucket(&name).send().await.unwrap();
    client.delete_bucket().bucket(&name).send().await.unwrap();
    let list = client.list_buckets().send().await.unwrap();
    let listed = list.buckets().iter().any(|one| one.name() == Some(&name));
    assert!(!listed);
}

#[tokio::test]
async fn pages_of_buckets_with_a_prefix_join_to_the_whole() {
    let client = sdk();
    let prefix = fresh_name();
    let names: Vec<String> = (0..5)
        .map(|number| format!("{prefix}-page{number}"))
        .collect();
    for name in &names {
        client.create_bucket().bucket(name).send().await.unwrap();
    }
    let mut found: Vec<String> = Vec::new();
    let mut token = None;
    loop {
        let list = client.list_buckets().prefix(&prefix).max_buckets(2);
        let page = list.set_continuation_token(token).send().await.unwrap();
        assert!(page.buckets().len() <= 2);
        found.extend(
            page.buckets()
                .iter()
                .filter_map(|one| one.name().map(str::to_owned)),
        );
        token = page.continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, names);
    for name in &names {
        client.delete_bucket().bucket(name).send().await.unwrap();
    }
}
