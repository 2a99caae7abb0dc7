//! The root group: the cluster, its topology, the bucket directory.

use std::collections::BTreeMap;

use cairn_types::cluster::{Disk, Location, Profile, StorageNode, Topology};
use cairn_types::id::{
    BucketId, ClusterId, DiskId, Epoch, GroupId, NodeId, PlacementGroupId, PoolId,
};
use cairn_types::name::BucketName;
use cairn_types::namespace::root::{BucketEntry, BucketState, ClusterInfo, ShardRange};
use cairn_types::namespace::{Refusal, RootMutation, RootQuery, RootReply, RootView};
use cairn_types::settings::InitialSettings;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, proptest};

use crate::group::{Group, conflict, malformed};

const DATA_GROUPS: u16 = 3;

fn genesis() -> RootMutation {
    RootMutation::Genesis {
        cluster: ClusterId::new(7),
        data_group_count: DATA_GROUPS,
        region: "eu-north-1".to_owned(),
        members: Vec::new(),
    }
}

pub(crate) fn root() -> Group {
    let mut group = Group::new();
    assert_eq!(group.change_root(genesis()), Ok(RootReply::Done));
    group
}

pub(crate) fn topology(group: &Group) -> Topology {
    let known = Epoch::new(0);
    match group.ask_root(RootQuery::Topology { known }) {
        Ok(RootView::Topology(Some(topology))) => topology,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn node(id: u64) -> StorageNode {
    StorageNode {
        id: NodeId::new(id),
        name: format!("storage-{id}"),
        address: format!("storage-{id}:7000"),
        admin_address: format!("storage-{id}:7001"),
        incarnation: 5,
        location: Location::default(),
    }
}

pub(crate) fn disk(id: u128, node: u64) -> Disk {
    Disk {
        id: DiskId::new(id),
        node: NodeId::new(node),
        capacity_bytes: 1 << 40,
    }
}

pub(crate) fn register(group: &mut Group, id: u64, disks: &[u128]) -> Result<RootReply, Refusal> {
    group.change_root(RootMutation::RegisterStorage {
        node: node(id),
        disks: disks.iter().map(|disk_id| disk(*disk_id, id)).collect(),
    })
}

pub(crate) fn create_pool(id: u32, name: &str, profile: &str) -> RootMutation {
    RootMutation::CreatePool {
        id: PoolId::new(id),
        name: name.to_owned(),
        profile: Profile::parse(profile).unwrap(),
        cell_len: 1 << 20,
        is_fallback: false,
    }
}

pub(crate) fn create_groups(group: &mut Group, members: &[&[u128]]) -> Result<RootReply, Refusal> {
    let topology_epoch = topology(group).epoch;
    let ids = |ids: &&[u128]| ids.iter().copied().map(DiskId::new).collect();
    group.change_root(RootMutation::CreatePlacementGroups {
        pool: PoolId::new(1),
        topology_epoch,
        members: members.iter().map(ids).collect(),
    })
}

#[test]
fn a_cluster_is_made_once() {
    let mut group = Group::new();
    let cluster = RootQuery::Cluster;
    assert_eq!(group.ask_root(cluster.clone()), Ok(RootView::Cluster(None)));
    assert_eq!(register(&mut group, 1, &[1]), Err(conflict()));
    let known = Epoch::new(0);
    assert_eq!(
        group.ask_root(RootQuery::Topology { known }),
        Err(conflict())
    );

    let created = group.now;
    assert_eq!(group.change_root(genesis()), Ok(RootReply::Done));
    group.now = group.now.plus_millis(1);
    assert_eq!(group.change_root(genesis()), Ok(RootReply::Done));
    let RootMutation::Genesis { region, .. } = genesis() else {
        unreachable!("it is one");
    };
    let info = ClusterInfo {
        cluster: ClusterId::new(7),
        data_group_count: DATA_GROUPS,
        region: region.clone(),
        created,
        apply_version: 1,
    };
    assert_eq!(group.ask_root(cluster), Ok(RootView::Cluster(Some(info))));
    for (id, data_group_count, region) in [
        (8, DATA_GROUPS, &*region),
        (7, 4, &region),
        (7, DATA_GROUPS, "x"),
    ] {
        let other = group.change_root(RootMutation::Genesis {
            cluster: ClusterId::new(id),
            data_group_count,
            region: region.to_owned(),
            members: Vec::new(),
        });
        assert_eq!(other, Err(Refusal::GenesisConflict));
    }
    group.audit();
}

#[test]
fn a_cluster_has_1_to_1000_data_groups() {
    for count in [0, 1_001] {
        let refused = Group::new().change_root(RootMutation::Genesis {
            cluster: ClusterId::new(7),
            data_group_count: count,
            region: "x".to_owned(),
            members: Vec::new(),
        });
        assert_eq!(refused, Err(malformed()));
    }
}

#[test]
fn the_topology_epoch_grows_with_each_change_and_only_then() {
    let mut group = root();
    let mut epoch = topology(&group).epoch;
    assert!(epoch.get() > 0);
    let mut changes = |group: &mut Group, is_change| {
        let now = topology(group).epoch;
        assert_eq!(now.get() - epoch.get(), u64::from(is_change));
        epoch = now;
        assert_eq!(
            group.ask_root(RootQuery::Topology { known: now }),
            Ok(RootView::Topology(None))
        );
        group.audit();
    };
    assert_eq!(register(&mut group, 1, &[1, 2]), Ok(RootReply::Done));
    changes(&mut group, true);
    assert_eq!(register(&mut group, 1, &[1, 2]), Ok(RootReply::Done));
    changes(&mut group, false);
    // A disk that is not named is not forgotten.
    assert_eq!(register(&mut group, 1, &[2]), Ok(RootReply::Done));
    changes(&mut group, false);
    // A disk moves.
    assert_eq!(register(&mut group, 2, &[2, 3]), Ok(RootReply::Done));
    changes(&mut group, true);
    assert_eq!(topology(&group).disks, [disk(1, 1), disk(2, 2), disk(3, 2)]);
    assert_eq!(topology(&group).nodes, [node(1), node(2)]);

    let pool = create_pool(1, "default", "2+1");
    assert_eq!(group.change_root(pool.clone()), Ok(RootReply::Done));
    changes(&mut group, true);
    assert_eq!(group.change_root(pool), Ok(RootReply::Done));
    changes(&mut group, false);
    for other in [
        create_pool(1, "default", "2+2"),
        create_pool(1, "other", "2+1"),
        create_pool(2, "default", "2+1"),
    ] {
        assert_eq!(group.change_root(other), Err(conflict()));
        changes(&mut group, false);
    }
    assert_eq!(
        create_groups(&mut group, &[&[1, 2, 3], &[3, 1, 2]]),
        Ok(RootReply::PlacementGroups(
            [1, 2].map(PlacementGroupId::new).to_vec()
        ))
    );
    changes(&mut group, true);
    assert_eq!(
        create_groups(&mut group, &[&[2, 1, 3]]),
        Ok(RootReply::PlacementGroups(vec![PlacementGroupId::new(3)]))
    );
    changes(&mut group, true);
    let groups = topology(&group).placement_groups;
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[1].members, [3, 1, 2].map(DiskId::new));
    assert_eq!(groups[1].epoch, Epoch::new(1));
}

#[test]
fn placement_groups_that_the_topology_does_not_allow_are_refused_whole() {
    let mut group = root();
    assert!(register(&mut group, 1, &[1, 2, 3]).is_ok());
    assert_eq!(create_groups(&mut group, &[&[1, 2, 3]]), Err(conflict()));
    assert!(group.change_root(create_pool(1, "a", "2+1")).is_ok());
    for wrong in [&[1, 2][..], &[1, 2, 2], &[1, 2, 4], &[1, 2, 3, 4]] {
        assert_eq!(
            create_groups(&mut group, &[&[1, 2, 3], wrong]),
            Err(conflict())
        );
    }
    assert_eq!(create_groups(&mut group, &[]), Err(malformed()));
    let stale = group.change_root(RootMutation::CreatePlacementGroups {
        pool: PoolId::new(1),
        topology_epoch: Epoch::new(topology(&group).epoch.get() - 1),
        members: vec![[1, 2, 3].map(DiskId::new).to_vec()],
    });
    assert_eq!(stale, Err(conflict()));
    assert_eq!(topology(&group).placement_groups, []);
}

#[test]
fn registrations_and_pools_that_make_no_sense_are_malformed() {
    let mut group = root();
    for disks in [vec![disk(1, 2)], vec![disk(1, 1), disk(1, 1)]] {
        let refused = group.change_root(RootMutation::RegisterStorage {
            node: node(1),
            disks,
        });
        assert_eq!(refused, Err(malformed()));
    }
    let mut far = node(1);
    far.location.zone = "z".repeat(256);
    let refused = group.change_root(RootMutation::RegisterStorage {
        node: far,
        disks: Vec::new(),
    });
    assert_eq!(refused, Err(malformed()));
    for (id, name, cell_len) in [
        (0, "a", 1),
        (1, "", 1),
        (1, "a", 0),
        (1, "a", (64 << 20) + 1),
    ] {
        let refused = group.change_root(RootMutation::CreatePool {
            id: PoolId::new(id),
            name: name.to_owned(),
            profile: Profile::parse("1+0").unwrap(),
            cell_len,
            is_fallback: false,
        });
        assert_eq!(refused, Err(malformed()));
    }
}

#[test]
fn the_apply_version_goes_on_step_by_step() {
    let mut group = root();
    let done = Ok(RootReply::Done);
    for (version, answer, then) in [
        (0, Err(conflict()), 1),
        (3, Err(conflict()), 1),
        (u32::MAX, Err(conflict()), 1),
        (1, done.clone(), 1),
        (2, done.clone(), 2),
        (2, done.clone(), 2),
        (1, Err(conflict()), 2),
        (3, done, 3),
    ] {
        let activate = RootMutation::ActivateApplyVersion { version };
        assert_eq!(group.change_root(activate), answer);
        let Ok(RootView::Cluster(Some(info))) = group.ask_root(RootQuery::Cluster) else {
            panic!("no cluster");
        };
        assert_eq!(info.apply_version, then);
    }
}

const NAMES: [&str; 4] = ["abc", "abcd", "abd", "b-c"];

fn name(index: usize) -> BucketName {
    BucketName::parse(NAMES[index % NAMES.len()]).unwrap()
}

/// The life of a bucket, by what may be asked of it at an epoch: the state it must be in, and then is in.
fn step(
    kind: usize,
    bucket: BucketId,
    epoch: Epoch,
    opened_below: BucketId,
) -> (RootMutation, BucketState, BucketState) {
    let (creating, active, deleting) = (
        BucketState::Creating,
        BucketState::Active,
        BucketState::Deleting,
    );
    let draining = BucketState::Draining { opened_below };
    match kind % 4 {
        0 => (
            RootMutation::ActivateBucket { bucket, epoch },
            creating,
            active,
        ),
        1 => (
            RootMutation::BeginDeleteBucket { bucket, epoch },
            active,
            deleting,
        ),
        2 => (
            RootMutation::ReviveBucket { bucket, epoch },
            deleting,
            active,
        ),
        _ => (
            RootMutation::CommitDeleteBucket { bucket, epoch },
            deleting,
            draining,
        ),
    }
}

fn is_draining(state: BucketState) -> bool {
    matches!(state, BucketState::Draining { .. })
}

type Directory = BTreeMap<BucketName, BucketEntry>;

/// What a step comes to, in a directory by name.
fn expect(
    directory: &mut Directory,
    (kind, bucket, epoch): (usize, BucketId, Epoch),
    last: u64,
) -> (RootMutation, Result<RootReply, Refusal>) {
    let creating = directory.values();
    let creating = creating.filter(|entry| entry.state == BucketState::Creating);
    let opened_below = creating.map(|entry| entry.bucket).min();
    let opened_below = opened_below.unwrap_or(BucketId::new(last + 1));
    let (mutation, from, to) = step(kind, bucket, epoch, opened_below);
    let found = directory.values_mut().find(|entry| entry.bucket == bucket);
    let Some(entry) = found else {
        return (mutation, Err(Refusal::NoSuchBucket));
    };
    let is_taken = entry.epoch.get() == epoch.get() + 1
        && (entry.state == to || is_draining(entry.state) && is_draining(to));
    let answer = if entry.epoch == epoch && entry.state == from {
        entry.state = to;
        entry.epoch = Epoch::new(epoch.get() + 1);
        entry.initial = InitialSettings::default();
        Ok(RootReply::Bucket(entry.clone()))
    } else if is_taken {
        Ok(RootReply::Bucket(entry.clone()))
    } else {
        Err(Refusal::BucketInTransition { bucket })
    };
    (mutation, answer)
}

fn expect_release(directory: &mut Directory, bucket: BucketId) -> Result<RootReply, Refusal> {
    let found = directory.values().find(|entry| entry.bucket == bucket);
    match found.cloned() {
        Some(entry) if is_draining(entry.state) => {
            directory.remove(&entry.name);
            Ok(RootReply::Done)
        }
        Some(_) => Err(Refusal::BucketInTransition { bucket }),
        None => Ok(RootReply::Done),
    }
}

fn compare(group: &Group, directory: &Directory, last: u64) {
    for name in (0..NAMES.len()).map(name) {
        let expected = directory.get(&name).cloned().map(RootView::Bucket);
        assert_eq!(
            group.ask_root(RootQuery::Bucket { name }),
            expected.ok_or(Refusal::NoSuchBucket)
        );
    }
    for bucket in (0..=last + 1).map(BucketId::new) {
        let expected = directory.values().find(|entry| entry.bucket == bucket);
        assert_eq!(
            group.ask_root(RootQuery::BucketById { bucket }),
            expected
                .cloned()
                .map(RootView::Bucket)
                .ok_or(Refusal::NoSuchBucket)
        );
    }
    for owner in [None, Some("me"), Some("you"), Some("m"), Some("")] {
        compare_pages(group, directory, owner);
    }
}

fn compare_pages(group: &Group, directory: &Directory, owner: Option<&str>) {
    for prefix in ["", "a", "abc", "abcd", "x"] {
        for after in ["", "abc", "abcc", "z"] {
            for limit in 1..4 {
                let active = directory.values().filter(|entry| {
                    matches!(entry.state, BucketState::Active | BucketState::Deleting)
                        && entry.name.as_str().starts_with(prefix)
                        && entry.name.as_str() > after
                        && owner.is_none_or(|owner| entry.owner == owner)
                });
                let all: Vec<_> = active.cloned().collect();
                let page = RootQuery::Buckets {
                    after: after.to_owned(),
                    prefix: prefix.to_owned(),
                    owner: owner.map(str::to_owned),
                    limit,
                };
                let limit = limit as usize;
                assert_eq!(
                    group.ask_root(page),
                    Ok(RootView::Buckets {
                        truncated: all.len() > limit,
                        entries: all.into_iter().take(limit).collect(),
                    })
                );
            }
        }
    }
}

#[test]
fn a_reservation_without_an_owner_is_malformed() {
    let mut group = root();
    for owner in [String::new(), "x".repeat(257)] {
        let reserve = RootMutation::ReserveBucket {
            name: name(0),
            owner,
            initial: InitialSettings::default(),
        };
        assert_eq!(group.change_root(reserve), Err(malformed()));
    }
    for limit in [0, 10_001] {
        let page = RootQuery::Buckets {
            after: String::new(),
            prefix: String::new(),
            owner: None,
            limit,
        };
        assert_eq!(group.ask_root(page), Err(malformed()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn buckets_live_as_the_directory_says(steps in vec((0_usize..8, 0_usize..4, 0_u64..6, 0_u64..8), 1..60)) {
        let mut group = root();
        let mut directory = Directory::new();
        let mut last = 0;
        for (kind, index, back, age) in steps {
            group.now = group.now.plus_millis(1);
            if kind < 3 {
                let name = name(index);
                let owner = if kind == 0 { "you" } else { "me" };
                let initial = InitialSettings { is_lock_enabled: kind == 2, ..InitialSettings::default() };
                let reserve = RootMutation::ReserveBucket {
                    name: name.clone(),
                    owner: owner.to_owned(),
                    initial: initial.clone(),
                };
                let expected = match directory.get(&name) {
                    Some(entry) if entry.state == BucketState::Active => Err(Refusal::BucketExists),
                    Some(entry) => Err(Refusal::BucketInTransition { bucket: entry.bucket }),
                    None => {
                        last += 1;
                        let first = u16::try_from(last % u64::from(DATA_GROUPS)).unwrap() + 1;
                        let entry = BucketEntry {
                            bucket: BucketId::new(last),
                            name: name.clone(),
                            owner: owner.to_owned(),
                            initial,
                            created: group.now,
                            state: BucketState::Creating,
                            epoch: Epoch::new(1),
                            ranges: vec![ShardRange {
                                start: String::new(),
                                group: GroupId::new(first),
                                epoch: Epoch::new(1),
                            }],
                        };
                        directory.insert(name, entry.clone());
                        Ok(RootReply::Bucket(entry))
                    }
                };
                assert_eq!(group.change_root(reserve), expected);
            } else {
                let bucket = BucketId::new((last + 1).saturating_sub(back));
                if kind == 7 {
                    let expected = expect_release(&mut directory, bucket);
                    let release = RootMutation::ReleaseBucket { bucket };
                    assert_eq!(group.change_root(release), expected);
                    continue;
                }
                // Mostly at the epoch it has, or some steps before.
                let found = directory.values().find(|entry| entry.bucket == bucket);
                let epoch = found.map_or(1, |entry| entry.epoch.get());
                let epoch = Epoch::new(epoch.saturating_sub(age.saturating_sub(4)));
                let (step, expected) = expect(&mut directory, (kind, bucket, epoch), last);
                assert_eq!(group.change_root(step), expected);
            }
        }
        compare(&group, &directory, last);
        group.audit();
    }
}
