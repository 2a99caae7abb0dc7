//! What changes of a data group answer.

use cairn_types::id::{Epoch, UploadId};
use cairn_types::namespace::DataReply;
use cairn_types::namespace::data::{Committed, DeleteRefusal, Deleted};
use cairn_types::time::Timestamp;

use crate::field::{DecodeError, Field, bits_128, messages, nouns};
use crate::object::{version_id, version_id_bytes};
use crate::proto;
use crate::proto::Empty;
use crate::proto::data_reply::{
    self, DeleteMarker, DeletedVersion, DeletedVersions, Drained, Kind, PartCommitted,
    SettingsEpoch, UploadCreated, VersionChanged, deleted_version,
};

impl From<&Committed> for proto::Committed {
    fn from(committed: &Committed) -> Self {
        Self {
            version: version_id_bytes(committed.version),
            is_null: committed.is_null,
            etag: Some((&committed.etag).into()),
            len: committed.len,
            checksum: committed.checksum.as_ref().map(Into::into),
            last_modified_ms: committed.last_modified.as_millis(),
        }
    }
}

impl TryFrom<proto::Committed> for Committed {
    type Error = DecodeError;

    fn try_from(message: proto::Committed) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Committed", name);
        Ok(Self {
            version: version_id(at("version"), &message.version)?,
            is_null: message.is_null,
            etag: at("etag").noun(message.etag)?,
            len: message.len,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
        })
    }
}

/// What became of a key where delete markers have no part in it.
fn plainly_deleted(found: bool) -> Deleted {
    if found {
        Deleted::Removed { is_marker: false }
    } else {
        Deleted::Missing
    }
}

/// As it was before there were delete markers, while they have no part in it: releases that know none read it, and write the
/// same.
fn deleted_message(deleted: &[Deleted]) -> Kind {
    let found = deleted.iter().map(|one| match one {
        Deleted::Missing => Some(false),
        Deleted::Removed { is_marker: false } => Some(true),
        Deleted::Removed { is_marker: true } | Deleted::Marked { .. } | Deleted::Refused(_) => None,
    });
    match found.collect() {
        Some(found) => Kind::Deleted(data_reply::Deleted { found }),
        None => Kind::DeletedVersions(DeletedVersions {
            versions: messages(deleted),
        }),
    }
}

impl From<&Deleted> for DeletedVersion {
    fn from(deleted: &Deleted) -> Self {
        use deleted_version::Kind;
        let kind = match deleted {
            Deleted::Missing => Kind::Missing(Empty {}),
            Deleted::Removed { is_marker: false } => Kind::Removed(Empty {}),
            Deleted::Removed { is_marker: true } => Kind::MarkerRemoved(Empty {}),
            Deleted::Marked { version, is_null } => Kind::Marked(DeleteMarker {
                version: version_id_bytes(*version),
                is_null: *is_null,
            }),
            Deleted::Refused(refusal) => Kind::Refused(refusal_number(*refusal)),
        };
        Self { kind: Some(kind) }
    }
}

fn refusal_number(refusal: DeleteRefusal) -> i32 {
    match refusal {
        DeleteRefusal::Locked => data_reply::DeleteRefusal::Locked,
        DeleteRefusal::PreconditionFailed => data_reply::DeleteRefusal::PreconditionFailed,
    }
    .into()
}

fn refusal(number: i32) -> Result<DeleteRefusal, DecodeError> {
    let at = Field::new("DataReply.DeletedVersion", "refused");
    match at.value(number)? {
        data_reply::DeleteRefusal::Unspecified => Err(at.unknown(number)),
        data_reply::DeleteRefusal::Locked => Ok(DeleteRefusal::Locked),
        data_reply::DeleteRefusal::PreconditionFailed => Ok(DeleteRefusal::PreconditionFailed),
    }
}

impl TryFrom<DeletedVersion> for Deleted {
    type Error = DecodeError;

    fn try_from(message: DeletedVersion) -> Result<Self, DecodeError> {
        use deleted_version::Kind;
        let at = Field::new("DataReply.DeletedVersion", "kind");
        Ok(match at.required(message.kind)? {
            Kind::Missing(Empty {}) => Self::Missing,
            Kind::Removed(Empty {}) => Self::Removed { is_marker: false },
            Kind::MarkerRemoved(Empty {}) => Self::Removed { is_marker: true },
            Kind::Marked(DeleteMarker { version, is_null }) => Self::Marked {
                version: version_id(Field::new("DataReply.DeleteMarker", "version"), &version)?,
                is_null,
            },
            Kind::Refused(number) => Self::Refused(refusal(number)?),
        })
    }
}

impl From<&DataReply> for proto::DataReply {
    fn from(answer: &DataReply) -> Self {
        let kind = match answer {
            DataReply::Done => Kind::Done(Empty {}),
            DataReply::Drained { more } => Kind::Drained(Drained { more: *more }),
            DataReply::Committed(committed) => Kind::Committed(committed.into()),
            DataReply::Deleted(deleted) => deleted_message(deleted),
            DataReply::Settings { epoch } => Kind::Settings(SettingsEpoch { epoch: epoch.get() }),
            DataReply::VersionChanged { version, is_null } => {
                Kind::VersionChanged(VersionChanged {
                    version: version_id_bytes(*version),
                    is_null: *is_null,
                })
            }
            DataReply::UploadCreated { upload, initiated } => Kind::UploadCreated(UploadCreated {
                upload: bits_128(upload.get()),
                initiated_ms: initiated.as_millis(),
            }),
            DataReply::PartCommitted { last_modified } => Kind::PartCommitted(PartCommitted {
                last_modified_ms: last_modified.as_millis(),
            }),
            DataReply::Condemned(blobs) => Kind::Condemned(blobs.as_slice().into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::DataReply> for DataReply {
    type Error = DecodeError;

    fn try_from(message: proto::DataReply) -> Result<Self, DecodeError> {
        Ok(
            match Field::new("DataReply", "kind").required(message.kind)? {
                Kind::Done(Empty {}) => Self::Done,
                Kind::Drained(Drained { more }) => Self::Drained { more },
                Kind::Committed(committed) => Self::Committed(committed.try_into()?),
                Kind::Deleted(data_reply::Deleted { found }) => {
                    Self::Deleted(found.into_iter().map(plainly_deleted).collect())
                }
                Kind::DeletedVersions(DeletedVersions { versions }) => {
                    Self::Deleted(nouns(versions)?)
                }
                Kind::Settings(SettingsEpoch { epoch }) => Self::Settings {
                    epoch: Epoch::new(epoch),
                },
                Kind::VersionChanged(VersionChanged { version, is_null }) => {
                    let at = Field::new("DataReply.VersionChanged", "version");
                    Self::VersionChanged {
                        version: version_id(at, &version)?,
                        is_null,
                    }
                }
                Kind::UploadCreated(created) => {
                    let at = Field::new("DataReply.UploadCreated", "upload");
                    Self::UploadCreated {
                        upload: UploadId::new(at.bits_128(&created.upload)?),
                        initiated: Timestamp::from_millis(created.initiated_ms),
                    }
                }
                Kind::PartCommitted(PartCommitted { last_modified_ms }) => Self::PartCommitted {
                    last_modified: Timestamp::from_millis(last_modified_ms),
                },
                Kind::Condemned(blobs) => Self::Condemned(blobs.try_into()?),
            },
        )
    }
}
