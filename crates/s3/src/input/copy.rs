//! `CopyObject` and `UploadPartCopy`.

use cairn_types::checksum::ChecksumAlgorithm;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::WriteCondition;
use cairn_types::object::ObjectHeaders;
use cairn_types::version::NamedVersion;

use super::conditions::{ReadConditions, write_condition};
use super::multipart::UploadInput;
use super::number::part_number;
use super::object_headers::{object_headers, website_redirect};
use super::object_settings::ObjectSettingsInput;
use super::range::ByteRange;
use super::request::Request;
use super::tags::TaggingDirective;
use super::versions::named_version;
use crate::body::parse_checksum_algorithm;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;
use crate::route::{parse_bucket, parse_key};
use crate::uri::{self, Plus};

/// What is copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
    /// What must hold of it; anything but `Verdict::Proceed` is a failed precondition.
    pub conditions: ReadConditions,
}

/// Where a copy has its headers from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataDirective {
    /// From the source.
    Copy,
    /// From the request.
    Replace(ObjectHeaders),
}

/// The input of `CopyObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyObjectInput {
    /// The bucket of the copy.
    pub bucket: BucketName,
    /// The key of the copy.
    pub key: ObjectKey,
    /// What is copied from.
    pub source: CopySource,
    /// Where the headers come from.
    pub metadata: MetadataDirective,
    /// Where the copy sends those who ask for it as a page: a copy never has that from its source.
    pub website_redirect: Option<String>,
    /// What else is said of the copy; its tags are those of `tagging`.
    pub settings: ObjectSettingsInput,
    /// Where the tags come from.
    pub tagging: TaggingDirective,
    /// What must hold of the key of the copy.
    pub condition: WriteCondition,
    /// The checksum that the copy is to have, if one was asked for.
    pub checksum: Option<ChecksumAlgorithm>,
}

/// The input of `UploadPartCopy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPartCopyInput {
    /// Where the part goes.
    pub target: UploadInput,
    /// 1 to 10,000.
    pub number: u16,
    /// What is copied from.
    pub source: CopySource,
    /// Which bytes of it, if not all.
    pub range: Option<CopyRange>,
}

/// The bytes of a source to be copied into a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRange {
    first: u64,
    last: u64,
    beyond_end: Code,
}

/// Bucket and key as the value of `x-amz-copy-source` names them: decoded, without a slash before and without a version.
pub fn copy_source_path(value: &str) -> Option<String> {
    let path = value.split_once('?').map_or(value, |(path, _)| path);
    let path = uri::decode(path, Plus::Literal).ok()?;
    Some(path.strip_prefix('/').unwrap_or(&path).to_owned())
}

impl CopySource {
    fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        const NAME: &str = "x-amz-copy-source";
        let text = request.header(NAME)?.unwrap_or_default();
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let invalid = || {
            S3Error::invalid_argument(
                NAME,
                &text,
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
        };
        let version = match query.split_once('=') {
            None if query.is_empty() => None,
            Some(("versionId", version)) => Some(named_version("versionId", version)?),
            _ => return Err(invalid()),
        };
        let path = copy_source_path(&text).ok_or_else(invalid)?;
        let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
        if key.is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            bucket: parse_bucket(bucket)?,
            key: parse_key(key)?,
            version,
            conditions: ReadConditions::parse_copy(request.headers())?,
        })
    }
}

impl CopyObjectInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a source or a directive that cannot be, `InvalidRequest` for a copy of an object to itself
    /// that changes nothing.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        const ALGORITHM: &str = "x-amz-checksum-algorithm";
        request.refuse_version()?;
        let (bucket, key) = request.object()?;
        let source = CopySource::parse(request)?;
        let metadata = match request.header("x-amz-metadata-directive")?.as_deref() {
            None | Some("COPY") => MetadataDirective::Copy,
            Some("REPLACE") => MetadataDirective::Replace(object_headers(request.headers())?),
            Some(other) => {
                return Err(S3Error::invalid_argument(
                    "x-amz-metadata-directive",
                    other,
                    "Unknown metadata directive.",
                ));
            }
        };
        let checksum = request.header(ALGORITHM)?;
        let checksum = checksum.map(|name| parse_checksum_algorithm(ALGORITHM, &name));
        // An older version on top of itself is a change: it becomes the newest.
        let is_same = source.bucket == bucket && source.key == key && source.version.is_none();
        // Naming the one storage class there is counts as a change at S3, and clients refresh objects so.
        let names_class = request
            .header("x-amz-storage-class")?
            .is_some_and(|class| !class.is_empty());
        let website_redirect = website_redirect(request.headers())?;
        let changes = metadata != MetadataDirective::Copy
            || checksum.is_some()
            || names_class
            || website_redirect.is_some();
        if is_same && !changes {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        Ok(Self {
            bucket,
            key,
            source,
            metadata,
            website_redirect,
            settings: ObjectSettingsInput::parse(request)?,
            tagging: TaggingDirective::parse(request)?,
            condition: write_condition(request)?,
            checksum: checksum.transpose()?,
        })
    }
}

impl UploadPartCopyInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a source, a range or a part number that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let range = request.header("x-amz-copy-source-range")?;
        Ok(Self {
            number: part_number(request.query().get("partNumber").unwrap_or_default())?,
            target: UploadInput::parse(request)?,
            source: CopySource::parse(request)?,
            range: range
                .map(|text| CopyRange::parse(&text, request.dialect))
                .transpose()?,
        })
    }
}

impl CopyRange {
    /// The bytes of a source with `len` bytes.
    ///
    /// # Errors
    /// `InvalidArgument`, or what the dialect has for it, when it has not all of them.
    pub fn resolve(self, len: u64) -> Result<ByteRange, S3Error> {
        if self.last < len {
            return Ok(ByteRange {
                start: self.first,
                len: self.last - self.first + 1,
            });
        }
        Err(S3Error::with_message(
            self.beyond_end,
            format!("Range specified is not valid for source object of size: {len}"),
        )
        .detail("ArgumentName", "x-amz-copy-source-range")
        .detail(
            "ArgumentValue",
            format!("bytes={}-{}", self.first, self.last),
        ))
    }

    fn parse(text: &str, dialect: Dialect) -> Result<Self, S3Error> {
        let ends = text
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
            .and_then(|(first, last)| Some((number(first)?, number(last)?)));
        match ends {
            Some((first, last)) if first <= last => Ok(Self {
                first,
                last,
                beyond_end: dialect.copy_range_beyond_end(),
            }),
            _ => Err(S3Error::invalid_argument(
                "x-amz-copy-source-range",
                text,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                 zero-based offsets of the first and last bytes to copy",
            )),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
