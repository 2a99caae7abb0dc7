//! `ListBuckets` and `CreateBucket`.

use cairn_iam::ownership::Ownership;
use cairn_types::name::BucketName;

use super::acl::AclInput;
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
    /// What its ACL is to be.
    pub acl: AclInput,
    /// Whose its objects are to be, if that is said.
    pub ownership: Option<Ownership>,
    /// Whether it is to have object lock, and with it versioning.
    pub is_lock_enabled: bool,
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
    /// `InvalidBucketName` when the request names no bucket, or one whose name S3 keeps for itself, `InvalidArgument` for
    /// headers that S3 does not know, and those of `AclInput`.
    pub fn parse(request: &Request<'_>, location: Option<String>) -> Result<Self, S3Error> {
        let bucket = request.bucket()?;
        bucket.check_unreserved().map_err(|_| {
            S3Error::new(Code::InvalidBucketName).detail("BucketName", bucket.as_str())
        })?;
        Ok(Self {
            bucket,
            location,
            acl: AclInput::parse(request)?,
            ownership: ownership(request)?,
            is_lock_enabled: is_lock_enabled(request)?,
        })
    }
}

fn ownership(request: &Request<'_>) -> Result<Option<Ownership>, S3Error> {
    const NAME: &str = "x-amz-object-ownership";
    let Some(text) = request.header(NAME)? else {
        return Ok(None);
    };
    let ownership = Ownership::parse(&text).ok_or_else(|| {
        let message = format!("Invalid x-amz-object-ownership header: {text}");
        S3Error::invalid_argument(NAME, &text, message)
    });
    ownership.map(Some)
}

fn is_lock_enabled(request: &Request<'_>) -> Result<bool, S3Error> {
    const NAME: &str = "x-amz-bucket-object-lock-enabled";
    match request.header(NAME)? {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(S3Error::invalid_argument(
            NAME,
            &text,
            "The value is neither true nor false",
        )),
    }
}
