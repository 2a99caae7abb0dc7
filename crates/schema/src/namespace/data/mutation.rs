//! Changes of a data group.

mod version;

use cairn_types::checksum::Checksum;
use cairn_types::id::{BucketId, Epoch};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::DataMutation;
use cairn_types::namespace::data::{
    CompletedPart, DeleteCondition, DeleteTarget, UploadKey, WriteCondition,
};
use cairn_types::object::{NewObject, NewPart, NewUpload};
use cairn_types::settings::InitialSettings;
use cairn_types::time::Timestamp;

use crate::field::{DecodeError, Field, messages, nouns};
use crate::object::{named_version, named_version_bytes};
use crate::proto;
use crate::proto::data_mutation::{
    self, ChangeSettings, CompleteUpload, CreateUpload, DeleteObjects, DeleteVersions, DrainBucket,
    Kind, OpenBucket, PutObject, PutPart, RaiseHorizon,
};
use crate::proto::{BucketStep, Empty};
use crate::settings::{
    canonical_id_text, initial_settings, initial_settings_message, optional_canonical_id,
};

impl From<&DataMutation> for proto::DataMutation {
    fn from(change: &DataMutation) -> Self {
        let kind = match change {
            DataMutation::OpenBucket {
                bucket,
                name,
                epoch,
                initial,
            } => open_bucket_message(*bucket, name, *epoch, initial),
            DataMutation::FenceBucket { bucket, epoch } => {
                Kind::FenceBucket(step_message(*bucket, *epoch))
            }
            DataMutation::UnfenceBucket { bucket, epoch } => {
                Kind::UnfenceBucket(step_message(*bucket, *epoch))
            }
            DataMutation::DrainBucket {
                bucket,
                epoch,
                opened_below,
                limit,
            } => drain_bucket_message(*bucket, *epoch, *opened_below, *limit),
            DataMutation::PutObject {
                bucket,
                key,
                object,
                condition,
            } => put_object_message(*bucket, key, object, condition),
            DataMutation::ChangeSettings {
                bucket,
                epoch,
                change,
            } => Kind::ChangeSettings(ChangeSettings {
                bucket: bucket.get(),
                epoch: epoch.get(),
                change: Some(change.into()),
            }),
            DataMutation::SetObjectTags { .. }
            | DataMutation::SetObjectAcl { .. }
            | DataMutation::SetRetention { .. }
            | DataMutation::SetLegalHold { .. } => version::message(change),
            DataMutation::DeleteObjects { bucket, targets } => {
                delete_objects_message(*bucket, targets)
            }
            DataMutation::CreateUpload {
                bucket,
                key,
                upload,
            } => create_upload_message(*bucket, key, upload),
            DataMutation::PutPart {
                upload,
                number,
                part,
            } => put_part_message(upload, *number, part),
            DataMutation::CompleteUpload {
                upload,
                parts,
                condition,
                checksum,
                declared_len,
            } => {
                complete_upload_message(upload, parts, condition, checksum.as_ref(), *declared_len)
            }
            DataMutation::AbortUpload { upload } => Kind::AbortUpload(upload.into()),
            DataMutation::CondemnBlobs { blobs } => Kind::CondemnBlobs(blobs.as_slice().into()),
            DataMutation::RaiseHorizon { horizon } => Kind::RaiseHorizon(RaiseHorizon {
                horizon_ms: horizon.as_millis(),
            }),
            DataMutation::ForgetBlobs { blobs } => Kind::ForgetBlobs(blobs.as_slice().into()),
            DataMutation::ExpireRequests => Kind::ExpireRequests(Empty {}),
        };
        Self { kind: Some(kind) }
    }
}

fn step_message(bucket: BucketId, epoch: Epoch) -> BucketStep {
    BucketStep {
        bucket: bucket.get(),
        epoch: epoch.get(),
    }
}

fn open_bucket_message(
    bucket: BucketId,
    name: &BucketName,
    epoch: Epoch,
    initial: &InitialSettings,
) -> Kind {
    Kind::OpenBucket(OpenBucket {
        bucket: bucket.get(),
        name: name.as_str().to_owned(),
        epoch: epoch.get(),
        initial: initial_settings_message(initial),
    })
}

