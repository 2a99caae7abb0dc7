//! Uploads: the limits of completing them, and large ones that go.

use cairn_catalog::has_chores;
use cairn_types::etag::ETag;
use cairn_types::id::{Epoch, UploadId};
use cairn_types::namespace::data::{CompletedPart, Counters, UploadKey, WriteCondition};
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, Refusal};
use cairn_types::object::{Content, NewPart, NewUpload, ObjectHeaders};

use crate::group::{BUCKET, Group, Outcome, REMOVED, extent, inline, malformed, object_key};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn create(group: &mut Group, key: &str) -> UploadKey {
    let created = group.change(DataMutation::CreateUpload {
        bucket: BUCKET,
        key: object_key(key),
        upload: NewUpload {
            settings: cairn_types::settings::ObjectSettings::default(),
            initiator: None,
            headers: ObjectHeaders::default(),
            checksum: None,
        },
    });
    let Ok(DataReply::UploadCreated { upload, .. }) = created else {
        panic!("{created:?}");
    };
    UploadKey {
        bucket: BUCKET,
        key: object_key(key),
        upload,
    }
}

fn etag() -> ETag {
    ETag::from_md5([8; 16])
}

fn put_part(group: &mut Group, upload: &UploadKey, number: u16, len: u64) -> Outcome {
    let mut extents = Vec::new();
    let mut rest = len;
    while rest > 0 {
        let len = rest.min(GIB);
        extents.push(extent(group.blob(), len));
        rest -= len;
    }
    group.change(DataMutation::PutPart {
        upload: upload.clone(),
        number,
        part: NewPart {
            len,
            etag: etag(),
            checksum: None,
            content: Content::Extents(extents),
        },
    })
}

fn complete(group: &mut Group, upload: &UploadKey, numbers: impl Iterator<Item = u16>) -> Outcome {
    let parts = numbers.map(|number| CompletedPart {
        number,
        etag: etag(),
        checksum: None,
    });
    group.change(DataMutation::CompleteUpload {
        upload: upload.clone(),
        parts: parts.collect(),
        condition: WriteCondition::Always,
        checksum: None,
        declared_len: None,
    })
}

/// A completed object of so many parts, each with one blob.
fn complete_object(group: &mut Group, key: &str, part_count: u16) -> UploadKey {
    let upload = create(group, key);
    for number in 1..=part_count {
        assert!(put_part(group, &upload, number, 5 * MIB).is_ok());
    }
    assert!(complete(group, &upload, 1..=part_count).is_ok());
    upload
}

fn contents(upload: &UploadKey) -> DataQuery {
    DataQuery::PartContents {
        upload: upload.clone(),
        from: 1,
        limit: 1_000,
    }
}

#[test]
fn an_object_of_very_many_parts_goes_bit_by_bit() {
    let mut group = Group::with_bucket();
    let upload = complete_object(&mut group, "a", 1_500);
    group.audit();
    assert!(group.put("a", inline(b"x")).is_ok());

    // It is gone at once for everybody who asks ...
    assert_eq!(group.ask(contents(&upload)), Err(Refusal::NoSuchUpload));
    assert_eq!(group.counters().version_bytes, 1);
    assert!(has_chores(&group.store, group.now).unwrap());
    // ... and what it was made of goes with the commands that come.
    for step in 1..12 {
        assert_eq!(group.status().freed_blobs, 128 * step);
        group.audit();
        assert!(group.put("b", inline(b"x")).is_ok());
    }
    assert_eq!(group.status().freed_blobs, 1_500);
    assert!(!has_chores(&group.store, group.now).unwrap());
    group.audit();
}

#[test]
fn one_command_removes_only_so_many_parts_itself() {
    let mut group = Group::with_bucket();
    for key in ["a", "b", "c"] {
        complete_object(&mut group, key, 600);
    }
    let deleted = group.delete(&["a", "b", "c"]);
    assert_eq!(deleted, Ok(DataReply::Deleted(vec![REMOVED; 3])));
    assert_eq!(group.status().freed_blobs, 600 + 128);
    assert_eq!(group.counters().versions, 0);
    group.audit();
    assert!(group.change(DataMutation::ExpireRequests).is_ok());
    assert_eq!(group.status().freed_blobs, 1_728);
    assert!(group.change(DataMutation::ExpireRequests).is_ok());
    assert_eq!(group.status().freed_blobs, 1_800);
    group.audit();
}

