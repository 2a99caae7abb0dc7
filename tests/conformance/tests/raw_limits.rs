//! Sizes that are refused by what a head declares, before anything is read.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// The answer to a head alone: nothing of the declared body is ever sent.
fn declared(request: Request, len: u64) -> (u16, String) {
    let endpoint = endpoint();
    let request = endpoint.sign(request.unsigned().header("content-length", len.to_string()));
    let mut wire = endpoint.connect();
    wire.send(&request.head());
    wire.read_answer(request.method).unwrap().verdict()
}

fn begin(bucket: &Bucket) -> String {
    let create = Request::key("POST", bucket.name(), "key").query("uploads", "");
    xml::text(&endpoint().exchange(create).body, "UploadId").unwrap()
}

#[test]
fn an_object_or_part_beyond_5_gib_is_refused_by_its_length_alone() {
    let bucket = Bucket::create_blocking();
    let too_large = (400, "EntityTooLarge".to_owned());
    for len in [LARGEST + 1, u64::MAX / 2] {
        let put = Request::key("PUT", bucket.name(), "key");
        assert_eq!(declared(put, len), too_large, "{len}");
        let part = Request::key("PUT", bucket.name(), "key");
        let part = part
            .query("partNumber", "1")
            .query("uploadId", begin(&bucket));
        assert_eq!(declared(part, len), too_large, "{len}");
    }
    let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}

#[test]
fn a_decoded_length_beyond_5_gib_is_refused_as_well() {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key")
        .payload(cairn_dev_tests::sign::STREAMING_UNSIGNED_TRAILER)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("x-amz-decoded-content-length", (LARGEST + 1).to_string())
        .header("content-length", (LARGEST + 100_000).to_string());
    let put = endpoint().sign(put);
    let mut wire = endpoint().connect();
    wire.send(&put.head());
    let answer = wire.read_answer("PUT").unwrap();
    assert_eq!(answer.verdict(), (400, "EntityTooLarge".to_owned()));
}

#[test]
fn documents_have_a_limit_that_is_checked_before_they_are_read() {
    let bucket = Bucket::create_blocking();
    let complete = Request::key("POST", bucket.name(), "key").query("uploadId", begin(&bucket));
    let delete = Request::new("POST", format!("/{}", bucket.name())).query("delete", "");
    // One that nothing protects is refused for that first.
    let delete = delete.header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    let create = Request::new("PUT", format!("/{}", cairn_conformance::fresh_name()));
    for request in [complete, delete, create] {
        let name = request.target();
        let (status, code) = declared(request, 100 * 1024 * 1024);
        assert_eq!(status, 400, "{name}: {code}");
        let known = ["EntityTooLarge", "MalformedXML", "MaxMessageLengthExceeded"];
        assert!(known.contains(&code.as_str()), "{name}: {code}");
    }
}

#[test]
fn completing_with_more_than_10_000_parts_is_refused() {
    let bucket = Bucket::create_blocking();
    let upload = begin(&bucket);
    let etag = "\"00000000000000000000000000000000\"";
    let parts: String = (1..=10_001)
        .map(|number| cairn_dev_tests::client::part_element(number, etag))
        .collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let complete = Request::key("POST", bucket.name(), "key").query("uploadId", upload);
    let answer = endpoint().exchange(complete.body(document));
    assert_eq!(answer.status, 400, "{}", answer.text());
    let known = ["MalformedXML", "InvalidArgument", "InvalidRequest"];
    assert!(
        known.contains(&answer.code().unwrap().as_str()),
        "{}",
        answer.text()
    );
}

#[test]
fn ten_thousand_tags_rules_or_grants_are_refused_and_change_nothing() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint.exchange(put).status, 200);
    let of_object = || Request::key("PUT", bucket.name(), "key");
    let of_bucket = || Request::new("PUT", format!("/{}", bucket.name()));
    let many = |element: &dyn Fn(usize) -> String| (0..10_000).map(element).collect::<String>();
    let tag = |number| format!("<Tag><Key>{number}</Key><Value>v</Value></Tag>");
    let tags = format!("<Tagging><TagSet>{}</TagSet></Tagging>", many(&tag));
    let rule =
        "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>";
    let rules = many(&|_| rule.to_owned());
    let rules = format!("<CORSConfiguration>{rules}</CORSConfiguration>");
    let group = "http://acs.amazonaws.com/groups/global/AllUsers";
    let grant = format!(
        "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>{group}</URI></Grantee>\
         <Permission>READ</Permission></Grant>"
    );
    let grants = many(&|_| grant.clone());
    let grants = format!(
        "<AccessControlPolicy><Owner><ID>x</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    );
    for (request, document) in [
        (of_object().query("tagging", ""), &tags),
        (of_bucket().query("tagging", ""), &tags),
        (of_bucket().query("cors", ""), &rules),
        (of_object().query("acl", ""), &grants),
        (of_bucket().query("acl", ""), &grants),
    ] {
        let name = request.target();
        let answer = endpoint.exchange(request.body(document.clone()));
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    }
    let pairs: Vec<String> = (0..5_000).map(|number| format!("{number}=v")).collect();
    let tagged = of_object().header("x-amz-tagging", pairs.join("&"));
    let answer = endpoint.exchange(tagged.body("another body"));
    assert_eq!(answer.status, 400, "{}", answer.text());

    for name in ["tagging", "cors"] {
        let get = Request::new("GET", format!("/{}", bucket.name())).query(name, "");
        assert_eq!(endpoint.exchange(get).status, 404, "{name}");
    }
    let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.body, b"body");
    assert_eq!(get.header("x-amz-tagging-count"), None);
}
