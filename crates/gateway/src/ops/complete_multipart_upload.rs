//! `CompleteMultipartUpload`.

use cairn_client::QueryError;
use cairn_client::uploads::Completion;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::CompleteUploadInput;
use cairn_s3::output::CompleteUploadOutput;
use cairn_types::namespace::Refusal;
use http::header;
use hyper::body::Incoming;

use super::{Call, Done, reflecting};
use crate::fault::Fault;

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
    let committed = uploads
        .complete(&bucket, &upload, completion)
        .await
        .map_err(|error| explain(error.into(), &input.target.upload.to_string()))?;
    let output = CompleteUploadOutput {
        location: &location(call),
        bucket: &input.target.bucket,
        key: &input.target.key,
        committed: &committed.value,
    };
    Ok(reflecting(committed.index, output.to_response()))
}

/// Names the upload where it is what is missing.
fn explain(fault: Fault, upload: &str) -> Fault {
    if fault.error.code() == Code::NoSuchUpload {
        return S3Error::new(Code::NoSuchUpload)
            .detail("UploadId", upload)
            .into();
    }
    fault
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
