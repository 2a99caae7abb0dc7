//! Answers about buckets.

use bytes::Bytes;
use cairn_types::name::BucketName;
use cairn_types::namespace::root::BucketEntry;
use http::{HeaderName, Response, StatusCode, header};

use super::{Owner, document, empty, set};
use crate::date::format_iso8601;
use crate::input::ListBucketsInput;
use crate::list_token;
use crate::xml::writer::XmlWriter;

/// The answer of `ListBuckets`.
#[derive(Debug)]
pub struct ListBucketsOutput<'a> {
    /// What was asked.
    pub input: &'a ListBucketsInput,
    /// Whose buckets they are.
    pub owner: Owner,
    /// The rows, by name.
    pub entries: &'a [BucketEntry],
    /// Whether more follow.
    pub truncated: bool,
    /// Where the buckets are.
    pub region: &'a str,
}

impl ListBucketsOutput<'_> {
    /// The answer.
    pub fn to_response(&self) -> Response<Bytes> {
        let mut xml = XmlWriter::document();
        xml.open_root("ListAllMyBucketsResult");
        self.owner.write(&mut xml, "Owner");
        xml.open("Buckets");
        for entry in self.entries {
            xml.open("Bucket");
            xml.text("Name", entry.name.as_str());
            xml.text("CreationDate", &format_iso8601(entry.created));
            xml.text("BucketRegion", self.region);
            xml.close("Bucket");
        }
        xml.close("Buckets");
        if let Some(last) = self.entries.last().filter(|_| self.truncated) {
            let token = list_token::encode(None, last.name.as_str());
            xml.text("ContinuationToken", &token);
        }
        if !self.input.prefix.is_empty() {
            xml.text("Prefix", &self.input.prefix);
        }
        xml.close("ListAllMyBucketsResult");
        document(xml)
    }
}

/// The answer of `CreateBucket`.
pub fn bucket_created(bucket: &BucketName) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    set(
        response.headers_mut(),
        header::LOCATION,
        &format!("/{bucket}"),
    );
    response
}

/// The answer of `DeleteBucket`.
pub fn bucket_deleted() -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT)
}

/// The answer to what sets something of a bucket.
pub fn bucket_configured() -> Response<Bytes> {
    empty(StatusCode::OK)
}

/// The answer of `HeadBucket`.
pub fn bucket_head(region: &str) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    set(
        response.headers_mut(),
        HeaderName::from_static("x-amz-bucket-region"),
        region,
    );
    response
}

/// The answer of `GetBucketLocation`. The first region of S3 shows as nothing.
pub fn bucket_location(region: &str) -> Response<Bytes> {
    let mut xml = XmlWriter::document();
    xml.open_root("LocationConstraint");
    if region != "us-east-1" {
        xml.characters(region);
    }
    xml.close("LocationConstraint");
    document(xml)
}
