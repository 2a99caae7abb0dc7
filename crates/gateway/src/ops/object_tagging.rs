//! `GetObjectTagging`, `PutObjectTagging` and `DeleteObjectTagging`.

use cairn_client::Indexed;
use cairn_s3::input::{ObjectInput, PutObjectTaggingInput};
use cairn_s3::output::{bucket_configured, set_version, setting, setting_taken};
use cairn_s3::xml::tagging::{parse_tagging, write_tagging};
use cairn_types::tag::Tags;
use cairn_types::version::NamedVersion;
use http::Response;

use super::{Call, Done, reflecting};
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Tells the tags of a version: none of one that never got any.
pub(super) async fn get(call: Call<'_>) -> Done {
    let input = ObjectInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let objects = call.engine().objects();
    let object = objects.head(&bucket, &input.key, input.version).await?;
    let text = write_tagging(&object.value.settings.tags);
    let version = NamedVersion::of(object.value.version, object.value.is_null);
    let mut answer = setting(text.into());
    tell(&mut answer, input.version, version);
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
    let mut answer = bucket_configured();
    tell(&mut answer, target.version, changed.value);
    Ok(reflecting(changed.index, answer))
}

/// Removes the tags of a version; none are removed too.
pub(super) async fn delete(call: Call<'_>) -> Done {
    let target = ObjectInput::parse(&call.request())?;
    let changed = set(call, &target, &Tags::default()).await?;
    let mut answer = setting_taken();
    tell(&mut answer, target.version, changed.value);
    Ok(reflecting(changed.index, answer))
}

async fn set(
    call: Call<'_>,
    target: &ObjectInput,
    tags: &Tags,
) -> Result<Indexed<NamedVersion>, Fault> {
    let bucket = call.bucket(&target.bucket).await?;
    let objects = call.engine().objects();
    let changed = objects.set_tags(&bucket, &target.key, target.version, tags);
    Ok(changed.await?)
}

/// Says which version it is. Who did not name the null version is not told, as when it is read.
fn tell<T>(answer: &mut Response<T>, named: Option<NamedVersion>, version: NamedVersion) {
    if named.is_some() || version != NamedVersion::Null {
        set_version(answer.headers_mut(), version);
    }
}
