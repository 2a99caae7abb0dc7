//! Pools and placement groups that fit the disks there are.

use std::collections::HashMap;

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
            create_groups(meta, &layout, pool, present).await?;
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
/// most. Nothing is moved.
///
/// # Errors
/// See `PlanningError`. When the topology changed meanwhile, nothing is made, and that is no error.
pub async fn extend_pool(
    meta: &MetaClient,
    layout: &Layout,
    pool: PoolId,
    present: &[DiskId],
) -> Result<(), PlanningError> {
    match layout.pool(pool) {
        Some(pool) => create_groups(meta, layout, pool, present).await,
        None => Ok(()),
    }
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

async fn create_groups(
    meta: &MetaClient,
    layout: &Layout,
    pool: &Pool,
    present: &[DiskId],
) -> Result<(), PlanningError> {
    let mut group_counts: HashMap<DiskId, u32> = HashMap::new();
    for group in &layout.topology().placement_groups {
        for disk in &group.members {
            *group_counts.entry(*disk).or_default() += 1;
        }
    }
    let candidates: Vec<Candidate> = present
        .iter()
        .filter_map(|disk| layout.disk(*disk))
        .map(|disk| Candidate {
            disk: disk.id,
            node: disk.node,
            location: layout
                .node(disk.node)
                .map_or_else(Location::default, |node| node.location.clone()),
            capacity_bytes: disk.capacity_bytes,
            group_count: group_counts.get(&disk.id).copied().unwrap_or(0),
        })
        .collect();
    let count = (candidates.len() * GROUPS_PER_DISK / pool.profile.width()).clamp(8, MAX_GROUPS);
    let create = RootMutation::CreatePlacementGroups {
        pool: pool.id,
        topology_epoch: layout.topology().epoch,
        members: plan(pool.profile, &candidates, count)?,
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
