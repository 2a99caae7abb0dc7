//! The catalog against a reference model, under random histories; and against itself, under what may happen to a history.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cairn_catalog::{BTreeStore, Overlay, Txn, audit, group_clock, query_guarded, state_hash};
use cairn_types::id::{BlobId, BucketId, Epoch, RequestId, UploadId};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{
    DeleteRefusal, Deleted, ListObjects, ListUploads, ListVersions, UploadKey,
};
use cairn_types::namespace::{
    Command, DataMutation, DataQuery, DataReply, DataView, Mutation, MutationRequest, Query,
    Refusal, SettingsGuard, View,
};
use cairn_types::object::Content;
use cairn_types::version::NamedVersion;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::sample::Index;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::group::{GROUP, Outcome, ask, run};
use crate::reference::{self, Model, Version};
use crate::script::{self, KEYS, Script, Step};

const BUCKETS: [BucketId; 3] = [BucketId::new(1), BucketId::new(2), BucketId::new(3)];

/// Runs a history against store and model alike.
fn play(steps: &[Step]) -> (BTreeStore, Model, Script, Vec<(Command, Outcome)>) {
    let mut store = BTreeStore::new();
    let mut model = Model::default();
    let mut script = Script::default();
    let mut log = Vec::new();
    for step in steps {
        let Some(command) = script.command(step, &model) else {
            continue;
        };
        let outcome = run(&mut store, &command);
        let expected = model.apply(GROUP, &command);
        assert_eq!(outcome, expected, "{command:?}");
        log.push((command, outcome));
    }
    (store, model, script, log)
}

fn compare_objects(store: &BTreeStore, model: &Model) {
    for id in BUCKETS {
        let bucket = model.buckets.get(&id);
        for text in KEYS {
            let key = ObjectKey::parse(text).unwrap();
            let versions = bucket.and_then(|bucket| bucket.versions.get(&key));
            let versions = versions.map(Vec::as_slice).unwrap_or_default();
            let whole = |version| {
                let question = DataQuery::Object {
                    bucket: id,
                    key: key.clone(),
                    version,
                };
                ask(store, question)
            };
            let missing = |refusal: Refusal| match bucket {
                Some(_) => Err(refusal),
                None => Err(Refusal::NoSuchBucket),
            };
            if versions.is_empty() {
                assert_eq!(whole(None), missing(Refusal::NoSuchKey));
            }
            if versions.iter().all(|version| !version.is_null) {
                let answer = whole(Some(NamedVersion::Null));
                assert_eq!(answer, missing(Refusal::NoSuchVersion));
            }
            for (place, version) in versions.iter().enumerate() {
                let answer = whole(Some(version.name()));
                let by_id = whole(Some(NamedVersion::Id(version.version)));
                assert_eq!(answer, by_id);
                if place + 1 == versions.len() {
                    assert_eq!(answer, whole(None));
                }
                compare_version(store, &(id, key.clone()), version, answer);
            }
        }
    }
}

