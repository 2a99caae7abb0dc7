//! Questions to a data group.

use cairn_types::id::BucketId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::DataQuery;
use cairn_types::namespace::data::{ListObjects, ListUploads, ListVersions};
use cairn_types::version::NamedVersion;

use super::{upload_id, upload_id_bytes};
use crate::field::{DecodeError, Field};
use crate::object::{named_version, named_version_bytes};
use crate::proto;
use crate::proto::data_query::{FreedBlobsQuery, Kind, ObjectQuery, PartContentsQuery, PartsQuery};
use crate::proto::{BucketTarget, Empty};

impl From<&ListObjects> for proto::ListObjects {
    fn from(list: &ListObjects) -> Self {
        Self {
            bucket: list.bucket.get(),
            prefix: list.prefix.clone(),
            delimiter: list.delimiter.clone(),
            after: list.after.clone(),
            limit: list.limit,
        }
    }
}

impl From<proto::ListObjects> for ListObjects {
    fn from(message: proto::ListObjects) -> Self {
        Self {
            bucket: BucketId::new(message.bucket),
            prefix: message.prefix,
            delimiter: message.delimiter,
            after: message.after,
            limit: message.limit,
        }
    }
}

impl From<&ListVersions> for proto::ListVersions {
    fn from(list: &ListVersions) -> Self {
        Self {
            bucket: list.bucket.get(),
            prefix: list.prefix.clone(),
            delimiter: list.delimiter.clone(),
            after_key: list.after_key.clone(),
            after_version: list.after_version.map(named_version_bytes),
            limit: list.limit,
        }
    }
}

impl TryFrom<proto::ListVersions> for ListVersions {
    type Error = DecodeError;

    fn try_from(message: proto::ListVersions) -> Result<Self, DecodeError> {
        let at = Field::new("ListVersions", "after_version");
        let after_version = message.after_version.as_ref();
        Ok(Self {
            bucket: BucketId::new(message.bucket),
            prefix: message.prefix,
            delimiter: message.delimiter,
            after_key: message.after_key,
            after_version: after_version
                .map(|bytes| named_version(at, bytes))
                .transpose()?,
            limit: message.limit,
        })
    }
}

impl From<&ListUploads> for proto::ListUploads {
    fn from(list: &ListUploads) -> Self {
        Self {
            bucket: list.bucket.get(),
            prefix: list.prefix.clone(),
            delimiter: list.delimiter.clone(),
            after_key: list.after_key.clone(),
            after_upload: upload_id_bytes(list.after_upload),
            limit: list.limit,
        }
    }
}

impl TryFrom<proto::ListUploads> for ListUploads {
    type Error = DecodeError;

    fn try_from(message: proto::ListUploads) -> Result<Self, DecodeError> {
        let after_upload = Field::new("ListUploads", "after_upload");
        Ok(Self {
            bucket: BucketId::new(message.bucket),
            prefix: message.prefix,
            delimiter: message.delimiter,
            after_key: message.after_key,
            after_upload: upload_id(after_upload, message.after_upload)?,
            limit: message.limit,
        })
    }
}

