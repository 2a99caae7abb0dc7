//! What a release wrote into tables, every later one reads.
//!
//! `tests/golden/rows-v1.txt` holds one row of each kind, and each variant of it: a name, the key and the row in hexadecimal.
//! Lines are added with new kinds; a line that stands is never changed. A row without a line fails the test, which prints the
//! line to add.

use bytes::Bytes;
use cairn_schema::arbitrary;
use cairn_types::account::{
    AccessKeyId, Account, AccountEntry, CanonicalId, EmailAddress, IssuedKey, SealedSecret,
};
use cairn_types::acl::{Acl, Grant};
use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::cluster::{Disk, Location, MetaNode, PlacementGroup, Pool, Profile, StorageNode};
use cairn_types::etag::ETag;
use cairn_types::id::{
    BlobId, BucketId, ClusterId, DiskId, Epoch, GroupId, NodeId, Order, PlacementGroupId, PoolId,
    RequestId, UploadId, VersionId,
};
use cairn_types::lock::{BucketLock, LegalHold, ObjectLock, Retention, RetentionMode};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{Counters, Deleted, UploadInfo, UploadKey};
use cairn_types::namespace::root::{BucketState, ClusterInfo};
use cairn_types::namespace::{DataReply, Refusal, Reply};
use cairn_types::object::{Content, Extent, ObjectHeaders, PartSpan};
use cairn_types::settings::{
    BucketPolicy, Document, DocumentKind, InitialSettings, ObjectSettings,
};
use cairn_types::tag::Tags;
use cairn_types::time::Timestamp;
use cairn_types::version::Versioning;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::strategy::Strategy;

use super::account::{AccountNameRow, AccountRow, IdentitiesRow};
use super::blob::{BlobRow, CollectionRow, DegradedRow, Holder};
use super::bucket::{BucketRow, OpenedRow, RangeRow};
use super::cluster::{ClusterRow, DiskRow, MetaNodeRow, NodeRow, PlacementGroupRow, PoolRow};
use super::directory::{BucketNameRow, DirectoryRow, ShardRow};
use super::group::{GroupRow, RequestRow, StateHashRow};
use super::object::{CurrentRow, KeyRow, MarkerRow, ObjectRow, VersionRow};
use super::settings::{BucketAclRow, BucketDocumentRow, BucketPolicyRow};
use super::upload::{PartRow, UploadEntryRow, UploadRow};
use super::{Record, decode, encode};
use crate::key::{self, Mark, RowKey};
use crate::store::StoreError;

const RECORDED: &str = include_str!("../../tests/golden/rows-v1.txt");

const TIME: Timestamp = Timestamp::from_millis(1_700_000_000_123);
const BUCKET: BucketId = BucketId::new(0x0102_0304);
const ORDER: Order = Order::new(0x0506);

/// Compares rows with the lines that are recorded.
struct Golden {
    seen: Vec<String>,
    to_add: Vec<String>,
}

impl Golden {
    fn row<R: Record + PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        key: &RowKey<R>,
        row: &R,
    ) {
        let encoded = encode(row);
        self.line(name, key.as_bytes(), &encoded);
        assert_eq!(&decode::<R>(encoded).unwrap(), row, "{name}");
    }

    fn mark(&mut self, name: &str, key: &RowKey<Mark>) {
        self.line(name, key.as_bytes(), &[]);
    }

    fn line(&mut self, name: &str, key: &[u8], value: &[u8]) {
        let value = match value {
            [] => "-".to_owned(),
            value => hex::encode(value),
        };
        let line = format!("{name} {} {value}", hex::encode(key));
        let mut recorded = RECORDED.lines();
        match recorded.find(|recorded| recorded.split(' ').next() == Some(name)) {
            Some(recorded) => assert_eq!(recorded, line),
            None => self.to_add.push(line),
        }
        self.seen.push(name.to_owned());
    }
}

#[test]
fn recorded_rows_are_read_and_written_as_they_were() {
    let mut golden = Golden {
        seen: Vec::new(),
        to_add: Vec::new(),
    };
    group_rows(&mut golden);
    bucket_rows(&mut golden);
    object_rows(&mut golden);
    upload_rows(&mut golden);
    blob_rows(&mut golden);
    cluster_rows(&mut golden);
    directory_rows(&mut golden);
    account_rows(&mut golden);
    assert!(
        golden.to_add.is_empty(),
        "not recorded yet:\n{}",
        golden.to_add.join("\n")
    );
    let names = RECORDED.lines().map(|line| line.split(' ').next().unwrap());
    for name in names {
        assert!(golden.seen.iter().any(|seen| seen == name), "{name}");
    }
}

