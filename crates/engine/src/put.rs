//! Writing: a body becomes shards on disks, or bytes in the record, and then a version.

mod blob;
mod digest;
mod lanes;
pub(crate) mod quorum;

use cairn_client::{Indexed, MutateError};
use cairn_erasure::BLOB_LEN_MAX;
use cairn_types::checksum::ObjectChecksum;
use cairn_types::etag::ETag;
use cairn_types::id::GroupId;
use cairn_types::namespace::data::{Committed, UploadKey, WriteCondition};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, NewObject, NewPart, ObjectHeaders};
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

/// A body whose bytes are safe and that nothing refers to yet.
struct Stored {
    len: u64,
    content: Content,
    etag: ETag,
    checksum: Option<ObjectChecksum>,
    begun: Begun,
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
        headers: ObjectHeaders,
        len: impl Into<Length>,
        source: S,
        condition: &WriteCondition,
    ) -> Result<Indexed<Committed>, PutError<S::Error>> {
        // On the heap: most of what a request holds, and its frames above would each hold it again.
        let stored = Box::pin(self.store(target.group(), len.into(), source)).await?;
        let object = NewObject {
            len: stored.len,
            etag: stored.etag,
            checksum: stored.checksum,
            headers,
            content: stored.content,
        };
        let objects = &self.shared.objects;
        let answer = objects
            .put(&target.bucket, &target.key, &object, condition)
            .await;
        settle(answer, stored.begun)
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
        let stored = Box::pin(self.store(group, len.into(), source)).await?;
        let part = NewPart {
            len: stored.len,
            etag: stored.etag,
            checksum: stored.checksum,
            content: stored.content,
        };
        let uploads = &self.shared.uploads;
        let answer = uploads.put_part(bucket, upload, number, &part).await;
        let committed = settle(answer, stored.begun)?;
        Ok(Indexed {
            value: PartCommitted {
                etag: part.etag,
                checksum: part.checksum,
                last_modified: committed.value,
            },
            index: committed.index,
        })
    }

    /// Makes the bytes safe, so that a commit in `group` may refer to them, and checks what was declared of them.
    async fn store<S: Source>(
        &self,
        group: GroupId,
        length: Length,
        source: S,
    ) -> Result<Stored, PutError<S::Error>> {
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
        Ok(Stored {
            len,
            content,
            etag: ETag::from_md5(md5),
            checksum: declared.checksum,
            begun,
        })
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

/// Ends a write by what the metadata said. The blobs of what is not known to be committed are condemned, which decides it.
fn settle<T, E: std::error::Error + Send + Sync + 'static>(
    answer: Result<T, MutateError>,
    begun: Begun,
) -> Result<T, PutError<E>> {
    let value = answer.map_err(PutError::Commit)?;
    begun.committed();
    Ok(value)
}
