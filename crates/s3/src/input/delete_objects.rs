//! `DeleteObjects`.

use cairn_types::name::{BucketName, ObjectKey};

use super::request::Request;
use crate::body::{BodyDeclaration, DeclaredChecksum};
use crate::code::Code;
use crate::error::S3Error;
use crate::route::parse_key;
use crate::xml::delete_objects::DeleteDocument;

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
    /// Makes sure that something protects the list, which `body` is said of. Call it before the list is read.
    ///
    /// # Errors
    /// `InvalidRequest` when nothing does.
    pub fn check_protected(body: &BodyDeclaration) -> Result<(), S3Error> {
        if body.md5().is_none() && *body.checksum() == DeclaredChecksum::None {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
            ));
        }
        Ok(())
    }

    /// Reads the input. `document` is what `parse_delete` found.
    ///
    /// # Errors
    /// `InvalidBucketName` when the request names no bucket.
    pub fn parse(request: &Request<'_>, document: DeleteDocument) -> Result<Self, S3Error> {
        let entries = document
            .keys
            .into_iter()
            .map(|text| match parse_key(&text) {
                Ok(key) => DeleteEntry::Key(key),
                Err(error) => DeleteEntry::Refused(text, error),
            });
        Ok(Self {
            bucket: request.bucket()?,
            entries: entries.collect(),
            quiet: document.quiet,
        })
    }
}
