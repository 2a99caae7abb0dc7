//! `CreateMultipartUpload`.

use cairn_s3::input::{CreateUploadInput, UploadInput};
use cairn_s3::output::upload_created;
use cairn_types::object::NewUpload;

use super::{Call, Done, new_object, reflecting};

/// Begins an upload.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = CreateUploadInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let upload = NewUpload {
        settings: new_object::settings(call, &bucket, input.settings).await?,
        initiator: new_object::writer(call, &bucket),
        ..input.upload
    };
    let uploads = call.engine().uploads();
    let begun = uploads.create(&bucket, &input.key, &upload).await?;
    let target = UploadInput {
        bucket: input.bucket,
        key: input.key,
        upload: begun.value.upload,
    };
    let answer = upload_created(&target, upload.checksum);
    Ok(reflecting(begun.index, answer))
}