fn group_rows(golden: &mut Golden) {
    let group = GroupRow {
        clock: TIME,
        expired_to: Timestamp::from_millis(5),
        expire_next: Timestamp::from_millis(6),
        doomed_uploads: 7,
        has_passed_blobs: true,
    };
    golden.row("group", &key::group(), &group);
    let hash = StateHashRow {
        hash: 0x0123 << 112,
    };
    golden.row("state-hash", &key::state_hash(), &hash);
    let request = RequestId::new(0xabcd);
    let row = |result| RequestRow {
        applied: TIME,
        remembered_until: TIME.plus_millis(600_000),
        result,
    };
    let deleted = |deleted| row(Ok(Reply::Data(DataReply::Deleted(deleted))));
    let removed = Deleted::Removed { is_marker: false };
    let applied = deleted(vec![removed, Deleted::Missing]);
    golden.row("request-applied", &key::request(request), &applied);
    let version = VersionId::new(ORDER, 0x0708);
    let applied = deleted(vec![
        removed,
        Deleted::Missing,
        Deleted::Removed { is_marker: true },
        Deleted::Marked {
            version,
            is_null: true,
        },
    ]);
    golden.row("request-deleted-versions", &key::request(request), &applied);
    let refused = row(Err(Refusal::PartTooSmall { number: 3, len: 9 }));
    golden.row("request-refused", &key::request(request), &refused);
    golden.mark("request-expiry", &key::request_expiry(TIME, request));
}

fn bucket_rows(golden: &mut Golden) {
    let bucket = BucketRow {
        name: bucket_name(),
        is_fenced: true,
        epoch: Epoch::new(3),
        versioning: None,
        settings_epoch: Epoch::new(7),
        lock: None,
    };
    golden.row("bucket", &key::data::bucket(BUCKET), &bucket);
    for (name, versioning) in [
        ("bucket-enabled", Versioning::Enabled),
        ("bucket-suspended", Versioning::Suspended),
    ] {
        let bucket = BucketRow {
            versioning: Some(versioning),
            ..bucket.clone()
        };
        golden.row(name, &key::data::bucket(BUCKET), &bucket);
    }
    let locked = BucketRow {
        versioning: Some(Versioning::Enabled),
        lock: Some(BucketLock { default: None }),
        ..bucket.clone()
    };
    golden.row("bucket-locked", &key::data::bucket(BUCKET), &locked);
    let acl = BucketAclRow(Acl::new(vec![Grant::full_control(&account())]).unwrap());
    golden.row("bucket-acl", &key::data::bucket_acl(BUCKET), &acl);
    let text = Document::new(Bytes::from_static(b"{}")).unwrap();
    let policy = BucketPolicyRow(BucketPolicy {
        text: text.clone(),
        is_owner_locked_out: true,
    });
    golden.row("bucket-policy", &key::data::bucket_policy(BUCKET), &policy);
    let document = key::data::bucket_document(BUCKET, DocumentKind::Replication);
    golden.row("bucket-document", &document, &BucketDocumentRow(text));
    let opened = OpenedRow { below: BUCKET };
    golden.row("opened", &key::data::opened(), &opened);
    golden.mark("gone-bucket", &key::data::gone_bucket(BUCKET));
    let range = RangeRow {
        order: ORDER,
        counters: Counters {
            objects: 1,
            bytes: 2,
            versions: 3,
            version_bytes: 4,
            uploads: 5,
            parts: 6,
            part_bytes: 7,
        },
    };
    golden.row("range", &key::data::range(BUCKET, "m\0n"), &range);
}

