use super::*;
use crate::auth::{Caller, Verified};
use crate::body::PayloadForm;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::input::{
    KeyEncoding, ListBucketsInput, ListObjectsInput, ListObjectsV2Input, ListPartsInput,
    ListUploadsInput, ListVersionsInput, ReadObjectInput, Request, UploadInput,
};
use crate::list_token;
use crate::route::Addressing;
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::{BucketId, Order, UploadId, VersionId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{
    Committed, Deleted, ListedContent, ListedObject, ListedPart, ListedUpload, ListedVersion,
    UploadInfo,
};
use cairn_types::namespace::root::{BucketEntry, BucketState};
use cairn_types::object::{Content, ObjectHeaders, ObjectVersion, PartSpan};
use cairn_types::time::Timestamp;
use cairn_types::version::{NamedVersion, Versioning};

const TIME: Timestamp = Timestamp::from_millis(1_255_369_830_007);
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const ETAG: &str = "&quot;01010101010101010101010101010101&quot;";
const OWNER: &str = "<ID>id</ID><DisplayName>name</DisplayName>";

fn owner() -> Owner {
    Owner {
        id: "id".to_owned(),
        display_name: "name".to_owned(),
    }
}

fn owners() -> Owners {
    let other = Owner {
        id: "other".to_owned(),
        display_name: "Other".to_owned(),
    };
    Owners::new(owner(), vec![other])
}

fn bucket() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn crc(kind: ChecksumKind) -> ObjectChecksum {
    ObjectChecksum {
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).unwrap(),
        kind,
    }
}

fn committed(etag: ETag, checksum: Option<ObjectChecksum>) -> Committed {
    Committed {
        version: VersionId::new(Order::new(1), 2),
        is_null: true,
        etag,
        len: 5,
        checksum,
        last_modified: TIME,
    }
}

fn upload_input() -> UploadInput {
    UploadInput {
        bucket: bucket(),
        key: key("a b"),
        upload: UploadId::new(0xaa),
    }
}

#[track_caller]
fn assert_document(response: &Response<Bytes>, root: &str, inner: &str) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/xml");
    let expected = format!(
        "{DECLARATION}<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{root}>"
    );
    assert_eq!(String::from_utf8_lossy(response.body()), expected);
}

fn listed(text: &str) -> ListedObject {
    ListedObject {
        owner: None,
        key: key(text),
        len: 5,
        etag: ETag::from_md5([1; 16]),
        last_modified: TIME,
        checksum: Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject)),
    }
}

#[test]
fn buckets_are_listed() {
    let entry = BucketEntry {
        bucket: BucketId::new(1),
        name: bucket(),
        owner: "id".to_owned(),
        created: TIME,
        state: BucketState::Active,
        epoch: cairn_types::id::Epoch::new(2),
        initial: cairn_types::settings::InitialSettings::default(),
        ranges: Vec::new(),
    };
    let mut input = ListBucketsInput {
        prefix: String::new(),
        after: String::new(),
        limit: 1,
        region: None,
    };
    let answer = |input: &ListBucketsInput, truncated| {
        let output = ListBucketsOutput {
            input,
            owner: owner(),
            entries: std::slice::from_ref(&entry),
            truncated,
            region: "us-east-1",
        };
        output.to_response()
    };
    let row = "<Bucket><Name>bucket</Name><CreationDate>2009-10-12T17:50:30.007Z</CreationDate>\
               <BucketRegion>us-east-1</BucketRegion></Bucket>";
    let start = format!("<Owner>{OWNER}</Owner><Buckets>{row}</Buckets>");
    assert_document(&answer(&input, false), "ListAllMyBucketsResult", &start);
    input.prefix = "b".to_owned();
    let token = list_token::encode(None, "bucket");
    let more = format!("{start}<ContinuationToken>{token}</ContinuationToken><Prefix>b</Prefix>");
    assert_document(&answer(&input, true), "ListAllMyBucketsResult", &more);
}

