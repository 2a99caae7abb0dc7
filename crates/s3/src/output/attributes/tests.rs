use super::*;
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use cairn_types::etag::ETag;
use cairn_types::id::{Order, UploadId, VersionId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::object::{ObjectHeaders, PartSpan};
use cairn_types::time::Timestamp;

const ALL: [ObjectAttribute; 5] = [
    ObjectAttribute::ETag,
    ObjectAttribute::Checksum,
    ObjectAttribute::ObjectParts,
    ObjectAttribute::StorageClass,
    ObjectAttribute::ObjectSize,
];

fn crc(kind: ChecksumKind) -> ObjectChecksum {
    ObjectChecksum {
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).unwrap(),
        kind,
    }
}

fn completed(checksum: Option<ObjectChecksum>) -> ObjectVersion {
    let part = |number| PartSpan { number, len: 5 };
    ObjectVersion {
        settings: cairn_types::settings::ObjectSettings::default(),
        key: ObjectKey::parse("key").unwrap(),
        version: VersionId::new(Order::new(1), 2),
        is_null: true,
        last_modified: Timestamp::from_millis(1_255_369_830_007),
        len: 15,
        etag: ETag::from_parts([1; 16], 3),
        checksum,
        headers: ObjectHeaders::default(),
        content: Content::Parts {
            upload: UploadId::new(1),
            parts: vec![part(1), part(2), part(4)],
        },
    }
}

fn input(
    attributes: &[ObjectAttribute],
    lists_parts_without_checksums: bool,
) -> ObjectAttributesInput {
    ObjectAttributesInput {
        bucket: BucketName::parse("bucket").unwrap(),
        key: ObjectKey::parse("key").unwrap(),
        version: None,
        attributes: attributes.to_vec(),
        after: 1,
        limit: 1,
        lists_parts_without_checksums,
    }
}

fn body(input: &ObjectAttributesInput, object: &ObjectVersion, parts: &[PartAttributes]) -> String {
    let output = ObjectAttributesOutput {
        input,
        object,
        parts,
    };
    let response = output.to_response();
    let modified = &response.headers()[header::LAST_MODIFIED];
    assert_eq!(modified, "Mon, 12 Oct 2009 17:50:30 GMT");
    let text = String::from_utf8_lossy(response.body()).into_owned();
    let root = "<GetObjectAttributesResponse xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    let inner = text.split_once(root).unwrap().1;
    let inner = inner.strip_suffix("</GetObjectAttributesResponse>");
    inner.unwrap().to_owned()
}

#[test]
fn everything_that_is_asked_is_told_in_the_order_of_s3() {
    let object = completed(Some(crc(ChecksumKind::Composite)));
    let part = PartAttributes {
        number: 2,
        len: 5,
        checksum: Some(crc(ChecksumKind::FullObject)),
    };
    let etag = "01".repeat(16);
    let expected = format!(
        "<ETag>{etag}-3</ETag>\
         <Checksum><ChecksumCRC32>AAAAAA==-3</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></Checksum>\
         <ObjectParts><PartsCount>3</PartsCount><PartNumberMarker>1</PartNumberMarker>\
         <NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>\
         <Part><PartNumber>2</PartNumber><Size>5</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></ObjectParts>\
         <StorageClass>STANDARD</StorageClass><ObjectSize>15</ObjectSize>"
    );
    assert_eq!(body(&input(&ALL, false), &object, &[part]), expected);
    let size = body(&input(&[ObjectAttribute::ObjectSize], false), &object, &[]);
    assert_eq!(size, "<ObjectSize>15</ObjectSize>");
}

#[test]
fn parts_without_checksums_are_only_counted_or_listed_as_the_dialect_has_it() {
    let object = completed(None);
    let last = PartAttributes {
        number: 4,
        len: 5,
        checksum: None,
    };
    let told = |lists| {
        let input = input(&[ObjectAttribute::ObjectParts], lists);
        body(&input, &object, std::slice::from_ref(&last))
    };
    assert_eq!(
        told(false),
        "<ObjectParts><PartsCount>3</PartsCount></ObjectParts>"
    );
    assert_eq!(
        told(true),
        "<ObjectParts><PartsCount>3</PartsCount><PartNumberMarker>1</PartNumberMarker>\
         <NextPartNumberMarker>4</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>false</IsTruncated>\
         <Part><PartNumber>4</PartNumber><Size>5</Size></Part></ObjectParts>"
    );
}

#[test]
fn an_object_that_was_put_whole_has_no_parts() {
    let mut object = completed(None);
    object.content = Content::Inline(Bytes::new());
    let told = body(&input(&ALL, true), &object, &[]);
    assert!(
        !told.contains("ObjectParts") && !told.contains("Checksum"),
        "{told}"
    );
}
