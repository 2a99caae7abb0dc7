//! `GetObject` and `HeadObject`.

use std::sync::Arc;

use bytes::Bytes;
use cairn_client::Indexed;
use cairn_engine::{Download, ReadError};
use cairn_s3::input::{ByteRange, ReadObjectInput, ReadPlan};
use cairn_s3::output::{object_head, set_tagging_count};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::ObjectVersion;
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
    if call.parts.method == Method::HEAD {
        let objects = call.engine().objects();
        let object = objects.head(&bucket, &input.key, input.version).await?;
        let plan = input.plan(&object.value)?;
        return Ok(head(&input, &plan, &object).map(|()| AnswerBody::empty()));
    }
    for _ in 0..TRIES {
        match send(call, &input, &bucket).await {
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
    let head = head(input, &plan, &object);
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

fn head(input: &ReadObjectInput, plan: &ReadPlan, object: &Indexed<ObjectVersion>) -> Response<()> {
    let mut head = object_head(input, plan, &object.value);
    set_tagging_count(head.headers_mut(), object.value.settings.tags.len());
    head.headers_mut()
        .insert("x-cairn-index", HeaderValue::from(object.index));
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