fn drain_bucket_message(
    bucket: BucketId,
    epoch: Epoch,
    opened_below: BucketId,
    limit: u32,
) -> Kind {
    Kind::DrainBucket(DrainBucket {
        bucket: bucket.get(),
        limit,
        epoch: epoch.get(),
        opened_below: opened_below.get(),
    })
}

fn put_object_message(
    bucket: BucketId,
    key: &ObjectKey,
    object: &NewObject,
    condition: &WriteCondition,
) -> Kind {
    Kind::PutObject(PutObject {
        bucket: bucket.get(),
        key: key.as_str().to_owned(),
        object: Some(object.into()),
        condition: Some(condition.into()),
    })
}

/// A kind of its own where more than keys is said: a release that knows no versions is to stop rather than delete the key.
fn delete_objects_message(bucket: BucketId, targets: &[DeleteTarget]) -> Kind {
    let bucket = bucket.get();
    let is_plain = |target: &DeleteTarget| *target == DeleteTarget::from(target.key.clone());
    if !targets.iter().all(is_plain) {
        let targets = messages(targets);
        return Kind::DeleteVersions(DeleteVersions { bucket, targets });
    }
    let keys = targets.iter().map(|target| target.key.as_str().to_owned());
    Kind::DeleteObjects(DeleteObjects {
        bucket,
        keys: keys.collect(),
    })
}

impl From<&DeleteTarget> for data_mutation::DeleteTarget {
    fn from(target: &DeleteTarget) -> Self {
        Self {
            key: target.key.as_str().to_owned(),
            version: target.version.map(named_version_bytes),
            bypass_governance: target.bypass_governance,
            condition: (target.condition != DeleteCondition::default())
                .then(|| (&target.condition).into()),
            marker_owner: canonical_id_text(target.marker_owner.as_ref()),
        }
    }
}

impl TryFrom<data_mutation::DeleteTarget> for DeleteTarget {
    type Error = DecodeError;

    fn try_from(message: data_mutation::DeleteTarget) -> Result<Self, DecodeError> {
        let at = |name| Field::new("DataMutation.DeleteTarget", name);
        let version = message.version.as_ref();
        let condition = message.condition.map(TryInto::try_into).transpose()?;
        let owner = message.marker_owner.as_deref();
        Ok(Self {
            key: at("key").object_key(&message.key)?,
            version: version
                .map(|bytes| named_version(at("version"), bytes))
                .transpose()?,
            bypass_governance: message.bypass_governance,
            condition: condition.unwrap_or_default(),
            marker_owner: optional_canonical_id(at("marker_owner"), owner)?,
        })
    }
}

fn create_upload_message(bucket: BucketId, key: &ObjectKey, upload: &NewUpload) -> Kind {
    Kind::CreateUpload(CreateUpload {
        bucket: bucket.get(),
        key: key.as_str().to_owned(),
        upload: Some(upload.into()),
    })
}

fn put_part_message(upload: &UploadKey, number: u16, part: &NewPart) -> Kind {
    Kind::PutPart(PutPart {
        upload: Some(upload.into()),
        number: number.into(),
        part: Some(part.into()),
    })
}

fn complete_upload_message(
    upload: &UploadKey,
    parts: &[CompletedPart],
    condition: &WriteCondition,
    checksum: Option<&Checksum>,
    declared_len: Option<u64>,
) -> Kind {
    Kind::CompleteUpload(CompleteUpload {
        upload: Some(upload.into()),
        parts: messages(parts),
        condition: Some(condition.into()),
        checksum: checksum.map(Into::into),
        declared_len,
    })
}

impl TryFrom<proto::DataMutation> for DataMutation {
    type Error = DecodeError;