impl From<&DataQuery> for proto::DataQuery {
    fn from(question: &DataQuery) -> Self {
        let kind = match question {
            DataQuery::Object {
                bucket,
                key,
                version,
            } => Kind::Object(object_message(*bucket, key, *version)),
            DataQuery::ObjectHead {
                bucket,
                key,
                version,
            } => Kind::ObjectHead(object_message(*bucket, key, *version)),
            DataQuery::ListObjects(list) => Kind::ListObjects(list.into()),
            DataQuery::ListVersions(list) => Kind::ListVersions(list.into()),
            DataQuery::Upload { upload } => Kind::Upload(upload.into()),
            DataQuery::Parts {
                upload,
                after,
                limit,
            } => Kind::Parts(PartsQuery {
                upload: Some(upload.into()),
                after: (*after).into(),
                limit: *limit,
            }),
            DataQuery::Uploads(list) => Kind::Uploads(list.into()),
            DataQuery::PartContents {
                upload,
                from,
                limit,
            } => Kind::PartContents(PartContentsQuery {
                upload: Some(upload.into()),
                from: (*from).into(),
                limit: *limit,
            }),
            DataQuery::Counters { bucket } => Kind::Counters(BucketTarget {
                bucket: bucket.get(),
            }),
            DataQuery::Versioning { bucket } => Kind::Versioning(BucketTarget {
                bucket: bucket.get(),
            }),
            DataQuery::Settings { bucket } => Kind::Settings(BucketTarget {
                bucket: bucket.get(),
            }),
            DataQuery::FreedBlobs { after, limit } => Kind::FreedBlobs(FreedBlobsQuery {
                limit: *limit,
                after: after.as_ref().map(Into::into),
            }),
            DataQuery::UnheldBlobs { blobs } => Kind::UnheldBlobs(blobs.as_slice().into()),
            DataQuery::Status => Kind::Status(Empty {}),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::DataQuery> for DataQuery {
    type Error = DecodeError;

    fn try_from(message: proto::DataQuery) -> Result<Self, DecodeError> {
        Ok(
            match Field::new("DataQuery", "kind").required(message.kind)? {
                Kind::Object(query) => {
                    let (bucket, key, version) = object(&query)?;
                    Self::Object {
                        bucket,
                        key,
                        version,
                    }
                }
                Kind::ObjectHead(query) => {
                    let (bucket, key, version) = object(&query)?;
                    Self::ObjectHead {
                        bucket,
                        key,
                        version,
                    }
                }
                Kind::ListObjects(list) => Self::ListObjects(list.into()),
                Kind::ListVersions(list) => Self::ListVersions(list.try_into()?),
                Kind::Upload(upload) => Self::Upload {
                    upload: upload.try_into()?,
                },
                Kind::Parts(query) => {
                    let at = |name| Field::new("DataQuery.PartsQuery", name);
                    Self::Parts {
                        upload: at("upload").noun(query.upload)?,
                        after: at("after").narrow(query.after)?,
                        limit: query.limit,
                    }
                }
                Kind::Uploads(list) => Self::Uploads(list.try_into()?),
                Kind::PartContents(query) => {
                    let at = |name| Field::new("DataQuery.PartContentsQuery", name);
                    Self::PartContents {
                        upload: at("upload").noun(query.upload)?,
                        from: at("from").narrow(query.from)?,
                        limit: query.limit,
                    }
                }
                Kind::Counters(BucketTarget { bucket }) => Self::Counters {
                    bucket: BucketId::new(bucket),
                },
                Kind::Versioning(BucketTarget { bucket }) => Self::Versioning {
                    bucket: BucketId::new(bucket),
                },
                Kind::Settings(BucketTarget { bucket }) => Self::Settings {
                    bucket: BucketId::new(bucket),
                },
                Kind::FreedBlobs(FreedBlobsQuery { limit, after }) => Self::FreedBlobs {
                    after: after.map(TryInto::try_into).transpose()?,
                    limit,
                },
                Kind::UnheldBlobs(blobs) => Self::UnheldBlobs {
                    blobs: blobs.try_into()?,
                },
                Kind::Status(Empty {}) => Self::Status,
            },
        )
    }
}

fn object_message(bucket: BucketId, key: &ObjectKey, version: Option<NamedVersion>) -> ObjectQuery {
    ObjectQuery {
        bucket: bucket.get(),
        key: key.as_str().to_owned(),
        version: version.map(named_version_bytes),
    }
}

fn object(query: &ObjectQuery) -> Result<(BucketId, ObjectKey, Option<NamedVersion>), DecodeError> {
    let at = |name| Field::new("DataQuery.ObjectQuery", name);
    let version = query.version.as_ref();
    Ok((
        BucketId::new(query.bucket),
        at("key").object_key(&query.key)?,
        version
            .map(|bytes| named_version(at("version"), bytes))
            .transpose()?,
    ))
}
