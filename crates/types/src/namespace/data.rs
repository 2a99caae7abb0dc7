//! Data groups: buckets, objects, uploads, blobs.

use crate::account::CanonicalId;
use crate::acl::Acl;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use crate::etag::ETag;
use crate::id::{BlobId, BucketId, Epoch, UploadId, VersionId};
use crate::lock::{LegalHold, Retention};
use crate::name::{BucketName, ObjectKey};
use crate::object::{Extent, NewObject, NewPart, NewUpload, ObjectHeaders, ObjectVersion};
use crate::settings::{BucketSettings, InitialSettings, ObjectSettings, SettingChange};
use crate::tag::Tags;
use crate::time::Timestamp;
use crate::version::{NamedVersion, Versioning};

/// What must hold of the key's newest version for a write to happen; decided in applying.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WriteCondition {
    /// Nothing.
    #[default]
    Always,
    /// `If-None-Match: *`: there is none.
    IfAbsent,
    /// `If-Match: *`: there is one. No object: `NoSuchKey`.
    IfPresent,
    /// `If-Match: <etag>`: it has this ETag. No object: `NoSuchKey`.
    IfMatch(ETag),
    /// `If-None-Match: <etag>`: it has another ETag, or there is none.
    IfNoneMatch(ETag),
}

/// A part as completion names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// The ETag that the client was told.
    pub etag: ETag,
    /// The checksum that the client was told, if it names it.
    pub checksum: Option<Checksum>,
}

/// Where an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadKey {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Itself.
    pub upload: UploadId,
}

/// What is to be deleted of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTarget {
    /// The key.
    pub key: ObjectKey,
    /// That version alone, for good. Without it the key as clients see it is deleted: what was its newest version stays below a
    /// delete marker, where the bucket keeps versions.
    pub version: Option<NamedVersion>,
    /// Whether a retention of mode governance is passed: the caller may do that, and says so.
    pub bypass_governance: bool,
    /// What must hold, or it is refused.
    pub condition: DeleteCondition,
    /// Whose a delete marker is that is made of it; `None`: the bucket's owner's.
    pub marker_owner: Option<CanonicalId>,
}

impl DeleteTarget {
    /// That version of a key, without conditions.
    pub fn version(key: ObjectKey, version: NamedVersion) -> Self {
        Self {
            version: Some(version),
            ..Self::from(key)
        }
    }
}

impl From<ObjectKey> for DeleteTarget {
    /// The key as clients see it, without conditions.
    fn from(key: ObjectKey) -> Self {
        Self {
            key,
            version: None,
            bypass_governance: false,
            condition: DeleteCondition::default(),
            marker_owner: None,
        }
    }
}

/// What must hold of the version that is named, or else of the newest one, for a deletion to happen. What is not there is
/// deleted whatever must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteCondition {
    /// Its ETag. A delete marker has none.
    pub etag: Option<ETagCondition>,
    /// When it was committed, to the second.
    pub last_modified: Option<Timestamp>,
    /// Its length in bytes; of a delete marker 0.
    pub len: Option<u64>,
}

/// What an ETag must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagCondition {
    /// `*`: whatever it is, and a delete marker too.
    Any,
    /// This one.
    Is(ETag),
}

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTarget {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: ObjectKey,
    /// Which, if not the newest.
    pub version: Option<NamedVersion>,
}

