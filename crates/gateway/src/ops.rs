//! The operations: one file each.

mod abort_multipart_upload;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_bucket_location;
mod get_object;
mod head_bucket;
mod list_buckets;
mod list_multipart_uploads;
mod list_objects;
mod list_parts;
mod put_object;
mod upload_part;
mod upload_part_copy;

use std::sync::Arc;

use bytes::Bytes;
use cairn_engine::{Engine, Target};
use cairn_s3::auth::Verified;
use cairn_s3::body::{BodyDeclaration, VerifiedBody};
use cairn_s3::error::S3Error;
use cairn_s3::input::{Request, UploadInput, check_expected_owner};
use cairn_s3::operations::{BodyKind, Operation};
use cairn_s3::output::Owner;
use cairn_s3::route::Route;
use cairn_types::checksum::ChecksumAlgorithm;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::UploadKey;
use cairn_types::namespace::root::BucketEntry;
use http::request::Parts;
use http::{HeaderValue, Response};
use hyper::body::Incoming;

use crate::Gateway;
use crate::body::AnswerBody;
use crate::fault::Fault;
use crate::upload_body::UploadBody;

/// A request that may be done.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Who does it.
    pub(crate) gateway: &'a Gateway,
    /// Its head.
    pub(crate) parts: &'a Parts,
    /// What it asks for.
    pub(crate) route: &'a Route,
    /// Who sent it.
    pub(crate) verified: &'a Verified,
}

type Done = Result<Response<AnswerBody>, Fault>;

/// Does what a request asks for.
pub(crate) async fn dispatch(call: Call<'_>, body: Incoming) -> Done {
    match call.route.operation {
        Operation::ListBuckets => list_buckets::serve(call).await,
        Operation::CreateBucket => create_bucket::serve(call, body).await,
        Operation::DeleteBucket => delete_bucket::serve(call).await,
        Operation::HeadBucket => head_bucket::serve(call).await,
        Operation::GetBucketLocation => get_bucket_location::serve(call).await,
        Operation::PutObject => put_object::serve(call, body).await,
        Operation::GetObject | Operation::HeadObject => get_object::serve(call).await,
        Operation::DeleteObject => delete_object::serve(call).await,
        Operation::DeleteObjects => delete_objects::serve(call, body).await,
        Operation::CopyObject => copy_object::serve(call).await,
        Operation::ListObjects | Operation::ListObjectsV2 => list_objects::serve(call).await,
        Operation::CreateMultipartUpload => create_multipart_upload::serve(call).await,
        Operation::UploadPart => upload_part::serve(call, body).await,
        Operation::UploadPartCopy => upload_part_copy::serve(call).await,
        Operation::CompleteMultipartUpload => complete_multipart_upload::serve(call, body).await,
        Operation::AbortMultipartUpload => abort_multipart_upload::serve(call).await,
        Operation::ListParts => list_parts::serve(call).await,
        Operation::ListMultipartUploads => list_multipart_uploads::serve(call).await,
        // The pipeline has refused these.
        _ => Err(cairn_s3::code::Code::NotImplemented.into()),
    }
}

impl<'a> Call<'a> {
    /// What inputs are read from.
    pub(crate) const fn request(&self) -> Request<'a> {
        Request {
            parts: self.parts,
            route: self.route,
            verified: self.verified,
        }
    }

    /// Object I/O.
    pub(crate) fn engine(&self) -> &'a Engine {
        &self.gateway.engine
    }

    /// The bucket of this name, which must be the expected owner's.
    pub(crate) async fn bucket(&self, name: &BucketName) -> Result<Arc<BucketEntry>, Fault> {
        let bucket = self.engine().buckets().lookup(name).await?;
        check_expected_owner(&self.parts.headers, &bucket.owner)?;
        Ok(bucket)
    }

    /// Where an object goes.
    pub(crate) async fn target(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Target, Fault> {
        Ok(Target {
            bucket: self.bucket(bucket).await?,
            key: key.clone(),
        })
    }

    /// The body, verified as it flows. Where the client declared no checksum, one of `default_checksum` is computed.
    pub(crate) fn upload(
        &self,
        body: Incoming,
        declaration: BodyDeclaration,
        default_checksum: Option<ChecksumAlgorithm>,
    ) -> UploadBody {
        UploadBody::new(
            VerifiedBody::new(body, declaration, self.verified, default_checksum),
            self.gateway.config.idle_timeout,
            self.gateway.received_bytes.clone(),
        )
    }

    /// The document in the body, verified.
    pub(crate) async fn document(
        &self,
        body: Incoming,
        declaration: BodyDeclaration,
    ) -> Result<Bytes, Fault> {
        let limit = match self.route.operation.row().body {
            BodyKind::Document(limit) => limit,
            BodyKind::None | BodyKind::Object => 0,
        };
        let document = self.upload(body, declaration, None).read_document(limit);
        Ok(document.await?)
    }

    /// What the head says of the body.
    pub(crate) fn declaration(&self) -> Result<BodyDeclaration, Fault> {
        let operation = self.route.operation;
        let headers = &self.parts.headers;
        Ok(BodyDeclaration::parse(operation, headers, self.verified)?)
    }

    /// Where an upload is.
    pub(crate) async fn upload_key(
        &self,
        input: &UploadInput,
    ) -> Result<(Arc<BucketEntry>, UploadKey), Fault> {
        let bucket = self.bucket(&input.bucket).await?;
        let upload = UploadKey {
            bucket: bucket.bucket,
            key: input.key.clone(),
            upload: input.upload,
        };
        Ok((bucket, upload))
    }

    /// Whose everything is.
    pub(crate) fn owner(&self) -> Owner {
        Owner::from(&*self.gateway.config.owner)
    }
}

/// The length of a body that becomes an object or a part. It has to be known beforehand: stripes are cut by it.
pub(crate) fn known_len(declaration: &BodyDeclaration) -> Result<u64, Fault> {
    declaration
        .len()
        .ok_or_else(|| S3Error::unbuilt_header("Transfer-Encoding").into())
}

/// An answer, and which commit it reflects.
pub(crate) fn reflecting(index: u64, answer: Response<Bytes>) -> Response<AnswerBody> {
    let mut answer = answer.map(AnswerBody::whole);
    answer
        .headers_mut()
        .insert("x-cairn-index", HeaderValue::from(index));
    answer
}
