//! What is refused whoever proposed it.

use bytes::Bytes;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind};
use cairn_types::cluster::Profile;
use cairn_types::id::UploadId;
use cairn_types::namespace::{DataMutation, Refusal};
use cairn_types::object::{Content, Extent, NewUpload, ObjectHeaders};

use crate::group::{BUCKET, Group, extent, malformed, object, object_key};

#[test]
fn contents_that_contradict_themselves_or_are_too_large_are_malformed() {
    let mut group = Group::with_bucket();
    let long = Bytes::from(vec![0; 64 * 1024 + 1]);
    let many = (0..1_025).map(|_| extent(group.blob(), 1)).collect();
    let twice = vec![extent(group.blob(), 1); 2];
    for (len, content) in [
        (2, Content::Inline(Bytes::from_static(b"x"))),
        (64 * 1024 + 1, Content::Inline(long)),
        (2, Content::Extents(vec![extent(group.blob(), 1)])),
        (1, Content::Extents(Vec::new())),
        (1_025, Content::Extents(many)),
        (2, Content::Extents(twice)),
        (
            0,
            Content::Parts {
                upload: UploadId::new(1),
                parts: Vec::new(),
            },
        ),
    ] {
        let refused = group.put("a", object(len, content.clone()));
        assert_eq!(refused, Err(malformed()), "{content:?}");
    }
    let full = Bytes::from(vec![0; 64 * 1024]);
    assert!(
        group
            .put("a", object(64 * 1024, Content::Inline(full)))
            .is_ok()
    );
    let most = (0..1_024).map(|_| extent(group.blob(), 1)).collect();
    assert!(
        group
            .put("a", object(1_024, Content::Extents(most)))
            .is_ok()
    );
    assert!(
        group
            .put("a", object(0, Content::Extents(Vec::new())))
            .is_ok()
    );
    group.audit();
}

#[test]
fn an_object_of_more_than_5_tib_is_too_large() {
    let mut group = Group::with_bucket();
    let content = Content::Extents(vec![extent(group.blob(), 1)]);
    let refused = group.put("a", object((5 << 40) + 1, content));
    assert_eq!(refused, Err(Refusal::ObjectTooLarge));
}

#[test]
fn extents_that_no_writer_makes_are_malformed() {
    let mut group = Group::with_bucket();
    let broken: [fn(&mut Extent); 10] = [
        |extent| extent.plain_len = 0,
        |extent| extent.stored_len = 8,
        |extent| {
            extent.stored_len = 0;
            extent.codec = 1;
        },
        |extent| {
            extent.stored_len = (1 << 30) + 1;
            extent.cipher = 1;
        },
        |extent| extent.cell_len = 0,
        |extent| {
            extent.roots.pop();
        },
        |extent| extent.missing_shards = vec![3],
        |extent| {
            extent.profile = Profile::new(2, 2).unwrap();
            extent.roots = vec![[1; 16]; 4];
            extent.missing_shards = vec![1, 0];
        },
        // One shard fewer than the write quorum.
        |extent| extent.missing_shards = vec![0],
        |extent| {
            extent.profile = Profile::new(2, 2).unwrap();
            extent.roots = vec![[1; 16]; 4];
            extent.missing_shards = vec![0, 1];
        },
    ];
    for (index, change) in broken.into_iter().enumerate() {
        let mut extent = extent(group.blob(), 7);
        change(&mut extent);
        let len = extent.plain_len;
        let refused = group.put("a", object(len, Content::Extents(vec![extent])));
        assert_eq!(refused, Err(malformed()), "{index}");
    }
}

#[test]
fn headers_have_limits() {
    let mut group = Group::with_bucket();
    let content = || Content::Inline(Bytes::new());
    for headers in [
        ObjectHeaders {
            expires: Some("x".repeat(16 * 1024 + 1)),
            ..ObjectHeaders::default()
        },
        ObjectHeaders {
            user: vec![("a".to_owned(), "x".repeat(16 * 1024))],
            ..ObjectHeaders::default()
        },
        ObjectHeaders {
            user: vec![(String::new(), String::new()); 1_001],
            ..ObjectHeaders::default()
        },
    ] {
        let mut new = object(0, content());
        new.headers = headers;
        assert_eq!(group.put("a", new), Err(malformed()));
    }
    let mut new = object(0, content());
    new.headers.user = vec![("a".to_owned(), "x".repeat(16 * 1024 - 1))];
    assert!(group.put("a", new).is_ok());
}

#[test]
fn checksums_that_parts_do_not_make_are_malformed() {
    let mut group = Group::with_bucket();
    for (algorithm, kind, is_allowed) in [
        (ChecksumAlgorithm::Sha1, ChecksumKind::FullObject, false),
        (ChecksumAlgorithm::Sha256, ChecksumKind::FullObject, false),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::Composite, false),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject, true),
        (ChecksumAlgorithm::Crc32, ChecksumKind::FullObject, true),
        (ChecksumAlgorithm::Crc32c, ChecksumKind::Composite, true),
        (ChecksumAlgorithm::Sha1, ChecksumKind::Composite, true),
    ] {
        let created = group.change(DataMutation::CreateUpload {
            bucket: BUCKET,
            key: object_key("a"),
            upload: NewUpload {
                settings: cairn_types::settings::ObjectSettings::default(),
                initiator: None,
                headers: ObjectHeaders::default(),
                checksum: Some((algorithm, kind)),
            },
        });
        match created {
            Ok(_) => assert!(is_allowed),
            Err(refusal) => assert!(!is_allowed && refusal == malformed()),
        }
    }
}

#[test]
fn a_mutation_names_1_to_1000_keys() {
    let mut group = Group::with_bucket();
    for (count, is_allowed) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
        let deleted = group.change(DataMutation::DeleteObjects {
            bucket: BUCKET,
            targets: vec![object_key("a").into(); count],
        });
        assert_eq!(deleted.is_ok(), is_allowed, "{count}");
    }
    for limit in [0, 1_001] {
        let refused = group.change(DataMutation::DrainBucket {
            bucket: BUCKET,
            epoch: cairn_types::id::Epoch::new(3),
            opened_below: BUCKET,
            limit,
        });
        assert_eq!(refused, Err(malformed()));
    }
}