/// A change of a data group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataMutation {
    /// Makes the bucket known here. As of every step of a bucket's life: one that was taken already is no change; one that
    /// comes after a later step is `BucketInTransition`, or `NoSuchBucket` if the bucket is gone: look in the directory again.
    OpenBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its name, for people who read tables.
        name: BucketName,
        /// Its epoch when the directory said `Creating`.
        epoch: Epoch,
        /// What the directory said with it.
        initial: InitialSettings,
    },
    /// Stops every later write of objects, if the bucket is empty (uploads do not count); else `BucketNotEmpty`.
    FenceBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when the directory said `Deleting`.
        epoch: Epoch,
    },
    /// Lets a bucket be written again, and refuses the fences of the deletion that was taken back.
    UnfenceBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when the directory said `Active`.
        epoch: Epoch,
    },
    /// Removes what is left of a fenced bucket: its uploads, then its row. Repeated until `Drained { more: false }`, which is
    /// also the answer for one that is gone.
    DrainBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when the directory said `Draining`.
        epoch: Epoch,
        /// What the directory said with it.
        opened_below: BucketId,
        /// At most this many uploads and parts in one command, 1 to 1,000.
        limit: u32,
    },
    /// Changes what a bucket was told to be; what it is already is no change. One that was fenced is `NoSuchBucket`; of the
    /// other steps only those after `epoch` refuse it, with `BucketInTransition`.
    ChangeSettings {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when the directory said `Active`.
        epoch: Epoch,
        /// What is to be another.
        change: SettingChange,
    },
    /// Commits a version as the newest of its key. While versioning is not enabled it is the null version, in place of the one
    /// that was.
    PutObject {
        /// The bucket.
        bucket: BucketId,
        /// The key.
        key: ObjectKey,
        /// The version.
        object: NewObject,
        /// What must hold.
        condition: WriteCondition,
    },
    /// Deletes keys and versions, each as if alone. Of a key: without versioning the null version goes; with it a delete marker
    /// becomes the newest version, which is the null version, in place of the one that was, while versioning is suspended. A
    /// named version goes, and what is below it is the newest if it was. What is missing is deleted too. A target that is refused
    /// stays, and does not touch the others.
    DeleteObjects {
        /// The bucket.
        bucket: BucketId,
        /// 1 to 1,000.
        targets: Vec<DeleteTarget>,
    },
    /// Changes the tags of a version, and nothing else of it: neither when it was modified, nor its order. As of all such
    /// changes: of the newest version, if none is named, and a delete marker is refused as when it is read.
    SetObjectTags {
        /// The version.
        target: VersionTarget,
        /// What they are to be.
        tags: Tags,
    },
    /// Changes the ACL of a version.
    SetObjectAcl {
        /// The version.
        target: VersionTarget,
        /// What it is to be; `None`: its owner has everything, nobody else anything.
        acl: Option<Acl>,
    },
    /// Changes until when a version is retained. In a bucket without lock: `NoObjectLock`. One that binds is extended or made
    /// stricter, or else `ObjectLocked`.
    SetRetention {
        /// The version.
        target: VersionTarget,
        /// What it is to be.
        retention: Option<Retention>,
        /// Whether one of mode governance is passed: the caller may do that, and says so.
        bypass_governance: bool,
    },
    /// Changes whether a version is held. In a bucket without lock: `NoObjectLock`.
    SetLegalHold {
        /// The version.
        target: VersionTarget,
        /// What it is to be.
        legal_hold: LegalHold,
    },
    /// Begins an upload. The id is made here, from the command's random bits.
    CreateUpload {
        /// The bucket.
        bucket: BucketId,
        /// The key.
        key: ObjectKey,
        /// What was decided.
        upload: NewUpload,
    },
    /// Commits a part; one of the same number goes.
    PutPart {
        /// The upload.
        upload: UploadKey,
        /// 1 to 10,000.
        number: u16,
        /// The part.
        part: NewPart,
    },
    /// Makes the parts one version. Repeating it after it happened (same parts) answers the same while the upload is
    /// remembered: as long as its version exists.
    CompleteUpload {
        /// The upload.
        upload: UploadKey,
        /// Ascending, 1 to 10,000 parts.
        parts: Vec<CompletedPart>,
        /// What must hold.
        condition: WriteCondition,
        /// The checksum of the whole, if the client declared one.
        checksum: Option<Checksum>,
        /// `x-amz-mp-object-size`, if the client declared it.
        declared_len: Option<u64>,
    },
    /// Forgets an upload and frees its parts.
    AbortUpload {
        /// The upload.
        upload: UploadKey,
    },
    /// Forbids blobs that nothing refers to, so that their shards may be removed. Blobs that are referred to are left
    /// alone.
    CondemnBlobs {
        /// At most 1,000.
        blobs: Vec<BlobId>,
    },
    /// From now on no blob begun before `horizon` may be committed. Never goes back. Condemned rows older than it
    /// go, some with each command.
    RaiseHorizon {
        /// By the clocks of those who begin blobs.
        horizon: Timestamp,
    },
    /// The shards of these freed blobs are tombstoned on their disks: forget them. What is condemned stays so until the
    /// horizon passes it, because a commit that names it may still be on its way.
    ForgetBlobs {
        /// At most 1,000.
        blobs: Vec<BlobId>,
    },
    /// Does what is left for later, as every command does a little of: forgets requests that are too old and condemned blobs
    /// that the horizon has passed, removes parts of uploads that are gone; proposed by the leader of a quiet group.
    ExpireRequests,
}

