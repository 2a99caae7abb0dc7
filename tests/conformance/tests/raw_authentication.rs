//! Who is let in, and with which words the others are kept out.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::{Moment, Signer};
use cairn_dev_tests::wire::Answer;

fn put(bucket: &Bucket) -> Request {
    Request::key("PUT", bucket.name(), "key").body("body")
}

fn send(request: &Request) -> Answer {
    endpoint().connect().exchange(request)
}

fn signed_with(request: Request, signer: &Signer, moment: Moment) -> Request {
    request.signed_at(signer, &endpoint().host, moment).0
}

/// Asserts a refusal, and that the bucket is still empty.
#[track_caller]
fn assert_kept_out(bucket: &Bucket, request: &Request, status: u16, code: &str) {
    let answer = send(request);
    assert_eq!(
        answer.verdict(),
        (status, code.to_owned()),
        "{}",
        answer.text()
    );
    let list = Request::new("GET", format!("/{}", bucket.name()));
    let list = endpoint().exchange(list);
    assert_eq!(list.status, 200);
    assert!(!list.text().contains("<Key>"), "{}", list.text());
}

#[test]
fn a_secret_that_is_not_the_keys_is_refused() {
    let bucket = Bucket::create_blocking();
    let mut signer = endpoint().signer.clone();
    signer.secret_key.push('x');
    let request = signed_with(put(&bucket), &signer, Moment::now());
    assert_kept_out(&bucket, &request, 403, "SignatureDoesNotMatch");
}

#[test]
fn an_unknown_access_key_is_refused() {
    let bucket = Bucket::create_blocking();
    let mut signer = endpoint().signer.clone();
    "NOBODYNOBODYNOBODY01".clone_into(&mut signer.access_key);
    let request = signed_with(put(&bucket), &signer, Moment::now());
    assert_kept_out(&bucket, &request, 403, "InvalidAccessKeyId");
}

#[test]
fn a_request_without_credentials_is_denied() {
    let bucket = Bucket::create_blocking();
    let anonymous = put(&bucket)
        .host(&endpoint().host)
        .header("content-length", "4");
    assert_kept_out(&bucket, &anonymous, 403, "AccessDenied");
    for path in [
        "/".to_owned(),
        format!("/{}", bucket.name()),
        format!("/{}/no", bucket.name()),
    ] {
        let get = Request::new("GET", path).host(&endpoint().host);
        assert_eq!(send(&get).verdict(), (403, "AccessDenied".to_owned()));
    }
}

#[test]
fn a_clock_a_quarter_of_an_hour_off_is_too_skewed() {
    let bucket = Bucket::create_blocking();
    let signer = &endpoint().signer;
    for minutes in [-16, 16, -60 * 24 * 365] {
        let moment = Moment::now().shifted(minutes * 60);
        let request = signed_with(put(&bucket), signer, moment);
        assert_kept_out(&bucket, &request, 403, "RequestTimeTooSkewed");
    }
    for minutes in [-14, 14] {
        let moment = Moment::now().shifted(minutes * 60);
        let request = signed_with(put(&bucket), signer, moment);
        assert_eq!(send(&request).status, 200, "{minutes} minutes");
    }
}

#[test]
fn whatever_was_signed_cannot_be_altered() {
    let bucket = Bucket::create_blocking();
    let base = put(&bucket)
        .header("x-amz-meta-a", "1")
        .query("x-id", "PutObject");
    let signed = endpoint().sign(base);
    let mut other_method = signed.clone();
    other_method.method = "POST";
    let mut other_path = signed.clone();
    other_path.path.push('2');
    let mut other_query = signed.clone();
    other_query.query[0].1 = "DeleteObject".to_owned();
    let mut more_query = signed.clone();
    more_query.query.push(("x".to_owned(), "y".to_owned()));
    let other_header = signed.clone().with("x-amz-meta-a", "2");
    let other_host = signed.clone().with("host", "localhost:1");
    for altered in [
        other_method,
        other_path,
        other_query,
        more_query,
        other_header,
        other_host,
    ] {
        assert_kept_out(&bucket, &altered, 403, "SignatureDoesNotMatch");
    }
    assert_eq!(send(&signed).status, 200);
}

#[test]
fn a_body_other_than_the_signed_one_is_refused() {
    let bucket = Bucket::create_blocking();
    // Small enough to be read at once, and large enough to flow through in stripes.
    for len in [4, 3_000_000] {
        let body = vec![b'a'; len];
        let mut request = put(&bucket).body(body.clone());
        request = endpoint().sign(request);
        let mut altered = body;
        altered[len - 1] = b'b';
        request.body = altered.into();
        assert_kept_out(&bucket, &request, 400, "XAmzContentSHA256Mismatch");
    }
}

