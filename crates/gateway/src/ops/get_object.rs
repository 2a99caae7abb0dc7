//! `GetObject` and `HeadObject`.

use std::sync::Arc;

use bytes::Bytes;
use cairn_client::Indexed;
use cairn_engine::{Download, Engine, ReadError};
use cairn_s3::input::{ByteRange, ReadObjectInput, ReadPlan};
use cairn_s3::output::{
    object_head, set_legal_hold, set_part_checksum, set_retention, set_tagging_count, set_version,
};
use cairn_types::checksum::ObjectChecksum;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, ObjectVersion};
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
    let is_head = call.parts.method == Method::HEAD;
    for _ in 0..TRIES {
        let answer = if is_head {
            tell(call, door, &input).await
        } else {
            send(call, door, &input).await
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

/// Answers with the head alone.
async fn tell(
    call: Call<'_>,
    door: &Door,
    input: &ReadObjectInput,
) -> Result<Response<AnswerBody>, Failure> {
    let object = find(call, door, input, false).await?;
    let plan = input.plan(&object.value)?;
    let checksum = part_checksum(door, input, &plan, &object.value).await?;
    let head = head(door, input, &plan, &object, checksum.as_ref());
    Ok(head.map(|()| AnswerBody::empty()))
}

async fn send(
    call: Call<'_>,
    door: &Door,
    input: &ReadObjectInput,
) -> Result<Response<AnswerBody>, Failure> {
    let object = find(call, door, input, true).await?;
    let plan = input.plan(&object.value)?;
    let checksum = part_checksum(door, input, &plan, &object.value).await?;
    let head = head(door, input, &plan, &object, checksum.as_ref());
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

/// The checksum of the part that is read, where it is to be told.
async fn part_checksum(
    door: &Door,
    input: &ReadObjectInput,
    plan: &ReadPlan,
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
    let find = |engine: Engine, bucket: Arc<BucketEntry>| async move {
        let uploads = engine.uploads();
        let found = uploads.part_contents(&bucket, &object.key, *upload, number, 1);
        Ok(found.await?)
    };
    let found = door.settled(find).await?;
    let part = found.into_iter().find(|part| part.number == number);
    part.map(|part| part.checksum).ok_or(Failure::Superseded)
}

/// The head of the answer; `part` is the checksum of the part that is read.
fn head(
    door: &Door,
    input: &ReadObjectInput,
    plan: &ReadPlan,
    object: &Indexed<ObjectVersion>,
    part: Option<&ObjectChecksum>,
) -> Response<()> {
    let mut head = object_head(input, plan, &object.value);
    let headers = head.headers_mut();
    set_tagging_count(headers, object.value.settings.tags.len());
    headers.insert("x-cairn-index", HeaderValue::from(object.index));
    let lock = &object.value.settings.lock;
    set_retention(headers, lock);
    set_legal_hold(headers, lock);
    if let Some(part) = part {
        set_part_checksum(headers, part, &object.value);
    }
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
