//! `ListParts`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::input::ListPartsInput;
use cairn_s3::output::ListPartsOutput;

use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};
use crate::authorize::upload_key;

/// One page of an upload's parts.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ListPartsInput::parse(&call.request())?;
    let (door, asked) = (call.door()?, &input);
    door.allow_upload(&input.target, call.action()).await?;
    // A page of none still tells what the upload is: one is asked for and not shown.
    let list = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let upload = upload_key(&bucket, &asked.target);
        let (after, limit) = (asked.after, asked.limit.max(1));
        let page = engine.uploads().parts(&bucket, &upload, after, limit);
        Ok(page.await?)
    };
    let mut page = door.settled(list).await?;
    if input.limit == 0 {
        // As in other listings nothing follows it: there is no marker that would lead on.
        page.value.truncated = false;
        page.value.parts.clear();
    }
    let info = &page.value.info;
    let output = ListPartsOutput {
        input: &input,
        info,
        initiator: call.owner_of(info.initiator.as_ref())?,
        owner: call.owner_of(info.settings.owner.as_ref())?,
        parts: &page.value.parts,
        truncated: page.value.truncated,
    };
    Ok(reflecting(page.index, output.to_response()))
}
