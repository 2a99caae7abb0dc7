//! Bytes that are not what they should be: always an error that says where, never a panic, never a guess.

use bytes::Bytes;
use cairn_schema::field::Field;
use cairn_schema::{DecodeError, arbitrary, decode_command, encode_command, proto};
use cairn_types::checksum::Checksum;
use cairn_types::cluster::Profile;
use cairn_types::etag::ETag;
use cairn_types::id::{BlobId, ClusterId, DiskId, Epoch};
use cairn_types::name::{BucketNameError, ObjectKeyError};
use cairn_types::namespace::data::UploadKey;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::namespace::{Command, Mutation, MutationRequest, Query, Refusal, Reply, View};
use cairn_types::object::{Content, Extent, NewObject, ObjectHeaders};
use cairn_types::settings::ObjectSettings;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::Index;
use prost::Message;

/// Reads bytes as a noun. What can be read must come back from its own bytes.
fn read<T, P>(bytes: &[u8])
where
    P: for<'a> From<&'a T> + Message + Default,
    T: TryFrom<P, Error = DecodeError> + PartialEq + std::fmt::Debug,
{
    let Ok(message) = P::decode(bytes) else {
        return;
    };
    if let Ok(noun) = T::try_from(message) {
        let again = P::from(&noun).encode_to_vec();
        let message = P::decode(again.as_slice()).expect("encoded just now");
        assert_eq!(T::try_from(message), Ok(noun));
    }
}

fn read_as_everything(bytes: &[u8]) {
    read::<Mutation, proto::Mutation>(bytes);
    read::<MutationRequest, proto::MutationRequest>(bytes);
    read::<Command, proto::Command>(bytes);
    read::<Reply, proto::Reply>(bytes);
    read::<Query, proto::Query>(bytes);
    read::<View, proto::View>(bytes);
    read::<Refusal, proto::Refusal>(bytes);
    let _read_or_refused = decode_command(Bytes::copy_from_slice(bytes));
}

/// Changes bytes in a few places: another value, one more, one less, or the rest cut off.
fn damage(mut bytes: Vec<u8>, places: &[(u8, Index, u8)]) -> Vec<u8> {
    for (how, place, value) in places {
        let at = place.index(bytes.len().max(1));
        match (how % 4, bytes.get_mut(at)) {
            (0, Some(byte)) => *byte = *value,
            (1, _) => bytes.insert(at, *value),
            (2, Some(_)) => drop(bytes.remove(at)),
            (_, _) => bytes.truncate(at),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn damaged_commands_never_panic(
        command in arbitrary::command(),
        places in vec((any::<u8>(), any::<Index>(), any::<u8>()), 1..4),
    ) {
        let damaged = damage(encode_command(&command).to_vec(), &places);
        if let Ok(command) = decode_command(damaged.into()) {
            prop_assert_eq!(decode_command(encode_command(&command)), Ok(command));
        }
    }

    #[test]
    fn damaged_views_never_panic(
        view in arbitrary::view(),
        places in vec((any::<u8>(), any::<Index>(), any::<u8>()), 1..4),
    ) {
        read_as_everything(&damage(proto::View::from(&view).encode_to_vec(), &places));
    }
}

fn missing<T>(message: &'static str, name: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Missing {
        at: Field::new(message, name),
    })
}

fn length<T>(at: Field, len: usize, wanted: usize) -> Result<T, DecodeError> {
    Err(DecodeError::Length { at, len, wanted })
}

fn extent() -> proto::Extent {
    proto::Extent::from(&Extent {
        blob: BlobId::from_bits(7),
        plain_len: 10,
        stored_len: 10,
        profile: Profile::parse("2+1").expect("a profile on offer"),
        cell_len: 5,
        erasure_code: 1,
        codec: 0,
        cipher: 0,
        roots: vec![[1; 16], [2; 16], [3; 16]],
        missing_shards: vec![0, 2],
    })
}

#[test]
fn a_oneof_that_is_not_set_is_refused() {
    assert_eq!(
        Mutation::try_from(proto::Mutation::default()),
        missing("Mutation", "kind")
    );
    assert_eq!(
        Reply::try_from(proto::Reply::default()),
        missing("Reply", "kind")
    );
    assert_eq!(
        Query::try_from(proto::Query::default()),
        missing("Query", "kind")
    );
    assert_eq!(
        View::try_from(proto::View::default()),
        missing("View", "kind")
    );
    assert_eq!(
        Refusal::try_from(proto::Refusal::default()),
        missing("Refusal", "kind")
    );
    assert_eq!(
        Content::try_from(proto::Content::default()),
        missing("Content", "kind")
    );

    let root = proto::mutation::Kind::Root(proto::RootMutation::default());
    let mutation = Mutation::try_from(proto::Mutation { kind: Some(root) });
    assert_eq!(mutation, missing("RootMutation", "kind"));

    let data = proto::view::Kind::Data(proto::DataView::default());
    assert_eq!(
        View::try_from(proto::View { kind: Some(data) }),
        missing("DataView", "kind")
    );
}

