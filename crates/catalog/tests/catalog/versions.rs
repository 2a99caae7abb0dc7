//! Versions: what is kept, what is seen, and what is left when one goes.

use cairn_types::id::{BucketId, Epoch, VersionId};
use cairn_types::namespace::data::{
    Committed, CompletedPart, DeleteTarget, Deleted, ListVersions, ListedVersion, UploadKey,
    WriteCondition,
};
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView, Refusal};
use cairn_types::object::{Content, NewPart, NewUpload, ObjectHeaders};
use cairn_types::settings::SettingChange;
use cairn_types::version::{NamedVersion, Versioning};

use crate::group::{BUCKET, Group, Outcome, extent, inline, object, object_key};

const NULL: Option<NamedVersion> = Some(NamedVersion::Null);

fn set(group: &mut Group, versioning: Versioning) -> Outcome {
    group.change(DataMutation::ChangeSettings {
        bucket: BUCKET,
        epoch: Epoch::new(2),
        change: SettingChange::Versioning(versioning),
    })
}

fn with_versions() -> Group {
    let mut group = Group::with_bucket();
    assert!(set(&mut group, Versioning::Enabled).is_ok());
    group
}

fn put(group: &mut Group, key: &str, bytes: &'static [u8]) -> Committed {
    match group.put(key, inline(bytes)) {
        Ok(DataReply::Committed(committed)) => committed,
        other => panic!("{other:?}"),
    }
}

fn delete(group: &mut Group, key: &str, version: Option<NamedVersion>) -> Deleted {
    let key = object_key(key);
    let deleted = group.change(DataMutation::DeleteObjects {
        bucket: BUCKET,
        targets: vec![DeleteTarget {
            version,
            ..DeleteTarget::from(key)
        }],
    });
    match deleted {
        Ok(DataReply::Deleted(deleted)) => deleted[0],
        other => panic!("{other:?}"),
    }
}

fn mark(group: &mut Group, key: &str) -> (VersionId, bool) {
    match delete(group, key, None) {
        Deleted::Marked { version, is_null } => (version, is_null),
        other => panic!("{other:?}"),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside NULL, where a version may be named"
)]
fn id(version: VersionId) -> Option<NamedVersion> {
    Some(NamedVersion::Id(version))
}

