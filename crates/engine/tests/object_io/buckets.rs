//! Buckets through their steps, and what is remembered of them.

use cairn_client::{MutateError, QueryError};
use cairn_types::etag::ETag;
use cairn_types::id::GroupId;
use cairn_types::name::BucketName;
use cairn_types::namespace::root::BucketState;
use cairn_types::namespace::{DataMutation, Mutation, Refusal, Reply, RootMutation, RootReply};

use super::cluster::{Cluster, Pieces, Setup, pattern, until};
use super::copies::begin;
use super::puts::md5;

fn name(text: &str) -> BucketName {
    BucketName::parse(text).unwrap()
}

async fn change_root(cluster: &Cluster, mutation: RootMutation) -> RootReply {
    let mutation = Mutation::Root(mutation);
    match cluster
        .meta
        .mutate(GroupId::ROOT, mutation)
        .await
        .unwrap()
        .value
    {
        Reply::Root(reply) => reply,
        Reply::Data(_) => panic!("a data group's reply"),
    }
}

#[tokio::test]
async fn a_bucket_is_made_once_listed_and_deleted_when_empty() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    let made = buckets.create(&name("new"), "somebody").await.unwrap();
    assert_eq!(made.state, BucketState::Active);
    let again = buckets.create(&name("new"), "somebody").await.unwrap_err();
    assert_eq!(again, MutateError::Refused(Refusal::BucketExists));

    let page = buckets.list("", "", 10).await.unwrap().value;
    let names: Vec<_> = page
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["bucket", "new"]);

    cluster.put("key", b"bytes").await.unwrap();
    let full = buckets.delete(&name("bucket")).await.unwrap_err();
    assert_eq!(full, MutateError::Refused(Refusal::BucketNotEmpty));
    cluster
        .put("key", b"it can be written as before")
        .await
        .unwrap();

    buckets.delete(&name("new")).await.unwrap();
    let gone = buckets.fetch(&name("new")).await.unwrap_err();
    assert_eq!(gone, QueryError::Refused(Refusal::NoSuchBucket));
    let gone = buckets.delete(&name("new")).await.unwrap_err();
    assert_eq!(gone, MutateError::Refused(Refusal::NoSuchBucket));
}

#[tokio::test]
async fn whoever_meets_a_half_made_bucket_finishes_it() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    let reserve = RootMutation::ReserveBucket {
        name: name("half"),
        owner: "somebody".to_owned(),
        initial: cairn_types::settings::InitialSettings::default(),
    };
    change_root(&cluster, reserve).await;
    // Nobody sees it before it is active.
    let unseen = buckets.fetch(&name("half")).await.unwrap_err();
    assert_eq!(unseen, QueryError::Refused(Refusal::NoSuchBucket));

    let made = buckets.create(&name("half"), "somebody").await.unwrap_err();
    assert_eq!(made, MutateError::Refused(Refusal::BucketExists));
    let entry = buckets.fetch(&name("half")).await.unwrap().value;
    assert_eq!(entry.state, BucketState::Active);
    buckets.delete(&name("half")).await.unwrap();
}

#[tokio::test]
async fn whoever_meets_a_half_deleted_bucket_finds_out_whether_it_is_gone() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    for is_empty in [false, true] {
        let bucket = cluster.bucket.bucket;
        if is_empty {
            let key = cairn_types::name::ObjectKey::parse("key").unwrap();
            let deletion = cluster.engine.delete(&cluster.bucket, &[key.into()]).await;
            deletion.unwrap();
        } else {
            cluster.put("key", b"bytes").await.unwrap();
        }
        let epoch = buckets.fetch(&name("bucket")).await.unwrap().value.epoch;
        change_root(&cluster, RootMutation::BeginDeleteBucket { bucket, epoch }).await;
        let fetched = buckets.fetch(&name("bucket")).await;
        if is_empty {
            assert_eq!(fetched, Err(QueryError::Refused(Refusal::NoSuchBucket)));
            continue;
        }
        assert_eq!(fetched.unwrap().value.state, BucketState::Active);
        assert_eq!(cluster.get("key").await.unwrap(), b"bytes");
        cluster.put("key", b"it is open again").await.unwrap();
    }
}

