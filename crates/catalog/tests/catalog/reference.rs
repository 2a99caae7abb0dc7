//! The namespace once more, as plainly as it can be said: whole maps, recounted each time, nothing incremental.

mod listing;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use cairn_types::account::CanonicalId;
use cairn_types::checksum::{Checksum, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::{BlobId, BucketId, GroupId, Order, RequestId, UploadId, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{
    Committed, CompletedPart, Counters, DeleteCondition, DeleteTarget, Deleted, FreedBlob,
    UploadKey, WriteCondition, extents,
};
use cairn_types::namespace::{Command, DataMutation, DataReply, Mutation, Refusal};
use cairn_types::object::{Content, Extent, NewObject, NewPart, NewUpload, PartSpan};
use cairn_types::settings::{BucketSettings, InitialSettings};
use cairn_types::time::Timestamp;
use cairn_types::version::{NamedVersion, Versioning};
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::bodies;
use crate::group::{Outcome, malformed};

const TEN_MINUTES_MS: u64 = 600_000;

#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "as the nouns call it")]
pub(crate) struct Version {
    pub(crate) version: VersionId,
    pub(crate) is_null: bool,
    pub(crate) at: Timestamp,
    /// Whose it is.
    pub(crate) owner: Option<CanonicalId>,
    /// None: a delete marker.
    pub(crate) object: Option<Object>,
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) new: NewObject,
    /// Of a completed upload, by number.
    pub(crate) parts: BTreeMap<u16, NewPart>,
}

#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) initiated: Timestamp,
    pub(crate) new: NewUpload,
    pub(crate) parts: BTreeMap<u16, (NewPart, Timestamp)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    is_fenced: bool,
    pub(crate) epoch: u64,
    order: u64,
    pub(crate) settings: BucketSettings,
    /// Newest last; no key has none.
    pub(crate) versions: BTreeMap<ObjectKey, Vec<Version>>,
    pub(crate) uploads: BTreeMap<(ObjectKey, UploadId), Upload>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) clock: Timestamp,
    pub(crate) horizon: Timestamp,
    pub(crate) buckets: BTreeMap<BucketId, Bucket>,
    freed: BTreeMap<BlobId, Timestamp>,
    pub(crate) condemned: BTreeSet<BlobId>,
    gone: BTreeSet<BucketId>,
    /// No bucket below this is opened any more.
    opened_below: Option<BucketId>,
    answered: BTreeMap<RequestId, (Timestamp, Outcome)>,
}

impl Model {
    pub(crate) fn apply(&mut self, group: GroupId, command: &Command) -> Outcome {
        self.clock = self.clock.max(command.proposed);
        let Mutation::Data(mutation) = &command.request.mutation else {
            panic!("the model is of a data group");
        };
        if *mutation == DataMutation::ExpireRequests {
            return Ok(DataReply::Done);
        }
        if let Some((until, outcome)) = self.answered.get(&command.request.request)
            && *until >= self.clock
        {
            return outcome.clone();
        }
        let minted = command.request.minted;
        if self.clock.millis_since(minted) > TEN_MINUTES_MS {
            return Err(Refusal::RequestTooOld { clock: self.clock });
        }
        if minted.millis_since(self.clock) > TEN_MINUTES_MS {
            return Err(Refusal::RequestTooNew { clock: self.clock });
        }
        let mut next = self.clone();
        let outcome = match command.request.guard {
            Some(guard) if !self.holds(guard) => Err(Refusal::SettingsChanged),
            _ => next.mutate(group, mutation, command.random),
        };
        if outcome.is_ok() {
            let held = next.held();
            for blob in self.held().into_keys() {
                if !held.contains_key(&blob) {
                    next.freed.insert(blob, next.clock);
                }
            }
            *self = next;
        }
        let until = self.clock.max(minted).plus_millis(TEN_MINUTES_MS);
        let answer = (until, outcome.clone());
        self.answered.insert(command.request.request, answer);
        outcome
    }

