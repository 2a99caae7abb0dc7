//! What a release wrote into the log, every later one reads, and writes in the same way.
//!
//! `golden/commands-v1.txt` holds one command of each kind: its name and its bytes in hexadecimal. Lines are added with new
//! kinds; a line that stands is never changed. A command without a line fails the test, which prints the line to add.

use std::num::NonZeroU32;

use bytes::Bytes;
use cairn_schema::{decode_command, encode_command};
use cairn_types::account::{
    AccessKeyId, Account, CanonicalId, EmailAddress, IssuedKey, SealedSecret,
};
use cairn_types::acl::{Acl, Grant, Group, Permission};
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::cluster::{Disk, Location, MetaNode, Profile, StorageNode};
use cairn_types::etag::ETag;
use cairn_types::id::{
    BlobId, BucketId, ClusterId, DiskId, Epoch, GroupId, NodeId, Order, PlacementGroupId, PoolId,
    RequestId, UploadId, VersionId,
};
use cairn_types::lock::{
    BucketLock, DefaultRetention, LegalHold, ObjectLock, Retention, RetentionMode, RetentionPeriod,
};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{
    CompletedPart, DeleteCondition, DeleteTarget, ETagCondition, UploadKey, VersionTarget,
    WriteCondition,
};
use cairn_types::namespace::{
    AccountMutation, Command, DataMutation, Mutation, MutationRequest, RootMutation,
};
use cairn_types::object::{Content, Extent, NewObject, NewPart, NewUpload, ObjectHeaders};
use cairn_types::settings::{
    BucketPolicy, Document, DocumentKind, InitialSettings, ObjectSettings, SettingChange,
};
use cairn_types::tag::Tags;
use cairn_types::time::Timestamp;
use cairn_types::version::{NamedVersion, Versioning};

const RECORDED: &str = include_str!("golden/commands-v1.txt");

const BUCKET: BucketId = BucketId::new(0x0102_0304_0506);

#[test]
fn recorded_commands_are_read_and_written_as_they_were() {
    let mut to_add = Vec::new();
    for (name, mutation) in fixtures() {
        let command = command(mutation);
        let encoded = encode_command(&command);
        let Some(recorded) = recorded(name) else {
            to_add.push(format!("{name} {}", hex::encode(&encoded)));
            continue;
        };
        assert_eq!(decode_command(recorded.clone()), Ok(command), "{name}");
        assert_eq!(encoded, recorded, "{name}");
    }
    assert!(
        to_add.is_empty(),
        "not recorded yet:\n{}",
        to_add.join("\n")
    );
}

#[test]
fn every_kind_of_mutation_is_recorded_and_every_record_is_known() {
    let fixtures = fixtures();
    let kinds: Vec<&str> = fixtures
        .iter()
        .map(|(_, mutation)| kind(mutation))
        .collect();
    for kind in KINDS {
        assert!(kinds.contains(&kind), "{kind} has no fixture");
    }
    for line in RECORDED.lines() {
        let name = line.split(' ').next();
        assert!(
            fixtures.iter().any(|(known, _)| Some(*known) == name),
            "{name:?}"
        );
    }
}

fn recorded(name: &str) -> Option<Bytes> {
    let line = RECORDED
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(
        hex::decode(line)
            .expect("the file holds hexadecimal digits")
            .into(),
    )
}

const KINDS: [&str; 39] = [
    "genesis",
    "register_storage",
    "retire_storage",
    "register_meta",
    "set_meta_voter",
    "retire_meta",
    "create_pool",
    "set_write_pool",
    "create_placement_groups",
    "reserve_bucket",
    "activate_bucket",
    "begin_delete_bucket",
    "revive_bucket",
    "commit_delete_bucket",
    "release_bucket",
    "activate_apply_version",
    "put_account",
    "delete_account",
    "put_access_key",
    "delete_access_key",
    "open_bucket",
    "fence_bucket",
    "unfence_bucket",
    "drain_bucket",
    "change_settings",
    "set_object_tags",
    "set_object_acl",
    "set_retention",
    "set_legal_hold",
    "put_object",
    "delete_objects",
    "create_upload",
    "put_part",
    "complete_upload",
    "abort_upload",
    "condemn_blobs",
    "raise_horizon",
    "forget_blobs",
    "expire_requests",
];

