//! Writing: a body becomes shards on disks, or bytes in the record, and then a version.

mod blob;
mod digest;
mod lanes;
pub(crate) mod quorum;

use std::sync::Arc;

use cairn_client::{Indexed, MutateError};
use cairn_erasure::BLOB_LEN_MAX;
use cairn_types::checksum::ObjectChecksum;
use cairn_types::etag::ETag;
use cairn_types::id::GroupId;
use cairn_types::namespace::data::{Committed, UploadKey, WriteCondition, extents};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, NewObject, NewPart, ObjectHeaders};
use cairn_types::settings::ObjectSettings;
use cairn_types::time::Timestamp;

use crate::abandoned::Begun;
use crate::engine::{Engine, Shared, Target};
use crate::error::PutError;
use crate::source::{Body, Declared, Length, Source};
use blob::Room;
use digest::Digest;

/// A part as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCommitted {
    /// The MD5 of its bytes.
    pub etag: ETag,
    /// The checksum that was verified.
    pub checksum: Option<ObjectChecksum>,
    /// When it was committed.
    pub last_modified: Timestamp,
}

/// What is kept of an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// Its headers.
    pub headers: ObjectHeaders,
    /// Owner, ACL, tags and lock.
    pub settings: ObjectSettings,
}

impl From<ObjectHeaders> for Described {
    /// The bucket's owner's, private, without tags and lock.
    fn from(headers: ObjectHeaders) -> Self {
        Self {
            headers,
            settings: ObjectSettings::default(),
        }
    }
}

/// A body whose bytes are safe and that nothing refers to yet: to be committed, once. Dropped without that it is abandoned.
pub struct Staged {
    len: u64,
    content: Content,
    etag: ETag,
    checksum: Option<ObjectChecksum>,
    /// `None`: it is committed.
    begun: Option<Begun>,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged")
            .field("len", &self.len)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Stores the bytes of `source`, which has so many, as the newest version of `target`, if `condition` holds.
    ///
    /// The bytes are durable on a write quorum of disks before the version is committed. Small ones go into the record.
    /// Memory, out of the budget: what has come of the stripe that is read, and one or two stripes on the way to the disks.
    ///
    /// Dropping the future abandons the write, except that a commit on its way may still happen.
    ///
    /// # Errors
    /// All but an unknown commit are certain to have had no effect: see `PutError::outcome`.
    pub async fn put<S: Source>(
        &self,
        target: &Target,
        described: impl Into<Described>,
        len: impl Into<Length>,
        source: S,
        condition: &WriteCondition,
    ) -> Result<Indexed<Committed>, PutError<S::Error>> {
        let described = described.into();
        // On the heap: most of what a request holds, and its frames above would each hold it again.
        let mut staged = Box::pin(self.store(target.group(), len.into(), source)).await?;
        let committed = Box::pin(self.commit(target, &mut staged, &described, condition));
        committed.await.map_err(PutError::Commit)
    }

    /// The first half of `put`: makes the bytes of `source`, which has so many, safe for whoever then commits them to `target`, or as a part of
    /// an upload of its key.
    ///
    /// # Errors
    /// As `put`, but never `Commit`.
    pub async fn stage<S: Source>(
        &self,
        target: &Target,
        len: impl Into<Length>,
        source: S,
    ) -> Result<Staged, PutError<S::Error>> {
        // On the heap, as in `put`.
        Box::pin(self.store(target.group(), len.into(), source)).await
    }

    /// The second half of `put`. When it is refused, as by `SettingsChanged`, what is staged may be committed by one who decided
    /// again. Where the bucket was made again in another group meanwhile, what is staged is brought there first.
    ///
    /// # Errors
    /// See `MutateError`.
    ///
    /// # Panics
    /// When it was committed before.
    pub async fn commit(
        &self,
        target: &Target,
        staged: &mut Staged,
        described: &Described,
        condition: &WriteCondition,
    ) -> Result<Indexed<Committed>, MutateError> {
        assert!(staged.begun.is_some(), "it is committed once");
        let put = async |bucket: &Arc<BucketEntry>, staged: &Staged| {
            let object = staged.as_object(described);
            let objects = self.objects();
            objects.put(bucket, &target.key, &object, condition).await
        };
        let committed = match put(&target.bucket, staged).await {
            Err(MutateError::OtherGroup { group }) => {
                self.bring_to(group, staged).await?;
                let bucket = self.buckets().lookup(&target.bucket.name).await?;
                put(&bucket, staged).await?
            }
            committed => committed?,
        };
        staged.settle();
        Ok(committed)
    }

    /// Stores the bytes of `source`, which has so many, as part `number` of an upload.
    ///
    /// # Errors
    /// As `put`.
    pub async fn put_part<S: Source>(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        number: u16,
        len: impl Into<Length>,
        source: S,
    ) -> Result<Indexed<PartCommitted>, PutError<S::Error>> {
        let group = bucket.group_of(upload.key.as_str());
        let mut staged = Box::pin(self.store(group, len.into(), source)).await?;
        let committed = Box::pin(self.commit_part(bucket, upload, number, &mut staged));
        committed.await.map_err(PutError::Commit)
    }

    /// The second half of `put_part`, as `commit` that of `put`.
    ///
    /// # Errors
    /// See `MutateError`.
    ///
    /// # Panics
    /// When it was committed before.
    pub async fn commit_part(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        number: u16,
        staged: &mut Staged,
    ) -> Result<Indexed<PartCommitted>, MutateError> {
        assert!(staged.begun.is_some(), "it is committed once");
        let put = async |staged: &Staged| {
            let part = staged.as_part();
            let uploads = self.uploads();
            uploads.put_part(bucket, upload, number, &part).await
        };
        let committed = match put(staged).await {
            Err(MutateError::OtherGroup { group }) => {
                self.bring_to(group, staged).await?;
                put(staged).await?
            }
            committed => committed?,
        };
        staged.settle();
        Ok(Indexed {
            value: PartCommitted {
                etag: staged.etag.clone(),
                checksum: staged.checksum.clone(),
                last_modified: committed.value,
            },
            index: committed.index,
        })
    }

