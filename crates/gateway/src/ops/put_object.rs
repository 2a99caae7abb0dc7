//! `PutObject`.

use cairn_s3::input::PutObjectInput;
use cairn_s3::output::object_stored;
use cairn_types::checksum::ChecksumAlgorithm;

use super::commit::{NewObject, commit};
use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Stores an object. A body without a declared checksum gets a CRC-64/NVME, as at S3.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let input = PutObjectInput::parse(&call.request())?;
    let len = input.body.len();
    let door = call.door()?;
    let target = call.target(&input.key)?;
    let settings = call.asked(input.settings).await?;
    // What would be refused in the end is refused before the body is read.
    door.settings_of_new(&settings).await?;
    let source = call.upload(body, input.body, Some(ChecksumAlgorithm::Crc64Nvme));
    let staged = call.engine().stage(&target, len, source).await?;
    let object = NewObject {
        key: input.key,
        headers: input.headers,
        settings,
        condition: input.condition,
    };
    let stored = commit(door, &object, staged).await?;
    Ok(reflecting(stored.index, object_stored(&stored.value)))
}
