//! `UploadPart`.

use cairn_s3::body::BodyDeclaration;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::UploadPartInput;
use cairn_s3::output::part_stored;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind};

use super::commit::commit_part;
use super::{Call, Done, reflecting};
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Stores a part. The upload is looked up first, so that a part of none is refused before its body is read.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let input = UploadPartInput::parse(&call.request())?;
    let len = input.body.len();
    let info = call.upload_info(&input.target).await?;
    check_algorithm(info.checksum, &input.body)?;
    let algorithm = info.checksum.map(|(algorithm, _)| algorithm);
    let source = call.upload(body, input.body, algorithm);
    let target = call.target(&input.target.key)?;
    let staged = call.engine().stage(&target, len, source).await?;
    let stored = commit_part(call.door()?, &input.target, input.number, staged).await?;
    let answer = part_stored(&stored.value.etag, stored.value.checksum.as_ref());
    Ok(reflecting(stored.index, answer))
}

/// A part has the checksum that its upload was begun with, or none of its own.
fn check_algorithm(
    expected: Option<(ChecksumAlgorithm, ChecksumKind)>,
    body: &BodyDeclaration,
) -> Result<(), Fault> {
    match (expected, body.checksum_algorithm()) {
        (Some((expected, _)), Some(actual)) if expected != actual => {
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                expected.name().to_ascii_lowercase(),
                actual.name().to_ascii_lowercase()
            );
            Err(S3Error::with_message(Code::InvalidRequest, message).into())
        }
        _ => Ok(()),
    }
}
