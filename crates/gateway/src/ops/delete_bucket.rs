//! `DeleteBucket`.

use cairn_s3::input::BucketInput;
use cairn_s3::output::bucket_deleted;

use super::{Call, Done};
use crate::body::AnswerBody;

/// Deletes an empty bucket. Uploads in it do not count: they are aborted.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = BucketInput::parse(&call.request())?;
    call.engine().buckets().delete(&input.bucket).await?;
    Ok(bucket_deleted().map(AnswerBody::whole))
}