fn object_rows(golden: &mut Golden) {
    let key = object_key();
    let current = CurrentRow {
        len: 1_234,
        etag: ETag::from_parts([0xe7; 16], 2),
        last_modified: TIME,
        checksum: Some((ChecksumAlgorithm::Crc32c, ChecksumKind::Composite)),
        owner: Some(account()),
    };
    golden.row(
        "current",
        &key::data::current(BUCKET, key.as_str()),
        &current,
    );
    let keyed = KeyRow {
        newest: ORDER,
        null: Some(Order::new(0)),
    };
    golden.row("key", &key::data::object_key(BUCKET, &key), &keyed);
    let version = |content| {
        VersionRow::Object(ObjectRow {
            random: 0x0708_090a_0b0c_0d0e,
            is_null: true,
            last_modified: TIME,
            len: 3,
            etag: ETag::from_md5([0xe7; 16]),
            checksum: Some(checksum()),
            headers: headers(),
            settings: settings(),
            content,
        })
    };
    let at = key::data::version(BUCKET, &key, ORDER);
    let inline = Content::Inline(Bytes::from_static(b"abc"));
    golden.row("version-inline", &at, &version(inline));
    golden.row(
        "version-extents",
        &at,
        &version(Content::Extents(vec![extent()])),
    );
    let parts = Content::Parts {
        upload: UploadId::new(0x77),
        parts: vec![
            PartSpan { number: 1, len: 1 },
            PartSpan {
                number: 10_000,
                len: 2,
            },
        ],
    };
    golden.row("version-parts", &at, &version(parts));
    let marker = VersionRow::Marker(MarkerRow {
        random: 0x0708_090a_0b0c_0d0e,
        is_null: false,
        last_modified: TIME,
        owner: Some(account()),
    });
    golden.row("version-marker", &at, &marker);
}

fn upload_rows(golden: &mut Golden) {
    let upload = upload_key();
    let open = UploadRow::Open(UploadInfo {
        initiated: TIME,
        headers: headers(),
        checksum: Some((ChecksumAlgorithm::Sha256, ChecksumKind::Composite)),
        settings: settings(),
        initiator: Some(account()),
    });
    golden.row("upload-open", &key::data::upload(&upload), &open);
    let completed = UploadRow::Completed { order: ORDER };
    golden.row("upload-completed", &key::data::upload(&upload), &completed);
    let entry = UploadEntryRow {
        checksum: Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject)),
        owner: Some(account()),
        initiator: Some(account()),
    };
    golden.row(
        "upload-entry",
        &key::data::upload_entry(&upload, TIME),
        &entry,
    );
    let part = PartRow {
        len: 5,
        etag: ETag::from_md5([0x0e; 16]),
        checksum: Some(checksum()),
        last_modified: TIME,
        content: Content::Extents(vec![extent()]),
    };
    golden.row("part", &key::data::part(&upload, 10_000), &part);
    golden.mark("doomed-upload", &key::data::doomed_upload(&upload));
}

fn blob_rows(golden: &mut Golden) {
    let blob = extent().blob;
    let collection = CollectionRow {
        horizon: TIME,
        freed: 1,
        condemned: 2,
        degraded: 3,
    };
    golden.row("collection", &key::data::collection(), &collection);
    let by_version = BlobRow::Held(Holder::Version {
        bucket: BUCKET,
        key: object_key(),
        order: ORDER,
    });
    golden.row("blob-of-version", &key::data::blob(blob), &by_version);
    let by_part = BlobRow::Held(Holder::Part {
        upload: upload_key(),
        number: 3,
    });
    golden.row("blob-of-part", &key::data::blob(blob), &by_part);
    let freed = BlobRow::Freed { freed: TIME };
    golden.row("blob-freed", &key::data::blob(blob), &freed);
    let condemned = BlobRow::Condemned { condemned: TIME };
    golden.row("blob-condemned", &key::data::blob(blob), &condemned);
    golden.mark("freed", &key::data::freed(TIME, blob));
    golden.mark("condemned", &key::data::condemned(blob));
    let degraded = DegradedRow {
        missing_shards: vec![1, 3],
    };
    golden.row("degraded", &key::data::degraded(blob), &degraded);
}

fn cluster_rows(golden: &mut Golden) {
    let cluster = ClusterRow {
        info: ClusterInfo {
            cluster: ClusterId::new(0xc1),
            data_group_count: 8,
            region: "eu-north-1".to_owned(),
            created: TIME,
            apply_version: 1,
        },
        topology_epoch: Epoch::new(4),
        last_placement_group: PlacementGroupId::new(5),
        last_bucket: BUCKET,
        write_pool: PoolId::new(9),
    };
    golden.row("cluster", &key::root::cluster(), &cluster);
    let node = NodeRow(StorageNode {
        id: NodeId::new(2),
        name: "storage-2".to_owned(),
        address: "storage-2:9200".to_owned(),
        admin_address: "storage-2:9300".to_owned(),
        incarnation: 8,
        location: Location {
            zone: "a".to_owned(),
            host: "h2".to_owned(),
        },
    });
    golden.row("node", &key::root::node(node.0.id), &node);
    let meta = MetaNodeRow(MetaNode {
        id: NodeId::new(3),
        name: "meta-3".to_owned(),
        address: "meta-3:9100".to_owned(),
        admin_address: "meta-3:9300".to_owned(),
        incarnation: 9,
        is_voter: true,
    });
    golden.row("meta-node", &key::root::meta_node(meta.0.id), &meta);
    golden.mark(
        "retired-meta-node",
        &key::root::retired_meta_node(meta.0.id),
    );
    let disk = DiskRow(Disk {
        id: DiskId::new(0xd1),
        node: NodeId::new(2),
        capacity_bytes: 1 << 40,
    });
    golden.row("disk", &key::root::disk(disk.0.id), &disk);
    let pool = PoolRow(Pool {
        id: PoolId::new(1),
        name: "default".to_owned(),
        profile: profile(),
        cell_len: 1 << 20,
        is_fallback: true,
    });
    golden.row("pool", &key::root::pool(pool.0.id), &pool);
    let group = PlacementGroupRow(PlacementGroup {
        id: PlacementGroupId::new(5),
        pool: PoolId::new(1),
        epoch: Epoch::new(1),
        members: (0xd1..0xd4).map(DiskId::new).collect(),
    });
    let at = key::root::placement_group(group.0.id);
    golden.row("placement-group", &at, &group);
}

