//! `GetBucketVersioning` and `PutBucketVersioning`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::output::{bucket_configured, bucket_versioning};
use cairn_s3::xml::versioning::parse_versioning;
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Tells whether a bucket keeps versions.
pub(super) async fn get(call: Call<'_>) -> Done {
    let get = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        Ok(engine.buckets().versioning(&bucket).await?)
    };
    let versioning = call.door()?.settled(get).await?;
    let answer = bucket_versioning(versioning.value);
    Ok(reflecting(versioning.index, answer))
}

/// Says whether a bucket keeps versions from now on.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let versioning = call.document(body, declaration, parse_versioning).await?;
    let put = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let buckets = engine.buckets();
        Ok(buckets.set_versioning(&bucket, versioning).await?)
    };
    match call.door()?.settled(put).await {
        Ok(set) => Ok(reflecting(set.index, bucket_configured())),
        Err(fault) if fault.error.code() == Code::InvalidBucketState => Err(S3Error::with_message(
            Code::InvalidBucketState,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
        .into()),
        Err(fault) => Err(fault),
    }
}