#[test]
fn an_aborted_upload_of_very_many_parts_goes_bit_by_bit() {
    let mut group = Group::with_bucket();
    let begin = |group: &mut Group, part_count| {
        let upload = create(group, "a");
        for number in 1..=part_count {
            assert!(put_part(group, &upload, number, 5 * MIB).is_ok());
        }
        upload
    };
    let few = begin(&mut group, 1_000);
    let abort = |upload: &UploadKey| DataMutation::AbortUpload {
        upload: upload.clone(),
    };
    assert_eq!(group.change(abort(&few)), Ok(DataReply::Done));
    assert_eq!(group.status().freed_blobs, 1_000);
    assert!(!has_chores(&group.store, group.now).unwrap());

    let many = begin(&mut group, 1_001);
    assert_eq!(group.change(abort(&many)), Ok(DataReply::Done));
    assert_eq!(group.status().freed_blobs, 1_000 + 128);
    // It is gone at once for everybody who asks, and in the counters.
    assert_eq!(group.counters(), Counters::default());
    assert_eq!(group.change(abort(&many)), Err(Refusal::NoSuchUpload));
    assert_eq!(
        put_part(&mut group, &many, 1, MIB),
        Err(Refusal::NoSuchUpload)
    );
    group.audit();
    assert!(has_chores(&group.store, group.now).unwrap());
    assert!(group.change(DataMutation::ExpireRequests).is_ok());
    assert_eq!(group.status().freed_blobs, 2_001);
    assert!(!has_chores(&group.store, group.now).unwrap());
    group.audit();
}

#[test]
fn an_object_has_at_most_5_tib() {
    let mut group = Group::with_bucket();
    let upload = create(&mut group, "a");
    for number in 1..=1_024 {
        assert!(put_part(&mut group, &upload, number, 5 * GIB).is_ok());
    }
    assert_eq!(
        put_part(&mut group, &upload, 1, 5 * GIB + 1),
        Err(Refusal::ObjectTooLarge)
    );
    assert!(put_part(&mut group, &upload, 1_025, 1).is_ok());
    assert_eq!(
        complete(&mut group, &upload, 1..=1_025),
        Err(Refusal::ObjectTooLarge)
    );
    let Ok(DataReply::Committed(committed)) = complete(&mut group, &upload, 1..=1_024) else {
        panic!("not completed");
    };
    assert_eq!(committed.len, 5 << 40);
    assert_eq!(committed.etag.part_count(), 1_024);
    assert_eq!(group.status().freed_blobs, 1);
    group.audit();
}

#[test]
fn part_numbers_and_counts_have_limits() {
    let mut group = Group::with_bucket();
    let upload = create(&mut group, "a");
    for number in [0, 10_001] {
        assert_eq!(put_part(&mut group, &upload, number, 1), Err(malformed()));
        let one = std::iter::once(number);
        assert_eq!(complete(&mut group, &upload, one), Err(malformed()));
    }
    assert!(put_part(&mut group, &upload, 10_000, 1).is_ok());
    let none = std::iter::empty();
    assert_eq!(complete(&mut group, &upload, none), Err(malformed()));
    assert_eq!(
        complete(&mut group, &upload, [3, 3].into_iter()),
        Err(Refusal::InvalidPartOrder)
    );
    assert!(complete(&mut group, &upload, [10_000].into_iter()).is_ok());
}

#[test]
fn a_part_whose_etag_is_not_an_md5_is_malformed() {
    let mut group = Group::with_bucket();
    let upload = create(&mut group, "a");
    let refused = group.change(DataMutation::PutPart {
        upload,
        number: 1,
        part: NewPart {
            len: 0,
            etag: ETag::from_parts([0; 16], 1),
            checksum: None,
            content: Content::Extents(Vec::new()),
        },
    });
    assert_eq!(refused, Err(malformed()));
}

#[test]
fn an_upload_is_completed_aborted_and_read_under_its_own_name_only() {
    let mut group = Group::with_bucket();
    let upload = create(&mut group, "a");
    assert!(put_part(&mut group, &upload, 1, 1).is_ok());
    let others = [
        UploadKey {
            key: object_key("b"),
            ..upload.clone()
        },
        UploadKey {
            upload: UploadId::new(upload.upload.get() + 1),
            ..upload.clone()
        },
    ];
    for other in others {
        let refused = Err(Refusal::NoSuchUpload);
        assert_eq!(complete(&mut group, &other, 1..=1), refused);
        assert_eq!(put_part(&mut group, &other, 1, 1), refused);
        let abort = DataMutation::AbortUpload { upload: other };
        assert_eq!(group.change(abort), refused);
    }
    // Parts are found by this only once they are an object.
    assert_eq!(group.ask(contents(&upload)), Err(Refusal::NoSuchUpload));
    assert!(complete(&mut group, &upload, 1..=1).is_ok());
    assert!(group.ask(contents(&upload)).is_ok());
}

#[test]
fn draining_many_uploads_passes_each_of_them_once() {
    let mut group = Group::with_bucket();
    for _ in 0..400 {
        create(&mut group, "key");
    }
    let epoch = Epoch::new(3);
    let bucket = BUCKET;
    let fenced = group.change(DataMutation::FenceBucket { bucket, epoch });
    assert_eq!(fenced, Ok(DataReply::Done));
    group.store.take_counts();
    for more in [true, false] {
        let drained = group.change(DataMutation::DrainBucket {
            bucket,
            epoch,
            opened_below: bucket,
            limit: 200,
        });
        assert_eq!(drained, Ok(DataReply::Drained { more }));
        let steps = group.store.take_counts().nexts;
        assert!(steps <= 1_000, "{steps} steps for 200 uploads");
    }
    group.audit();
}
