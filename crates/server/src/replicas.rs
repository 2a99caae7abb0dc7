//! The metadata of `dev`: as many replicas as the directories allow, joined by gRPC over memory.
//!
//! A directory that was lost comes back empty. Its replica is made anew under an id that was never used, takes what the others
//! have, and takes the place of the lost one: a log that forgot what it had acknowledged must never vote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use cairn_meta::{DatabaseError, Dial, GroupStatus, LabelError, Meta, MetaConfig, OpenError};
use cairn_rpc::channel::{InProcess, in_process};
use cairn_rpc::identity::{Check, META_CALLERS};
use cairn_runtime::{Tasks, random};
use cairn_types::id::{ClusterId, NodeId};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
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

/// The ways to all replicas, by node; a replica that is made anew is added.
type Ways = Arc<RwLock<BTreeMap<NodeId, InProcess>>>;

/// What opening and serving a replica takes.
struct Opener<'a> {
    config: &'a Config,
    cluster: ClusterId,
    ways: Ways,
    surroundings: &'a Surroundings,
    tasks: &'a Tasks,
}

impl Replicas {
    /// Opens all replicas, and makes the cluster where it is not there yet. Returns when all groups have leaders.
    ///
    /// A replica that is damaged is set aside and made anew, if the others are a majority: a log that lost something must not
    /// vote.
    pub(crate) async fn start(
        config: &Config,
        directories: &Directories,
        surroundings: &Surroundings,
        tasks: &Tasks,
    ) -> Result<Self> {
        let cluster = directories
            .cluster
            .unwrap_or_else(|| ClusterId::new(random::u128()));
        let opener = Opener {
            config,
            cluster,
            ways: Ways::default(),
            surroundings,
            tasks,
        };
        let places = places(directories);
        // All of them, even when one fails: opening is not to be cut short.
        let opening = places.iter().map(|(node, dir)| opener.open(*node, dir));
        let results = join_all(opening).await;
        let mut replicas = Self {
            cluster,
            running: Vec::new(),
        };
        let mut damaged: Vec<(PathBuf, anyhow::Error)> = Vec::new();
        for ((_, dir), result) in places.into_iter().zip(results) {
            match result {
                Ok(replica) => replicas.running.push(replica),
                Err(error) if is_damage(&error) => damaged.push((dir, error.into())),
                Err(error) => return Err(error.into()),
            }
        }
        for dir in &directories.damaged {
            damaged.push((dir.clone(), anyhow!("the node's label is damaged")));
        }
        replicas.replace_damaged(&opener, damaged).await?;
        replicas
            .form(config.s3.region.clone(), directories.has_disks)
            .await?;
        replicas.replace_lost(directories.replica_count, tasks)?;
        Ok(replicas)
    }

