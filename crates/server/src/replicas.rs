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
use cairn_runtime::{Tasks, random};
use cairn_types::id::{ClusterId, NodeId};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use tonic::transport::Channel;

use crate::clients::Surroundings;
use crate::config::Config;
use crate::directories::Directories;

/// Time between two attempts to bring a new replica in; it doubles up to the second.
const JOIN_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Data groups of the cluster: one, on one machine.
const DATA_GROUPS: u16 = 1;

/// Bytes of log that each replica keeps: they start and end together, so none is far behind, and a laptop is not to be filled.
const LOG_BYTES: u64 = 64 * 1024 * 1024;

/// The replicas that are there.
#[derive(Clone)]
pub(crate) struct Replicas {
    cluster: ClusterId,
    running: Vec<Replica>,
    /// How many there are with those that vote and do not run.
    count: usize,
}

#[derive(Clone)]
struct Replica {
    node: NodeId,
    meta: Arc<Meta>,
    way: InProcess,
}

/// The ways to all replicas, by node; a replica that is made anew is added.
type Ways = Arc<RwLock<BTreeMap<NodeId, InProcess>>>;

/// A directory whose replica could not be opened.
struct Unusable {
    dir: PathBuf,
    remedy: Remedy,
    error: anyhow::Error,
}

/// What the others can do about a replica that cannot be opened, if they are a majority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// What is on disk is at fault: set it aside and make a new one.
    Replace,
    /// The system says no (no room, no file descriptors, no permission): it may be whole. Go on without it.
    LeaveOut,
}

/// What opening and serving a replica takes.
struct Opener<'a> {
    config: &'a Config,
    ways: Ways,
    surroundings: &'a Surroundings,
    tasks: &'a Tasks,
}