    /// Every blob that something refers to.
    pub(crate) fn held(&self) -> BTreeMap<BlobId, Extent> {
        let buckets = self.buckets.values();
        let versions = buckets.clone().flat_map(|bucket| bucket.versions.values());
        let of_objects = versions
            .flatten()
            .filter_map(|version| version.object.as_ref());
        let of_parts = of_objects
            .clone()
            .flat_map(|object| object.parts.values().map(|part| &part.content));
        let uploads = buckets.flat_map(|bucket| bucket.uploads.values());
        let of_uploads = uploads
            .flat_map(|upload| upload.parts.values())
            .map(|(part, _)| &part.content);
        of_objects
            .map(|object| &object.new.content)
            .chain(of_parts)
            .chain(of_uploads)
            .flat_map(extents)
            .map(|extent| (extent.blob, extent.clone()))
            .collect()
    }

    pub(crate) fn freed(&self) -> Vec<FreedBlob> {
        let rows = self.freed.iter();
        let mut freed: Vec<_> = rows
            .map(|(&blob, &freed)| FreedBlob { blob, freed })
            .collect();
        freed.sort_by_key(|row| (row.freed, row.blob));
        freed
    }

    pub(crate) fn counters(&self, bucket: BucketId) -> Option<Counters> {
        let bucket = self.buckets.get(&bucket)?;
        let versions = || bucket.versions.values().flatten();
        let objects = || bucket.versions.keys().filter_map(|key| bucket.current(key));
        let parts = || {
            let uploads = bucket.uploads.values();
            uploads.flat_map(|upload| upload.parts.values())
        };
        let lens = versions().filter_map(|version| version.object.as_ref());
        Some(Counters {
            objects: objects().count() as u64,
            bytes: objects().map(|(_, object)| object.new.len).sum(),
            versions: versions().count() as u64,
            version_bytes: lens.map(|object| object.new.len).sum(),
            uploads: bucket.uploads.len() as u64,
            parts: parts().count() as u64,
            part_bytes: parts().map(|(part, _)| part.len).sum(),
        })
    }

    fn mutate(&mut self, group: GroupId, mutation: &DataMutation, random: u128) -> Outcome {
        match mutation {
            DataMutation::OpenBucket {
                bucket,
                epoch,
                initial,
                ..
            } => self.open(*bucket, epoch.get(), initial),
            DataMutation::FenceBucket { bucket, epoch } => {
                let id = *bucket;
                let bucket = self.step(id, epoch.get(), true)?;
                if bucket.epoch < epoch.get() && !bucket.versions.is_empty() {
                    return Err(Refusal::BucketNotEmpty);
                }
                (bucket.is_fenced, bucket.epoch) = (true, epoch.get());
                Ok(DataReply::Done)
            }
            DataMutation::UnfenceBucket { bucket, epoch } => {
                let bucket = self.step(*bucket, epoch.get(), false)?;
                (bucket.is_fenced, bucket.epoch) = (false, epoch.get());
                Ok(DataReply::Done)
            }
            DataMutation::DrainBucket {
                bucket,
                epoch,
                opened_below,
                limit,
            } => self.drain(*bucket, epoch.get(), *opened_below, *limit),
            DataMutation::ChangeSettings {
                bucket,
                epoch,
                change,
            } => self.change_settings(*bucket, epoch.get(), change),
            DataMutation::SetObjectTags { .. }
            | DataMutation::SetObjectAcl { .. }
            | DataMutation::SetRetention { .. }
            | DataMutation::SetLegalHold { .. } => self.change_version(mutation),
            DataMutation::DeleteObjects { bucket, targets } => {
                self.delete(*bucket, targets, random)
            }
            DataMutation::CondemnBlobs { blobs } => self.condemn(group, blobs),
            DataMutation::RaiseHorizon { horizon } if *horizon > self.clock => Err(malformed()),
            DataMutation::RaiseHorizon { horizon } => {
                let horizon = self.horizon.max(*horizon);
                self.horizon = horizon;
                self.condemned
                    .retain(|blob| blob.time_ms() >= horizon.as_millis());
                Ok(DataReply::Done)
            }
            DataMutation::ForgetBlobs { blobs } => {
                for blob in blobs {
                    self.freed.remove(blob);
                }
                Ok(DataReply::Done)
            }
            mutation => self.write(group, mutation, random),
        }
    }

