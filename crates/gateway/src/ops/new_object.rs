//! What is kept beside the bytes of an object that is written.

use cairn_s3::input::{ObjectSettingsInput, check_retention_is_ahead};
use cairn_types::account::CanonicalId;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::settings::ObjectSettings;

use super::Call;
use crate::fault::Fault;

/// Who writes, where it is not the bucket's owner.
pub(super) fn writer(call: Call<'_>, bucket: &BucketEntry) -> Option<CanonicalId> {
    let identity = call.verified.identity()?;
    let is_other = identity.id.as_str() != bucket.owner;
    is_other.then(|| identity.id.clone())
}

/// Tags and lock of an object that a request writes or begins to upload.
pub(super) fn settings(
    call: Call<'_>,
    input: ObjectSettingsInput,
) -> Result<ObjectSettings, Fault> {
    if let Some(retention) = input.lock.retention {
        check_retention_is_ahead(retention, call.gateway.clock.now())?;
    }
    Ok(ObjectSettings {
        tags: input.tags,
        lock: input.lock,
        ..ObjectSettings::default()
    })
}