/// One of `KINDS`. The match is exhaustive, so that a new kind does not compile before it stands there too.
fn kind(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::Root(root) => match root {
            RootMutation::Genesis { .. } => "genesis",
            RootMutation::RegisterStorage { .. } => "register_storage",
            RootMutation::RetireStorage { .. } => "retire_storage",
            RootMutation::RegisterMeta { .. } => "register_meta",
            RootMutation::SetMetaVoter { .. } => "set_meta_voter",
            RootMutation::RetireMeta { .. } => "retire_meta",
            RootMutation::CreatePool { .. } => "create_pool",
            RootMutation::SetWritePool { .. } => "set_write_pool",
            RootMutation::CreatePlacementGroups { .. } => "create_placement_groups",
            RootMutation::ReserveBucket { .. } => "reserve_bucket",
            RootMutation::ActivateBucket { .. } => "activate_bucket",
            RootMutation::BeginDeleteBucket { .. } => "begin_delete_bucket",
            RootMutation::ReviveBucket { .. } => "revive_bucket",
            RootMutation::CommitDeleteBucket { .. } => "commit_delete_bucket",
            RootMutation::ReleaseBucket { .. } => "release_bucket",
            RootMutation::ActivateApplyVersion { .. } => "activate_apply_version",
            RootMutation::Account(change) => match change {
                AccountMutation::Put { .. } => "put_account",
                AccountMutation::Delete { .. } => "delete_account",
                AccountMutation::PutKey { .. } => "put_access_key",
                AccountMutation::DeleteKey { .. } => "delete_access_key",
            },
        },
        Mutation::Data(data) => match data {
            DataMutation::OpenBucket { .. } => "open_bucket",
            DataMutation::FenceBucket { .. } => "fence_bucket",
            DataMutation::UnfenceBucket { .. } => "unfence_bucket",
            DataMutation::DrainBucket { .. } => "drain_bucket",
            DataMutation::ChangeSettings { .. } => "change_settings",
            DataMutation::SetObjectTags { .. } => "set_object_tags",
            DataMutation::SetObjectAcl { .. } => "set_object_acl",
            DataMutation::SetRetention { .. } => "set_retention",
            DataMutation::SetLegalHold { .. } => "set_legal_hold",
            DataMutation::PutObject { .. } => "put_object",
            DataMutation::DeleteObjects { .. } => "delete_objects",
            DataMutation::CreateUpload { .. } => "create_upload",
            DataMutation::PutPart { .. } => "put_part",
            DataMutation::CompleteUpload { .. } => "complete_upload",
            DataMutation::AbortUpload { .. } => "abort_upload",
            DataMutation::CondemnBlobs { .. } => "condemn_blobs",
            DataMutation::RaiseHorizon { .. } => "raise_horizon",
            DataMutation::ForgetBlobs { .. } => "forget_blobs",
            DataMutation::ExpireRequests => "expire_requests",
        },
    }
}

