//! `GetObject` and `HeadObject`.

use cairn_types::etag::ETag;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::object::{Content, ObjectVersion};
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;
use http::HeaderValue;

use super::conditions::{ReadConditions, Verdict, evaluate_read, unquoted};
use super::number::part_number;
use super::range::{ByteRange, RangeSpec, unsatisfiable};
use super::request::Request;
use crate::auth::Caller;
use crate::code::Code;
use crate::date::parse_http_date;
use crate::dialect::HeaderText;
use crate::error::S3Error;

/// The input of `GetObject` and `HeadObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
    /// What must hold.
    pub conditions: ReadConditions,
    /// Which bytes, if not all, with the header as it came.
    pub range: Option<(RangeSpec, String)>,
    /// Which part, if not all.
    pub part_number: Option<u16>,
    /// Whether the answer is to have the checksum.
    pub wants_checksum: bool,
    /// Headers that the answer is to have instead of the object's.
    pub overrides: ResponseOverrides,
    /// How metadata that is not ASCII is told.
    pub metadata_text: HeaderText,
    if_range: Option<String>,
    part_out_of_range: Code,
}

/// Headers that a reader asks for in place of the object's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseOverrides {
    /// `response-content-type`.
    pub content_type: Option<HeaderValue>,
    /// `response-content-language`.
    pub content_language: Option<HeaderValue>,
    /// `response-expires`.
    pub expires: Option<HeaderValue>,
    /// `response-cache-control`.
    pub cache_control: Option<HeaderValue>,
    /// `response-content-disposition`.
    pub content_disposition: Option<HeaderValue>,
    /// `response-content-encoding`.
    pub content_encoding: Option<HeaderValue>,
}

/// What of an object is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadPlan {
    /// Nothing: the reader has it.
    NotModified,
    /// All of it.
    Whole,
    /// These bytes.
    Range(ByteRange),
    /// One part of an object that was completed from parts.
    Part {
        /// Its bytes; `None` for a part without any.
        range: Option<ByteRange>,
        /// How many parts the object has.
        part_count: usize,
    },
}

impl ReadObjectInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a part number or a version that cannot be, `InvalidRequest` for a range and a part at once and for
    /// overrides in an anonymous request.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        let range = request.header("range")?;
        let part = request.query().get("partNumber").map(part_number);
        let part_number = part.transpose()?;
        if range.is_some() && part_number.is_some() {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        let mode = request.header("x-amz-checksum-mode")?;
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
            conditions: ReadConditions::parse(request.headers())?,
            range: range.and_then(|text| Some((RangeSpec::parse(&text)?, text))),
            part_number,
            wants_checksum: mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED")),
            overrides: ResponseOverrides::parse(request)?,
            metadata_text: request.dialect.metadata_text(),
            if_range: request.header("if-range")?,
            part_out_of_range: request.dialect.part_out_of_range(),
        })
    }

    /// Decides what of an object is to be sent. The object's `content` matters only as far as it names parts.
    ///
    /// # Errors
    /// `PreconditionFailed`, `InvalidRange`, `InvalidPartNumber` or what the dialect has for it.
    pub fn plan(&self, object: &ObjectVersion) -> Result<ReadPlan, S3Error> {
        match evaluate_read(&self.conditions, &object.etag, object.last_modified) {
            Verdict::Proceed => {}
            Verdict::NotModified => return Ok(ReadPlan::NotModified),
            Verdict::PreconditionFailed(name) => {
                return Err(S3Error::new(Code::PreconditionFailed).detail("Condition", name));
            }
        }
        if let Some(number) = self.part_number {
            return plan_part(number, object, self.part_out_of_range);
        }
        match &self.range {
            Some((range, text)) if self.range_applies(&object.etag, object.last_modified) => range
                .resolve(object.len)
                .map(ReadPlan::Range)
                .ok_or_else(|| unsatisfiable(text, object.len)),
            Some(_) | None => Ok(ReadPlan::Whole),
        }
    }

    /// `If-Range`: the range is only of the object that the reader has a piece of.
    fn range_applies(&self, etag: &ETag, last_modified: Timestamp) -> bool {
        match &self.if_range {
            None => true,
            Some(text) => match parse_http_date(text) {
                Some(date) => date.as_secs() == last_modified.as_secs(),
                None => unquoted(text) == etag.to_string(),
            },
        }
    }
}

impl ReadPlan {
    /// The bytes to be sent of an object with `len` bytes; `None` for no bytes.
    pub const fn range(&self, len: u64) -> Option<ByteRange> {
        match self {
            Self::NotModified => None,
            Self::Whole if len == 0 => None,
            Self::Whole => Some(ByteRange { start: 0, len }),
            Self::Range(range) => Some(*range),
            Self::Part { range, .. } => *range,
        }
    }
}

impl ResponseOverrides {
    fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let overrides = Self {
            content_type: value(request, "response-content-type")?,
            content_language: value(request, "response-content-language")?,
            expires: value(request, "response-expires")?,
            cache_control: value(request, "response-cache-control")?,
            content_disposition: value(request, "response-content-disposition")?,
            content_encoding: value(request, "response-content-encoding")?,
        };
        let is_anonymous = matches!(request.verified.caller(), Caller::Anonymous);
        if is_anonymous && overrides != Self::default() {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests.",
            ));
        }
        Ok(overrides)
    }
}

fn value(request: &Request<'_>, name: &'static str) -> Result<Option<HeaderValue>, S3Error> {
    let Some(text) = request.query().get(name) else {
        return Ok(None);
    };
    HeaderValue::from_bytes(text.as_bytes())
        .map(Some)
        .map_err(|_| S3Error::invalid_argument(name, text, "Not a header value"))
}

/// The part of this number: of an object that was put whole, all of it is part 1.
fn plan_part(number: u16, object: &ObjectVersion, out_of_range: Code) -> Result<ReadPlan, S3Error> {
    let not_satisfiable =
        || S3Error::new(out_of_range).detail("PartNumberRequested", number.to_string());
    let Content::Parts { parts, .. } = &object.content else {
        if number != 1 {
            return Err(not_satisfiable().detail("ActualPartCount", "1"));
        }
        let whole = RangeSpec::From(0, None).resolve(object.len);
        return Ok(whole.map_or(ReadPlan::Whole, ReadPlan::Range));
    };
    let mut start = 0;
    for part in parts {
        if part.number == number {
            return Ok(ReadPlan::Part {
                range: RangeSpec::From(0, None)
                    .resolve(part.len)
                    .map(|range| ByteRange { start, ..range }),
                part_count: parts.len(),
            });
        }
        start += part.len;
    }
    Err(not_satisfiable().detail("ActualPartCount", parts.len().to_string()))
}
