//! Exactly once, and what is done beside every command.

use cairn_catalog::{APPLY_VERSION, ApplyError, BTreeStore, apply, group_clock, has_chores};
use cairn_types::id::GroupId;
use cairn_types::name::BucketName;
use cairn_types::namespace::{
    Command, DataMutation, DataQuery, DataReply, Mutation, Query, Refusal, RootMutation, RootQuery,
};
use cairn_types::time::Timestamp;

use crate::group::{BUCKET, GROUP, Group, Outcome, REMOVED, inline, object_key, run};

const MINUTE_MS: u64 = 60_000;

fn put(group: &mut Group, key: &str) -> Command {
    group.command(Mutation::Data(DataMutation::PutObject {
        bucket: BUCKET,
        key: object_key(key),
        object: inline(b"x"),
        condition: cairn_types::namespace::data::WriteCondition::IfAbsent,
    }))
}

/// Rows of the two tables of requests.
fn request_rows(store: &BTreeStore) -> usize {
    let keys = store.rows().map(|(key, _)| key[0]);
    keys.filter(|table| [3, 4].contains(table)).count()
}

#[test]
fn a_request_is_answered_the_same_for_ten_minutes_and_then_refused() {
    let mut group = Group::with_bucket();
    let mut command = put(&mut group, "a");
    let first = run(&mut group.store, &command);
    assert!(matches!(first, Ok(DataReply::Committed(_))));

    for minutes in [0, 1, 10] {
        command.proposed = group.now.plus_millis(minutes * MINUTE_MS);
        assert_eq!(run(&mut group.store, &command), first, "{minutes} minutes");
    }
    assert_eq!(group.counters().objects, 1);
    assert_eq!(group.delete(&["a"]), Ok(DataReply::Deleted(vec![REMOVED])));

    command.proposed = group.now.plus_millis(10 * MINUTE_MS + 1);
    for _ in 0..2 {
        let rows = request_rows(&group.store);
        assert!(is_too_old(&run(&mut group.store, &command)));
        assert!(request_rows(&group.store) <= rows);
    }
    assert_eq!(group.counters().objects, 0);
}

