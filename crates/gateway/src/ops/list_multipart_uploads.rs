//! `ListMultipartUploads`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::input::ListUploadsInput;
use cairn_s3::output::ListUploadsOutput;
use cairn_types::namespace::data::ListUploads;
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};

/// One page of open uploads.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = &ListUploadsInput::parse(&call.request())?;
    let list = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let question = ListUploads {
            bucket: bucket.bucket,
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            after_key: input.key_marker.clone(),
            after_upload: input.upload_marker,
            limit: input.limit,
        };
        Ok(engine.uploads().list(&bucket, &question).await?)
    };
    let page = call.door()?.settled(list).await?;
    let rows = &page.value.uploads;
    let named = rows
        .iter()
        .flat_map(|row| row.owner.iter().chain(&row.initiator));
    let next = page.value.next.as_ref();
    let output = ListUploadsOutput {
        input,
        owners: call.owners_of(named)?,
        uploads: &page.value.uploads,
        common_prefixes: &page.value.common_prefixes,
        next: next.map(|(key, upload)| (key.as_str(), *upload)),
    };
    Ok(reflecting(page.index, output.to_response()))
}
