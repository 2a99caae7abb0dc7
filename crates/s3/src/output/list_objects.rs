//! Pages of objects and of uploads.

use bytes::Bytes;
use cairn_types::id::UploadId;
use cairn_types::namespace::data::{ListedObject, ListedUpload};
use http::Response;

use super::{Owners, document};
use crate::date::format_iso8601;
use crate::input::{
    KeyEncoding, ListObjectsInput, ListObjectsV2Input, ListUploadsInput, kind_name,
};
use crate::list_token;
use crate::xml::writer::XmlWriter;

/// The answer of `ListObjects`.
#[derive(Debug)]
pub struct ListObjectsOutput<'a> {
    /// What was asked.
    pub input: &'a ListObjectsInput,
    /// Whose the objects are.
    pub owners: Owners,
    /// The rows, by key.
    pub objects: &'a [ListedObject],
    /// The common prefixes, ascending.
    pub common_prefixes: &'a [String],
    /// The `after` of the next page, if there is more.
    pub next: Option<&'a str>,
}

/// The answer of `ListObjectsV2`.
#[derive(Debug)]
pub struct ListObjectsV2Output<'a> {
    /// What was asked.
    pub input: &'a ListObjectsV2Input,
    /// Whose the objects are; told if that was asked for.
    pub owners: Owners,
    /// The rows, by key.
    pub objects: &'a [ListedObject],
    /// The common prefixes, ascending.
    pub common_prefixes: &'a [String],
    /// The `after` of the next page, if there is more.
    pub next: Option<&'a str>,
}

/// The answer of `ListMultipartUploads`.
#[derive(Debug)]
pub struct ListUploadsOutput<'a> {
    /// What was asked.
    pub input: &'a ListUploadsInput,
    /// Who began the uploads, and whose the objects will be.
    pub owners: Owners,
    /// The rows, by key and then by time.
    pub uploads: &'a [ListedUpload],
    /// The common prefixes, ascending.
    pub common_prefixes: &'a [String],
    /// The markers of the next page, if there is more.
    pub next: Option<(&'a str, Option<UploadId>)>,
}

impl ListObjectsOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let input = self.input;
        let encode = |text: &str| input.encoding.text(text);
        let mut xml = XmlWriter::document();
        xml.open_root("ListBucketResult");
        xml.text("Name", input.bucket.as_str());
        xml.text("Prefix", &input.prefix_encoding.text(&input.prefix));
        xml.text("Marker", &encode(&input.marker));
        // Without a delimiter the last key is the marker of the next page, and S3 does not repeat it.
        if let Some(next) = self.next.filter(|_| !input.delimiter.is_empty()) {
            xml.text("NextMarker", &encode(next));
        }
        xml.value("MaxKeys", &input.limit);
        write_form(&mut xml, &input.delimiter, input.encoding);
        xml.value("IsTruncated", &self.next.is_some());
        for object in self.objects {
            write_object(&mut xml, object, input.encoding, Some(&self.owners));
        }
        write_prefixes(&mut xml, self.common_prefixes, input.encoding);
        xml.close("ListBucketResult");
        document(xml)
    }
}

impl ListObjectsV2Output<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let input = self.input;
        let encode = |text: &str| input.encoding.text(text);
        let mut xml = XmlWriter::document();
        xml.open_root("ListBucketResult");
        xml.text("Name", input.bucket.as_str());
        xml.text("Prefix", &encode(&input.prefix));
        xml.optional_text("ContinuationToken", input.token.as_deref());
        if let Some(next) = self.next {
            let token = list_token::encode(Some(&input.bucket), next);
            xml.text("NextContinuationToken", &token);
        }
        if let Some(start_after) = &input.start_after {
            xml.text("StartAfter", &encode(start_after));
        }
        xml.value(
            "KeyCount",
            &(self.objects.len() + self.common_prefixes.len()),
        );
        xml.value("MaxKeys", &input.limit);
        write_form(&mut xml, &input.delimiter, input.encoding);
        xml.value("IsTruncated", &self.next.is_some());
        let owners = Some(&self.owners).filter(|_| input.fetches_owner);
        for object in self.objects {
            write_object(&mut xml, object, input.encoding, owners);
        }
        write_prefixes(&mut xml, self.common_prefixes, input.encoding);
        xml.close("ListBucketResult");
        document(xml)
    }
}

