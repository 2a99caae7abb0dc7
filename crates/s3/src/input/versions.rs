//! `ListObjectVersions`, and how requests name versions.

use cairn_types::name::BucketName;
use cairn_types::version::NamedVersion;

use super::encoding::KeyEncoding;
use super::list_objects::name_part;
use super::number::page_len;
use super::request::Request;
use crate::error::S3Error;

/// The input of `ListObjectVersions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListVersionsInput {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys with this prefix.
    pub prefix: String,
    /// What common prefixes end with; empty: there are none.
    pub delimiter: String,
    /// Only keys after this, and this key's versions below `version_marker` if there is one.
    pub key_marker: String,
    /// See `key_marker`; `None` without a key marker.
    pub version_marker: Option<NamedVersion>,
    /// At most this many rows, 0 to 1,000.
    pub limit: u32,
    /// How keys in the answer are written.
    pub encoding: KeyEncoding,
}

impl ListVersionsInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a number, an encoding or a marker that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        const VERSION_MARKER: &str = "version-id-marker";
        let query = request.query();
        let key_marker = name_part(query, "key-marker")?;
        let version_marker = match query.get_nonempty(VERSION_MARKER) {
            None => None,
            Some(text) if key_marker.is_empty() => {
                return Err(S3Error::invalid_argument(
                    VERSION_MARKER,
                    text,
                    "A version-id marker cannot be specified without a key marker.",
                ));
            }
            Some(text) => Some(named_version(VERSION_MARKER, text)?),
        };
        Ok(Self {
            bucket: request.bucket()?,
            prefix: name_part(query, "prefix")?,
            delimiter: name_part(query, "delimiter")?,
            key_marker,
            version_marker,
            limit: page_len(query, "max-keys")?,
            encoding: KeyEncoding::parse(request)?,
        })
    }
}

/// The version that the parameter `name` names.
pub(super) fn named_version(name: &'static str, text: &str) -> Result<NamedVersion, S3Error> {
    NamedVersion::parse(text)
        .map_err(|_| S3Error::invalid_argument(name, text, "Invalid version id specified"))
}