#[test]
fn a_bucket_is_made_found_and_deleted() {
    assert_eq!(bucket_created(&bucket()).headers()["location"], "/bucket");
    assert_eq!(bucket_deleted().status(), StatusCode::NO_CONTENT);
    assert_eq!(bucket_head("r").headers()["x-amz-bucket-region"], "r");
    assert_document(&bucket_location("us-east-1"), "LocationConstraint", "");
    assert_document(&bucket_location("eu-x-1"), "LocationConstraint", "eu-x-1");
}

#[test]
fn objects_are_listed() {
    let input = ListObjectsInput {
        bucket: bucket(),
        prefix: "p".to_owned(),
        delimiter: "/".to_owned(),
        marker: "m".to_owned(),
        limit: 2,
        encoding: KeyEncoding::Plain,
        prefix_encoding: KeyEncoding::Plain,
    };
    let output = ListObjectsOutput {
        input: &input,
        owners: owners(),
        objects: &[listed("p&\u{1}")],
        common_prefixes: &["pq/".to_owned()],
        next: Some("pq/"),
    };
    let inner = format!(
        "<Name>bucket</Name><Prefix>p</Prefix><Marker>m</Marker><NextMarker>pq/</NextMarker><MaxKeys>2</MaxKeys>\
         <Delimiter>/</Delimiter><IsTruncated>true</IsTruncated><Contents><Key>p&amp;&#x1;</Key>\
         <LastModified>2009-10-12T17:50:30.007Z</LastModified><ETag>{ETAG}</ETag>\
         <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>\
         <Owner>{OWNER}</Owner><StorageClass>STANDARD</StorageClass></Contents>\
         <CommonPrefixes><Prefix>pq/</Prefix></CommonPrefixes>"
    );
    assert_document(&output.to_response(), "ListBucketResult", &inner);
}

#[test]
fn objects_are_listed_in_the_second_form() {
    let mut input = ListObjectsV2Input {
        bucket: bucket(),
        prefix: "a b".to_owned(),
        delimiter: String::new(),
        after: "s".to_owned(),
        start_after: Some("s".to_owned()),
        token: None,
        limit: 1,
        encoding: KeyEncoding::Url { space: "%20" },
        fetches_owner: false,
    };
    let objects = [listed("a b/\u{1}é")];
    let answer = |input: &ListObjectsV2Input| {
        let output = ListObjectsV2Output {
            input,
            owners: owners(),
            objects: &objects,
            common_prefixes: &[],
            next: Some("a b/x"),
        };
        output.to_response()
    };
    let token = list_token::encode(Some(&bucket()), "a b/x");
    let next = format!("<NextContinuationToken>{token}</NextContinuationToken>");
    let rest = |owner: &str| {
        format!(
            "<KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
             <Contents><Key>a%20b/%01%C3%A9</Key><LastModified>2009-10-12T17:50:30.007Z</LastModified>\
             <ETag>{ETAG}</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>\
             <ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>{owner}<StorageClass>STANDARD</StorageClass></Contents>"
        )
    };
    let start = "<Name>bucket</Name><Prefix>a%20b</Prefix>";
    let first = format!("{start}{next}<StartAfter>s</StartAfter>{}", rest(""));
    assert_document(&answer(&input), "ListBucketResult", &first);
    input.token = Some("t".to_owned());
    input.start_after = None;
    input.fetches_owner = true;
    let owner = format!("<Owner>{OWNER}</Owner>");
    let second = format!(
        "{start}<ContinuationToken>t</ContinuationToken>{next}{}",
        rest(&owner)
    );
    assert_document(&answer(&input), "ListBucketResult", &second);
}

