use aws_sdk_s3::operation::get_bucket_acl::GetBucketAclOutput;
use aws_sdk_s3::types::{
    AccessControlPolicy, BucketCannedAcl, Grant, Grantee, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, Permission, Type,
};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

pub(crate) const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
pub(crate) const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// A bucket whose ACLs count.
pub(crate) async fn writers_bucket() -> Bucket {
    let bucket = Bucket::named(fresh_name(), endpoint());
    let create = bucket.client().create_bucket().bucket(bucket.name());
    let create = create.object_ownership(ObjectOwnership::ObjectWriter);
    create.send().await.expect("create a bucket");
    bucket
}

/// Whom each grant is to, by id or URI, and what it permits.
pub(crate) fn lines(grants: &[Grant]) -> Vec<(String, Permission)> {
    let line = |grant: &Grant| {
        let grantee = grant.grantee.clone().unwrap();
        let name = match grantee.r#type {
            Type::CanonicalUser => grantee.id.unwrap(),
            Type::Group => grantee.uri.unwrap(),
            other => panic!("a grantee of type {other:?}"),
        };
        (name, grant.permission.clone().unwrap())
    };
    grants.iter().map(line).collect()
}

pub(crate) fn grant(kind: &Type, name: &str, permission: Permission) -> Grant {
    let grantee = Grantee::builder().r#type(kind.clone());
    let grantee = match kind {
        Type::CanonicalUser => grantee.id(name),
        Type::AmazonCustomerByEmail => grantee.email_address(name),
        _ => grantee.uri(name),
    };
    let grant = Grant::builder().grantee(grantee.build().unwrap());
    grant.permission(permission).build()
}

async fn acl(bucket: &Bucket) -> GetBucketAclOutput {
    let get = bucket.client().get_bucket_acl().bucket(bucket.name());
    get.send().await.expect("get the ACL")
}

fn policy(told: &GetBucketAclOutput, grants: Vec<Grant>) -> AccessControlPolicy {
    AccessControlPolicy::builder()
        .set_owner(told.owner.clone())
        .set_grants(Some(grants))
        .build()
}

#[tokio::test]
async fn a_new_bucket_is_its_owners_alone() {
    let bucket = Bucket::create().await;
    let told = acl(&bucket).await;
    let owner = told.owner().unwrap();
    let id = owner.id().unwrap();
    assert!(owner.display_name().is_some_and(|name| !name.is_empty()));
    let expected = [(id.to_owned(), Permission::FullControl)];
    assert_eq!(lines(told.grants()), expected);
    let grantee = told.grants()[0].grantee().unwrap();
    assert_eq!(grantee.display_name(), owner.display_name());
}

#[tokio::test]
async fn canned_acls_grant_what_their_names_say() {
    let bucket = writers_bucket().await;
    let owner = acl(&bucket).await.owner.unwrap().id.unwrap();
    for (canned, more) in [
        (
            BucketCannedAcl::PublicRead,
            vec![(ALL_USERS, Permission::Read)],
        ),
        (
            BucketCannedAcl::PublicReadWrite,
            vec![
                (ALL_USERS, Permission::Read),
                (ALL_USERS, Permission::Write),
            ],
        ),
        (
            BucketCannedAcl::AuthenticatedRead,
            vec![(AUTHENTICATED, Permission::Read)],
        ),
        (
            BucketCannedAcl::from("log-delivery-write"),
            vec![
                (LOG_DELIVERY, Permission::Write),
                (LOG_DELIVERY, Permission::ReadAcp),
            ],
        ),
        (BucketCannedAcl::Private, vec![]),
    ] {
        let put = bucket.client().put_bucket_acl().bucket(bucket.name());
        put.acl(canned.clone()).send().await.unwrap();
        let mut expected = vec![(owner.clone(), Permission::FullControl)];
        expected.extend(
            more.into_iter()
                .map(|(uri, granted)| (uri.to_owned(), granted)),
        );
        assert_eq!(lines(acl(&bucket).await.grants()), expected, "{canned:?}");
    }
}

#[tokio::test]
async fn an_acl_is_kept_as_it_was_spelled_out_in_a_document_or_in_headers() {
    let bucket = writers_bucket().await;
    let client = bucket.client();
    let told = acl(&bucket).await;
    let owner = told.owner().unwrap().id().unwrap().to_owned();
    let grants = vec![
        grant(&Type::Group, ALL_USERS, Permission::ReadAcp),
        grant(&Type::CanonicalUser, &owner, Permission::Write),
    ];
    let put = client.put_bucket_acl().bucket(bucket.name());
    let put = put.access_control_policy(policy(&told, grants.clone()));
    put.send().await.unwrap();
    assert_eq!(lines(acl(&bucket).await.grants()), lines(&grants));
    let none = client.put_bucket_acl().bucket(bucket.name());
    let none = none.access_control_policy(policy(&told, Vec::new()));
    none.send().await.unwrap();
    assert_eq!(acl(&bucket).await.grants(), []);
    let put = client.put_bucket_acl().bucket(bucket.name());
    let put = put.grant_read(format!("uri=\"{AUTHENTICATED}\", id={owner}"));
    put.grant_full_control(format!("id=\"{owner}\""))
        .send()
        .await
        .unwrap();
    let expected = [
        (AUTHENTICATED.to_owned(), Permission::Read),
        (owner.clone(), Permission::Read),
        (owner, Permission::FullControl),
    ];
    assert_eq!(lines(acl(&bucket).await.grants()), expected);
}

