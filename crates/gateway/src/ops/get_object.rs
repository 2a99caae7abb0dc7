//! `GetObject` and `HeadObject`.

use std::sync::Arc;

use bytes::Bytes;
use cairn_client::Indexed;
use cairn_engine::{Download, ReadError};
use cairn_s3::input::{ByteRange, ReadObjectInput, ReadPlan};
use cairn_s3::output::{object_head, set_legal_hold, set_part_checksum, set_retention};
use cairn_types::checksum::ObjectChecksum;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, ObjectVersion};
use http::{HeaderValue, Method, Response};

use super::{Call, Done};
use crate::body::{AnswerBody, StreamError};
use crate::fault::Fault;

/// Look-ups of one object that is replaced all the time.
pub(super) const TRIES: usize = 5;

/// Sends an object, or only its head.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ReadObjectInput::parse(&call.request())?;
    let bucket = call.bucket(&input.bucket).await?;
    let is_head = call.parts.method == Method::HEAD;
    for _ in 0..TRIES {
        let answer = if is_head {
            tell(call, &input, &bucket).await
        } else {
            send(call, &input, &bucket).await
        };
        match answer {
            Err(Failure::Superseded) => {}
            Err(Failure::Fault(fault)) => return Err(fault),
            Ok(answer) => return Ok(answer),
        }
    }
    Err(ReadError::Superseded.into())
}

enum Failure {
    /// The version went away before its bytes were had.
    Superseded,
    Fault(Fault),
}

/// Answers with the head alone.
async fn tell(
    call: Call<'_>,
    input: &ReadObjectInput,
    bucket: &Arc<BucketEntry>,
) -> Result<Response<AnswerBody>, Failure> {
    let fault = |fault: Fault| Failure::Fault(fault);
    let objects = call.engine().objects();
    let object = objects
        .head(bucket, &input.key, input.version)
        .await
        .map_err(|error| fault(error.into()))?;
    let plan = input
        .plan(&object.value)
        .map_err(|error| fault(error.into()))?;
    let checksum = part_checksum(call, input, &plan, bucket, &object.value).await?;
    let head = head(input, &plan, &object, checksum.as_ref());
    Ok(head.map(|()| AnswerBody::empty()))
}

async fn send(
    call: Call<'_>,
    input: &ReadObjectInput,
    bucket: &Arc<BucketEntry>,
) -> Result<Response<AnswerBody>, Failure> {
    let fault = |fault: Fault| Failure::Fault(fault);
    let objects = call.engine().objects();
    let object = objects
        .get(bucket, &input.key, input.version)
        .await
        .map_err(|error| fault(error.into()))?;
    let plan = input
        .plan(&object.value)
        .map_err(|error| fault(error.into()))?;
    let checksum = part_checksum(call, input, &plan, bucket, &object.value).await?;
    let head = head(input, &plan, &object, checksum.as_ref());
    let Some(ByteRange { start, len }) = plan.range(object.value.len) else {
        return Ok(head.map(|()| AnswerBody::empty()));
    };
    let range = start..start + len;
    match call.engine().get(bucket, &object.value, range).await {
        Ok(download) => {
            let stream = futures::stream::unfold(Some(download), next);
            Ok(head.map(|()| AnswerBody::sized(stream, len)))
        }
        Err(ReadError::Superseded) => Err(Failure::Superseded),
        Err(error) => Err(fault(error.into())),
    }
}

/// The checksum of the part that is read, where it is to be told.
async fn part_checksum(
    call: Call<'_>,
    input: &ReadObjectInput,
    plan: &ReadPlan,
    bucket: &Arc<BucketEntry>,
    object: &ObjectVersion,
) -> Result<Option<ObjectChecksum>, Failure> {
    let (ReadPlan::Part { .. }, Content::Parts { upload, .. }) = (plan, &object.content) else {
        return Ok(None);
    };
    let Some(number) = input.part_number.filter(|_| input.wants_checksum) else {
        return Ok(None);
    };
    if object.checksum.is_none() {
        return Ok(None);
    }
    let uploads = call.engine().uploads();
    let found = uploads.part_contents(bucket, &object.key, *upload, number, 1);
    let found = found.await.map_err(|error| Failure::Fault(error.into()))?;
    let part = found.into_iter().find(|part| part.number == number);
    part.map(|part| part.checksum).ok_or(Failure::Superseded)
}

/// The head of the answer; `part` is the checksum of the part that is read.
fn head(
    input: &ReadObjectInput,
    plan: &ReadPlan,
    object: &Indexed<ObjectVersion>,
    part: Option<&ObjectChecksum>,
) -> Response<()> {
    let mut head = object_head(input, plan, &object.value);
    let headers = head.headers_mut();
    headers.insert("x-cairn-index", HeaderValue::from(object.index));
    let lock = &object.value.settings.lock;
    set_retention(headers, lock);
    set_legal_hold(headers, lock);
    if let Some(part) = part {
        set_part_checksum(headers, part, &object.value);
    }
    head
}

/// One step of a download as a stream. Nothing follows an error.
async fn next(
    download: Option<Download>,
) -> Option<(Result<Bytes, StreamError>, Option<Download>)> {
    let mut download = download?;
    match download.next().await {
        Ok(Some(bytes)) => Some((Ok(bytes), Some(download))),
        Ok(None) => None,
        Err(error) => {
            let cause = crate::fault::whole(&error);
            tracing::warn!(cause, "the body of an answer cannot be had to its end");
            Some((Err(StreamError(Box::new(error))), None))
        }
    }
}
