//! `CopyObject`.

use std::ops::Range;
use std::sync::Arc;

use cairn_engine::{CopyFrom, CopySource as CopyBytes, ReadError};
use cairn_iam::Action;
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::{
    CopyObjectInput, CopySource, MetadataDirective, TaggingDirective, Verdict,
    check_expected_source_owner, evaluate_read,
};
use cairn_s3::output::{object_copied, set_committed_version, set_copied_version};
use cairn_types::checksum::ChecksumAlgorithm;
use cairn_types::object::{ObjectHeaders, ObjectVersion};
use http::HeaderMap;

use super::commit::{NewObject, commit};
use super::get_object::TRIES;
use super::{Call, Done};
use crate::copy_body::CopyBody;
use crate::fault::Fault;
use crate::late::Finished;

/// The largest object that is copied in one piece: 5 GiB.
const COPY_LIMIT: u64 = 5 << 30;

/// What reading what is copied is.
const GET_OBJECT: Action = Action::new("s3:GetObject");

/// What is copied.
pub(super) struct Original {
    /// The version, whole.
    pub(super) version: ObjectVersion,
    /// The bytes that were asked for.
    pub(super) bytes: CopyBytes,
}

/// Finds what a request copies from, if its caller may read it and its conditions hold, and opens the bytes of it that
/// `range` chooses by its length.
pub(super) async fn open(
    call: Call<'_>,
    source: &CopySource,
    range: impl Fn(u64) -> Result<Range<u64>, S3Error>,
) -> Result<Original, Fault> {
    let named = |fault: Fault| fault.naming_source(source);
    let (authority, asker) = (&call.gateway.authority, &call.admitted.asker);
    let door = authority.open(asker, &source.bucket).await;
    let door = door.map_err(named)?;
    check_expected_source_owner(&call.parts.headers, &door.entry().owner)?;
    for _ in 0..TRIES {
        let found = door.object(&source.key, source.version, GET_OBJECT, true);
        let version = found.await.map_err(named)?.value;
        check_conditions(source, &version)?;
        let range = range(version.len)?;
        let from = CopyFrom {
            bucket: door.entry(),
            version,
            range: Some(range),
        };
        match call.engine().copy_source(&from).await {
            Ok(bytes) => {
                let version = from.version;
                return Ok(Original { version, bytes });
            }
            // The version went away before its parts were looked up.
            Err(ReadError::Superseded) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ReadError::Superseded.into())
}

fn check_conditions(source: &CopySource, version: &ObjectVersion) -> Result<(), S3Error> {
    match evaluate_read(&source.conditions, &version.etag, version.last_modified) {
        Verdict::Proceed => Ok(()),
        Verdict::NotModified => Err(Code::PreconditionFailed.into()),
        Verdict::PreconditionFailed(name) => {
            Err(S3Error::new(Code::PreconditionFailed).detail("Condition", name))
        }
    }
}

/// Copies an object. The copy has a checksum of the whole: of the algorithm that was asked for, or else the original's.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = CopyObjectInput::parse(&call.request())?;
    let door = Arc::clone(call.door()?);
    let target = call.target(&input.key)?;
    let mut settings = call.asked(input.settings).await?;
    door.settings_of_new(&settings).await?;
    let Original { version, bytes } = open(call, &input.source, whole).await?;
    let mut known = HeaderMap::new();
    set_copied_version(&mut known, input.source.version, &version);
    let headers = match input.metadata {
        MetadataDirective::Copy => ObjectHeaders {
            website_redirect: input.website_redirect,
            ..version.headers
        },
        MetadataDirective::Replace(headers) => headers,
    };
    settings.tags = match input.tagging {
        TaggingDirective::Copy => version.settings.tags,
        TaggingDirective::Replace(tags) => tags,
    };
    let kept = version.checksum.as_ref();
    let algorithm = input
        .checksum
        .or(kept.map(|kept| kept.checksum.algorithm()))
        .unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let len = bytes.len();
    let engine = call.engine().clone();
    let body = CopyBody::new(bytes, algorithm, engine.cpu().clone());
    let object = NewObject {
        key: input.key,
        headers,
        settings,
        condition: input.condition,
    };
    let work = async move {
        let staged = engine.stage(&target, len, body).await?;
        let stored = commit(&door, &object, staged).await?;
        let mut headers = HeaderMap::new();
        set_committed_version(&mut headers, &stored.value);
        Ok(Finished {
            index: stored.index,
            element: object_copied(&stored.value),
            headers,
        })
    };
    call.answer_late(Box::pin(work), known).await
}

/// All bytes of an object that is not too long to be copied in one piece.
fn whole(len: u64) -> Result<Range<u64>, S3Error> {
    if len > COPY_LIMIT {
        return Err(S3Error::with_message(
            Code::InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    Ok(0..len)
}