/// A committed version, as its writer is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub version: VersionId,
    /// Whether it is the null version.
    pub is_null: bool,
    /// Its ETag.
    pub etag: ETag,
    /// Its length in bytes.
    pub len: u64,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// When.
    pub last_modified: Timestamp,
}

/// What became of a key or version that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was not there.
    Missing,
    /// A version went: that which was named, or the null version of a key in a bucket without versioning.
    Removed {
        /// Whether it was a delete marker.
        is_marker: bool,
    },
    /// A delete marker was made.
    Marked {
        /// Its id.
        version: VersionId,
        /// Whether it is the null version.
        is_null: bool,
    },
    /// It is as it was.
    Refused(DeleteRefusal),
}

/// Why one key or version is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteRefusal {
    /// It is retained or held.
    Locked,
    /// The condition does not hold.
    PreconditionFailed,
}

/// What a change of a data group answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataReply {
    /// It is so now.
    Done,
    /// A step of draining; `more` when there is more to do.
    Drained {
        /// Whether to repeat it.
        more: bool,
    },
    /// A version was committed.
    Committed(Committed),
    /// What became of each target.
    Deleted(Vec<Deleted>),
    /// The bucket's settings have this epoch.
    Settings {
        /// The epoch.
        epoch: Epoch,
    },
    /// This version was changed.
    VersionChanged {
        /// Its id.
        version: VersionId,
        /// Whether it is the null version.
        is_null: bool,
    },
    /// An upload was begun.
    UploadCreated {
        /// Its id.
        upload: UploadId,
        /// When.
        initiated: Timestamp,
    },
    /// A part was committed.
    PartCommitted {
        /// When.
        last_modified: Timestamp,
    },
    /// These blobs are forbidden from now on; the others of the request are in use.
    Condemned(Vec<BlobId>),
}

