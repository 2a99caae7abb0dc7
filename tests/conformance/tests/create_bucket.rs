use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use cairn_conformance::{Bucket, Dialect, assert_refused, endpoint, fresh_name, refusal, sdk};
use cairn_dev_tests::request::Request;

#[tokio::test]
async fn a_created_bucket_answers_with_its_location_and_exists() {
    let (client, name) = (sdk(), fresh_name());
    let created = client.create_bucket().bucket(&name).send().await.unwrap();
    assert_eq!(created.location(), Some(format!("/{name}").as_str()));
    client.head_bucket().bucket(&name).send().await.unwrap();
    client.delete_bucket().bucket(&name).send().await.unwrap();
}

#[tokio::test]
async fn the_owner_creating_a_bucket_again_is_told_that_it_is_theirs_but_for_the_first_region() {
    let bucket = Bucket::create().await;
    bucket.put("kept", b"1".to_vec()).await;
    let again = bucket.client().create_bucket().bucket(bucket.name());
    let again = again.send().await;
    if endpoint().signer.region == "us-east-1" || endpoint().dialect == Dialect::Ceph {
        again.unwrap();
    } else {
        assert_refused(again, 409, "BucketAlreadyOwnedByYou");
    }
    assert_eq!(bucket.keys().await, ["kept"]);
}

#[tokio::test]
async fn of_many_who_create_the_same_bucket_at_once_one_succeeds() {
    let name = fresh_name();
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let create = sdk().create_bucket().bucket(&name);
            tokio::spawn(create.send())
        })
        .collect();
    let mut created = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => created += 1,
            refused => {
                let (status, code) = refusal(refused);
                assert_eq!(status, 409, "{code}");
                assert!(
                    ["BucketAlreadyOwnedByYou", "OperationAborted"].contains(&code.as_str()),
                    "{code}"
                );
            }
        }
    }
    // In the first region the owner may make it again.
    let is_first = endpoint().signer.region == "us-east-1";
    assert!(created == 1 || (is_first && created > 1), "{created}");
    sdk().delete_bucket().bucket(&name).send().await.unwrap();
}

#[test]
fn names_outside_the_rules_are_refused() {
    let long = "a".repeat(64);
    for name in [
        "ab",
        &long,
        "Upper",
        "under_score",
        "-edge",
        "edge-",
        "edge.",
        "two..dots",
        "192.168.0.1",
        "xn--reserved",
        "reserved-s3alias",
        "sp%20ace",
    ] {
        let answer = endpoint().exchange(Request::new("PUT", format!("/{name}")));
        let expected = (400, "InvalidBucketName".to_owned());
        assert_eq!(answer.verdict(), expected, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn names_at_the_edges_of_the_rules_are_taken() {
    let unique = fresh_name();
    let long = format!("{unique}{}", "0".repeat(63 - unique.len()));
    let dotted = format!("{unique}.dots.and-dashes");
    let client = sdk();
    for name in [long, dotted] {
        client.create_bucket().bucket(&name).send().await.unwrap();
        client.head_bucket().bucket(&name).send().await.unwrap();
        client.delete_bucket().bucket(&name).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_location_that_does_not_exist_is_refused() {
    let (client, name) = (sdk(), fresh_name());
    let nowhere = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::from("nowhere-9"))
        .build();
    let create = client.create_bucket().bucket(&name);
    let sent = create.create_bucket_configuration(nowhere).send().await;
    let (status, code) = refusal(sent);
    assert_eq!(status, 400);
    assert!(
        [
            "InvalidLocationConstraint",
            "IllegalLocationConstraintException"
        ]
        .contains(&code.as_str()),
        "{code}"
    );
    let head = client.head_bucket().bucket(&name).send().await;
    assert_refused(head, 404, "NotFound");
}
