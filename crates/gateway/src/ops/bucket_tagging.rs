//! `GetBucketTagging`, `PutBucketTagging` and `DeleteBucketTagging`.

use cairn_s3::code::Code;
use cairn_s3::input::PutBucketTaggingInput;
use cairn_s3::output::bucket_tags_stored;
use cairn_s3::xml::tagging::{parse_tagging, write_tagging};
use cairn_types::settings::{DocumentKind, SettingChange};

use super::settings;
use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

const KIND: DocumentKind = DocumentKind::Tagging;

/// Tells the tags of a bucket.
pub(super) async fn get(call: Call<'_>) -> Done {
    settings::get_document(call, KIND, || Err(Code::NoSuchTagSet)).await
}

/// Says what the tags of a bucket are. None at all are the same as to remove them.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let pairs = call.document(body, declaration, parse_tagging).await?;
    let tags = PutBucketTaggingInput::parse(&call.request(), pairs)?.tags;
    let document = if tags.is_empty() {
        None
    } else {
        Some(settings::kept(write_tagging(&tags))?)
    };
    let index = settings::change(call, |_| {
        Ok(SettingChange::Document {
            kind: KIND,
            document: document.clone(),
        })
    });
    Ok(reflecting(index.await?, bucket_tags_stored()))
}

/// Removes the tags of a bucket; none are removed too.
pub(super) async fn delete(call: Call<'_>) -> Done {
    settings::delete_document(call, KIND).await
}