/// A question to a data group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataQuery {
    /// The newest version of a key, whole, or with `version` that one. A delete marker: `DeleteMarker`.
    Object {
        /// The bucket.
        bucket: BucketId,
        /// The key.
        key: ObjectKey,
        /// Which, if not the newest.
        version: Option<NamedVersion>,
    },
    /// As `Object`, but without its bytes: `content` is empty `Extents` unless it is `Parts`.
    ObjectHead {
        /// The bucket.
        bucket: BucketId,
        /// The key.
        key: ObjectKey,
        /// Which, if not the newest.
        version: Option<NamedVersion>,
    },
    /// A page of current objects and common prefixes, in the order of UTF-8 bytes.
    ListObjects(ListObjects),
    /// A page of versions, delete markers among them, and common prefixes: by key, and those of a key newest first.
    ListVersions(ListVersions),
    /// An upload: what it was begun with. `NoSuchUpload` if there is none.
    Upload {
        /// The upload.
        upload: UploadKey,
    },
    /// A page of an open upload's parts. `NoSuchUpload` if there is none.
    Parts {
        /// The upload.
        upload: UploadKey,
        /// Only numbers above this.
        after: u16,
        /// At most this many, 1 to 1,000.
        limit: u32,
    },
    /// A page of open uploads, by key and then by the time they were begun.
    Uploads(ListUploads),
    /// Where the bytes of a completed object's parts are: of an `ObjectVersion` with `Content::Parts`.
    PartContents {
        /// The upload that `Content::Parts` names.
        upload: UploadKey,
        /// From this part number on.
        from: u16,
        /// At most this many, 1 to 1,000.
        limit: u32,
    },
    /// What a bucket holds, exactly.
    Counters {
        /// The bucket.
        bucket: BucketId,
    },
    /// Whether a bucket keeps versions.
    Versioning {
        /// The bucket.
        bucket: BucketId,
    },
    /// All that a bucket was told to be.
    Settings {
        /// The bucket.
        bucket: BucketId,
    },
    /// A page of blobs to be removed from their disks, in the order in which they were freed.
    FreedBlobs {
        /// Only those after this one.
        after: Option<FreedBlob>,
        /// At most this many, 1 to 1,000.
        limit: u32,
    },
    /// Which of these nothing refers to now. No proof that nothing ever will: a commit may be on its way, so they are to be
    /// condemned before anything is done to them.
    UnheldBlobs {
        /// 1 to 1,000.
        blobs: Vec<BlobId>,
    },
    /// What the group owes and forbids, for the operator.
    Status,
}

/// A question for a page of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys with this prefix.
    pub prefix: String,
    /// Keys that go on after the prefix up to this text are rolled up into one common prefix; empty: none is.
    pub delimiter: String,
    /// Only keys and common prefixes after this; a common prefix that equals it is passed over whole.
    pub after: String,
    /// At most this many keys and common prefixes, 0 to 1,000.
    pub limit: u32,
}

/// A question for a page of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListVersions {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys with this prefix.
    pub prefix: String,
    /// As for objects.
    pub delimiter: String,
    /// Only keys after this, or with `after_version` also this key's versions below that one. A common prefix that equals it is
    /// passed over whole.
    pub after_key: String,
    /// See `after_key`. A version that has gone since is passed as if it were there; where nobody can tell any more where it
    /// was, which is so of a null version, all of the key's are told again.
    pub after_version: Option<NamedVersion>,
    /// At most this many versions and common prefixes, 0 to 1,000.
    pub limit: u32,
}

/// A question for a page of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListUploads {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys with this prefix.
    pub prefix: String,
    /// As for objects.
    pub delimiter: String,
    /// Only keys after this, or with `after_upload` also this key's uploads after that one.
    pub after_key: String,
    /// See `after_key`.
    pub after_upload: Option<UploadId>,
    /// At most this many uploads and common prefixes, 0 to 1,000.
    pub limit: u32,
}

/// A row of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was committed.
    pub last_modified: Timestamp,
    /// The algorithm and kind of its checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Whose it is; `None`: the bucket's owner's.
    pub owner: Option<CanonicalId>,
}

/// A row of a listing of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its key.
    pub key: ObjectKey,
    /// Its id.
    pub version: VersionId,
    /// Whether it is the null version.
    pub is_null: bool,
    /// Whether it is the newest of its key.
    pub is_latest: bool,
    /// When it was committed.
    pub last_modified: Timestamp,
    /// Whose it is; `None`: the bucket's owner's.
    pub owner: Option<CanonicalId>,
    /// What it holds; a delete marker holds nothing.
    pub object: Option<ListedContent>,
}

/// What a listed version holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedContent {
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag.
    pub etag: ETag,
    /// The algorithm and kind of its checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// A row of a listing of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// Its key.
    pub key: ObjectKey,
    /// Its id.
    pub upload: UploadId,
    /// When it was begun.
    pub initiated: Timestamp,
    /// The checksum it was begun with.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Whose the object is to be; `None`: the bucket's owner's.
    pub owner: Option<CanonicalId>,
    /// Who began it; `None`: the bucket's owner.
    pub initiator: Option<CanonicalId>,
}

