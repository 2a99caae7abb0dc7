//! Random histories: steps that mean something only where they happen ("the third upload so far"), and so go on meaning something
//! when a failing history is cut shorter.

mod settings;
mod strategies;

use bytes::Bytes;
use cairn_types::account::CanonicalId;
use cairn_types::acl::Acl;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::cluster::Profile;
use cairn_types::etag::ETag;
use cairn_types::id::{
    BlobId, BucketId, Epoch, GroupId, PlacementGroupId, RequestId, UploadId, VersionId,
};
use cairn_types::lock::LegalHold;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{
    CompletedPart, DeleteTarget, UploadKey, VersionTarget, WriteCondition,
};
use cairn_types::namespace::{Command, DataMutation, Mutation, MutationRequest, SettingsGuard};
use cairn_types::object::{Content, Extent, NewObject, NewPart, NewUpload, ObjectHeaders};
use cairn_types::settings::{InitialSettings, ObjectSettings, SettingChange};
use cairn_types::tag::Tags;
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::Index;

use self::settings::{Hold, Kept, Said};
use crate::bodies::{self, Body};
use crate::group::GROUP;
use crate::reference::Model;

/// Keys that share prefixes, order oddly, or lie near the edges of the encoding.
pub(crate) const KEYS: [&str; 10] = [
    "a",
    "a\0",
    "a/",
    "a/b",
    "a/b/c",
    "a/c",
    "a→b",
    "a→c",
    "b",
    "\u{10ffff}",
];

const START_MS: u64 = 1_700_000_000_000;

/// When a command comes, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    action: Action,
    /// How far the proposer's clock went on; it may also go back.
    elapsed_ms: i64,
    /// How long before it was proposed the request was made; it may also be later.
    age_ms: i64,
    random: u64,
    /// A bucket by whose settings the client decided, and how far from the latest epoch of them that was.
    guard: Option<(u64, i64)>,
}

#[derive(Debug, Clone)]
enum Action {
    /// Steps of a bucket's life: how far from the latest epoch that the group was told of.
    Open(u64, i64, InitialSettings),
    Fence(u64, i64),
    Unfence(u64, i64),
    /// And below which id no bucket is opened any more.
    Drain(u64, i64, u64, u32),
    Put(u64, Index, Bytewise, Condition, Kept),
    ChangeSettings(u64, i64, SettingChange),
    Delete(u64, Vec<(Index, Which, Said)>),
    ChangeVersion(u64, Index, Which, Change),
    CreateUpload(
        u64,
        Index,
        Option<(ChecksumAlgorithm, ChecksumKind)>,
        Kept,
        Option<CanonicalId>,
    ),
    PutPart(Index, u16, Body, Vec<Blob>, Option<ChecksumAlgorithm>),
    Complete(Index, Completion),
    Abort(Index),
    Condemn(Vec<Blob>),
    RaiseHorizon(i64),
    Forget(Vec<Index>),
    Expire,
    Retry(Index),
}

/// What is changed of a version.
#[derive(Debug, Clone)]
enum Change {
    Tags(Tags),
    Acl(Option<Acl>),
    Retention(Option<Hold>, bool),
    LegalHold(LegalHold),
}

/// What is deleted or changed of a key.
#[derive(Debug, Clone)]
enum Which {
    Key,
    Null,
    /// One that is there, if any is.
    Version(Index),
    /// One of the same order with other bits.
    Forged(Index),
}

#[derive(Debug, Clone)]
enum Bytewise {
    Inline(u8),
    Blobs(Vec<Blob>),
}

#[derive(Debug, Clone)]
enum Blob {
    /// Begun so long ago.
    New(u64),
    /// As `New`, with a shard missing.
    Degraded(u64),
    /// Named before, whatever became of it.
    Old(Index),
    OfAnotherGroup,
}

#[derive(Debug, Clone)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
    IfSame,
    IfOther,
    IfNotSame,
    IfNotOther,
}

#[derive(Debug, Clone)]
struct Completion {
    /// Bit n: part n is left out.
    omit: u8,
    flaw: Flaw,
    condition: Condition,
    names_checksums: bool,
    declares: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Order,
    ETag,
    Checksum,
    Len,
    Whole,
    Unknown,
}