#[test]
fn uploads_are_listed() {
    let input = ListUploadsInput {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: String::new(),
        key_marker: String::new(),
        upload_marker: None,
        limit: 1,
        encoding: KeyEncoding::Plain,
    };
    let id = UploadId::new(0xaa);
    let output = ListUploadsOutput {
        input: &input,
        owners: owners(),
        uploads: &[ListedUpload {
            owner: None,
            initiator: Some(cairn_iam::CanonicalId::parse("other").unwrap()),
            key: key("k"),
            upload: id,
            initiated: TIME,
            checksum: Some((ChecksumAlgorithm::Sha1, ChecksumKind::Composite)),
        }],
        common_prefixes: &[],
        next: Some(("k", Some(id))),
    };
    let inner = format!(
        "<Bucket>bucket</Bucket><KeyMarker/><UploadIdMarker/><NextKeyMarker>k</NextKeyMarker>\
         <NextUploadIdMarker>{id}</NextUploadIdMarker><Prefix/><MaxUploads>1</MaxUploads>\
         <IsTruncated>true</IsTruncated><Upload><Key>k</Key><UploadId>{id}</UploadId><Initiator>\
         <ID>other</ID><DisplayName>Other</DisplayName></Initiator>\
         <Owner>{OWNER}</Owner><StorageClass>STANDARD</StorageClass><Initiated>2009-10-12T17:50:30.007Z</Initiated>\
         <ChecksumAlgorithm>SHA1</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType></Upload>"
    );
    assert_document(&output.to_response(), "ListMultipartUploadsResult", &inner);
}

#[test]
fn parts_are_listed() {
    let input = ListPartsInput {
        target: upload_input(),
        after: 1,
        limit: 2,
        encoding: KeyEncoding::Plain,
    };
    let output = ListPartsOutput {
        input: &input,
        info: &UploadInfo {
            settings: cairn_types::settings::ObjectSettings::default(),
            initiator: None,
            initiated: TIME,
            headers: ObjectHeaders::default(),
            checksum: Some((ChecksumAlgorithm::Crc32, ChecksumKind::Composite)),
        },
        initiator: owner(),
        owner: owner(),
        parts: &[ListedPart {
            number: 2,
            len: 5,
            etag: ETag::from_md5([1; 16]),
            checksum: Some(crc(ChecksumKind::FullObject)),
            last_modified: TIME,
        }],
        truncated: false,
    };
    let inner = format!(
        "<Bucket>bucket</Bucket><Key>a b</Key><UploadId>{}</UploadId><Initiator>{OWNER}</Initiator>\
         <Owner>{OWNER}</Owner><StorageClass>STANDARD</StorageClass><PartNumberMarker>1</PartNumberMarker>\
         <NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>false</IsTruncated>\
         <ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType><Part>\
         <PartNumber>2</PartNumber><LastModified>2009-10-12T17:50:30.007Z</LastModified><ETag>{ETAG}</ETag>\
         <Size>5</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>",
        input.target.upload
    );
    assert_document(&output.to_response(), "ListPartsResult", &inner);
}

#[test]
fn an_upload_is_begun_filled_and_completed() {
    let checksum = Some((ChecksumAlgorithm::Crc32, ChecksumKind::Composite));
    let begun = upload_created(&upload_input(), checksum);
    let id = UploadId::new(0xaa);
    let inner = format!("<Bucket>bucket</Bucket><Key>a b</Key><UploadId>{id}</UploadId>");
    assert_document(&begun, "InitiateMultipartUploadResult", &inner);
    assert_eq!(begun.headers()["x-amz-checksum-algorithm"], "CRC32");
    assert_eq!(begun.headers()["x-amz-checksum-type"], "COMPOSITE");

    let etag = ETag::from_md5([1; 16]);
    let stored = part_stored(&etag, Some(&crc(ChecksumKind::FullObject)));
    assert_eq!(
        stored.headers()["etag"],
        "\"01010101010101010101010101010101\""
    );
    assert_eq!(stored.headers()["x-amz-checksum-crc32"], "AAAAAA==");
    assert!(!stored.headers().contains_key("x-amz-checksum-type"));

    let copied = part_copied(&etag, TIME, None);
    let inner = format!("<ETag>{ETAG}</ETag><LastModified>2009-10-12T17:50:30.007Z</LastModified>");
    assert_document(&xml_answer(&copied), "CopyPartResult", &inner);

    let made = committed(
        ETag::from_parts([1; 16], 3),
        Some(crc(ChecksumKind::Composite)),
    );
    let output = CompleteUploadOutput {
        location: "http://h/bucket/a%20b",
        bucket: &bucket(),
        key: &key("a b"),
        committed: &made,
    };
    let inner = "<Location>http://h/bucket/a%20b</Location><Bucket>bucket</Bucket><Key>a b</Key>\
                 <ETag>&quot;01010101010101010101010101010101-3&quot;</ETag>\
                 <ChecksumCRC32>AAAAAA==-3</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>";
    assert_document(
        &output.to_response(),
        "CompleteMultipartUploadResult",
        inner,
    );
    assert_eq!(upload_aborted().status(), StatusCode::NO_CONTENT);
}

