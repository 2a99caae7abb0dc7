//! `DeleteObject`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::input::DeleteObjectInput;
use cairn_s3::output::object_deleted;
use cairn_types::namespace::data::{DeleteTarget, Deleted};
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};

/// Deletes an object or one of its versions. One that is not there is deleted, too.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = DeleteObjectInput::parse(&call.request())?;
    let door = call.door()?;
    let target = &DeleteTarget {
        version: input.version,
        // Who asks for it may: that was decided before.
        bypass_governance: input.version.is_some() && input.bypass_governance,
        condition: input.condition,
        marker_owner: door.marker_owner(),
        ..input.key.into()
    };
    let delete = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let targets = std::slice::from_ref(target);
        Ok(engine.delete(&bucket, targets).await?)
    };
    let deleted = door.settled(delete).await?;
    let outcome = deleted.value.first().copied();
    let outcome = outcome.unwrap_or(Deleted::Missing);
    if let Deleted::Refused(refusal) = outcome {
        return Err(refusal.into());
    }
    let answer = object_deleted(input.version, outcome);
    Ok(reflecting(deleted.index, answer))
}
