//! The operations: one file each.

mod abort_multipart_upload;
mod bucket_acl;
mod bucket_cors;
mod bucket_object_lock;
mod bucket_ownership_controls;
mod bucket_policy;
mod bucket_switches;
mod bucket_tagging;
mod bucket_versioning;
mod commit;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_bucket_location;
mod get_object;
mod get_object_attributes;
mod head_bucket;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_parts;
mod object_acl;
mod object_lock;
mod object_tagging;
pub(crate) mod post_object;
mod public_access_block;
mod put_object;
mod settings;
mod upload_part;
mod upload_part_copy;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_engine::{Engine, Target};
use cairn_iam::acl::Acl;
use cairn_iam::{Action, CanonicalId, Identity};
use cairn_s3::auth::Verified;
use cairn_s3::body::{BodyDeclaration, VerifiedBody};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::input::{ObjectSettingsInput, Request, UploadInput};
use cairn_s3::operations::{BodyKind, Operation};
use cairn_s3::output::{Owner, Owners};
use cairn_s3::route::Route;
use cairn_s3::xml::access_control::write_access_control;
use cairn_types::checksum::ChecksumAlgorithm;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::UploadInfo;
use cairn_types::namespace::root::BucketEntry;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;

use crate::Gateway;
use crate::acl::AskedSettings;
use crate::authorize::{Admitted, Door, upload_key};
use crate::body::AnswerBody;
use crate::fault::Fault;
use crate::late::{self, Work};
use crate::pipeline::late_refusal;
use crate::request_body::RequestBody;
use crate::tag::RequestTag;
use crate::upload_body::UploadBody;

/// How long a document waits for memory. Most are small: it is the senders of many large ones who wait.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(10);

/// A document and what is made of it, in multiples of its length.
const DOCUMENT_SHARE: usize = 4;

/// However steadily it comes, a document has so many idle timeouts in all: with the default ten minutes, 7 KiB/s for the
/// largest.
const DOCUMENT_TIMEOUTS: u32 = 20;

/// Longer documents are read on the CPU pool.
const INLINE_DOCUMENT_LEN: usize = 64 * 1024;

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
    /// What was decided of it.
    pub(crate) admitted: &'a Admitted,
    /// What names it.
    pub(crate) tag: RequestTag,
}

type Done = Result<Response<AnswerBody>, Fault>;

/// Does what a request asks for.
pub(crate) async fn dispatch(call: Call<'_>, body: RequestBody) -> Done {
    match call.route.operation {
        Operation::ListBuckets => list_buckets::serve(call).await,
        Operation::CreateBucket => create_bucket::serve(call, body).await,
        Operation::DeleteBucket => delete_bucket::serve(call).await,
        Operation::HeadBucket => head_bucket::serve(call).await,
        Operation::GetBucketLocation => get_bucket_location::serve(call).await,
        Operation::PutObject => Box::pin(put_object::serve(call, body)).await,
        Operation::GetObject | Operation::HeadObject => Box::pin(get_object::serve(call)).await,
        Operation::DeleteObject => delete_object::serve(call).await,
        Operation::DeleteObjects => delete_objects::serve(call, body).await,
        Operation::CopyObject => Box::pin(copy_object::serve(call)).await,
        Operation::ListObjects | Operation::ListObjectsV2 => list_objects::serve(call).await,
        Operation::ListObjectVersions => list_object_versions::serve(call).await,
        Operation::GetBucketPolicy => bucket_policy::get(call).await,
        Operation::PutBucketPolicy => bucket_policy::put(call, body).await,
        Operation::DeleteBucketPolicy => bucket_policy::delete(call).await,
        Operation::GetBucketVersioning => bucket_versioning::get(call).await,
        Operation::PutBucketVersioning => bucket_versioning::put(call, body).await,
        Operation::CreateMultipartUpload => create_multipart_upload::serve(call).await,
        Operation::UploadPart => Box::pin(upload_part::serve(call, body)).await,
        Operation::UploadPartCopy => Box::pin(upload_part_copy::serve(call)).await,
        Operation::CompleteMultipartUpload => complete_multipart_upload::serve(call, body).await,
        Operation::AbortMultipartUpload => abort_multipart_upload::serve(call).await,
        Operation::ListParts => list_parts::serve(call).await,
        Operation::ListMultipartUploads => list_multipart_uploads::serve(call).await,
        Operation::GetObjectAttributes => get_object_attributes::serve(call).await,
        _ => setting(call, body).await,
    }
}