    fn try_from(message: proto::DataMutation) -> Result<Self, DecodeError> {
        match Field::new("DataMutation", "kind").required(message.kind)? {
            Kind::OpenBucket(open) => Ok(Self::OpenBucket {
                bucket: BucketId::new(open.bucket),
                name: Field::new("DataMutation.OpenBucket", "name").bucket_name(&open.name)?,
                epoch: Epoch::new(open.epoch),
                initial: initial_settings(open.initial)?,
            }),
            Kind::FenceBucket(BucketStep { bucket, epoch }) => Ok(Self::FenceBucket {
                bucket: BucketId::new(bucket),
                epoch: Epoch::new(epoch),
            }),
            Kind::UnfenceBucket(BucketStep { bucket, epoch }) => Ok(Self::UnfenceBucket {
                bucket: BucketId::new(bucket),
                epoch: Epoch::new(epoch),
            }),
            Kind::DrainBucket(drain) => Ok(Self::DrainBucket {
                bucket: BucketId::new(drain.bucket),
                epoch: Epoch::new(drain.epoch),
                opened_below: BucketId::new(drain.opened_below),
                limit: drain.limit,
            }),
            Kind::PutObject(put) => put_object(put),
            Kind::DeleteObjects(delete) => delete_objects(&delete),
            Kind::ChangeSettings(change) => Ok(Self::ChangeSettings {
                bucket: BucketId::new(change.bucket),
                epoch: Epoch::new(change.epoch),
                change: Field::new("DataMutation.ChangeSettings", "change").noun(change.change)?,
            }),
            Kind::SetObjectTags(set) => version::set_tags(set),
            Kind::SetObjectAcl(set) => version::set_acl(set),
            Kind::SetRetention(set) => version::set_retention(set),
            Kind::SetLegalHold(set) => version::set_legal_hold(set),
            Kind::DeleteVersions(delete) => Ok(Self::DeleteObjects {
                bucket: BucketId::new(delete.bucket),
                targets: nouns(delete.targets)?,
            }),
            Kind::CreateUpload(create) => create_upload(create),
            Kind::PutPart(put) => put_part(put),
            Kind::CompleteUpload(complete) => complete_upload(complete),
            Kind::AbortUpload(upload) => Ok(Self::AbortUpload {
                upload: upload.try_into()?,
            }),
            Kind::CondemnBlobs(blobs) => Ok(Self::CondemnBlobs {
                blobs: blobs.try_into()?,
            }),
            Kind::RaiseHorizon(RaiseHorizon { horizon_ms }) => Ok(Self::RaiseHorizon {
                horizon: Timestamp::from_millis(horizon_ms),
            }),
            Kind::ForgetBlobs(blobs) => Ok(Self::ForgetBlobs {
                blobs: blobs.try_into()?,
            }),
            Kind::ExpireRequests(Empty {}) => Ok(Self::ExpireRequests),
        }
    }
}

fn put_object(message: PutObject) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.PutObject", name);
    Ok(DataMutation::PutObject {
        bucket: BucketId::new(message.bucket),
        key: at("key").object_key(&message.key)?,
        object: at("object").noun(message.object)?,
        condition: at("condition").noun(message.condition)?,
    })
}

fn delete_objects(message: &DeleteObjects) -> Result<DataMutation, DecodeError> {
    let at = Field::new("DataMutation.DeleteObjects", "keys");
    let keys = message.keys.iter();
    Ok(DataMutation::DeleteObjects {
        bucket: BucketId::new(message.bucket),
        targets: keys
            .map(|key| at.object_key(key).map(DeleteTarget::from))
            .collect::<Result<_, _>>()?,
    })
}

fn create_upload(message: CreateUpload) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.CreateUpload", name);
    Ok(DataMutation::CreateUpload {
        bucket: BucketId::new(message.bucket),
        key: at("key").object_key(&message.key)?,
        upload: at("upload").noun(message.upload)?,
    })
}

fn put_part(message: PutPart) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.PutPart", name);
    Ok(DataMutation::PutPart {
        upload: at("upload").noun(message.upload)?,
        number: at("number").narrow(message.number)?,
        part: at("part").noun(message.part)?,
    })
}

fn complete_upload(message: CompleteUpload) -> Result<DataMutation, DecodeError> {
    let at = |name| Field::new("DataMutation.CompleteUpload", name);
    Ok(DataMutation::CompleteUpload {
        upload: at("upload").noun(message.upload)?,
        parts: nouns(message.parts)?,
        condition: at("condition").noun(message.condition)?,
        checksum: message.checksum.map(TryInto::try_into).transpose()?,
        declared_len: message.declared_len,
    })
}
