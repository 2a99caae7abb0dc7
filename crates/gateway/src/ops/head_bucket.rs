//! `HeadBucket`.

use cairn_s3::input::{BucketInput, check_expected_owner};
use cairn_s3::output::bucket_head;

use super::{Call, Done, reflecting};

/// Tells whether a bucket exists: a linearizable read, because nothing else would notice that it is gone.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = BucketInput::parse(&call.request())?;
    let bucket = call.engine().buckets().fetch(&input.bucket).await?;
    check_expected_owner(&call.parts.headers, &bucket.value.owner)?;
    let answer = bucket_head(&call.gateway.config.region);
    Ok(reflecting(bucket.index, answer))
}
