//! Answers about multipart uploads.

use bytes::Bytes;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{Committed, ListedPart, UploadInfo};
use cairn_types::time::Timestamp;
use http::{HeaderName, Response, StatusCode};

use super::object::{set_checksum, set_etag, write_checksum, write_copy};
use super::versions::set_committed_version;
use super::{Owner, document, empty, set};
use crate::checksum;
use crate::date::format_iso8601;
use crate::input::{ListPartsInput, UploadInput, kind_name};
use crate::xml::writer::XmlWriter;

/// The answer of `CompleteMultipartUpload`.
#[derive(Debug)]
pub struct CompleteUploadOutput<'a> {
    /// Where the object is, as a URL.
    pub location: &'a str,
    /// The bucket.
    pub bucket: &'a BucketName,
    /// The key.
    pub key: &'a ObjectKey,
    /// The version that was made.
    pub committed: &'a Committed,
}

/// The answer of `ListParts`.
#[derive(Debug)]
pub struct ListPartsOutput<'a> {
    /// What was asked.
    pub input: &'a ListPartsInput,
    /// The upload.
    pub info: &'a UploadInfo,
    /// Who began the upload.
    pub initiator: Owner,
    /// Whose the object will be.
    pub owner: Owner,
    /// The rows, by number.
    pub parts: &'a [ListedPart],
    /// Whether more follow.
    pub truncated: bool,
}

/// The answer of `CreateMultipartUpload`.
pub fn upload_created(
    target: &UploadInput,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
) -> Response<Bytes> {
    let mut xml = XmlWriter::document();
    xml.open_root("InitiateMultipartUploadResult");
    xml.text("Bucket", target.bucket.as_str());
    xml.text("Key", target.key.as_str());
    xml.value("UploadId", &target.upload);
    xml.close("InitiateMultipartUploadResult");
    let mut response = document(xml);
    if let Some((algorithm, kind)) = checksum {
        let headers = response.headers_mut();
        let name = HeaderName::from_static("x-amz-checksum-algorithm");
        set(headers, name, algorithm.name());
        let name = HeaderName::from_static("x-amz-checksum-type");
        set(headers, name, kind_name(kind));
    }
    response
}

/// The answer of `UploadPart`. A part's checksum has no type.
pub fn part_stored(etag: &ETag, checksum: Option<&ObjectChecksum>) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    set_etag(headers, etag);
    if let Some(checksum) = checksum {
        set_checksum(headers, checksum, 0);
        headers.remove("x-amz-checksum-type");
    }
    response
}

/// The root element of the answer of `UploadPartCopy`, for `xml_answer` or behind a declaration that was already sent.
pub fn part_copied(
    etag: &ETag,
    last_modified: Timestamp,
    checksum: Option<&ObjectChecksum>,
) -> String {
    let mut xml = XmlWriter::fragment();
    xml.open_root("CopyPartResult");
    write_copy(&mut xml, etag, last_modified, None);
    if let Some(checksum) = checksum {
        write_part_checksum(&mut xml, checksum);
    }
    xml.close("CopyPartResult");
    xml.finish()
}

/// The answer of `AbortMultipartUpload`.
pub fn upload_aborted() -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT)
}

impl CompleteUploadOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let mut xml = XmlWriter::document();
        xml.open_root("CompleteMultipartUploadResult");
        xml.text("Location", self.location);
        xml.text("Bucket", self.bucket.as_str());
        xml.text("Key", self.key.as_str());
        xml.text("ETag", &format!("\"{}\"", self.committed.etag));
        if let Some(checksum) = &self.committed.checksum {
            write_checksum(&mut xml, checksum, self.committed.etag.part_count());
        }
        xml.close("CompleteMultipartUploadResult");
        let mut response = document(xml);
        set_committed_version(response.headers_mut(), self.committed);
        response
    }
}

impl ListPartsOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let target = &self.input.target;
        let mut xml = XmlWriter::document();
        xml.open_root("ListPartsResult");
        xml.text("Bucket", target.bucket.as_str());
        let key = self.input.encoding.text(target.key.as_str());
        xml.text("Key", &key);
        xml.value("UploadId", &target.upload);
        self.initiator.write(&mut xml, "Initiator");
        self.owner.write(&mut xml, "Owner");
        xml.text("StorageClass", "STANDARD");
        xml.value("PartNumberMarker", &self.input.after);
        if let Some(last) = self.parts.last() {
            xml.value("NextPartNumberMarker", &last.number);
        }
        xml.value("MaxParts", &self.input.limit);
        xml.optional_text("EncodingType", self.input.encoding.name());
        xml.value("IsTruncated", &self.truncated);
        if let Some((algorithm, kind)) = self.info.checksum {
            xml.text("ChecksumAlgorithm", algorithm.name());
            xml.text("ChecksumType", kind_name(kind));
        }
        for part in self.parts {
            write_part(&mut xml, part);
        }
        xml.close("ListPartsResult");
        document(xml)
    }
}

fn write_part(xml: &mut XmlWriter, part: &ListedPart) {
    xml.open("Part");
    xml.value("PartNumber", &part.number);
    xml.text("LastModified", &format_iso8601(part.last_modified));
    xml.text("ETag", &format!("\"{}\"", part.etag));
    xml.value("Size", &part.len);
    if let Some(checksum) = &part.checksum {
        write_part_checksum(xml, checksum);
    }
    xml.close("Part");
}

fn write_part_checksum(xml: &mut XmlWriter, checksum: &ObjectChecksum) {
    let name = checksum::element_name(checksum.checksum.algorithm());
    xml.text(name, &checksum::encode(&checksum.checksum));
}