#[test]
fn a_message_that_is_not_set_is_refused() {
    let whole = proto::NewObject::from(&NewObject {
        settings: ObjectSettings::default(),
        len: 0,
        etag: ETag::from_md5([0; 16]),
        checksum: None,
        headers: ObjectHeaders::default(),
        content: Content::Inline(Bytes::new()),
    });
    assert!(NewObject::try_from(whole.clone()).is_ok());

    let without = proto::NewObject {
        etag: None,
        ..whole.clone()
    };
    assert_eq!(NewObject::try_from(without), missing("NewObject", "etag"));
    let without = proto::NewObject {
        headers: None,
        ..whole.clone()
    };
    assert_eq!(
        NewObject::try_from(without),
        missing("NewObject", "headers")
    );
    let without = proto::NewObject {
        content: None,
        ..whole
    };
    assert_eq!(
        NewObject::try_from(without),
        missing("NewObject", "content")
    );
    let without = proto::Extent {
        profile: None,
        ..extent()
    };
    assert_eq!(Extent::try_from(without), missing("Extent", "profile"));
}

#[test]
fn an_id_of_another_length_is_refused() {
    for len in [0, 15, 17] {
        let blob = Field::new("Extent", "blob");
        let wrong = proto::Extent {
            blob: vec![1; len].into(),
            ..extent()
        };
        assert_eq!(Extent::try_from(wrong), length(blob, len, 16));

        let md5 = Field::new("ETag", "md5");
        let wrong = proto::ETag {
            md5: vec![1; len].into(),
            part_count: 0,
        };
        assert_eq!(ETag::try_from(wrong), length(md5, len, 16));
    }
}

#[test]
fn an_unknown_number_of_an_enum_is_refused_and_zero_is_none() {
    for number in [0, 6, -1, i32::MAX] {
        let wrong = proto::Checksum {
            algorithm: number,
            value: Bytes::from_static(&[0; 4]),
        };
        let at = Field::new("Checksum", "algorithm");
        assert_eq!(
            Checksum::try_from(wrong),
            Err(DecodeError::UnknownValue { at, number })
        );
    }
}

#[test]
fn a_checksum_has_the_length_of_its_algorithm() {
    let value = Field::new("Checksum", "value");
    let algorithm = proto::ChecksumAlgorithm::Sha256.into();
    let wrong = proto::Checksum {
        algorithm,
        value: Bytes::from_static(&[0; 31]),
    };
    assert_eq!(Checksum::try_from(wrong), length(value, 31, 32));
}

#[test]
fn a_number_that_does_not_fit_is_refused() {
    let at = Field::new("ETag", "part_count");
    let wrong = proto::ETag {
        md5: Bytes::from_static(&[0; 16]),
        part_count: 65_536,
    };
    assert_eq!(
        ETag::try_from(wrong),
        Err(DecodeError::OutOfRange { at, number: 65_536 })
    );

    let at = Field::new("Extent", "codec");
    let wrong = proto::Extent {
        codec: 256,
        ..extent()
    };
    assert_eq!(
        Extent::try_from(wrong),
        Err(DecodeError::OutOfRange { at, number: 256 })
    );
}

#[test]
fn a_profile_is_one_of_those_on_offer() {
    for (k, m) in [(0, 0), (3, 1), (2, 4), (255, 255)] {
        let refused = Profile::try_from(proto::Profile { k, m });
        assert!(
            matches!(refused, Err(DecodeError::Rule { .. })),
            "{k}+{m}: {refused:?}"
        );
    }
    let at = Field::new("Profile", "k");
    let wide = Profile::try_from(proto::Profile { k: 260, m: 2 });
    assert_eq!(wide, Err(DecodeError::OutOfRange { at, number: 260 }));
}

#[test]
fn an_extent_has_one_root_for_each_shard() {
    let at = Field::new("Extent", "roots");
    for len in [0, 32, 47, 49, 64] {
        let wrong = proto::Extent {
            roots: vec![1; len].into(),
            ..extent()
        };
        assert_eq!(Extent::try_from(wrong), length(at, len, 48));
    }
}

