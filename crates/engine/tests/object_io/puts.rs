//! Writing.

use std::time::Duration;

use cairn_client::{MutateError, TopologyCache};
use cairn_engine::{PutError, Target};
use cairn_types::etag::ETag;
use cairn_types::namespace::Refusal;
use cairn_types::namespace::data::WriteCondition;
use cairn_types::object::{Content, ObjectHeaders};
use cairn_types::outcome::Outcome;

use super::cluster::{Cluster, Cut, End, Pieces, Setup, disk, pattern, until};
use super::disks::Fault;

pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(bytes).into()
}

/// Puts without the helper's good source.
async fn put_from(cluster: &Cluster, len: usize, source: Pieces) -> Result<(), PutError<Cut>> {
    let len = u64::try_from(len).unwrap();
    let target = cluster.target("key");
    let headers = ObjectHeaders::default();
    let condition = WriteCondition::Always;
    let put = cluster
        .engine
        .put(&target, headers, len, source, &condition);
    put.await.map(drop)
}

#[tokio::test]
async fn a_small_object_is_one_commit_and_no_shard() {
    let cluster = Cluster::start(Setup::default()).await;
    cluster.metadata.take_log();
    for len in [0, 1, 16 * 1024] {
        let bytes = pattern(len);
        let committed = cluster.put("small", &bytes).await.unwrap();
        assert_eq!(committed.etag, ETag::from_md5(md5(&bytes)));
        assert_eq!(cluster.metadata.take_log(), ["put"]);
        assert_eq!(cluster.get("small").await.unwrap(), bytes);
    }
    assert_eq!(cluster.disks.request_count(), 0);
}

#[tokio::test]
async fn a_large_object_is_on_all_disks_and_has_the_md5_of_its_bytes() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(1_000_000);
    let committed = cluster.put("large", &bytes).await.unwrap();
    assert_eq!(committed.etag, ETag::from_md5(md5(&bytes)));
    assert_eq!(committed.len, 1_000_000);
    let (blob, missing) = cluster.blob_of("large").await;
    assert_eq!((cluster.disks.holders(blob).len(), missing), (6, vec![]));
    assert_eq!(cluster.get("large").await.unwrap(), bytes);
}