fn command(mutation: Mutation) -> Command {
    Command {
        apply_version: 1,
        request: MutationRequest {
            request: RequestId::new(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
            minted: Timestamp::from_millis(1_700_000_000_000),
            guard: None,
            mutation,
        },
        proposed: Timestamp::from_millis(1_700_000_000_123),
        random: 0xffee_ddcc_bbaa_9988_7766_5544_3322_1100,
    }
}

fn fixtures() -> Vec<(&'static str, Mutation)> {
    let root = cluster_fixtures()
        .into_iter()
        .chain(membership_fixtures())
        .chain(directory_fixtures())
        .chain(account_fixtures());
    let root = root.map(|(name, mutation)| (name, Mutation::Root(mutation)));
    let data = life_fixtures()
        .into_iter()
        .chain(bucket_fixtures())
        .chain(settings_fixtures())
        .chain(version_fixtures())
        .chain(upload_fixtures())
        .chain(blob_fixtures());
    root.chain(data.map(|(name, mutation)| (name, Mutation::Data(mutation))))
        .collect()
}

fn cluster_fixtures() -> Vec<(&'static str, RootMutation)> {
    let genesis = RootMutation::Genesis {
        cluster: ClusterId::new(0xc1),
        data_group_count: 8,
        region: "us-east-1".to_owned(),
        members: vec![meta_node()],
    };
    let node = StorageNode {
        id: NodeId::new(3),
        name: "storage-3".to_owned(),
        address: "https://10.0.0.3:7000".to_owned(),
        admin_address: "10.0.0.3:7001".to_owned(),
        incarnation: 1_700_000_000_456,
        location: Location {
            zone: "z1".to_owned(),
            host: "h3".to_owned(),
        },
    };
    let disk = Disk {
        id: DiskId::new(0xd1),
        node: NodeId::new(3),
        capacity_bytes: 1 << 40,
    };
    let pool = RootMutation::CreatePool {
        id: PoolId::new(1),
        name: "default".to_owned(),
        profile: Profile::parse("4+2").expect("a profile on offer"),
        cell_len: 1 << 20,
        is_fallback: true,
    };
    let groups = RootMutation::CreatePlacementGroups {
        pool: PoolId::new(1),
        topology_epoch: Epoch::new(5),
        members: vec![
            vec![DiskId::new(0xd1), DiskId::new(0xd2)],
            vec![DiskId::new(0xd2), DiskId::new(0xd1)],
        ],
    };
    let register = RootMutation::RegisterStorage {
        node,
        disks: vec![disk],
    };
    vec![
        ("genesis", genesis),
        ("register_storage", register),
        ("create_pool", pool),
        ("create_placement_groups", groups),
    ]
}

fn meta_node() -> MetaNode {
    MetaNode {
        id: NodeId::new(5),
        name: "meta-5".to_owned(),
        address: "https://10.0.0.5:7000".to_owned(),
        admin_address: "10.0.0.5:7001".to_owned(),
        incarnation: 1_700_000_000_789,
        is_voter: true,
    }
}

fn membership_fixtures() -> Vec<(&'static str, RootMutation)> {
    let (node, pool) = (NodeId::new(5), PoolId::new(1));
    let set_voter = RootMutation::SetMetaVoter {
        node,
        is_voter: true,
    };
    let register = RootMutation::RegisterMeta { node: meta_node() };
    vec![
        ("retire_storage", RootMutation::RetireStorage { node }),
        ("register_meta", register),
        ("set_meta_voter", set_voter),
        ("retire_meta", RootMutation::RetireMeta { node }),
        ("set_write_pool", RootMutation::SetWritePool { pool }),
    ]
}

fn directory_fixtures() -> Vec<(&'static str, RootMutation)> {
    let name = BucketName::parse("my-bucket").expect("a valid name");
    let owner = "owner".to_owned();
    let (bucket, version, epoch) = (BUCKET, 2, Epoch::new(7));
    vec![
        (
            "reserve_bucket",
            RootMutation::ReserveBucket {
                name: name.clone(),
                owner: owner.clone(),
                initial: InitialSettings::default(),
            },
        ),
        (
            "reserve_bucket_initial",
            RootMutation::ReserveBucket {
                name,
                owner,
                initial: initial(),
            },
        ),
        (
            "activate_bucket",
            RootMutation::ActivateBucket { bucket, epoch },
        ),
        (
            "begin_delete_bucket",
            RootMutation::BeginDeleteBucket { bucket, epoch },
        ),
        (
            "revive_bucket",
            RootMutation::ReviveBucket { bucket, epoch },
        ),
        (
            "commit_delete_bucket",
            RootMutation::CommitDeleteBucket { bucket, epoch },
        ),
        ("release_bucket", RootMutation::ReleaseBucket { bucket }),
        (
            "activate_apply_version",
            RootMutation::ActivateApplyVersion { version },
        ),
    ]
}

fn account_fixtures() -> Vec<(&'static str, RootMutation)> {
    let id = CanonicalId::parse("testid").expect("an id");
    let key = AccessKeyId::parse("0555b35654ad1656d804").expect("a key");
    let account = Account {
        id: id.clone(),
        tenant: "testx".to_owned(),
        display_name: "M. Tester".to_owned(),
        email: Some(EmailAddress::parse("tester@example.com").expect("an address")),
        created: Timestamp::from_millis(1_700_000_000_000),
        is_suspended: true,
    };
    let issued = IssuedKey {
        id: key.clone(),
        secret: SealedSecret::new(Bytes::from_static(&[9; 40])).expect("40 bytes"),
        created: Timestamp::from_millis(1_700_000_000_001),
        is_active: true,
    };
    let put = AccountMutation::Put {
        account,
        is_new: true,
    };
    let put_key = AccountMutation::PutKey {
        account: id.clone(),
        key: issued,
    };
    let delete_key = AccountMutation::DeleteKey { id: key };
    vec![
        ("put_account", RootMutation::Account(put)),
        (
            "delete_account",
            RootMutation::Account(AccountMutation::Delete { id }),
        ),
        ("put_access_key", RootMutation::Account(put_key)),
        ("delete_access_key", RootMutation::Account(delete_key)),
    ]
}

fn bucket_fixtures() -> Vec<(&'static str, DataMutation)> {
    let put = |content: Content, len, condition| DataMutation::PutObject {
        bucket: BUCKET,
        key: key(),
        object: NewObject {
            len,
            etag: ETag::from_md5([0xab; 16]),
            checksum: Some(ObjectChecksum {
                checksum: Checksum::new(ChecksumAlgorithm::Crc64Nvme, &[8; 8])
                    .expect("of its length"),
                kind: ChecksumKind::FullObject,
            }),
            headers: headers(),
            settings: ObjectSettings::default(),
            content,
        },
        condition,
    };
    let inline = put(
        Content::Inline(Bytes::from_static(b"hello")),
        5,
        WriteCondition::IfAbsent,
    );
    let empty = put(Content::Extents(Vec::new()), 0, WriteCondition::Always);
    let if_match = WriteCondition::IfMatch(ETag::from_parts([0xcd; 16], 3));
    let extents = put(
        Content::Extents(vec![extent("2+1", 1), extent("8+4", 2)]),
        2000,
        if_match,
    );
    let other = ObjectKey::parse("b").expect("a valid key");
    let version = NamedVersion::Id(VersionId::new(Order::new(5), 0xab));
    let versions = vec![
        DeleteTarget::version(key(), version),
        DeleteTarget::version(key(), NamedVersion::Null),
        DeleteTarget::from(other.clone()),
    ];
    let conditions = vec![DeleteTarget {
        bypass_governance: true,
        condition: DeleteCondition {
            etag: Some(ETagCondition::Is(ETag::from_md5([0xab; 16]))),
            last_modified: Some(Timestamp::from_millis(1_700_000_000_000)),
            len: Some(0),
        },
        marker_owner: Some(account()),
        ..DeleteTarget::version(key(), version)
    }];
    let keys = vec![key().into(), other.into()];
    let delete = |targets| DataMutation::DeleteObjects {
        bucket: BUCKET,
        targets,
    };
    vec![
        ("put_object_inline", inline),
        ("put_object_empty", empty),
        ("put_object_extents", extents),
        ("delete_objects", delete(keys)),
        ("delete_versions", delete(versions)),
        ("delete_with_conditions", delete(conditions)),
    ]
}

fn life_fixtures() -> Vec<(&'static str, DataMutation)> {
    let name = BucketName::parse("my-bucket").expect("a valid name");
    vec![
        (
            "open_bucket",
            DataMutation::OpenBucket {
                bucket: BUCKET,
                name: name.clone(),
                epoch: Epoch::new(1),
                initial: InitialSettings::default(),
            },
        ),
        (
            "open_bucket_initial",
            DataMutation::OpenBucket {
                bucket: BUCKET,
                name,
                epoch: Epoch::new(1),
                initial: initial(),
            },
        ),
        (
            "fence_bucket",
            DataMutation::FenceBucket {
                bucket: BUCKET,
                epoch: Epoch::new(3),
            },
        ),
        (
            "unfence_bucket",
            DataMutation::UnfenceBucket {
                bucket: BUCKET,
                epoch: Epoch::new(4),
            },
        ),
        (
            "drain_bucket",
            DataMutation::DrainBucket {
                bucket: BUCKET,
                epoch: Epoch::new(5),
                opened_below: BucketId::new(6),
                limit: 1000,
            },
        ),
    ]
}

fn settings_fixtures() -> Vec<(&'static str, DataMutation)> {
    let change = |change| DataMutation::ChangeSettings {
        bucket: BUCKET,
        epoch: Epoch::new(2),
        change,
    };
    let lock = BucketLock {
        default: Some(DefaultRetention {
            mode: RetentionMode::Compliance,
            period: RetentionPeriod::Years(NonZeroU32::MIN),
        }),
    };
    let policy = BucketPolicy {
        text: document(),
        is_owner_locked_out: true,
    };
    let cors = |document| SettingChange::Document {
        kind: DocumentKind::Cors,
        document,
    };
    vec![
        (
            "change_versioning",
            change(SettingChange::Versioning(Versioning::Suspended)),
        ),
        ("change_lock", change(SettingChange::Lock(lock))),
        ("change_acl", change(SettingChange::Acl(acl()))),
        ("change_policy", change(SettingChange::Policy(Some(policy)))),
        ("remove_policy", change(SettingChange::Policy(None))),
        ("change_document", change(cors(Some(document())))),
        ("remove_document", change(cors(None))),
    ]
}

fn version_fixtures() -> Vec<(&'static str, DataMutation)> {
    let target = |version| VersionTarget {
        bucket: BUCKET,
        key: key(),
        version,
    };
    let tags = Tags::of_object(vec![("b".to_owned(), "2".to_owned())]).expect("one tag");
    let retention = Retention {
        mode: RetentionMode::Governance,
        until: Timestamp::from_millis(1_700_000_000_002),
    };
    let put = DataMutation::PutObject {
        bucket: BUCKET,
        key: key(),
        object: NewObject {
            len: 0,
            etag: ETag::from_md5([0xab; 16]),
            checksum: None,
            headers: ObjectHeaders {
                website_redirect: Some("/x".to_owned()),
                ..ObjectHeaders::default()
            },
            settings: ObjectSettings {
                owner: Some(account()),
                acl: Some(acl()),
                tags: tags.clone(),
                lock: ObjectLock {
                    retention: Some(retention),
                    legal_hold: Some(LegalHold::Off),
                },
            },
            content: Content::Inline(Bytes::new()),
        },
        condition: WriteCondition::IfPresent,
    };
    let set_retention = DataMutation::SetRetention {
        target: target(Some(NamedVersion::Null)),
        retention: Some(retention),
        bypass_governance: true,
    };
    vec![
        ("put_object_settings", put),
        (
            "set_object_tags",
            DataMutation::SetObjectTags {
                target: target(None),
                tags,
            },
        ),
        (
            "set_object_acl",
            DataMutation::SetObjectAcl {
                target: target(None),
                acl: Some(acl()),
            },
        ),
        ("set_retention", set_retention),
        (
            "set_legal_hold",
            DataMutation::SetLegalHold {
                target: target(None),
                legal_hold: LegalHold::On,
            },
        ),
    ]
}

fn account() -> CanonicalId {
    CanonicalId::parse("testx$9876").expect("a valid id")
}

fn acl() -> Acl {
    let grants = vec![
        Grant::full_control(&account()),
        Grant::to_group(Group::AllUsers, Permission::Read),
    ];
    Acl::new(grants).expect("two grants")
}

fn document() -> Document {
    Document::new(Bytes::from_static(b"{}")).expect("a short text")
}

fn initial() -> InitialSettings {
    InitialSettings {
        acl: Some(acl()),
        ownership_controls: Some(document()),
        is_lock_enabled: true,
    }
}

fn upload_fixtures() -> Vec<(&'static str, DataMutation)> {
    let create = |checksum| DataMutation::CreateUpload {
        bucket: BUCKET,
        key: key(),
        upload: NewUpload {
            headers: headers(),
            checksum,
            settings: ObjectSettings::default(),
            initiator: None,
        },
    };
    let spec = (ChecksumAlgorithm::Sha256, ChecksumKind::Composite);
    let put_part = DataMutation::PutPart {
        upload: upload(),
        number: 10_000,
        part: NewPart {
            len: 1000,
            etag: ETag::from_md5([0xef; 16]),
            checksum: Some(ObjectChecksum {
                checksum: Checksum::new(ChecksumAlgorithm::Sha1, &[20; 20]).expect("of its length"),
                kind: ChecksumKind::Composite,
            }),
            content: Content::Extents(vec![extent("4+2", 3)]),
        },
    };
    let part = |number, checksum| CompletedPart {
        number,
        etag: ETag::from_md5([0xef; 16]),
        checksum,
    };
    let crc32c = Checksum::new(ChecksumAlgorithm::Crc32c, &[1, 2, 3, 4]).expect("of its length");
    let complete = DataMutation::CompleteUpload {
        upload: upload(),
        parts: vec![part(1, None), part(2, Some(crc32c))],
        condition: WriteCondition::Always,
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[4, 3, 2, 1]),
        declared_len: Some(0),
    };
    vec![
        ("create_upload", create(Some(spec))),
        ("create_upload_plain", create(None)),
        ("put_part", put_part),
        ("complete_upload", complete),
        (
            "abort_upload",
            DataMutation::AbortUpload { upload: upload() },
        ),
    ]
}

