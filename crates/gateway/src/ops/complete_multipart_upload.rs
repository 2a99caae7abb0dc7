//! `CompleteMultipartUpload`.

use cairn_client::QueryError;
use cairn_client::uploads::Completion;
use cairn_s3::input::CompleteUploadInput;
use cairn_s3::output::CompleteUploadOutput;
use cairn_s3::xml::complete_upload::parse_complete;
use cairn_types::namespace::Refusal;
use http::header;

use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Makes the parts one object. Nothing is copied: one commit.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let parts = call.document(body, declaration, parse_complete).await?;
    let input = CompleteUploadInput::parse(&call.request(), parts)?;
    let (bucket, upload) = call.upload_key(&input.target).await?;
    let uploads = call.engine().uploads();
    if let Some(kind) = input.checksum_kind {
        match uploads.info(&bucket, &upload).await {
            Ok(info) => match info.value.checksum {
                Some((_, own)) if own == kind => {}
                _ => return Err(Refusal::ChecksumKindMismatch.into()),
            },
            // It may be a repetition of what was completed.
            Err(QueryError::Refused(Refusal::NoSuchUpload)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let completion = Completion {
        parts: input.parts,
        condition: input.condition,
        checksum: input.checksum,
        declared_len: input.declared_len,
    };
    let committed = uploads.complete(&bucket, &upload, completion).await?;
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
