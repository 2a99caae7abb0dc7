//! Data groups.

use cairn_types::namespace::data::{
    Committed, CompletedPart, Counters, DeleteCondition, DeleteRefusal, DeleteTarget, Deleted,
    ETagCondition, FreedBlob, GroupStatus, ListObjects, ListUploads, ListVersions, ListedContent,
    ListedObject, ListedPart, ListedUpload, ListedVersion, PartContent, UploadInfo, UploadKey,
    VersionTarget, WriteCondition,
};
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

use super::object::{new_content, part_number};
use super::{
    acl, blob_id, bucket_id, bucket_name, bucket_settings, canonical_id, checksum, checksum_spec,
    epoch, etag, initial_settings, legal_hold, named_version, new_object, new_part, new_upload,
    object_checksum, object_headers, object_key, object_settings, object_version, retention,
    setting_change, tags, text, timestamp, upload_id, version_id, versioning,
};

/// What must hold for a write.
pub fn write_condition() -> impl Strategy<Value = WriteCondition> {
    prop_oneof![
        Just(WriteCondition::Always),
        Just(WriteCondition::IfAbsent),
        Just(WriteCondition::IfPresent),
        etag().prop_map(WriteCondition::IfMatch),
        etag().prop_map(WriteCondition::IfNoneMatch),
    ]
}

/// Where an upload is.
pub fn upload_key() -> impl Strategy<Value = UploadKey> {
    (bucket_id(), object_key(), upload_id()).prop_map(|(bucket, key, upload)| UploadKey {
        bucket,
        key,
        upload,
    })
}

/// A change of a data group, each kind as likely as the others.
pub fn data_mutation() -> impl Strategy<Value = DataMutation> {
    prop_oneof![
        7 => bucket_mutation(),
        4 => version_mutation(),
        4 => upload_mutation(),
        4 => blob_mutation(),
    ]
}

fn bucket_mutation() -> BoxedStrategy<DataMutation> {
    let put = (bucket_id(), object_key(), new_object(), write_condition());
    prop_oneof![
        (bucket_id(), bucket_name(), epoch(), initial_settings()).prop_map(
            |(bucket, name, epoch, initial)| {
                DataMutation::OpenBucket {
                    bucket,
                    name,
                    epoch,
                    initial,
                }
            }
        ),
        (bucket_id(), epoch())
            .prop_map(|(bucket, epoch)| DataMutation::FenceBucket { bucket, epoch }),
        (bucket_id(), epoch())
            .prop_map(|(bucket, epoch)| DataMutation::UnfenceBucket { bucket, epoch }),
        (bucket_id(), epoch(), bucket_id(), any::<u32>()).prop_map(
            |(bucket, epoch, opened_below, limit)| DataMutation::DrainBucket {
                bucket,
                epoch,
                opened_below,
                limit,
            }
        ),
        put.prop_map(|(bucket, key, object, condition)| DataMutation::PutObject {
            bucket,
            key,
            object,
            condition,
        }),
        (bucket_id(), epoch(), setting_change()).prop_map(|(bucket, epoch, change)| {
            DataMutation::ChangeSettings {
                bucket,
                epoch,
                change,
            }
        }),
        (bucket_id(), vec(delete_target(), 1..4))
            .prop_map(|(bucket, targets)| DataMutation::DeleteObjects { bucket, targets }),
    ]
    .boxed()
}

fn delete_target() -> impl Strategy<Value = DeleteTarget> {
    let plain = object_key().prop_map(DeleteTarget::from);
    let any = (
        object_key(),
        option::weighted(0.3, named_version()),
        any::<bool>(),
        delete_condition(),
        option::of(canonical_id()),
    )
        .prop_map(
            |(key, version, bypass_governance, condition, marker_owner)| DeleteTarget {
                key,
                version,
                bypass_governance,
                condition,
                marker_owner,
            },
        );
    prop_oneof![3 => plain, 1 => any]
}

fn delete_condition() -> impl Strategy<Value = DeleteCondition> {
    let etag = prop_oneof![Just(ETagCondition::Any), etag().prop_map(ETagCondition::Is)];
    (
        option::of(etag),
        option::of(timestamp()),
        option::of(any::<u64>()),
    )
        .prop_map(|(etag, last_modified, len)| DeleteCondition {
            etag,
            last_modified,
            len,
        })
}

