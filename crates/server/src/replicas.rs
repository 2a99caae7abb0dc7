//! The metadata of `dev`: as many replicas as the directories allow, joined by gRPC over memory.
//!
//! A directory that was lost comes back empty. Its replica is made anew under an id that was never used, takes what the others
//! have, and takes the place of the lost one: a log that forgot what it had acknowledged must never vote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_meta::{GroupStatus, Meta, MetaConfig};
use cairn_rpc::channel::{InProcess, Incoming, in_process};
use cairn_rpc::identity::Check;
use cairn_runtime::{Tasks, random};
use cairn_types::id::{ClusterId, NodeId};
use futures::future::{join_all, select_all};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::composition::Surroundings;
use crate::config::Config;
use crate::directories::Directories;

/// Time between two attempts to bring a new replica in; it doubles up to the second.
const JOIN_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The replicas that are there.
#[derive(Clone)]
pub(crate) struct Replicas {
    cluster: ClusterId,
    running: Vec<Replica>,
}

#[derive(Clone)]
struct Replica {
    node: NodeId,
    meta: Arc<Meta>,
    way: InProcess,
}

/// The ends of the pipes to all replicas, by node.
type Ways = BTreeMap<NodeId, InProcess>;

impl Replicas {
    /// Opens all replicas, and makes the cluster where it is not there yet. Returns when all groups have leaders.
    pub(crate) async fn start(
        config: &Config,
        directories: &Directories,
        surroundings: &Surroundings,
        tasks: &Tasks,
    ) -> Result<Self> {
        let cluster = directories
            .cluster
            .unwrap_or_else(|| ClusterId::new(random::u128()));
        let places = places(directories);
        let (ways, ends): (Ways, Vec<Incoming>) = pipes(&places);
        let opening = places
            .iter()
            .map(|(node, dir)| open(config, *node, dir, &ways, surroundings, tasks));
        // All of them, even when one fails: opening is not to be cut short.
        let opened: Result<Vec<_>> = join_all(opening).await.into_iter().collect();
        let mut running = Vec::new();
        for ((node, meta), end) in opened?.into_iter().zip(ends) {
            serve(&meta, cluster, end, surroundings, tasks);
            let way = ways.get(&node).context("every node has a pipe")?.clone();
            running.push(Replica { node, meta, way });
        }
        let replicas = Self { cluster, running };
        replicas.form(config.s3.region.clone()).await?;
        replicas.replace_lost(directories.replica_count, tasks)?;
        Ok(replicas)
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// A channel to each replica.
    pub(crate) fn channels(&self) -> Vec<(NodeId, Channel)> {
        let channels = self.running.iter();
        channels
            .map(|replica| (replica.node, replica.way.channel()))
            .collect()
    }

    /// Whether every group has a leader.
    pub(crate) fn is_ready(&self) -> bool {
        self.running.iter().any(|replica| replica.meta.is_ready())
    }

    /// Resolves when a replica must not go on, and why. Cancel safe.
    pub(crate) async fn failed(&self) -> String {
        let failures = self.running.iter();
        let failures = failures.map(|replica| Box::pin(replica.meta.failed()));
        let (failure, _, _) = select_all(failures).await;
        failure.to_string()
    }

    /// Closes all replicas.
    pub(crate) async fn close(&self) {
        join_all(self.running.iter().map(|replica| replica.meta.close())).await;
    }

    /// Makes the cluster, or finishes making it, or elects leaders of one that was made.
    async fn form(&self, region: String) -> Result<()> {
        for replica in &self.running {
            replica.meta.join(self.cluster).await?;
        }
        let mut most = None;
        for replica in &self.running {
            let groups = replica.meta.status()?;
            if groups.iter().any(|group| !group.voters.is_empty()) {
                let entries: u64 = groups.iter().map(|group| group.last_log_index).sum();
                if most.as_ref().is_none_or(|(known, _, _)| entries > *known) {
                    most = Some((entries, replica, groups));
                }
            }
        }
        let (first, members) = match &most {
            None => (self.first()?, self.nodes()),
            Some((_, replica, groups)) => (*replica, voters(groups)),
        };
        if members.len() > 1 {
            first.meta.stand_for_election().await;
        }
        let members = members.into_iter().map(|node| (node, String::new()));
        // Safe to repeat: a start that was cut short in the middle of it is finished here.
        first
            .meta
            .genesis(self.cluster, region, members.collect())
            .await
            .context("bring up the metadata: are too many of its directories missing?")?;
        Ok(())
    }

    /// Sees to it that new replicas take the places of lost ones, up to `count`, however long that takes.
    fn replace_lost(&self, count: usize, tasks: &Tasks) -> Result<()> {
        let groups = self.first()?.meta.status()?;
        let voters = voters(&groups);
        let present = self.nodes();
        // Those that vote already go first: one that comes back after it was replaced is not needed.
        let kept = voters.intersection(&present);
        let members: BTreeSet<NodeId> = kept
            .chain(present.difference(&voters))
            .take(count)
            .copied()
            .collect();
        if members.is_subset(&voters) {
            return Ok(());
        }
        tracing::info!(?voters, ?members, "replacing lost replicas of the metadata");
        let replicas = self.clone();
        tasks.spawn("replace lost replicas", async move {
            let (first_pause, longest) = JOIN_PAUSES;
            let mut pause = first_pause;
            while let Err(reason) = replicas.change_members(&members).await {
                // Members hear of a change a little later than it happens.
                if pause > first_pause {
                    tracing::warn!(reason, "lost replicas of the metadata are not replaced yet");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            tracing::info!(voters = ?members, "the replicas of the metadata are whole");
        });
        Ok(())
    }

    /// Asks every replica, since each leads some groups.
    async fn change_members(&self, members: &BTreeSet<NodeId>) -> Result<(), String> {
        let wanted: BTreeMap<NodeId, String> =
            members.iter().map(|node| (*node, String::new())).collect();
        for replica in &self.running {
            let changed = replica.meta.change_members(wanted.clone()).await;
            changed.map_err(|error| error.to_string())?;
        }
        let of_members = self
            .running
            .iter()
            .filter(|replica| members.contains(&replica.node));
        for replica in of_members {
            let groups = replica.meta.status().map_err(|error| error.to_string())?;
            if groups.iter().any(|group| {
                let voters: BTreeSet<NodeId> = group.voters.iter().copied().collect();
                voters != *members
            }) {
                return Err(format!("node {} does not know of it yet", replica.node));
            }
        }
        Ok(())
    }

    fn first(&self) -> Result<&Replica> {
        self.running.first().context("there is a directory")
    }

    fn nodes(&self) -> BTreeSet<NodeId> {
        self.running.iter().map(|replica| replica.node).collect()
    }
}

/// Which node is where: those that are there, and new ones with ids that were never used.
fn places(directories: &Directories) -> Vec<(NodeId, PathBuf)> {
    let mut places = directories.replicas.clone();
    let is_new = places.is_empty();
    for (number, dir) in (1..).zip(&directories.vacant) {
        let node = if is_new {
            NodeId::new(number)
        } else {
            // Half of the bits, so that people can still tell two of them apart.
            NodeId::new(u64::from(random::u32()) | 1 << 32)
        };
        places.push((node, dir.clone()));
    }
    places
}

fn pipes(places: &[(NodeId, PathBuf)]) -> (Ways, Vec<Incoming>) {
    let mut ways = Ways::new();
    let mut ends = Vec::new();
    for (node, _) in places {
        let (way, end) = in_process();
        ways.insert(*node, way);
        ends.push(end);
    }
    (ways, ends)
}

async fn open(
    config: &Config,
    node: NodeId,
    dir: &std::path::Path,
    ways: &Ways,
    surroundings: &Surroundings,
    tasks: &Tasks,
) -> Result<(NodeId, Arc<Meta>)> {
    let mut meta_config = MetaConfig::new(dir, node);
    meta_config.data_groups = 1;
    meta_config.snapshot_entries = config.meta.snapshot_entries;
    let ways = ways.clone();
    // Whoever is not there any more has a pipe that nobody listens to.
    let (nowhere, _) = in_process();
    meta_config.dial = Arc::new(move |node, _| Ok(ways.get(&node).unwrap_or(&nowhere).channel()));
    let clock = Arc::clone(&surroundings.clock);
    let meta = Meta::open(meta_config, clock, tasks, &surroundings.metrics).await?;
    Ok((node, Arc::new(meta)))
}

fn serve(
    meta: &Meta,
    cluster: ClusterId,
    end: Incoming,
    surroundings: &Surroundings,
    tasks: &Tasks,
) {
    let (metadata, replication) = meta.services();
    let router = cairn_rpc::server::builder(&surroundings.metrics)
        .add_service(InterceptedService::new(metadata, Check::new(cluster)))
        .add_service(replication);
    crate::composition::serve("meta service", tasks, router.serve_with_incoming(end));
}

/// Who votes in any of the groups.
fn voters(groups: &[GroupStatus]) -> BTreeSet<NodeId> {
    let voters = groups.iter().flat_map(|group| group.voters.iter().copied());
    voters.collect()
}
