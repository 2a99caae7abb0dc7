//! The cluster, its nodes and disks, its pools and placement groups.

use std::collections::BTreeSet;

use cairn_types::cluster::{Disk, MetaNode, PlacementGroup, Pool, Profile, StorageNode};
use cairn_types::id::{BucketId, DiskId, Epoch, NodeId, PlacementGroupId, PoolId};
use cairn_types::namespace::root::ClusterInfo;
use cairn_types::namespace::{Refusal, RootReply};

use super::change::Change;
use super::{limits, member};
use crate::failure::Failure;
use crate::key;
use crate::record;
use crate::record::cluster::{ClusterRow, DiskRow, NodeRow, PlacementGroupRow, PoolRow};
use crate::store::Store;

/// Data groups of a cluster.
const DATA_GROUPS: u16 = 1_000;

/// Disks of one node.
const DISKS: usize = 1_024;

/// Placement groups that one mutation makes.
const PLACEMENT_GROUPS: usize = 1_024;

/// Pools of a cluster.
const POOLS: usize = 1_024;

/// Bytes of a region's or pool's name, and of a zone, host or address.
const TEXT_LEN: usize = 255;

/// Bytes of the name of a node's process.
const NAME_LEN: usize = 63;

/// Bytes of the largest cell.
const CELL_LEN: u32 = 64 << 20;

/// The cluster; without one nothing else can be changed in the root group.
pub(super) fn cluster<S: Store>(change: &Change<'_, S>) -> Result<ClusterRow, Failure> {
    let row = change.get(&key::root::cluster())?;
    Ok(row.ok_or_else(|| conflict("there is no cluster yet"))?)
}

/// Makes the cluster.
pub(super) fn genesis<S: Store>(
    change: &mut Change<'_, S>,
    info: ClusterInfo,
    members: &[MetaNode],
) -> Result<RootReply, Failure> {
    if let Some(row) = change.get(&key::root::cluster())? {
        let is_same = row.info.cluster == info.cluster
            && row.info.data_group_count == info.data_group_count
            && row.info.region == info.region;
        return if is_same {
            Ok(RootReply::Done)
        } else {
            Err(Refusal::GenesisConflict.into())
        };
    }
    if !(1..=DATA_GROUPS).contains(&info.data_group_count) {
        return Err(limits::malformed("a cluster has 1 to 1000 data groups").into());
    }
    if info.region.is_empty() || info.region.len() > TEXT_LEN {
        return Err(limits::malformed("a region has a name of 1 to 255 bytes").into());
    }
    let row = ClusterRow {
        info,
        topology_epoch: Epoch::new(1),
        last_placement_group: PlacementGroupId::new(0),
        last_bucket: BucketId::new(0),
        write_pool: PoolId::new(0),
    };
    change.put(key::root::cluster(), &row);
    member::found(change, members)?;
    Ok(RootReply::Done)
}

/// Brings a node and its disks up to date. The epoch grows only if anything changed.
pub(super) fn register<S: Store>(
    change: &mut Change<'_, S>,
    node: &StorageNode,
    disks: &[Disk],
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    check_registration(node, disks)?;
    let mut is_changed = false;
    let row_key = key::root::node(node.id);
    let row = NodeRow(node.clone());
    let there = change.get(&row_key)?;
    if there
        .as_ref()
        .is_some_and(|there| there.0.incarnation > node.incarnation)
    {
        return Err(conflict("the node has started again since").into());
    }
    if there.as_ref() != Some(&row) {
        change.put(row_key, &row);
        is_changed = true;
    }
    for disk in disks {
        let row_key = key::root::disk(disk.id);
        let row = DiskRow(disk.clone());
        if change.get(&row_key)?.as_ref() != Some(&row) {
            change.put(row_key, &row);
            is_changed = true;
        }
    }
    if is_changed {
        advance(change, &mut cluster);
    }
    Ok(RootReply::Done)
}

fn check_registration(node: &StorageNode, disks: &[Disk]) -> Result<(), Refusal> {
    check_process(&node.name, &node.address, &node.admin_address)?;
    let texts = [&node.location.zone, &node.location.host];
    if texts.into_iter().any(|text| text.len() > TEXT_LEN) {
        return Err(limits::malformed("a zone or host has at most 255 bytes"));
    }
    if disks.len() > DISKS {
        return Err(limits::malformed("a node has at most 1024 disks"));
    }
    let mut seen = BTreeSet::new();
    for disk in disks {
        if disk.node != node.id {
            return Err(limits::malformed("the disk is said to be in another node"));
        }
        if !seen.insert(disk.id) {
            return Err(limits::malformed("the disk is named twice"));
        }
    }
    Ok(())
}

/// What is told of the process of a node, whatever its role.
pub(super) fn check_process(name: &str, address: &str, admin: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
    };
    if !(1..=NAME_LEN).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(limits::malformed(
            "a node has a name of 1 to 63 of a-z, 0-9, '.' and '-'",
        ));
    }
    if address.len() > TEXT_LEN || admin.len() > TEXT_LEN {
        return Err(limits::malformed("an address has at most 255 bytes"));
    }
    Ok(())
}

