//! `UploadPartCopy`.

use cairn_engine::CopyFrom;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::UploadPartCopyInput;
use cairn_s3::output::part_copied;

use super::copy_object::original;
use super::{Call, Done, reflecting};
use crate::copy_body::CopyBody;

/// The largest part: 5 GiB.
const PART_LIMIT: u64 = 5 << 30;

/// Copies bytes of an object into a part. A part of an upload with a checksum gets one of its algorithm.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = UploadPartCopyInput::parse(&call.request())?;
    let (bucket, upload) = call.upload_key(&input.target).await?;
    let engine = call.engine();
    let info = engine.uploads().info(&bucket, &upload).await?.value;
    let original = original(call, &input.source).await?;
    let range = match input.range {
        None => 0..original.version.len,
        Some(range) => {
            let range = range.resolve(original.version.len)?;
            range.start..range.start + range.len
        }
    };
    if range.end - range.start > PART_LIMIT {
        return Err(S3Error::new(Code::EntityTooLarge)
            .detail("MaxSizeAllowed", PART_LIMIT.to_string())
            .into());
    }
    let from = CopyFrom {
        bucket: original.bucket,
        version: original.version,
        range: Some(range),
    };
    let copied = match info.checksum {
        None => {
            engine
                .copy_part(&from, &bucket, &upload, input.number)
                .await?
        }
        Some((algorithm, _)) => {
            let source = engine.copy_source(&from).await?;
            let len = source.len();
            let body = CopyBody::new(source, algorithm);
            engine
                .put_part(&bucket, &upload, input.number, len, body)
                .await?
        }
    };
    let part = &copied.value;
    let answer = part_copied(&part.etag, part.last_modified, part.checksum.as_ref());
    Ok(reflecting(copied.index, answer))
}
