//! `ListParts`.

use cairn_s3::input::ListPartsInput;
use cairn_s3::output::ListPartsOutput;

use super::{Call, Done, reflecting};

/// One page of an upload's parts.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ListPartsInput::parse(&call.request())?;
    let (bucket, upload) = call.upload_key(&input.target).await?;
    let uploads = call.engine().uploads();
    // A page of none still tells what the upload is: one is asked for and not shown.
    let mut page = uploads
        .parts(&bucket, &upload, input.after, input.limit.max(1))
        .await?;
    if input.limit == 0 {
        page.value.truncated |= !page.value.parts.is_empty();
        page.value.parts.clear();
    }
    let output = ListPartsOutput {
        input: &input,
        info: &page.value.info,
        owner: call.owner_of(&bucket.name).await?,
        parts: &page.value.parts,
        truncated: page.value.truncated,
    };
    Ok(reflecting(page.index, output.to_response()))
}
