//! `ListObjectVersions`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::input::ListVersionsInput;
use cairn_s3::output::ListVersionsOutput;
use cairn_types::namespace::data::ListVersions;
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};

/// One page of versions and delete markers.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = &ListVersionsInput::parse(&call.request())?;
    let list = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let question = ListVersions {
            bucket: bucket.bucket,
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            after_key: input.key_marker.clone(),
            after_version: input.version_marker,
            limit: input.limit,
        };
        let objects = engine.objects();
        Ok(objects.list_versions(&bucket, &question).await?)
    };
    let page = call.door()?.settled(list).await?;
    let named = page.value.versions.iter().flat_map(|row| &row.owner);
    let next = page.value.next.as_ref();
    let output = ListVersionsOutput {
        input,
        owners: call.owners_of(named)?,
        versions: &page.value.versions,
        common_prefixes: &page.value.common_prefixes,
        next: next.map(|(key, version)| (key.as_str(), *version)),
    };
    Ok(reflecting(page.index, output.to_response()))
}
