//! Answers of a data group.

mod row;

use cairn_types::namespace::DataView;

use super::{upload_id, upload_id_bytes};
use crate::field::{DecodeError, Field, messages, nouns};
use crate::object::{named_version, named_version_bytes, versioning, versioning_number};
use crate::proto;
use crate::proto::data_view::{
    FreedBlobs, Kind, Objects, PartContents, Parts, Uploads, UploadsCursor, VersioningView,
    Versions, VersionsCursor,
};

impl From<&DataView> for proto::DataView {
    fn from(answer: &DataView) -> Self {
        let kind = match answer {
            DataView::Object(object) => Kind::Object(object.as_ref().into()),
            DataView::Objects {
                objects,
                common_prefixes,
                next,
            } => Kind::Objects(Objects {
                objects: messages(objects),
                common_prefixes: common_prefixes.clone(),
                next: next.clone(),
            }),
            DataView::Versions {
                versions,
                common_prefixes,
                next,
            } => Kind::Versions(Versions {
                versions: messages(versions),
                common_prefixes: common_prefixes.clone(),
                next: next
                    .as_ref()
                    .map(|(after_key, after_version)| VersionsCursor {
                        after_key: after_key.clone(),
                        after_version: after_version.map(named_version_bytes),
                    }),
            }),
            DataView::Upload(info) => Kind::Upload(info.into()),
            DataView::Parts {
                info,
                parts,
                truncated,
            } => Kind::Parts(Parts {
                info: Some(info.into()),
                parts: messages(parts),
                truncated: *truncated,
            }),
            DataView::Uploads {
                uploads,
                common_prefixes,
                next,
            } => Kind::Uploads(Uploads {
                uploads: messages(uploads),
                common_prefixes: common_prefixes.clone(),
                next: next
                    .as_ref()
                    .map(|(after_key, after_upload)| UploadsCursor {
                        after_key: after_key.clone(),
                        after_upload: upload_id_bytes(*after_upload),
                    }),
            }),
            DataView::PartContents(parts) => Kind::PartContents(PartContents {
                parts: messages(parts),
            }),
            DataView::Counters(counters) => Kind::Counters(counters.into()),
            DataView::Versioning(versioning) => Kind::Versioning(VersioningView {
                versioning: versioning_number(*versioning),
            }),
            DataView::Settings(settings) => Kind::Settings(settings.as_ref().into()),
            DataView::FreedBlobs(blobs) => Kind::FreedBlobs(FreedBlobs {
                blobs: messages(blobs),
            }),
            DataView::UnheldBlobs(blobs) => Kind::UnheldBlobs(blobs.as_slice().into()),
            DataView::Status(status) => Kind::Status(status.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::DataView> for DataView {
    type Error = DecodeError;

    fn try_from(message: proto::DataView) -> Result<Self, DecodeError> {
        match Field::new("DataView", "kind").required(message.kind)? {
            Kind::Object(object) => Ok(Self::Object(Box::new(object.try_into()?))),
            Kind::Objects(page) => Ok(Self::Objects {
                objects: nouns(page.objects)?,
                common_prefixes: page.common_prefixes,
                next: page.next,
            }),
            Kind::Versions(page) => versions(page),
            Kind::Upload(info) => Ok(Self::Upload(info.try_into()?)),
            Kind::Parts(page) => Ok(Self::Parts {
                info: Field::new("DataView.Parts", "info").noun(page.info)?,
                parts: nouns(page.parts)?,
                truncated: page.truncated,
            }),
            Kind::Uploads(page) => uploads(page),
            Kind::PartContents(page) => Ok(Self::PartContents(nouns(page.parts)?)),
            Kind::Counters(counters) => Ok(Self::Counters(counters.into())),
            Kind::Versioning(view) => {
                let at = Field::new("DataView.VersioningView", "versioning");
                versioning(at, view.versioning).map(Self::Versioning)
            }
            Kind::Settings(settings) => Ok(Self::Settings(Box::new(settings.try_into()?))),
            Kind::FreedBlobs(page) => Ok(Self::FreedBlobs(nouns(page.blobs)?)),
            Kind::UnheldBlobs(blobs) => Ok(Self::UnheldBlobs(blobs.try_into()?)),
            Kind::Status(status) => Ok(Self::Status(status.try_into()?)),
        }
    }
}

fn versions(page: Versions) -> Result<DataView, DecodeError> {
    let at = Field::new("DataView.VersionsCursor", "after_version");
    let next = page.next.map(|cursor| {
        let version = cursor.after_version.as_ref();
        let version = version.map(|bytes| named_version(at, bytes)).transpose();
        version.map(|after_version| (cursor.after_key, after_version))
    });
    Ok(DataView::Versions {
        versions: nouns(page.versions)?,
        common_prefixes: page.common_prefixes,
        next: next.transpose()?,
    })
}

fn uploads(page: Uploads) -> Result<DataView, DecodeError> {
    let at = Field::new("DataView.UploadsCursor", "after_upload");
    let next = page.next.map(|cursor| {
        upload_id(at, cursor.after_upload).map(|after_upload| (cursor.after_key, after_upload))
    });
    Ok(DataView::Uploads {
        uploads: nouns(page.uploads)?,
        common_prefixes: page.common_prefixes,
        next: next.transpose()?,
    })
}
