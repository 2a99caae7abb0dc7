//! `GetObject` and `HeadObject`.

use bytes::Bytes;
use cairn_client::Indexed;
use cairn_engine::{Download, ReadError};
use cairn_s3::input::{ByteRange, ReadObjectInput, ReadPlan};
use cairn_s3::output::{object_head, set_tagging_count, set_version};
use cairn_types::object::ObjectVersion;
use cairn_types::version::NamedVersion;
use http::{HeaderValue, Method, Response};

use super::{Call, Done};
use crate::authorize::Door;
use crate::body::{AnswerBody, StreamError};
use crate::fault::Fault;

/// Look-ups of one object that is replaced all the time.
pub(super) const TRIES: usize = 5;

/// Sends an object, or only its head.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = ReadObjectInput::parse(&call.request())?;
    let door = call.door()?;
    if call.parts.method == Method::HEAD {
        let object = find(call, door, &input, false).await?;
        let plan = input.plan(&object.value)?;
        return Ok(head(door, &input, &plan, &object).map(|()| AnswerBody::empty()));
    }
    for _ in 0..TRIES {
        match send(call, door, &input).await {
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

impl<E: Into<Fault>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

async fn find(
    call: Call<'_>,
    door: &Door,
    input: &ReadObjectInput,
    is_whole: bool,
) -> Result<Indexed<ObjectVersion>, Fault> {
    let (key, version) = (&input.key, input.version);
    door.object(key, version, call.action(), is_whole).await
}

async fn send(
    call: Call<'_>,
    door: &Door,
    input: &ReadObjectInput,
) -> Result<Response<AnswerBody>, Failure> {
    let object = find(call, door, input, true).await?;
    let plan = input.plan(&object.value)?;
    let head = head(door, input, &plan, &object);
    let Some(ByteRange { start, len }) = plan.range(object.value.len) else {
        return Ok(head.map(|()| AnswerBody::empty()));
    };
    let range = start..start + len;
    let bucket = door.entry();
    match call.engine().get(&bucket, &object.value, range).await {
        Ok(download) => {
            let stream = futures::stream::unfold(Some(download), next);
            Ok(head.map(|()| AnswerBody::sized(stream, len)))
        }
        Err(ReadError::Superseded) => Err(Failure::Superseded),
        Err(error) => Err(error.into()),
    }
}

fn head(
    door: &Door,
    input: &ReadObjectInput,
    plan: &ReadPlan,
    object: &Indexed<ObjectVersion>,
) -> Response<()> {
    let mut head = object_head(input, plan, &object.value);
    let headers = head.headers_mut();
    set_tagging_count(headers, object.value.settings.tags.len());
    headers.insert("x-cairn-index", HeaderValue::from(object.index));
    // Where versions were never kept nobody expects one to be named.
    if object.value.is_null && door.rules().settings.versioning.is_some() {
        set_version(headers, NamedVersion::Null);
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