/// Does what a request asks for that is about settings of a bucket or an object.
async fn setting(call: Call<'_>, body: RequestBody) -> Done {
    match call.route.operation {
        Operation::GetBucketAcl => bucket_acl::get(call).await,
        Operation::PutBucketAcl => bucket_acl::put(call, body).await,
        Operation::GetObjectAcl => object_acl::get(call).await,
        Operation::PutObjectAcl => object_acl::put(call, body).await,
        Operation::GetBucketOwnershipControls => bucket_ownership_controls::get(call).await,
        Operation::PutBucketOwnershipControls => bucket_ownership_controls::put(call, body).await,
        Operation::DeleteBucketOwnershipControls => bucket_ownership_controls::delete(call).await,
        Operation::GetPublicAccessBlock => public_access_block::get(call).await,
        Operation::PutPublicAccessBlock => public_access_block::put(call, body).await,
        Operation::DeletePublicAccessBlock => public_access_block::delete(call).await,
        Operation::GetBucketPolicy => bucket_policy::get(call).await,
        Operation::PutBucketPolicy => bucket_policy::put(call, body).await,
        Operation::DeleteBucketPolicy => bucket_policy::delete(call).await,
        Operation::GetBucketPolicyStatus => bucket_policy::status(call).await,
        Operation::GetBucketTagging => bucket_tagging::get(call).await,
        Operation::PutBucketTagging => bucket_tagging::put(call, body).await,
        Operation::DeleteBucketTagging => bucket_tagging::delete(call).await,
        Operation::GetObjectTagging => object_tagging::get(call).await,
        Operation::PutObjectTagging => object_tagging::put(call, body).await,
        Operation::DeleteObjectTagging => object_tagging::delete(call).await,
        Operation::GetBucketCors => bucket_cors::get(call).await,
        Operation::PutBucketCors => bucket_cors::put(call, body).await,
        Operation::DeleteBucketCors => bucket_cors::delete(call).await,
        Operation::GetBucketRequestPayment => bucket_switches::get_payment(call).await,
        Operation::PutBucketRequestPayment => bucket_switches::put_payment(call, body).await,
        Operation::GetBucketAccelerateConfiguration => {
            bucket_switches::get_acceleration(call).await
        }
        Operation::PutBucketAccelerateConfiguration => {
            bucket_switches::put_acceleration(call, body).await
        }
        Operation::GetBucketLogging => bucket_switches::get_logging(call).await,
        Operation::PutBucketLogging => bucket_switches::put_logging(call, body).await,
        _ => lock(call, body).await,
    }
}

/// Does what a request asks for that is about object lock.
async fn lock(call: Call<'_>, body: RequestBody) -> Done {
    match call.route.operation {
        Operation::GetObjectLockConfiguration => bucket_object_lock::get(call).await,
        Operation::PutObjectLockConfiguration => bucket_object_lock::put(call, body).await,
        Operation::GetObjectRetention => object_lock::get_retention(call).await,
        Operation::PutObjectRetention => object_lock::put_retention(call, body).await,
        Operation::GetObjectLegalHold => object_lock::get_legal_hold(call).await,
        Operation::PutObjectLegalHold => object_lock::put_legal_hold(call, body).await,
        // The pipeline has refused these.
        _ => Err(Code::NotImplemented.into()),
    }
}

