use super::*;

fn parts(method: &str, host: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn addressing() -> Addressing {
    Addressing::new(["localhost".to_owned(), "S3.localhost".to_owned()])
}

fn route(method: &str, host: &str, target: &str) -> Result<Route, S3Error> {
    addressing().route(&parts(method, host, target, &[]))
}

fn names(route: &Route) -> (Option<&str>, Option<&str>) {
    let target = &route.target;
    (
        target.bucket().map(BucketName::as_str),
        target.key().map(ObjectKey::as_str),
    )
}

#[test]
fn buckets_stand_in_the_path_or_in_front_of_a_domain() {
    for (host, target, bucket, key) in [
        ("127.0.0.1:9000", "/", None, None),
        ("127.0.0.1:9000", "/bucket", Some("bucket"), None),
        ("127.0.0.1:9000", "/bucket/", Some("bucket"), None),
        ("127.0.0.1:9000", "/bucket/a/b", Some("bucket"), Some("a/b")),
        ("[::1]:9000", "/bucket/k", Some("bucket"), Some("k")),
        ("localhost:9000", "/bucket/k", Some("bucket"), Some("k")),
        ("s3.localhost", "/bucket/k", Some("bucket"), Some("k")),
        (
            "my.bucket.S3.LOCALHOST:80",
            "/k",
            Some("my.bucket"),
            Some("k"),
        ),
        ("bucket.s3.localhost", "/", Some("bucket"), None),
        ("bucket.localhost", "/a//b", Some("bucket"), Some("a//b")),
        ("bucket.localhost", "//k", Some("bucket"), Some("/k")),
        ("elsewhere.example", "/bucket/k", Some("bucket"), Some("k")),
    ] {
        let route = route("GET", host, target).unwrap();
        assert_eq!(names(&route), (bucket, key), "{host} {target}");
    }
}

#[test]
fn a_tenant_stands_before_a_bucket_where_the_dialect_has_tenants() {
    for (target, tenant) in [
        ("/t:bucket", Some("t")),
        ("/:bucket/k", Some("")),
        ("/bucket/a:b", None),
    ] {
        let parts = parts("GET", "127.0.0.1:9000", target, &[]);
        let route = addressing().speaking(Dialect::Ceph).route(&parts).unwrap();
        assert_eq!(route.target.bucket().unwrap().as_str(), "bucket");
        assert_eq!(route.tenant.as_deref(), tenant, "{target}");
        let plain = addressing().speaking(Dialect::Aws).route(&parts);
        match tenant {
            Some(_) => assert_eq!(plain.unwrap_err().code(), Code::InvalidBucketName),
            None => assert_eq!(plain.unwrap().tenant, None),
        }
    }
}

#[test]
fn the_authority_stands_in_for_a_missing_host() {
    let request = http::Request::get("http://bucket.localhost:9000/k");
    let parts = request.body(()).unwrap().into_parts().0;
    let route = addressing().route(&parts).unwrap();
    assert_eq!(names(&route), (Some("bucket"), Some("k")));
}

#[test]
fn keys_are_opaque_and_decoded_once() {
    for (target, key) in [
        ("/bucket/a+b", "a+b"),
        ("/bucket/a%2Bb%20c", "a+b c"),
        ("/bucket/.", "."),
        ("/bucket/..", ".."),
        ("/bucket/a/../b", "a/../b"),
        ("/bucket/%2e%2e%2fx", "../x"),
        ("/bucket/%252e", "%2e"),
        ("/bucket//", "/"),
        ("/bucket/a/", "a/"),
        ("/bucket/a%5Cb", "a\\b"),
        ("/bucket/%01%7f", "\u{1}\u{7f}"),
        ("/bucket/%C3%A9", "é"),
        ("/bucket/a?x-id=GetObject&unknown=1", "a"),
    ] {
        let route = route("GET", "localhost", target).unwrap();
        assert_eq!(names(&route).1, Some(key), "{target}");
        assert_eq!(route.operation, Operation::GetObject);
    }
}

#[test]
fn bad_paths_are_refused() {
    let long = format!("/bucket/{}", "k".repeat(1025));
    for (target, code) in [
        ("/Bucket/k", Code::InvalidBucketName),
        ("/ab/k", Code::InvalidBucketName),
        ("//k", Code::InvalidBucketName),
        ("/../k", Code::InvalidBucketName),
        ("/bucket/%ff", Code::InvalidURI),
        ("/bucket/%c0%ae", Code::InvalidURI),
        ("/bucket/%ed%a0%80", Code::InvalidURI),
        ("/bucket/%", Code::InvalidURI),
        ("/bucket/%00", Code::InvalidURI),
        ("/bucket/%ef%bf%be", Code::InvalidURI),
        ("/bucket/k?a=%ff", Code::InvalidURI),
        (&long, Code::KeyTooLongError),
    ] {
        let error = route("GET", "localhost", target).unwrap_err();
        assert_eq!(error.code(), code, "{target}");
    }
    let longest = format!("/bucket/{}", "k".repeat(1024));
    assert!(route("GET", "localhost", &longest).is_ok());
}

#[test]
fn headers_tell_a_copy_from_a_put() {
    let copy = [("x-amz-copy-source", "a/b")];
    for (target, operation) in [
        ("/bucket/k", Operation::CopyObject),
        (
            "/bucket/k?partNumber=1&uploadId=u",
            Operation::UploadPartCopy,
        ),
        ("/bucket/k?acl", Operation::PutObjectAcl),
    ] {
        let parts = parts("PUT", "localhost", target, &copy);
        assert_eq!(addressing().route(&parts).unwrap().operation, operation);
    }
}

#[test]
fn what_a_parameter_asks_for_is_never_passed_over() {
    for (method, target, code) in [
        ("GET", "/bucket/k?acl&tagging", Code::InvalidArgument),
        ("GET", "/bucket/k?uploadId=u&acl", Code::InvalidArgument),
        ("DELETE", "/bucket/k?acl", Code::MethodNotAllowed),
        ("POST", "/bucket/k", Code::MethodNotAllowed),
        ("PUT", "/", Code::MethodNotAllowed),
        ("PATCH", "/bucket/k", Code::MethodNotAllowed),
        ("PUT", "/bucket/k?uploadId=u", Code::InvalidArgument),
        ("PUT", "/bucket/k?partNumber=1", Code::InvalidArgument),
        ("GET", "/bucket/k?policy", Code::NotImplemented),
        ("PUT", "/bucket/k?append&position=0", Code::NotImplemented),
        ("HEAD", "/bucket/k?uploadId=u", Code::MethodNotAllowed),
    ] {
        let error = route(method, "localhost", target).map(|route| route.operation);
        assert_eq!(error.unwrap_err().code(), code, "{method} {target}");
    }
    for (method, target, operation) in [
        ("GET", "/bucket/k?partNumber=1", Operation::GetObject),
        (
            "PUT",
            "/bucket/k?x-amz-copy-source=a%2Fb",
            Operation::CopyObject,
        ),
        (
            "GET",
            "/bucket?list-type=2&prefix=a",
            Operation::ListObjectsV2,
        ),
        (
            "GET",
            "/bucket?analytics&id=1",
            Operation::GetBucketAnalyticsConfiguration,
        ),
        ("GET", "/bucket?id=1", Operation::ListObjects),
        ("GET", "/bucket/k?uploadId=u", Operation::ListParts),
    ] {
        let route = route(method, "localhost", target).unwrap();
        assert_eq!(route.operation, operation, "{method} {target}");
    }
}

#[test]
fn a_body_is_framed_once() {
    for headers in [
        &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
        &[("content-length", "5"), ("content-length", "6")][..],
    ] {
        let parts = parts("PUT", "localhost", "/bucket/k", headers);
        let error = addressing().route(&parts).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
    }
}