#[test]
fn the_words_of_a_refusal_are_told_once_and_not_kept() {
    let mut group = Group::with_bucket();
    let horizon = group.now.plus_millis(1);
    let raise = Mutation::Data(DataMutation::RaiseHorizon { horizon });
    let command = group.command(raise);
    let mut reasons = [(); 2].map(|()| {
        let applied = apply(&mut group.store, GROUP, &command).unwrap();
        match applied.result {
            Err(Refusal::Malformed { reason }) => reason,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(reasons[1], "");
    let words = std::mem::take(&mut reasons[0]);
    assert!(!words.is_empty());
    let holds_words = |value: &[u8]| {
        let mut windows = value.windows(words.len());
        windows.any(|window| window == words.as_bytes())
    };
    assert!(!group.store.rows().any(|(_, value)| holds_words(value)));
}

#[test]
fn a_refusal_stays_a_refusal() {
    let mut group = Group::with_bucket();
    assert!(group.put("a", inline(b"y")).is_ok());
    let mut command = put(&mut group, "a");
    let refused = Err(Refusal::PreconditionFailed);
    assert_eq!(run(&mut group.store, &command), refused);

    assert!(group.delete(&["a"]).is_ok());
    command.random += 1;
    assert_eq!(run(&mut group.store, &command), refused);
}

#[test]
fn a_request_of_a_client_whose_clock_is_ahead_is_remembered_as_long_as_it_may_come() {
    let mut group = Group::with_bucket();
    let mut command = put(&mut group, "a");
    command.request.minted = group.now.plus_millis(5 * MINUTE_MS);
    let first = run(&mut group.store, &command);
    assert!(first.is_ok());

    let later = group.now.plus_millis(15 * MINUTE_MS);
    group.now = later;
    assert_eq!(
        group.change(DataMutation::ExpireRequests),
        Ok(DataReply::Done)
    );
    command.proposed = later;
    assert_eq!(run(&mut group.store, &command), first);
    command.proposed = later.plus_millis(1);
    assert!(is_too_old(&run(&mut group.store, &command)));
}

#[test]
fn a_request_from_too_far_ahead_is_refused_and_holds_up_no_chore() {
    let mut group = Group::with_bucket();
    let mut command = put(&mut group, "a");
    command.request.minted = group.now.plus_millis(10 * MINUTE_MS + 1);
    let clock = group.now;
    for _ in 0..2 {
        let rows = request_rows(&group.store);
        let refused = run(&mut group.store, &command);
        assert_eq!(refused, Err(Refusal::RequestTooNew { clock }));
        assert_eq!(request_rows(&group.store), rows);
    }
    command.request.minted = group.now.plus_millis(10 * MINUTE_MS);
    assert!(run(&mut group.store, &command).is_ok());
    group.now = group.now.plus_millis(21 * MINUTE_MS);
    assert!(has_chores(&group.store, group.now).unwrap());
    assert!(group.change(DataMutation::ExpireRequests).is_ok());
    assert_eq!(request_rows(&group.store), 0);
}

#[test]
fn requests_are_forgotten_faster_than_they_come() {
    let mut group = Group::with_bucket();
    for index in 0..300 {
        assert!(group.put(&format!("{index}"), inline(b"x")).is_ok());
    }
    assert_eq!(request_rows(&group.store), 2 * 301);

    group.now = group.now.plus_millis(11 * MINUTE_MS);
    for commands in 1..44_usize {
        assert!(group.put("a", inline(b"x")).is_ok());
        let old = 301_usize.saturating_sub(8 * commands);
        assert_eq!(request_rows(&group.store), 2 * (old + commands));
    }
    group.audit();
}

#[test]
fn old_requests_cost_a_seek_only_now_and_then() {
    let mut group = Group::with_bucket();
    // One request in 100 ms, for half an hour: a steady state for the last twenty minutes.
    let mut seeks = 0;
    for index in 0..18_000_u64 {
        group.now = group.now.plus_millis(100);
        assert!(group.put("a", inline(b"x")).is_ok());
        let counts = group.store.take_counts();
        if index > 6_100 {
            seeks += counts.seeks;
        }
    }
    assert!(seeks <= 11_900 / 4, "{seeks}");
    assert!(request_rows(&group.store) <= 2 * 6_020);
}

#[test]
fn a_quiet_group_comes_to_rest() {
    let mut group = Group::with_bucket();
    for index in 0..1_500 {
        assert!(group.put(&format!("{index}"), inline(b"x")).is_ok());
    }
    assert!(!has_chores(&group.store, group.now).unwrap());

    group.now = group.now.plus_millis(12 * MINUTE_MS);
    for _ in 0..2 {
        assert!(has_chores(&group.store, group.now).unwrap());
        assert!(group.change(DataMutation::ExpireRequests).is_ok());
    }
    assert_eq!(request_rows(&group.store), 0);
    for hours in 1..4 {
        let later = group.now.plus_millis(hours * 60 * MINUTE_MS);
        assert!(!has_chores(&group.store, later).unwrap());
    }
}

#[test]
fn the_clock_goes_on_with_every_command_and_never_back() {
    let mut group = Group::with_bucket();
    let start = group.now;
    group.now = Timestamp::from_millis(start.as_millis() + 5);
    let refused = group.change(DataMutation::DeleteObjects {
        bucket: BUCKET,
        targets: Vec::new(),
    });
    assert!(refused.is_err());
    assert_eq!(group_clock(&group.store).unwrap(), group.now);

    group.now = Timestamp::from_millis(start.as_millis() - 7_000);
    let Ok(DataReply::Committed(committed)) = group.put("a", inline(b"x")) else {
        panic!("not committed");
    };
    assert_eq!(committed.last_modified, start.plus_millis(5));
}

#[test]
fn a_command_of_unknown_rules_stops_the_node_and_changes_nothing() {
    let mut group = Group::with_bucket();
    for unknown in [0, APPLY_VERSION + 1] {
        let before = group.store.clone();
        let mut command = put(&mut group, "a");
        command.apply_version = unknown;
        let stopped = apply(&mut group.store, GROUP, &command);
        assert!(matches!(
            stopped,
            Err(ApplyError::UnknownApplyVersion { version }) if version == unknown
        ));
        assert!(group.store == before);
    }
}

#[test]
fn a_mutation_or_query_for_another_kind_of_group_is_refused() {
    let mut group = Group::with_bucket();
    let bucket = BUCKET;
    let for_root = group.command(Mutation::Root(RootMutation::ReserveBucket {
        name: BucketName::parse("abc").unwrap(),
        owner: "me".to_owned(),
        initial: cairn_types::settings::InitialSettings::default(),
    }));
    let for_data = group.command(Mutation::Data(DataMutation::FenceBucket {
        bucket,
        epoch: cairn_types::id::Epoch::new(3),
    }));
    for (at, command) in [(GROUP, for_root), (GroupId::ROOT, for_data)] {
        let applied = apply(&mut group.store, at, &command).unwrap();
        assert!(matches!(applied.result, Err(Refusal::Malformed { .. })));
    }
    let for_root = Query::Root(RootQuery::Cluster);
    let for_data = Query::Data(DataQuery::Counters { bucket });
    for (at, question) in [(GROUP, for_root), (GroupId::ROOT, for_data)] {
        let answer = cairn_catalog::query(&group.store, at, &question).unwrap();
        assert!(matches!(answer, Err(Refusal::Malformed { .. })));
    }
}

fn is_too_old(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Refusal::RequestTooOld { .. }))
}
