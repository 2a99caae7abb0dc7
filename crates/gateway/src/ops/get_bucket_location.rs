//! `GetBucketLocation`.

use cairn_s3::input::{BucketInput, check_expected_owner};
use cairn_s3::output::bucket_location;

use super::{Call, Done, reflecting};

/// Tells where a bucket is.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = BucketInput::parse(&call.request())?;
    let bucket = call.engine().buckets().fetch(&input.bucket).await?;
    check_expected_owner(&call.parts.headers, &bucket.value.owner)?;
    let answer = bucket_location(&call.gateway.config.region);
    Ok(reflecting(bucket.index, answer))
}
