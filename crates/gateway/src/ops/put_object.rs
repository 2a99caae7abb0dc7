//! `PutObject`.

use cairn_engine::Described;
use cairn_s3::input::PutObjectInput;
use cairn_s3::output::object_stored;
use cairn_types::checksum::ChecksumAlgorithm;

use super::{Call, Done, known_len, new_object, reflecting};
use crate::request_body::RequestBody;

/// Stores an object. A body without a declared checksum gets a CRC-64/NVME, as at S3.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let input = PutObjectInput::parse(&call.request())?;
    let len = known_len(&input.body)?;
    let target = call.target(&input.bucket, &input.key).await?;
    let described = Described {
        headers: input.headers,
        settings: new_object::settings(call, &target.bucket, input.settings).await?,
    };
    let source = call.upload(body, input.body, Some(ChecksumAlgorithm::Crc64Nvme));
    let stored = call
        .engine()
        .put(&target, described, len, source, &input.condition)
        .await?;
    Ok(reflecting(stored.index, object_stored(&stored.value)))
}
