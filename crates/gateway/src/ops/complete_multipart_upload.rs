//! `CompleteMultipartUpload`.

use std::sync::Arc;

use cairn_client::uploads::Completion;
use cairn_engine::Engine;
use cairn_s3::code::Code;
use cairn_s3::input::CompleteUploadInput;
use cairn_s3::output::CompleteUploadOutput;
use cairn_s3::xml::complete_upload::parse_complete;
use cairn_types::namespace::Refusal;
use cairn_types::namespace::root::BucketEntry;
use http::header;

use super::{Call, Done, reflecting};
use crate::authorize::upload_key;
use crate::request_body::RequestBody;

/// Makes the parts one object. Nothing is copied: one commit.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let parts = call.document(body, declaration, parse_complete).await?;
    let input = CompleteUploadInput::parse(&call.request(), parts)?;
    let (door, target) = (call.door()?, &input.target);
    if let Some(kind) = input.checksum_kind {
        let find = |engine: Engine, bucket: Arc<BucketEntry>| async move {
            let upload = upload_key(&bucket, target);
            Ok(engine.uploads().info(&bucket, &upload).await?)
        };
        match door.settled(find).await {
            Ok(info) => match info.value.checksum {
                Some((_, own)) if own == kind => {}
                _ => return Err(Refusal::ChecksumKindMismatch.into()),
            },
            // It may be a repetition of what was completed.
            Err(fault) if fault.error.code() == Code::NoSuchUpload => {}
            Err(fault) => return Err(fault),
        }
    }
    let completion = &Completion {
        parts: input.parts,
        condition: input.condition,
        checksum: input.checksum,
        declared_len: input.declared_len,
    };
    let complete = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let upload = upload_key(&bucket, target);
        let completed = engine.uploads();
        let completed = completed.complete(&bucket, &upload, completion.clone());
        Ok(completed.await?)
    };
    let committed = door.settled(complete).await?;
    let output = CompleteUploadOutput {
        location: &location(call),
        bucket: &input.target.bucket,
        key: &input.target.key,
        committed: &committed.value,
    };
    Ok(reflecting(committed.index, output.to_response()))
}

/// The URL of the object, as the client addressed it.
fn location(call: Call<'_>) -> String {
    let host = call
        .parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let uri = &call.parts.uri;
    // Connections are plain here. What a header says of the way before is anybody's word.
    let scheme = uri.scheme_str().unwrap_or("http");
    format!("{scheme}://{host}{}", uri.path())
}
