//! What every input is made of.

use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::version::NamedVersion;
use http::HeaderMap;
use http::request::Parts;

use super::versions::named_version;
use crate::auth::Verified;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::query::Query;
use crate::route::Route;

const VERSION_ID: &str = "versionId";

/// A request that was routed and whose sender is proven.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its head.
    pub parts: &'a Parts,
    /// What it asks for.
    pub route: &'a Route,
    /// Who sent it.
    pub verified: &'a Verified,
    /// Whose answer is given where servers disagree.
    pub dialect: Dialect,
}

/// The input of an operation that takes nothing but a bucket: `DeleteBucket`, `HeadBucket`, `GetBucketLocation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInput {
    /// The bucket.
    pub bucket: BucketName,
}

impl BucketInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidBucketName` when the request names no bucket.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            bucket: request.bucket()?,
        })
    }
}

impl Request<'_> {
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    pub(super) const fn query(&self) -> &Query {
        &self.route.query
    }

    /// The bucket that the path names.
    pub(super) fn bucket(&self) -> Result<BucketName, S3Error> {
        let bucket = self.route.target.bucket();
        bucket
            .cloned()
            .ok_or_else(|| S3Error::new(Code::InvalidBucketName))
    }

    /// The bucket and the key that the path names.
    pub(super) fn object(&self) -> Result<(BucketName, ObjectKey), S3Error> {
        let key = self.route.target.key();
        let key = key.cloned().ok_or_else(|| S3Error::new(Code::InvalidURI))?;
        Ok((self.bucket()?, key))
    }

    /// The version that the request names.
    pub(super) fn version(&self) -> Result<Option<NamedVersion>, S3Error> {
        match self.query().get(VERSION_ID) {
            None => Ok(None),
            Some("") => Err(S3Error::invalid_argument(
                VERSION_ID,
                "",
                "Version id cannot be the empty string",
            )),
            Some(text) => named_version(VERSION_ID, text).map(Some),
        }
    }

    /// Refuses a version where what is written is always a new one.
    pub(super) fn refuse_version(&self) -> Result<(), S3Error> {
        match self.query().get(VERSION_ID) {
            None => Ok(()),
            Some(text) => Err(S3Error::invalid_argument(
                VERSION_ID,
                text,
                "This operation does not accept a version-id.",
            )),
        }
    }

    /// A header as text; `None` when it is missing.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<String>, S3Error> {
        header_text(self.headers(), name)
    }
}

/// All values of a header as one text, with commas between.
pub(super) fn header_text(
    headers: &HeaderMap,
    name: &'static str,
) -> Result<Option<String>, S3Error> {
    let mut joined: Option<String> = None;
    for value in headers.get_all(name) {
        let text = std::str::from_utf8(value.as_bytes())
            .map_err(|_| S3Error::invalid_argument(name, "", "A header value is not UTF-8"))?;
        match &mut joined {
            None => joined = Some(text.trim().to_owned()),
            Some(joined) => {
                joined.push(',');
                joined.push_str(text.trim());
            }
        }
    }
    Ok(joined)
}

/// Compares `x-amz-expected-bucket-owner` with a bucket's owner.
///
/// # Errors
/// `AccessDenied` when another owner was expected.
pub fn check_expected_owner(headers: &HeaderMap, owner: &str) -> Result<(), S3Error> {
    check_owner(headers, "x-amz-expected-bucket-owner", owner)
}

/// Compares `x-amz-source-expected-bucket-owner` with the owner of the bucket that is copied from.
///
/// # Errors
/// `AccessDenied` when another owner was expected.
pub fn check_expected_source_owner(headers: &HeaderMap, owner: &str) -> Result<(), S3Error> {
    check_owner(headers, "x-amz-source-expected-bucket-owner", owner)
}

fn check_owner(headers: &HeaderMap, name: &'static str, owner: &str) -> Result<(), S3Error> {
    match header_text(headers, name)? {
        Some(expected) if expected != owner => Err(S3Error::new(Code::AccessDenied)),
        Some(_) | None => Ok(()),
    }
}