fn blob_fixtures() -> Vec<(&'static str, DataMutation)> {
    let blobs = || vec![blob(1), blob(2)];
    let horizon = Timestamp::from_millis(1_699_999_999_999);
    vec![
        (
            "condemn_blobs",
            DataMutation::CondemnBlobs { blobs: blobs() },
        ),
        ("raise_horizon", DataMutation::RaiseHorizon { horizon }),
        ("forget_blobs", DataMutation::ForgetBlobs { blobs: blobs() }),
        ("expire_requests", DataMutation::ExpireRequests),
    ]
}

fn key() -> ObjectKey {
    ObjectKey::parse("photos/2024/é.jpg").expect("a valid key")
}

fn upload() -> UploadKey {
    UploadKey {
        bucket: BUCKET,
        key: key(),
        upload: UploadId::new(0x0abc),
    }
}

fn blob(random: u32) -> BlobId {
    BlobId::new(
        PlacementGroupId::new(9),
        GroupId::new(4),
        1_700_000_000_001,
        random,
    )
}

fn extent(profile: &str, random: u32) -> Extent {
    let profile = Profile::parse(profile).expect("a profile on offer");
    let root = |shard: usize| [u8::try_from(shard).expect("at most 12 shards"); 16];
    Extent {
        blob: blob(random),
        plain_len: 1000,
        stored_len: 990,
        profile,
        cell_len: 512,
        erasure_code: 1,
        codec: 2,
        cipher: 3,
        roots: (0..profile.width()).map(root).collect(),
        missing_shards: if profile.m() > 1 { vec![0] } else { Vec::new() },
    }
}

fn headers() -> ObjectHeaders {
    ObjectHeaders {
        content_type: Some("image/jpeg".to_owned()),
        content_encoding: Some(String::new()),
        content_language: None,
        content_disposition: Some("attachment".to_owned()),
        cache_control: None,
        expires: None,
        website_redirect: None,
        user: vec![
            ("b".to_owned(), "2".to_owned()),
            ("a".to_owned(), "1".to_owned()),
        ],
    }
}