impl ListUploadsOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let input = self.input;
        let encode = |text: &str| input.encoding.text(text);
        let mut xml = XmlWriter::document();
        xml.open_root("ListMultipartUploadsResult");
        xml.text("Bucket", input.bucket.as_str());
        xml.text("KeyMarker", &encode(&input.key_marker));
        xml.text("UploadIdMarker", &upload_text(input.upload_marker));
        if let Some((key, upload)) = self.next {
            xml.text("NextKeyMarker", &encode(key));
            xml.text("NextUploadIdMarker", &upload_text(upload));
        }
        xml.text("Prefix", &encode(&input.prefix));
        write_form(&mut xml, &input.delimiter, input.encoding);
        xml.value("MaxUploads", &input.limit);
        xml.value("IsTruncated", &self.next.is_some());
        for upload in self.uploads {
            write_upload(&mut xml, upload, input.encoding, &self.owners);
        }
        write_prefixes(&mut xml, self.common_prefixes, input.encoding);
        xml.close("ListMultipartUploadsResult");
        document(xml)
    }
}

fn upload_text(upload: Option<UploadId>) -> String {
    upload.map(|upload| upload.to_string()).unwrap_or_default()
}

/// How keys are rolled up and written.
pub(super) fn write_form(xml: &mut XmlWriter, delimiter: &str, encoding: KeyEncoding) {
    if !delimiter.is_empty() {
        xml.text("Delimiter", &encoding.text(delimiter));
    }
    xml.optional_text("EncodingType", encoding.name());
}

fn write_object(
    xml: &mut XmlWriter,
    object: &ListedObject,
    encoding: KeyEncoding,
    owners: Option<&Owners>,
) {
    xml.open("Contents");
    xml.text("Key", &encoding.text(object.key.as_str()));
    xml.text("LastModified", &format_iso8601(object.last_modified));
    xml.text("ETag", &format!("\"{}\"", object.etag));
    if let Some((algorithm, kind)) = object.checksum {
        xml.text("ChecksumAlgorithm", algorithm.name());
        xml.text("ChecksumType", kind_name(kind));
    }
    xml.value("Size", &object.len);
    if let Some(owners) = owners {
        owners.of(object.owner.as_ref()).write(xml, "Owner");
    }
    xml.text("StorageClass", "STANDARD");
    xml.close("Contents");
}

fn write_upload(
    xml: &mut XmlWriter,
    upload: &ListedUpload,
    encoding: KeyEncoding,
    owners: &Owners,
) {
    xml.open("Upload");
    xml.text("Key", &encoding.text(upload.key.as_str()));
    xml.value("UploadId", &upload.upload);
    let initiator = owners.of(upload.initiator.as_ref());
    initiator.write(xml, "Initiator");
    owners.of(upload.owner.as_ref()).write(xml, "Owner");
    xml.text("StorageClass", "STANDARD");
    xml.text("Initiated", &format_iso8601(upload.initiated));
    if let Some((algorithm, kind)) = upload.checksum {
        xml.text("ChecksumAlgorithm", algorithm.name());
        xml.text("ChecksumType", kind_name(kind));
    }
    xml.close("Upload");
}

pub(super) fn write_prefixes(xml: &mut XmlWriter, prefixes: &[String], encoding: KeyEncoding) {
    for prefix in prefixes {
        xml.open("CommonPrefixes");
        xml.text("Prefix", &encoding.text(prefix));
        xml.close("CommonPrefixes");
    }
}
