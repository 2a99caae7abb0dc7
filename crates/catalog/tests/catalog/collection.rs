//! Blobs that nothing refers to.

use cairn_catalog::has_chores;
use cairn_types::id::{BlobId, BucketId, GroupId, PlacementGroupId};
use cairn_types::namespace::data::{Deleted, FreedBlob};
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView, Refusal};
use cairn_types::object::Content;
use cairn_types::time::Timestamp;

use crate::group::{BUCKET, GROUP, Group, Outcome, REMOVED, extent, inline, malformed, object};

fn put_blob(group: &mut Group, key: &str, blob: BlobId) -> Outcome {
    group.put(key, object(7, Content::Extents(vec![extent(blob, 7)])))
}

fn condemn(group: &mut Group, blobs: &[BlobId]) -> Outcome {
    group.change(DataMutation::CondemnBlobs {
        blobs: blobs.to_vec(),
    })
}

fn forget(group: &mut Group, blobs: &[BlobId]) -> Outcome {
    group.change(DataMutation::ForgetBlobs {
        blobs: blobs.to_vec(),
    })
}

fn raise(group: &mut Group, horizon: Timestamp) -> Outcome {
    group.change(DataMutation::RaiseHorizon { horizon })
}

#[test]
fn an_overwritten_or_deleted_object_frees_its_blobs_once() {
    let mut group = Group::with_bucket();
    let (first, second) = (group.blob(), group.blob());
    assert!(put_blob(&mut group, "a", first).is_ok());
    group.now = group.now.plus_millis(10);
    assert!(put_blob(&mut group, "a", second).is_ok());
    let overwritten = group.now;
    group.now = group.now.plus_millis(10);
    assert_eq!(
        group.delete(&["a", "a"]),
        Ok(DataReply::Deleted(vec![REMOVED, Deleted::Missing]))
    );

    let freed = vec![
        FreedBlob {
            blob: first,
            freed: overwritten,
        },
        FreedBlob {
            blob: second,
            freed: group.now,
        },
    ];
    let page = |limit| DataQuery::FreedBlobs { after: None, limit };
    assert_eq!(
        group.ask(page(1)),
        Ok(DataView::FreedBlobs(freed[..1].to_vec()))
    );
    assert_eq!(
        group.ask(page(1_000)),
        Ok(DataView::FreedBlobs(freed.clone()))
    );
    let behind = |after: &FreedBlob| DataQuery::FreedBlobs {
        after: Some(after.clone()),
        limit: 1_000,
    };
    let rest = |from: usize| Ok(DataView::FreedBlobs(freed[from..].to_vec()));
    assert_eq!(group.ask(behind(&freed[0])), rest(1));
    assert_eq!(group.ask(behind(&freed[1])), rest(2));
    assert_eq!(group.status().freed_blobs, 2);
    group.audit();

    assert_eq!(forget(&mut group, &[first]), Ok(DataReply::Done));
    // The one behind which the page begins need not be there any more.
    assert_eq!(group.ask(behind(&freed[0])), rest(1));
    assert_eq!(forget(&mut group, &[first, second]), Ok(DataReply::Done));
    assert_eq!(group.status().freed_blobs, 0);
    assert_eq!(group.ask(page(1_000)), Ok(DataView::FreedBlobs(Vec::new())));
    group.audit();
}

#[test]
fn a_blob_that_is_in_use_is_not_condemned_and_a_condemned_one_is_never_used() {
    let mut group = Group::with_bucket();
    let (used, freed, late) = (group.blob(), group.blob(), group.blob());
    assert!(put_blob(&mut group, "a", used).is_ok());
    assert!(put_blob(&mut group, "b", freed).is_ok());
    assert!(group.delete(&["b"]).is_ok());

    let question = DataQuery::UnheldBlobs {
        blobs: vec![used, late, freed],
    };
    let unheld = Ok(DataView::UnheldBlobs(vec![late, freed]));
    assert_eq!(group.ask(question.clone()), unheld);
    let answer = Ok(DataReply::Condemned(vec![freed, late]));
    assert_eq!(condemn(&mut group, &[used, freed, late]), answer);
    assert_eq!(condemn(&mut group, &[used, freed, late]), answer);
    assert_eq!(group.status().condemned_blobs, 1);
    assert_eq!(group.ask(question), unheld);
    for blob in [freed, late] {
        assert_eq!(
            put_blob(&mut group, "c", blob),
            Err(Refusal::BlobCondemned { blob })
        );
    }
    assert_eq!(put_blob(&mut group, "c", used), Err(malformed()));
    group.audit();
}

