//! `AbortMultipartUpload`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::input::UploadInput;
use cairn_s3::output::upload_aborted;
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};
use crate::authorize::upload_key;

/// Forgets an upload; the bytes of its parts go later.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = &UploadInput::parse(&call.request())?;
    let door = call.door()?;
    door.allow_upload(input, call.action()).await?;
    let abort = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let upload = upload_key(&bucket, input);
        Ok(engine.uploads().abort(&bucket, &upload).await?)
    };
    let aborted = door.settled(abort).await?;
    Ok(reflecting(aborted.index, upload_aborted()))
}