impl<'a> Call<'a> {
    /// What inputs are read from.
    pub(crate) const fn request(&self) -> Request<'a> {
        Request {
            parts: self.parts,
            route: self.route,
            verified: self.verified,
            dialect: self.gateway.config.dialect,
        }
    }

    /// Object I/O.
    pub(crate) fn engine(&self) -> &'a Engine {
        &self.gateway.engine
    }

    /// The bucket that it names, as far as it was decided.
    ///
    /// # Errors
    /// Where it names none: then its operation is not about one.
    pub(crate) fn door(&self) -> Result<&'a Arc<Door>, Fault> {
        let door = self.admitted.door.as_ref();
        door.ok_or_else(|| Fault::senseless("an operation on no bucket asks for one".to_owned()))
    }

    /// What its operation needs to be allowed.
    pub(crate) fn action(&self) -> Action {
        self.route.operation.row().action
    }

    /// Where an object goes.
    pub(crate) fn target(&self, key: &ObjectKey) -> Result<Target, Fault> {
        Ok(Target {
            bucket: self.door()?.entry(),
            key: key.clone(),
        })
    }

    /// The body, verified as it flows. Where the client declared no checksum, one of `default_checksum` is computed.
    pub(crate) fn upload<B>(
        &self,
        body: B,
        declaration: BodyDeclaration,
        default_checksum: Option<ChecksumAlgorithm>,
    ) -> UploadBody<B>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let verified = self.verified;
        UploadBody::new(VerifiedBody::new(
            body,
            declaration,
            verified,
            default_checksum,
        ))
    }

    /// What `parse` makes of the document in the body, verified. Documents share a budget of memory.
    pub(crate) async fn document<T: Send + 'static>(
        &self,
        body: RequestBody,
        declaration: BodyDeclaration,
        parse: fn(&[u8]) -> Result<T, S3Error>,
    ) -> Result<T, Fault> {
        let limit = match self.route.operation.row().body {
            BodyKind::Document(limit) => limit,
            BodyKind::None | BodyKind::Object => 0,
        };
        let declared = declaration.len().and_then(|len| usize::try_from(len).ok());
        let share = declared.unwrap_or(limit).min(limit) * DOCUMENT_SHARE;
        let held = self.gateway.documents.take(share, DOCUMENT_PATIENCE).await;
        let _held = held.map_err(|_| Fault::slow_down())?;
        let patience = self.gateway.config.idle_timeout * DOCUMENT_TIMEOUTS;
        let upload = self.upload(body, declaration, None);
        let document = upload.read_document(limit, patience).await?;
        let parsed = if document.len() > INLINE_DOCUMENT_LEN {
            self.engine().cpu().run(move || parse(&document)).await
        } else {
            parse(&document)
        };
        Ok(parsed?)
    }

    /// Answers by what comes of `work`, which may take longer than clients wait. `known` are headers of the answer that are
    /// known before.
    pub(crate) async fn answer_late(&self, work: Work, known: HeaderMap) -> Done {
        let (resource, tag) = (self.parts.uri.path().to_owned(), self.tag);
        let refusal = move |fault: &Fault| late_refusal(fault, &resource, tag);
        late::answer(work, known, refusal).await
    }

    /// What the head says of the body.
    pub(crate) fn declaration(&self) -> Result<BodyDeclaration, Fault> {
        let operation = self.route.operation;
        let headers = &self.parts.headers;
        Ok(BodyDeclaration::parse(
            operation,
            headers,
            self.verified,
            self.gateway.config.dialect,
        )?)
    }

    /// What an upload was begun with.
    pub(crate) async fn upload_info(&self, input: &UploadInput) -> Result<UploadInfo, Fault> {
        let find = |engine: Engine, bucket: Arc<BucketEntry>| async move {
            let upload = upload_key(&bucket, input);
            Ok(engine.uploads().info(&bucket, &upload).await?)
        };
        Ok(self.door()?.settled(find).await?.value)
    }

    /// An ACL of what belongs to `owner` as a document, with the names that people read.
    pub(crate) fn acl_document(&self, owner: &CanonicalId, acl: &Acl) -> Bytes {
        let dialect = self.gateway.config.dialect;
        let text = write_access_control(dialect, owner, acl, |id| {
            let named = self.gateway.identities.owner(id.as_str()).display_name;
            Some(named).filter(|name| !name.is_empty())
        });
        Bytes::from(text)
    }

    /// Looks up who is named in what is said of a new object.
    ///
    /// # Errors
    /// As `AskedSettings::look_up`.
    pub(crate) async fn asked(&self, input: ObjectSettingsInput) -> Result<AskedSettings, Fault> {
        let now = self.gateway.clock.now();
        AskedSettings::look_up(&self.gateway.identities, input, now).await
    }

    /// Who asks.
    pub(crate) fn requester(&self) -> Result<&'a Identity, Fault> {
        let identity = self.verified.identity();
        identity.ok_or_else(|| Code::AccessDenied.into())
    }

    /// Whose something in the bucket is: the bucket's owner's, if nobody is named.
    pub(crate) fn owner_of(&self, named: Option<&CanonicalId>) -> Result<Owner, Fault> {
        let bucket = self.door()?.entry();
        let id = named.map_or(bucket.owner.as_str(), CanonicalId::as_str);
        Ok(self.gateway.identities.owner(id))
    }

    /// Whose the rows of a listing of the bucket are, some of which name owners.
    pub(crate) fn owners_of<'r>(
        &self,
        named: impl Iterator<Item = &'r CanonicalId>,
    ) -> Result<Owners, Fault> {
        let mut ids: Vec<&CanonicalId> = named.collect();
        ids.sort_unstable_by_key(|id| id.as_str());
        ids.dedup();
        let others = ids.into_iter().map(|id| self.owner_of(Some(id)));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        Ok(Owners::new(self.owner_of(None)?, others))
    }
}

/// An answer, and which commit it reflects.
pub(crate) fn reflecting(index: u64, answer: Response<Bytes>) -> Response<AnswerBody> {
    let mut answer = answer.map(AnswerBody::whole);
    answer
        .headers_mut()
        .insert("x-cairn-index", HeaderValue::from(index));
    answer
}
