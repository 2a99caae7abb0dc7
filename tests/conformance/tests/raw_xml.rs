//! Documents that are no documents, or not the ones that S3 defines.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::checksum::md5_base64;
use cairn_dev_tests::client::part_element;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

fn delete(bucket: &Bucket, document: &[u8]) -> Answer {
    let request = Request::new("POST", format!("/{}", bucket.name()))
        .query("delete", "")
        .header("content-md5", md5_base64(document))
        .body(document.to_vec());
    endpoint().exchange(request)
}

fn bucket_with_key() -> Bucket {
    let bucket = Bucket::create_blocking();
    let put = Request::key("PUT", bucket.name(), "key").body("body");
    assert_eq!(endpoint().exchange(put).status, 200);
    bucket
}

#[track_caller]
fn assert_kept(bucket: &Bucket) {
    let get = endpoint().exchange(Request::key("GET", bucket.name(), "key"));
    assert_eq!(get.body, b"body");
}

#[test]
fn documents_that_are_malformed_delete_nothing() {
    let bucket = bucket_with_key();
    let object = "<Object><Key>key</Key></Object>";
    let nested = format!("<Delete>{object}{}</Delete>", "<x>".repeat(100_000));
    let laughs = "<!DOCTYPE d [<!ENTITY a \"key\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>\
                  <Delete><Object><Key>&b;</Key></Object></Delete>";
    let outside = "<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>\
                   <Delete><Object><Key>&x;</Key></Object></Delete>";
    let many = format!("<Delete>{}</Delete>", object.repeat(1_001));
    for document in [
        "",
        " ",
        "no markup",
        "{\"Delete\": {}}",
        "<Delete>",
        "<Delete></Delete>",
        "<Delete/>",
        &format!("<Delete>{object}"),
        &format!("<Delete>{object}</Other>"),
        &format!("<Other>{object}</Other>"),
        &format!("<Delete>{object}</Delete><Delete>{object}</Delete>"),
        &format!("<Delete>{object}</Delete>trailing"),
        &format!("<Delete>{object}<Quiet>perhaps</Quiet></Delete>"),
        "<Delete><Object></Object></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><Key>key</Key><Key>key</Key></Object></Delete>",
        "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
        "<Delete><Object><Key>&#x110000;</Key></Object></Delete>",
        laughs,
        outside,
        &nested,
        &many,
    ] {
        let answer = delete(&bucket, document.as_bytes());
        let expected = (400, "MalformedXML".to_owned());
        assert_eq!(
            answer.verdict(),
            expected,
            "{document:.80?}: {}",
            answer.text()
        );
        assert_kept(&bucket);
    }
    for document in [
        b"<Delete><Object><Key>\xff</Key></Object></Delete>".as_slice(),
        b"\0\0\0",
    ] {
        let answer = delete(&bucket, document);
        assert_eq!(
            answer.verdict(),
            (400, "MalformedXML".to_owned()),
            "{document:?}"
        );
        assert_kept(&bucket);
    }
}

#[test]
fn a_document_may_be_written_in_any_way_that_xml_allows() {
    for document in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  \
         <Object>\n    <Key>key</Key>\n  </Object>\n</Delete>\n",
        "<s3:Delete xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\"><s3:Object><s3:Key>key</s3:Key></s3:Object></s3:Delete>",
        "<Delete><!-- a comment --><Object><Key>&#107;e&#x79;</Key></Object></Delete>",
        "<Delete><Object><Key><![CDATA[key]]></Key></Object></Delete>",
        "<Delete><Quiet>false</Quiet><Object><Key>key</Key></Object></Delete>",
    ] {
        let bucket = bucket_with_key();
        let answer = delete(&bucket, document.as_bytes());
        assert_eq!(answer.status, 200, "{document}: {}", answer.text());
        assert_eq!(xml::texts(&answer.body, "Key"), ["key"], "{document}");
        let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
        assert_eq!(head.status, 404, "{document}");
    }
}

