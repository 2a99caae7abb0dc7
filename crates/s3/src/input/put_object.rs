//! `PutObject` and `DeleteObject`.

use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{DeleteCondition, WriteCondition};
use cairn_types::object::ObjectHeaders;
use cairn_types::version::NamedVersion;
use http::header;

use super::conditions::{delete_condition, write_condition};
use super::lock::bypasses_governance;
use super::object_headers::object_headers;
use super::object_settings::ObjectSettingsInput;
use super::request::Request;
use crate::body::{BODY_LIMIT, BodyDeclaration};
use crate::code::Code;
use crate::error::S3Error;

/// The input of `PutObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is kept with the object.
    pub headers: ObjectHeaders,
    /// What must hold.
    pub condition: WriteCondition,
    /// What else is said of the object.
    pub settings: ObjectSettingsInput,
    /// What was said of the body.
    pub body: BodyDeclaration,
}

/// The input of `DeleteObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, for good.
    pub version: Option<NamedVersion>,
    /// Whether a retention of mode governance is to be passed.
    pub bypass_governance: bool,
    /// What must hold.
    pub condition: DeleteCondition,
}

impl PutObjectInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `MissingContentLength`, `EntityTooLarge` beyond 5 GiB, `MetadataTooLarge`, `NotImplemented` for other conditions
    /// than S3 has, and those of `ObjectSettingsInput` and `BodyDeclaration`.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        Self::with_body(request, sized_body(request)?)
    }

    /// Reads the input of a form that was made a `PutObject` of: its file has a length when it ends.
    ///
    /// # Errors
    /// As `parse`.
    pub fn of_form(request: &Request<'_>) -> Result<Self, S3Error> {
        let body = BodyDeclaration::of_form(request.headers(), request.verified, request.dialect)?;
        Self::with_body(request, body)
    }

    fn with_body(request: &Request<'_>, body: BodyDeclaration) -> Result<Self, S3Error> {
        request.refuse_version()?;
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            body,
            headers: object_headers(request.headers())?,
            settings: ObjectSettingsInput::parse(request)?,
            condition: write_condition(request)?,
        })
    }
}

impl DeleteObjectInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `NotImplemented` for a condition that the dialect does not have, `InvalidArgument` for a version that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
            bypass_governance: bypasses_governance(request.headers()),
            condition: delete_condition(request)?,
        })
    }
}

/// What is said of a body that becomes an object or a part.
pub(super) fn sized_body(request: &Request<'_>) -> Result<BodyDeclaration, S3Error> {
    let headers = request.headers();
    let body = BodyDeclaration::parse(
        request.route.operation,
        headers,
        request.verified,
        request.dialect,
    )?;
    let is_framed = headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING);
    if !is_framed {
        return Err(S3Error::new(Code::MissingContentLength));
    }
    match body.len() {
        Some(len) if len > BODY_LIMIT => Err(S3Error::new(Code::EntityTooLarge)
            .detail("ProposedSize", len.to_string())
            .detail("MaxSizeAllowed", BODY_LIMIT.to_string())),
        Some(_) | None => Ok(body),
    }
}
