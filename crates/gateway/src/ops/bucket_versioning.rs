//! `GetBucketVersioning` and `PutBucketVersioning`.

use cairn_client::MutateError;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::BucketInput;
use cairn_s3::output::{bucket_configured, bucket_versioning};
use cairn_s3::xml::versioning::parse_versioning;
use cairn_types::namespace::Refusal;

use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Tells whether a bucket keeps versions.
pub(super) async fn get(call: Call<'_>) -> Done {
    let input = BucketInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let versioning = call.engine().buckets().versioning(&bucket).await?;
    Ok(reflecting(
        versioning.index,
        bucket_versioning(versioning.value),
    ))
}

/// Says whether a bucket keeps versions from now on.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let input = BucketInput::parse(&call.request())?;
    let declaration = call.declaration()?;
    let versioning = call.document(body, declaration, parse_versioning).await?;
    let bucket = call.bucket(&input.bucket).await?;
    let buckets = call.engine().buckets();
    match buckets.set_versioning(&bucket, versioning).await {
        Ok(set) => Ok(reflecting(set.index, bucket_configured())),
        Err(MutateError::Refused(Refusal::InvalidBucketState)) => Err(S3Error::with_message(
            Code::InvalidBucketState,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}
