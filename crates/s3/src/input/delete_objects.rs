//! `DeleteObjects`.

use cairn_types::name::BucketName;
use cairn_types::namespace::data::DeleteTarget;
use cairn_types::version::NamedVersion;

use super::lock::bypasses_governance;
use super::request::Request;
use crate::body::{BodyDeclaration, DeclaredChecksum};
use crate::code::Code;
use crate::error::S3Error;
use crate::route::parse_key;
use crate::xml::delete_objects::{DeleteDocument, DeleteLine};

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
    /// What is to be deleted.
    Target(DeleteTarget),
    /// A key or a version that no object can have, and why.
    Refused(DeleteLine, S3Error),
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
    /// `InvalidBucketName` when the request names no bucket, `NotImplemented` for conditions that the dialect does not have.
    pub fn parse(request: &Request<'_>, document: DeleteDocument) -> Result<Self, S3Error> {
        let bypass_governance = bypasses_governance(request.headers());
        let takes_every = request
            .dialect
            .evaluates_delete_conditions_on_size_and_time();
        for line in &document.objects {
            let condition = &line.condition;
            if !takes_every && (condition.last_modified.is_some() || condition.len.is_some()) {
                return Err(S3Error::with_message(
                    Code::NotImplemented,
                    "The elements LastModifiedTime and Size are not implemented",
                ));
            }
        }
        let entries =
            document
                .objects
                .into_iter()
                .map(|line| match parse_target(&line, bypass_governance) {
                    Ok(target) => DeleteEntry::Target(target),
                    Err(error) => DeleteEntry::Refused(line, error),
                });
        Ok(Self {
            bucket: request.bucket()?,
            entries: entries.collect(),
            quiet: document.quiet,
        })
    }
}

/// A line whose version cannot be is about a version that is not there: the other lines are done all the same.
fn parse_target(line: &DeleteLine, bypass_governance: bool) -> Result<DeleteTarget, S3Error> {
    let key = parse_key(&line.key)?;
    let version = line.version.as_deref().map(NamedVersion::parse);
    let version = version
        .transpose()
        .map_err(|_| S3Error::new(Code::NoSuchVersion))?;
    Ok(DeleteTarget {
        version,
        bypass_governance,
        condition: line.condition.clone(),
        ..key.into()
    })
}
