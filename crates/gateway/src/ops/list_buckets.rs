//! `ListBuckets`.

use cairn_s3::input::{ListBucketsInput, asks_usage};
use cairn_s3::output::{ListBucketsOutput, Owner, account_usage};

use super::{Call, Done, reflecting};
use crate::body::AnswerBody;

/// One page of the caller's own, by name.
pub(super) async fn serve(call: Call<'_>) -> Done {
    if asks_usage(&call.request()) {
        call.requester()?;
        return Ok(account_usage().map(AnswerBody::whole));
    }
    let input = ListBucketsInput::parse(&call.request())?;
    let region = &call.gateway.config.region;
    let Ok(requester) = call.requester() else {
        // Only where the dialect let them in.
        let output = ListBucketsOutput {
            input: &input,
            owner: Owner::anonymous(),
            entries: &[],
            truncated: false,
            region,
        };
        return Ok(output.to_response().map(AnswerBody::whole));
    };
    let (owner, buckets) = (requester.id.as_str(), call.engine().buckets());
    let page = buckets.list_owned(owner, &input.after, &input.prefix, input.limit);
    let mut page = page.await?;
    // All buckets are in one region: another one has none.
    if input.region.as_ref().is_some_and(|asked| asked != region) {
        page.value.entries.clear();
        page.value.truncated = false;
    }
    let output = ListBucketsOutput {
        input: &input,
        owner: Owner::from(requester),
        entries: &page.value.entries,
        truncated: page.value.truncated,
        region,
    };
    Ok(reflecting(page.index, output.to_response()))
}
