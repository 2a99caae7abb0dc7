//! Nodes, disks, pools, placement groups.

use cairn_types::cluster::{
    Disk, Location, MetaNode, PlacementGroup, Pool, Profile, StorageNode, Topology,
};
use cairn_types::id::{ClusterId, DiskId, NodeId, PlacementGroupId, PoolId};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;

use super::{epoch, group_id, text};

/// One of the profiles.
pub fn profile() -> impl Strategy<Value = Profile> {
    select(Profile::ALL.as_slice())
}

/// A disk's id: any bits.
pub fn disk_id() -> impl Strategy<Value = DiskId> {
    any::<u128>().prop_map(DiskId::new)
}

/// A storage node.
pub fn storage_node() -> impl Strategy<Value = StorageNode> {
    let addresses = (text(), text());
    let location = (text(), text());
    (any::<u64>(), text(), addresses, any::<u64>(), location).prop_map(
        |(id, name, (address, admin_address), incarnation, (zone, host))| StorageNode {
            id: NodeId::new(id),
            name,
            address,
            admin_address,
            incarnation,
            location: Location { zone, host },
        },
    )
}

/// A metadata node.
pub fn meta_node() -> impl Strategy<Value = MetaNode> {
    let addresses = (text(), text());
    (any::<u64>(), text(), addresses, any::<u64>(), any::<bool>()).prop_map(
        |(id, name, (address, admin_address), incarnation, is_voter)| MetaNode {
            id: NodeId::new(id),
            name,
            address,
            admin_address,
            incarnation,
            is_voter,
        },
    )
}

/// A disk.
pub fn disk() -> impl Strategy<Value = Disk> {
    (disk_id(), any::<u64>(), any::<u64>()).prop_map(|(id, node, capacity_bytes)| Disk {
        id,
        node: NodeId::new(node),
        capacity_bytes,
    })
}

/// A pool.
pub fn pool() -> impl Strategy<Value = Pool> {
    (any::<u32>(), text(), profile(), any::<u32>(), any::<bool>()).prop_map(
        |(id, name, profile, cell_len, is_fallback)| Pool {
            id: PoolId::new(id),
            name,
            profile,
            cell_len,
            is_fallback,
        },
    )
}

/// A placement group with as many members as some profile is wide.
pub fn placement_group() -> impl Strategy<Value = PlacementGroup> {
    let members = profile().prop_flat_map(|profile| vec(disk_id(), profile.width()));
    (any::<u32>(), any::<u32>(), epoch(), members).prop_map(|(id, pool, epoch, members)| {
        PlacementGroup {
            id: PlacementGroupId::new(id),
            pool: PoolId::new(pool),
            epoch,
            members,
        }
    })
}

/// A topology whose pieces know nothing of each other.
pub fn topology() -> impl Strategy<Value = Topology> {
    (
        any::<u128>(),
        epoch(),
        vec(group_id(), 0..4),
        vec(storage_node(), 0..3),
        vec(disk(), 0..4),
        vec(pool(), 0..3),
        vec(placement_group(), 0..3),
        vec(meta_node(), 0..3),
        any::<u32>(),
    )
        .prop_map(
            |(
                cluster,
                epoch,
                data_groups,
                nodes,
                disks,
                pools,
                placement_groups,
                meta_nodes,
                pool,
            )| Topology {
                cluster: ClusterId::new(cluster),
                epoch,
                data_groups,
                nodes,
                disks,
                pools,
                placement_groups,
                meta_nodes,
                write_pool: PoolId::new(pool),
            },
        )
}