    /// Writes what is staged anew, for a commit in another group: a blob belongs to the group that it was begun for. When that
    /// fails what is staged is as it was.
    async fn bring_to(&self, group: GroupId, staged: &mut Staged) -> Result<(), MutateError> {
        let unavailable = |error: &dyn std::error::Error| MutateError::Unavailable {
            group,
            reason: format!("bring the bytes of a write to this group: {error}"),
        };
        let source = self.staged_source(extents(&staged.content), staged.len);
        let source = source.await.map_err(|error| unavailable(&error))?;
        let store = Box::pin(self.store(group, Length::Known(staged.len), source));
        let mut brought = store.await.map_err(|error| unavailable(&error))?;
        brought.checksum = staged.checksum.take();
        *staged = brought;
        Ok(())
    }

    /// Makes the bytes safe, so that a commit in `group` may refer to them, and checks what was declared of them.
    async fn store<S: Source>(
        &self,
        group: GroupId,
        length: Length,
        source: S,
    ) -> Result<Staged, PutError<S::Error>> {
        let shared = &*self.shared;
        let mut body = Body::new(source, length);
        // Armed before the first side effect.
        let mut begun = shared.abandoned.guard(group);
        let mut digest = Digest::new();
        let content = match length {
            Length::Known(len) => match inline_len(shared, len) {
                Some(len) => collect(shared, &mut body, len, &mut digest).await?,
                None => write_blobs(shared, &mut body, len, &mut digest, &mut begun).await?,
            },
            Length::AtEnd => write_open(shared, &mut body, &mut digest, &mut begun).await?,
        };
        let len = body.taken();
        let declared = body.finish().await?;
        let md5 = digest.finish();
        check(&declared, md5)?;
        Ok(Staged {
            len,
            content,
            etag: ETag::from_md5(md5),
            checksum: declared.checksum,
            begun: Some(begun),
        })
    }
}

impl Staged {
    fn as_object(&self, described: &Described) -> NewObject {
        NewObject {
            len: self.len,
            etag: self.etag.clone(),
            checksum: self.checksum.clone(),
            headers: described.headers.clone(),
            settings: described.settings.clone(),
            content: self.content.clone(),
        }
    }

    fn as_part(&self) -> NewPart {
        NewPart {
            len: self.len,
            etag: self.etag.clone(),
            checksum: self.checksum.clone(),
            content: self.content.clone(),
        }
    }

    /// Something refers to it. Otherwise its blobs are condemned when it goes, which decides also what is not known.
    fn settle(&mut self) {
        if let Some(begun) = self.begun.take() {
            begun.committed();
        }
    }
}

/// The length of a body that goes into the record.
fn inline_len(shared: &Shared, len: u64) -> Option<usize> {
    let len = usize::try_from(len).ok();
    len.filter(|len| *len == 0 || *len <= shared.config.inline_len_max)
}

/// A short body as it goes into the record.
async fn collect<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    len: usize,
    digest: &mut Digest,
) -> Result<Content, PutError<S::Error>> {
    body.prepare(shared.config.budget_patience).await?;
    let held = shared
        .budget
        .common()
        .take(len, shared.config.budget_patience)
        .await?;
    let mut buffer = Vec::with_capacity(len);
    body.fill(&mut buffer, len).await?;
    let bytes = held.around(buffer);
    digest.update(&shared.cpu, vec![bytes.clone()]).await;
    Ok(Content::Inline(bytes))
}

async fn write_blobs<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    len: u64,
    digest: &mut Digest,
    begun: &mut Begun,
) -> Result<Content, PutError<S::Error>> {
    let mut extents = Vec::new();
    let mut rest = len;
    while rest > 0 {
        let blob_len = rest.min(BLOB_LEN_MAX);
        let room = Room::Exactly(blob_len);
        extents.push(blob::write(shared, body, room, digest, begun).await?);
        rest -= blob_len;
    }
    Ok(Content::Extents(extents))
}

/// A body whose length is known when it ends: it is written to disks as soon as it is too long for the record.
async fn write_open<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    digest: &mut Digest,
    begun: &mut Begun,
) -> Result<Content, PutError<S::Error>> {
    let patience = shared.config.budget_patience;
    let too_long = shared.config.inline_len_max + 1;
    let held = shared.budget.common().take(too_long, patience).await?;
    let mut buffer = Vec::with_capacity(too_long);
    let len = body.fill_some(&mut buffer, too_long).await?;
    let bytes = held.around(buffer);
    if len < too_long {
        digest.update(&shared.cpu, vec![bytes.clone()]).await;
        return Ok(Content::Inline(bytes));
    }
    body.put_back(bytes);
    let mut extents = Vec::new();
    while body.has_more().await? {
        let room = Room::UpTo(BLOB_LEN_MAX);
        extents.push(blob::write(shared, body, room, digest, begun).await?);
    }
    Ok(Content::Extents(extents))
}

fn check<E: std::error::Error + Send + Sync + 'static>(
    declared: &Declared,
    computed: [u8; 16],
) -> Result<(), PutError<E>> {
    match declared.md5 {
        Some(md5) if md5 != computed => Err(PutError::DigestMismatch { computed }),
        Some(_) | None => Ok(()),
    }
}