/// A history of up to `len` commands, at the beginning of which two buckets are opened; the first sometimes with object lock.
pub(crate) fn steps(len: usize) -> impl Strategy<Value = Vec<Step>> {
    let open = |bucket, is_lock_enabled| Step {
        action: Action::Open(
            bucket,
            0,
            InitialSettings {
                is_lock_enabled,
                ..InitialSettings::default()
            },
        ),
        elapsed_ms: 0,
        age_ms: 0,
        random: 0,
        guard: None,
    };
    let is_locked = prop_oneof![3 => Just(false), 1 => Just(true)];
    (vec(strategies::step(), 1..len), is_locked).prop_map(move |(steps, is_locked)| {
        let beginning = [open(1, is_locked), open(2, false)].into_iter();
        beginning.chain(steps).collect()
    })
}

/// Turns steps into commands, one after another.
#[derive(Default)]
pub(crate) struct Script {
    now_ms: u64,
    commands: Vec<Command>,
    pub(crate) uploads: Vec<UploadKey>,
    pub(crate) blobs: Vec<BlobId>,
}

impl Script {
    /// The command that a step means after everything so far; `None` if it means nothing yet.
    pub(crate) fn command(&mut self, step: &Step, model: &Model) -> Option<Command> {
        let now_ms = self.now_ms.max(START_MS);
        self.now_ms = now_ms.saturating_add_signed(step.elapsed_ms);
        let proposed = Timestamp::from_millis(self.now_ms);
        // Unlike from command to command, even where a failing history was simplified.
        let serial = self.commands.len() as u128 + 1;
        let random = u128::from(step.random) << 64 | serial;
        let command = if let Action::Retry(index) = &step.action {
            let before = pick(*index, &self.commands)?.clone();
            Command {
                proposed,
                random,
                ..before
            }
        } else {
            let minted = self.now_ms.saturating_add_signed(-step.age_ms);
            Command {
                apply_version: 1,
                request: MutationRequest {
                    request: RequestId::new(serial),
                    minted: Timestamp::from_millis(minted),
                    guard: step.guard.map(|(bucket, on)| guard(bucket, on, model)),
                    mutation: Mutation::Data(self.mutation(&step.action, random, model)?),
                },
                proposed,
                random,
            }
        };
        self.commands.push(command.clone());
        Some(command)
    }

    fn mutation(&mut self, action: &Action, random: u128, model: &Model) -> Option<DataMutation> {
        Some(match action {
            Action::Open(bucket, on, initial) => DataMutation::OpenBucket {
                initial: initial.clone(),
                bucket: BucketId::new(*bucket),
                name: BucketName::parse(&format!("bucket-{bucket}")).expect("a good name"),
                epoch: epoch(*bucket, *on, model),
            },
            Action::Fence(bucket, on) => DataMutation::FenceBucket {
                bucket: BucketId::new(*bucket),
                epoch: epoch(*bucket, *on, model),
            },
            Action::Unfence(bucket, on) => DataMutation::UnfenceBucket {
                bucket: BucketId::new(*bucket),
                epoch: epoch(*bucket, *on, model),
            },
            Action::Drain(bucket, on, below, limit) => DataMutation::DrainBucket {
                bucket: BucketId::new(*bucket),
                epoch: epoch(*bucket, *on, model),
                opened_below: BucketId::new(*below),
                limit: *limit,
            },
            Action::Put(bucket, key, content, wanted, kept) => {
                let target = (BucketId::new(*bucket), object_key(*key));
                DataMutation::PutObject {
                    object: self.object(content, kept.at(self.now_ms, target.0, model)),
                    condition: write_condition(wanted, model, &target),
                    bucket: target.0,
                    key: target.1,
                }
            }
            Action::ChangeSettings(bucket, on, change) => DataMutation::ChangeSettings {
                bucket: BucketId::new(*bucket),
                epoch: epoch(*bucket, *on, model),
                change: change.clone(),
            },
            Action::ChangeVersion(bucket, key, which, change) => {
                let target = version_target(BucketId::new(*bucket), *key, which, model);
                change_version(target, change, self.now_ms)
            }
            Action::Delete(bucket, targets) => delete(BucketId::new(*bucket), targets, model),
            Action::CreateUpload(bucket, key, checksum, kept, initiator) => {
                let upload = NewUpload {
                    headers: ObjectHeaders::default(),
                    checksum: *checksum,
                    settings: kept.at(self.now_ms, BucketId::new(*bucket), model),
                    initiator: initiator.clone(),
                };
                self.create(random, *bucket, *key, upload)
            }
            Action::PutPart(upload, number, body, blobs, other) => DataMutation::PutPart {
                upload: self.upload(*upload, model)?,
                number: *number,
                part: self.part(*upload, *body, blobs, *other, model),
            },
            Action::Complete(upload, completion) => {
                complete(&self.upload(*upload, model)?, completion, model)
            }
            Action::Abort(upload) => DataMutation::AbortUpload {
                upload: self.upload(*upload, model)?,
            },
            Action::Condemn(_) | Action::RaiseHorizon(_) | Action::Forget(_) | Action::Expire => {
                self.chore(action)?
            }
            Action::Retry(_) => return None,
        })
    }

