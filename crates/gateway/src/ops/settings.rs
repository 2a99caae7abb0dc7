//! Reading and changing what a bucket was told to be, for the operations that do.

use std::sync::Arc;

use bytes::Bytes;
use cairn_client::Indexed;
use cairn_client::settings::SettingsOf;
use cairn_engine::Engine;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::output::{bucket_configured, setting, setting_removed};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::settings::{Document, DocumentKind, SettingChange};

use super::{Call, Done, reflecting};
use crate::fault::Fault;
use crate::rules::Rules;

/// What the bucket of a call was told to be: the same as what its rules say.
pub(super) async fn read(call: Call<'_>) -> Result<Indexed<SettingsOf>, Fault> {
    let read = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        Ok(engine.buckets().settings(&bucket).await?)
    };
    call.door()?.settled(read).await
}

/// Changes what the bucket of a call was told to be, as `decide` says upon what that is: it is that still when it is changed.
/// Operations that do so are decided by fresh rules, so that none is refused upon what was so once. Tells the index.
pub(super) async fn change(
    call: Call<'_>,
    decide: impl Fn(&Rules) -> Result<SettingChange, Fault>,
) -> Result<u64, Fault> {
    let door = call.door()?;
    let tell = |engine: Engine, bucket: Arc<BucketEntry>| {
        let change = decide(&door.rules());
        async move { Ok(engine.buckets().change_settings(&bucket, &change?).await?) }
    };
    Ok(door.settled(tell).await?.index)
}

/// Answers with a document of the bucket, or else with what `absent` makes of there being none.
pub(super) async fn get_document(
    call: Call<'_>,
    kind: DocumentKind,
    absent: impl FnOnce() -> Result<String, Code>,
) -> Done {
    let known = read(call).await?;
    let document = known.value.settings.documents.get(&kind);
    let text = match document {
        Some(document) => document.text().clone(),
        None => Bytes::from(absent()?),
    };
    Ok(reflecting(known.index, setting(text)))
}

/// Sets a document of the bucket, as it was written here.
pub(super) async fn put_document(call: Call<'_>, kind: DocumentKind, text: String) -> Done {
    let document = kept(text)?;
    let change = SettingChange::Document {
        kind,
        document: Some(document),
    };
    let index = self::change(call, |_| Ok(change.clone())).await?;
    Ok(reflecting(index, bucket_configured()))
}

/// Removes a document of the bucket; one that is not there is removed too.
pub(super) async fn delete_document(call: Call<'_>, kind: DocumentKind) -> Done {
    let document = None;
    let index = change(call, |_| {
        Ok(SettingChange::Document {
            kind,
            document: document.clone(),
        })
    });
    Ok(reflecting(index.await?, setting_removed()))
}

/// A document as it is kept.
pub(super) fn kept(text: String) -> Result<Document, S3Error> {
    Document::new(Bytes::from(text)).map_err(|_| S3Error::new(Code::MaxMessageLengthExceeded))
}