fn account_rows(golden: &mut Golden) {
    let id = CanonicalId::parse("testid").unwrap();
    let key = AccessKeyId::parse("0555b35654ad1656d804").unwrap();
    let email = EmailAddress::parse("Tester@example.com").unwrap();
    let identities = IdentitiesRow {
        epoch: Epoch::new(9),
        account_count: 1,
    };
    golden.row("identities", &key::root::identities(), &identities);
    let at = key::root::email(&email.folded());
    let account = AccountRow(AccountEntry {
        account: Account {
            id: id.clone(),
            tenant: "testx".to_owned(),
            display_name: "M. Tester".to_owned(),
            email: Some(email),
            created: TIME,
            is_suspended: true,
        },
        keys: vec![IssuedKey {
            id: key.clone(),
            secret: SealedSecret::new(Bytes::from_static(&[9; 40])).unwrap(),
            created: TIME,
            is_active: true,
        }],
    });
    golden.row("account", &key::root::account(&id), &account);
    let name = AccountNameRow { account: id };
    golden.row("email", &at, &name);
    golden.row("access-key", &key::root::access_key(&key), &name);
}

fn directory_rows(golden: &mut Golden) {
    let name = bucket_name();
    let entry = |state| DirectoryRow {
        bucket: BUCKET,
        owner: "owner".to_owned(),
        created: TIME,
        state,
        epoch: Epoch::new(4),
        initial: InitialSettings {
            is_lock_enabled: state == BucketState::Creating,
            ..InitialSettings::default()
        },
    };
    let at = key::root::directory(name.as_str());
    golden.row("directory-creating", &at, &entry(BucketState::Creating));
    golden.row("directory-active", &at, &entry(BucketState::Active));
    golden.row("directory-deleting", &at, &entry(BucketState::Deleting));
    let opened_below = BUCKET;
    let draining = entry(BucketState::Draining { opened_below });
    golden.row("directory-draining", &at, &draining);
    let owned = key::root::owned_bucket("owner", name.as_str());
    golden.mark("owned-bucket", &owned);
    golden.mark("unopened-bucket", &key::root::unopened_bucket(BUCKET));
    let named = BucketNameRow { name };
    golden.row("bucket-name", &key::root::bucket_name(BUCKET), &named);
    let shard = ShardRow {
        group: GroupId::new(3),
        epoch: Epoch::new(1),
    };
    golden.row("shard", &key::root::shard(BUCKET, "m\0n"), &shard);
}

fn bucket_name() -> BucketName {
    BucketName::parse("a-bucket").unwrap()
}

fn object_key() -> ObjectKey {
    ObjectKey::parse("a\0/ü").unwrap()
}

fn upload_key() -> UploadKey {
    UploadKey {
        bucket: BUCKET,
        key: object_key(),
        upload: UploadId::new(0x77),
    }
}

fn profile() -> Profile {
    Profile::new(2, 1).unwrap()
}

fn checksum() -> ObjectChecksum {
    ObjectChecksum {
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[1, 2, 3, 4]).unwrap(),
        kind: ChecksumKind::FullObject,
    }
}

fn account() -> CanonicalId {
    CanonicalId::parse("testx$9876").unwrap()
}

