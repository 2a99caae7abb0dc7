//! `GetBucketPolicy`, `PutBucketPolicy` and `DeleteBucketPolicy`.

use std::sync::Arc;

use bytes::Bytes;
use cairn_engine::Engine;
use cairn_iam::policy::{Attachment, Policy};
use cairn_s3::code::Code;
use cairn_s3::dialect::Dialect;
use cairn_s3::error::S3Error;
use cairn_s3::input::PutBucketPolicyInput;
use cairn_s3::output::{bucket_policy, bucket_policy_stored, setting_removed};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::settings::{BucketPolicy, Document, SettingChange};

use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Tells a bucket's policy, byte for byte as it was put.
pub(super) async fn get(call: Call<'_>) -> Done {
    let read = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        Ok(engine.buckets().settings(&bucket).await?)
    };
    let told = call.door()?.settled(read).await?;
    let policy = told.value.settings.policy;
    let policy = policy.ok_or(Code::NoSuchBucketPolicy)?;
    Ok(reflecting(
        told.index,
        bucket_policy(policy.text.text().clone()),
    ))
}

/// Gives a bucket a policy, in place of the one that it had.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let input = PutBucketPolicyInput::parse(&call.request())?;
    let declaration = call.declaration()?;
    let text = call
        .document(body, declaration, |document| {
            Ok(Bytes::copy_from_slice(document))
        })
        .await?;
    let door = call.door()?;
    let entry = door.entry();
    let attachment = Attachment::Bucket {
        name: &entry.name,
        any_resource: call.gateway.config.dialect == Dialect::Ceph,
    };
    let policy = Policy::parse(&text, attachment)
        .map_err(|error| S3Error::with_message(Code::MalformedPolicy, error.to_string()))?;
    let text = Document::new(text)
        .map_err(|error| S3Error::with_message(Code::MalformedPolicy, error.to_string()))?;
    let told = &SettingChange::Policy(Some(BucketPolicy {
        text,
        is_owner_locked_out: input.confirms_lock_out,
    }));
    let policy = &policy;
    let tell = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        // Under the guard: what the bucket keeps from the public is so when the policy is taken.
        let public_access = door.rules().public_access;
        public_access
            .check_policy(policy)
            .map_err(|_| Code::AccessDenied)?;
        Ok(engine.buckets().change_settings(&bucket, told).await?)
    };
    let told = door.settled(tell).await?;
    Ok(reflecting(told.index, bucket_policy_stored()))
}

/// Takes a bucket's policy away. That there is none is as good.
pub(super) async fn delete(call: Call<'_>) -> Done {
    let none = &SettingChange::Policy(None);
    let tell = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        Ok(engine.buckets().change_settings(&bucket, none).await?)
    };
    let told = call.door()?.settled(tell).await?;
    Ok(reflecting(told.index, setting_removed()))
}
