//! What random histories are made of, and how often.

use cairn_schema::arbitrary;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::Index;

use super::{Action, Blob, Bytewise, Change, Completion, Condition, Flaw, Step, Which, settings};
use crate::bodies::Body;

pub(super) fn step() -> impl Strategy<Value = Step> {
    let elapsed = prop_oneof![
        20 => Just(0_i64), 20 => 1..5_i64, 6 => Just(60_000), 1 => Just(700_000), 2 => Just(-5_000)
    ];
    let age = prop_oneof![
        30 => Just(0_i64), 4 => Just(300_000), 1 => Just(600_001), 2 => Just(-400_000), 1 => Just(-600_001)
    ];
    let known = prop_oneof![4 => Just(0_i64), 1 => Just(-1), 1 => Just(1)];
    let guard = option::weighted(0.15, (bucket(), known));
    (action(), elapsed, age, any::<u64>(), guard).prop_map(
        |(action, elapsed_ms, age_ms, random, guard)| Step {
            action,
            elapsed_ms,
            age_ms,
            random,
            guard,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let index = any::<Index>;
    prop_oneof![
        2 => (fleeting_bucket(), epochs(), settings::initial())
            .prop_map(|(bucket, on, initial)| Action::Open(bucket, on, initial)),
        2 => (fleeting_bucket(), epochs()).prop_map(|(bucket, on)| Action::Fence(bucket, on)),
        1 => (bucket(), epochs()).prop_map(|(bucket, on)| Action::Unfence(bucket, on)),
        2 => (fleeting_bucket(), epochs(), 0_u64..6, 1_u32..5)
            .prop_map(|(bucket, on, below, limit)| Action::Drain(bucket, on, below, limit)),
        12 => (bucket(), index(), content(), condition(), settings::kept())
            .prop_map(|(bucket, key, content, condition, kept)| {
                Action::Put(bucket, key, content, condition, kept)
            }),
        4 => (bucket(), epochs(), settings::change())
            .prop_map(|(bucket, on, change)| Action::ChangeSettings(bucket, on, change)),
        9 => (bucket(), vec((index(), which(), settings::said()), 1..4))
            .prop_map(|(bucket, targets)| Action::Delete(bucket, targets)),
        6 => (bucket(), index(), which_to_change(), change())
            .prop_map(|(bucket, key, which, change)| {
                Action::ChangeVersion(bucket, key, which, change)
            }),
        5 => (
            bucket(),
            index(),
            checksum_spec(),
            settings::kept(),
            option::of(arbitrary::canonical_id()),
        )
            .prop_map(|(bucket, key, checksum, kept, initiator)| {
                Action::CreateUpload(bucket, key, checksum, kept, initiator)
            }),
        14 => part(),
        10 => (index(), completion())
            .prop_map(|(upload, completion)| Action::Complete(upload, completion)),
        1 => index().prop_map(Action::Abort),
        2 => vec(blob(), 1..4).prop_map(Action::Condemn),
        1 => prop_oneof![Just(-1_i64), Just(0), Just(5_000), Just(60_000)]
            .prop_map(Action::RaiseHorizon),
        2 => vec(index(), 1..4).prop_map(Action::Forget),
        1 => Just(Action::Expire),
        4 => index().prop_map(Action::Retry),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => arbitrary::tags().prop_map(Change::Tags),
        1 => option::of(arbitrary::acl()).prop_map(Change::Acl),
        6 => (option::weighted(0.6, settings::hold()), any::<bool>())
            .prop_map(|(hold, bypass)| Change::Retention(hold, bypass)),
        1 => arbitrary::legal_hold().prop_map(Change::LegalHold),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        6 => Just(Which::Key),
        2 => Just(Which::Null),
        6 => any::<Index>().prop_map(Which::Version),
        1 => any::<Index>().prop_map(Which::Forged),
    ]
}

/// One that is there mostly.
fn which_to_change() -> impl Strategy<Value = Which> {
    prop_oneof![
        1 => which(),
        6 => any::<Index>().prop_map(Which::Version),
    ]
}

fn bucket() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(1_u64), 2 => Just(2), 1 => Just(3)]
}

/// A step is the next one mostly.
fn epochs() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(1_i64), 2 => Just(0), 1 => Just(-1), 1 => Just(2)]
}

/// Buckets that come and go.
fn fleeting_bucket() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(1_u64), 5 => Just(2), 5 => Just(3)]
}

fn content() -> impl Strategy<Value = Bytewise> {
    prop_oneof![
        any::<u8>().prop_map(Bytewise::Inline),
        vec(blob(), 0..3).prop_map(Bytewise::Blobs),
    ]
}

fn blob() -> impl Strategy<Value = Blob> {
    prop_oneof![
        40 => (0_u64..50).prop_map(Blob::New),
        6 => (0_u64..50).prop_map(Blob::Degraded),
        1 => (0_u64..70_000).prop_map(Blob::New),
        3 => any::<Index>().prop_map(Blob::Old),
        1 => Just(Blob::OfAnotherGroup),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        6 => Just(Condition::Always),
        1 => Just(Condition::IfAbsent),
        1 => Just(Condition::IfPresent),
        1 => Just(Condition::IfSame),
        1 => Just(Condition::IfOther),
        1 => Just(Condition::IfNotSame),
        1 => Just(Condition::IfNotOther),
    ]
}

fn checksum_spec() -> impl Strategy<Value = Option<(ChecksumAlgorithm, ChecksumKind)>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some((ChecksumAlgorithm::Crc32, ChecksumKind::FullObject))),
        1 => Just(Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject))),
        1 => Just(Some((ChecksumAlgorithm::Crc32c, ChecksumKind::Composite))),
        1 => Just(Some((ChecksumAlgorithm::Sha256, ChecksumKind::Composite))),
    ]
}

fn part() -> impl Strategy<Value = Action> {
    let body = (0_u8..3, prop_oneof![1 => 1_u64..4, 5 => Just(5 << 20)])
        .prop_map(|(byte, len)| Body { byte, len });
    let other = prop_oneof![19 => Just(None), 1 => Just(Some(ChecksumAlgorithm::Sha1))];
    (any::<Index>(), 1_u16..5, body, vec(blob(), 1..3), other).prop_map(
        |(upload, number, body, blobs, other)| Action::PutPart(upload, number, body, blobs, other),
    )
}

fn completion() -> impl Strategy<Value = Completion> {
    let omit = prop_oneof![2 => Just(0_u8), 1 => any::<u8>()];
    let flaw = prop_oneof![
        8 => Just(Flaw::None),
        1 => Just(Flaw::Order),
        1 => Just(Flaw::ETag),
        1 => Just(Flaw::Checksum),
        1 => Just(Flaw::Len),
        1 => Just(Flaw::Whole),
        1 => Just(Flaw::Unknown),
    ];
    (omit, flaw, condition(), any::<bool>(), any::<bool>()).prop_map(
        |(omit, flaw, condition, names_checksums, declares)| Completion {
            omit,
            flaw,
            condition,
            names_checksums,
            declares,
        },
    )
}