#[test]
fn an_amz_header_that_is_not_signed_is_denied() {
    let bucket = Bucket::create_blocking();
    let smuggled = endpoint().sign(put(&bucket)).header("x-amz-meta-a", "1");
    assert_kept_out(&bucket, &smuggled, 403, "AccessDenied");
}

#[test]
fn an_authorization_that_makes_no_sense_is_refused() {
    let bucket = Bucket::create_blocking();
    let good = endpoint().sign(put(&bucket));
    let authorization = good.value("authorization").unwrap().to_owned();
    for bad in [
        String::new(),
        "AWS4-HMAC-SHA256".to_owned(),
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0".to_owned(),
        authorization.replace("SignedHeaders=", "SignedHeaders=;"),
        authorization.replace("aws4_request", "aws5_request"),
        authorization.replace("Signature=", "Signature=zz"),
        authorization.replace(", Signature=", ", Nothing="),
        format!("{authorization}{}", "0".repeat(2_000)),
        authorization.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        "Bearer token".to_owned(),
        "Basic dXNlcjpwYXNz".to_owned(),
    ] {
        let answer = send(&good.clone().with("authorization", bad.clone()));
        let refused = matches!(answer.status, 400 | 403 | 501);
        assert!(
            refused && answer.code().is_some(),
            "{bad:?}: {}",
            answer.text()
        );
    }
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}

#[test]
fn credentials_in_two_places_are_refused() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let get = Request::new("GET", format!("/{}", bucket.name()));
    let presigned = get.presigned(&endpoint.signer, &endpoint.host, Moment::now(), "60");
    assert_eq!(send(&presigned).status, 200);
    let both = endpoint.sign(presigned);
    let answer = send(&both);
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[test]
fn a_date_header_serves_where_there_is_no_amz_date() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let moment = Moment::now();
    // Signed as usual, but with the date in the header that HTTP has for it.
    let request = Request::new("GET", format!("/{}", bucket.name())).host(&endpoint.host);
    let empty = cairn_dev_tests::checksum::sha256_hex(b"");
    let request = request
        .header("date", moment.http_date())
        .header("x-amz-content-sha256", empty.clone());
    let canonical = cairn_dev_tests::sign::Canonical {
        method: request.method,
        path: &request.path,
        query: &request.query,
        headers: &request.headers,
        payload: &empty,
    };
    let (authorization, _) = endpoint.signer.authorization(moment, canonical);
    let answer = send(&request.clone().header("authorization", authorization));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn forged_signatures_are_refused_on_every_kind_of_write() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let key = |method| Request::key(method, bucket.name(), "key");
    let create = endpoint.exchange(key("POST").query("uploads", ""));
    let upload = cairn_dev_tests::xml::text(&create.body, "UploadId").unwrap();
    let source = format!("/{}/key", bucket.name());
    let of_upload = |request: Request| request.query("uploadId", upload.clone());
    let bucket_path = format!("/{}", bucket.name());
    for request in [
        Request::new("PUT", format!("/{}", cairn_conformance::fresh_name())),
        Request::new("DELETE", bucket_path.clone()),
        Request::new("POST", bucket_path.clone())
            .query("delete", "")
            .body("<Delete/>"),
        Request::new("GET", bucket_path.clone()),
        Request::new("HEAD", bucket_path.clone()),
        Request::new("GET", "/"),
        Request::new("GET", bucket_path).query("uploads", ""),
        key("GET"),
        key("HEAD"),
        key("DELETE"),
        key("PUT").body("body"),
        key("PUT").body("body").unsigned(),
        key("PUT").header("x-amz-copy-source", source.clone()),
        key("POST").query("uploads", ""),
        of_upload(key("PUT").query("partNumber", "1").body("part")),
        of_upload(
            key("PUT")
                .query("partNumber", "1")
                .header("x-amz-copy-source", source),
        ),
        of_upload(key("POST")).body("<CompleteMultipartUpload/>"),
        of_upload(key("DELETE")),
        of_upload(key("GET")),
    ] {
        let mut signer = endpoint.signer.clone();
        signer.secret_key.push('x');
        let forged = signed_with(request, &signer, Moment::now());
        let answer = send(&forged);
        let expected = if forged.method == "HEAD" {
            ""
        } else {
            "SignatureDoesNotMatch"
        };
        let name = format!("{} {}", forged.method, forged.target());
        assert_eq!(answer.verdict(), (403, expected.to_owned()), "{name}");
    }
    // And nothing of all that happened.
    let list = endpoint.exchange(key("GET").query("uploadId", upload));
    assert_eq!(list.status, 200);
    assert!(!list.text().contains("<Part>"), "{}", list.text());
}
