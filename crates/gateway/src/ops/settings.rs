//! Reading and changing what a bucket was told to be, for the operations that do.

use bytes::Bytes;
use cairn_client::settings::SettingsOf;
use cairn_client::{Indexed, MutateError};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::BucketInput;
use cairn_s3::output::{bucket_configured, setting, setting_removed};
use cairn_types::namespace::{Refusal, SettingsGuard};
use cairn_types::settings::{Document, DocumentKind, SettingChange};

use super::{Call, Done, reflecting};
use crate::fault::{Fault, Reason};

/// Decisions upon settings that others change all the time. Each that fails is a change that another made.
const ROUNDS: usize = 256;

/// What the bucket of a call was told to be, now.
pub(super) async fn read(call: Call<'_>) -> Result<Indexed<SettingsOf>, Fault> {
    let input = BucketInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    Ok(call.engine().buckets().settings(&bucket).await?)
}

/// Changes what the bucket of a call was told to be, as `decide` says upon what that is: it is what it is still when it is
/// changed. Tells the index.
pub(super) async fn change(
    call: Call<'_>,
    decide: impl Fn(&SettingsOf) -> Result<SettingChange, Fault>,
) -> Result<u64, Fault> {
    for _ in 0..ROUNDS {
        let known = read(call).await?.value;
        let change = decide(&known)?;
        let guard = SettingsGuard {
            bucket: known.bucket.bucket,
            settings: known.settings.epoch,
        };
        let buckets = call.engine().buckets().guarded(guard);
        match buckets.change_settings(&known.bucket, &change).await {
            Err(MutateError::Refused(Refusal::SettingsChanged)) => {}
            changed => return Ok(changed?.index),
        }
    }
    let cause = "others change the bucket's settings all the time";
    Err(Fault::unavailable(Reason::Overtaken, &cause))
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
