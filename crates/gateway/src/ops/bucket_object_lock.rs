//! `GetObjectLockConfiguration` and `PutObjectLockConfiguration`.

use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::PutObjectLockInput;
use cairn_s3::output::{bucket_configured, setting};
use cairn_s3::xml::lock::{parse_object_lock, write_object_lock};
use cairn_types::settings::SettingChange;

use super::{Call, Done, reflecting, settings};
use crate::request_body::RequestBody;

/// Tells of the lock of a bucket.
pub(super) async fn get(call: Call<'_>) -> Done {
    let told = settings::read(call).await?;
    let lock = told.value.settings.lock.ok_or_else(|| {
        S3Error::new(Code::ObjectLockConfigurationNotFoundError)
            .detail("BucketName", told.value.bucket.name.as_str())
    })?;
    Ok(reflecting(told.index, setting(write_object_lock(&lock))))
}

/// Gives a bucket that keeps versions a lock, or another default retention.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let default = call.document(body, declaration, parse_object_lock).await?;
    let input = PutObjectLockInput::parse(&call.request(), default)?;
    match settings::change(call, |_| Ok(SettingChange::Lock(input.lock))).await {
        Ok(index) => Ok(reflecting(index, bucket_configured())),
        Err(fault) if fault.error.code() == Code::InvalidBucketState => Err(S3Error::with_message(
            Code::InvalidBucketState,
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
        .into()),
        Err(fault) => Err(fault),
    }
}