#[test]
fn white_space_and_markup_in_a_key_of_a_document_belong_to_the_key() {
    let bucket = bucket_with_key();
    for (written, key) in [
        (" key ", " key "),
        ("a&amp;b&lt;c&gt;", "a&b<c>"),
        ("tab&#9;lf&#10;cr&#13;", "tab\tlf\ncr\r"),
        ("&quot;&apos;", "\"'"),
    ] {
        let put = Request::key("PUT", bucket.name(), key).body("x");
        assert_eq!(endpoint().exchange(put).status, 200);
        let document = format!("<Delete><Object><Key>{written}</Key></Object></Delete>");
        let answer = delete(&bucket, document.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(xml::text(&answer.body, "Key").as_deref(), Some(key));
        let head = endpoint().exchange(Request::key("HEAD", bucket.name(), key));
        assert_eq!(head.status, 404, "{key:?}");
    }
    assert_kept(&bucket);
}

#[test]
fn a_deletion_is_refused_without_a_checksum_or_with_a_wrong_one() {
    let bucket = bucket_with_key();
    let document = "<Delete><Object><Key>key</Key></Object></Delete>";
    let request = || {
        let request = Request::new("POST", format!("/{}", bucket.name())).query("delete", "");
        request.body(document)
    };
    let without = endpoint().exchange(request());
    assert_eq!(without.verdict(), (400, "InvalidRequest".to_owned()));
    assert_kept(&bucket);
    let wrong = endpoint().exchange(request().header("content-md5", md5_base64(b"other")));
    assert_eq!(wrong.verdict(), (400, "BadDigest".to_owned()));
    assert_kept(&bucket);
    let wrong = endpoint().exchange(request().header("x-amz-checksum-crc32", "AAAAAA=="));
    assert_eq!(wrong.verdict(), (400, "BadDigest".to_owned()));
    assert_kept(&bucket);
}

#[test]
fn completions_that_are_malformed_complete_nothing() {
    let bucket = Bucket::create_blocking();
    let create = Request::key("POST", bucket.name(), "key").query("uploads", "");
    let upload = xml::text(&endpoint().exchange(create).body, "UploadId").unwrap();
    let put = Request::key("PUT", bucket.name(), "key").body("part");
    let put = put.query("partNumber", "1").query("uploadId", &upload);
    let etag = endpoint().exchange(put).header("etag").unwrap().to_owned();
    let part = part_element(1, &etag);
    let complete = |document: &str| {
        let request = Request::key("POST", bucket.name(), "key").query("uploadId", &upload);
        endpoint().exchange(request.body(document.to_owned()))
    };
    for document in [
        "no markup",
        "<CompleteMultipartUpload>",
        &format!("<CompleteMultipartUpload>{part}"),
        &format!("<Other>{part}</Other>"),
        &format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>x"),
        "<CompleteMultipartUpload><Part></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        &format!(
            "<CompleteMultipartUpload><Part><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        ),
        &format!(
            "<CompleteMultipartUpload>{}</CompleteMultipartUpload>",
            part.replace(">1<", ">one<")
        ),
        &format!(
            "<CompleteMultipartUpload>{}</CompleteMultipartUpload>",
            part.replace(">1<", ">99999999999<")
        ),
    ] {
        let answer = complete(document);
        assert_eq!(answer.status, 400, "{document}: {}", answer.text());
        let code = answer.code().unwrap();
        let known = [
            "MalformedXML",
            "InvalidRequest",
            "InvalidArgument",
            "InvalidPart",
        ];
        assert!(known.contains(&code.as_str()), "{document}: {code}");
        let head = endpoint().exchange(Request::key("HEAD", bucket.name(), "key"));
        assert_eq!(head.status, 404);
    }
    let right = complete(&format!(
        "<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    ));
    assert_eq!(right.verdict(), (200, String::new()), "{}", right.text());
}

#[test]
fn etags_in_a_completion_may_be_quoted_in_any_way() {
    let bucket = Bucket::create_blocking();
    for quote in ["", "\"", "&quot;", "&#34;"] {
        let create = Request::key("POST", bucket.name(), "key").query("uploads", "");
        let upload = xml::text(&endpoint().exchange(create).body, "UploadId").unwrap();
        let put = Request::key("PUT", bucket.name(), "key").body("part");
        let put = put.query("partNumber", "1").query("uploadId", &upload);
        let answer = endpoint().exchange(put);
        let bare = answer.header("etag").unwrap().trim_matches('"').to_owned();
        let part = part_element(1, &format!("{quote}{bare}{quote}"));
        let document = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
        let complete = Request::key("POST", bucket.name(), "key").query("uploadId", &upload);
        let answer = endpoint().exchange(complete.body(document));
        assert_eq!(
            answer.verdict(),
            (200, String::new()),
            "{quote}: {}",
            answer.text()
        );
    }
}
