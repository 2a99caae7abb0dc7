//! `DeleteObjects`.

use cairn_s3::input::{DeleteEntry, DeleteObjectsInput};
use cairn_s3::output::{DeleteObjectsOutput, DeletedEntry};
use cairn_s3::xml::delete_objects::parse_delete;
use cairn_types::namespace::data::DeleteTarget;

use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Deletes up to 1,000 objects in one commit, and tells for each line what became of it.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    DeleteObjectsInput::check_protected(&declaration)?;
    let document = call.document(body, declaration, parse_delete).await?;
    let input = DeleteObjectsInput::parse(&call.request(), document)?;
    let bucket = call.bucket(&input.bucket).await?;
    let mut targets: Vec<DeleteTarget> = Vec::new();
    for entry in &input.entries {
        if let DeleteEntry::Key(key) = entry {
            targets.push(key.clone().into());
        }
    }
    let index = if targets.is_empty() {
        0
    } else {
        call.engine().delete(&bucket, &targets).await?.index
    };
    let entries = input.entries.into_iter().map(|entry| match entry {
        DeleteEntry::Key(key) => DeletedEntry::Deleted(key.as_str().to_owned()),
        DeleteEntry::Refused(text, error) => DeletedEntry::Failed(text, error),
    });
    let output = DeleteObjectsOutput {
        quiet: input.quiet,
        entries: entries.collect(),
    };
    Ok(reflecting(index, output.to_response()))
}
