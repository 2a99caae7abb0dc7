//! `GetObjectAcl` and `PutObjectAcl`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_iam::acl::Acl;
use cairn_s3::input::{ObjectInput, PutObjectAclInput};
use cairn_s3::output::{object_configured, setting};
use cairn_s3::xml::access_control::parse_access_control;
use cairn_types::account::CanonicalId;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::ObjectVersion;
use cairn_types::version::NamedVersion;

use super::{Call, Done, reflecting};
use crate::acl::AskedAcl;
use crate::request_body::RequestBody;
use crate::rules::Rules;

/// Tells who is granted what on a version. Where ACLs say nothing, the bucket's owner has everything.
pub(super) async fn get(call: Call<'_>) -> Done {
    let input = ObjectInput::parse(&call.request())?;
    let door = call.door()?;
    let object = door.object(&input.key, input.version, call.action(), false);
    let object = object.await?;
    let rules = door.rules();
    let owner = owner_of(&object.value, &rules);
    let acl = object.value.settings.acl.clone();
    let acl = acl.filter(|_| rules.ownership.has_acls());
    let acl = acl.unwrap_or_else(|| Acl::private(owner));
    let text = call.acl_document(owner, &acl);
    Ok(reflecting(object.index, setting(text)))
}

/// Says who is granted what on a version, and changes nothing else of it.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let document = call.document(body, declaration, parse_access_control);
    let input = PutObjectAclInput::parse(&call.request(), document.await?)?;
    let asked = &AskedAcl::look_up(&call.gateway.identities, input.acl).await?;
    let (key, door) = (&input.key, call.door()?);
    // Nobody is refused upon what the bucket once said.
    door.refresh().await?;
    let object = door.object(key, input.version, call.action(), false);
    let object = &object.await?.value;
    let set = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let rules = door.rules();
        rules.check_put(asked)?;
        let acl = asked.for_object(owner_of(object, &rules), &rules.owner)?;
        if let Some(acl) = &acl {
            rules.check_public(acl)?;
        }
        // That version and no other: what it is to be was decided by whose it is.
        let version = NamedVersion::of(object.version, object.is_null);
        let objects = engine.objects();
        Ok(objects
            .set_acl(&bucket, key, Some(version), acl.as_ref())
            .await?)
    };
    let changed = door.settled(set).await?;
    Ok(reflecting(changed.index, object_configured()))
}

/// Whose a version is.
fn owner_of<'a>(object: &'a ObjectVersion, rules: &'a Rules) -> &'a CanonicalId {
    let stored = object.settings.owner.as_ref().unwrap_or(&rules.owner);
    rules.ownership.owner_of_stored(stored, &rules.owner)
}
