//! `DeleteObject`.

use cairn_s3::input::DeleteObjectInput;
use cairn_s3::output::object_deleted;

use super::{Call, Done, reflecting};

/// Deletes an object. One that is not there is deleted, too.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = DeleteObjectInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let deleted = call.engine().delete(&bucket, &[input.key.into()]).await?;
    Ok(reflecting(deleted.index, object_deleted()))
}