impl Replicas {
    /// Opens all replicas, and makes the cluster where it is not there yet. Returns when all groups have leaders.
    ///
    /// If the others are a majority, a replica that is damaged is set aside and made anew, because a log that lost something
    /// must not vote, and one that cannot be opened for another reason is left out this time.
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
            count: 0,
        };
        let mut unusable: Vec<Unusable> = Vec::new();
        for ((_, dir), result) in places.into_iter().zip(results) {
            match result {
                Ok(replica) => replicas.running.push(replica),
                Err(error) => {
                    let Some(remedy) = remedy(&error) else {
                        return Err(error.into());
                    };
                    let error = error.into();
                    unusable.push(Unusable { dir, remedy, error });
                }
            }
        }
        unusable.extend(directories.damaged.iter().map(|dir| Unusable {
            dir: dir.clone(),
            remedy: Remedy::Replace,
            error: anyhow!("the node's label is damaged"),
        }));
        replicas.go_on_without(&opener, unusable).await?;
        let chosen = replicas
            .form(config.s3.region.clone(), directories.has_disks)
            .await?;
        replicas.replace_lost(&chosen, directories.replica_count, tasks)?;
        Ok(replicas)
    }

    /// Opens new replicas in the places of damaged ones, and leaves out what cannot be opened, if the others are a majority.
    async fn go_on_without(&mut self, opener: &Opener<'_>, unusable: Vec<Unusable>) -> Result<()> {
        let voting = match self.most_advanced()? {
            Some((_, groups)) => voters(&groups),
            None => BTreeSet::new(),
        };
        let intact = voting.intersection(&self.nodes()).count();
        for Unusable { dir, remedy, error } in unusable {
            if intact * 2 <= voting.len() {
                return Err(error);
            }
            let (text, dir_text) = (format!("{error:#}"), dir.display());
            if remedy == Remedy::LeaveOut {
                tracing::warn!(error = text, dir = %dir_text, "a replica of the metadata cannot be opened and is left out");
                continue;
            }
            match opener.renew(&dir).await {
                Ok((aside, replica)) => {
                    let aside = aside.display();
                    tracing::warn!(error = text, dir = %dir_text, %aside, "a damaged replica of the metadata is made anew");
                    self.running.push(replica);
                }
                Err(failure) => {
                    let failure = format!("{failure:#}");
                    tracing::warn!(error = text, dir = %dir_text, failure, "a damaged replica of the metadata cannot be made anew and is left out");
                }
            }
        }
        self.count = self.running.len().max(voting.len());
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
            if self.running.len().saturating_sub(failed_count) * 2 <= self.count {
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

    /// The replica whose logs are the longest of those that know who votes, and what its groups are doing. One that comes back
    /// after it was voted out may know of voters that are none any more.
    fn most_advanced(&self) -> Result<Option<(Replica, Vec<GroupStatus>)>> {
        let mut most = None;
        for replica in &self.running {
            let groups = replica.meta.status()?;
            if groups.iter().any(|group| !group.voters.is_empty()) {
                let entries: u64 = groups.iter().map(|group| group.last_log_index).sum();
                if most.as_ref().is_none_or(|(known, _, _)| entries > *known) {
                    most = Some((entries, replica.clone(), groups));
                }
            }
        }
        Ok(most.map(|(_, replica, groups)| (replica, groups)))
    }

    /// Makes the cluster, or finishes making it, or elects leaders of one that was made. Gives the replica that knows best who
    /// votes.
    async fn form(&self, region: String, has_disks: bool) -> Result<Replica> {
        for replica in &self.running {
            replica.meta.join(self.cluster, DATA_GROUPS).await?;
        }
        let most = self.most_advanced()?;
        if most.is_none() && has_disks {
            // An empty cluster would take all that the disks hold for orphans.
            bail!(
                "the directories hold disks of a cluster and none of its metadata: name those that are missing, too"
            );
        }
        let (first, members) = match most {
            None => (self.first()?.clone(), self.nodes()),
            Some((replica, groups)) => (replica, voters(&groups)),
        };
        let present: Vec<NodeId> = members.intersection(&self.nodes()).copied().collect();
        if present.len() * 2 <= members.len() {
            let voters: Vec<NodeId> = members.iter().copied().collect();
            tracing::warn!(
                ?present,
                ?voters,
                "waiting for more replicas of the metadata: are directories missing?"
            );
        }
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
        Ok(first)
    }

    /// Sees to it that new replicas take the places of lost ones, up to `count`, however long that takes. Who votes is asked of
    /// `chosen`.
    fn replace_lost(&self, chosen: &Replica, count: usize, tasks: &Tasks) -> Result<()> {
        let voters = voters(&chosen.meta.status()?);
        let Some(members) = replacement(&voters, &self.nodes(), count) else {
            return Ok(());
        };
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
    /// Sets what is in a directory aside and opens a new replica there. Gives where the old one is now.
    async fn renew(&self, dir: &Path) -> Result<(PathBuf, Replica)> {
        let aside = set_aside(dir).context("set it aside")?;
        let replica = self.open(new_node(), dir).await;
        Ok((aside, replica.context("open a new one")?))
    }

    /// Opens a replica and serves it to the others.
    async fn open(&self, node: NodeId, dir: &Path) -> Result<Replica, OpenError> {
        // One that was opened and never joined keeps the id that it got then.
        let node = cairn_meta::node_of(dir)?.unwrap_or(node);
        let (way, end) = in_process();
        self.ways
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node, way.clone());
        let mut meta_config = MetaConfig::new(dir);
        meta_config.proposed_node = Some(node);
        meta_config.data_groups = DATA_GROUPS;
        meta_config.log_bytes = LOG_BYTES;
        meta_config.snapshot_entries = self.config.meta.snapshot_entries;
        meta_config.dial = dial(&self.ways);
        let clock = Arc::clone(&self.surroundings.clock);
        let metrics = &self.surroundings.metrics;
        let meta = Meta::open(meta_config, clock, self.tasks, metrics).await?;
        let (metadata, replication) = meta.services();
        let router = cairn_rpc::server::builder(metrics)
            .add_service(metadata)
            .add_service(replication);
        let serving = router.serve_with_incoming(end);
        crate::clients::serve("meta service", self.tasks, serving);
        let meta = Arc::new(meta);
        self.close_with_everything(&meta);
        Ok(Replica { node, meta, way })
    }

    /// Closes a replica when all of the process is told to stop: a start that is cut short has nobody else to do it.
    fn close_with_everything(&self, meta: &Arc<Meta>) {
        let (meta, tasks) = (Arc::downgrade(meta), self.surroundings.tasks.clone());
        let closing = async move {
            tasks.stopped().await;
            if let Some(meta) = meta.upgrade() {
                meta.close().await;
            }
        };
        let tasks = &self.surroundings.tasks;
        tasks.spawn_until_done("close a replica", closing);
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

/// What can be done about it; nothing where somebody is to look first.
fn remedy(error: &OpenError) -> Option<Remedy> {
    match error {
        OpenError::Label(LabelError::Damaged { .. })
        | OpenError::Database(DatabaseError::Damaged { .. })
        | OpenError::ShortenedLog { .. }
        | OpenError::Watermark { .. }
        | OpenError::Unlabelled { .. }
        | OpenError::Group { .. } => Some(Remedy::Replace),
        OpenError::Label(LabelError::Io { .. })
        | OpenError::Database(DatabaseError::Io { .. })
        | OpenError::Directory { .. } => Some(Remedy::LeaveOut),
        OpenError::Label(LabelError::Newer { .. })
        | OpenError::Database(DatabaseError::Locked { .. })
        | OpenError::OtherNode { .. }
        | OpenError::Foreign { .. }
        | OpenError::Config(_)
        | OpenError::Threads(_) => None,
    }
}

/// Who is to vote, if that is anybody who does not vote yet. Those that vote already go first: one that comes back after it was
/// replaced is not needed.
fn replacement(
    voters: &BTreeSet<NodeId>,
    present: &BTreeSet<NodeId>,
    count: usize,
) -> Option<BTreeSet<NodeId>> {
    let kept = voters.intersection(present);
    let members: BTreeSet<NodeId> = kept
        .chain(present.difference(voters))
        .take(count)
        .copied()
        .collect();
    (!members.is_subset(voters)).then_some(members)
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

#[cfg(test)]
mod tests {
    use cairn_runtime::{Metrics, SystemClock};

    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            clock: SystemClock::shared(),
            metrics: Metrics::new(),
            tasks: Tasks::new(),
        }
    }

    async fn start(paths: &[PathBuf]) -> Result<(Replicas, Tasks)> {
        let directories = Directories::prepare(paths)?;
        let (config, surroundings) = (Config::default(), surroundings());
        let tasks = surroundings.tasks.child();
        let replicas = Replicas::start(&config, &directories, &surroundings, &tasks).await?;
        Ok((replicas, tasks))
    }

    async fn stop((replicas, tasks): (Replicas, Tasks)) {
        assert!(tasks.stop_and_join(Duration::from_secs(10)).await);
        replicas.close().await;
    }

    /// Who votes, by the word of the one that knows best.
    fn voting(replicas: &Replicas) -> BTreeSet<NodeId> {
        let (_, groups) = replicas.most_advanced().unwrap().unwrap();
        voters(&groups)
    }

    async fn until_all_vote(replicas: &Replicas) {
        let all = async {
            while voting(replicas) != replicas.nodes() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert!(done.is_ok(), "{:?}", voting(replicas));
    }

    fn directories(root: &Path, count: usize) -> Vec<PathBuf> {
        let numbers = 0..count;
        numbers
            .map(|number| root.join(number.to_string()))
            .collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_replica_that_the_system_does_not_let_open_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let paths = directories(root.path(), 3);
        stop(start(&paths).await.unwrap()).await;

        // As without permission, room or file descriptors: an error of the system, and nothing is damaged.
        let obstruct = |at: usize| {
            let (current, kept) = (paths[at].join("meta/db/CURRENT"), paths[at].join("CURRENT"));
            std::fs::copy(&current, kept).unwrap();
            std::fs::remove_file(&current).unwrap();
            std::fs::create_dir(&current).unwrap();
        };
        let clear = |at: usize| {
            let (current, kept) = (paths[at].join("meta/db/CURRENT"), paths[at].join("CURRENT"));
            std::fs::remove_dir(&current).unwrap();
            std::fs::copy(kept, &current).unwrap();
        };
        obstruct(0);
        let without = start(&paths).await.unwrap();
        assert_eq!(without.0.running.len(), 2);
        assert_eq!(voting(&without.0).len(), 3);
        stop(without).await;
        assert!(!paths[0].join("meta.damaged-1").exists());

        obstruct(1);
        assert!(start(&paths).await.is_err(), "one of three is no majority");
        clear(0);
        clear(1);
        let whole = start(&paths).await.unwrap();
        assert_eq!(voting(&whole.0), whole.0.nodes());
        assert_eq!(whole.0.running.len(), 3);
        stop(whole).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_comes_back_after_it_was_replaced_does_not_say_who_votes() {
        let root = tempfile::tempdir().unwrap();
        let mut paths = directories(root.path(), 3);
        stop(start(&paths).await.unwrap()).await;
        let back = std::mem::replace(&mut paths[0], root.path().join("new"));
        for lost in [0, 1] {
            if lost == 1 {
                std::fs::remove_dir_all(&paths[1]).unwrap();
            }
            let replaced = start(&paths).await.unwrap();
            until_all_vote(&replaced.0).await;
            stop(replaced).await;
        }

        let mut with_old = paths.clone();
        with_old.insert(0, back);
        let replicas = start(&with_old).await.unwrap();
        let voting = voting(&replicas.0);
        assert_eq!(replicas.0.running.len(), 4);
        assert!(!voting.contains(&replicas.0.running[0].node), "{voting:?}");
        assert_eq!(replacement(&voting, &replicas.0.nodes(), 3), None);
        let tasks = replicas.1.len();
        assert_eq!(tasks, 4, "one service each, and nothing is replaced");
        stop(replicas).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_empty_cluster_is_never_made_over_disks_that_were_in_use() {
        let root = tempfile::tempdir().unwrap();
        let (config, surroundings) = (Config::default(), surroundings());
        let opener = Opener {
            config: &config,
            ways: Ways::default(),
            surroundings: &surroundings,
            tasks: &surroundings.tasks,
        };
        // It has joined and has heard of nobody yet: somebody else has the metadata.
        let replica = opener.open(new_node(), root.path()).await.unwrap();
        let replicas = Replicas {
            cluster: ClusterId::new(7),
            running: vec![replica],
            count: 1,
        };
        let refused = replicas.form("us-east-1".to_owned(), true).await;
        let text = refused.err().map(|error| format!("{error:#}"));
        assert!(
            text.as_ref()
                .is_some_and(|text| text.contains("name those that are missing")),
            "{text:?}"
        );
        assert_eq!(replicas.most_advanced().unwrap().map(|_| ()), None);
        replicas.close().await;
    }

    #[test]
    fn who_votes_already_goes_on_voting() {
        let nodes =
            |ids: &[u64]| -> BTreeSet<NodeId> { ids.iter().copied().map(NodeId::new).collect() };
        for (voters, present, wanted) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], None),
            (&[1, 2, 3], &[1, 2], None),
            (&[1, 2, 3], &[1, 2, 9], Some(&[1, 2, 9][..])),
            (&[4, 5, 6], &[1, 4, 5, 6], None),
            (&[4, 5, 6], &[1, 2, 5, 6], Some(&[1, 5, 6])),
        ] {
            let found = replacement(&nodes(voters), &nodes(present), 3);
            assert_eq!(found, wanted.map(nodes), "{voters:?} {present:?}");
        }
    }
}
