//! `ListBuckets`.

use cairn_client::buckets::BucketPage;
use cairn_client::{Indexed, QueryError};
use cairn_s3::input::ListBucketsInput;
use cairn_s3::output::{ListBucketsOutput, Owner};

use super::{Call, Done, reflecting};

/// Buckets that are looked at in one question.
const LOOK: u32 = 1_000;

/// One page of the caller's own, by name.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ListBucketsInput::parse(&call.request())?;
    let requester = call.requester()?;
    let mut page = own(call, &input, requester.id.as_str()).await?;
    let region = &call.gateway.config.region;
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

/// A page of the buckets that `owner` has. Others are asked for and passed over, until the page is full and it is known
/// whether more follow.
async fn own(
    call: Call<'_>,
    input: &ListBucketsInput,
    owner: &str,
) -> Result<Indexed<BucketPage>, QueryError> {
    let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
    let mut after = input.after.clone();
    let mut entries = Vec::new();
    loop {
        let buckets = call.engine().buckets();
        let page = buckets.list(&after, &input.prefix, LOOK).await?;
        let last = page.value.entries.last();
        let next = last.map(|entry| entry.name.as_str().to_owned());
        let found = page.value.entries.into_iter();
        entries.extend(found.filter(|entry| entry.owner == owner));
        let is_full = entries.len() > limit;
        match next {
            Some(next) if page.value.truncated && !is_full => after = next,
            _ => {
                entries.truncate(limit);
                return Ok(Indexed {
                    value: BucketPage {
                        entries,
                        truncated: is_full,
                    },
                    index: page.index,
                });
            }
        }
    }
}
