use super::*;
use crate::auth::{Caller, Verified};
use crate::body::{BodyDeclaration, PayloadForm};
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::list_token;
use crate::operations::Operation;
use crate::route::{Addressing, Route};
use crate::xml::complete_upload::parse_complete;
use crate::xml::create_bucket::parse_create_bucket;
use crate::xml::delete_objects::parse_delete;
use cairn_iam::{AccessKey, CanonicalId, Identity};
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind};
use cairn_types::etag::ETag;
use cairn_types::id::{Order, UploadId, VersionId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::WriteCondition;
use cairn_types::object::{Content, ObjectHeaders, ObjectVersion, PartSpan};
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;
use http::request::Parts;
use std::sync::Arc;

mod conditions;
mod dialect;
mod settings;

const UPLOAD: &str = "000000000000000000000000000000aa";

/// A routed, verified request to be read by an input.
struct Made {
    parts: Parts,
    route: Route,
    verified: Verified,
    dialect: Dialect,
}

impl Made {
    fn new(method: &str, target: &str, headers: &[(&str, &str)], caller: Caller) -> Self {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let route = Addressing::default().route(&parts).unwrap();
        let verified = Verified::for_tests(PayloadForm::Unsigned, caller);
        Self {
            parts,
            route,
            verified,
            dialect: Dialect::default(),
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            parts: &self.parts,
            route: &self.route,
            verified: &self.verified,
            dialect: self.dialect,
        }
    }
}

fn signed() -> Caller {
    let identity = Identity {
        id: CanonicalId::parse(&"a".repeat(64)).unwrap(),
        display_name: "tester".to_owned(),
        is_root: true,
    };
    Caller::Signed(AccessKey::parse("key").unwrap(), Arc::new(identity))
}

fn parse<T>(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    parse: impl Fn(&Request<'_>) -> Result<T, S3Error>,
) -> Result<T, Code> {
    let made = Made::new(method, target, headers, signed());
    parse(&made.request()).map_err(|error| error.code())
}

/// As `parse`, in the ceph dialect.
fn parse_ceph<T>(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    parse: impl Fn(&Request<'_>) -> Result<T, S3Error>,
) -> Result<T, Code> {
    let mut made = Made::new(method, target, headers, signed());
    made.dialect = Dialect::Ceph;
    parse(&made.request()).map_err(|error| error.code())
}

fn object(len: u64, content: Content) -> ObjectVersion {
    ObjectVersion {
        settings: cairn_types::settings::ObjectSettings::default(),
        key: ObjectKey::parse("key").unwrap(),
        version: VersionId::new(Order::new(1), 2),
        is_null: true,
        last_modified: Timestamp::from_millis(784_111_777_000),
        len,
        etag: ETag::from_md5([1; 16]),
        checksum: None,
        headers: ObjectHeaders::default(),
        content,
    }
}

#[test]
fn a_put_says_how_long_it_is() {
    let put =
        |headers: &[(&str, &str)]| parse("PUT", "/bucket/key", headers, PutObjectInput::parse);
    let input = put(&[
        ("content-length", "5"),
        ("content-encoding", "aws-chunked"),
        ("if-none-match", "*"),
        ("x-amz-meta-a", "b"),
    ])
    .unwrap();
    assert_eq!(input.bucket.as_str(), "bucket");
    assert_eq!(input.key.as_str(), "key");
    assert_eq!(input.body.len(), Some(5));
    assert_eq!(input.headers.content_encoding, None);
    assert_eq!(input.condition, WriteCondition::IfAbsent);
    assert_eq!(
        put(&[("content-length", "5368709120")]).unwrap().body.len(),
        Some(5 << 30)
    );
    assert_eq!(
        put(&[("transfer-encoding", "chunked")]).unwrap().body.len(),
        None
    );
    for (headers, code) in [
        (&[][..], Code::MissingContentLength),
        (&[("content-length", "5368709121")], Code::EntityTooLarge),
        (
            &[("content-length", "5"), ("if-match", "*")],
            Code::NotImplemented,
        ),
        (
            &[("content-length", "5"), ("content-md5", "x")],
            Code::InvalidDigest,
        ),
    ] {
        assert_eq!(put(headers).unwrap_err(), code, "{headers:?}");
    }
}

#[test]
fn a_thousand_metadata_headers_are_too_many() {
    let made = Made::new("PUT", "/bucket/key", &[("content-length", "0")], signed());
    let mut parts = made.parts;
    for number in 0..1000 {
        let name = format!("x-amz-meta-{number}");
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        parts.headers.insert(name, "value".parse().unwrap());
    }
    let made = Made { parts, ..made };
    let error = PutObjectInput::parse(&made.request()).unwrap_err();
    assert_eq!(error.code(), Code::MetadataTooLarge);
}

/// What is planned to be sent of an object, for a request with this query and these headers.
fn plan(object: &ObjectVersion, query: &str, headers: &[(&str, &str)]) -> Result<ReadPlan, Code> {
    let target = format!("/bucket/key{query}");
    parse("GET", &target, headers, |request| {
        ReadObjectInput::parse(request)?.plan(object)
    })
}

#[test]
fn a_read_is_planned_from_its_range() {
    let range = |start, len| Ok(ReadPlan::Range(ByteRange { start, len }));
    let whole = Ok(ReadPlan::Whole);
    let object_of = |len| object(len, Content::Extents(Vec::new()));
    for (len, text, expected) in [
        (15, "bytes=1-2", range(1, 2)),
        (15, "bytes=1-99", range(1, 14)),
        (15, "bytes=-99", range(0, 15)),
        (15, "bytes=5-2", whole),
        (15, "bytes=0-1,4-5", whole),
        (15, "bytes=15-", Err(Code::InvalidRange)),
        (15, "bytes=-0", Err(Code::InvalidRange)),
        (0, "bytes=0-", Err(Code::InvalidRange)),
    ] {
        let plan = plan(&object_of(len), "", &[("range", text)]);
        assert_eq!(plan, expected, "{text}");
    }
    assert_eq!(plan(&object_of(15), "", &[]), whole);
    assert_eq!(plan(&object_of(0), "", &[]), whole);
}

#[test]
fn a_read_is_planned_only_if_its_conditions_hold() {
    let object = object(15, Content::Extents(Vec::new()));
    let first = Ok(ReadPlan::Range(ByteRange { start: 0, len: 1 }));
    let tag = object.etag.to_string();
    for (condition, expected) in [
        (("if-range", tag.as_str()), first),
        (("if-range", "Sun, 06 Nov 1994 08:49:37 GMT"), first),
        (("if-range", "\"x\""), Ok(ReadPlan::Whole)),
        (("if-none-match", tag.as_str()), Ok(ReadPlan::NotModified)),
        (("if-match", "x"), Err(Code::PreconditionFailed)),
    ] {
        let plan = plan(&object, "", &[("range", "bytes=0-0"), condition]);
        assert_eq!(plan, expected, "{condition:?}");
    }
}

#[test]
fn a_read_is_planned_from_its_part() {
    let range = |start, len| ByteRange { start, len };
    let spans = [10, 0, 5].iter().zip(1..);
    let spans = spans.map(|(len, number)| PartSpan { number, len: *len });
    let content = Content::Parts {
        upload: UploadId::new(1),
        parts: spans.collect(),
    };
    let parts = object(15, content);
    let part = |range| {
        Ok(ReadPlan::Part {
            range,
            part_count: 3,
        })
    };
    for (number, expected) in [
        ("1", part(Some(range(0, 10)))),
        ("2", part(None)),
        ("3", part(Some(range(10, 5)))),
        ("4", Err(Code::InvalidPartNumber)),
        ("0", Err(Code::InvalidArgument)),
        ("10001", Err(Code::InvalidArgument)),
        ("-1", Err(Code::InvalidArgument)),
    ] {
        let query = format!("?partNumber={number}");
        assert_eq!(plan(&parts, &query, &[]), expected, "{number}");
    }
    let both = plan(&parts, "?partNumber=1", &[("range", "bytes=0-0")]);
    assert_eq!(both, Err(Code::InvalidRequest));
    let whole = object(15, Content::Extents(Vec::new()));
    let first = plan(&whole, "?partNumber=1", &[]);
    assert_eq!(first, Ok(ReadPlan::Range(range(0, 15))));
    let second = plan(&whole, "?partNumber=2", &[]);
    assert_eq!(second, Err(Code::InvalidPartNumber));
    let empty = object(0, Content::Extents(Vec::new()));
    assert_eq!(plan(&empty, "?partNumber=1", &[]), Ok(ReadPlan::Whole));
}

#[test]
fn only_signed_readers_choose_the_headers_of_the_answer() {
    let target = "/bucket/key?response-content-type=text%2Fplain&response-cache-control=no-cache";
    let input = parse("GET", target, &[], ReadObjectInput::parse).unwrap();
    assert_eq!(input.overrides.content_type.unwrap(), "text/plain");
    assert_eq!(input.overrides.cache_control.unwrap(), "no-cache");
    let anonymous = Made::new("GET", target, &[], Caller::Anonymous);
    let error = ReadObjectInput::parse(&anonymous.request()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    let split = "/bucket/key?response-content-type=a%0d%0aset-cookie:x";
    let error = parse("GET", split, &[], ReadObjectInput::parse).unwrap_err();
    assert_eq!(error, Code::InvalidArgument);
}

#[test]
fn copy_sources_are_decoded_once_and_name_a_bucket_and_a_key() {
    let copy = |source: &str| {
        parse(
            "PUT",
            "/bucket/key",
            &[("x-amz-copy-source", source)],
            CopyObjectInput::parse,
        )
        .map(|input| {
            (
                input.source.bucket.to_string(),
                input.source.key.to_string(),
            )
        })
    };
    for (source, key) in [
        ("/other/a/b", "a/b"),
        ("other/a%2Fb%3Fc", "a/b?c"),
        ("other/a+b", "a+b"),
        ("other/%252e%252e", "%2e%2e"),
        ("other/../x", "../x"),
        ("other%2Fa", "a"),
        ("other/a?versionId=null", "a"),
        ("other/a?versionId=000000000000000500000000000000ab", "a"),
    ] {
        assert_eq!(
            copy(source),
            Ok(("other".to_owned(), key.to_owned())),
            "{source}"
        );
    }
    for (source, code) in [
        ("", Code::InvalidArgument),
        ("other", Code::InvalidArgument),
        ("/other/", Code::InvalidArgument),
        ("other/a?x=y", Code::InvalidArgument),
        ("other/a?versionId=", Code::InvalidArgument),
        ("other/a?versionId=7", Code::InvalidArgument),
        ("other/%ff", Code::InvalidArgument),
        ("other/%", Code::InvalidArgument),
        ("O/a", Code::InvalidBucketName),
        ("bucket/key", Code::InvalidRequest),
    ] {
        assert_eq!(copy(source), Err(code), "{source}");
    }
}

#[test]
fn a_copy_says_where_its_headers_come_from() {
    let copy = |headers: &[(&str, &str)]| {
        let source = [("x-amz-copy-source", "bucket/key"), ("content-type", "a/b")];
        let headers = [&source[..], headers].concat();
        parse("PUT", "/bucket/key", &headers, CopyObjectInput::parse)
    };
    let replaced = copy(&[("x-amz-metadata-directive", "REPLACE")]).unwrap();
    match replaced.metadata {
        MetadataDirective::Replace(headers) => {
            assert_eq!(headers.content_type.as_deref(), Some("a/b"));
        }
        MetadataDirective::Copy => panic!("asked to replace"),
    }
    let hashed = copy(&[("x-amz-checksum-algorithm", "SHA256")]).unwrap();
    assert_eq!(hashed.checksum, Some(ChecksumAlgorithm::Sha256));
    assert_eq!(hashed.metadata, MetadataDirective::Copy);
    let classed = copy(&[("x-amz-storage-class", "STANDARD")]).unwrap();
    assert_eq!(classed.metadata, MetadataDirective::Copy);
    assert_eq!(
        copy(&[("x-amz-storage-class", "")]),
        Err(Code::InvalidRequest)
    );
    let strange = copy(&[("x-amz-metadata-directive", "MERGE")]);
    assert_eq!(strange.unwrap_err(), Code::InvalidArgument);
}

#[test]
fn ranges_of_copies_are_exact() {
    let target = format!("/bucket/key?partNumber=3&uploadId={UPLOAD}");
    let copy = |range: &str| {
        let headers = [
            ("x-amz-copy-source", "other/k"),
            ("x-amz-copy-source-range", range),
        ];
        parse("PUT", &target, &headers, UploadPartCopyInput::parse)
            .map(|input| input.range.unwrap())
    };
    let range = copy("bytes=2-4").unwrap();
    assert_eq!(range.resolve(5).unwrap(), ByteRange { start: 2, len: 3 });
    assert_eq!(range.resolve(4).unwrap_err().code(), Code::InvalidArgument);
    for bad in [
        "bytes=2-",
        "bytes=-2",
        "bytes=4-2",
        "2-4",
        "bytes=0-99999999999999999999",
        "x",
    ] {
        assert_eq!(copy(bad).unwrap_err(), Code::InvalidArgument, "{bad}");
    }
}

#[test]
fn parts_have_numbers_and_uploads_have_ids() {
    let part = |query: &str| {
        let target = format!("/bucket/key?{query}");
        parse(
            "PUT",
            &target,
            &[("content-length", "1")],
            UploadPartInput::parse,
        )
    };
    let input = part(&format!("partNumber=10000&uploadId={UPLOAD}")).unwrap();
    assert_eq!(input.number, 10_000);
    assert_eq!(input.target.upload, UploadId::new(0xaa));
    for number in ["0", "10001", "-1", "1e9", "", "x"] {
        let result = part(&format!("partNumber={number}&uploadId={UPLOAD}"));
        assert_eq!(result.unwrap_err(), Code::InvalidArgument, "{number}");
    }
    for upload in ["", "x", "../../etc", &UPLOAD.to_uppercase()] {
        // No upload has it: that is told where the bucket is known.
        let input = part(&format!("partNumber=1&uploadId={upload}")).unwrap();
        assert_eq!(input.target.upload, UploadId::new(0), "{upload}");
    }
}

#[test]
fn the_checksum_of_an_upload_is_of_a_kind_that_its_algorithm_has() {
    let create = |headers: &[(&str, &str)]| {
        parse(
            "POST",
            "/bucket/key?uploads",
            headers,
            CreateUploadInput::parse,
        )
        .map(|input| input.upload.checksum)
    };
    let (algorithm, kind) = ("x-amz-checksum-algorithm", "x-amz-checksum-type");
    for (headers, expected) in [
        (&[][..], Ok(None)),
        (
            &[(algorithm, "CRC32")],
            Ok(Some((ChecksumAlgorithm::Crc32, ChecksumKind::Composite))),
        ),
        (
            &[(algorithm, "crc32c"), (kind, "FULL_OBJECT")],
            Ok(Some((ChecksumAlgorithm::Crc32c, ChecksumKind::FullObject))),
        ),
        (
            &[(algorithm, "CRC64NVME")],
            Ok(Some((
                ChecksumAlgorithm::Crc64Nvme,
                ChecksumKind::FullObject,
            ))),
        ),
        (
            &[(algorithm, "SHA1"), (kind, "COMPOSITE")],
            Ok(Some((ChecksumAlgorithm::Sha1, ChecksumKind::Composite))),
        ),
        (
            &[(algorithm, "SHA256"), (kind, "FULL_OBJECT")],
            Err(Code::InvalidRequest),
        ),
        (
            &[(algorithm, "CRC64NVME"), (kind, "COMPOSITE")],
            Err(Code::InvalidRequest),
        ),
        (&[(kind, "COMPOSITE")], Err(Code::InvalidRequest)),
        (
            &[(algorithm, "CRC32"), (kind, "HALF")],
            Err(Code::InvalidRequest),
        ),
        (&[(algorithm, "CRC33")], Err(Code::InvalidRequest)),
        (&[(algorithm, "XXHASH3")], Err(Code::NotImplemented)),
    ] {
        assert_eq!(create(headers), expected, "{headers:?}");
    }
}

#[test]
fn completion_takes_the_checksum_of_the_object_not_of_the_list() {
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        "0".repeat(32)
    );
    let target = format!("/bucket/key?uploadId={UPLOAD}");
    let complete = |headers: &[(&str, &str)]| {
        let made = Made::new("POST", &target, headers, signed());
        let body = BodyDeclaration::parse(
            Operation::CompleteMultipartUpload,
            &made.parts.headers,
            &made.verified,
            Dialect::Aws,
        );
        assert_eq!(body.unwrap().checksum_algorithm(), None);
        let parts = parse_complete(document.as_bytes()).unwrap();
        CompleteUploadInput::parse(&made.request(), parts).map_err(|error| error.code())
    };
    let plain = complete(&[("if-none-match", "*")]).unwrap();
    assert_eq!(plain.condition, WriteCondition::IfAbsent);
    assert_eq!((plain.parts.len(), plain.checksum), (1, None));
    let full = complete(&[
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("x-amz-mp-object-size", "7"),
    ])
    .unwrap();
    assert_eq!(full.checksum.unwrap().algorithm(), ChecksumAlgorithm::Crc32);
    assert_eq!(full.checksum_kind, Some(ChecksumKind::FullObject));
    assert_eq!(full.declared_len, Some(7));
    assert!(complete(&[("x-amz-checksum-crc32", "AAAAAA==-1")]).is_ok());
    for bad in [
        ("x-amz-checksum-crc32", "AAAAAA==-2"),
        ("x-amz-checksum-crc32", "bad"),
        ("x-amz-mp-object-size", "-7"),
        ("x-amz-checksum-type", "x"),
    ] {
        assert_eq!(
            complete(&[bad]).unwrap_err(),
            Code::InvalidRequest,
            "{bad:?}"
        );
    }
}

#[test]
fn pages_have_a_length_within_limits() {
    let list = |query: &str| {
        let target = format!("/bucket?{query}");
        parse("GET", &target, &[], ListObjectsInput::parse).map(|input| input.limit)
    };
    for (query, expected) in [
        ("", Ok(1000)),
        ("max-keys=", Ok(1000)),
        ("max-keys=0", Ok(0)),
        ("max-keys=7", Ok(7)),
        ("max-keys=1001", Ok(1000)),
        ("max-keys=2147483647", Ok(1000)),
        ("max-keys=2147483648", Err(Code::InvalidArgument)),
        ("max-keys=-1", Err(Code::InvalidArgument)),
        ("max-keys=%2B1", Err(Code::InvalidArgument)),
        ("max-keys=abc", Err(Code::InvalidArgument)),
        ("encoding-type=gzip", Err(Code::InvalidArgument)),
        ("list-type=3", Err(Code::InvalidArgument)),
    ] {
        assert_eq!(list(query), expected, "{query}");
    }
    let long = format!("prefix={}", "k".repeat(1025));
    assert_eq!(list(&long), Err(Code::InvalidArgument));
}

#[test]
fn a_listing_goes_on_where_its_token_says() {
    let bucket = BucketName::parse("bucket").unwrap();
    let token = list_token::encode(Some(&bucket), "k");
    let list = |bucket: &str, query: &str| {
        let target = format!("/{bucket}?list-type=2&{query}");
        parse("GET", &target, &[], ListObjectsV2Input::parse)
    };
    let query =
        format!("continuation-token={token}&start-after=a&fetch-owner=true&encoding-type=url");
    let input = list("bucket", &query).unwrap();
    assert_eq!(input.after, "k");
    assert_eq!(input.start_after, None);
    assert!(input.fetches_owner);
    assert_eq!(input.encoding, KeyEncoding::Url { space: "+" });
    assert_eq!(list("bucket", "start-after=a").unwrap().after, "a");
    for (bucket, query) in [
        ("other", query.as_str()),
        ("bucket", "continuation-token="),
        ("bucket", "continuation-token=forged"),
    ] {
        assert_eq!(
            list(bucket, query).unwrap_err(),
            Code::InvalidArgument,
            "{query}"
        );
    }
}

#[test]
fn uploads_and_parts_are_listed_after_markers() {
    let uploads = |query: &str| {
        let target = format!("/bucket?uploads&{query}");
        parse("GET", &target, &[], ListUploadsInput::parse)
    };
    let both = uploads(&format!("key-marker=k&upload-id-marker={UPLOAD}")).unwrap();
    assert_eq!(both.upload_marker, Some(UploadId::new(0xaa)));
    let lone = uploads("upload-id-marker=x").unwrap();
    assert_eq!((lone.key_marker.as_str(), lone.upload_marker), ("", None));
    let bad = uploads("key-marker=k&upload-id-marker=x");
    assert_eq!(bad.unwrap_err(), Code::InvalidArgument);
    let parts = |query: &str| {
        let target = format!("/bucket/key?uploadId={UPLOAD}&{query}");
        parse("GET", &target, &[], ListPartsInput::parse).map(|input| (input.after, input.limit))
    };
    assert_eq!(parts(""), Ok((0, 1000)));
    assert_eq!(parts("part-number-marker=5&max-parts=2"), Ok((5, 2)));
    assert_eq!(parts("part-number-marker=70000"), Ok((u16::MAX, 1000)));
    assert_eq!(parts("part-number-marker=-1"), Err(Code::InvalidArgument));
    assert_eq!(parts("max-parts=x"), Err(Code::InvalidArgument));
}

#[test]
fn a_list_of_deletions_is_protected_and_its_keys_are_opaque() {
    let delete = |headers: &[(&str, &str)], inner: &str| {
        let made = Made::new("POST", "/bucket?delete", headers, signed());
        let body = BodyDeclaration::parse(
            Operation::DeleteObjects,
            &made.parts.headers,
            &made.verified,
            Dialect::Aws,
        )
        .unwrap();
        let document = format!("<Delete>{inner}</Delete>");
        DeleteObjectsInput::check_protected(&body)
            .and_then(|()| parse_delete(document.as_bytes()))
            .and_then(|document| DeleteObjectsInput::parse(&made.request(), document))
            .map_err(|error| error.code())
    };
    let md5 = [("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")];
    let crc = [("x-amz-checksum-crc32", "AAAAAA==")];
    let long = "k".repeat(1025);
    let inner = format!("<Object><Key>../a//b</Key></Object><Object><Key>{long}</Key></Object>");
    let input = delete(&md5, &inner).unwrap();
    let [
        DeleteEntry::Target(target),
        DeleteEntry::Refused(line, error),
    ] = &input.entries[..]
    else {
        panic!("{input:?}");
    };
    assert_eq!(target.key.as_str(), "../a//b");
    assert_eq!((&line.key, error.code()), (&long, Code::KeyTooLongError));
    assert!(delete(&crc, &inner).is_ok());
    assert_eq!(delete(&[], &inner).unwrap_err(), Code::InvalidRequest);
    assert_eq!(delete(&md5, "").unwrap_err(), Code::MalformedXML);
}

#[test]
fn buckets_are_listed_in_pages_and_made_with_a_location() {
    let list = |query: &str| parse("GET", &format!("/?{query}"), &[], ListBucketsInput::parse);
    let token = list_token::encode(None, "abc");
    let input = list(&format!(
        "max-buckets=5&prefix=a&continuation-token={token}"
    ))
    .unwrap();
    assert_eq!(
        (input.limit, input.prefix.as_str(), input.after.as_str()),
        (5, "a", "abc")
    );
    assert_eq!(list("").unwrap().limit, 10_000);
    for bad in [
        "max-buckets=0",
        "max-buckets=10001",
        "max-buckets=x",
        "continuation-token=x",
    ] {
        assert_eq!(list(bad).unwrap_err(), Code::InvalidArgument, "{bad}");
    }
    let made = Made::new("PUT", "/bucket", &[], signed());
    let create =
        |document: &[u8]| CreateBucketInput::parse(&made.request(), parse_create_bucket(document)?);
    assert_eq!(create(b"").unwrap().location, None);
    assert_eq!(create(b"junk").unwrap_err().code(), Code::MalformedXML);
    // A name that is reserved can be asked for, but not made.
    let reserved = Made::new("PUT", "/bucket--table-s3", &[], signed());
    assert!(BucketInput::parse(&reserved.request()).is_ok());
    let refused = CreateBucketInput::parse(&reserved.request(), None).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidBucketName);
    assert_eq!(
        BucketInput::parse(&made.request()).unwrap().bucket.as_str(),
        "bucket"
    );
}

#[test]
fn an_expected_owner_is_the_owner() {
    let made = Made::new(
        "GET",
        "/bucket/key",
        &[
            ("x-amz-expected-bucket-owner", "me"),
            ("x-amz-source-expected-bucket-owner", "you"),
        ],
        signed(),
    );
    let headers = &made.parts.headers;
    assert!(check_expected_owner(headers, "me").is_ok());
    let error = check_expected_owner(headers, "you").unwrap_err();
    assert_eq!(error.code(), Code::AccessDenied);
    assert!(check_expected_source_owner(headers, "you").is_ok());
    assert!(check_expected_source_owner(headers, "me").is_err());
}

#[test]
fn versions_are_named_where_one_is_meant_and_nowhere_else() {
    let id = "000000000000000500000000000000ab";
    let named = NamedVersion::parse(id).unwrap();
    for (query, expected) in [
        ("", Ok(None)),
        ("?versionId=null", Ok(Some(NamedVersion::Null))),
        (&format!("?versionId={id}"), Ok(Some(named))),
        ("?versionId=", Err(Code::InvalidArgument)),
        ("?versionId=7", Err(Code::InvalidArgument)),
    ] {
        let target = format!("/bucket/key{query}");
        let read = parse("GET", &target, &[], ReadObjectInput::parse);
        assert_eq!(read.map(|input| input.version), expected, "{query}");
        let deletion = parse("DELETE", &target, &[], DeleteObjectInput::parse);
        assert_eq!(deletion.map(|input| input.version), expected, "{query}");
    }
    let put = "/bucket/key?versionId=null";
    let put = parse(
        "PUT",
        put,
        &[("content-length", "0")],
        PutObjectInput::parse,
    );
    assert_eq!(put.unwrap_err(), Code::InvalidArgument);
}

#[test]
fn a_listing_of_versions_goes_on_from_a_version_only_with_its_key() {
    let list = |query: &str| {
        let target = format!("/bucket?versions&{query}");
        parse("GET", &target, &[], ListVersionsInput::parse)
    };
    let input =
        list("key-marker=k&version-id-marker=null&max-keys=7&prefix=a&delimiter=/").unwrap();
    assert_eq!(input.key_marker, "k");
    assert_eq!(input.version_marker, Some(NamedVersion::Null));
    assert_eq!((input.limit, input.prefix.as_str()), (7, "a"));
    assert_eq!(
        list("key-marker=k&version-id-marker=")
            .unwrap()
            .version_marker,
        None
    );
    for query in ["version-id-marker=null", "key-marker=k&version-id-marker=x"] {
        assert_eq!(list(query).unwrap_err(), Code::InvalidArgument, "{query}");
    }
}

#[test]
fn a_line_of_a_deletion_is_refused_alone() {
    let made = Made::new("POST", "/bucket?delete", &[], signed());
    let document = parse_delete(
        b"<Delete><Object><Key>a</Key><VersionId>null</VersionId></Object>\
          <Object><Key>b</Key><VersionId>x</VersionId></Object><Object><Key>c</Key></Object></Delete>",
    );
    let input = DeleteObjectsInput::parse(&made.request(), document.unwrap()).unwrap();
    let told = input.entries.iter().map(|entry| match entry {
        DeleteEntry::Target(target) => (target.key.as_str(), Ok(target.version)),
        DeleteEntry::Refused(line, error) => (line.key.as_str(), Err(error.code())),
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            ("a", Ok(Some(NamedVersion::Null))),
            ("b", Err(Code::NoSuchVersion)),
            ("c", Ok(None)),
        ]
    );
}