/// A version of a key.
pub fn version_target() -> impl Strategy<Value = VersionTarget> {
    (bucket_id(), object_key(), option::of(named_version())).prop_map(|(bucket, key, version)| {
        VersionTarget {
            bucket,
            key,
            version,
        }
    })
}

fn version_mutation() -> BoxedStrategy<DataMutation> {
    let retention = (version_target(), option::of(retention()), any::<bool>());
    prop_oneof![
        (version_target(), tags())
            .prop_map(|(target, tags)| DataMutation::SetObjectTags { target, tags }),
        (version_target(), option::of(acl()))
            .prop_map(|(target, acl)| DataMutation::SetObjectAcl { target, acl }),
        retention.prop_map(|(target, retention, bypass_governance)| {
            DataMutation::SetRetention {
                target,
                retention,
                bypass_governance,
            }
        }),
        (version_target(), legal_hold())
            .prop_map(|(target, legal_hold)| DataMutation::SetLegalHold { target, legal_hold }),
    ]
    .boxed()
}

fn deleted() -> impl Strategy<Value = Deleted> {
    prop_oneof![
        3 => Just(Deleted::Missing),
        4 => Just(Deleted::Removed { is_marker: false }),
        1 => Just(Deleted::Removed { is_marker: true }),
        1 => (version_id(), any::<bool>())
            .prop_map(|(version, is_null)| Deleted::Marked { version, is_null }),
        1 => Just(Deleted::Refused(DeleteRefusal::Locked)),
        1 => Just(Deleted::Refused(DeleteRefusal::PreconditionFailed)),
    ]
}

fn blob_mutation() -> BoxedStrategy<DataMutation> {
    let blobs = || vec(blob_id(), 0..4);
    prop_oneof![
        blobs().prop_map(|blobs| DataMutation::CondemnBlobs { blobs }),
        timestamp().prop_map(|horizon| DataMutation::RaiseHorizon { horizon }),
        blobs().prop_map(|blobs| DataMutation::ForgetBlobs { blobs }),
        Just(DataMutation::ExpireRequests),
    ]
    .boxed()
}

fn upload_mutation() -> BoxedStrategy<DataMutation> {
    let part =
        (part_number(), etag(), option::of(checksum())).prop_map(|(number, etag, checksum)| {
            CompletedPart {
                number,
                etag,
                checksum,
            }
        });
    let complete = (
        upload_key(),
        vec(part, 1..4),
        write_condition(),
        option::of(checksum()),
        option::of(any::<u64>()),
    );
    prop_oneof![
        (bucket_id(), object_key(), new_upload()).prop_map(|(bucket, key, upload)| {
            DataMutation::CreateUpload {
                bucket,
                key,
                upload,
            }
        }),
        (upload_key(), part_number(), new_part()).prop_map(|(upload, number, part)| {
            DataMutation::PutPart {
                upload,
                number,
                part,
            }
        }),
        complete.prop_map(|(upload, parts, condition, checksum, declared_len)| {
            DataMutation::CompleteUpload {
                upload,
                parts,
                condition,
                checksum,
                declared_len,
            }
        }),
        upload_key().prop_map(|upload| DataMutation::AbortUpload { upload }),
    ]
    .boxed()
}

/// An answer to a change of a data group.
pub fn data_reply() -> impl Strategy<Value = DataReply> {
    let committed = (
        version_id(),
        any::<bool>(),
        etag(),
        any::<u64>(),
        option::of(object_checksum()),
        timestamp(),
    )
        .prop_map(
            |(version, is_null, etag, len, checksum, last_modified)| Committed {
                version,
                is_null,
                etag,
                len,
                checksum,
                last_modified,
            },
        );
    prop_oneof![
        Just(DataReply::Done),
        any::<bool>().prop_map(|more| DataReply::Drained { more }),
        committed.prop_map(DataReply::Committed),
        vec(deleted(), 0..4).prop_map(DataReply::Deleted),
        (upload_id(), timestamp())
            .prop_map(|(upload, initiated)| DataReply::UploadCreated { upload, initiated }),
        timestamp().prop_map(|last_modified| DataReply::PartCommitted { last_modified }),
        vec(blob_id(), 0..4).prop_map(DataReply::Condemned),
    ]
}

