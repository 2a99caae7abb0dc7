//! `GetBucketPolicy`, `PutBucketPolicy`, `DeleteBucketPolicy` and `GetBucketPolicyStatus`.

use bytes::Bytes;
use cairn_iam::policy::{Attachment, Policy, PolicyError};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::PutBucketPolicyInput;
use cairn_s3::output::{
    bucket_policy, bucket_policy_status, bucket_policy_stored, setting_removed,
};
use cairn_types::name::BucketName;
use cairn_types::settings::{BucketPolicy, Document, SettingChange};

use super::settings;
use super::{Call, Done, reflecting};
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Tells the policy, byte for byte as it was put.
pub(super) async fn get(call: Call<'_>) -> Done {
    let known = settings::read(call).await?;
    let policy = known.value.settings.policy.as_ref();
    let policy = policy.ok_or(Code::NoSuchBucketPolicy)?;
    let text = policy.text.text().clone();
    Ok(reflecting(known.index, bucket_policy(text)))
}

/// Sets the policy, unless it is public and such are kept out.
pub(super) async fn put(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let text = call.document(body, declaration, |text| Ok(Bytes::copy_from_slice(text)));
    let text = text.await?;
    let request = call.request();
    let input = PutBucketPolicyInput::parse(&request)?;
    let kept = BucketPolicy {
        is_owner_locked_out: input.confirms_lock_out
            && request.dialect.lets_policies_shut_owners_out(),
        // The same as of one that is a little too long.
        text: Document::new(text.clone()).map_err(|_| malformed(&PolicyError::Size))?,
    };
    let policy = parse(call, &input.bucket, &text)?;
    let index = settings::change(call, |rules| {
        let checked = rules.public_access.check_policy(&policy);
        checked.map_err(|_| Fault::from(Code::AccessDenied))?;
        Ok(SettingChange::Policy(Some(kept.clone())))
    });
    Ok(reflecting(index.await?, bucket_policy_stored()))
}

/// Removes the policy; one that is not there is removed too.
pub(super) async fn delete(call: Call<'_>) -> Done {
    let index = settings::change(call, |_| Ok(SettingChange::Policy(None)));
    Ok(reflecting(index.await?, setting_removed()))
}

/// Tells whether the bucket is public, by its policy, and in one dialect by its ACL too.
pub(super) async fn status(call: Call<'_>) -> Done {
    let known = settings::read(call).await?;
    let rules = call.door()?.rules();
    let by_acl = call.request().dialect.tells_policy_status_by_acl();
    let is_public = match rules.facts().policy {
        Some(policy) => policy.is_public(),
        None if by_acl => false,
        None => return Err(Code::NoSuchBucketPolicy.into()),
    };
    let answer = bucket_policy_status(is_public || by_acl && rules.acl.is_public());
    Ok(reflecting(known.index, answer))
}

fn parse(call: Call<'_>, bucket: &BucketName, text: &[u8]) -> Result<Policy, S3Error> {
    let attachment = Attachment::Bucket {
        name: bucket,
        is_lax: call.request().dialect.takes_lax_policies(),
    };
    Policy::parse(text, attachment).map_err(|error| malformed(&error))
}

fn malformed(error: &PolicyError) -> S3Error {
    S3Error::with_message(Code::MalformedPolicy, error.to_string())
}