/// A row of a listing of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number.
    pub number: u16,
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// When it was committed.
    pub last_modified: Timestamp,
}

/// Where the bytes of one part are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartContent {
    /// Its number.
    pub number: u16,
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Its bytes: never `Parts`.
    pub content: crate::object::Content,
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Current objects: keys whose newest version is no delete marker.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions, current and not, delete markers included.
    pub versions: u64,
    /// Bytes of all versions. A delete marker has none.
    pub version_bytes: u64,
    /// Open uploads.
    pub uploads: u64,
    /// Parts of open uploads.
    pub parts: u64,
    /// Their bytes.
    pub part_bytes: u64,
}

/// What a data group owes and forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupStatus {
    /// The group's clock.
    pub clock: Timestamp,
    /// Blobs begun before this can no longer be committed.
    pub horizon: Timestamp,
    /// Blobs freed and not yet removed.
    pub freed_blobs: u64,
    /// Condemned blobs that are remembered.
    pub condemned_blobs: u64,
    /// Committed blobs that lack shards: what repair owes.
    pub degraded_blobs: u64,
    /// The hash chained over everything applied.
    pub state_hash: u128,
}

/// A freed blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreedBlob {
    /// The blob.
    pub blob: BlobId,
    /// When its last reference went.
    pub freed: Timestamp,
}

/// An open upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInfo {
    /// When it was begun.
    pub initiated: Timestamp,
    /// The headers of the object to be.
    pub headers: ObjectHeaders,
    /// The checksum that every part is to have.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Owner, ACL, tags and lock of the object to be.
    pub settings: ObjectSettings,
    /// Who began it; `None`: the bucket's owner.
    pub initiator: Option<CanonicalId>,
}

/// An answer of a data group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataView {
    /// A version.
    Object(Box<ObjectVersion>),
    /// A page of objects.
    Objects {
        /// The rows, by key.
        objects: Vec<ListedObject>,
        /// The common prefixes, ascending.
        common_prefixes: Vec<String>,
        /// Where to go on, if there is more: the `after` of the next page.
        next: Option<String>,
    },
    /// A page of versions.
    Versions {
        /// The rows, by key, and those of a key newest first.
        versions: Vec<ListedVersion>,
        /// The common prefixes, ascending.
        common_prefixes: Vec<String>,
        /// The `after_key` and `after_version` of the next page, if there is more.
        next: Option<(String, Option<NamedVersion>)>,
    },
    /// An upload.
    Upload(UploadInfo),
    /// A page of parts.
    Parts {
        /// The upload they are of.
        info: UploadInfo,
        /// The rows, by number.
        parts: Vec<ListedPart>,
        /// Whether more follow.
        truncated: bool,
    },
    /// A page of uploads.
    Uploads {
        /// The rows.
        uploads: Vec<ListedUpload>,
        /// The common prefixes, ascending.
        common_prefixes: Vec<String>,
        /// The `after_key` and `after_upload` of the next page, if there is more.
        next: Option<(String, Option<UploadId>)>,
    },
    /// Where parts are.
    PartContents(Vec<PartContent>),
    /// What a bucket holds.
    Counters(Counters),
    /// Whether a bucket keeps versions; `None`: it was never told to.
    Versioning(Option<Versioning>),
    /// All that a bucket was told to be.
    Settings(Box<BucketSettings>),
    /// Blobs to be removed.
    FreedBlobs(Vec<FreedBlob>),
    /// Blobs that nothing refers to, in the order of the question.
    UnheldBlobs(Vec<BlobId>),
    /// What the group owes.
    Status(GroupStatus),
}

/// The extents of a content; none for inline bytes and for parts.
pub fn extents(content: &crate::object::Content) -> &[Extent] {
    match content {
        crate::object::Content::Extents(extents) => extents,
        crate::object::Content::Inline(_) | crate::object::Content::Parts { .. } => &[],
    }
}
