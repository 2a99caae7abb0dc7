//! `ListObjectVersions`.

use cairn_s3::input::ListVersionsInput;
use cairn_s3::output::ListVersionsOutput;
use cairn_types::namespace::data::ListVersions;

use super::{Call, Done, reflecting};

/// One page of versions and delete markers.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ListVersionsInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let question = ListVersions {
        bucket: bucket.bucket,
        prefix: input.prefix.clone(),
        delimiter: input.delimiter.clone(),
        after_key: input.key_marker.clone(),
        after_version: input.version_marker,
        limit: input.limit,
    };
    let objects = call.engine().objects();
    let page = objects.list_versions(&bucket, &question).await?;
    let next = page.value.next.as_ref();
    let output = ListVersionsOutput {
        input: &input,
        owner: call.owner_of(&input.bucket).await?,
        versions: &page.value.versions,
        common_prefixes: &page.value.common_prefixes,
        next: next.map(|(key, version)| (key.as_str(), *version)),
    };
    Ok(reflecting(page.index, output.to_response()))
}
