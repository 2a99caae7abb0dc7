//! `CopyObject`.

use std::sync::Arc;

use cairn_engine::CopyFrom;
use cairn_iam::{Action, Decision, Resource, decide};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::{
    CopyObjectInput, CopySource, MetadataDirective, Verdict, check_expected_source_owner,
    evaluate_read,
};
use cairn_s3::output::object_copied;
use cairn_types::checksum::ChecksumAlgorithm;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::ObjectVersion;

use super::{Call, Done, reflecting};
use crate::copy_body::CopyBody;
use crate::fault::Fault;

/// The largest object that is copied in one piece: 5 GiB.
const COPY_LIMIT: u64 = 5 << 30;

/// What is copied from.
pub(super) struct Original {
    /// Its bucket.
    pub(super) bucket: Arc<BucketEntry>,
    /// The version, whole.
    pub(super) version: ObjectVersion,
}

/// Finds what a request copies from, if its caller may read it and its conditions hold.
pub(super) async fn original(call: Call<'_>, source: &CopySource) -> Result<Original, Fault> {
    let resource = Resource::Object(&source.bucket, &source.key);
    let read = Action::new("s3:GetObject");
    match decide(call.verified.identity(), read, resource) {
        Decision::Allow => {}
        Decision::Deny => return Err(Code::AccessDenied.into()),
    }
    let engine = call.engine();
    let bucket = engine.buckets().lookup(&source.bucket).await?;
    check_expected_source_owner(&call.parts.headers, &bucket.owner)?;
    let version = engine
        .objects()
        .get(&bucket, &source.key, None)
        .await?
        .value;
    match evaluate_read(&source.conditions, &version.etag, version.last_modified) {
        Verdict::Proceed => Ok(Original { bucket, version }),
        Verdict::NotModified => Err(Code::PreconditionFailed.into()),
        Verdict::PreconditionFailed(name) => Err(S3Error::new(Code::PreconditionFailed)
            .detail("Condition", name)
            .into()),
    }
}

/// Copies an object. The copy has a checksum of the whole: of the algorithm that was asked for, or else the original's.
pub(super) async fn serve(call: Call<'_>) -> Done {
    let input = CopyObjectInput::parse(&call.request())?;
    let target = call.target(&input.bucket, &input.key).await?;
    let original = original(call, &input.source).await?;
    if original.version.len > COPY_LIMIT {
        return Err(S3Error::with_message(
            Code::InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        )
        .into());
    }
    let headers = match input.metadata {
        MetadataDirective::Copy => original.version.headers.clone(),
        MetadataDirective::Replace(headers) => headers,
    };
    let kept = original.version.checksum.as_ref();
    let algorithm = input
        .checksum
        .or(kept.map(|kept| kept.checksum.algorithm()))
        .unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let from = CopyFrom {
        bucket: original.bucket,
        version: original.version,
        range: None,
    };
    let source = call.engine().copy_source(&from).await?;
    let len = source.len();
    let body = CopyBody::new(source, algorithm);
    let stored = call
        .engine()
        .put(&target, headers, len, body, &input.condition)
        .await?;
    Ok(reflecting(stored.index, object_copied(&stored.value)))
}