    /// Sets damaged replicas aside and opens new ones in their places, if the others can go on without them.
    async fn replace_damaged(
        &mut self,
        opener: &Opener<'_>,
        damaged: Vec<(PathBuf, anyhow::Error)>,
    ) -> Result<()> {
        let mut voting = BTreeSet::new();
        for replica in &self.running {
            voting.extend(voters(&replica.meta.status()?));
        }
        let intact = voting.intersection(&self.nodes()).count();
        for (dir, error) in damaged {
            if intact * 2 <= voting.len() {
                return Err(error);
            }
            let aside = set_aside(&dir).context("set a damaged replica of the metadata aside")?;
            let (dir_text, aside) = (dir.display(), aside.display());
            tracing::warn!(error = format!("{error:#}"), dir = %dir_text, %aside, "a damaged replica of the metadata is made anew");
            self.running.push(opener.open(new_node(), &dir).await?);
        }
        Ok(())
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

    /// Resolves when so many replicas have failed that the others are no majority, and says why the last one did. Cancel safe
    /// in so far as nothing is lost; failures are logged again when it is called again.
    pub(crate) async fn failed(&self) -> String {
        let mut failures: FuturesUnordered<_> = self
            .running
            .iter()
            .map(|replica| async move { (replica.node, replica.meta.failed().await) })
            .collect();
        let mut failed_count = 0;
        while let Some((node, failure)) = failures.next().await {
            failed_count += 1;
            if failed_count * 2 >= self.running.len() {
                return failure.to_string();
            }
            tracing::error!(%node, %failure, "a replica of the metadata has failed; it is replaced at the next start");
        }
        "there are no replicas".to_owned()
    }

    /// Closes all replicas.
    pub(crate) async fn close(&self) {
        join_all(self.running.iter().map(|replica| replica.meta.close())).await;
    }

    /// Makes the cluster, or finishes making it, or elects leaders of one that was made.
    async fn form(&self, region: String, has_disks: bool) -> Result<()> {
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
        if most.is_none() && has_disks {
            // An empty cluster would take all that the disks hold for orphans.
            bail!(
                "the directories hold disks of a cluster and none of its metadata: name those that are missing, too"
            );
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

impl Opener<'_> {
    /// Opens a replica and serves it to the others.
    async fn open(&self, node: NodeId, dir: &Path) -> Result<Replica, OpenError> {
        let (way, end) = in_process();
        self.ways
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node, way.clone());
        let mut meta_config = MetaConfig::new(dir, node);
        meta_config.data_groups = 1;
        meta_config.snapshot_entries = self.config.meta.snapshot_entries;
        meta_config.dial = dial(&self.ways);
        let clock = Arc::clone(&self.surroundings.clock);
        let metrics = &self.surroundings.metrics;
        let meta = Meta::open(meta_config, clock, self.tasks, metrics).await?;
        let (metadata, replication) = meta.services();
        let router = cairn_rpc::server::builder(metrics)
            .add_service(InterceptedService::new(
                metadata,
                Check::new(self.cluster, node, META_CALLERS),
            ))
            .add_service(replication);
        let serving = router.serve_with_incoming(end);
        crate::composition::serve("meta service", self.tasks, serving);
        Ok(Replica {
            node,
            meta: Arc::new(meta),
            way,
        })
    }
}

/// The way to a node. Whoever is not there any more has a pipe that nobody listens to.
fn dial(ways: &Ways) -> Dial {
    let ways = Arc::clone(ways);
    let (nowhere, _) = in_process();
    Arc::new(move |node, _| {
        let ways = ways.read().unwrap_or_else(PoisonError::into_inner);
        Ok(ways.get(&node).unwrap_or(&nowhere).channel())
    })
}

/// Which node is where: those that are there, and new ones with ids that were never used.
fn places(directories: &Directories) -> Vec<(NodeId, PathBuf)> {
    let mut places = directories.replicas.clone();
    let is_new = places.is_empty();
    for (number, dir) in (1..).zip(&directories.vacant) {
        let node = if is_new {
            NodeId::new(number)
        } else {
            new_node()
        };
        places.push((node, dir.clone()));
    }
    places
}

/// A node id that was never used. Half of the bits are enough for that, and people can still tell two of them apart.
fn new_node() -> NodeId {
    NodeId::new(u64::from(random::u32()) | 1 << 32)
}

/// Whether what is on disk is at fault, and nothing that goes away by itself or belongs to somebody else.
fn is_damage(error: &OpenError) -> bool {
    match error {
        OpenError::Label(LabelError::Damaged { .. })
        | OpenError::Database(DatabaseError::Damaged { .. } | DatabaseError::Io { .. })
        | OpenError::ShortenedLog { .. }
        | OpenError::Watermark { .. }
        | OpenError::Group { .. } => true,
        OpenError::Label(LabelError::Io { .. } | LabelError::Newer { .. })
        | OpenError::Database(DatabaseError::Locked { .. })
        | OpenError::Directory { .. }
        | OpenError::OtherNode { .. }
        | OpenError::Config(_)
        | OpenError::Threads(_) => false,
    }
}

/// Moves a directory out of the way; nothing in it is lost. Gives where it is now.
#[expect(
    clippy::disallowed_methods,
    reason = "followed by a sync of the directory"
)]
fn set_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let parent = dir.parent().unwrap_or(dir);
    let aside = (1..1000)
        .map(|number| parent.join(format!("meta.damaged-{number}")))
        .find(|path| !path.exists())
        .ok_or_else(|| std::io::Error::other("there are very many damaged ones already"))?;
    std::fs::rename(dir, &aside)?;
    std::fs::File::open(parent)?.sync_all()?;
    Ok(aside)
}

/// Who votes in any of the groups.
fn voters(groups: &[GroupStatus]) -> BTreeSet<NodeId> {
    let voters = groups.iter().flat_map(|group| group.voters.iter().copied());
    voters.collect()
}