/// A question to a data group.
pub fn data_query() -> impl Strategy<Value = DataQuery> {
    let object = || (bucket_id(), object_key(), option::of(named_version()));
    let page = || (upload_key(), any::<u16>(), any::<u32>());
    prop_oneof![
        object().prop_map(|(bucket, key, version)| DataQuery::Object {
            bucket,
            key,
            version,
        }),
        object().prop_map(|(bucket, key, version)| DataQuery::ObjectHead {
            bucket,
            key,
            version,
        }),
        list_objects().prop_map(DataQuery::ListObjects),
        list_versions().prop_map(DataQuery::ListVersions),
        upload_key().prop_map(|upload| DataQuery::Upload { upload }),
        page().prop_map(|(upload, after, limit)| DataQuery::Parts {
            upload,
            after,
            limit,
        }),
        list_uploads().prop_map(DataQuery::Uploads),
        page().prop_map(|(upload, from, limit)| DataQuery::PartContents {
            upload,
            from,
            limit,
        }),
        bucket_id().prop_map(|bucket| DataQuery::Counters { bucket }),
        bucket_id().prop_map(|bucket| DataQuery::Versioning { bucket }),
        bucket_id().prop_map(|bucket| DataQuery::Settings { bucket }),
        (option::of(freed_blob()), any::<u32>())
            .prop_map(|(after, limit)| DataQuery::FreedBlobs { after, limit }),
        vec(blob_id(), 0..4).prop_map(|blobs| DataQuery::UnheldBlobs { blobs }),
        Just(DataQuery::Status),
    ]
}

fn list_objects() -> impl Strategy<Value = ListObjects> {
    (bucket_id(), text(), text(), text(), any::<u32>()).prop_map(
        |(bucket, prefix, delimiter, after, limit)| ListObjects {
            bucket,
            prefix,
            delimiter,
            after,
            limit,
        },
    )
}

fn list_versions() -> impl Strategy<Value = ListVersions> {
    let after = (text(), option::of(named_version()));
    (bucket_id(), text(), text(), after, any::<u32>()).prop_map(
        |(bucket, prefix, delimiter, (after_key, after_version), limit)| ListVersions {
            bucket,
            prefix,
            delimiter,
            after_key,
            after_version,
            limit,
        },
    )
}

fn list_uploads() -> impl Strategy<Value = ListUploads> {
    let after = (text(), option::of(upload_id()));
    (bucket_id(), text(), text(), after, any::<u32>()).prop_map(
        |(bucket, prefix, delimiter, (after_key, after_upload), limit)| ListUploads {
            bucket,
            prefix,
            delimiter,
            after_key,
            after_upload,
            limit,
        },
    )
}

/// An open upload.
pub fn upload_info() -> impl Strategy<Value = UploadInfo> {
    let checksum = option::of(checksum_spec());
    let initiator = option::of(canonical_id());
    (
        timestamp(),
        object_headers(),
        checksum,
        object_settings(),
        initiator,
    )
        .prop_map(
            |(initiated, headers, checksum, settings, initiator)| UploadInfo {
                initiated,
                headers,
                checksum,
                settings,
                initiator,
            },
        )
}