    fn write(&mut self, group: GroupId, mutation: &DataMutation, random: u128) -> Outcome {
        match mutation {
            DataMutation::PutObject {
                bucket,
                key,
                object,
                condition,
            } => self.put(group, random, (*bucket, key), object, condition),
            DataMutation::CreateUpload {
                bucket,
                key,
                upload,
            } => {
                self.check_lock(*bucket, upload.settings.lock)?;
                let initiated = self.clock;
                let id = UploadId::new(random);
                let row = Upload {
                    initiated,
                    new: upload.clone(),
                    parts: BTreeMap::new(),
                };
                let uploads = &mut self.writable(*bucket)?.uploads;
                uploads.insert((key.clone(), id), row);
                Ok(DataReply::UploadCreated {
                    upload: id,
                    initiated,
                })
            }
            DataMutation::PutPart {
                upload,
                number,
                part,
            } => self.put_part(group, upload, *number, part),
            DataMutation::CompleteUpload {
                upload,
                parts,
                condition,
                checksum,
                declared_len,
            } => {
                let declared = (checksum.as_ref(), *declared_len);
                self.complete(random, upload, parts, condition, declared)
            }
            DataMutation::AbortUpload { upload } => {
                let uploads = &mut self.bucket(upload.bucket)?.uploads;
                match uploads.remove(&(upload.key.clone(), upload.upload)) {
                    Some(_) => Ok(DataReply::Done),
                    None => Err(Refusal::NoSuchUpload),
                }
            }
            other => panic!("{other:?} was to be done before"),
        }
    }

    fn open(&mut self, id: BucketId, epoch: u64, initial: &InitialSettings) -> Outcome {
        let is_passed = self.opened_below.is_some_and(|below| id < below);
        match self.buckets.get(&id) {
            Some(bucket) if bucket.epoch > epoch => {
                return Err(Refusal::BucketInTransition { bucket: id });
            }
            Some(_) => return Ok(DataReply::Done),
            None if is_passed || self.gone.contains(&id) => return Err(Refusal::NoSuchBucket),
            None => {}
        }
        let bucket = Bucket {
            is_fenced: false,
            epoch,
            order: 0,
            settings: settings::made(initial),
            versions: BTreeMap::new(),
            uploads: BTreeMap::new(),
        };
        self.buckets.insert(id, bucket);
        Ok(DataReply::Done)
    }

    /// A bucket whose step to `is_fenced` at this epoch is not too late.
    fn step(&mut self, id: BucketId, epoch: u64, is_fenced: bool) -> Result<&mut Bucket, Refusal> {
        let bucket = self.bucket(id)?;
        if bucket.epoch > epoch || bucket.epoch == epoch && bucket.is_fenced != is_fenced {
            return Err(Refusal::BucketInTransition { bucket: id });
        }
        Ok(bucket)
    }

    fn bucket(&mut self, bucket: BucketId) -> Result<&mut Bucket, Refusal> {
        self.buckets.get_mut(&bucket).ok_or(Refusal::NoSuchBucket)
    }

    fn writable(&mut self, bucket: BucketId) -> Result<&mut Bucket, Refusal> {
        match self.bucket(bucket)? {
            bucket if bucket.is_fenced => Err(Refusal::NoSuchBucket),
            bucket => Ok(bucket),
        }
    }

    fn drain(
        &mut self,
        bucket: BucketId,
        epoch: u64,
        opened_below: BucketId,
        limit: u32,
    ) -> Outcome {
        let Some(row) = self.buckets.get_mut(&bucket) else {
            return Ok(DataReply::Drained { more: false });
        };
        if !row.is_fenced || row.epoch > epoch {
            return Err(Refusal::BucketInTransition { bucket });
        }
        row.epoch = epoch;
        for _ in 0..limit {
            let uploads = row.uploads.iter();
            let first = uploads
                .min_by_key(|((key, id), upload)| (key.clone(), upload.initiated, *id))
                .map(|(name, _)| name.clone());
            let Some(name) = first else { break };
            let upload = row.uploads.get_mut(&name).expect("it was just found");
            if upload.parts.pop_first().is_none() {
                row.uploads.remove(&name);
            }
        }
        let more = !row.uploads.is_empty();
        if !more {
            self.buckets.remove(&bucket);
            self.gone.insert(bucket);
            self.opened_below = self.opened_below.max(Some(opened_below));
        }
        Ok(DataReply::Drained { more })
    }

