//! `CreateBucket`.

use cairn_client::MutateError;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::CreateBucketInput;
use cairn_s3::output::bucket_created;
use cairn_s3::xml::create_bucket::parse_create_bucket;
use cairn_types::namespace::Refusal;

use super::{Call, Done};
use crate::body::AnswerBody;
use crate::request_body::RequestBody;

/// Makes a bucket for its caller.
pub(super) async fn serve(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let location = call
        .document(body, declaration, parse_create_bucket)
        .await?;
    let input = CreateBucketInput::parse(&call.request(), location)?;
    let region = &call.gateway.config.region;
    if let Some(location) = input.location.filter(|location| location != region) {
        return Err(S3Error::with_message(
            Code::InvalidLocationConstraint,
            "The specified location-constraint is not valid",
        )
        .detail("LocationConstraint", location)
        .into());
    }
    let owner = call.requester()?.id.as_str();
    let buckets = call.engine().buckets();
    match buckets.create(&input.bucket, owner).await {
        Ok(_) => Ok(bucket_created(&input.bucket).map(AnswerBody::whole)),
        Err(MutateError::Refused(Refusal::BucketExists)) => {
            let existing = buckets.fetch(&input.bucket).await?;
            let code = if existing.value.owner == owner {
                Code::BucketAlreadyOwnedByYou
            } else {
                Code::BucketAlreadyExists
            };
            Err(S3Error::new(code)
                .detail("BucketName", input.bucket.as_str())
                .into())
        }
        Err(error) => Err(error.into()),
    }
}