/// An answer of a data group.
pub fn data_view() -> impl Strategy<Value = DataView> {
    let prefixes = || vec(text(), 0..3);
    let objects = (vec(listed_object(), 0..3), prefixes(), option::of(text()));
    let parts = (upload_info(), vec(listed_part(), 0..3), any::<bool>());
    let cursor = option::of((text(), option::of(upload_id())));
    let version_cursor = option::of((text(), option::of(named_version())));
    let versions = (vec(listed_version(), 0..3), prefixes(), version_cursor);
    let uploads = (vec(listed_upload(), 0..3), prefixes(), cursor);
    prop_oneof![
        object_version().prop_map(|object| DataView::Object(Box::new(object))),
        objects.prop_map(|(objects, common_prefixes, next)| DataView::Objects {
            objects,
            common_prefixes,
            next,
        }),
        versions.prop_map(|(versions, common_prefixes, next)| DataView::Versions {
            versions,
            common_prefixes,
            next,
        }),
        upload_info().prop_map(DataView::Upload),
        parts.prop_map(|(info, parts, truncated)| DataView::Parts {
            info,
            parts,
            truncated,
        }),
        uploads.prop_map(|(uploads, common_prefixes, next)| DataView::Uploads {
            uploads,
            common_prefixes,
            next,
        }),
        vec(part_content(), 0..3).prop_map(DataView::PartContents),
        counters().prop_map(DataView::Counters),
        option::of(versioning()).prop_map(DataView::Versioning),
        bucket_settings().prop_map(|settings| DataView::Settings(Box::new(settings))),
        vec(freed_blob(), 0..4).prop_map(DataView::FreedBlobs),
        vec(blob_id(), 0..4).prop_map(DataView::UnheldBlobs),
        group_status().prop_map(DataView::Status),
    ]
}

fn freed_blob() -> impl Strategy<Value = FreedBlob> {
    (blob_id(), timestamp()).prop_map(|(blob, freed)| FreedBlob { blob, freed })
}

fn listed_object() -> impl Strategy<Value = ListedObject> {
    let checksum = option::of(checksum_spec());
    let owner = option::of(canonical_id());
    (
        object_key(),
        any::<u64>(),
        etag(),
        timestamp(),
        checksum,
        owner,
    )
        .prop_map(
            |(key, len, etag, last_modified, checksum, owner)| ListedObject {
                key,
                len,
                etag,
                last_modified,
                checksum,
                owner,
            },
        )
}

fn listed_version() -> impl Strategy<Value = ListedVersion> {
    let content =
        (any::<u64>(), etag(), option::of(checksum_spec())).prop_map(|(len, etag, checksum)| {
            ListedContent {
                len,
                etag,
                checksum,
            }
        });
    let flags = any::<[bool; 2]>();
    (
        object_key(),
        version_id(),
        flags,
        timestamp(),
        option::of(canonical_id()),
        option::of(content),
    )
        .prop_map(
            |(key, version, [is_null, is_latest], last_modified, owner, object)| ListedVersion {
                key,
                version,
                is_null,
                is_latest,
                last_modified,
                owner,
                object,
            },
        )
}

fn listed_upload() -> impl Strategy<Value = ListedUpload> {
    (
        object_key(),
        upload_id(),
        timestamp(),
        option::of(checksum_spec()),
        option::of(canonical_id()),
        option::of(canonical_id()),
    )
        .prop_map(
            |(key, upload, initiated, checksum, owner, initiator)| ListedUpload {
                key,
                upload,
                initiated,
                checksum,
                owner,
                initiator,
            },
        )
}

fn listed_part() -> impl Strategy<Value = ListedPart> {
    let checksum = option::of(object_checksum());
    (part_number(), any::<u64>(), etag(), checksum, timestamp()).prop_map(
        |(number, len, etag, checksum, last_modified)| ListedPart {
            number,
            len,
            etag,
            checksum,
            last_modified,
        },
    )
}

fn part_content() -> impl Strategy<Value = PartContent> {
    let checksum = option::of(object_checksum());
    (part_number(), any::<u64>(), etag(), checksum, new_content()).prop_map(
        |(number, len, etag, checksum, content)| PartContent {
            number,
            len,
            etag,
            checksum,
            content,
        },
    )
}

fn counters() -> impl Strategy<Value = Counters> {
    any::<[u64; 7]>().prop_map(
        |[
            objects,
            bytes,
            versions,
            version_bytes,
            uploads,
            parts,
            part_bytes,
        ]| Counters {
            objects,
            bytes,
            versions,
            version_bytes,
            uploads,
            parts,
            part_bytes,
        },
    )
}

fn group_status() -> impl Strategy<Value = GroupStatus> {
    let clocks = (timestamp(), timestamp());
    (clocks, any::<[u64; 3]>(), any::<u128>()).prop_map(
        |((clock, horizon), [freed_blobs, condemned_blobs, degraded_blobs], state_hash)| {
            GroupStatus {
                clock,
                horizon,
                freed_blobs,
                condemned_blobs,
                degraded_blobs,
                state_hash,
            }
        },
    )
}
