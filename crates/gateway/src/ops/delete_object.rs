//! `DeleteObject`.

use cairn_s3::input::DeleteObjectInput;
use cairn_s3::output::object_deleted;
use cairn_types::namespace::data::{DeleteTarget, Deleted};

use super::{Call, Done, reflecting};

/// Deletes an object or one of its versions. One that is not there is deleted, too.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = DeleteObjectInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let target = DeleteTarget {
        version: input.version,
        ..input.key.into()
    };
    let deleted = call.engine().delete(&bucket, &[target]).await?;
    let outcome = deleted.value.first().copied();
    let outcome = outcome.unwrap_or(Deleted::Missing);
    if let Deleted::Refused(refusal) = outcome {
        return Err(refusal.into());
    }
    let answer = object_deleted(input.version, outcome);
    Ok(reflecting(deleted.index, answer))
}