/// Forgets a node and its disks, if no placement group needs them.
///
/// Cost: one pass over all disks and placement groups.
pub(super) fn retire<S: Store>(
    change: &mut Change<'_, S>,
    node: NodeId,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    let row_key = key::root::node(node);
    if change.get(&row_key)?.is_none() {
        return Ok(RootReply::Done);
    }
    let prefix = key::root::disks();
    let disks: Vec<(_, DiskRow)> = record::scan(change.rows(), &prefix, &prefix, usize::MAX)?;
    let own = disks.into_iter().map(|(_, row)| row.0);
    let own: BTreeSet<DiskId> = own
        .filter(|disk| disk.node == node)
        .map(|disk| disk.id)
        .collect();
    let prefix = key::root::placement_groups();
    let groups: Vec<(_, PlacementGroupRow)> =
        record::scan(change.rows(), &prefix, &prefix, usize::MAX)?;
    let mut members = groups.iter().flat_map(|(_, row)| &row.0.members);
    if members.any(|disk| own.contains(disk)) {
        return Err(conflict("a placement group has a disk of the node").into());
    }
    for disk in own {
        change.delete(key::root::disk(disk));
    }
    change.delete(row_key);
    advance(change, &mut cluster);
    Ok(RootReply::Done)
}

/// Makes a pool.
pub(super) fn create_pool<S: Store>(
    change: &mut Change<'_, S>,
    pool: Pool,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    let row = PoolRow(pool);
    let pool = &row.0;
    let row_key = key::root::pool(pool.id);
    if let Some(there) = change.get(&row_key)? {
        return if there == row {
            Ok(RootReply::Done)
        } else {
            Err(conflict("the pool exists and is another").into())
        };
    }
    if pool.id.get() == 0 || pool.name.is_empty() || pool.name.len() > TEXT_LEN {
        return Err(
            limits::malformed("a pool has an id above 0 and a name of 1 to 255 bytes").into(),
        );
    }
    if !(1..=CELL_LEN).contains(&pool.cell_len) {
        return Err(limits::malformed("a cell has 1 byte to 64 MiB").into());
    }
    let prefix = key::root::pools();
    let pools: Vec<(Vec<u8>, PoolRow)> = record::scan(change.rows(), &prefix, &prefix, POOLS)?;
    if pools.len() == POOLS {
        return Err(conflict("there are as many pools as there may be").into());
    }
    if pools.iter().any(|(_, there)| there.0.name == pool.name) {
        return Err(conflict("another pool has this name").into());
    }
    change.put(row_key, &row);
    advance(change, &mut cluster);
    Ok(RootReply::Done)
}

/// Chooses the pool that new blobs go to.
pub(super) fn set_write_pool<S: Store>(
    change: &mut Change<'_, S>,
    pool: PoolId,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    let row = change
        .get(&key::root::pool(pool))?
        .ok_or_else(|| conflict("there is no such pool"))?;
    if row.0.is_fallback {
        return Err(conflict("a fallback pool is not written to by choice").into());
    }
    if cluster.write_pool != pool {
        cluster.write_pool = pool;
        advance(change, &mut cluster);
    }
    Ok(RootReply::Done)
}

/// Makes placement groups.
pub(super) fn create_placement_groups<S: Store>(
    change: &mut Change<'_, S>,
    pool: PoolId,
    topology_epoch: Epoch,
    members: &[Vec<DiskId>],
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    if cluster.topology_epoch != topology_epoch {
        return Err(conflict("it has changed since it was looked at").into());
    }
    if !(1..=PLACEMENT_GROUPS).contains(&members.len()) {
        return Err(limits::malformed("1 to 1024 placement groups are made at a time").into());
    }
    let pool = change
        .get(&key::root::pool(pool))?
        .ok_or_else(|| conflict("there is no such pool"))?;
    let mut ids = Vec::with_capacity(members.len());
    for members in members {
        check_members(change, pool.0.profile, members)?;
        let last = cluster.last_placement_group.get();
        let next = last
            .checked_add(1)
            .ok_or_else(|| conflict("there are no more ids of placement groups"))?;
        let group = PlacementGroup {
            id: PlacementGroupId::new(next),
            pool: pool.0.id,
            epoch: Epoch::new(1),
            members: members.clone(),
        };
        cluster.last_placement_group = group.id;
        ids.push(group.id);
        change.put(
            key::root::placement_group(group.id),
            &PlacementGroupRow(group),
        );
    }
    advance(change, &mut cluster);
    Ok(RootReply::PlacementGroups(ids))
}

fn check_members<S: Store>(
    change: &Change<'_, S>,
    profile: Profile,
    members: &[DiskId],
) -> Result<(), Failure> {
    if members.len() != profile.width() {
        return Err(
            conflict("a placement group has as many disks as its pool's profile asks for").into(),
        );
    }
    let mut seen = BTreeSet::new();
    for &disk in members {
        if !seen.insert(disk) {
            return Err(conflict("a disk is in a placement group twice").into());
        }
        if change.get(&key::root::disk(disk))?.is_none() {
            return Err(conflict("there is no such disk").into());
        }
    }
    Ok(())
}

/// Lets commands be proposed with this apply version from now on.
pub(super) fn activate_apply_version<S: Store>(
    change: &mut Change<'_, S>,
    version: u32,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    let current = cluster.info.apply_version;
    if version == current {
        return Ok(RootReply::Done);
    }
    // One typing error must not stop every node for good.
    if current.checked_add(1) != Some(version) {
        return Err(conflict("only the next apply version can be activated").into());
    }
    cluster.info.apply_version = version;
    change.put(key::root::cluster(), &cluster);
    Ok(RootReply::Done)
}

/// The topology has changed.
pub(super) fn advance<S: Store>(change: &mut Change<'_, S>, cluster: &mut ClusterRow) {
    cluster.topology_epoch = Epoch::new(cluster.topology_epoch.get() + 1);
    change.put(key::root::cluster(), cluster);
}

pub(super) fn conflict(reason: &str) -> Refusal {
    Refusal::TopologyConflict {
        reason: reason.to_owned(),
    }
}
