//! What happens later.
//!
//! - `planning` makes pools and placement groups that fit the disks there are; `planner` does so whenever disks are added.
//! - `reclaim` removes the shards of blobs that were freed: replaced, deleted, aborted.
//! - `collect` finds blobs that nothing ever referred to (a gateway died in the middle of a PUT) and removes them, after a
//!   commit that forbids them for good.
//!
//! The last two can be repeated and interrupted at any point, and several processes may do the same at once: each step is
//! idempotent. So that they do not, each does it for the groups that it is told it is responsible for.

pub mod collect;
mod planner;
pub mod planning;
pub mod reclaim;
mod removal;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_client::{Blobs, ShardClient, TopologyCache};
use cairn_runtime::{Metrics, SharedClock, Tasks};
use cairn_types::id::GroupId;

pub use planner::Planner;

/// How often, and how late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkersConfig {
    /// Freed blobs are looked for this often.
    pub reclaim_interval: Duration,
    /// Orphans are looked for this often.
    pub collect_interval: Duration,
    /// A blob younger than this is never taken for an orphan: longer than any upload takes.
    pub collect_age: Duration,
}

/// Tells whether this process works for a data group now: the one beside the group's leader does. Asked before each round;
/// does not block.
pub type IsResponsible = Arc<dyn Fn(GroupId) -> bool + Send + Sync + 'static>;

/// What the workers work with.
#[derive(Clone)]
pub struct Workers {
    is_responsible: IsResponsible,
    blobs: Blobs,
    shards: ShardClient,
    topology: TopologyCache,
    clock: SharedClock,
    metrics: Metrics,
}

impl Workers {
    /// Workers on a cluster, for the groups that `is_responsible` is true of.
    pub fn new(
        is_responsible: IsResponsible,
        blobs: Blobs,
        shards: ShardClient,
        topology: TopologyCache,
        clock: SharedClock,
        metrics: Metrics,
    ) -> Self {
        Self {
            is_responsible,
            blobs,
            shards,
            topology,
            clock,
            metrics,
        }
    }

    /// Starts them; they end with `tasks`.
    pub fn start(&self, config: WorkersConfig, tasks: &Tasks) {
        let workers = self.clone();
        tasks.spawn_essential("reclaim", async move {
            reclaim::run(&workers, config.reclaim_interval).await;
        });
        let workers = self.clone();
        tasks.spawn_essential("collect", async move {
            collect::run(&workers, config.collect_interval, config.collect_age).await;
        });
    }

    /// The data groups that this process works for now.
    fn responsibilities(&self) -> BTreeSet<GroupId> {
        let layout = self.topology.current();
        let groups = layout.topology().data_groups.iter().copied();
        groups
            .filter(|group| (self.is_responsible)(*group))
            .collect()
    }
}