fn settings() -> ObjectSettings {
    ObjectSettings {
        owner: Some(account()),
        acl: Some(Acl::default()),
        tags: Tags::of_object(vec![("b".to_owned(), "2".to_owned())]).unwrap(),
        lock: ObjectLock {
            retention: Some(Retention {
                mode: RetentionMode::Governance,
                until: TIME,
            }),
            legal_hold: Some(LegalHold::Off),
        },
    }
}

fn headers() -> ObjectHeaders {
    ObjectHeaders {
        content_type: Some("text/plain".to_owned()),
        user: vec![("name".to_owned(), "value".to_owned())],
        ..ObjectHeaders::default()
    }
}

fn extent() -> Extent {
    Extent {
        blob: BlobId::new(
            PlacementGroupId::new(5),
            GroupId::new(3),
            TIME.as_millis(),
            0x99,
        ),
        plain_len: 3,
        stored_len: 3,
        profile: profile(),
        cell_len: 64,
        erasure_code: 1,
        codec: 0,
        cipher: 0,
        roots: vec![[1; 16], [2; 16], [3; 16]],
        missing_shards: vec![2],
    }
}

#[test]
fn an_unknown_form_is_an_error_that_says_so() {
    for (bytes, said) in [
        (&b""[..], "KeyRecord.form is not set"),
        (
            b"\0",
            "KeyRecord.form breaks a rule: forms are counted from 1",
        ),
        (
            b"\x02",
            "written by a newer release: KeyRecord of form 2, this release knows 1",
        ),
    ] {
        let Err(StoreError::Record { kind, source }) =
            decode::<KeyRow>(Bytes::copy_from_slice(bytes))
        else {
            panic!("{bytes:?} decodes");
        };
        assert_eq!((kind, source.to_string().as_str()), ("KeyRecord", said));
    }
}

#[test]
fn a_delete_marker_that_holds_something_is_an_error() {
    let marker = VersionRow::Marker(MarkerRow {
        random: 1,
        is_null: true,
        last_modified: TIME,
        owner: Some(account()),
    });
    let mut message = marker.to_message();
    assert_eq!(VersionRow::from_message(message.clone()), Ok(marker));
    let mut longer = message.clone();
    longer.len = 1;
    assert!(VersionRow::from_message(longer).is_err());
    let settings = message.settings.as_mut().unwrap();
    settings.acl = Some(cairn_schema::proto::Acl::default());
    assert!(VersionRow::from_message(message).is_err());
}

fn reads_back<R: Record + PartialEq + std::fmt::Debug>(row: &R) {
    assert_eq!(&decode::<R>(encode(row)).unwrap(), row);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_version_and_part_reads_back(
        version in arbitrary::object_version(),
        part in arbitrary::new_part(),
        random: u64,
    ) {
        reads_back(&VersionRow::Marker(MarkerRow {
            random,
            is_null: version.is_null,
            last_modified: version.last_modified,
            owner: version.settings.owner.clone(),
        }));
        reads_back(&VersionRow::Object(ObjectRow {
            random,
            is_null: version.is_null,
            last_modified: version.last_modified,
            len: version.len,
            etag: version.etag,
            checksum: version.checksum,
            headers: version.headers,
            settings: version.settings,
            content: version.content,
        }));
        reads_back(&PartRow {
            len: part.len,
            etag: part.etag,
            checksum: part.checksum,
            last_modified: TIME,
            content: part.content,
        });
    }

    #[test]
    fn any_remembered_request_reads_back(
        reply in arbitrary::reply(),
        refusal in arbitrary::refusal(),
        is_refused: bool,
    ) {
        reads_back(&RequestRow {
            applied: TIME,
            remembered_until: TIME,
            result: if is_refused { Err(refusal) } else { Ok(reply) },
        });
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in any::<Vec<u8>>().prop_map(|mut bytes| {
        bytes.insert(0, 1);
        Bytes::from(bytes)
    })) {
        let _ = decode::<GroupRow>(bytes.clone());
        let _ = decode::<RequestRow>(bytes.clone());
        let _ = decode::<RangeRow>(bytes.clone());
        let _ = decode::<VersionRow>(bytes.clone());
        let _ = decode::<UploadRow>(bytes.clone());
        let _ = decode::<PartRow>(bytes.clone());
        let _ = decode::<BlobRow>(bytes.clone());
        let _ = decode::<DegradedRow>(bytes.clone());
        let _ = decode::<ClusterRow>(bytes.clone());
        let _ = decode::<BucketAclRow>(bytes.clone());
        let _ = decode::<BucketPolicyRow>(bytes.clone());
        let _ = decode::<DirectoryRow>(bytes.clone());
        let _ = decode::<AccountRow>(bytes);
    }
}
