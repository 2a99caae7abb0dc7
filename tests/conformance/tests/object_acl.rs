use aws_sdk_s3::operation::get_object_acl::GetObjectAclOutput;
use aws_sdk_s3::types::{AccessControlPolicy, ObjectCannedAcl, Permission, Type};
use cairn_conformance::{Bucket, assert_refused, completed, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;

use crate::bucket_acl::{ALL_USERS, AUTHENTICATED, grant, lines, writers_bucket};

async fn acl(bucket: &Bucket, key: &str, version: Option<&str>) -> GetObjectAclOutput {
    let get = bucket.client().get_object_acl().bucket(bucket.name());
    let get = get.key(key).set_version_id(version.map(str::to_owned));
    get.send().await.expect("get the ACL")
}

fn anonymous(bucket: &Bucket, key: &str) -> u16 {
    let get = Request::key("GET", bucket.name(), key).host(&endpoint().host);
    endpoint().connect().exchange(&get).status
}

#[tokio::test]
async fn an_object_is_its_owners_alone_until_its_acl_says_otherwise() {
    let bucket = writers_bucket().await;
    let client = bucket.client();
    bucket.put("key", b"body".to_vec()).await;
    let told = acl(&bucket, "key", None).await;
    let owner = told.owner().unwrap().id().unwrap().to_owned();
    let alone = (owner, Permission::FullControl);
    assert_eq!(lines(told.grants()), std::slice::from_ref(&alone));
    assert_eq!(anonymous(&bucket, "key"), 403);
    let head = || client.head_object().bucket(bucket.name()).key("key").send();
    let before = head().await.unwrap();
    for (canned, more) in [
        (
            ObjectCannedAcl::PublicRead,
            Some((ALL_USERS, Permission::Read)),
        ),
        (
            ObjectCannedAcl::AuthenticatedRead,
            Some((AUTHENTICATED, Permission::Read)),
        ),
        (ObjectCannedAcl::BucketOwnerRead, None),
        (ObjectCannedAcl::BucketOwnerFullControl, None),
        (ObjectCannedAcl::Private, None),
    ] {
        let put = client.put_object_acl().bucket(bucket.name()).key("key");
        put.acl(canned.clone()).send().await.unwrap();
        let mut expected = vec![alone.clone()];
        expected.extend(more.map(|(uri, permission)| (uri.to_owned(), permission)));
        let told = acl(&bucket, "key", None).await;
        assert_eq!(lines(told.grants()), expected, "{canned:?}");
        let is_public = canned == ObjectCannedAcl::PublicRead;
        assert_eq!(anonymous(&bucket, "key") == 200, is_public, "{canned:?}");
    }
    let after = head().await.unwrap();
    assert_eq!(
        (after.last_modified, after.e_tag),
        (before.last_modified, before.e_tag)
    );
}

#[tokio::test]
async fn an_object_is_written_uploaded_and_copied_with_an_acl() {
    let bucket = writers_bucket().await;
    let client = bucket.client();
    let put = client.put_object().bucket(bucket.name()).key("put");
    put.acl(ObjectCannedAcl::PublicRead).send().await.unwrap();
    let create = client.create_multipart_upload().bucket(bucket.name());
    let create = create.key("upload").acl(ObjectCannedAcl::PublicRead);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let part = bucket.part("upload", &upload, 1, b"body".to_vec()).await;
    let complete = client.complete_multipart_upload().bucket(bucket.name());
    let complete = complete.key("upload").upload_id(&upload);
    let complete = complete.multipart_upload(completed(vec![part]));
    complete.send().await.unwrap();
    let copy = |key: &str| {
        let copy = client.copy_object().bucket(bucket.name()).key(key);
        copy.copy_source(format!("{}/put", bucket.name()))
    };
    copy("copy")
        .grant_read(format!("uri={ALL_USERS}"))
        .send()
        .await
        .unwrap();
    // An ACL is not copied.
    copy("plain").send().await.unwrap();
    for key in ["put", "upload", "copy"] {
        assert_eq!(anonymous(&bucket, key), 200, "{key}");
    }
    assert_eq!(anonymous(&bucket, "plain"), 403);
    let told = acl(&bucket, "copy", None).await;
    assert_eq!(
        lines(told.grants()),
        [(ALL_USERS.to_owned(), Permission::Read)]
    );
}

#[tokio::test]
async fn each_version_has_an_acl_of_its_own() {
    let bucket = writers_bucket().await;
    let client = bucket.client();
    bucket
        .set_versioning(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .await;
    let old = bucket.put("key", b"old".to_vec()).await.version_id.unwrap();
    let new = bucket.put("key", b"new".to_vec()).await.version_id.unwrap();
    let told = acl(&bucket, "key", Some(&old)).await;
    let grants = vec![grant(&Type::Group, AUTHENTICATED, Permission::ReadAcp)];
    let policy = AccessControlPolicy::builder().set_owner(told.owner.clone());
    let policy = policy.set_grants(Some(grants.clone())).build();
    let put = client.put_object_acl().bucket(bucket.name()).key("key");
    let put = put.version_id(&old).access_control_policy(policy);
    put.send().await.unwrap();
    assert_eq!(
        lines(acl(&bucket, "key", Some(&old)).await.grants()),
        lines(&grants)
    );
    for version in [None, Some(new.as_str())] {
        assert_eq!(acl(&bucket, "key", version).await.grants(), told.grants());
    }
}

#[tokio::test]
async fn where_acls_say_nothing_only_full_control_for_the_bucket_is_taken() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let put = |acl| {
        let put = client.put_object().bucket(bucket.name()).key("key");
        put.acl(acl).send()
    };
    for acl in [ObjectCannedAcl::Private, ObjectCannedAcl::PublicRead] {
        assert_refused(put(acl).await, 400, "AccessControlListNotSupported");
    }
    assert!(!bucket.has("key").await);
    put(ObjectCannedAcl::BucketOwnerFullControl).await.unwrap();
    assert_eq!(acl(&bucket, "key", None).await.grants().len(), 1);
    let set = client.put_object_acl().bucket(bucket.name()).key("key");
    let set = set.acl(ObjectCannedAcl::Private).send().await;
    assert_refused(set, 400, "AccessControlListNotSupported");
    // What holds can be said again, as by clients that give a copy the ACL of its source.
    let ask = |method| Request::key(method, bucket.name(), "key").query("acl", "");
    let told = endpoint().exchange(ask("GET"));
    assert_eq!(endpoint().exchange(ask("PUT").body(told.body)).status, 200);
    let create = client.create_multipart_upload().bucket(bucket.name());
    let create = create.key("key").acl(ObjectCannedAcl::Private);
    assert_refused(create.send().await, 400, "AccessControlListNotSupported");
    let copy = client.copy_object().bucket(bucket.name()).key("copy");
    let copy = copy.copy_source(format!("{}/key", bucket.name()));
    let copy = copy.acl(ObjectCannedAcl::Private).send().await;
    assert_refused(copy, 400, "AccessControlListNotSupported");
}

#[tokio::test]
async fn what_is_not_there_has_no_acl() {
    let bucket = writers_bucket().await;
    let client = sdk();
    let get = client.get_object_acl().bucket(fresh_name()).key("key");
    assert_refused(get.send().await, 404, "NoSuchBucket");
    let get = client.get_object_acl().bucket(bucket.name()).key("key");
    assert_refused(get.send().await, 404, "NoSuchKey");
    let put = client.put_object_acl().bucket(bucket.name()).key("key");
    let put = put.acl(ObjectCannedAcl::Private);
    assert_refused(put.send().await, 404, "NoSuchKey");
}

#[test]
fn acls_that_cannot_be_are_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bucket = runtime.block_on(writers_bucket());
    let key = || Request::key("PUT", bucket.name(), "key");
    assert_eq!(endpoint().exchange(key().body("body")).status, 200);
    for (request, code) in [
        (key().query("acl", ""), "MissingSecurityHeader"),
        (key().query("acl", "").body("<Acl/>"), "MalformedACLError"),
        (key().header("x-amz-acl", "open"), "InvalidArgument"),
        (
            key().header("x-amz-acl", "log-delivery-write"),
            "InvalidArgument",
        ),
        (
            key().header("x-amz-grant-read", "id=_nobody"),
            "InvalidArgument",
        ),
        (
            key().header("x-amz-grant-read", "emailAddress=\"nobody@example.com\""),
            "UnresolvableGrantByEmailAddress",
        ),
        (
            key()
                .header("x-amz-acl", "private")
                .header("x-amz-grant-read", "id=x"),
            "InvalidRequest",
        ),
    ] {
        let answer = endpoint().exchange(request);
        assert_eq!(
            answer.verdict(),
            (400, code.to_owned()),
            "{}",
            answer.text()
        );
    }
    let get = endpoint().exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.body, b"body");
}