fn compare_version(
    store: &BTreeStore,
    (bucket, key): &(BucketId, ObjectKey),
    expected: &Version,
    answer: Result<DataView, Refusal>,
) {
    let Some(object) = &expected.object else {
        let marker = Refusal::DeleteMarker {
            version: expected.version,
            is_null: expected.is_null,
            last_modified: expected.at,
        };
        assert_eq!(answer, Err(marker));
        return;
    };
    let Ok(DataView::Object(version)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(version.version, expected.version);
    assert_eq!(version.is_null, expected.is_null);
    assert_eq!(version.last_modified, expected.at);
    assert_eq!(version.len, object.new.len);
    assert_eq!(version.etag, object.new.etag);
    assert_eq!(version.checksum, object.new.checksum);
    assert_eq!(version.settings, object.new.settings);
    assert_eq!(version.content, object.new.content);
    if let Content::Parts { upload, .. } = version.content {
        let upload = UploadKey {
            bucket: *bucket,
            key: key.clone(),
            upload,
        };
        compare_parts(store, &upload, object);
    }
}

fn compare_parts(store: &BTreeStore, upload: &UploadKey, object: &reference::Object) {
    let answer = ask(
        store,
        DataQuery::PartContents {
            upload: upload.clone(),
            from: 0,
            limit: 1_000,
        },
    );
    let Ok(DataView::PartContents(parts)) = answer else {
        panic!("{answer:?}");
    };
    let stored = parts.iter().map(|part| {
        (
            part.number,
            part.len,
            &part.etag,
            &part.checksum,
            &part.content,
        )
    });
    let expected = object
        .parts
        .iter()
        .map(|(number, part)| (*number, part.len, &part.etag, &part.checksum, &part.content));
    assert!(stored.eq(expected), "{parts:?} of {object:?}");
}

fn compare_uploads(store: &BTreeStore, model: &Model, script: &Script) {
    for upload in &script.uploads {
        let bucket = model.buckets.get(&upload.bucket);
        let open = bucket.and_then(|row| row.uploads.get(&(upload.key.clone(), upload.upload)));
        let answer = ask(
            store,
            DataQuery::Parts {
                upload: upload.clone(),
                after: 1,
                limit: 2,
            },
        );
        match (open, answer) {
            (
                Some(open),
                Ok(DataView::Parts {
                    info,
                    parts,
                    truncated,
                }),
            ) => {
                assert_eq!(info.initiated, open.initiated);
                assert_eq!(info.checksum, open.new.checksum);
                assert_eq!(info.settings, open.new.settings);
                assert_eq!(info.initiator, open.new.initiator);
                let mut rest = open.parts.range(2..);
                for part in parts {
                    let (number, (new, at)) = rest.next().unwrap();
                    assert_eq!((part.number, part.last_modified), (*number, *at));
                    assert_eq!((part.len, part.etag), (new.len, new.etag.clone()));
                    assert_eq!(part.checksum, new.checksum);
                }
                assert_eq!(truncated, rest.next().is_some());
            }
            (None, Err(refusal)) => assert_eq!(
                refusal,
                match bucket {
                    Some(_) => Refusal::NoSuchUpload,
                    None => Refusal::NoSuchBucket,
                }
            ),
            (open, answer) => panic!("{open:?} is {answer:?}"),
        }
    }
}

/// Every blob that was ever named is held, freed, condemned or unknown, as the model says.
fn compare_blobs(store: &BTreeStore, model: &Model, script: &Script) {
    let freed = ask(
        store,
        DataQuery::FreedBlobs {
            after: None,
            limit: 1_000,
        },
    );
    assert_eq!(freed, Ok(DataView::FreedBlobs(model.freed())));
    let Ok(DataView::Status(status)) = ask(store, DataQuery::Status) else {
        panic!("no status");
    };
    let held = model.held();
    let degraded = held
        .values()
        .filter(|extent| !extent.missing_shards.is_empty());
    assert_eq!(status.clock, model.clock);
    assert_eq!(status.clock, group_clock(store).unwrap());
    assert_eq!(status.horizon, model.horizon);
    assert_eq!(status.freed_blobs, model.freed().len() as u64);
    assert_eq!(status.condemned_blobs, model.condemned.len() as u64);
    assert_eq!(status.degraded_blobs, degraded.count() as u64);
    assert_eq!(status.state_hash, state_hash(store).unwrap());

    let ours: BTreeSet<BlobId> = script
        .blobs
        .iter()
        .copied()
        .filter(|blob| blob.group() == GROUP)
        .collect();
    let blobs: Vec<BlobId> = ours.into_iter().collect();
    for blobs in blobs.chunks(1_000) {
        let probe = Command {
            apply_version: 1,
            request: MutationRequest {
                request: RequestId::new(0),
                minted: model.clock,
                guard: None,
                mutation: Mutation::Data(DataMutation::CondemnBlobs {
                    blobs: blobs.to_vec(),
                }),
            },
            proposed: model.clock,
            random: 0,
        };
        let outcome = run(&mut Overlay::new(store), &probe);
        let unheld = blobs.iter().filter(|blob| !held.contains_key(blob));
        assert_eq!(outcome, Ok(DataReply::Condemned(unheld.copied().collect())));
    }
}

fn compare_counters(store: &BTreeStore, model: &Model) {
    for bucket in BUCKETS {
        let row = model.buckets.get(&bucket);
        let versioning = row.map(|row| DataView::Versioning(row.settings.versioning));
        assert_eq!(
            ask(store, DataQuery::Versioning { bucket }),
            versioning.ok_or(Refusal::NoSuchBucket)
        );
        let settings = row.map(|row| DataView::Settings(Box::new(row.settings.clone())));
        assert_eq!(
            ask(store, DataQuery::Settings { bucket }),
            settings.clone().ok_or(Refusal::NoSuchBucket)
        );
        compare_guards(store, bucket, settings.as_ref());
        let counters = model.counters(bucket).map(DataView::Counters);
        assert_eq!(
            ask(store, DataQuery::Counters { bucket }),
            counters.ok_or(Refusal::NoSuchBucket)
        );
    }
}

/// A question is answered to one who knows the settings, and to nobody who does not.
fn compare_guards(store: &BTreeStore, bucket: BucketId, settings: Option<&DataView>) {
    let question = Query::Data(DataQuery::Settings { bucket });
    let latest = match settings {
        Some(DataView::Settings(settings)) => settings.epoch.get(),
        _ => 1,
    };
    for known in [latest - 1, latest, latest + 1] {
        let settings_known = Epoch::new(known);
        let guard = SettingsGuard {
            bucket,
            settings: settings_known,
        };
        let answer = query_guarded(store, GROUP, Some(guard), &question).unwrap();
        let expected = settings.cloned().filter(|_| known == latest);
        assert_eq!(
            answer,
            expected.map(View::Data).ok_or(Refusal::SettingsChanged)
        );
    }
}

/// Every page of every listing, and that pages make up the whole.
fn compare_listings(store: &BTreeStore, model: &Model, patterns: &[Pattern], script: &Script) {
    for pattern in patterns {
        for bucket in BUCKETS {
            let mut objects = ListObjects {
                bucket,
                prefix: pattern.prefix.clone(),
                delimiter: pattern.delimiter.clone(),
                after: pattern.after.clone(),
                limit: pattern.limit,
            };
            while let Some(expected) = model.list_objects(&objects) {
                store.take_counts();
                let answer = ask(store, DataQuery::ListObjects(objects.clone()));
                assert_eq!(answer.as_ref(), Ok(&expected), "{objects:?}");
                let DataView::Objects {
                    objects: rows,
                    common_prefixes,
                    next,
                } = expected
                else {
                    panic!("{expected:?}");
                };
                let seeks = store.take_counts().seeks;
                assert!(seeks <= 1 + (rows.len() + common_prefixes.len()) as u64);
                let Some(next) = next else { break };
                objects.after = next;
            }
            compare_versions(store, model, pattern, bucket);
            let mut uploads = ListUploads {
                bucket,
                prefix: pattern.prefix.clone(),
                delimiter: pattern.delimiter.clone(),
                after_key: pattern.after.clone(),
                after_upload: pattern.after_upload(script),
                limit: pattern.limit,
            };
            while let Some(expected) = model.list_uploads(&uploads) {
                let answer = ask(store, DataQuery::Uploads(uploads.clone()));
                assert_eq!(answer.as_ref(), Ok(&expected), "{uploads:?}");
                let DataView::Uploads { next, .. } = expected else {
                    panic!("{expected:?}");
                };
                let Some((key, upload)) = next else { break };
                uploads.after_key = key;
                uploads.after_upload = upload;
            }
        }
    }
}

/// Every page of a listing of versions.
fn compare_versions(store: &BTreeStore, model: &Model, pattern: &Pattern, bucket: BucketId) {
    let mut question = ListVersions {
        bucket,
        prefix: pattern.prefix.clone(),
        delimiter: pattern.delimiter.clone(),
        after_key: pattern.after.clone(),
        after_version: pattern.after_version(bucket, model),
        limit: pattern.limit,
    };
    while let Some(expected) = model.list_versions(&question) {
        store.take_counts();
        let answer = ask(store, DataQuery::ListVersions(question.clone()));
        assert_eq!(answer.as_ref(), Ok(&expected), "{question:?}");
        let DataView::Versions {
            common_prefixes,
            next,
            ..
        } = expected
        else {
            panic!("{expected:?}");
        };
        let seeks = store.take_counts().seeks;
        assert!(seeks <= 1 + common_prefixes.len() as u64);
        let Some((key, version)) = next else { break };
        question.after_key = key;
        question.after_version = version;
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    prefix: String,
    delimiter: String,
    after: String,
    after_upload: Option<Index>,
    after_version: Option<Index>,
    limit: u32,
}

impl Pattern {
    fn after_upload(&self, script: &Script) -> Option<UploadId> {
        let index = self.after_upload.as_ref()?;
        let uploads = &script.uploads;
        (!uploads.is_empty()).then(|| index.get(uploads).upload)
    }

    /// A version of the key, or of another one, or null whether or not there is one.
    fn after_version(&self, bucket: BucketId, model: &Model) -> Option<NamedVersion> {
        let index = self.after_version.as_ref()?;
        let bucket = model.buckets.get(&bucket);
        let there: Vec<_> = bucket
            .into_iter()
            .flat_map(|bucket| bucket.versions.values().flatten())
            .map(Version::name)
            .chain([NamedVersion::Null])
            .collect();
        Some(*index.get(&there))
    }
}

proptest::prop_compose! {
    fn patterns()(patterns in proptest::collection::vec((
        proptest::sample::select(vec!["", "a", "a/", "a→", "a\0", "a/b", "b", "c", "\u{10ffff}"]),
        proptest::sample::select(vec!["", "/", "→", "b/", "b", "\0", "\u{10ffff}"]),
        proptest::sample::select([&KEYS[..], &["", "", "", "a/b/", "a→", "Z", "z"]].concat()),
        any::<[Option<Index>; 2]>(),
        0_u32..5,
    ), 4)) -> Vec<Pattern> {
        patterns
            .into_iter()
            .map(|(prefix, delimiter, after, [after_upload, after_version], limit)| Pattern {
                prefix: prefix.to_owned(),
                delimiter: delimiter.to_owned(),
                after: after.to_owned(),
                after_upload,
                after_version,
                limit,
            })
            .collect()
    }
}

/// The first word of an answer: `Committed`, `NoSuchKey`.
fn kind(outcome: &Outcome) -> String {
    let text = match outcome {
        Ok(reply) => format!("{reply:?}"),
        Err(refusal) => format!("{refusal:?}"),
    };
    let word = text.split(|letter: char| !letter.is_alphanumeric());
    word.take(1).collect()
}

/// What deletions came to, in words.
fn deletions(command: &Command, outcome: &Outcome) -> Vec<String> {
    let (
        Mutation::Data(DataMutation::DeleteObjects { targets, .. }),
        Ok(DataReply::Deleted(deleted)),
    ) = (&command.request.mutation, outcome)
    else {
        return Vec::new();
    };
    let words = targets.iter().zip(deleted).map(|(target, deleted)| {
        let what = match deleted {
            Deleted::Missing => return "missing".to_owned(),
            Deleted::Removed { is_marker: true } => "marker removed",
            Deleted::Removed { is_marker: false } => "object removed",
            Deleted::Marked { is_null: true, .. } => "key marked as null",
            Deleted::Marked { is_null: false, .. } => "key marked",
            Deleted::Refused(DeleteRefusal::Locked) => "locked",
            Deleted::Refused(DeleteRefusal::PreconditionFailed) => "kept",
        };
        match target.version {
            None => what.replace("object", "key"),
            Some(NamedVersion::Null) => format!("{what} by null"),
            Some(NamedVersion::Id(_)) => format!("{what} by id"),
        }
    });
    words.collect()
}

#[test]
fn histories_come_to_every_answer_that_a_data_group_gives() {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..200 {
        let steps = script::steps(120).new_tree(&mut runner).unwrap().current();
        let (_, _, _, log) = play(&steps);
        for (command, outcome) in &log {
            *counts.entry(kind(outcome)).or_default() += 1;
            for what in deletions(command, outcome) {
                *counts.entry(what).or_default() += 1;
            }
        }
    }
    println!("{counts:?}");
    for wanted in [
        "BlobCondemned",
        "BucketInTransition",
        "BucketNotEmpty",
        "ChecksumKindMismatch",
        "ChecksumMismatch",
        "Committed",
        "Condemned",
        "Deleted",
        "Done",
        "InvalidBucketState",
        "NoObjectLock",
        "Settings",
        "SettingsChanged",
        "VersionChanged",
        "kept",
        "kept by id",
        "locked by id",
        "Drained",
        "InvalidPart",
        "InvalidPartOrder",
        "Malformed",
        "NoSuchBucket",
        "NoSuchKey",
        "NoSuchUpload",
        "PartCommitted",
        "PartTooSmall",
        "PreconditionFailed",
        "RequestTooNew",
        "RequestTooOld",
        "UploadCreated",
        "key marked",
        "key marked as null",
        "key removed",
        "marker removed by id",
        "marker removed by null",
        "object removed by id",
        "object removed by null",
    ] {
        assert!(
            counts.get(wanted).is_some_and(|count| *count >= 5),
            "{wanted}: {counts:?}"
        );
    }
}

/// Applies commands over an overlay, as a batch that is written at once.
fn apply_batch(store: &mut BTreeStore, batch: &[(Command, Outcome)]) {
    let mut overlay = Overlay::new(&*store);
    for (command, outcome) in batch {
        assert_eq!(run(&mut overlay, command), *outcome);
    }
    for (key, value) in overlay.into_writes() {
        match value {
            Some(value) => store.put(key, value),
            None => store.delete(key),
        }
    }
}

fn snapshot(store: &BTreeStore) -> BTreeStore {
    let rows = store.rows();
    rows.map(|(key, value)| (key.to_vec(), Bytes::copy_from_slice(value)))
        .collect()
}

fn cases(default: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(default)
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn the_catalog_does_what_the_model_does(steps in script::steps(120), patterns in patterns()) {
        let (store, model, script, _) = play(&steps);
        assert_eq!(audit(&store).unwrap(), []);
        compare_objects(&store, &model);
        compare_uploads(&store, &model, &script);
        compare_blobs(&store, &model, &script);
        compare_counters(&store, &model);
        compare_listings(&store, &model, &patterns, &script);
    }

    #[test]
    fn the_same_log_gives_the_same_rows_in_any_batches_and_by_snapshot(
        steps in script::steps(60),
        batch_len in 1_usize..9,
        snapshot_at in any::<Index>(),
    ) {
        let (store, _, _, log) = play(&steps);
        let mut batched = BTreeStore::new();
        for batch in log.chunks(batch_len) {
            apply_batch(&mut batched, batch);
        }
        assert_eq!(batched, store);

        let (before, behind) = log.split_at(snapshot_at.index(log.len() + 1));
        let mut first = BTreeStore::new();
        apply_batch(&mut first, before);
        let mut second = snapshot(&first);
        apply_batch(&mut second, behind);
        assert_eq!(second, store);
        assert_eq!(state_hash(&second).unwrap(), state_hash(&store).unwrap());
    }

    #[test]
    fn repeating_requests_anywhere_changes_nothing_but_clock_and_hash(
        steps in script::steps(60),
        repeats in proptest::collection::vec((any::<Index>(), any::<u128>()), 1..20),
    ) {
        let (store, model, script, log) = play(&steps);
        let mut repeated = BTreeStore::new();
        for (at, (command, outcome)) in log.iter().enumerate() {
            assert_eq!(run(&mut repeated, command), *outcome);
            for (index, random) in &repeats {
                let before = index.index(at + 1);
                let (command, outcome) = &log[before];
                // Whoever is told this asks again under another id.
                if matches!(outcome, Err(Refusal::RequestTooNew { .. })) {
                    continue;
                }
                let again = Command { random: *random, ..command.clone() };
                let answer = run(&mut repeated, &again);
                let is_chore = command.request.mutation == Mutation::Data(DataMutation::ExpireRequests);
                assert!(
                    answer == *outcome || matches!(answer, Err(Refusal::RequestTooOld { .. })) || is_chore,
                    "{answer:?} instead of {outcome:?}"
                );
            }
        }
        assert_eq!(audit(&repeated).unwrap(), []);
        compare_objects(&repeated, &model);
        compare_uploads(&repeated, &model, &script);
        compare_blobs(&repeated, &model, &script);
        compare_counters(&repeated, &model);
        assert_eq!(group_clock(&repeated).unwrap(), group_clock(&store).unwrap());
    }
}
