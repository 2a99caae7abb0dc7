//! `GetBucketRequestPayment` and `PutBucketRequestPayment`, `GetBucketAccelerateConfiguration` and
//! `PutBucketAccelerateConfiguration`, `GetBucketLogging` and `PutBucketLogging`.

use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::output::{bucket_configured, setting};
use cairn_s3::xml::bucket_logging::{parse_no_logging, write_no_logging};
use cairn_s3::xml::switches::{
    Payer, parse_accelerate, parse_request_payment, write_accelerate, write_request_payment,
};
use cairn_types::settings::DocumentKind;

use super::settings;
use super::{Call, Done, reflecting};
use crate::request_body::RequestBody;

/// Tells who pays for requests.
pub(super) async fn get_payment(call: Call<'_>) -> Done {
    let kind = DocumentKind::RequestPayment;
    settings::get_document(call, kind, || Ok(write_request_payment(Payer::default()))).await
}

/// Says who pays for requests.
pub(super) async fn put_payment(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let payer = call.document(body, declaration, parse_request_payment);
    let text = write_request_payment(payer.await?);
    settings::put_document(call, DocumentKind::RequestPayment, text).await
}

/// Tells whether transfers are to be accelerated.
pub(super) async fn get_acceleration(call: Call<'_>) -> Done {
    settings::get_document(call, DocumentKind::Accelerate, || {
        Ok(write_accelerate(None))
    })
    .await
}

/// Says whether transfers are to be accelerated: by ways that only a bucket without dots in its name has a host for.
pub(super) async fn put_acceleration(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    let acceleration = call.document(body, declaration, parse_accelerate).await?;
    let bucket = call.route.target.bucket();
    if bucket.is_some_and(|name| name.as_str().contains('.')) {
        return Err(S3Error::with_message(
            Code::InvalidRequest,
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names",
        )
        .into());
    }
    let text = write_accelerate(Some(acceleration));
    settings::put_document(call, DocumentKind::Accelerate, text).await
}

/// Tells that there is no access log.
pub(super) async fn get_logging(call: Call<'_>) -> Done {
    let known = settings::read(call).await?;
    let answer = setting(write_no_logging());
    Ok(reflecting(known.index, answer))
}

/// Takes that there is to be no access log.
pub(super) async fn put_logging(call: Call<'_>, body: RequestBody) -> Done {
    let declaration = call.declaration()?;
    call.document(body, declaration, parse_no_logging).await?;
    let known = settings::read(call).await?;
    Ok(reflecting(known.index, bucket_configured()))
}
