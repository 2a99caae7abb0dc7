//! What is kept beside the bytes of an object that is written.

use cairn_s3::input::ObjectSettingsInput;
use cairn_types::account::CanonicalId;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::settings::ObjectSettings;
use std::sync::Arc;

use super::Call;
use crate::acl::{AclRules, AskedAcl};
use crate::fault::Fault;

/// Who writes, where it is not the bucket's owner.
pub(super) fn writer(call: Call<'_>, bucket: &BucketEntry) -> Option<CanonicalId> {
    let identity = call.verified.identity()?;
    let is_other = identity.id.as_str() != bucket.owner;
    is_other.then(|| identity.id.clone())
}

/// Owner, ACL, tags and lock of an object that a request writes or begins to upload.
pub(super) async fn settings(
    call: Call<'_>,
    bucket: &Arc<BucketEntry>,
    input: ObjectSettingsInput,
) -> Result<ObjectSettings, Fault> {
    let asked = AskedAcl::look_up(&call.gateway.identities, input.acl).await?;
    let identity = call.verified.identity();
    let is_owners = identity.is_some_and(|identity| identity.id.as_str() == bucket.owner);
    // Whatever the bucket was told, what its owner writes without a word is his and private.
    let (owner, acl) = if is_owners && asked == AskedAcl::Unsaid {
        (None, None)
    } else {
        let known = call.engine().buckets().settings(bucket).await?.value;
        let writer = identity.map(|identity| &identity.id);
        AclRules::read(&known)?.of_new_object(writer, &asked)?
    };
    Ok(ObjectSettings {
        owner,
        acl,
        tags: input.tags,
        lock: input.lock,
    })
}
