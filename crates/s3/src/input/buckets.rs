//! `ListBuckets` and `CreateBucket`.

use cairn_types::name::BucketName;

use super::request::Request;
use crate::code::Code;
use crate::error::S3Error;
use crate::list_token;

/// The most buckets in a page.
const BUCKETS_LIMIT: u32 = 10_000;

/// The input of `ListBuckets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListBucketsInput {
    /// Only names with this prefix; empty: all.
    pub prefix: String,
    /// Only names after this; empty: from the first.
    pub after: String,
    /// At most this many, 1 to 10,000.
    pub limit: u32,
    /// Only buckets of this region, if it is named.
    pub region: Option<String>,
}

/// The input of `CreateBucket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateBucketInput {
    /// The bucket.
    pub bucket: BucketName,
    /// `LocationConstraint`: the region that it is to be in, if one is named.
    pub location: Option<String>,
}

impl ListBucketsInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a number or token that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let query = request.query();
        let limit = match query.get_nonempty("max-buckets") {
            None => BUCKETS_LIMIT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=BUCKETS_LIMIT) => limit,
                _ => {
                    return Err(S3Error::invalid_argument(
                        "max-buckets",
                        text,
                        "Argument max-buckets must be an integer between 1 and 10000",
                    ));
                }
            },
        };
        let after = match query.get("continuation-token") {
            None => String::new(),
            Some(token) => list_token::decode(None, token)?,
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            after,
            limit,
            region: query.get_nonempty("bucket-region").map(str::to_owned),
        })
    }
}

impl CreateBucketInput {
    /// Reads the input. `location` is what `parse_create_bucket` found in the document.
    ///
    /// # Errors
    /// `InvalidBucketName` when the request names no bucket, or one whose name S3 keeps for itself.
    pub fn parse(request: &Request<'_>, location: Option<String>) -> Result<Self, S3Error> {
        let bucket = request.bucket()?;
        bucket.check_unreserved().map_err(|_| {
            S3Error::new(Code::InvalidBucketName).detail("BucketName", bucket.as_str())
        })?;
        Ok(Self { bucket, location })
    }
}
