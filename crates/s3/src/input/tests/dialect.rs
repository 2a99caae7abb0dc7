//! What inputs take and refuse in each dialect.

use super::*;

const MD5: &str = "0123456789abcdef0123456789abcdef";

fn list(query: &str, dialect: Dialect) -> Result<ListObjectsV2Input, Code> {
    let target = format!("/bucket?list-type=2&{query}");
    match dialect {
        Dialect::Aws => parse("GET", &target, &[], ListObjectsV2Input::parse),
        Dialect::Ceph => parse_ceph("GET", &target, &[], ListObjectsV2Input::parse),
    }
}

#[test]
fn an_empty_token_is_none_or_incorrect() {
    let query = "continuation-token=&start-after=a";
    assert_eq!(list(query, Dialect::Aws), Err(Code::InvalidArgument));
    let input = list(query, Dialect::Ceph).unwrap();
    assert_eq!(
        (input.after.as_str(), input.token),
        ("a", Some(String::new()))
    );
}

#[test]
fn where_a_listing_starts_is_repeated_beside_a_token_or_not() {
    let bucket = BucketName::parse("bucket").unwrap();
    let query = format!(
        "continuation-token={}&start-after=a",
        list_token::encode(Some(&bucket), "k")
    );
    for (dialect, echoed) in [(Dialect::Aws, None), (Dialect::Ceph, Some("a"))] {
        let input = list(&query, dialect).unwrap();
        assert_eq!(
            (input.start_after.as_deref(), input.after.as_str()),
            (echoed, "k")
        );
    }
}

#[test]
fn a_space_in_keys_is_encoded_as_the_dialect_has_it() {
    for (dialect, space) in [(Dialect::Aws, "+"), (Dialect::Ceph, "%20")] {
        let input = list("encoding-type=url", dialect).unwrap();
        assert_eq!(input.encoding, KeyEncoding::Url { space });
    }
}

#[test]
fn a_part_that_is_listed_twice_is_out_of_order_or_the_last_counts() {
    let part = |number: u16, etag: &str| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let document = |inner: &str| {
        let text = format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
        parse_complete(text.as_bytes()).unwrap()
    };
    let target = format!("/bucket/key?uploadId={UPLOAD}");
    let aws = |inner: &str| {
        parse("POST", &target, &[], |request| {
            CompleteUploadInput::parse(request, document(inner))
        })
    };
    let ceph = |inner: &str| {
        parse_ceph("POST", &target, &[], |request| {
            CompleteUploadInput::parse(request, document(inner))
        })
    };
    let twice = part(1, "x") + &part(1, MD5) + &part(2, MD5);
    assert_eq!(aws(&twice).unwrap_err(), Code::InvalidPartOrder);
    let parts = ceph(&twice).unwrap().parts;
    let numbers: Vec<u16> = parts.iter().map(|part| part.number).collect();
    assert_eq!(numbers, [1, 2]);
    assert!(
        parts
            .iter()
            .all(|part| part.etag == ETag::parse(MD5).unwrap())
    );
    let descending = part(2, MD5) + &part(1, MD5);
    assert_eq!(aws(&descending).unwrap_err(), Code::InvalidPartOrder);
    assert_eq!(ceph(&descending).unwrap_err(), Code::InvalidPartOrder);
}

#[test]
fn a_checksum_that_is_none_is_refused_in_the_words_of_the_dialect() {
    let target = format!("/bucket/key?uploadId={UPLOAD}");
    let headers = [("x-amz-checksum-sha256", "bad")];
    let read = |request: &Request<'_>| CompleteUploadInput::parse(request, Vec::new());
    let aws = parse("POST", &target, &headers, read);
    assert_eq!(aws, Err(Code::InvalidRequest));
    let ceph = parse_ceph("POST", &target, &headers, read);
    assert_eq!(ceph, Err(Code::BadDigest));
}

#[test]
fn what_a_source_or_an_object_has_not_is_refused_in_the_words_of_the_dialect() {
    let target = format!("/bucket/key?partNumber=1&uploadId={UPLOAD}");
    let headers = [
        ("x-amz-copy-source", "bucket/k"),
        ("x-amz-copy-source-range", "bytes=0-9"),
    ];
    let read = parse_ceph("PUT", &target, &headers, UploadPartCopyInput::parse);
    let range = read
        .unwrap_or_else(|code| panic!("{code:?}"))
        .range
        .unwrap();
    assert_eq!(range.resolve(9).unwrap_err().code(), Code::InvalidRange);
    let whole = object(3, Content::Inline(vec![0; 3].into()));
    let target = "/bucket/key?partNumber=2";
    let aws = parse("GET", target, &[], ReadObjectInput::parse).unwrap();
    assert_eq!(
        aws.plan(&whole).unwrap_err().code(),
        Code::InvalidPartNumber
    );
    let ceph = parse_ceph("GET", target, &[], ReadObjectInput::parse).unwrap();
    assert_eq!(ceph.plan(&whole).unwrap_err().code(), Code::InvalidPart);
}
