//! `HeadBucket`.

use cairn_s3::input::{BucketInput, asks_statistics, check_expected_owner};
use cairn_s3::output::{bucket_head, set_statistics};

use super::{Call, Done, reflecting};

/// Tells whether a bucket exists: a linearizable read, because nothing else would notice that it is gone.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = BucketInput::parse(&call.request())?;
    let bucket = call.engine().buckets().fetch(&input.bucket).await?;
    check_expected_owner(&call.parts.headers, &bucket.value.owner)?;
    let mut answer = bucket_head(&call.gateway.config.region);
    if asks_statistics(&call.request()) {
        let counters = call.engine().buckets().counters(&bucket.value).await?;
        set_statistics(answer.headers_mut(), &counters);
    }
    Ok(reflecting(bucket.index, answer))
}
