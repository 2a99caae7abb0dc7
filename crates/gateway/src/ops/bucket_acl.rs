//! `GetBucketAcl` and `PutBucketAcl`.

use cairn_iam::acl::Acl;
use cairn_s3::input::PutBucketAclInput;
use cairn_s3::output::{bucket_configured, setting};
use cairn_s3::xml::access_control::parse_access_control;
use cairn_types::settings::SettingChange;

use super::settings;
use super::{Call, Done, reflecting};
use crate::acl::AskedAcl;
use crate::request_body::RequestBody;

/// Tells who is granted what on a bucket. Where ACLs say nothing, its owner has everything.
pub(super) async fn get(call: Call<'_>) -> Done {
    let known = settings::read(call).await?;
    let rules = call.door()?.rules();
    let alone = Acl::private(&rules.owner);
    let acl = if rules.ownership.has_acls() {
        &rules.acl
    } else {
        &alone
    };
    let text = call.acl_document(&rules.owner, acl);
    Ok(reflecting(known.index, setting(text)))
}

/// Says who is granted what on a bucket.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let document = call.document(body, declaration, parse_access_control);
    let input = PutBucketAclInput::parse(&call.request(), document.await?)?;
    let asked = AskedAcl::look_up(&call.gateway.identities, input.acl).await?;
    let index = settings::change(call, |rules| {
        rules.check_put(&asked)?;
        let acl = asked.for_bucket(&rules.owner)?;
        let acl = acl.unwrap_or_else(|| Acl::private(&rules.owner));
        rules.check_public(&acl)?;
        Ok(SettingChange::Acl(acl))
    });
    Ok(reflecting(index.await?, bucket_configured()))
}
