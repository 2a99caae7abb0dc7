//! `GetObjectTagging`, `PutObjectTagging` and `DeleteObjectTagging`.

use std::sync::Arc;

use cairn_client::Indexed;
use cairn_engine::Engine;
use cairn_s3::input::{ObjectInput, PutObjectTaggingInput};
use cairn_s3::output::{object_configured, of_version, setting, setting_removed};
use cairn_s3::xml::tagging::{parse_tagging, write_tagging};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::tag::Tags;
use cairn_types::version::NamedVersion;

use super::{Call, Done, reflecting};
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Tells the tags of a version: none of one that never got any.
pub(super) async fn get(call: Call<'_>) -> Done {
    let input = ObjectInput::parse(&call.request())?;
    let door = call.door()?;
    let object = door.object(&input.key, input.version, call.action(), false);
    let object = object.await?;
    let text = write_tagging(&object.value.settings.tags);
    let version = NamedVersion::of(object.value.version, object.value.is_null);
    let answer = of_version(setting(text), told(input.version, version));
    Ok(reflecting(object.index, answer))
}

/// Says what the tags of a version are, and changes nothing else of it.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let pairs = call.document(body, declaration, parse_tagging).await?;
    let input = PutObjectTaggingInput::parse(&call.request(), pairs)?;
    let target = ObjectInput {
        bucket: input.bucket,
        key: input.key,
        version: input.version,
    };
    let changed = set(call, &target, &input.tags).await?;
    let told = told(target.version, changed.value);
    let answer = of_version(object_configured(), told);
    Ok(reflecting(changed.index, answer))
}

/// Removes the tags of a version; none are removed too.
pub(super) async fn delete(call: Call<'_>) -> Done {
    let target = ObjectInput::parse(&call.request())?;
    let changed = set(call, &target, &Tags::default()).await?;
    let told = told(target.version, changed.value);
    let answer = of_version(setting_removed(), told);
    Ok(reflecting(changed.index, answer))
}

async fn set(
    call: Call<'_>,
    target: &ObjectInput,
    tags: &Tags,
) -> Result<Indexed<NamedVersion>, Fault> {
    let (key, door) = (&target.key, call.door()?);
    // Who may is decided by the tags that it has, too, and so it is that version and no other.
    let object = door.object(key, target.version, call.action(), false);
    let object = object.await?.value;
    let version = NamedVersion::of(object.version, object.is_null);
    let set = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let objects = engine.objects();
        Ok(objects.set_tags(&bucket, key, Some(version), tags).await?)
    };
    door.settled(set).await
}

/// The version as the caller is told of it. Who did not name the null version is not told, as when it is read.
fn told(named: Option<NamedVersion>, version: NamedVersion) -> Option<NamedVersion> {
    Some(version).filter(|version| named.is_some() || *version != NamedVersion::Null)
}