#[tokio::test]
async fn a_body_whose_length_nobody_knew_is_stored_as_one_that_was_declared() {
    let cluster = Cluster::start(Setup::default()).await;
    let stripe = 4 * 1024 * 1024;
    for len in [
        0,
        1,
        16 * 1024,
        16 * 1024 + 1,
        300_000,
        stripe - 1,
        stripe,
        stripe + 1,
        2 * stripe + 777,
    ] {
        let bytes = pattern(len);
        let target = cluster.target("open");
        let (headers, condition) = (ObjectHeaders::default(), WriteCondition::Always);
        let source = Pieces::of(&bytes);
        let put = cluster
            .engine
            .put(&target, headers, None, source, &condition);
        let committed = put.await.unwrap().value;
        assert_eq!(committed.etag, ETag::from_md5(md5(&bytes)));
        assert_eq!(committed.len, u64::try_from(len).unwrap());
        assert!(cluster.get("open").await.unwrap() == bytes, "{len}");
        cluster.put("known", &bytes).await.unwrap();
        let (open, known) = (cluster.record("open").await, cluster.record("known").await);
        match (open.content, known.content) {
            (Content::Inline(open), Content::Inline(known)) => assert_eq!(open, known),
            (Content::Extents(open), Content::Extents(known)) => {
                let shape = |extent: &cairn_types::object::Extent| {
                    (extent.plain_len, extent.stored_len, extent.cell_len)
                };
                let open: Vec<_> = open.iter().map(shape).collect();
                assert_eq!(open, known.iter().map(shape).collect::<Vec<_>>(), "{len}");
            }
            _ => panic!("{len} bytes are kept in two ways"),
        }
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_that_is_cut_off_leaves_nothing() {
    let cluster = Cluster::start(Setup::default()).await;
    for len in [100, 300_000, 5_000_000] {
        let bytes = pattern(len);
        let mut wrong_md5 = Pieces::of(&bytes);
        wrong_md5.declared.md5 = Some([1; 16]);
        for source in [wrong_md5, Pieces::ending(&bytes, End::Cut)] {
            let target = cluster.target("key");
            let (headers, condition) = (ObjectHeaders::default(), WriteCondition::Always);
            let put = cluster
                .engine
                .put(&target, headers, None, source, &condition);
            assert_eq!(put.await.unwrap_err().outcome(), Outcome::Refused);
            assert!(!cluster.is_there("key").await);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_was_declared_leaves_nothing() {
    let cluster = Cluster::start(Setup::default()).await;
    for len in [100, 300_000] {
        let bytes = pattern(len);
        let mut wrong_md5 = Pieces::of(&bytes);
        wrong_md5.declared.md5 = Some([1; 16]);
        let cases = [
            (wrong_md5, len),
            (Pieces::ending(&bytes, End::Cut), len),
            (Pieces::ending(&bytes, End::Cut), len + 1),
            (Pieces::of(&bytes), len + 1),
            (Pieces::of(&bytes), len - 1),
        ];
        for (at, (source, declared_len)) in cases.into_iter().enumerate() {
            let error = put_from(&cluster, declared_len, source).await.unwrap_err();
            assert_eq!(error.outcome(), Outcome::Refused);
            let is_as_expected = match at {
                0 => {
                    matches!(error, PutError::DigestMismatch { computed } if computed == md5(&bytes))
                }
                1 | 2 => matches!(error, PutError::Source(Cut)),
                _ => matches!(error, PutError::Length { .. }),
            };
            assert!(is_as_expected, "case {at} of {len}: {error:?}");
            assert!(!cluster.is_there("key").await);
        }
    }
    until("their shards are removed", async || {
        cluster.disks.live_count() == 0
    })
    .await;
    assert!(cluster.metadata.has_seen("condemn"));
    assert_eq!(cluster.counter("cairn_engine_abandoned_blobs_total"), 5);
}

#[tokio::test]
async fn the_right_md5_is_accepted() {
    let cluster = Cluster::start(Setup::default()).await;
    for len in [10, 200_000] {
        let bytes = pattern(len);
        let mut source = Pieces::of(&bytes);
        source.declared.md5 = Some(md5(&bytes));
        put_from(&cluster, len, source).await.unwrap();
        assert_eq!(cluster.get("key").await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(1_000_000);
    let stalling = Pieces::ending(&bytes, End::Stalls);
    let put = put_from(&cluster, bytes.len() + 1, stalling);
    let ended = tokio::time::timeout(Duration::from_millis(300), put).await;
    assert!(ended.is_err(), "it waits for the rest of the body");

    until("its blob is condemned", async || {
        cluster.metadata.has_seen("condemn")
    })
    .await;
    until("its shards are removed", async || {
        cluster.disks.live_count() == 0
    })
    .await;
    assert!(!cluster.is_there("key").await);
    until("its memory is given back", async || {
        let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
        used.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_fails_is_left_out_by_name() {
    let bytes = pattern(2_000_000);
    for (shard, fault) in [
        (
            1,
            Fault {
                is_away: true,
                ..Fault::default()
            },
        ),
        (
            4,
            Fault {
                fails_after: Some(3),
                ..Fault::default()
            },
        ),
    ] {
        let cluster = Cluster::start(Setup::default()).await;
        cluster.disks.set_fault(disk(shard), fault);
        cluster.put("key", &bytes).await.unwrap();
        let (blob, missing) = cluster.blob_of("key").await;
        assert_eq!(missing, [shard]);
        assert_eq!(cluster.disks.holders(blob).len(), 5);
        assert!(cluster.get("key").await.unwrap() == bytes);
        assert_eq!(cluster.counter("cairn_engine_left_out_shards_total"), 1);
    }
}

#[tokio::test]
async fn a_disk_that_is_late_is_left_out_by_name() {
    for fault in [
        Fault {
            never_syncs: true,
            ..Fault::default()
        },
        Fault {
            stalls_after: Some(2),
            ..Fault::default()
        },
    ] {
        // So small that a stalled disk's cells fill its queue and its connection's window.
        let cluster = Cluster::start(Setup {
            cell_len: 1 << 20,
            ..Setup::default()
        })
        .await;
        cluster.disks.set_fault(disk(2), fault);
        let bytes = pattern(60_000_000);
        cluster.put("key", &bytes).await.unwrap();
        let (blob, missing) = cluster.blob_of("key").await;
        assert_eq!(missing, [2]);
        assert_eq!(cluster.disks.holders(blob).len(), 5);
        assert!(cluster.get("key").await.unwrap() == bytes);
    }
}

/// What a hung disk does not take fills its connection: that must not hold up the others.
#[tokio::test]
async fn many_writes_at_once_go_on_without_a_disk_that_hangs() {
    let mut setup = Setup {
        cell_len: 1 << 20,
        ..Setup::default()
    };
    // A busy machine may take seconds for so many bytes; that is not what this is about.
    setup.config.patience.limit = Duration::from_secs(30);
    let cluster = Cluster::start(setup).await;
    let hangs = Fault {
        stalls_after: Some(0),
        ..Fault::default()
    };
    cluster.disks.set_fault(disk(2), hangs);
    let bytes = pattern(40_000_000);
    let keys: Vec<_> = (0..12).map(|at| format!("key-{at}")).collect();
    let puts = keys.iter().map(|key| cluster.put(key, &bytes));
    for put in futures::future::join_all(puts).await {
        put.unwrap();
    }
    for key in &keys {
        assert_eq!(cluster.blob_of(key).await.1, [2]);
    }
}

#[tokio::test]
async fn a_disk_that_is_known_to_be_away_is_not_asked_again() {
    let cluster = Cluster::start(Setup::default()).await;
    let away = Fault {
        is_away: true,
        ..Fault::default()
    };
    cluster.disks.set_fault(disk(0), away);
    cluster.put("first", &pattern(100_000)).await.unwrap();
    let before = cluster.disks.request_count();
    cluster.put("second", &pattern(100_000)).await.unwrap();
    assert_eq!(cluster.disks.request_count() - before, 5);
    assert_eq!(cluster.blob_of("second").await.1, [0]);
}

#[tokio::test]
async fn less_than_a_write_quorum_is_refused_and_leaves_nothing() {
    let cluster = Cluster::start(Setup::default()).await;
    for shard in [1, 3] {
        let away = Fault {
            is_away: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), away);
    }
    let error = cluster.put("key", &pattern(500_000)).await.unwrap_err();
    assert!(matches!(error, PutError::Unavailable { .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Refused);
    assert!(!cluster.is_there("key").await);

    for shard in [1, 3] {
        cluster.disks.set_fault(disk(shard), Fault::default());
    }
    until("what was written is removed", async || {
        cluster.disks.live_count() == 0
    })
    .await;
    cluster.put("key", &pattern(500_000)).await.unwrap();
}

/// The profile of the only blob of an object.
async fn profile_of(cluster: &Cluster, key: &str) -> String {
    let Content::Extents(extents) = cluster.record(key).await.content else {
        panic!("not in blobs");
    };
    assert_eq!(extents.len(), 1);
    extents[0].profile.to_string()
}

#[tokio::test]
async fn without_a_write_quorum_blobs_go_to_one_fallback_group_of_the_disks_that_are_left() {
    let cluster = Cluster::start(Setup::default()).await;
    for shard in [1, 3] {
        let away = Fault {
            is_away: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), away);
    }
    // One stripe: it is written anew within the request, as nothing of it is lost when the disks are found to be away.
    let small = pattern(200_000);
    cluster.put("small", &small).await.unwrap();
    assert_eq!(profile_of(&cluster, "small").await, "2+2");
    assert_eq!(cluster.get("small").await.unwrap(), small);

    let large = pattern(1_000_000);
    let keys: Vec<_> = (0..8).map(|at| format!("key-{at}")).collect();
    let puts = keys.iter().map(|key| cluster.put(key, &large));
    for put in futures::future::join_all(puts).await {
        put.unwrap();
    }
    for key in &keys {
        assert_eq!(profile_of(&cluster, key).await, "2+2");
        assert!(cluster.get(key).await.unwrap() == large);
    }
    let topology = TopologyCache::load(cluster.meta.clone()).await.unwrap();
    let layout = topology.current();
    assert_eq!(layout.topology().pools.len(), 2);
    assert_eq!(layout.topology().placement_groups.len(), 2);
    assert_eq!(cluster.counter("cairn_engine_abandoned_blobs_total"), 1);
}

#[tokio::test]
async fn writes_without_a_place_are_refused_together_when_the_metadata_is_away() {
    let cluster = Cluster::start(Setup::default()).await;
    for shard in [1, 3] {
        let away = Fault {
            is_away: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), away);
    }
    // Now it is known that there is no quorum.
    assert!(cluster.put("key", &pattern(500_000)).await.is_err());
    cluster.metadata.be_away(true);
    let bytes = pattern(100_000);
    let keys: Vec<_> = (0..8).map(|at| format!("key-{at}")).collect();
    let puts = futures::future::join_all(keys.iter().map(|key| cluster.put(key, &bytes)));
    // Two questions take four seconds, eight would take sixteen.
    let puts = tokio::time::timeout(Duration::from_secs(8), puts).await;
    for put in puts.expect("nobody waits for the others' questions") {
        assert!(matches!(put, Err(PutError::Unavailable { .. })), "{put:?}");
    }
}

#[tokio::test]
async fn writes_that_begin_anew_do_not_wait_for_each_others_memory() {
    let mut setup = Setup::default();
    // For three of them, with what is set aside; each holds what it has until it has as much again.
    setup.config.budget_bytes = 4 * 262_144;
    setup.config.patience.limit = Duration::from_secs(1);
    let cluster = Cluster::start(setup).await;
    for shard in [1, 3] {
        let hangs = Fault {
            never_syncs: true,
            ..Fault::default()
        };
        cluster.disks.set_fault(disk(shard), hangs);
    }
    let bytes = pattern(200_000);
    let keys: Vec<_> = (0..3).map(|at| format!("key-{at}")).collect();
    let puts = futures::future::join_all(keys.iter().map(|key| cluster.put(key, &bytes)));
    let puts = tokio::time::timeout(Duration::from_secs(20), puts).await;
    for put in puts.expect("one after the other finds memory") {
        put.unwrap();
    }
    for key in &keys {
        assert_eq!(cluster.get(key).await.unwrap(), bytes);
    }
    let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
    until("all is given back", async || used.get() == 0).await;
}

#[tokio::test]
async fn two_disks_of_one_and_one_are_a_quorum_only_together() {
    let cluster = Cluster::start(Setup {
        profile: "1+1",
        ..Setup::default()
    })
    .await;
    cluster.put("both", &pattern(100_000)).await.unwrap();
    let away = Fault {
        is_away: true,
        ..Fault::default()
    };
    cluster.disks.set_fault(disk(0), away);
    assert!(cluster.put("one", &pattern(100_000)).await.is_err());
    assert_eq!(cluster.get("both").await.unwrap(), pattern(100_000));
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_what_it_committed_stays() {
    let cluster = Cluster::start(Setup::default()).await;
    let bytes = pattern(300_000);
    cluster.metadata.lose_answers(true);
    let error = cluster.put("key", &bytes).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(matches!(
        error,
        PutError::Commit(MutateError::Unknown { .. })
    ));
    cluster.metadata.lose_answers(false);

    until("its blob is tried to be condemned", async || {
        cluster.metadata.has_seen("condemn")
    })
    .await;
    assert_eq!(cluster.get("key").await.unwrap(), bytes);
    let (blob, _) = cluster.blob_of("key").await;
    assert_eq!(cluster.disks.holders(blob).len(), 6);
}

#[tokio::test]
async fn a_commit_that_nobody_took_is_certain_to_have_had_no_effect() {
    let cluster = Cluster::start(Setup::default()).await;
    cluster.metadata.be_away(true);
    let error = cluster.put("key", &pattern(300_000)).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused);
    cluster.metadata.be_away(false);
    until("its shards are removed", async || {
        cluster.disks.live_count() == 0
    })
    .await;
    assert!(!cluster.is_there("key").await);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_refuses_the_commit() {
    let cluster = Cluster::start(Setup::default()).await;
    cluster.put("key", b"first").await.unwrap();
    let target: Target = cluster.target("key");
    for len in [10, 100_000] {
        let put = cluster.engine.put(
            &target,
            ObjectHeaders::default(),
            len,
            Pieces::of(&pattern(usize::try_from(len).unwrap())),
            &WriteCondition::IfAbsent,
        );
        let error = put.await.unwrap_err();
        let PutError::Commit(MutateError::Refused(refusal)) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal, Refusal::PreconditionFailed);
    }
    assert_eq!(cluster.get("key").await.unwrap(), b"first");
}

#[tokio::test]
async fn bodies_in_flight_stay_within_the_budget() {
    let mut setup = Setup {
        cell_len: 256 * 1024,
        ..Setup::default()
    };
    // Two stripes of 4+2, and as much on the way.
    setup.config.budget_bytes = 2 * 2 * 6 * 256 * 1024;
    setup.config.budget_patience = Duration::from_secs(30);
    let cluster = Cluster::start(setup).await;
    let bytes = pattern(5_000_000);
    let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
    let keys: Vec<_> = (0..8).map(|at| format!("key-{at}")).collect();
    let puts = keys.iter().map(|key| cluster.put(key, &bytes));
    let watching = async {
        let mut most = 0;
        loop {
            most = most.max(used.get());
            assert!(most <= 2 * 2 * 6 * 256 * 1024, "{most} bytes in flight");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::select! {
        done = futures::future::join_all(puts) => {
            for put in done {
                put.unwrap();
            }
        }
        () = watching => unreachable!("it watches for ever"),
    }
    for key in &keys {
        assert!(cluster.get(key).await.unwrap() == bytes);
    }
    until("all is given back", async || used.get() == 0).await;
}

#[tokio::test]
async fn clients_that_send_slowly_hold_what_they_sent_and_nobody_up() {
    let mut setup = Setup {
        cell_len: 256 * 1024,
        ..Setup::default()
    };
    setup.config.budget_bytes = 24 * 1024 * 1024;
    setup.config.budget_patience = Duration::from_secs(5);
    let cluster = Cluster::start(setup).await;
    let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
    let begun = pattern(100_000);
    let slow = (0..12).map(|_| put_from(&cluster, 5_000_000, Pieces::ending(&begun, End::Stalls)));
    let others = async {
        until("all have begun", async || used.get() >= 12 * 256 * 1024).await;
        for _ in 0..3 {
            cluster.put("other", &pattern(5_000_000)).await.unwrap();
        }
    };
    tokio::select! {
        _ = futures::future::join_all(slow) => unreachable!("they stall"),
        () = others => {}
    }
    assert!(cluster.get("other").await.unwrap() == pattern(5_000_000));
    until("all is given back", async || used.get() == 0).await;
}

#[tokio::test]
async fn what_a_disk_that_hangs_does_not_take_is_not_held_while_a_client_is_waited_for() {
    let mut setup = Setup {
        cell_len: 1 << 20,
        ..Setup::default()
    };
    setup.config.patience.limit = Duration::from_secs(1);
    let cluster = Cluster::start(setup).await;
    let hangs = Fault {
        stalls_after: Some(0),
        ..Fault::default()
    };
    cluster.disks.set_fault(disk(2), hangs);
    // Four stripes: more than the connection to the disk takes, and no more than wait for it without holding up the others.
    let bytes = pattern(4 * 4 * 1024 * 1024);
    let slow = put_from(
        &cluster,
        bytes.len() + 1,
        Pieces::ending(&bytes, End::Stalls),
    );
    let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
    let others = async {
        until("it has begun", async || used.get() > 0).await;
        until("all is given back", async || used.get() == 0).await;
    };
    tokio::select! {
        _ = slow => unreachable!("it stalls"),
        () = others => {}
    }
}

#[tokio::test]
async fn without_memory_a_write_is_refused_before_its_body_is_read() {
    let mut setup = Setup::default();
    setup.config.budget_bytes = 800_000;
    setup.config.budget_patience = Duration::from_millis(50);
    let cluster = Cluster::start(setup).await;
    // One stripe, whose last byte never comes.
    let stalling = put_from(
        &cluster,
        200_001,
        Pieces::ending(&pattern(200_000), End::Stalls),
    );
    let refused = async {
        let used = cluster.metrics.gauge("cairn_engine_budget_used_bytes", &[]);
        until("the first holds its stripe", async || used.get() >= 300_000).await;
        cluster.put("other", &pattern(200_000)).await
    };
    tokio::select! {
        _ = stalling => unreachable!("it stalls"),
        put = refused => assert!(matches!(put, Err(PutError::Busy(_))), "{put:?}"),
    }
}
