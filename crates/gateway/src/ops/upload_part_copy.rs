//! `UploadPartCopy`.

use std::ops::Range;
use std::sync::Arc;

use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::UploadPartCopyInput;
use cairn_s3::output::{part_copied, set_copied_version};
use http::HeaderMap;

use super::commit::commit_part;
use super::copy_object::{Original, open};
use super::{Call, Done};
use crate::copy_body::CopyBody;
use crate::late::Finished;

/// The largest part: 5 GiB.
const PART_LIMIT: u64 = 5 << 30;

/// Copies bytes of an object into a part. A part of an upload with a checksum gets one of its algorithm.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = UploadPartCopyInput::parse(&call.request())?;
    let info = call.upload_info(&input.target).await?;
    let (engine, door) = (call.engine().clone(), Arc::clone(call.door()?));
    let target = call.target(&input.target.key)?;
    let chosen = |len| range(&input, len);
    let Original { version, bytes } = open(call, &input.source, chosen).await?;
    let mut known = HeaderMap::new();
    set_copied_version(&mut known, input.source.version, &version);
    let len = bytes.len();
    let work = async move {
        let staged = match info.checksum {
            None => engine.stage(&target, len, bytes).await?,
            Some((algorithm, _)) => {
                let body = CopyBody::new(bytes, algorithm, engine.cpu().clone());
                engine.stage(&target, len, body).await?
            }
        };
        let copied = commit_part(&door, &input.target, input.number, staged).await?;
        let part = &copied.value;
        Ok(Finished {
            index: copied.index,
            element: part_copied(&part.etag, part.last_modified, part.checksum.as_ref()),
            headers: HeaderMap::new(),
        })
    };
    call.answer_late(Box::pin(work), known).await
}

/// The bytes that become the part, of a source of `len` bytes.
fn range(input: &UploadPartCopyInput, len: u64) -> Result<Range<u64>, S3Error> {
    let range = match input.range {
        None => 0..len,
        Some(range) => {
            let range = range.resolve(len)?;
            range.start..range.start + range.len
        }
    };
    if range.end - range.start > PART_LIMIT {
        return Err(
            S3Error::new(Code::EntityTooLarge).detail("MaxSizeAllowed", PART_LIMIT.to_string())
        );
    }
    Ok(range)
}
