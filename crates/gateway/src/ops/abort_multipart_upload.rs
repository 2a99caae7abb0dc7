//! `AbortMultipartUpload`.

use cairn_s3::input::UploadInput;
use cairn_s3::output::upload_aborted;

use super::{Call, Done, reflecting};

/// Forgets an upload; the bytes of its parts go later.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = UploadInput::parse(&call.request())?;
    let (bucket, upload) = call.upload_key(&input).await?;
    let aborted = call.engine().uploads().abort(&bucket, &upload).await?;
    Ok(reflecting(aborted.index, upload_aborted()))
}