    fn chore(&mut self, action: &Action) -> Option<DataMutation> {
        Some(match action {
            Action::Condemn(blobs) => DataMutation::CondemnBlobs {
                blobs: blobs.iter().map(|blob| self.blob(blob)).collect(),
            },
            Action::RaiseHorizon(age_ms) => DataMutation::RaiseHorizon {
                horizon: Timestamp::from_millis(self.now_ms.saturating_add_signed(-age_ms)),
            },
            Action::Forget(blobs) => DataMutation::ForgetBlobs {
                blobs: blobs
                    .iter()
                    .filter_map(|index| pick(*index, &self.blobs).copied())
                    .chain([BlobId::from_bits(0)])
                    .collect(),
            },
            Action::Expire => DataMutation::ExpireRequests,
            _ => return None,
        })
    }

    /// An upload: an open one mostly, or else any that ever was begun.
    fn upload(&self, index: Index, model: &Model) -> Option<UploadKey> {
        let is_open = |upload: &&UploadKey| {
            let bucket = model.buckets.get(&upload.bucket);
            let name = (upload.key.clone(), upload.upload);
            bucket.is_some_and(|bucket| bucket.uploads.contains_key(&name))
        };
        let open: Vec<UploadKey> = self.uploads.iter().filter(is_open).cloned().collect();
        let from = match index.index(5) {
            0 => &self.uploads,
            _ if open.is_empty() => &self.uploads,
            _ => &open,
        };
        pick(index, from).cloned()
    }

    fn create(&mut self, random: u128, bucket: u64, key: Index, upload: NewUpload) -> DataMutation {
        let bucket = BucketId::new(bucket);
        let key = object_key(key);
        self.uploads.push(UploadKey {
            bucket,
            key: key.clone(),
            upload: UploadId::new(random),
        });
        DataMutation::CreateUpload {
            bucket,
            key,
            upload,
        }
    }

    fn object(&mut self, content: &Bytewise, settings: ObjectSettings) -> NewObject {
        let content = match content {
            Bytewise::Inline(byte) => Content::Inline(Bytes::from(vec![*byte; usize::from(*byte)])),
            Bytewise::Blobs(blobs) => Content::Extents(self.extents(blobs, 10)),
        };
        let len = match &content {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Extents(extents) => extents.iter().map(|extent| extent.plain_len).sum(),
            Content::Parts { .. } => unreachable!("only completion makes them"),
        };
        let body = Body { byte: 0, len };
        NewObject {
            len,
            etag: body.etag(),
            checksum: None,
            headers: ObjectHeaders::default(),
            settings,
            content,
        }
    }

    fn part(
        &mut self,
        upload: Index,
        body: Body,
        blobs: &[Blob],
        other: Option<ChecksumAlgorithm>,
        model: &Model,
    ) -> NewPart {
        let upload = self.upload(upload, model);
        let spec = upload.and_then(|upload| {
            let bucket = model.buckets.get(&upload.bucket)?;
            bucket
                .uploads
                .get(&(upload.key, upload.upload))?
                .new
                .checksum
        });
        let algorithm = other.or(spec.map(|(algorithm, _)| algorithm));
        let content = if body.len < 3 {
            let len = usize::try_from(body.len).expect("two at most");
            Content::Inline(Bytes::from(vec![body.byte; len]))
        } else {
            // As many blobs as there are bytes for, which always is more than one.
            let mut extents = self.extents(blobs, 1);
            let rest = body.len - (extents.len() as u64 - 1);
            let first = extents.first_mut().expect("at least one blob");
            first.plain_len = rest;
            first.stored_len = rest;
            Content::Extents(extents)
        };
        NewPart {
            len: body.len,
            etag: body.etag(),
            checksum: algorithm.map(|algorithm| ObjectChecksum {
                checksum: bodies::checksum(algorithm, &[body]),
                kind: ChecksumKind::FullObject,
            }),
            content,
        }
    }