/// The bytes of a version.
fn get(group: &Group, key: &str, version: Option<NamedVersion>) -> Result<Vec<u8>, Refusal> {
    let answer = group.ask(DataQuery::Object {
        bucket: BUCKET,
        key: object_key(key),
        version,
    });
    match answer? {
        DataView::Object(version) => match version.content {
            Content::Inline(bytes) => Ok(bytes.to_vec()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn question(after_key: &str, after_version: Option<NamedVersion>, limit: u32) -> ListVersions {
    ListVersions {
        bucket: BUCKET,
        prefix: String::new(),
        delimiter: String::new(),
        after_key: after_key.to_owned(),
        after_version,
        limit,
    }
}

type Next = Option<(String, Option<NamedVersion>)>;

fn list(group: &Group, question: ListVersions) -> (Vec<ListedVersion>, Vec<String>, Next) {
    match group.ask(DataQuery::ListVersions(question)) {
        Ok(DataView::Versions {
            versions,
            common_prefixes,
            next,
        }) => (versions, common_prefixes, next),
        other => panic!("{other:?}"),
    }
}

/// How often a key is listed as current: once or never.
fn current_count(group: &Group) -> u64 {
    group.counters().objects
}

#[test]
fn a_bucket_keeps_no_versions_until_it_is_told_to() {
    let mut group = Group::with_bucket();
    let asked = DataQuery::Versioning { bucket: BUCKET };
    assert_eq!(group.ask(asked.clone()), Ok(DataView::Versioning(None)));
    assert!(put(&mut group, "a", b"1").is_null);
    assert!(put(&mut group, "a", b"2").is_null);
    assert_eq!(group.counters().versions, 1);
    for versioning in [
        Versioning::Enabled,
        Versioning::Suspended,
        Versioning::Enabled,
    ] {
        assert!(set(&mut group, versioning).is_ok());
        let answer = group.ask(asked.clone());
        assert_eq!(answer, Ok(DataView::Versioning(Some(versioning))));
    }
    // What was there stays the null version.
    assert!(!put(&mut group, "a", b"3").is_null);
    assert_eq!(get(&group, "a", NULL), Ok(b"2".to_vec()));
    assert_eq!(get(&group, "a", None), Ok(b"3".to_vec()));
    group.audit();
}

#[test]
fn each_write_is_a_version_and_the_newest_commit_is_current_whatever_the_clock_says() {
    let mut group = with_versions();
    let start = group.now;
    let first = put(&mut group, "a", b"first");
    // The proposer's clock may go back; the group's does not, and order does not depend on it.
    group.now = cairn_types::time::Timestamp::from_millis(start.as_millis() - 60_000);
    let second = put(&mut group, "a", b"second");
    assert_eq!(first.last_modified, second.last_modified);
    assert!(first.version < second.version);
    assert_eq!(get(&group, "a", None), Ok(b"second".to_vec()));
    assert_eq!(get(&group, "a", id(first.version)), Ok(b"first".to_vec()));
    assert_eq!(get(&group, "a", NULL), Err(Refusal::NoSuchVersion));

    let counters = group.counters();
    assert_eq!((counters.objects, counters.bytes), (1, 6));
    assert_eq!((counters.versions, counters.version_bytes), (2, 11));
    group.audit();
}

#[test]
fn a_delete_marker_hides_the_key_until_it_goes() {
    let mut group = with_versions();
    let put = put(&mut group, "a", b"bytes");
    let (marker, is_null) = mark(&mut group, "a");
    assert!(!is_null);
    assert!(put.version < marker);
    let there = Refusal::DeleteMarker {
        version: marker,
        is_null: false,
        last_modified: group.now,
    };
    assert_eq!(get(&group, "a", None), Err(there.clone()));
    assert_eq!(get(&group, "a", id(marker)), Err(there));
    assert_eq!(get(&group, "a", id(put.version)), Ok(b"bytes".to_vec()));
    let counters = group.counters();
    assert_eq!((counters.objects, counters.bytes), (0, 0));
    assert_eq!((counters.versions, counters.version_bytes), (2, 5));

    // Another one comes on top of it, and on a key that never was.
    let (second, _) = mark(&mut group, "a");
    mark(&mut group, "b");
    assert_eq!(group.counters().versions, 4);
    group.audit();

    let removed = Deleted::Removed { is_marker: true };
    assert_eq!(delete(&mut group, "a", id(second)), removed);
    assert_eq!(current_count(&group), 0);
    assert_eq!(delete(&mut group, "a", id(second)), Deleted::Missing);
    assert_eq!(delete(&mut group, "a", id(marker)), removed);
    assert_eq!(get(&group, "a", None), Ok(b"bytes".to_vec()));
    assert_eq!(current_count(&group), 1);
    group.audit();
}

#[test]
fn a_condition_sees_no_object_below_a_delete_marker() {
    let mut group = with_versions();
    let first = put(&mut group, "a", b"bytes");
    let mut conditional = |condition| {
        group.change(DataMutation::PutObject {
            bucket: BUCKET,
            key: object_key("a"),
            object: inline(b"new"),
            condition,
        })
    };
    let if_match = || WriteCondition::IfMatch(first.etag.clone());
    let exists = conditional(WriteCondition::IfAbsent);
    assert_eq!(exists, Err(Refusal::PreconditionFailed));
    assert!(conditional(if_match()).is_ok());
    mark(&mut group, "a");
    let mut conditional = |condition| {
        group.change(DataMutation::PutObject {
            bucket: BUCKET,
            key: object_key("a"),
            object: inline(b"new"),
            condition,
        })
    };
    assert_eq!(conditional(if_match()), Err(Refusal::NoSuchKey));
    assert!(conditional(WriteCondition::IfAbsent).is_ok());
    group.audit();
}

#[test]
fn while_versioning_is_suspended_there_is_one_null_version_and_the_others_stay() {
    let mut group = Group::with_bucket();
    put(&mut group, "a", b"before");
    set(&mut group, Versioning::Enabled).unwrap();
    let kept = put(&mut group, "a", b"kept");
    set(&mut group, Versioning::Suspended).unwrap();

    let null = put(&mut group, "a", b"null");
    assert!(null.is_null);
    assert_eq!(get(&group, "a", NULL), Ok(b"null".to_vec()));
    assert_eq!(get(&group, "a", None), Ok(b"null".to_vec()));
    assert_eq!(group.counters().versions, 2);
    assert!(put(&mut group, "a", b"again").is_null);
    assert_eq!(group.counters().versions, 2);
    group.audit();

    // Deleting the key makes a null delete marker in place of it.
    let (_, is_null) = mark(&mut group, "a");
    assert!(is_null);
    assert_eq!(group.counters().versions, 2);
    assert!(matches!(
        get(&group, "a", NULL),
        Err(Refusal::DeleteMarker { is_null: true, .. })
    ));
    assert_eq!(get(&group, "a", id(kept.version)), Ok(b"kept".to_vec()));
    mark(&mut group, "a");
    assert_eq!(group.counters().versions, 2);
    group.audit();

    let removed = Deleted::Removed { is_marker: true };
    assert_eq!(delete(&mut group, "a", NULL), removed);
    assert_eq!(delete(&mut group, "a", NULL), Deleted::Missing);
    assert_eq!(get(&group, "a", None), Ok(b"kept".to_vec()));
    group.audit();
}

#[test]
fn a_null_version_amid_others_is_replaced_and_found() {
    let mut group = Group::with_bucket();
    put(&mut group, "a", b"null");
    set(&mut group, Versioning::Enabled).unwrap();
    let middle = put(&mut group, "a", b"middle");
    set(&mut group, Versioning::Suspended).unwrap();
    put(&mut group, "a", b"null again");
    set(&mut group, Versioning::Enabled).unwrap();
    let top = put(&mut group, "a", b"top");
    let (rows, _, _) = list(&group, question("", None, 10));
    let names: Vec<_> = rows
        .iter()
        .map(|row| Some(NamedVersion::of(row.version, row.is_null)))
        .collect();
    assert_eq!(names, [id(top.version), NULL, id(middle.version)]);
    let latest: Vec<_> = rows.iter().map(|row| row.is_latest).collect();
    assert_eq!(latest, [true, false, false]);
    let removed = Deleted::Removed { is_marker: false };
    assert_eq!(delete(&mut group, "a", NULL), removed);
    assert_eq!(get(&group, "a", None), Ok(b"top".to_vec()));
    group.audit();
}

#[test]
fn when_the_newest_version_goes_the_one_below_is_current() {
    let mut group = with_versions();
    let versions = [b"1", b"2", b"3"].map(|bytes| put(&mut group, "a", bytes));
    put(&mut group, "a\0", b"next key");
    let removed = Deleted::Removed { is_marker: false };
    for (version, below) in versions.iter().rev().zip([Some(b"2"), Some(b"1"), None]) {
        assert_eq!(delete(&mut group, "a", id(version.version)), removed);
        let now = below.map(|bytes| bytes.to_vec()).ok_or(Refusal::NoSuchKey);
        assert_eq!(get(&group, "a", None), now);
        group.audit();
    }
    assert_eq!(group.counters().versions, 1);
    assert_eq!(current_count(&group), 1);
}

#[test]
fn a_version_that_is_not_named_exactly_is_not_found() {
    let mut group = with_versions();
    let version = put(&mut group, "a", b"bytes").version;
    let forged = VersionId::new(version.order(), !version.random());
    assert_eq!(get(&group, "a", id(forged)), Err(Refusal::NoSuchVersion));
    assert_eq!(get(&group, "b", id(version)), Err(Refusal::NoSuchVersion));
    assert_eq!(delete(&mut group, "a", id(forged)), Deleted::Missing);
    assert_eq!(delete(&mut group, "b", id(version)), Deleted::Missing);
    assert_eq!(group.counters().versions, 1);
}

#[test]
fn several_markers_of_one_command_have_ids_of_their_own() {
    let mut group = with_versions();
    let Ok(DataReply::Deleted(deleted)) = group.delete(&["a", "b", "a"]) else {
        panic!("not deleted");
    };
    let mut randoms: Vec<_> = deleted
        .iter()
        .map(|deleted| match deleted {
            Deleted::Marked { version, .. } => version.random(),
            other => panic!("{other:?}"),
        })
        .collect();
    randoms.sort_unstable();
    randoms.dedup();
    assert_eq!(randoms.len(), 3);
    assert_eq!(group.counters().versions, 3);
    group.audit();
}

#[test]
fn blobs_of_a_version_are_held_until_it_goes_and_freed_once() {
    let mut group = with_versions();
    let mut versions = Vec::new();
    for _ in 0..3 {
        let blob = group.blob();
        let content = Content::Extents(vec![extent(blob, 10)]);
        match group.put("a", object(10, content)) {
            Ok(DataReply::Committed(committed)) => versions.push(committed.version),
            other => panic!("{other:?}"),
        }
    }
    mark(&mut group, "a");
    assert_eq!(group.status().freed_blobs, 0);
    for (count, version) in (1..).zip(&versions) {
        delete(&mut group, "a", id(*version));
        delete(&mut group, "a", id(*version));
        assert_eq!(group.status().freed_blobs, count);
        group.audit();
    }
}

#[test]
fn a_completed_upload_is_remembered_below_newer_versions() {
    let mut group = with_versions();
    let created = group.change(DataMutation::CreateUpload {
        bucket: BUCKET,
        key: object_key("a"),
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
    let upload = UploadKey {
        bucket: BUCKET,
        key: object_key("a"),
        upload,
    };
    let etag = cairn_types::etag::ETag::from_md5([8; 16]);
    let blob = group.blob();
    let put_part = DataMutation::PutPart {
        upload: upload.clone(),
        number: 1,
        part: NewPart {
            len: 10,
            etag: etag.clone(),
            checksum: None,
            content: Content::Extents(vec![extent(blob, 10)]),
        },
    };
    assert!(group.change(put_part).is_ok());
    let complete = DataMutation::CompleteUpload {
        upload: upload.clone(),
        parts: vec![CompletedPart {
            number: 1,
            etag,
            checksum: None,
        }],
        condition: WriteCondition::Always,
        checksum: None,
        declared_len: None,
    };
    let first = group.change(complete.clone());
    let Ok(DataReply::Committed(committed)) = &first else {
        panic!("{first:?}");
    };
    assert!(!committed.is_null);
    put(&mut group, "a", b"newer");
    assert_eq!(group.change(complete.clone()), first);
    let removed = Deleted::Removed { is_marker: false };
    assert_eq!(delete(&mut group, "a", id(committed.version)), removed);
    assert_eq!(group.change(complete), Err(Refusal::NoSuchUpload));
    assert_eq!(group.status().freed_blobs, 1);
    group.audit();
}

#[test]
fn a_bucket_with_any_version_is_not_empty_and_a_fenced_one_gets_no_marker() {
    let mut group = with_versions();
    let fence = |epoch| DataMutation::FenceBucket {
        bucket: BUCKET,
        epoch: Epoch::new(epoch),
    };
    let (marker, _) = mark(&mut group, "a");
    assert_eq!(group.change(fence(3)), Err(Refusal::BucketNotEmpty));
    delete(&mut group, "a", id(marker));
    assert_eq!(group.change(fence(3)), Ok(DataReply::Done));
    assert_eq!(group.delete(&["a"]), Err(Refusal::NoSuchBucket));
    assert_eq!(delete(&mut group, "a", id(marker)), Deleted::Missing);
    let refused = set(&mut group, Versioning::Suspended);
    assert_eq!(refused, Err(Refusal::NoSuchBucket));
    group.audit();
}

#[test]
fn versioning_is_set_by_who_saw_the_bucket_as_it_is() {
    let mut group = Group::with_bucket();
    let step = |group: &mut Group, fences, epoch| {
        let (bucket, epoch) = (BUCKET, Epoch::new(epoch));
        let done = group.change(if fences {
            DataMutation::FenceBucket { bucket, epoch }
        } else {
            DataMutation::UnfenceBucket { bucket, epoch }
        });
        assert_eq!(done, Ok(DataReply::Done));
    };
    step(&mut group, true, 3);
    step(&mut group, false, 4);
    let late = set(&mut group, Versioning::Enabled);
    assert_eq!(late, Err(Refusal::BucketInTransition { bucket: BUCKET }));
    let set = |bucket| DataMutation::ChangeSettings {
        bucket,
        epoch: Epoch::new(4),
        change: SettingChange::Versioning(Versioning::Enabled),
    };
    let epoch = Epoch::new(2);
    assert_eq!(group.change(set(BUCKET)), Ok(DataReply::Settings { epoch }));
    // It is no step: those that were taken are repeated as before.
    step(&mut group, false, 4);
    let unknown = group.change(set(BucketId::new(77)));
    assert_eq!(unknown, Err(Refusal::NoSuchBucket));
    group.audit();
}

#[test]
fn a_listing_goes_on_behind_a_version_and_seeks_past_stacks() {
    let mut group = with_versions();
    for key in ["a", "b/1", "b/2", "c"] {
        for _ in 0..100 {
            put(&mut group, key, b"x");
        }
    }
    let all = list(&group, question("", None, 1_000)).0;
    assert_eq!(all.len(), 400);
    let mut paged = Vec::new();
    let mut ask = question("", None, 7);
    loop {
        group.store.take_counts();
        let (rows, _, next) = list(&group, ask.clone());
        let counts = group.store.take_counts();
        assert_eq!((counts.seeks, counts.nexts), (1, rows.len() as u64));
        paged.extend(rows);
        let Some((key, version)) = next else { break };
        (ask.after_key, ask.after_version) = (key, version);
    }
    assert_eq!(paged, all);

    // A key marker alone passes over all versions of the key, a common prefix over all of its keys.
    group.store.take_counts();
    let (rows, prefixes, _) = list(
        &group,
        ListVersions {
            delimiter: "/".to_owned(),
            ..question("a", None, 3)
        },
    );
    let counts = group.store.take_counts();
    assert_eq!((rows.len(), prefixes), (2, vec!["b/".to_owned()]));
    assert_eq!((counts.seeks, counts.nexts), (2, 2));
    let objects = DataQuery::ListObjects(cairn_types::namespace::data::ListObjects {
        bucket: BUCKET,
        prefix: String::new(),
        delimiter: String::new(),
        after: String::new(),
        limit: 1_000,
    });
    group.store.take_counts();
    assert!(group.ask(objects).is_ok());
    let counts = group.store.take_counts();
    assert_eq!((counts.seeks, counts.nexts), (1, 4));
}

#[test]
fn a_page_behind_the_newest_version_that_went_says_which_is_newest_now() {
    let mut group = with_versions();
    let versions = [b"1", b"2", b"3"].map(|bytes| put(&mut group, "a", bytes).version);
    let (_, _, next) = list(&group, question("", None, 1));
    assert_eq!(next, Some(("a".to_owned(), id(versions[2]))));
    delete(&mut group, "a", id(versions[2]));
    let (rows, _, next) = list(&group, question("a", id(versions[2]), 10));
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.version, row.is_latest))
        .collect();
    assert_eq!(told, [(versions[1], true), (versions[0], false)]);
    assert_eq!(next, None);
}
