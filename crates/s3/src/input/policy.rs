//! `PutBucketPolicy`.

use cairn_types::name::BucketName;

use super::request::Request;
use crate::error::S3Error;

/// The input of `PutBucketPolicy`, beside the text of the policy, which is the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBucketPolicyInput {
    /// The bucket.
    pub bucket: BucketName,
    /// Whether the caller gives up the right to change the policy again, if the policy takes it away.
    pub confirms_lock_out: bool,
}

impl PutBucketPolicyInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidBucketName` when the request names no bucket.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let confirmed = request.header("x-amz-confirm-remove-self-bucket-access")?;
        Ok(Self {
            bucket: request.bucket()?,
            confirms_lock_out: confirmed.is_some_and(|text| text.eq_ignore_ascii_case("true")),
        })
    }
}