#[test]
fn an_object_is_stored_copied_and_deleted() {
    let made = committed(ETag::from_md5([1; 16]), Some(crc(ChecksumKind::FullObject)));
    let stored = object_stored(&made);
    assert_eq!(stored.headers()["x-amz-checksum-crc32"], "AAAAAA==");
    assert_eq!(stored.headers()["x-amz-checksum-type"], "FULL_OBJECT");
    assert!(stored.body().is_empty());
    let inner = format!(
        "<ETag>{ETAG}</ETag><LastModified>2009-10-12T17:50:30.007Z</LastModified>\
         <ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>"
    );
    let copied = xml_answer(&object_copied(&made));
    assert_document(&copied, "CopyObjectResult", &inner);
}

#[test]
fn a_deletion_tells_what_became_of_versions_and_markers() {
    let id = VersionId::new(Order::new(3), 4);
    let (named, null) = (NamedVersion::Id(id), NamedVersion::Null);
    let marked = |is_null| Deleted::Marked {
        version: id,
        is_null,
    };
    let removed = |is_marker| Deleted::Removed { is_marker };
    let text = id.to_string();
    let told = "00000000000000030000000000000004";
    assert_eq!(text, told);
    for (version, outcome, marker, told) in [
        (None, Deleted::Missing, false, None),
        (None, removed(false), false, None),
        (None, marked(false), true, Some(told)),
        (None, marked(true), true, Some("null")),
        (Some(named), Deleted::Missing, false, Some(told)),
        (Some(named), removed(false), false, Some(told)),
        (Some(named), removed(true), true, Some(told)),
        (Some(null), removed(true), true, Some("null")),
    ] {
        let answer = object_deleted(version, outcome);
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap());
        assert_eq!(header("x-amz-version-id"), told, "{outcome:?}");
        assert_eq!(
            header("x-amz-delete-marker"),
            marker.then_some("true"),
            "{outcome:?}"
        );
        let version_element = version
            .map(|version| format!("<VersionId>{version}</VersionId>"))
            .unwrap_or_default();
        let marker_element = told.filter(|_| marker).map_or(String::new(), |told| {
            format!(
                "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{told}</DeleteMarkerVersionId>"
            )
        });
        let output = DeleteObjectsOutput {
            quiet: false,
            entries: vec![DeletedEntry::Deleted {
                key: "k".to_owned(),
                version,
                outcome,
            }],
        };
        let inner = format!("<Deleted><Key>k</Key>{version_element}{marker_element}</Deleted>");
        assert_document(&output.to_response(), "DeleteResult", &inner);
    }
}

