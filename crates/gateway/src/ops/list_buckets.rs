//! `ListBuckets`.

use cairn_s3::input::ListBucketsInput;
use cairn_s3::output::ListBucketsOutput;

use super::{Call, Done, reflecting};

/// One page, by name.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ListBucketsInput::parse(&call.request())?;
    let buckets = call.engine().buckets();
    let mut page = buckets
        .list(&input.after, &input.prefix, input.limit)
        .await?;
    let region = &call.gateway.config.region;
    // All buckets are in one region: another one has none.
    if input.region.as_ref().is_some_and(|asked| asked != region) {
        page.value.entries.clear();
        page.value.truncated = false;
    }
    let output = ListBucketsOutput {
        input: &input,
        owner: call.owner(),
        entries: &page.value.entries,
        truncated: page.value.truncated,
        region,
    };
    Ok(reflecting(page.index, output.to_response()))
}
