//! `GetObjectAttributes`.

use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::version::NamedVersion;

use super::number::PAGE_LIMIT;
use super::request::Request;
use crate::code::Code;
use crate::error::S3Error;

const ATTRIBUTES: &str = "x-amz-object-attributes";

/// The input of `GetObjectAttributes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAttributesInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
    /// What is to be told, at least one.
    pub attributes: Vec<ObjectAttribute>,
    /// Only parts with numbers above this.
    pub after: u16,
    /// At most this many parts, 0 to 1,000.
    pub limit: u32,
    /// Whether parts are listed that have no checksum.
    pub lists_parts_without_checksums: bool,
}

/// Something to be told of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectAttribute {
    /// Its ETag.
    ETag,
    /// Its checksum.
    Checksum,
    /// Its parts.
    ObjectParts,
    /// Its storage class.
    StorageClass,
    /// Its length.
    ObjectSize,
}

impl ObjectAttribute {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "ETag" => Some(Self::ETag),
            "Checksum" => Some(Self::Checksum),
            "ObjectParts" => Some(Self::ObjectParts),
            "StorageClass" => Some(Self::StorageClass),
            "ObjectSize" => Some(Self::ObjectSize),
            _ => None,
        }
    }
}

impl ObjectAttributesInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for attributes and numbers that cannot be, `InvalidRequest` when none is named.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        let text = request.header(ATTRIBUTES)?.unwrap_or_default();
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let attributes = names.map(|name| {
            ObjectAttribute::parse(name).ok_or_else(|| {
                S3Error::invalid_argument(ATTRIBUTES, name, "Invalid attribute name specified.")
            })
        });
        let attributes = attributes.collect::<Result<Vec<_>, _>>()?;
        if attributes.is_empty() {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
            ));
        }
        let after = number(request, "x-amz-part-number-marker")?.unwrap_or(0);
        let limit = number(request, "x-amz-max-parts")?.unwrap_or(PAGE_LIMIT);
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
            attributes,
            after: u16::try_from(after).unwrap_or(u16::MAX),
            limit: limit.min(PAGE_LIMIT),
            lists_parts_without_checksums: request.dialect.lists_parts_without_checksums(),
        })
    }

    /// Whether something is to be told.
    pub fn wants(&self, attribute: ObjectAttribute) -> bool {
        self.attributes.contains(&attribute)
    }
}

fn number(request: &Request<'_>, name: &'static str) -> Result<Option<u32>, S3Error> {
    let Some(text) = request.header(name)? else {
        return Ok(None);
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<i32> = is_number.then(|| text.parse().ok()).flatten();
    match number.and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(S3Error::invalid_argument(
            name,
            &text,
            format!("Provided {name} not an integer or within integer range"),
        )),
    }
}
