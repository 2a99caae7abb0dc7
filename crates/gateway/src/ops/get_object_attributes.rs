//! `GetObjectAttributes`.

use std::sync::Arc;

use cairn_engine::{Engine, ReadError};
use cairn_s3::input::{ObjectAttribute, ObjectAttributesInput};
use cairn_s3::output::{ObjectAttributesOutput, PartAttributes};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, ObjectVersion};

use super::get_object::TRIES;
use super::{Call, Done, reflecting};
use crate::authorize::Door;
use crate::fault::Fault;

/// Tells of an object without its bytes.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ObjectAttributesInput::parse(&call.request())?;
    let door = call.door()?;
    for _ in 0..TRIES {
        let object = door.object(&input.key, input.version, call.action(), false);
        let object = object.await?;
        let Some(parts) = parts(door, &input, &object.value).await? else {
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
    door: &Door,
    input: &ObjectAttributesInput,
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
    let wants = input.wants(ObjectAttribute::ObjectParts);
    let Some(first) = page.next().filter(|_| wants) else {
        return Ok(Some(Vec::new()));
    };
    let count = 1 + page.count();
    let find = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let uploads = engine.uploads();
        let from = first.number;
        let found = uploads.part_contents(&bucket, &object.key, *upload, from, input.limit);
        Ok(found.await?)
    };
    let found = door.settled(find).await?;
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
