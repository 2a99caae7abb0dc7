//! `GetObjectAttributes`.

use std::sync::Arc;

use cairn_engine::ReadError;
use cairn_s3::input::{ObjectAttribute, ObjectAttributesInput};
use cairn_s3::output::{ObjectAttributesOutput, PartAttributes};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, ObjectVersion};

use super::get_object::TRIES;
use super::{Call, Done, reflecting};
use crate::fault::Fault;

/// Tells of an object without its bytes.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ObjectAttributesInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let objects = call.engine().objects();
    for _ in 0..TRIES {
        let object = objects.head(&bucket, &input.key, input.version).await?;
        let Some(parts) = parts(call, &input, &bucket, &object.value).await? else {
            // The version went away before its parts were looked up.
            continue;
        };
        let output = ObjectAttributesOutput {
            input: &input,
            object: &object.value,
            parts: &parts,
        };
        return Ok(reflecting(object.index, output.to_response()));
    }
    Err(ReadError::Superseded.into())
}

/// The parts that are asked for; `None` when they are not there any more.
async fn parts(
    call: Call<'_>,
    input: &ObjectAttributesInput,
    bucket: &Arc<BucketEntry>,
    object: &ObjectVersion,
) -> Result<Option<Vec<PartAttributes>>, Fault> {
    let Content::Parts { upload, parts } = &object.content else {
        return Ok(Some(Vec::new()));
    };
    let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
    let mut page = parts
        .iter()
        .filter(|part| part.number > input.after)
        .take(limit);
    let Some(first) = page
        .next()
        .filter(|_| input.wants(ObjectAttribute::ObjectParts))
    else {
        return Ok(Some(Vec::new()));
    };
    let count = 1 + page.count();
    let uploads = call.engine().uploads();
    let found = uploads
        .part_contents(bucket, &object.key, *upload, first.number, input.limit)
        .await?;
    if found.len() < count {
        return Ok(None);
    }
    let told = found.into_iter().take(count).map(|part| PartAttributes {
        number: part.number,
        len: part.len,
        checksum: part.checksum,
    });
    Ok(Some(told.collect()))
}
