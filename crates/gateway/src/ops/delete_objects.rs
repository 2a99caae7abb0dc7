//! `DeleteObjects`.

use cairn_s3::input::{DeleteEntry, DeleteObjectsInput};
use cairn_s3::output::{DeleteObjectsOutput, DeletedEntry};
use cairn_s3::xml::delete_objects::parse_delete;
use cairn_types::namespace::data::{DeleteTarget, Deleted};

use super::{Call, Done, reflecting};
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Deletes up to 1,000 objects and versions in one commit, and tells for each line what became of it.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    DeleteObjectsInput::check_protected(&declaration)?;
    let document = call.document(body, declaration, parse_delete).await?;
    let input = DeleteObjectsInput::parse(&call.request(), document)?;
    let bucket = call.bucket(&input.bucket).await?;
    let mut targets: Vec<DeleteTarget> = Vec::new();
    for entry in &input.entries {
        if let DeleteEntry::Target(target) = entry {
            targets.push(target.clone());
        }
    }
    let (index, outcomes) = if targets.is_empty() {
        (0, Vec::new())
    } else {
        let deleted = call.engine().delete(&bucket, &targets).await?;
        (deleted.index, deleted.value)
    };
    let output = DeleteObjectsOutput {
        quiet: input.quiet,
        entries: told(input.entries, outcomes),
    };
    Ok(reflecting(index, output.to_response()))
}

/// What became of each line. `outcomes` are those of the lines that could be done, in order.
fn told(entries: Vec<DeleteEntry>, outcomes: Vec<Deleted>) -> Vec<DeletedEntry> {
    let mut outcomes = outcomes.into_iter();
    let told = entries.into_iter().map(|entry| match entry {
        DeleteEntry::Target(target) => {
            let key = target.key.as_str().to_owned();
            match outcomes.next().expect("each target has an outcome") {
                Deleted::Refused(refusal) => DeletedEntry::Failed {
                    key,
                    version: target.version.map(|version| version.to_string()),
                    error: Fault::from(refusal).error,
                },
                outcome => DeletedEntry::Deleted {
                    key,
                    version: target.version,
                    outcome,
                },
            }
        }
        DeleteEntry::Refused(line, error) => DeletedEntry::Failed {
            key: line.key,
            version: line.version,
            error,
        },
    });
    told.collect()
}