#[test]
fn deletions_are_told_one_by_one_or_only_where_they_failed() {
    let entries = vec![
        DeletedEntry::Deleted {
            key: "a&b".to_owned(),
            version: None,
            outcome: Deleted::Missing,
        },
        DeletedEntry::Failed {
            key: "c".to_owned(),
            version: Some("x".to_owned()),
            error: S3Error::new(Code::AccessDenied),
        },
    ];
    let failed = "<Error><Key>c</Key><VersionId>x</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    for (quiet, inner) in [
        (
            false,
            format!("<Deleted><Key>a&amp;b</Key></Deleted>{failed}"),
        ),
        (true, failed.to_owned()),
    ] {
        let output = DeleteObjectsOutput {
            quiet,
            entries: entries.clone(),
        };
        assert_document(&output.to_response(), "DeleteResult", &inner);
    }
}

/// The head of an answer to a read.
fn read(object: &ObjectVersion, query: &str, headers: &[(&str, &str)]) -> Response<()> {
    let mut request = http::Request::get(format!("/bucket/key{query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let identity = cairn_iam::Identity {
        id: cairn_iam::CanonicalId::parse(&"a".repeat(64)).unwrap(),
        display_name: "tester".to_owned(),
        is_root: true,
    };
    let access_key = cairn_iam::AccessKey::parse("key").unwrap();
    let caller = Caller::Signed(access_key, identity.into());
    let request = Request {
        parts: &parts,
        route: &Addressing::default().route(&parts).unwrap(),
        verified: &Verified::for_tests(PayloadForm::Unsigned, caller),
        dialect: Dialect::default(),
    };
    let input = ReadObjectInput::parse(&request).unwrap();
    let plan = input.plan(object).unwrap();
    object_head(&input, &plan, object)
}

fn stored_object() -> ObjectVersion {
    ObjectVersion {
        settings: cairn_types::settings::ObjectSettings::default(),
        key: key("key"),
        version: VersionId::new(Order::new(1), 2),
        is_null: true,
        last_modified: TIME,
        len: 10,
        etag: ETag::from_md5([1; 16]),
        checksum: Some(crc(ChecksumKind::Composite)),
        headers: ObjectHeaders {
            cache_control: Some("no-cache".to_owned()),
            user: vec![("name".to_owned(), "Zoë".to_owned())],
            ..ObjectHeaders::default()
        },
        content: Content::Extents(Vec::new()),
    }
}

#[test]
fn a_read_answers_with_the_headers_of_the_object() {
    let mut object = stored_object();
    let whole = read(&object, "", &[]);
    assert_eq!(whole.status(), StatusCode::OK);
    for (name, value) in [
        ("etag", "\"01010101010101010101010101010101\""),
        ("last-modified", "Mon, 12 Oct 2009 17:50:30 GMT"),
        ("accept-ranges", "bytes"),
        ("content-type", "binary/octet-stream"),
        ("content-length", "10"),
        ("cache-control", "no-cache"),
        ("x-amz-meta-name", "=?UTF-8?B?Wm/Dqw==?="),
    ] {
        assert_eq!(whole.headers()[name].as_bytes(), value.as_bytes(), "{name}");
    }
    assert_eq!(whole.headers().len(), 7);

    let overridden = read(
        &object,
        "?response-content-type=a%2Fb&response-expires=x",
        &[],
    );
    assert_eq!(overridden.headers()["content-type"], "a/b");
    assert_eq!(overridden.headers()["expires"], "x");

    let part = read(
        &object,
        "",
        &[("range", "bytes=2-3"), ("x-amz-checksum-mode", "ENABLED")],
    );
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 2-3/10");
    assert_eq!(part.headers()["content-length"], "2");
    assert!(!part.headers().contains_key("x-amz-checksum-crc32"));

    let parts = [6, 4].iter().zip(1..);
    let parts = parts.map(|(len, number)| PartSpan { number, len: *len });
    object.content = Content::Parts {
        upload: UploadId::new(1),
        parts: parts.collect(),
    };
    let second = read(&object, "?partNumber=2", &[]);
    assert_eq!(second.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(second.headers()["content-range"], "bytes 6-9/10");
    assert_eq!(second.headers()["x-amz-mp-parts-count"], "2");
    let checked = read(&object, "", &[("x-amz-checksum-mode", "enabled")]);
    assert_eq!(checked.headers()["x-amz-checksum-crc32"], "AAAAAA==-2");
    assert_eq!(checked.headers()["x-amz-checksum-type"], "COMPOSITE");

    assert!(!whole.headers().contains_key("x-amz-version-id"));
    let null = read(&object, "?versionId=null", &[]);
    assert_eq!(null.headers()["x-amz-version-id"], "null");
    object.is_null = false;
    let version = read(&object, "", &[]);
    assert_eq!(
        version.headers()["x-amz-version-id"],
        "00000000000000010000000000000002"
    );

    let known = read(
        &object,
        "",
        &[("if-none-match", "01010101010101010101010101010101")],
    );
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert!(!known.headers().contains_key("content-length"));
}

#[test]
fn versions_and_delete_markers_are_listed() {
    let input = ListVersionsInput {
        bucket: bucket(),
        prefix: "a".to_owned(),
        delimiter: "/".to_owned(),
        key_marker: "a&b".to_owned(),
        version_marker: Some(NamedVersion::Null),
        limit: 3,
        encoding: KeyEncoding::Url { space: "%20" },
    };
    let row = |order, is_null, object| ListedVersion {
        owner: None,
        key: key("a&c"),
        version: VersionId::new(Order::new(order), 1),
        is_null,
        is_latest: order == 2,
        last_modified: TIME,
        object,
    };
    let content = ListedContent {
        len: 5,
        etag: ETag::from_md5([1; 16]),
        checksum: Some((ChecksumAlgorithm::Crc32, ChecksumKind::FullObject)),
    };
    let versions = [row(2, false, None), row(1, true, Some(content))];
    let prefixes = ["ad/".to_owned()];
    let mut output = ListVersionsOutput {
        input: &input,
        owners: owners(),
        versions: &versions,
        common_prefixes: &prefixes,
        next: Some(("a&c", Some(NamedVersion::Null))),
    };
    let time = "<LastModified>2009-10-12T17:50:30.007Z</LastModified>";
    let rows = format!(
        "<DeleteMarker><Key>a%26c</Key><VersionId>00000000000000020000000000000001</VersionId>\
         <IsLatest>true</IsLatest>{time}<Owner>{OWNER}</Owner></DeleteMarker>\
         <Version><Key>a%26c</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>{time}\
         <ETag>{ETAG}</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
         <Size>5</Size><StorageClass>STANDARD</StorageClass><Owner>{OWNER}</Owner></Version>\
         <CommonPrefixes><Prefix>ad/</Prefix></CommonPrefixes>"
    );
    let inner = format!(
        "<Name>bucket</Name><Prefix>a</Prefix><KeyMarker>a%26b</KeyMarker>\
         <VersionIdMarker>null</VersionIdMarker><NextKeyMarker>a%26c</NextKeyMarker>\
         <NextVersionIdMarker>null</NextVersionIdMarker><MaxKeys>3</MaxKeys><Delimiter>/</Delimiter>\
         <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>{rows}"
    );
    assert_document(&output.to_response(), "ListVersionsResult", &inner);
    // Behind a common prefix there is no version to go on from.
    output.next = Some(("ad/", None));
    let text = String::from_utf8(output.to_response().body().to_vec()).unwrap();
    assert!(text.contains("<NextKeyMarker>ad/</NextKeyMarker><MaxKeys>"));
}

#[test]
fn a_bucket_says_whether_it_keeps_versions_once_it_was_told() {
    for (versioning, inner) in [
        (None, ""),
        (Some(Versioning::Enabled), "<Status>Enabled</Status>"),
        (Some(Versioning::Suspended), "<Status>Suspended</Status>"),
    ] {
        let answer = bucket_versioning(versioning);
        assert_document(&answer, "VersioningConfiguration", inner);
    }
}
