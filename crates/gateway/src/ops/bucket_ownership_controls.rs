//! `GetBucketOwnershipControls`, `PutBucketOwnershipControls` and `DeleteBucketOwnershipControls`.

use cairn_s3::code::Code;
use cairn_s3::output::bucket_configured;
use cairn_s3::xml::ownership_controls::{parse_ownership_controls, write_ownership_controls};
use cairn_types::settings::{DocumentKind, SettingChange};

use super::settings;
use super::{Call, Done, reflecting};
use crate::acl::refused;
use crate::request_body::RequestBody;

const KIND: DocumentKind = DocumentKind::OwnershipControls;

/// Tells whose the objects are that others write.
pub(super) async fn get(call: Call<'_>) -> Done {
    settings::get_document(call, KIND, || Err(Code::OwnershipControlsNotFoundError)).await
}

/// Says whose they are. An ACL that grants to others may not become one that says nothing.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let ownership = call.document(body, declaration, parse_ownership_controls);
    let ownership = ownership.await?;
    let document = settings::kept(write_ownership_controls(ownership))?;
    let index = settings::change(call, |rules| {
        let checked = ownership.check_bucket_acl(&rules.acl, &rules.owner);
        checked.map_err(refused)?;
        Ok(SettingChange::Document {
            kind: KIND,
            document: Some(document.clone()),
        })
    });
    Ok(reflecting(index.await?, bucket_configured()))
}

/// From now on it is as it was before anything was said.
pub(super) async fn delete(call: Call<'_>) -> Done {
    settings::delete_document(call, KIND).await
}