    fn extents(&mut self, blobs: &[Blob], len: u64) -> Vec<Extent> {
        let profile = Profile::new(2, 2).expect("one of the profiles");
        let blobs = blobs.iter();
        blobs
            .map(|blob| Extent {
                blob: self.blob(blob),
                plain_len: len,
                stored_len: len,
                profile,
                cell_len: 64,
                erasure_code: 1,
                codec: 0,
                cipher: 0,
                roots: vec![[7; 16]; profile.width()],
                missing_shards: match blob {
                    Blob::Degraded(_) => vec![3],
                    _ => Vec::new(),
                },
            })
            .collect()
    }

    fn blob(&mut self, blob: &Blob) -> BlobId {
        let serial = u32::try_from(self.blobs.len()).expect("few blobs");
        let new = |group, age_ms| {
            let begun = self.now_ms - age_ms;
            BlobId::new(PlacementGroupId::new(serial % 3), group, begun, serial)
        };
        let id = match blob {
            Blob::Old(index) => match pick(*index, &self.blobs) {
                Some(blob) => *blob,
                None => new(GROUP, 0),
            },
            Blob::New(age_ms) | Blob::Degraded(age_ms) => new(GROUP, *age_ms),
            Blob::OfAnotherGroup => new(GroupId::new(4), 0),
        };
        self.blobs.push(id);
        id
    }
}

fn epoch(bucket: u64, on: i64, model: &Model) -> Epoch {
    let bucket = model.buckets.get(&BucketId::new(bucket));
    let latest = bucket.map_or(1, |bucket| bucket.epoch);
    Epoch::new(latest.saturating_add_signed(on))
}

fn pick<T>(index: Index, from: &[T]) -> Option<&T> {
    (!from.is_empty()).then(|| index.get(from))
}

fn object_key(index: Index) -> ObjectKey {
    ObjectKey::parse(index.get::<&str>(&KEYS)).expect("a good key")
}

fn guard(bucket: u64, on: i64, model: &Model) -> SettingsGuard {
    let bucket = BucketId::new(bucket);
    let there = model.buckets.get(&bucket);
    let latest = there.map_or(1, |there| there.settings.epoch.get());
    SettingsGuard {
        bucket,
        settings: Epoch::new(latest.saturating_add_signed(on)),
    }
}

fn version_target(bucket: BucketId, key: Index, which: &Which, model: &Model) -> VersionTarget {
    let (key, version) = meant(bucket, key, which, model);
    VersionTarget {
        bucket,
        key,
        version,
    }
}

fn change_version(target: VersionTarget, change: &Change, now_ms: u64) -> DataMutation {
    match change.clone() {
        Change::Tags(tags) => DataMutation::SetObjectTags { target, tags },
        Change::Acl(acl) => DataMutation::SetObjectAcl { target, acl },
        Change::Retention(hold, bypass_governance) => DataMutation::SetRetention {
            target,
            retention: hold.map(|hold| hold.at(now_ms)),
            bypass_governance,
        },
        Change::LegalHold(legal_hold) => DataMutation::SetLegalHold { target, legal_hold },
    }
}

fn delete(bucket: BucketId, targets: &[(Index, Which, Said)], model: &Model) -> DataMutation {
    let targets = targets.iter().map(|(key, which, said)| {
        let (key, version) = meant(bucket, *key, which, model);
        DeleteTarget {
            condition: said.condition(model, (bucket, &key), version),
            key,
            version,
            bypass_governance: said.bypass_governance,
            marker_owner: said.owner.clone(),
        }
    });
    DataMutation::DeleteObjects {
        bucket,
        targets: targets.collect(),
    }
}

fn meant(
    bucket: BucketId,
    key: Index,
    which: &Which,
    model: &Model,
) -> (ObjectKey, Option<NamedVersion>) {
    let key = object_key(key);
    let row = model.buckets.get(&bucket);
    // A key that has versions is looked for, so that they meet.
    let there = |index: &Index| {
        let row = row?;
        let keys: Vec<_> = row.versions.keys().cloned().collect();
        let key = pick(*index, &keys)?.clone();
        let version = pick(*index, &row.versions[&key])?.version;
        Some((key, version))
    };
    match which {
        Which::Key => (key, None),
        Which::Null => (key, Some(NamedVersion::Null)),
        Which::Version(index) => match there(index) {
            Some((key, id)) => (key, Some(NamedVersion::Id(id))),
            None => (key, None),
        },
        Which::Forged(index) => match there(index) {
            Some((key, id)) => {
                let forged = VersionId::new(id.order(), !id.random());
                (key, Some(NamedVersion::Id(forged)))
            }
            None => (key, None),
        },
    }
}

