//! `ListObjects`, `ListObjectsV2` and `ListMultipartUploads`.

use cairn_types::id::UploadId;
use cairn_types::name::{BucketName, ObjectKey};

use super::encoding::KeyEncoding;
use super::number::page_len;
use super::request::Request;
use crate::error::S3Error;
use crate::list_token;
use crate::query::Query;

/// The input of `ListObjects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjectsInput {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys with this prefix.
    pub prefix: String,
    /// What common prefixes end with; empty: there are none.
    pub delimiter: String,
    /// Only what comes after this.
    pub marker: String,
    /// At most this many rows, 0 to 1,000.
    pub limit: u32,
    /// How keys in the answer are written.
    pub encoding: KeyEncoding,
    /// How the prefix is repeated.
    pub prefix_encoding: KeyEncoding,
}

/// The input of `ListObjectsV2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjectsV2Input {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys with this prefix.
    pub prefix: String,
    /// What common prefixes end with; empty: there are none.
    pub delimiter: String,
    /// Only what comes after this: from the token, or else from `start_after`.
    pub after: String,
    /// `start-after` as it came, if the answer is to repeat it.
    pub start_after: Option<String>,
    /// `continuation-token` as it came.
    pub token: Option<String>,
    /// At most this many rows, 0 to 1,000.
    pub limit: u32,
    /// How keys in the answer are written.
    pub encoding: KeyEncoding,
    /// Whether rows name their owner.
    pub fetches_owner: bool,
}

/// The input of `ListMultipartUploads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListUploadsInput {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys with this prefix.
    pub prefix: String,
    /// What common prefixes end with; empty: there are none.
    pub delimiter: String,
    /// Only keys after this, and this key's uploads after `upload_marker` if there is one.
    pub key_marker: String,
    /// See `key_marker`; `None` without a key marker.
    pub upload_marker: Option<UploadId>,
    /// At most this many rows, 0 to 1,000.
    pub limit: u32,
    /// How keys in the answer are written.
    pub encoding: KeyEncoding,
}

impl ListObjectsInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a number, an encoding or a kind of listing that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let query = request.query();
        if let Some(kind) = query.get("list-type") {
            return Err(S3Error::invalid_argument(
                "list-type",
                kind,
                "Invalid List Type Specified in Request",
            ));
        }
        check_order(request)?;
        let encoding = KeyEncoding::parse(request)?;
        let prefix_encoding = if request.dialect.encodes_prefix_of_first_version() {
            encoding
        } else {
            KeyEncoding::Plain
        };
        Ok(Self {
            bucket: request.bucket()?,
            prefix: name_part(query, "prefix")?,
            delimiter: name_part(query, "delimiter")?,
            marker: name_part(query, "marker")?,
            limit: page_len(query, "max-keys")?,
            encoding,
            prefix_encoding,
        })
    }
}

impl ListObjectsV2Input {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a number, an encoding or a token that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        check_order(request)?;
        let query = request.query();
        let bucket = request.bucket()?;
        let token = query.get("continuation-token").map(str::to_owned);
        let start_after = name_part(query, "start-after")?;
        let dialect = request.dialect;
        let after = match &token {
            Some(token) if token.is_empty() && dialect.takes_empty_token() => start_after.clone(),
            Some(token) => list_token::decode(Some(&bucket), token)?,
            None => start_after.clone(),
        };
        let echoes_start_after = token.is_none() || dialect.echoes_start_after_beside_token();
        Ok(Self {
            bucket,
            prefix: name_part(query, "prefix")?,
            delimiter: name_part(query, "delimiter")?,
            after,
            start_after: Some(start_after).filter(|text| echoes_start_after && !text.is_empty()),
            token,
            limit: page_len(query, "max-keys")?,
            encoding: KeyEncoding::parse(request)?,
            fetches_owner: query.get("fetch-owner") == Some("true"),
        })
    }
}

impl ListUploadsInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidArgument` for a number, an encoding or a marker that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let query = request.query();
        let key_marker = name_part(query, "key-marker")?;
        let upload_marker = query
            .get_nonempty("upload-id-marker")
            .filter(|_| !key_marker.is_empty())
            .map(|text| {
                UploadId::parse(text).map_err(|_| {
                    S3Error::invalid_argument("upload-id-marker", text, "Invalid uploadId marker")
                })
            });
        Ok(Self {
            bucket: request.bucket()?,
            prefix: name_part(query, "prefix")?,
            delimiter: name_part(query, "delimiter")?,
            upload_marker: upload_marker.transpose()?,
            key_marker,
            limit: page_len(query, "max-uploads")?,
            encoding: KeyEncoding::parse(request)?,
        })
    }
}

/// Who does without the order of keys, as Ceph's gateway lets them, gets it all the same, but no common prefixes.
fn check_order(request: &Request<'_>) -> Result<(), S3Error> {
    const NAME: &str = "allow-unordered";
    let query = request.query();
    let is_unordered = request.dialect.serves_rgw_extensions() && query.get(NAME) == Some("true");
    if is_unordered && query.get_nonempty("delimiter").is_some() {
        return Err(S3Error::invalid_argument(
            NAME,
            "true",
            "A listing without order has no common prefixes",
        ));
    }
    Ok(())
}

/// A text that keys are compared with: as long as the longest key at most.
pub(super) fn name_part(query: &Query, name: &'static str) -> Result<String, S3Error> {
    let text = query.get(name).unwrap_or_default();
    if text.len() > ObjectKey::MAX_LEN {
        return Err(S3Error::invalid_argument(
            name,
            text,
            format!("The {name} is longer than any key"),
        ));
    }
    Ok(text.to_owned())
}
