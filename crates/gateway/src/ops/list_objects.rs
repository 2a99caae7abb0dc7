//! `ListObjects` and `ListObjectsV2`.

use std::sync::Arc;

use cairn_client::Indexed;
use cairn_client::objects::ObjectPage;
use cairn_engine::Engine;
use cairn_s3::input::{ListObjectsInput, ListObjectsV2Input};
use cairn_s3::operations::Operation;
use cairn_s3::output::{ListObjectsOutput, ListObjectsV2Output};
use cairn_types::namespace::data::ListObjects;
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};
use crate::fault::Fault;

/// One page, in one of the two forms.
pub(super) async fn serve(call: Call<'_>) -> Done {
    if call.route.operation == Operation::ListObjects {
        first_form(call).await
    } else {
        second_form(call).await
    }
}

async fn first_form(call: Call<'_>) -> Done {
    let input = ListObjectsInput::parse(&call.request())?;
    let asked = Asked {
        prefix: &input.prefix,
        delimiter: &input.delimiter,
        after: &input.marker,
        limit: input.limit,
    };
    let page = page(call, &asked).await?;
    let named = page.value.objects.iter().flat_map(|row| &row.owner);
    let output = ListObjectsOutput {
        input: &input,
        owners: call.owners_of(named)?,
        objects: &page.value.objects,
        common_prefixes: &page.value.common_prefixes,
        next: page.value.next.as_deref(),
    };
    Ok(reflecting(page.index, output.to_response()))
}

async fn second_form(call: Call<'_>) -> Done {
    let input = ListObjectsV2Input::parse(&call.request())?;
    let asked = Asked {
        prefix: &input.prefix,
        delimiter: &input.delimiter,
        after: &input.after,
        limit: input.limit,
    };
    let page = page(call, &asked).await?;
    let named = page.value.objects.iter().flat_map(|row| &row.owner);
    let output = ListObjectsV2Output {
        input: &input,
        owners: call.owners_of(named)?,
        objects: &page.value.objects,
        common_prefixes: &page.value.common_prefixes,
        next: page.value.next.as_deref(),
    };
    Ok(reflecting(page.index, output.to_response()))
}

/// What both forms ask.
struct Asked<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    after: &'a str,
    limit: u32,
}

async fn page(call: Call<'_>, asked: &Asked<'_>) -> Result<Indexed<ObjectPage>, Fault> {
    let list = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let question = ListObjects {
            bucket: bucket.bucket,
            prefix: asked.prefix.to_owned(),
            delimiter: asked.delimiter.to_owned(),
            after: asked.after.to_owned(),
            limit: asked.limit,
        };
        Ok(engine.objects().list(&bucket, &question).await?)
    };
    call.door()?.settled(list).await
}