    fn check_blobs(&self, group: GroupId, content: &Content) -> Result<(), Refusal> {
        let held = self.held();
        let mut seen = BTreeSet::new();
        for extent in extents(content) {
            let blob = extent.blob;
            if blob.group() != group || !seen.insert(blob) {
                return Err(malformed());
            }
            let is_forbidden = blob.time_ms() < self.horizon.as_millis()
                || self.freed.contains_key(&blob)
                || self.condemned.contains(&blob);
            if is_forbidden {
                return Err(Refusal::BlobCondemned { blob });
            }
            if held.contains_key(&blob) {
                return Err(malformed());
            }
        }
        Ok(())
    }

    fn check_condition(
        &self,
        (bucket, key): (BucketId, &ObjectKey),
        condition: &WriteCondition,
    ) -> Result<(), Refusal> {
        let bucket = self.buckets.get(&bucket).ok_or(Refusal::NoSuchBucket)?;
        match (condition, bucket.current(key)) {
            (WriteCondition::IfMatch(_) | WriteCondition::IfPresent, None) => {
                Err(Refusal::NoSuchKey)
            }
            (WriteCondition::IfAbsent, Some(_)) => Err(Refusal::PreconditionFailed),
            (WriteCondition::IfNoneMatch(etag), Some((_, object))) if *etag == object.new.etag => {
                Err(Refusal::PreconditionFailed)
            }
            (WriteCondition::IfMatch(etag), Some((_, object))) if *etag != object.new.etag => {
                Err(Refusal::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }

    fn put(
        &mut self,
        group: GroupId,
        random: u128,
        (bucket, key): (BucketId, &ObjectKey),
        new: &NewObject,
        condition: &WriteCondition,
    ) -> Outcome {
        self.check_lock(bucket, new.settings.lock)?;
        self.check_condition((bucket, key), condition)?;
        self.check_blobs(group, &new.content)?;
        self.commit(random, (bucket, key), new.clone(), BTreeMap::new())
    }

    fn commit(
        &mut self,
        random: u128,
        (bucket, key): (BucketId, &ObjectKey),
        new: NewObject,
        parts: BTreeMap<u16, NewPart>,
    ) -> Outcome {
        let at = self.clock;
        let bucket = self.bucket(bucket)?;
        let mut new = new;
        new.settings.lock = bucket.lock_of_new(new.settings.lock, at);
        let owner = new.settings.owner.clone();
        let object = Object { new, parts };
        let random = u64::try_from(random >> 64).expect("64 bits");
        let version = bucket.push(key, (random, at), owner, Some(object));
        Ok(committed(&version).expect("it is an object"))
    }

    fn delete(&mut self, bucket: BucketId, targets: &[DeleteTarget], random: u128) -> Outcome {
        let at = self.clock;
        let bucket = self.bucket(bucket)?;
        let mut deleted = Vec::new();
        for (place, target) in (0..).zip(targets) {
            let key = &target.key;
            if let Some(refusal) = bucket.refuses(target, at) {
                deleted.push(Deleted::Refused(refusal));
                continue;
            }
            deleted.push(match target.version {
                Some(version) => bucket.remove(key, |there| there.has_name(version)),
                None if bucket.settings.versioning.is_none() => bucket.remove(key, |_| true),
                None if bucket.is_fenced => return Err(Refusal::NoSuchBucket),
                // What is to hold of a key that is not there leaves no marker.
                None if target.condition != DeleteCondition::default()
                    && !bucket.versions.contains_key(key) =>
                {
                    Deleted::Missing
                }
                None => {
                    let owner = target.marker_owner.clone();
                    let bits = place_random(random, place);
                    let marker = bucket.push(key, (bits, at), owner, None);
                    Deleted::Marked {
                        version: marker.version,
                        is_null: marker.is_null,
                    }
                }
            });
        }
        Ok(DataReply::Deleted(deleted))
    }

    fn put_part(
        &mut self,
        group: GroupId,
        upload: &UploadKey,
        number: u16,
        part: &NewPart,
    ) -> Outcome {
        let last_modified = self.clock;
        let name = (upload.key.clone(), upload.upload);
        let bucket = self.writable(upload.bucket)?;
        let open = bucket.uploads.get(&name).ok_or(Refusal::NoSuchUpload)?;
        let wanted = open.new.checksum.map(|(algorithm, _)| algorithm);
        let given = part.checksum.as_ref().map(|sum| sum.checksum.algorithm());
        if wanted.is_some() && wanted != given {
            return Err(Refusal::ChecksumKindMismatch);
        }
        self.check_blobs(group, &part.content)?;
        let uploads = &mut self.bucket(upload.bucket)?.uploads;
        let open = uploads.get_mut(&name).ok_or(Refusal::NoSuchUpload)?;
        open.parts.insert(number, (part.clone(), last_modified));
        Ok(DataReply::PartCommitted { last_modified })
    }

    fn complete(
        &mut self,
        random: u128,
        upload: &UploadKey,
        list: &[CompletedPart],
        condition: &WriteCondition,
        (declared, declared_len): (Option<&Checksum>, Option<u64>),
    ) -> Outcome {
        let name = (upload.key.clone(), upload.upload);
        let bucket = self.writable(upload.bucket)?;
        let Some(open) = bucket.uploads.get(&name).cloned() else {
            return bucket.completed(upload, list).ok_or(Refusal::NoSuchUpload);
        };
        if !list.is_sorted_by_key(|part| part.number) {
            return Err(Refusal::InvalidPartOrder);
        }
        self.check_condition((upload.bucket, &upload.key), condition)?;
        let mut parts = BTreeMap::new();
        for wanted in list {
            let number = wanted.number;
            let there = open.parts.get(&number).map(|(part, _)| part);
            let checksum = |part: &NewPart| part.checksum.clone().map(|sum| sum.checksum);
            match there {
                Some(part)
                    if part.etag == wanted.etag
                        && (wanted.checksum.is_none() || wanted.checksum == checksum(part)) =>
                {
                    parts.insert(number, part.clone());
                }
                _ => return Err(Refusal::InvalidPart { number }),
            }
        }
        let but_last = parts.iter().rev().skip(1);
        if let Some((&number, part)) = but_last.filter(|(_, part)| part.len < 5 << 20).last() {
            let len = part.len;
            return Err(Refusal::PartTooSmall { number, len });
        }
        let len = parts.values().map(|part| part.len).sum();
        if declared_len.is_some_and(|declared| declared != len) {
            return Err(malformed());
        }
        let checksum = open.new.checksum.map(|(algorithm, kind)| {
            let bodies: Vec<_> = parts.values().map(bodies::of_part).collect();
            let checksum = match kind {
                ChecksumKind::FullObject => bodies::checksum(algorithm, &bodies),
                ChecksumKind::Composite => bodies::checksum_of_checksums(algorithm, &bodies),
            };
            ObjectChecksum { checksum, kind }
        });
        match (declared, &checksum) {
            (None, _) => {}
            (Some(declared), Some(whole)) if *declared == whole.checksum => {}
            (Some(declared), Some(whole)) if declared.algorithm() == whole.checksum.algorithm() => {
                return Err(Refusal::ChecksumMismatch);
            }
            _ => return Err(Refusal::ChecksumKindMismatch),
        }
        let spans = parts.iter();
        let spans = spans.map(|(&number, part)| PartSpan {
            number,
            len: part.len,
        });
        let new = NewObject {
            len,
            etag: etag_of_parts(list),
            checksum,
            headers: open.new.headers,
            settings: open.new.settings,
            content: Content::Parts {
                upload: upload.upload,
                parts: spans.collect(),
            },
        };
        self.bucket(upload.bucket)?.uploads.remove(&name);
        self.commit(random, (upload.bucket, &upload.key), new, parts)
    }

    fn condemn(&mut self, group: GroupId, blobs: &[BlobId]) -> Outcome {
        let held = self.held();
        let mut answer = Vec::new();
        for &blob in blobs {
            if blob.group() != group {
                return Err(malformed());
            }
            if held.contains_key(&blob) {
                continue;
            }
            answer.push(blob);
            let is_passed = blob.time_ms() < self.horizon.as_millis();
            if !is_passed && !self.freed.contains_key(&blob) {
                self.condemned.insert(blob);
            }
        }
        Ok(DataReply::Condemned(answer))
    }
}

impl Bucket {
    /// The answer to an upload that was completed before from these parts.
    fn completed(&self, upload: &UploadKey, list: &[CompletedPart]) -> Option<DataReply> {
        let version = self.version_of(upload)?;
        let object = version.object.as_ref()?;
        let there = object.parts.iter();
        let there = there.map(|(&number, part)| (number, &part.etag));
        let is_same = there.eq(list.iter().map(|part| (part.number, &part.etag)));
        is_same.then(|| committed(version)).flatten()
    }

    /// The version that an upload became, while it is there.
    pub(crate) fn version_of(&self, upload: &UploadKey) -> Option<&Version> {
        let mut versions = self.versions.get(&upload.key)?.iter();
        versions.find(|version| {
            let content = version.object.as_ref().map(|object| &object.new.content);
            matches!(content, Some(Content::Parts { upload: id, .. }) if *id == upload.upload)
        })
    }

    /// The newest version of a key, if it is an object.
    pub(crate) fn current(&self, key: &ObjectKey) -> Option<(&Version, &Object)> {
        let newest = self.versions.get(key)?.last()?;
        newest.object.as_ref().map(|object| (newest, object))
    }

    fn push(
        &mut self,
        key: &ObjectKey,
        (random, at): (u64, Timestamp),
        owner: Option<CanonicalId>,
        object: Option<Object>,
    ) -> Version {
        self.order += 1;
        let is_null = self.settings.versioning != Some(Versioning::Enabled);
        let version = Version {
            version: VersionId::new(Order::new(self.order), random),
            is_null,
            at,
            owner,
            object,
        };
        let versions = self.versions.entry(key.clone()).or_default();
        versions.retain(|there| !(is_null && there.is_null));
        versions.push(version.clone());
        version
    }

    /// Removes the versions of a key that are meant: one at most.
    fn remove(&mut self, key: &ObjectKey, is_meant: impl Fn(&Version) -> bool) -> Deleted {
        let versions = self.versions.entry(key.clone()).or_default();
        let removed: Vec<_> = versions
            .extract_if(.., |version| is_meant(version))
            .collect();
        self.versions.retain(|_, versions| !versions.is_empty());
        match removed.as_slice() {
            [] => Deleted::Missing,
            [version] => Deleted::Removed {
                is_marker: version.object.is_none(),
            },
            several => panic!("{several:?} have one name"),
        }
    }
}

impl Version {
    /// Whether a client means it with this name.
    pub(crate) fn has_name(&self, name: NamedVersion) -> bool {
        self.name() == name || matches!(name, NamedVersion::Id(id) if self.version == id)
    }

    pub(crate) fn name(&self) -> NamedVersion {
        NamedVersion::of(self.version, self.is_null)
    }
}

/// The random bits of one of several versions that a command makes.
fn place_random(random: u128, place: u32) -> u64 {
    let digest =
        Sha256::new_with_prefix([&random.to_be_bytes()[..], &place.to_be_bytes()].concat());
    let bits = match place {
        0 => random.to_be_bytes().to_vec(),
        _ => digest.finalize().to_vec(),
    };
    u64::from_be_bytes(bits[..8].try_into().expect("8 bytes"))
}

fn committed(version: &Version) -> Option<DataReply> {
    let object = version.object.as_ref()?;
    Some(DataReply::Committed(Committed {
        version: version.version,
        is_null: version.is_null,
        etag: object.new.etag.clone(),
        len: object.new.len,
        checksum: object.new.checksum.clone(),
        last_modified: version.at,
    }))
}

fn etag_of_parts(list: &[CompletedPart]) -> ETag {
    let md5s: Vec<u8> = list.iter().flat_map(|part| part.etag.md5()).collect();
    let count = u16::try_from(list.len()).expect("few parts");
    ETag::from_parts(Md5::digest(md5s).into(), count)
}
