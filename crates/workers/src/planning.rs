//! Pools and placement groups that fit the disks there are.

use std::collections::{BTreeSet, HashMap};

use cairn_client::topology::Layout;
use cairn_client::{MetaClient, MutateError, QueryError, TopologyCache};
use cairn_erasure::placement::{Candidate, PlacementError, plan};
use cairn_types::cluster::{Location, Pool, Profile};
use cairn_types::id::{DiskId, PoolId};
use cairn_types::namespace::{Refusal, RootMutation};

/// Groups for each disk: enough that the content of a lost disk is spread over many others, few enough that the table
/// stays small.
const GROUPS_PER_DISK: usize = 8;

/// Groups that are made at once at the most.
const MAX_GROUPS: usize = 512;

/// The largest cell: 1 MiB keeps a range of a large object on few disks.
const CELL_LEN: u32 = 1024 * 1024;

/// Attempts when somebody else changes the topology meanwhile.
const TRIES: usize = 6;

/// No pool with usable groups could be had.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// The metadata did not answer.
    #[error("look at the topology")]
    Look(#[from] QueryError),
    /// The metadata did not take the change.
    #[error("change the topology")]
    Change(#[from] MutateError),
    /// There are not enough disks for the profile.
    #[error("{0}: add directories, or choose a smaller profile")]
    Placement(#[from] PlacementError),
    /// The topology changes all the time.
    #[error("the topology changes all the time")]
    Restless,
}

/// Finds or makes the pool with this profile, sees to it that some of its placement groups have only disks out of
/// `present`, and makes it the one that new objects go to. Gives the pool.
///
/// With fewer disks present than the profile needs, a pool that has groups is taken as it is: what it holds can be read,
/// and written to as far as the write quorum allows. Cost: one read of the topology, and at the most three commits.
///
/// # Errors
/// See `PlanningError`.
pub async fn ensure_pool(
    meta: &MetaClient,
    topology: &TopologyCache,
    profile: Profile,
    present: &[DiskId],
) -> Result<PoolId, PlanningError> {
    for _ in 0..TRIES {
        let layout = topology.refresh().await?;
        let Some(pool) = find_pool(&layout, profile) else {
            create_pool(meta, &layout, profile).await?;
            continue;
        };
        let groups = || {
            let all = layout.topology().placement_groups.iter();
            all.filter(|group| group.pool == pool.id)
        };
        let is_present = |disk: &DiskId| present.contains(disk);
        let is_usable = groups().any(|group| group.members.iter().all(is_present));
        if !is_usable && (present.len() >= profile.width() || groups().next().is_none()) {
            let candidates = candidates(&layout, present);
            let members = plan(profile, &candidates, usual_count(pool, &candidates))?;
            create_groups(meta, &layout, pool, members).await?;
            continue;
        }
        if layout.topology().write_pool == pool.id {
            return Ok(pool.id);
        }
        change(meta, RootMutation::SetWritePool { pool: pool.id }).await?;
    }
    Err(PlanningError::Restless)
}

/// Makes further placement groups in a pool that has some, over all of `present`: those that have the fewest groups get the
/// most. Nothing is moved. Answers whether there were any to make: there are none where they would take in no disk that the
/// pool does not use yet, because such a disk is so much smaller than the others; or where too few are present.
///
/// # Errors
/// See `PlanningError`. When the topology changed meanwhile, nothing is made, and that is no error.
pub async fn extend_pool(
    meta: &MetaClient,
    layout: &Layout,
    pool: PoolId,
    present: &[DiskId],
) -> Result<bool, PlanningError> {
    let Some(pool) = layout.pool(pool) else {
        return Ok(false);
    };
    let Some(members) = extension(layout, pool, present)? else {
        return Ok(false);
    };
    create_groups(meta, layout, pool, members).await?;
    Ok(true)
}

/// The members of the groups that take in disks which the pool does not use yet. As many as usual, if these do; else as many
/// more as it takes until such a disk has its turn, if that is possible at all.
fn extension(
    layout: &Layout,
    pool: &Pool,
    present: &[DiskId],
) -> Result<Option<Vec<Vec<DiskId>>>, PlacementError> {
    if present.len() < pool.profile.width() {
        return Ok(None);
    }
    let used = disks_of(layout, pool.id);
    let takes_in = |group: &Vec<DiskId>| group.iter().any(|disk| !used.contains(disk));
    let candidates = candidates(layout, present);
    let usual = plan(pool.profile, &candidates, usual_count(pool, &candidates))?;
    if usual.iter().any(takes_in) {
        return Ok(Some(usual));
    }
    let mut most = plan(pool.profile, &candidates, MAX_GROUPS)?;
    let last = most.iter().rposition(takes_in);
    Ok(last.map(|last| {
        most.truncate(last + 1);
        most
    }))
}

/// The disks that are in any of the pool's groups.
pub fn disks_of(layout: &Layout, pool: PoolId) -> BTreeSet<DiskId> {
    let groups = layout.topology().placement_groups.iter();
    groups
        .filter(|group| group.pool == pool)
        .flat_map(|group| group.members.iter().copied())
        .collect()
}

fn find_pool(layout: &Layout, profile: Profile) -> Option<&Pool> {
    let pools = &layout.topology().pools;
    pools
        .iter()
        .find(|pool| pool.profile == profile && !pool.is_fallback)
}

async fn create_pool(
    meta: &MetaClient,
    layout: &Layout,
    profile: Profile,
) -> Result<(), PlanningError> {
    let last = layout
        .topology()
        .pools
        .iter()
        .map(|pool| pool.id.get())
        .max();
    let create = RootMutation::CreatePool {
        id: PoolId::new(last.unwrap_or(0) + 1),
        name: profile.to_string(),
        profile,
        cell_len: CELL_LEN,
        is_fallback: false,
    };
    change(meta, create).await
}

/// What groups can be made of.
fn candidates(layout: &Layout, present: &[DiskId]) -> Vec<Candidate> {
    let mut group_counts: HashMap<DiskId, u32> = HashMap::new();
    for group in &layout.topology().placement_groups {
        for disk in &group.members {
            *group_counts.entry(*disk).or_default() += 1;
        }
    }
    let disks = present.iter().filter_map(|disk| layout.disk(*disk));
    let candidates = disks.map(|disk| Candidate {
        disk: disk.id,
        node: disk.node,
        location: layout
            .node(disk.node)
            .map_or_else(Location::default, |node| node.location.clone()),
        capacity_bytes: disk.capacity_bytes,
        group_count: group_counts.get(&disk.id).copied().unwrap_or(0),
    });
    candidates.collect()
}

fn usual_count(pool: &Pool, candidates: &[Candidate]) -> usize {
    (candidates.len() * GROUPS_PER_DISK / pool.profile.width()).clamp(8, MAX_GROUPS)
}

async fn create_groups(
    meta: &MetaClient,
    layout: &Layout,
    pool: &Pool,
    members: Vec<Vec<DiskId>>,
) -> Result<(), PlanningError> {
    let create = RootMutation::CreatePlacementGroups {
        pool: pool.id,
        topology_epoch: layout.topology().epoch,
        members,
    };
    change(meta, create).await
}

/// Somebody else was faster: look again.
async fn change(meta: &MetaClient, mutation: RootMutation) -> Result<(), PlanningError> {
    match meta.change_root(mutation).await {
        Ok(_) | Err(MutateError::Refused(Refusal::TopologyConflict { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use cairn_types::cluster::{Disk, PlacementGroup, Topology};
    use cairn_types::id::{ClusterId, Epoch, NodeId, PlacementGroupId};

    use super::*;

    /// A pool of 2+1 whose only group is over the first three of these disks.
    fn layout(capacities: &[u64]) -> Layout {
        let ids = || (1..).map(DiskId::new);
        Layout::new(Topology {
            cluster: ClusterId::new(1),
            epoch: Epoch::new(1),
            data_groups: Vec::new(),
            nodes: Vec::new(),
            disks: ids()
                .zip(capacities)
                .map(|(id, capacity_bytes)| Disk {
                    id,
                    node: NodeId::new(1),
                    capacity_bytes: *capacity_bytes,
                })
                .collect(),
            pools: vec![Pool {
                id: PoolId::new(1),
                name: String::new(),
                profile: Profile::parse("2+1").unwrap(),
                cell_len: CELL_LEN,
                is_fallback: false,
            }],
            placement_groups: vec![PlacementGroup {
                id: PlacementGroupId::new(1),
                pool: PoolId::new(1),
                epoch: Epoch::new(1),
                members: ids().take(3).collect(),
            }],
            meta_nodes: Vec::new(),
            write_pool: PoolId::new(1),
        })
    }

    #[test]
    fn a_pool_is_extended_only_by_groups_that_take_in_another_disk() {
        const TIB: u64 = 1 << 40;
        for (capacities, is_extended) in [
            (&[TIB, TIB, TIB, TIB][..], true),
            (&[TIB, TIB, TIB, TIB / 4], true),
            (&[TIB, TIB, TIB, TIB / 100], true),
            (&[TIB, TIB, TIB], false),
            // Its share would be less than one of all groups that are made at once.
            (&[TIB, TIB, TIB, TIB / 4096], false),
            (&[TIB, TIB, TIB, 0], false),
        ] {
            let layout = layout(capacities);
            let pool = layout.pool(PoolId::new(1)).unwrap();
            let present: Vec<_> = layout.topology().disks.iter().map(|disk| disk.id).collect();
            let members = extension(&layout, pool, &present).unwrap();
            assert_eq!(members.is_some(), is_extended, "{capacities:?}");
            let new_disk = DiskId::new(4);
            let mut all = members.iter().flatten().flatten();
            assert_eq!(all.any(|disk| *disk == new_disk), is_extended);
            assert_eq!(extension(&layout, pool, &present[1..3]), Ok(None));
        }
    }
}