#[tokio::test]
async fn nobody_is_granted_anything_who_is_not_there() {
    let bucket = writers_bucket().await;
    let told = acl(&bucket).await;
    for (kind, name, code) in [
        (Type::CanonicalUser, "_nobody", "InvalidArgument"),
        (
            Type::AmazonCustomerByEmail,
            "nobody@example.com.invalid",
            "UnresolvableGrantByEmailAddress",
        ),
        (Type::Group, "http://example.com/group", "InvalidArgument"),
    ] {
        let put = bucket.client().put_bucket_acl().bucket(bucket.name());
        let put =
            put.access_control_policy(policy(&told, vec![grant(&kind, name, Permission::Read)]));
        assert_refused(put.send().await, 400, code);
    }
    assert_eq!(acl(&bucket).await.grants(), told.grants());
}

#[tokio::test]
async fn where_acls_say_nothing_they_cannot_be_set() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let put = client.put_bucket_acl().bucket(bucket.name());
    let put = put.acl(BucketCannedAcl::Private).send().await;
    assert_refused(put, 400, "AccessControlListNotSupported");
    let create = client.create_bucket().bucket(fresh_name());
    let create = create.acl(BucketCannedAcl::PublicRead).send().await;
    assert_refused(create, 400, "InvalidBucketAclWithObjectOwnership");
}

#[tokio::test]
async fn an_acl_that_grants_to_others_keeps_ownership_from_being_enforced() {
    let bucket = Bucket::named(fresh_name(), endpoint());
    let client = bucket.client();
    let create = client.create_bucket().bucket(bucket.name());
    let create = create.object_ownership(ObjectOwnership::BucketOwnerPreferred);
    create
        .acl(BucketCannedAcl::PublicRead)
        .send()
        .await
        .unwrap();
    assert_eq!(acl(&bucket).await.grants().len(), 2);
    let enforce = || {
        let rule = OwnershipControlsRule::builder();
        let rule = rule.object_ownership(ObjectOwnership::BucketOwnerEnforced);
        let controls = OwnershipControls::builder().rules(rule.build().unwrap());
        let put = client.put_bucket_ownership_controls().bucket(bucket.name());
        put.ownership_controls(controls.build().unwrap()).send()
    };
    assert_refused(enforce().await, 400, "InvalidBucketAclWithObjectOwnership");
    let put = client.put_bucket_acl().bucket(bucket.name());
    put.acl(BucketCannedAcl::Private).send().await.unwrap();
    enforce().await.unwrap();
}

#[tokio::test]
async fn an_absent_bucket_has_no_acl() {
    let client = sdk();
    let get = client.get_bucket_acl().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
    let put = client.put_bucket_acl().bucket(fresh_name());
    let put = put.acl(BucketCannedAcl::Private);
    assert_refused(put.send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn many_who_set_the_same_acl_at_once_all_succeed() {
    let bucket = writers_bucket().await;
    let mut puts = Vec::new();
    for _ in 0..50 {
        let put = bucket.client().put_bucket_acl().bucket(bucket.name());
        puts.push(tokio::spawn(put.acl(BucketCannedAcl::PublicRead).send()));
    }
    for put in puts {
        put.await.unwrap().unwrap();
    }
    assert_eq!(acl(&bucket).await.grants().len(), 2);
}

#[test]
fn requests_that_say_no_acl_or_two_are_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bucket = runtime.block_on(writers_bucket());
    let put = || Request::new("PUT", format!("/{}", bucket.name())).query("acl", "");
    let owner = "<Owner><ID>x</ID></Owner>";
    let document = |inner: &str| {
        format!(
            "<AccessControlPolicy xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{inner}</AccessControlPolicy>"
        )
    };
    let untyped = "<AccessControlList><Grant><Grantee><ID>x</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList>";
    for (request, status, code) in [
        (put(), 400, "MissingSecurityHeader"),
        (put().header("x-amz-acl", "open"), 400, "InvalidArgument"),
        (
            put()
                .header("x-amz-acl", "private")
                .header("x-amz-grant-read", "id=x"),
            400,
            "InvalidRequest",
        ),
        (
            put().header("x-amz-grant-read", "name=x"),
            400,
            "InvalidArgument",
        ),
        (
            put().header("x-amz-acl", "private").body(document(owner)),
            400,
            "MalformedACLError",
        ),
        (
            put().body("<AccessControlPolicy/>"),
            400,
            "MalformedACLError",
        ),
        (
            put().body(document(&format!("{owner}{untyped}"))),
            400,
            "MalformedACLError",
        ),
        (
            put().body(document(&format!("{owner}<AccessControlList/>"))),
            403,
            "AccessDenied",
        ),
    ] {
        let answer = endpoint().exchange(request);
        assert_eq!(
            answer.verdict(),
            (status, code.to_owned()),
            "{}",
            answer.text()
        );
        assert!(xml::text(&answer.body, "Message").is_some_and(|text| !text.is_empty()));
    }
}
