//! Retention and legal hold of versions: `GetObjectRetention`, `PutObjectRetention`, `GetObjectLegalHold` and
//! `PutObjectLegalHold`.

use std::sync::Arc;

use cairn_client::Indexed;
use cairn_engine::Engine;
use cairn_s3::code::Code;
use cairn_s3::input::{ObjectInput, PutRetentionInput, check_retention_is_ahead};
use cairn_s3::output::{object_configured, setting};
use cairn_s3::xml::lock::{parse_legal_hold, parse_retention, write_legal_hold, write_retention};
use cairn_types::lock::ObjectLock;
use cairn_types::namespace::Refusal;
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};
use crate::authorize::Question;
use crate::authorize::action::BYPASS;
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Tells until when a version is retained.
pub(super) async fn get_retention(call: Call<'_>) -> Done {
    let lock = lock(call).await?;
    let retention = lock
        .value
        .retention
        .ok_or(Code::NoSuchObjectLockConfiguration)?;
    Ok(reflecting(lock.index, setting(write_retention(retention))))
}

/// Changes until when a version is retained.
pub(super) async fn put_retention(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let retention = call.document(body, declaration, parse_retention).await?;
    let input = &PutRetentionInput::parse(&call.request(), retention)?;
    if let Some(retention) = input.retention {
        check_retention_is_ahead(retention, call.gateway.clock.now())?;
    }
    let door = call.door()?;
    if input.bypass_governance {
        door.allow(Question::on(BYPASS, &input.key)).await?;
    }
    let put = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let asked = (input.retention, input.bypass_governance);
        let objects = engine.objects();
        let changed = objects.set_retention(&bucket, &input.key, input.version, asked);
        Ok(changed.await?)
    };
    let changed = door.settled(put).await?;
    Ok(reflecting(changed.index, object_configured()))
}

/// Tells whether a version is held.
pub(super) async fn get_legal_hold(call: Call<'_>) -> Done {
    let lock = lock(call).await?;
    let hold = lock
        .value
        .legal_hold
        .ok_or(Code::NoSuchObjectLockConfiguration)?;
    Ok(reflecting(lock.index, setting(write_legal_hold(hold))))
}

/// Changes whether a version is held.
pub(super) async fn put_legal_hold(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let hold = call.document(body, declaration, parse_legal_hold).await?;
    let input = &ObjectInput::parse(&call.request())?;
    let put = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let objects = engine.objects();
        let changed = objects.set_legal_hold(&bucket, &input.key, input.version, hold);
        Ok(changed.await?)
    };
    let changed = call.door()?.settled(put).await?;
    Ok(reflecting(changed.index, object_configured()))
}

/// The lock of the version that a request is about. In a bucket that has no lock there is nothing to ask for.
async fn lock(call: Call<'_>) -> Result<Indexed<ObjectLock>, Fault> {
    let input = ObjectInput::parse(&call.request())?;
    let door = call.door()?;
    let head = door.object(&input.key, input.version, call.action(), false);
    let head = head.await?;
    let lock = head.value.settings.lock;
    if lock.is_empty() && door.rules().settings.lock.is_none() {
        return Err(Refusal::NoObjectLock.into());
    }
    Ok(Indexed {
        value: lock,
        index: head.index,
    })
}
