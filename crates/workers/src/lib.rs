//! What happens later.
//!
//! - `planning` makes pools and placement groups that fit the disks there are.
//! - `reclaim` removes the shards of blobs that were freed: replaced, deleted, aborted.
//! - `collect` finds blobs that nothing ever referred to (a gateway died in the middle of a PUT) and removes them, after a
//!   commit that forbids them for good.
//!
//! Both can be repeated and interrupted at any point, and two of them may run at once: each step is idempotent.

pub mod collect;
pub mod planning;
pub mod reclaim;
mod removal;

use std::time::Duration;

use cairn_client::{Blobs, ShardClient, TopologyCache};
use cairn_runtime::{Metrics, SharedClock, Tasks};

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

/// What the workers work with.
#[derive(Clone)]
pub struct Workers {
    blobs: Blobs,
    shards: ShardClient,
    topology: TopologyCache,
    clock: SharedClock,
    metrics: Metrics,
}

impl Workers {
    /// Workers on a cluster.
    pub fn new(
        blobs: Blobs,
        shards: ShardClient,
        topology: TopologyCache,
        clock: SharedClock,
        metrics: Metrics,
    ) -> Self {
        Self {
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
        tasks.spawn("reclaim", async move {
            reclaim::run(&workers, config.reclaim_interval).await;
        });
        let workers = self.clone();
        tasks.spawn("collect", async move {
            collect::run(&workers, config.collect_interval, config.collect_age).await;
        });
    }
}
