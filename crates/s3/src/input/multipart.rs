//! Multipart uploads, but for copying into them and listing them.

use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use cairn_types::id::UploadId;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{CompletedPart, WriteCondition};
use cairn_types::object::NewUpload;

use super::conditions::write_condition;
use super::encoding::KeyEncoding;
use super::number::{page_len, part_number};
use super::object_headers::object_headers;
use super::object_settings::ObjectSettingsInput;
use super::put_object::sized_body;
use super::request::{Request, header_text};
use crate::body::{BodyDeclaration, parse_checksum_algorithm};
use crate::checksum;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::S3Error;

/// An id that no upload has: ids are random. It stands for a text that is no id.
const NO_UPLOAD: UploadId = UploadId::new(0);

/// The input of `CreateMultipartUpload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUploadInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The headers of the object to be, and the checksum its parts are to have.
    pub upload: NewUpload,
    /// What else is said of the object to be.
    pub settings: ObjectSettingsInput,
}

/// The input of an operation that takes nothing but an upload: `AbortMultipartUpload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
}

/// The input of `UploadPart`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPartInput {
    /// Where the part goes.
    pub target: UploadInput,
    /// 1 to 10,000.
    pub number: u16,
    /// What was said of the body.
    pub body: BodyDeclaration,
}

/// The input of `ListParts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPartsInput {
    /// Whose parts.
    pub target: UploadInput,
    /// Only numbers above this.
    pub after: u16,
    /// At most this many rows, 0 to 1,000.
    pub limit: u32,
    /// How the key in the answer is written.
    pub encoding: KeyEncoding,
}

/// The input of `CompleteMultipartUpload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteUploadInput {
    /// What is completed.
    pub target: UploadInput,
    /// 1 to 10,000 parts, ascending.
    pub parts: Vec<CompletedPart>,
    /// What must hold.
    pub condition: WriteCondition,
    /// The checksum that the object is to have, if one was named.
    pub checksum: Option<Checksum>,
    /// What it is taken over, if that was named.
    pub checksum_kind: Option<ChecksumKind>,
    /// How long the object is to be, if that was named.
    pub declared_len: Option<u64>,
}

impl CreateUploadInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidRequest` for an algorithm and a type of checksum that do not go together, `MetadataTooLarge`,
    /// and those of `ObjectSettingsInput`.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        request.refuse_version()?;
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            upload: NewUpload {
                settings: cairn_types::settings::ObjectSettings::default(),
                initiator: None,
                headers: object_headers(request.headers())?,
                checksum: upload_checksum(request)?,
            },
            settings: ObjectSettingsInput::parse(request)?,
        })
    }
}

impl UploadInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidURI` when the request names no object, `InvalidArgument` when it names a version.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        request.refuse_version()?;
        let (bucket, key) = request.object()?;
        let text = request.query().get("uploadId").unwrap_or_default();
        // A text that is no id is no upload's: that is decided where the bucket is known.
        let upload = UploadId::parse(text).unwrap_or(NO_UPLOAD);
        Ok(Self {
            bucket,
            key,
            upload,
        })
    }
}

impl UploadPartInput {
    /// Reads the input.
    ///
    /// # Errors
    /// As for `PutObject`; `InvalidArgument` for a part number that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            number: part_number(request.query().get("partNumber").unwrap_or_default())?,
            target: UploadInput::parse(request)?,
            body: sized_body(request)?,
        })
    }
}

impl ListPartsInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a number that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let query = request.query();
        let after = match query.get_nonempty("part-number-marker") {
            None => 0,
            Some(text) => text.parse::<u32>().map_err(|_| {
                S3Error::invalid_argument(
                    "part-number-marker",
                    text,
                    "Provided part-number-marker not an integer or within integer range",
                )
            })?,
        };
        Ok(Self {
            target: UploadInput::parse(request)?,
            after: u16::try_from(after).unwrap_or(u16::MAX),
            limit: page_len(query, "max-parts")?,
            encoding: KeyEncoding::parse(request)?,
        })
    }
}

