//! `DeleteObjects`.

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_s3::code::Code;
use cairn_s3::input::{DeleteEntry, DeleteObjectsInput};
use cairn_s3::output::{DeleteObjectsOutput, DeletedEntry};
use cairn_s3::xml::delete_objects::{DeleteLine, parse_delete};
use cairn_types::namespace::data::{DeleteTarget, Deleted};
use cairn_types::namespace::root::BucketEntry;

use super::{Call, Done, reflecting};
use crate::authorize::action::{BYPASS, on_version};
use crate::authorize::{Door, Question};
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Deletes up to 1,000 objects and versions in one commit, and tells for each line what became of it.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let door = call.door()?;
    door.refuse_hopeless(call.action()).await?;
    let declaration = call.declaration()?;
    DeleteObjectsInput::check_protected(&declaration)?;
    let document = call.document(body, declaration, parse_delete).await?;
    let input = DeleteObjectsInput::parse(&call.request(), document)?;
    let mut entries = Vec::with_capacity(input.entries.len());
    for entry in input.entries {
        entries.push(decided(call, door, entry).await?);
    }
    let targets = entries.iter().filter_map(|entry| match entry {
        DeleteEntry::Target(target) => Some(target.clone()),
        DeleteEntry::Refused(..) => None,
    });
    let targets = &targets.collect::<Vec<_>>();
    let (index, outcomes) = if targets.is_empty() {
        (0, Vec::new())
    } else {
        let delete = |engine: Engine, bucket: Arc<BucketEntry>| async move {
            Ok(engine.delete(&bucket, targets).await?)
        };
        let deleted = door.settled(delete).await?;
        (deleted.index, deleted.value)
    };
    let output = DeleteObjectsOutput {
        quiet: input.quiet,
        entries: told(entries, outcomes),
    };
    Ok(reflecting(index, output.to_response()))
}

/// A line as it may be done: one that may not is refused alone.
async fn decided(call: Call<'_>, door: &Door, entry: DeleteEntry) -> Result<DeleteEntry, Fault> {
    let DeleteEntry::Target(mut target) = entry else {
        return Ok(entry);
    };
    let is_named = target.version.is_some();
    let asks_bypass = is_named && target.bypass_governance;
    let action = on_version(call.action(), is_named);
    let bypass = asks_bypass.then_some(BYPASS);
    for action in std::iter::once(action).chain(bypass) {
        match door.allow(Question::on(action, &target.key)).await {
            Ok(_) => {}
            Err(fault) if fault.error.code() == Code::AccessDenied => {
                return Ok(DeleteEntry::Refused(line(&target), fault.error));
            }
            Err(fault) => return Err(fault),
        }
    }
    target.bypass_governance = asks_bypass;
    target.marker_owner = door.marker_owner();
    Ok(DeleteEntry::Target(target))
}

fn line(target: &DeleteTarget) -> DeleteLine {
    DeleteLine {
        key: target.key.as_str().to_owned(),
        version: target.version.map(|version| version.to_string()),
        condition: target.condition.clone(),
    }
}

/// What became of each line. `outcomes` are those of the lines that could be done, in order.
fn told(entries: Vec<DeleteEntry>, outcomes: Vec<Deleted>) -> Vec<DeletedEntry> {
    let mut outcomes = outcomes.into_iter();
    let told = entries.into_iter().map(|entry| match entry {
        DeleteEntry::Target(target) => match outcomes.next().expect("each target has an outcome") {
            Deleted::Refused(refusal) => failed(line(&target), Fault::from(refusal).error),
            outcome => DeletedEntry::Deleted {
                key: target.key.as_str().to_owned(),
                version: target.version,
                outcome,
            },
        },
        DeleteEntry::Refused(line, error) => failed(line, error),
    });
    told.collect()
}

fn failed(line: DeleteLine, error: cairn_s3::error::S3Error) -> DeletedEntry {
    DeletedEntry::Failed {
        key: line.key,
        version: line.version,
        error,
    }
}
