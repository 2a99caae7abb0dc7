//! `CreateMultipartUpload`.

use cairn_s3::input::{CreateUploadInput, UploadInput};
use cairn_s3::output::upload_created;

use super::{Call, Done, reflecting};

/// Begins an upload.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = CreateUploadInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let uploads = call.engine().uploads();
    let begun = uploads.create(&bucket, &input.key, &input.upload).await?;
    let target = UploadInput {
        bucket: input.bucket,
        key: input.key,
        upload: begun.value.upload,
    };
    let answer = upload_created(&target, input.upload.checksum);
    Ok(reflecting(begun.index, answer))
}
