//! `CompleteMultipartUpload`.

use cairn_client::QueryError;
use cairn_client::uploads::Completion;
use cairn_s3::input::CompleteUploadInput;
use cairn_s3::output::CompleteUploadOutput;
use cairn_types::namespace::Refusal;
use http::header;
use hyper::body::Incoming;

use super::{Call, Done, reflecting};

/// Makes the parts one object. Nothing is copied: one commit.
pub(super) async fn serve(call: Call<'_>, body: Incoming) -> Done {
    let document = call.document(body, call.declaration()?).await?;
    let input = CompleteUploadInput::parse(&call.request(), &document)?;
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
    format!("http://{host}{}", call.parts.uri.path())
}