#[test]
fn missing_shards_ascend_and_are_shards_of_the_profile() {
    let at = Field::new("Extent", "missing_shards");
    for wrong in [vec![1, 1], vec![2, 0], vec![0, 2, 1]] {
        let refused = Extent::try_from(proto::Extent {
            missing_shards: wrong,
            ..extent()
        });
        assert_eq!(
            refused,
            Err(DecodeError::Rule {
                at,
                rule: "ascending"
            })
        );
    }
    for number in [3, 256, u32::MAX] {
        let missing_shards = vec![0, number];
        let refused = Extent::try_from(proto::Extent {
            missing_shards,
            ..extent()
        });
        assert_eq!(refused, Err(DecodeError::OutOfRange { at, number }));
    }
}

#[test]
fn names_are_checked() {
    let at = Field::new("UploadKey", "key");
    let wrong = proto::UploadKey {
        bucket: 1,
        key: String::new(),
        upload: vec![0; 16].into(),
    };
    let source = ObjectKeyError::Empty;
    assert_eq!(
        UploadKey::try_from(wrong),
        Err(DecodeError::ObjectKey { at, source })
    );

    let at = Field::new("BucketEntry", "name");
    let wrong = proto::BucketEntry {
        name: "a..b".to_owned(),
        ..bucket_entry()
    };
    let source = BucketNameError::Dots;
    assert_eq!(
        BucketEntry::try_from(wrong),
        Err(DecodeError::BucketName { at, source })
    );
}

fn bucket_entry() -> proto::BucketEntry {
    proto::BucketEntry {
        initial: None,
        bucket: 1,
        name: "abc".to_owned(),
        owner: "owner".to_owned(),
        created_ms: 0,
        state: proto::BucketState::Active.into(),
        ranges: vec![proto::ShardRange {
            start: String::new(),
            group: 1,
            epoch: 1,
        }],
        epoch: 1,
        opened_below: 0,
    }
}

#[test]
fn a_bucket_has_a_group_for_its_first_key() {
    assert!(BucketEntry::try_from(bucket_entry()).is_ok());
    let late = proto::ShardRange {
        start: "b".to_owned(),
        group: 1,
        epoch: 1,
    };
    for ranges in [vec![], vec![late]] {
        let refused = BucketEntry::try_from(proto::BucketEntry {
            ranges,
            ..bucket_entry()
        });
        assert!(
            matches!(refused, Err(DecodeError::Rule { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_command_of_a_newer_form_says_so() {
    let refused = decode_command(Bytes::from_static(&[2, 0, 1, 2])).unwrap_err();

    assert_eq!(
        refused.to_string(),
        "written by a newer release: a command of form 2, this release knows 1"
    );
}

#[test]
fn bytes_without_a_form_are_no_command() {
    assert_eq!(decode_command(Bytes::new()), missing("Command", "version"));
    assert!(matches!(
        decode_command(Bytes::from_static(&[0])),
        Err(DecodeError::Rule { .. })
    ));
    assert_eq!(
        decode_command(Bytes::from_static(&[1])),
        missing("Command", "request")
    );
    assert!(matches!(
        decode_command(Bytes::from_static(&[1, 0xff])),
        Err(DecodeError::Wire(_))
    ));
}

#[test]
fn an_error_says_which_field_of_which_message() {
    let error = ETag::try_from(proto::ETag::default()).unwrap_err();
    assert_eq!(error.to_string(), "ETag.md5 has 0 bytes instead of 16");
}

#[test]
fn ids_are_big_endian() {
    let disk = proto::Disk::from(&cairn_types::cluster::Disk {
        id: DiskId::new(1),
        node: cairn_types::id::NodeId::new(2),
        capacity_bytes: 3,
    });
    assert_eq!(disk.id.last(), Some(&1));
    assert_eq!(disk.id.len(), 16);

    let topology = proto::Topology::from(&cairn_types::cluster::Topology {
        cluster: ClusterId::new(1 << 120),
        epoch: Epoch::new(0),
        data_groups: Vec::new(),
        nodes: Vec::new(),
        disks: Vec::new(),
        pools: Vec::new(),
        placement_groups: Vec::new(),
        meta_nodes: Vec::new(),
        write_pool: cairn_types::id::PoolId::new(0),
    });
    assert_eq!(topology.cluster.first(), Some(&1));
}
