//! Finding a place for a blob, and making one where the write pool has none.
//!
//! Where too many disks are away, blobs go to groups over those that are live, which are made on demand and used until the
//! write pool can take blobs again.

use std::time::Duration;

use cairn_client::topology::Layout;
use cairn_client::{MutateError, QueryError};
use cairn_erasure::placement::{Candidate, PlacementError, plan};
use cairn_runtime::random;
use cairn_types::cluster::{Location, Pool};
use cairn_types::id::{DiskId, PoolId};
use cairn_types::namespace::{Refusal, RootMutation};

use crate::engine::Shared;
use crate::placing::{Choice, Live, NoPlace, Place, choose};

/// Looks at the topology when others change it meanwhile. One makes the pool, one the group, the others are for those.
const TRIES: usize = 6;

/// How soon it is looked again when too few nodes are live.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// There is nowhere to put a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindPlaceError {
    /// By what is known of disks.
    #[error(transparent)]
    None(#[from] NoPlace),
    /// It is not known.
    #[error("look at the topology: {0}")]
    Look(#[from] QueryError),
    /// A group over the live disks could not be made.
    #[error("make a fallback group: {0}")]
    Make(#[from] MutateError),
    /// The live disks are no group.
    #[error("make a fallback group: {0}")]
    Plan(#[from] PlacementError),
    /// Others were faster each time.
    #[error("the topology changes all the time")]
    Restless,
}

/// Where the next blob goes. Looks at the newest topology, or makes a fallback group, when there is no place in the one known;
/// where too few nodes are live, waits a while for some that start again.
///
/// # Errors
/// Certain to have written nothing.
pub(crate) async fn find_place(shared: &Shared) -> Result<Place, FindPlaceError> {
    let give_up_at = shared.clock.monotonic() + shared.config.disk_patience;
    loop {
        let found = find_now(shared).await;
        let is_short = matches!(&found, Err(FindPlaceError::None(NoPlace::Nodes { .. })));
        if !is_short || shared.clock.monotonic() + LOOK_AGAIN > give_up_at {
            return found;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn find_now(shared: &Shared) -> Result<Place, FindPlaceError> {
    if let Ok(Choice::Place(place)) = choose_now(shared, &shared.topology.current()) {
        return Ok(place);
    }
    for _ in 0..TRIES {
        // All who need it ask together, so that they also fail together when nobody answers.
        let newest = shared.topology.refresh().await?;
        let live = match choose_now(shared, &newest)? {
            Choice::Place(place) => return Ok(place),
            Choice::Fallback(live) => live,
        };
        match shared.making_fallback.try_lock() {
            Ok(_turn) => make(shared, &newest, &live).await?,
            // Somebody is at it: look again when that is over.
            Err(_) => drop(shared.making_fallback.lock().await),
        }
    }
    Err(FindPlaceError::Restless)
}

fn choose_now(shared: &Shared, layout: &Layout) -> Result<Choice, NoPlace> {
    choose(layout, &shared.shards, random::below)
}

/// Takes the next step towards a fallback group: its pool, or the group itself.
async fn make(shared: &Shared, layout: &Layout, live: &Live) -> Result<(), FindPlaceError> {
    let pools = &layout.topology().pools;
    let is_wanted = |pool: &&Pool| pool.is_fallback && pool.profile == live.profile;
    let step = if let Some(pool) = pools.iter().find(is_wanted) {
        RootMutation::CreatePlacementGroups {
            pool: pool.id,
            topology_epoch: layout.topology().epoch,
            members: plan(live.profile, &candidates(layout, &live.disks), 1)?,
        }
    } else {
        let last = pools.iter().map(|pool| pool.id.get()).max();
        RootMutation::CreatePool {
            id: PoolId::new(last.unwrap_or(0) + 1),
            name: format!("fallback {}", live.profile),
            profile: live.profile,
            cell_len: live.cell_len,
            is_fallback: true,
        }
    };
    match shared.meta.change_root(step).await {
        Ok(_) => {
            tracing::info!(profile = %live.profile, disks = ?live.disks, "too many disks are away, blobs go to others");
            Ok(())
        }
        // Somebody else was faster, or it may have happened: look again.
        Err(
            MutateError::Refused(Refusal::TopologyConflict { .. }) | MutateError::Unknown { .. },
        ) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn candidates(layout: &Layout, disks: &[DiskId]) -> Vec<Candidate> {
    let disks = disks.iter().filter_map(|disk| layout.disk(*disk));
    let candidates = disks.map(|disk| Candidate {
        disk: disk.id,
        node: disk.node,
        location: layout
            .node(disk.node)
            .map_or_else(Location::default, |node| node.location.clone()),
        capacity_bytes: disk.capacity_bytes,
        group_count: 0,
    });
    candidates.collect()
}
