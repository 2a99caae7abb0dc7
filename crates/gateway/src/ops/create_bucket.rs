//! `CreateBucket`.

use cairn_client::MutateError;
use cairn_iam::acl::Acl;
use cairn_s3::code::Code;
use cairn_s3::dialect::Recreation;
use cairn_s3::error::S3Error;
use cairn_s3::input::CreateBucketInput;
use cairn_s3::output::bucket_created;
use cairn_s3::xml::create_bucket::parse_create_bucket;
use cairn_s3::xml::ownership_controls::write_ownership_controls;
use cairn_types::name::BucketName;
use cairn_types::namespace::Refusal;
use cairn_types::settings::InitialSettings;

use super::{Call, Done, settings};
use crate::acl::{AskedAcl, refused};
use crate::body::AnswerBody;
use crate::fault::Fault;
use crate::request_body::RequestBody;

/// Makes a bucket for its caller.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let location = call
        .document(body, declaration, parse_create_bucket)
        .await?;
    let input = CreateBucketInput::parse(&call.request(), location)?;
    let region = &call.gateway.config.region;
    if let Some(location) = input
        .location
        .as_ref()
        .filter(|location| *location != region)
    {
        return Err(S3Error::with_message(
            Code::InvalidLocationConstraint,
            "The specified location-constraint is not valid",
        )
        .detail("LocationConstraint", location.clone())
        .into());
    }
    let initial = initial_settings(call, &input).await?;
    let owner = call.requester()?.id.as_str();
    let buckets = call.engine().buckets();
    match buckets.create_with(&input.bucket, owner, &initial).await {
        Ok(_) => Ok(bucket_created(&input.bucket).map(AnswerBody::whole)),
        Err(MutateError::Refused(Refusal::BucketExists)) => {
            again(call, &input.bucket, owner, &initial).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers to the wish for a bucket that is there already.
async fn again(call: Call<'_>, name: &BucketName, owner: &str, initial: &InitialSettings) -> Done {
    let refusal = |code| {
        S3Error::new(code)
            .detail("BucketName", name.as_str())
            .into()
    };
    let buckets = call.engine().buckets();
    let existing = buckets.fetch(name).await?.value;
    if existing.owner != owner {
        return Err(refusal(Code::BucketAlreadyExists));
    }
    let config = &call.gateway.config;
    let settings = buckets.settings(&existing).await?.value.settings;
    let has_same_acl = settings.acl == initial.acl;
    let decision = config
        .dialect
        .bucket_made_again(&config.region, has_same_acl);
    match decision {
        Recreation::Succeeds => Ok(bucket_created(name).map(AnswerBody::whole)),
        Recreation::Fails(code) => Err(refusal(code)),
    }
}

/// What a bucket is made with. One whose ACL grants to others does not get ownership under which that says nothing.
async fn initial_settings(
    call: Call<'_>,
    input: &CreateBucketInput,
) -> Result<InitialSettings, Fault> {
    let owner = &call.requester()?.id;
    let asked = AskedAcl::look_up(&call.gateway.identities, input.acl.clone()).await?;
    let acl = asked.for_bucket(owner)?;
    let is_said_private = acl.as_ref().is_some_and(|acl| !acl.reaches_beyond(owner));
    let dialect = call.request().dialect;
    let unsaid = dialect.ownership_of_new_bucket(is_said_private);
    let ownership = input.ownership.or(unsaid);
    if let (Some(ownership), Some(acl)) = (ownership, &acl) {
        ownership.check_bucket_acl(acl, owner).map_err(refused)?;
    }
    let controls = ownership.map(|ownership| settings::kept(write_ownership_controls(ownership)));
    Ok(InitialSettings {
        acl: acl.filter(|acl| *acl != Acl::private(owner)),
        ownership_controls: controls.transpose()?,
        is_lock_enabled: input.is_lock_enabled,
    })
}
