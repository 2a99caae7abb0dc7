//! `CreateMultipartUpload`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::input::{CreateUploadInput, UploadInput};
use cairn_s3::output::upload_created;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::NewUpload;

use super::{Call, Done, reflecting};

/// Begins an upload.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = CreateUploadInput::parse(&call.request())?;
    let door = call.door()?;
    let settings = &call.asked(input.settings).await?;
    let (key, asked) = (&input.key, &input.upload);
    let create = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let upload = NewUpload {
            settings: door.settings_of_new(settings).await?,
            initiator: (door.asker().account())
                .filter(|account| account.as_str() != bucket.owner)
                .cloned(),
            ..asked.clone()
        };
        Ok(engine.uploads().create(&bucket, key, &upload).await?)
    };
    let begun = door.settled(create).await?;
    let target = UploadInput {
        bucket: input.bucket,
        key: input.key,
        upload: begun.value.upload,
    };
    let answer = upload_created(&target, input.upload.checksum);
    Ok(reflecting(begun.index, answer))
}