impl CompleteUploadInput {
    /// Reads the input. `parts` are what `parse_complete` found in the document.
    ///
    /// # Errors
    /// `InvalidPartOrder`, `InvalidRequest` for a length or a checksum that cannot be, `NotImplemented` for a condition that is not built.
    pub fn parse(request: &Request<'_>, parts: Vec<CompletedPart>) -> Result<Self, S3Error> {
        let parts = in_order(parts, request.dialect)?;
        let declared_len = match request.header("x-amz-mp-object-size")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                S3Error::with_message(
                    Code::InvalidRequest,
                    "Value for x-amz-mp-object-size header is invalid.",
                )
            })?),
        };
        Ok(Self {
            target: UploadInput::parse(request)?,
            condition: write_condition(request)?,
            checksum: object_checksum(request, parts.len())?,
            checksum_kind: checksum_kind(request)?,
            declared_len,
            parts,
        })
    }
}

/// Parts ascend. Where a dialect takes one that is listed twice, the last counts.
fn in_order(parts: Vec<CompletedPart>, dialect: Dialect) -> Result<Vec<CompletedPart>, S3Error> {
    let mut ordered: Vec<CompletedPart> = Vec::with_capacity(parts.len());
    for part in parts {
        match ordered.last_mut() {
            Some(last) if last.number > part.number => {
                return Err(S3Error::new(Code::InvalidPartOrder));
            }
            Some(last) if last.number == part.number => {
                if !dialect.takes_last_of_repeated_parts() {
                    return Err(S3Error::new(Code::InvalidPartOrder));
                }
                *last = part;
            }
            Some(_) | None => ordered.push(part),
        }
    }
    Ok(ordered)
}

/// The checksum that parts are to have. By default it is composite, but for the one algorithm that only knows wholes.
fn upload_checksum(
    request: &Request<'_>,
) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, S3Error> {
    const NAME: &str = "x-amz-checksum-algorithm";
    let kind = checksum_kind(request)?;
    let Some(name) = request.header(NAME)? else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::with_message(
                Code::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = parse_checksum_algorithm(NAME, &name)?;
    let default = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        _ => ChecksumKind::Composite,
    };
    let kind = kind.unwrap_or(default);
    let fits = match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => true,
        ChecksumAlgorithm::Crc64Nvme => kind == ChecksumKind::FullObject,
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => kind == ChecksumKind::Composite,
    };
    if fits {
        return Ok(Some((algorithm, kind)));
    }
    Err(S3Error::with_message(
        Code::InvalidRequest,
        format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind_name(kind),
            algorithm.name().to_ascii_lowercase()
        ),
    ))
}

fn checksum_kind(request: &Request<'_>) -> Result<Option<ChecksumKind>, S3Error> {
    match request.header("x-amz-checksum-type")?.as_deref() {
        None => Ok(None),
        Some("FULL_OBJECT") => Ok(Some(ChecksumKind::FullObject)),
        Some("COMPOSITE") => Ok(Some(ChecksumKind::Composite)),
        Some(_) => Err(S3Error::with_message(
            Code::InvalidRequest,
            "Value for x-amz-checksum-type header is invalid.",
        )),
    }
}

/// What headers and XML call it.
pub(crate) const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The checksum of the object: `<base64>`, or composite with the number of its parts, `<base64>-<parts>`.
fn object_checksum(request: &Request<'_>, part_count: usize) -> Result<Option<Checksum>, S3Error> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let name = checksum::header_name(algorithm);
        let Some(text) = header_text(request.headers(), name)? else {
            continue;
        };
        let (value, count) = text.split_once('-').unwrap_or((&text, ""));
        let counts = count.is_empty() || count.parse() == Ok(part_count);
        let value = checksum::decode(algorithm, value).filter(|_| counts);
        let value = value.ok_or_else(|| {
            S3Error::with_message(
                request.dialect.bad_checksum_value(),
                format!("Value for {name} header is invalid."),
            )
        })?;
        if found.replace(value).is_some() {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    Ok(found)
}