#[test]
fn a_condemned_blob_is_remembered_until_the_horizon_has_passed_it() {
    let mut group = Group::with_bucket();
    let blob = group.blob();
    assert!(condemn(&mut group, &[blob]).is_ok());
    // Its shards are gone: but its writer may still come.
    assert_eq!(forget(&mut group, &[blob]), Ok(DataReply::Done));
    let refused = Err(Refusal::BlobCondemned { blob });
    assert_eq!(put_blob(&mut group, "a", blob), refused);

    group.now = group.now.plus_millis(1);
    let horizon = group.now;
    assert_eq!(raise(&mut group, horizon), Ok(DataReply::Done));
    assert_eq!(group.status().condemned_blobs, 0);
    assert_eq!(put_blob(&mut group, "a", blob), refused);
    // It is as good as condemned, and needs no row for it.
    assert_eq!(
        condemn(&mut group, &[blob]),
        Ok(DataReply::Condemned(vec![blob]))
    );
    assert_eq!(group.status().condemned_blobs, 0);
    group.audit();
}

#[test]
fn the_horizon_never_goes_back_and_never_ahead_of_the_clock() {
    let mut group = Group::with_bucket();
    let now = group.now;
    assert_eq!(raise(&mut group, now), Ok(DataReply::Done));
    assert_eq!(
        raise(&mut group, Timestamp::from_millis(5)),
        Ok(DataReply::Done)
    );
    assert_eq!(raise(&mut group, now.plus_millis(1)), Err(malformed()));
    assert_eq!(group.status().horizon, now);
}

#[test]
fn condemned_blobs_that_the_horizon_passed_go_in_steps() {
    let mut group = Group::with_bucket();
    let blobs: Vec<BlobId> = (0..600).map(|_| group.blob()).collect();
    assert!(condemn(&mut group, &blobs).is_ok());
    let late = {
        group.now = group.now.plus_millis(1);
        group.blob()
    };
    assert!(condemn(&mut group, &[late]).is_ok());
    assert_eq!(group.status().condemned_blobs, 601);
    let horizon = group.now;
    assert!(!has_chores(&group.store, group.now).unwrap());
    assert!(raise(&mut group, horizon).is_ok());
    // Whatever commands come, the chores go on.
    for left in [473, 345] {
        assert_eq!(group.status().condemned_blobs, left);
        group.audit();
        assert!(has_chores(&group.store, group.now).unwrap());
        assert!(group.put("a", inline(b"x")).is_ok());
    }
    assert!(group.change(DataMutation::ExpireRequests).is_ok());
    assert_eq!(group.status().condemned_blobs, 1);
    assert!(!has_chores(&group.store, group.now).unwrap());
    group.audit();
}

#[test]
fn a_refused_commit_leaves_nothing_behind() {
    let mut group = Group::with_bucket();
    let (good, condemned) = (group.blob(), group.blob());
    assert!(condemn(&mut group, &[condemned]).is_ok());
    let extents = vec![extent(good, 1), extent(condemned, 1)];
    let refused = group.put("a", object(2, Content::Extents(extents)));
    assert_eq!(refused, Err(Refusal::BlobCondemned { blob: condemned }));
    assert_eq!(
        condemn(&mut group, &[good]),
        Ok(DataReply::Condemned(vec![good]))
    );
    group.audit();
}

#[test]
fn blobs_of_other_groups_and_too_many_blobs_are_malformed() {
    let mut group = Group::with_bucket();
    let foreign = BlobId::new(
        PlacementGroupId::new(1),
        GroupId::new(GROUP.get() + 1),
        group.now.as_millis(),
        1,
    );
    assert_eq!(condemn(&mut group, &[foreign]), Err(malformed()));
    assert_eq!(condemn(&mut group, &[]), Err(malformed()));
    let many: Vec<BlobId> = (0..1_001).map(|_| group.blob()).collect();
    assert_eq!(condemn(&mut group, &many), Err(malformed()));
    assert_eq!(forget(&mut group, &many), Err(malformed()));
    for blobs in [vec![], many] {
        let question = DataQuery::UnheldBlobs { blobs };
        assert_eq!(group.ask(question), Err(malformed()));
    }
    for limit in [0, 1_001] {
        let page = DataQuery::FreedBlobs { after: None, limit };
        assert_eq!(group.ask(page), Err(malformed()));
    }
}

#[test]
fn what_lacks_shards_is_counted_until_it_is_freed() {
    let mut group = Group::with_bucket();
    let mut degraded = extent(group.blob(), 7);
    degraded.missing_shards = vec![];
    degraded.profile = cairn_types::cluster::Profile::new(2, 2).unwrap();
    degraded.roots = vec![[1; 16]; 4];
    degraded.missing_shards = vec![1];
    let content = Content::Extents(vec![degraded]);
    assert!(group.put("a", object(7, content)).is_ok());
    assert_eq!(group.status().degraded_blobs, 1);
    group.audit();
    assert!(group.put("a", inline(b"x")).is_ok());
    assert_eq!(group.status().degraded_blobs, 0);
    group.audit();
}

#[test]
fn writes_to_an_unknown_bucket_are_refused() {
    let mut group = Group::with_bucket();
    let unknown = BucketId::new(BUCKET.get() + 1);
    let refused = group.change(DataMutation::DeleteObjects {
        bucket: unknown,
        targets: vec![crate::group::object_key("a").into()],
    });
    assert_eq!(refused, Err(Refusal::NoSuchBucket));
}
