//! The root group.

use cairn_types::id::{ClusterId, NodeId, PlacementGroupId, PoolId};
use cairn_types::namespace::root::{BucketEntry, BucketState, ClusterInfo, ShardRange};
use cairn_types::namespace::{RootMutation, RootQuery, RootReply, RootView};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::{
    account_mutation, bucket_id, bucket_name, canonical_id, disk, disk_id, epoch, group_id,
    identity_page, initial_settings, meta_node, pool, profile, storage_node, text, timestamp,
    topology,
};

/// A change of the root group, each kind as likely as the others.
pub fn root_mutation() -> impl Strategy<Value = RootMutation> {
    let genesis = (any::<u128>(), any::<u16>(), text(), vec(meta_node(), 0..3));
    let members = profile().prop_flat_map(|profile| vec(disk_id(), profile.width()));
    let groups = (any::<u32>(), epoch(), vec(members, 0..3));
    prop_oneof![
        genesis.prop_map(
            |(cluster, data_group_count, region, members)| RootMutation::Genesis {
                cluster: ClusterId::new(cluster),
                data_group_count,
                region,
                members,
            }
        ),
        (storage_node(), vec(disk(), 0..4))
            .prop_map(|(node, disks)| RootMutation::RegisterStorage { node, disks }),
        node_id().prop_map(|node| RootMutation::RetireStorage { node }),
        meta_node().prop_map(|node| RootMutation::RegisterMeta { node }),
        (node_id(), any::<bool>())
            .prop_map(|(node, is_voter)| RootMutation::SetMetaVoter { node, is_voter }),
        node_id().prop_map(|node| RootMutation::RetireMeta { node }),
        pool().prop_map(|pool| RootMutation::CreatePool {
            id: pool.id,
            name: pool.name,
            profile: pool.profile,
            cell_len: pool.cell_len,
            is_fallback: pool.is_fallback,
        }),
        any::<u32>().prop_map(|pool| RootMutation::SetWritePool {
            pool: PoolId::new(pool),
        }),
        groups.prop_map(|(pool, topology_epoch, members)| {
            RootMutation::CreatePlacementGroups {
                pool: PoolId::new(pool),
                topology_epoch,
                members,
            }
        }),
        (bucket_name(), text(), initial_settings()).prop_map(|(name, owner, initial)| {
            RootMutation::ReserveBucket {
                name,
                owner,
                initial,
            }
        }),
        (bucket_id(), epoch())
            .prop_map(|(bucket, epoch)| RootMutation::ActivateBucket { bucket, epoch }),
        (bucket_id(), epoch())
            .prop_map(|(bucket, epoch)| RootMutation::BeginDeleteBucket { bucket, epoch }),
        (bucket_id(), epoch())
            .prop_map(|(bucket, epoch)| RootMutation::ReviveBucket { bucket, epoch }),
        (bucket_id(), epoch())
            .prop_map(|(bucket, epoch)| RootMutation::CommitDeleteBucket { bucket, epoch }),
        bucket_id().prop_map(|bucket| RootMutation::ReleaseBucket { bucket }),
        any::<u32>().prop_map(|version| RootMutation::ActivateApplyVersion { version }),
        account_mutation().prop_map(RootMutation::Account),
    ]
}

/// An answer to a change of the root group.
pub fn root_reply() -> impl Strategy<Value = RootReply> {
    let ids = vec(any::<u32>().prop_map(PlacementGroupId::new), 0..4);
    prop_oneof![
        Just(RootReply::Done),
        ids.prop_map(RootReply::PlacementGroups),
        bucket_entry().prop_map(RootReply::Bucket),
    ]
}

/// A row of the bucket directory.
pub fn bucket_entry() -> impl Strategy<Value = BucketEntry> {
    let state = prop_oneof![
        Just(BucketState::Creating),
        Just(BucketState::Active),
        Just(BucketState::Deleting),
        bucket_id().prop_map(|opened_below| BucketState::Draining { opened_below }),
    ];
    let first = (Just(String::new()), group_id(), epoch());
    let others = vec((text(), group_id(), epoch()), 0..3);
    let ranges = (first, others).prop_map(|(first, others)| {
        let rows = std::iter::once(first).chain(others);
        rows.map(|(start, group, epoch)| ShardRange {
            start,
            group,
            epoch,
        })
        .collect()
    });
    (
        bucket_id(),
        bucket_name(),
        text(),
        timestamp(),
        state,
        epoch(),
        initial_settings(),
        ranges,
    )
        .prop_map(
            |(bucket, name, owner, created, state, epoch, initial, ranges)| BucketEntry {
                bucket,
                name,
                owner,
                created,
                state,
                epoch,
                initial,
                ranges,
            },
        )
}

/// A question to the root group.
pub fn root_query() -> impl Strategy<Value = RootQuery> {
    prop_oneof![
        epoch().prop_map(|known| RootQuery::Topology { known }),
        bucket_name().prop_map(|name| RootQuery::Bucket { name }),
        bucket_id().prop_map(|bucket| RootQuery::BucketById { bucket }),
        (text(), text(), option::of(text()), any::<u32>()).prop_map(
            |(after, prefix, owner, limit)| RootQuery::Buckets {
                after,
                prefix,
                owner,
                limit,
            }
        ),
        Just(RootQuery::Cluster),
        (epoch(), option::of(canonical_id()), any::<u32>()).prop_map(|(known, after, limit)| {
            RootQuery::Identities {
                known,
                after,
                limit,
            }
        }),
    ]
}

/// What is fixed at genesis.
pub fn cluster_info() -> impl Strategy<Value = ClusterInfo> {
    (
        any::<u128>(),
        any::<u16>(),
        text(),
        timestamp(),
        any::<u32>(),
    )
        .prop_map(
            |(cluster, data_group_count, region, created, apply_version)| ClusterInfo {
                cluster: ClusterId::new(cluster),
                data_group_count,
                region,
                created,
                apply_version,
            },
        )
}

/// An answer of the root group.
pub fn root_view() -> impl Strategy<Value = RootView> {
    prop_oneof![
        option::of(topology()).prop_map(RootView::Topology),
        bucket_entry().prop_map(RootView::Bucket),
        (vec(bucket_entry(), 0..3), any::<bool>())
            .prop_map(|(entries, truncated)| RootView::Buckets { entries, truncated }),
        option::of(cluster_info()).prop_map(RootView::Cluster),
        option::of(identity_page()).prop_map(RootView::Identities),
    ]
}

fn node_id() -> impl Strategy<Value = NodeId> {
    any::<u64>().prop_map(NodeId::new)
}
