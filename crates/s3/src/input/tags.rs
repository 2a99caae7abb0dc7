//! Tags, of documents and of `x-amz-tagging`.

use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::tag::{Tags, TagsError};
use cairn_types::version::NamedVersion;

use super::request::Request;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::uri::{self, Plus};

const NAME: &str = "x-amz-tagging";
/// Keys that begin so are AWS's own.
const SYSTEM_PREFIX: &str = "aws:";

/// The input of `PutBucketTagging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBucketTaggingInput {
    /// The bucket.
    pub bucket: BucketName,
    /// What its tags are to be.
    pub tags: Tags,
}

/// The input of `PutObjectTagging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectTaggingInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
    /// What its tags are to be.
    pub tags: Tags,
}

/// Where a copy has its tags from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaggingDirective {
    /// From the source.
    Copy,
    /// From the request.
    Replace(Tags),
}

impl PutBucketTaggingInput {
    /// Reads the input. `pairs` are what `parse_tagging` found in the document.
    ///
    /// # Errors
    /// `BadRequest` for more than 50 tags, `InvalidTag`.
    pub fn parse(request: &Request<'_>, pairs: Vec<(String, String)>) -> Result<Self, S3Error> {
        let most = Tags::MOST_OF_BUCKET;
        let refuse = |error| match error {
            TagsError::TooMany { most } => S3Error::with_message(
                Code::BadRequest,
                format!("Bucket tag count cannot be greater than {most}"),
            ),
            error => invalid_tag(error),
        };
        Ok(Self {
            bucket: request.bucket()?,
            tags: checked(pairs, most, refuse)?,
        })
    }
}

impl PutObjectTaggingInput {
    /// Reads the input. `pairs` are what `parse_tagging` found in the document.
    ///
    /// # Errors
    /// `BadRequest`, or what the dialect has for it, for more than 10 tags, `InvalidTag`, `InvalidArgument` for a version that
    /// cannot be.
    pub fn parse(request: &Request<'_>, pairs: Vec<(String, String)>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
            tags: tags_of_object(pairs, request.dialect)?,
        })
    }
}

impl TaggingDirective {
    /// Reads what a copy says.
    ///
    /// # Errors
    /// `InvalidArgument` for a directive that S3 does not know, and those of the tags.
    pub(super) fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        match request.header("x-amz-tagging-directive")?.as_deref() {
            None | Some("COPY") => Ok(Self::Copy),
            Some("REPLACE") => header_tags(request).map(Self::Replace),
            Some(other) => Err(S3Error::invalid_argument(
                "x-amz-tagging-directive",
                other,
                "Unknown tagging directive.",
            )),
        }
    }
}

/// Checks the tags of an object.
///
/// # Errors
/// `BadRequest`, or what the dialect has for it, for more than 10 of them, `InvalidTag`.
pub fn tags_of_object(pairs: Vec<(String, String)>, dialect: Dialect) -> Result<Tags, S3Error> {
    checked(pairs, Tags::MOST_OF_OBJECT, |error| match error {
        TagsError::TooMany { most } => S3Error::with_message(
            dialect.too_many_tags(),
            format!("Object tags cannot be greater than {most}"),
        ),
        error => invalid_tag(error),
    })
}

/// The tags that `x-amz-tagging` gives a new object: written like a query.
///
/// # Errors
/// `InvalidArgument` for what is not url-encoded and for keys that come twice, and those of `tags_of_object`.
pub(super) fn header_tags(request: &Request<'_>) -> Result<Tags, S3Error> {
    let text = request.header(NAME)?.unwrap_or_default();
    let refused = || {
        S3Error::invalid_argument(
            NAME,
            &text,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name \
             duplicates.",
        )
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text| uri::decode(text, Plus::Blank).map_err(|_| refused());
        let (key, value) = (decode(key)?, decode(value)?);
        // A header has at most kilobytes: so few keys can be compared with each other.
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(refused());
        }
        pairs.push((key, value));
    }
    tags_of_object(pairs, request.dialect)
}

fn checked(
    pairs: Vec<(String, String)>,
    most: usize,
    refuse: impl Fn(TagsError) -> S3Error,
) -> Result<Tags, S3Error> {
    for (key, value) in &pairs {
        if key.starts_with(SYSTEM_PREFIX) {
            return Err(S3Error::with_message(
                Code::InvalidTag,
                "System tags cannot be added/updated by requester",
            ));
        }
        if !key.chars().all(is_allowed) {
            return Err(invalid_tag(TagsError::KeyLength));
        }
        if !value.chars().all(is_allowed) {
            return Err(invalid_tag(TagsError::ValueLength));
        }
    }
    Tags::new(pairs, most).map_err(refuse)
}

/// Source: AWS, "Categorizing your objects using tags".
fn is_allowed(letter: char) -> bool {
    letter.is_alphanumeric() || letter.is_whitespace() || "+-=._:/@".contains(letter)
}

fn invalid_tag(error: TagsError) -> S3Error {
    let message = match error {
        TagsError::KeyLength => "The TagKey you have provided is invalid",
        TagsError::ValueLength => "The TagValue you have provided is invalid",
        TagsError::DuplicateKey => "Cannot provide multiple Tags with the same key",
        TagsError::TooMany { .. } => Code::InvalidTag.message(),
    };
    S3Error::with_message(Code::InvalidTag, message)
}