fn write_condition(
    condition: &Condition,
    model: &Model,
    (bucket, key): &(BucketId, ObjectKey),
) -> WriteCondition {
    let there = model.buckets.get(bucket).and_then(|row| row.current(key));
    let other = ETag::from_md5([9; 16]);
    let same = || there.map_or(other.clone(), |(_, object)| object.new.etag.clone());
    match condition {
        Condition::Always => WriteCondition::Always,
        Condition::IfAbsent => WriteCondition::IfAbsent,
        Condition::IfPresent => WriteCondition::IfPresent,
        Condition::IfSame => WriteCondition::IfMatch(same()),
        Condition::IfOther => WriteCondition::IfMatch(other),
        Condition::IfNotSame => WriteCondition::IfNoneMatch(same()),
        Condition::IfNotOther => WriteCondition::IfNoneMatch(other),
    }
}

/// The parts of an upload, open or completed, whatever a client may know of them.
fn stored_parts(upload: &UploadKey, model: &Model) -> Vec<(u16, NewPart)> {
    let bucket = model.buckets.get(&upload.bucket);
    let open = bucket.and_then(|row| row.uploads.get(&(upload.key.clone(), upload.upload)));
    let done = bucket.and_then(|row| row.version_of(upload));
    let done = done.and_then(|version| version.object.as_ref());
    match (open, done) {
        (Some(open), _) => {
            let parts = open.parts.iter();
            parts.map(|(n, (part, _))| (*n, part.clone())).collect()
        }
        (None, Some(object)) => {
            let parts = object.parts.iter();
            parts.map(|(n, part)| (*n, part.clone())).collect()
        }
        (None, None) => Vec::new(),
    }
}

fn complete(upload: &UploadKey, completion: &Completion, model: &Model) -> DataMutation {
    let bucket = model.buckets.get(&upload.bucket);
    let open = bucket.and_then(|row| row.uploads.get(&(upload.key.clone(), upload.upload)));
    let stored = stored_parts(upload, model);
    let named: Vec<_> = stored
        .iter()
        .filter(|(number, _)| completion.omit >> number & 1 == 0)
        .collect();
    let mut parts: Vec<CompletedPart> = named
        .iter()
        .map(|(number, part)| CompletedPart {
            number: *number,
            etag: part.etag.clone(),
            checksum: part
                .checksum
                .clone()
                .map(|sum| sum.checksum)
                .filter(|_| completion.names_checksums),
        })
        .collect();
    if parts.is_empty() || completion.flaw == Flaw::Unknown {
        parts.push(CompletedPart {
            number: 9,
            etag: ETag::from_md5([1; 16]),
            checksum: None,
        });
    }
    let first = parts.first_mut().expect("one was added if there was none");
    let wrong = bodies::checksum(ChecksumAlgorithm::Crc32, &[Body { byte: 9, len: 9 }]);
    match completion.flaw {
        Flaw::ETag => first.etag = ETag::from_md5([2; 16]),
        Flaw::Checksum => first.checksum = Some(wrong.clone()),
        Flaw::Order => parts.reverse(),
        Flaw::None | Flaw::Len | Flaw::Whole | Flaw::Unknown => {}
    }
    let bodies: Vec<_> = named
        .iter()
        .map(|(_, part)| bodies::of_part(part))
        .collect();
    let spec = open.and_then(|open| open.new.checksum);
    let whole = spec.map(|(algorithm, kind)| match kind {
        ChecksumKind::FullObject => bodies::checksum(algorithm, &bodies),
        ChecksumKind::Composite => bodies::checksum_of_checksums(algorithm, &bodies),
    });
    let checksum = match completion.flaw {
        Flaw::Whole => Some(spec.map_or(wrong, |(algorithm, _)| {
            bodies::checksum(algorithm, &[Body { byte: 9, len: 9 }])
        })),
        _ => whole.filter(|_| completion.declares),
    };
    let len: u64 = named.iter().map(|(_, part)| part.len).sum();
    let declared_len = match completion.flaw {
        Flaw::Len => Some(len + 1),
        _ => completion.declares.then_some(len),
    };
    let target = (upload.bucket, upload.key.clone());
    DataMutation::CompleteUpload {
        upload: upload.clone(),
        parts,
        condition: write_condition(&completion.condition, model, &target),
        checksum,
        declared_len,
    }
}