#[tokio::test]
async fn whoever_meets_an_active_bucket_that_is_fenced_lifts_the_fence() {
    let cluster = Cluster::start(Setup::default()).await;
    let entry = &cluster.bucket;
    // Of a deletion that was taken back by one who died before he lifted it.
    let (bucket, epoch) = (entry.bucket, entry.epoch);
    let begin = RootMutation::BeginDeleteBucket { bucket, epoch };
    let RootReply::Bucket(deleting) = change_root(&cluster, begin).await else {
        panic!("no entry");
    };
    let fence = DataMutation::FenceBucket {
        bucket,
        epoch: deleting.epoch,
    };
    let group = entry.ranges[0].group;
    cluster.meta.change_data(group, fence).await.unwrap();
    let revive = RootMutation::ReviveBucket {
        bucket,
        epoch: deleting.epoch,
    };
    change_root(&cluster, revive).await;

    cluster.put("key", b"bytes").await.unwrap();
    assert_eq!(cluster.get("key").await.unwrap(), b"bytes");
}

#[tokio::test]
async fn what_is_remembered_of_a_bucket_that_was_made_again_is_put_right() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    let stale = std::sync::Arc::clone(&cluster.bucket);
    // Bucket ids deal out the two data groups in turns: the second one made is in the same group again.
    buckets.delete(&name("bucket")).await.unwrap();
    buckets.create(&name("between"), "somebody").await.unwrap();
    let newer = buckets.create(&name("bucket"), "somebody").await.unwrap();
    assert_ne!(newer.bucket, stale.bucket);
    assert_eq!(newer.ranges[0].group, stale.ranges[0].group);

    // `cluster.put` and `cluster.get` go on with the stale entry.
    for len in [10, 300_000] {
        cluster.put("key", &pattern(len)).await.unwrap();
        assert!(cluster.get("key").await.unwrap() == pattern(len));
    }
}

#[tokio::test]
async fn what_was_begun_for_a_bucket_that_was_made_again_in_another_group_is_brought_there() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    buckets.delete(&name("bucket")).await.unwrap();
    let newer = buckets.create(&name("bucket"), "somebody").await.unwrap();
    assert_ne!(newer.ranges[0].group, cluster.bucket.ranges[0].group);

    // `cluster.put` and `cluster.get` go on with the stale entry.
    for len in [10, 300_000] {
        cluster.put("key", &pattern(len)).await.unwrap();
        assert!(cluster.get("key").await.unwrap() == pattern(len));
    }
    let (blob, _) = cluster.blob_of("key").await;
    assert_eq!(blob.group(), newer.ranges[0].group);
    until(
        "what was begun for the other group is removed",
        async || cluster.disks.live_count() == 6,
    )
    .await;

    // A part of an upload that was begun by one who knew.
    let upload = begin(&cluster, &newer, "parts").await;
    let target = cluster.target("parts");
    let bytes = pattern(200_000);
    let staged = cluster.engine.stage(&target, 200_000, Pieces::of(&bytes));
    let mut staged = staged.await.unwrap();
    let part = cluster
        .engine
        .commit_part(&newer, &upload, 1, &mut staged)
        .await;
    assert_eq!(part.unwrap().value.etag, ETag::from_md5(md5(&bytes)));
}

#[tokio::test]
async fn a_bucket_that_another_made_again_is_not_written_with_the_leave_of_the_first() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    buckets.delete(&name("bucket")).await.unwrap();
    buckets
        .create(&name("bucket"), "somebody else")
        .await
        .unwrap();
    for len in [10, 300_000] {
        assert!(cluster.put("key", &pattern(len)).await.is_err());
        assert!(!cluster.is_there("key").await);
    }
}
