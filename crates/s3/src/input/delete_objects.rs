//! `DeleteObjects`.

use cairn_types::name::{BucketName, ObjectKey};

use super::request::Request;
use crate::body::{BodyDeclaration, DeclaredChecksum};
use crate::code::Code;
use crate::error::S3Error;
use crate::route::parse_key;
use crate::xml::delete_objects::parse_delete;

/// The input of `DeleteObjects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteObjectsInput {
    /// The bucket.
    pub bucket: BucketName,
    /// 1 to 1,000 entries in the order of the request.
    pub entries: Vec<DeleteEntry>,
    /// Whether only failures are to be told.
    pub quiet: bool,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteEntry {
    /// A key to be deleted.
    Key(ObjectKey),
    /// A text that no object can have as its key, and why.
    Refused(String, S3Error),
}

impl DeleteObjectsInput {
    /// Reads the input. `body` is what the head said of `document`.
    ///
    /// # Errors
    /// `MalformedXML`, `InvalidRequest` when nothing protects the list, `NotImplemented` for versions and conditions.
    pub fn parse(
        request: &Request<'_>,
        body: &BodyDeclaration,
        document: &[u8],
    ) -> Result<Self, S3Error> {
        if body.md5().is_none() && *body.checksum() == DeclaredChecksum::None {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
            ));
        }
        let document_read = parse_delete(document)?;
        let entries = document_read
            .keys
            .into_iter()
            .map(|text| match parse_key(&text) {
                Ok(key) => DeleteEntry::Key(key),
                Err(error) => DeleteEntry::Refused(text, error),
            });
        Ok(Self {
            bucket: request.bucket()?,
            entries: entries.collect(),
            quiet: document_read.quiet,
        })
    }
}
