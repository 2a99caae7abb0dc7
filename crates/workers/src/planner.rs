//! Sees to it that there is a pool to write to, and that its placement groups use all disks.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_client::topology::Layout;
use cairn_client::{MetaClient, ShardClient, TopologyCache};
use cairn_erasure::placement::default_profile;
use cairn_types::cluster::Profile;
use cairn_types::id::{DiskId, GroupId, NodeId, PoolId};

use crate::IsResponsible;
use crate::planning::{PlanningError, disks_of, ensure_pool, extend_pool};

/// How often the topology is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// The same, once there is nothing left to plan.
const INTERVAL_PLANNED: Duration = Duration::from_secs(2);

/// Rounds without another disk, before a profile is chosen by their number: storage nodes that are started together are to
/// be counted together.
const SETTLED_ROUNDS: u32 = 4;

/// Rounds in which planning fails before the log is told again.
const TELL_AGAIN: u32 = 60;

/// Plans for a cluster whose disks come and go.
pub struct Planner {
    /// Tells of the root group whether this process is the one that plans.
    pub is_responsible: IsResponsible,
    /// The way to the root group.
    pub meta: MetaClient,
    /// What is there.
    pub topology: TopologyCache,
    /// Which disks are well.
    pub shards: ShardClient,
    /// The profile of the pool that is written to; `None`: by the number of nodes and disks.
    pub profile: Option<Profile>,
}

/// How a round found the plan.
enum Standing {
    /// There is, or may be, more to do.
    Planning,
    /// All that is there has its place.
    Planned,
}

/// What a round has seen, to tell whether the next one sees the same.
#[derive(Default)]
struct Memory {
    disks: Vec<DiskId>,
    same_rounds: u32,
    failed_rounds: u32,
    /// The pool to which these disks add no groups.
    complete: Option<PoolId>,
}

impl Planner {
    /// Plans until it is dropped. Where disks are too few for the profile it waits for more.
    pub async fn run(self) {
        let mut memory = Memory::default();
        loop {
            let mut pause = INTERVAL;
            if (self.is_responsible)(GroupId::ROOT) {
                match self.round(&mut memory).await {
                    Ok(standing) => {
                        memory.failed_rounds = 0;
                        pause = match standing {
                            Standing::Planning => INTERVAL,
                            Standing::Planned => INTERVAL_PLANNED,
                        };
                    }
                    Err(error) => {
                        if memory.failed_rounds.is_multiple_of(TELL_AGAIN) {
                            let reason = &error as &dyn std::error::Error;
                            tracing::warn!(reason, "there is no place for objects yet");
                        }
                        memory.failed_rounds += 1;
                    }
                }
            } else {
                memory = Memory::default();
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn round(&self, memory: &mut Memory) -> Result<Standing, PlanningError> {
        let layout = self.topology.refresh().await?;
        let present = self.present(&layout);
        memory.see(&present);
        let is_settled = memory.same_rounds >= SETTLED_ROUNDS;
        let pool = layout.pool(layout.topology().write_pool);
        let wanted = match (self.profile, pool) {
            (Some(profile), _) => profile,
            (None, _) if !is_settled => return Ok(Standing::Planning),
            // Wider when the cluster has grown, and never narrower: nodes that are away come back.
            (None, pool) => {
                let fitting = fitting_profile(&layout, &present);
                pool.map(|pool| pool.profile)
                    .filter(|profile| profile.width() >= fitting.width())
                    .unwrap_or(fitting)
            }
        };
        let is_written_to = pool.is_some_and(|pool| pool.profile == wanted);
        if is_written_to {
            return self.extend(&layout, &present, memory).await;
        }
        let pool = ensure_pool(&self.meta, &self.topology, wanted, &present).await?;
        tracing::info!(profile = %wanted, pool = pool.get(), disks = present.len(), "objects have a place");
        Ok(Standing::Planning)
    }

    /// Sees to it that the pool that is written to uses all disks.
    async fn extend(
        &self,
        layout: &Layout,
        present: &[DiskId],
        memory: &mut Memory,
    ) -> Result<Standing, PlanningError> {
        let pool = layout.topology().write_pool;
        let is_settled = memory.same_rounds >= SETTLED_ROUNDS;
        if !is_settled {
            return Ok(Standing::Planning);
        }
        if memory.complete == Some(pool) || covers(layout, pool, present) {
            return Ok(Standing::Planned);
        }
        if !extend_pool(&self.meta, layout, pool, present).await? {
            tracing::info!(
                "some disks stay without objects: they are too small beside the others, or too few"
            );
            memory.complete = Some(pool);
        }
        Ok(Standing::Planning)
    }

    /// The disks that are not known to be away.
    fn present(&self, layout: &Layout) -> Vec<DiskId> {
        let disks = layout.topology().disks.iter().map(|disk| disk.id);
        disks
            .filter(|disk| self.shards.is_writable(*disk))
            .collect()
    }
}

impl Memory {
    fn see(&mut self, disks: &[DiskId]) {
        if self.disks == disks {
            self.same_rounds += 1;
        } else {
            self.disks = disks.to_vec();
            self.same_rounds = 0;
            self.complete = None;
        }
    }
}

fn fitting_profile(layout: &Layout, present: &[DiskId]) -> Profile {
    let nodes: BTreeSet<NodeId> = present
        .iter()
        .filter_map(|disk| layout.disk(*disk))
        .map(|disk| disk.node)
        .collect();
    default_profile(present.len(), nodes.len())
}

/// Whether every disk is in one of the pool's groups.
fn covers(layout: &Layout, pool: PoolId, disks: &[DiskId]) -> bool {
    let members = disks_of(layout, pool);
    disks.iter().all(|disk| members.contains(disk))
}
