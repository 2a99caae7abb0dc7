//! Proptest strategies for the nouns, for tests of whatever stores, sends or applies them.
//!
//! Values are valid as single nouns: names parse, an extent has the roots its profile asks for, the length of a new object
//! agrees with its content. They are not valid together: a part may name an upload that nobody began. Names and buckets are
//! drawn from a few often and from all of them sometimes, so that values meet each other.

mod account;
mod cluster;
mod data;
mod object;
mod root;
mod settings;

use cairn_types::id::{BlobId, BucketId, Epoch, GroupId, RequestId, UploadId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::{
    Command, Mutation, MutationRequest, Query, Refusal, Reply, SettingsGuard, View,
};
use cairn_types::time::Timestamp;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

pub use account::{
    access_key_id, account, account_entry, account_mutation, account_refusal, canonical_id,
    identity_page, issued_key,
};
pub use cluster::{
    disk, disk_id, meta_node, placement_group, pool, profile, storage_node, topology,
};
pub use data::{
    data_mutation, data_query, data_reply, data_view, upload_info, upload_key, version_target,
    write_condition,
};
pub use object::{
    checksum, checksum_spec, content, etag, extent, named_version, new_object, new_part,
    new_upload, object_checksum, object_headers, object_version, version_id, versioning,
};
pub use root::{bucket_entry, cluster_info, root_mutation, root_query, root_reply, root_view};
pub use settings::{
    acl, bucket_lock, bucket_settings, initial_settings, legal_hold, object_settings, retention,
    setting_change, tags,
};

/// Any command.
pub fn command() -> impl Strategy<Value = Command> {
    (any::<u32>(), mutation_request(), timestamp(), any::<u128>()).prop_map(
        |(apply_version, request, proposed, random)| Command {
            apply_version,
            request,
            proposed,
            random,
        },
    )
}

/// Any request to change something.
pub fn mutation_request() -> impl Strategy<Value = MutationRequest> {
    let guard = option::weighted(0.3, settings_guard());
    (any::<u128>(), timestamp(), guard, mutation()).prop_map(
        |(request, minted, guard, mutation)| MutationRequest {
            request: RequestId::new(request),
            minted,
            guard,
            mutation,
        },
    )
}

/// What a client decided by.
pub fn settings_guard() -> impl Strategy<Value = SettingsGuard> {
    (bucket_id(), epoch()).prop_map(|(bucket, settings)| SettingsGuard { bucket, settings })
}

/// Any change.
pub fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        root_mutation().prop_map(Mutation::Root),
        data_mutation().prop_map(Mutation::Data),
    ]
}

/// Any answer to a change.
pub fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        root_reply().prop_map(Reply::Root),
        data_reply().prop_map(Reply::Data),
    ]
}

/// Any question.
pub fn query() -> impl Strategy<Value = Query> {
    prop_oneof![
        root_query().prop_map(Query::Root),
        data_query().prop_map(Query::Data),
    ]
}

/// Any answer to a question.
pub fn view() -> impl Strategy<Value = View> {
    prop_oneof![
        root_view().prop_map(View::Root),
        data_view().prop_map(View::Data),
    ]
}

/// Any refusal.
pub fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::GenesisConflict),
        text().prop_map(|reason| Refusal::TopologyConflict { reason }),
        Just(Refusal::BucketExists),
        Just(Refusal::NoSuchBucket),
        bucket_id().prop_map(|bucket| Refusal::BucketInTransition { bucket }),
        Just(Refusal::BucketNotEmpty),
        Just(Refusal::SettingsChanged),
        Just(Refusal::InvalidBucketState),
        Just(Refusal::NoObjectLock),
        Just(Refusal::ObjectLocked),
        Just(Refusal::NoSuchKey),
        Just(Refusal::NoSuchVersion),
        (version_id(), any::<bool>(), timestamp()).prop_map(|(version, is_null, last_modified)| {
            Refusal::DeleteMarker {
                version,
                is_null,
                last_modified,
            }
        }),
        Just(Refusal::PreconditionFailed),
        Just(Refusal::NoSuchUpload),
        any::<u16>().prop_map(|number| Refusal::InvalidPart { number }),
        Just(Refusal::InvalidPartOrder),
        (any::<u16>(), any::<u64>())
            .prop_map(|(number, len)| Refusal::PartTooSmall { number, len }),
        Just(Refusal::ObjectTooLarge),
        Just(Refusal::ChecksumMismatch),
        Just(Refusal::ChecksumKindMismatch),
        blob_id().prop_map(|blob| Refusal::BlobCondemned { blob }),
        timestamp().prop_map(|clock| Refusal::RequestTooOld { clock }),
        timestamp().prop_map(|clock| Refusal::RequestTooNew { clock }),
        account_refusal().prop_map(Refusal::Account),
        text().prop_map(|reason| Refusal::Malformed { reason }),
    ]
}

/// A bucket's id: one of three mostly.
pub fn bucket_id() -> impl Strategy<Value = BucketId> {
    prop_oneof![3 => 1_u64..=3, 1 => any::<u64>()].prop_map(BucketId::new)
}

/// A bucket's name: short mostly.
pub fn bucket_name() -> impl Strategy<Value = BucketName> {
    prop_oneof![3 => "[a-c]{3}", 1 => "[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"]
        .prop_map(|name| BucketName::parse(&name).expect("a name by the patterns"))
}

/// An object's key: one of a few in nested folders mostly, any text of up to 1,024 bytes sometimes.
pub fn object_key() -> impl Strategy<Value = ObjectKey> {
    prop_oneof![
        3 => "[ab](/[ab]){0,2}/?",
        1 => "\\PC{1,40}",
        1 => "[\\x00-\\x7f]{1,1024}",
    ]
    .prop_map(|key| ObjectKey::parse(&key).expect("1 to 1,024 bytes by the patterns"))
}

/// A time: any.
pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

/// A blob's id: any bits.
pub fn blob_id() -> impl Strategy<Value = BlobId> {
    any::<u128>().prop_map(BlobId::from_bits)
}

/// An upload's id: any bits.
pub fn upload_id() -> impl Strategy<Value = UploadId> {
    any::<u128>().prop_map(UploadId::new)
}

/// An epoch: any.
pub fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u64>().prop_map(Epoch::new)
}

/// A Raft group: any, the root group among them.
pub fn group_id() -> impl Strategy<Value = GroupId> {
    any::<u16>().prop_map(GroupId::new)
}

/// A text of up to 20 printable characters, often empty.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "\\PC{0,20}"]
}
