//! What operations answer: one function or type per answer, with the elements in the order of S3.
//!
//! Heads come without the headers that every answer has (`x-amz-request-id`, `Date`, `Server`): those are the pipeline's.

mod attributes;
mod buckets;
mod list_objects;
mod multipart;
mod object;
mod settings;
mod usage;
mod versions;

use bytes::Bytes;
use cairn_iam::Identity;
use cairn_types::account::CanonicalId;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

pub use attributes::{ObjectAttributesOutput, PartAttributes};
pub use buckets::{
    ListBucketsOutput, bucket_configured, bucket_created, bucket_deleted, bucket_head,
    bucket_location,
};
pub use list_objects::{ListObjectsOutput, ListObjectsV2Output, ListUploadsOutput};
pub use multipart::{
    CompleteUploadOutput, ListPartsOutput, part_copied, part_stored, upload_aborted, upload_created,
};
pub use object::{
    DeleteObjectsOutput, DeletedEntry, object_copied, object_deleted, object_head, object_stored,
    set_part_checksum,
};
pub use settings::{
    bucket_policy, bucket_policy_status, bucket_policy_stored, bucket_tags_stored,
    object_configured, of_version, preflight, set_legal_hold, set_retention, set_tagging_count,
    setting, setting_removed,
};
pub use usage::{account_usage, set_statistics};
pub use versions::{
    ListVersionsOutput, bucket_versioning, set_committed_version, set_copied_version, set_marker,
    set_version,
};

use crate::xml::writer::{XML_DECLARATION, XmlWriter};

/// Whose something is, as answers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The canonical id.
    pub id: String,
    /// The name for people.
    pub display_name: String,
}

/// Whose the rows of a listing are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    bucket: Owner,
    others: Vec<Owner>,
}

impl Owner {
    /// Who does not sign.
    pub fn anonymous() -> Self {
        Self {
            id: "anonymous".to_owned(),
            display_name: "anonymous".to_owned(),
        }
    }
}

impl From<&Identity> for Owner {
    fn from(identity: &Identity) -> Self {
        Self {
            id: identity.id.to_string(),
            display_name: identity.display_name.clone(),
        }
    }
}

impl Owners {
    /// The owner of the bucket, and those of rows that are others'.
    pub fn new(bucket: Owner, others: Vec<Owner>) -> Self {
        Self { bucket, others }
    }

    /// Whose a row is that names `id`, or the bucket's owner.
    fn of(&self, id: Option<&CanonicalId>) -> &Owner {
        let known = |id: &CanonicalId| self.others.iter().find(|owner| owner.id == id.as_str());
        id.and_then(known).unwrap_or(&self.bucket)
    }
}

impl Owner {
    fn write(&self, xml: &mut XmlWriter, element: &str) {
        xml.open(element);
        xml.text("ID", &self.id);
        xml.text("DisplayName", &self.display_name);
        xml.close(element);
    }
}

/// A 200 with a document of this root element.
pub fn xml_answer(element: &str) -> Response<Bytes> {
    let mut response = xml_head().map(|()| Bytes::new());
    *response.body_mut() = Bytes::from(format!("{XML_DECLARATION}{element}"));
    response
}

/// The head of a 200 whose document comes later: `XML_DECLARATION` at once, blanks while it takes time, then a root element.
pub fn xml_head() -> Response<()> {
    let mut response = Response::new(());
    set_content_type(response.headers_mut());
    response
}

/// A 200 with a document.
fn document(xml: XmlWriter) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(xml.finish()));
    set_content_type(response.headers_mut());
    response
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn set_content_type(headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
}

/// Sets a header to a text that came out of a header once, or is made of digits and letters.
fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
