//! `cairn storage`: the disks of a node.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cairn_admin::Readiness;
use cairn_client::{MetaClient, TopologyCache};
use cairn_rpc::identity::{Check, Introduce, Role, STORAGE_CALLERS};
use cairn_rpc::socket::{Dialer, Incoming, listen};
use cairn_runtime::{Tasks, random};
use cairn_storage::{DiskInfo, Storage, StorageConfig, identify, identify_all};
use cairn_types::cluster::{Disk, Location, StorageNode, Topology};
use cairn_types::id::{ClusterId, DiskId, NodeId};
use futures::future::join_all;
use tonic::service::interceptor::InterceptedService;

use super::{Process, discovery, registration, unless_stopped};
use crate::clients;
use crate::open_files::{self, Needs};
use crate::signals::Signals;

/// How long the disks have to say whose they are; later ones have no say.
const LABEL_LIMIT: Duration = Duration::from_secs(10);

/// A storage node that runs.
struct Running {
    storage: Arc<Storage>,
    client: MetaClient,
    row: StorageNode,
    /// The disks that the cluster was told of last.
    told: Vec<DiskInfo>,
}

/// Serves until a signal.
pub(super) async fn serve(process: Process, signals: &mut Signals) -> Result<()> {
    let surroundings = &process.surroundings;
    open_files::raise_for(Needs {
        disks: process.config.storage.directories.len(),
        ..Needs::default()
    })?;
    let (services, clients) = (surroundings.tasks.child(), surroundings.tasks.child());
    let (address, incoming) = listen(&process.config.node.address, &surroundings.metrics)
        .await
        .with_context(|| super::in_use(&process.config.node.address, "node.address"))?;
    tracing::info!(%address, "the storage node is listening");
    let starting = start(&process, incoming, &services);
    let Some(running) = Box::pin(unless_stopped(signals, starting)).await? else {
        return Ok(());
    };
    let storage = Arc::clone(&running.storage);
    process.state.set({
        let storage = Arc::clone(&storage);
        move || {
            if storage.disks().is_empty() {
                Readiness::NotReady("no-disk-in-service")
            } else {
                Readiness::Ready
            }
        }
    });
    clients.spawn_essential("keep registered", keep_registered(running));
    let stop = signals.stop_requested().await;
    if let Ok(signal) = &stop {
        tracing::info!(signal, "stopping");
    }
    process.state.set(|| Readiness::NotReady("stopping"));
    clients::end(&clients).await;
    clients::end(&services).await;
    storage.close().await;
    stop.map(drop).map_err(Into::into)
}

/// Finds the cluster, opens the disks, serves them, and registers them.
async fn start(process: &Process, incoming: Incoming, services: &Tasks) -> Result<Running> {
    let surroundings = &process.surroundings;
    let dialer = Dialer::new(&surroundings.metrics);
    let paths = process.config.storage.directories.clone();
    let labelled = blocking(move || identify_all(&paths, LABEL_LIMIT)).await??;
    process.state.set(|| Readiness::NotReady("no-cluster"));
    let found = discovery::find_cluster(&process.config.members()?, &dialer).await?;
    if let Some((cluster, _)) = labelled
        && cluster != found.cluster
    {
        bail!(
            "the disks are of cluster {cluster}, and cluster.members is {}: correct one of them",
            found.cluster
        );
    }
    let node = labelled.map_or_else(|| NodeId::new(random::u64()), |(_, node)| node);
    let introduce = Introduce::new(found.cluster, node, Role::Storage);
    let client = process.meta_client(introduce, &dialer, &found)?;
    process.seek(&client, found.cluster, &dialer, services, |_| {})?;
    let mut row = own_row(process, node);
    let topology = registration::topology(&client).await;
    let layout = topology.current();
    let known = layout.topology().nodes.iter();
    let known = known.filter(|known| known.id == node);
    row.incarnation = registration::newest(known.map(|known| known.incarnation), row.incarnation);
    let clock = &surroundings.clock;
    registration::check_storage(&topology, found.cluster, &dialer, clock, &row).await?;
    let is_new = labelled.is_none() && !process.config.storage.replace_lost;
    if is_new && has_disks(layout.topology(), &row.name) {
        bail!(
            "the cluster has disks of a node named {}, and none of storage.directories holds one of them: are they mounted? If they \
             are lost, set storage.replace_lost",
            row.name
        );
    }
    let storage = open(process, &topology, found.cluster, node, services).await?;
    mount(&storage, found.cluster, node, incoming, process, services);
    let mut running = Running {
        storage: Arc::new(storage),
        client,
        row,
        told: Vec::new(),
    };
    running.register().await?;
    Ok(running)
}

/// Opens the disks; those whose index is made anew come into service later.
async fn open(
    process: &Process,
    topology: &TopologyCache,
    cluster: ClusterId,
    node: NodeId,
    tasks: &Tasks,
) -> Result<Storage> {
    let section = &process.config.storage;
    let mut config = StorageConfig::new(section.directories.clone());
    config.read_grace = Duration::from_millis(section.read_grace_ms);
    config.opens_in_background = true;
    config.label_limit = LABEL_LIMIT;
    let layout = topology.current();
    let disks = &layout.topology().disks;
    let registered: Vec<DiskId> = disks
        .iter()
        .filter(|disk| disk.node == node)
        .map(|disk| disk.id)
        .collect();
    if !section.replace_lost {
        let present = present(&section.directories, LABEL_LIMIT).await;
        if registered.iter().any(|disk| !present.contains(disk)) {
            // A directory without a label may be the mount point of the disk that is missing.
            config.label_new.clear();
        }
    }
    let clock = Arc::clone(&process.surroundings.clock);
    let (tasks, metrics) = (tasks.clone(), process.surroundings.metrics.clone());
    let opening =
        blocking(move || Storage::open(&config, node, cluster, clock, &tasks, &metrics)).await;
    Ok(opening??)
}

/// The disks whose labels can be read within `limit`. One that hangs has none, and holds nobody up.
async fn present(paths: &[PathBuf], limit: Duration) -> Vec<DiskId> {
    let asking = paths.iter().cloned().map(|path| {
        let asked = tokio::task::spawn_blocking(move || identify(&path));
        tokio::time::timeout(limit, asked)
    });
    let labels = join_all(asking).await.into_iter();
    let labels = labels.filter_map(|asked| asked.ok()?.ok()?.ok()?);
    labels.map(|(_, _, disk)| disk).collect()
}

/// Whether a node of this name has disks on record.
fn has_disks(topology: &Topology, name: &str) -> bool {
    let mut nodes = topology.nodes.iter().filter(|node| node.name == name);
    nodes.any(|node| topology.disks.iter().any(|disk| disk.node == node.id))
}

impl Running {
    /// Tells of the disks that there are now. More may come while it waits.
    async fn register(&mut self) -> Result<()> {
        let there = self.storage.disks();
        let disks = there.iter().map(|disk| Disk {
            id: disk.id,
            node: self.row.id,
            capacity_bytes: disk.capacity_bytes,
        });
        let row = self.row.clone();
        let registered = registration::register_storage(&self.client, row, disks.collect()).await;
        // Also what was refused was told, and is refused again.
        self.told = there;
        registered
    }

    /// Tells of the disks if they are others than those that it told of last.
    ///
    /// # Errors
    /// When the cluster does not take them, nor will.
    async fn tell_changes(&mut self) -> Result<()> {
        if self.storage.disks() == self.told {
            return Ok(());
        }
        self.register().await
    }
}

/// Tells of disks that come into service after the start.
async fn keep_registered(mut running: Running) {
    loop {
        tokio::time::sleep(registration::FOLLOW).await;
        if let Err(error) = running.tell_changes().await {
            tracing::error!(error = format!("{error:#}"), "disks not registered");
        }
    }
}

fn own_row(process: &Process, node: NodeId) -> StorageNode {
    let config = &process.config;
    StorageNode {
        id: node,
        name: config.node.name.clone(),
        address: config.node.advertised(),
        admin_address: config.console.address.to_string(),
        incarnation: process.incarnation,
        location: Location {
            zone: config.node.zone.clone(),
            host: config.node.host.clone(),
        },
    }
}

fn mount(
    storage: &Storage,
    cluster: ClusterId,
    node: NodeId,
    incoming: Incoming,
    process: &Process,
    tasks: &Tasks,
) {
    let check = Check::new(cluster, node, STORAGE_CALLERS);
    let router = cairn_rpc::server::builder(&process.surroundings.metrics)
        .add_service(InterceptedService::new(storage.service(), check));
    clients::serve(
        "storage service",
        tasks,
        router.serve_with_incoming(incoming),
    );
}

/// Runs what waits for disks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("wait for the disks")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::process::Command;

    use cairn_client::meta::DEFAULT_PATIENCE;
    use cairn_runtime::{Metrics, SystemClock};
    use cairn_types::id::{Epoch, PoolId};

    use super::*;
    use crate::clients::Surroundings;
    use crate::config::Config;
    use crate::directories::Directories;
    use crate::replicas::Replicas;

    fn row(id: u64, name: &str, incarnation: u64) -> StorageNode {
        StorageNode {
            id: NodeId::new(id),
            name: name.to_owned(),
            address: String::new(),
            admin_address: String::new(),
            incarnation,
            location: Location::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn disks_that_the_cluster_does_not_take_any_more_are_told_of_once() {
        let root = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            clock: SystemClock::shared(),
            metrics: Metrics::new(),
            tasks: Tasks::new(),
        };
        let (clock, tasks) = (&surroundings.clock, &surroundings.tasks);
        let directories = Directories::prepare(&[root.path().join("metadata")]).unwrap();
        let config = Config::default();
        let starting = Replicas::start(&config, &directories, &surroundings, tasks);
        let replicas = starting.await.unwrap();
        let (cluster, node) = (replicas.cluster(), NodeId::new(7));
        let introduce = Introduce::new(cluster, node, Role::Storage);
        let channels = replicas.channels();
        let client = MetaClient::new(introduce, channels, Arc::clone(clock), DEFAULT_PATIENCE);
        let opening = {
            let config = StorageConfig::new(vec![root.path().join("disk")]);
            let (clock, metrics) = (Arc::clone(clock), surroundings.metrics.clone());
            let tasks = tasks.clone();
            blocking(move || Storage::open(&config, node, cluster, clock, &tasks, &metrics))
        };
        let mut running = Running {
            storage: Arc::new(opening.await.unwrap().unwrap()),
            client,
            row: row(7, "storage-7", 2),
            told: Vec::new(),
        };
        running.register().await.unwrap();

        // An older start of the same node, which has just got a disk.
        running.row.incarnation = 1;
        running.told = Vec::new();
        let refused = running.tell_changes().await.unwrap_err();
        assert!(refused.to_string().contains("does not take"), "{refused}");
        running.tell_changes().await.unwrap();

        assert!(tasks.stop_and_join(Duration::from_secs(10)).await);
        running.storage.close().await;
        replicas.close().await;
    }

    #[tokio::test]
    async fn a_disk_that_hangs_does_not_hold_up_the_others() {
        let root = tempfile::tempdir().unwrap();
        let hung = root.path().join("hung");
        fs::create_dir(&hung).unwrap();
        // Whoever reads a pipe that nobody writes into waits, as with a disk that does not answer.
        let pipe = hung.join("label");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let asked = present(&[hung, empty], Duration::from_millis(100)).await;
        // The thread that waits is let go, or the test would not end.
        drop(OpenOptions::new().write(true).open(&pipe).unwrap());
        assert_eq!(asked, []);
    }

    #[test]
    fn a_node_is_known_by_its_name_if_it_had_disks() {
        let topology = Topology {
            cluster: ClusterId::new(1),
            epoch: Epoch::new(1),
            data_groups: Vec::new(),
            nodes: vec![row(1, "with", 1), row(2, "without", 1)],
            disks: vec![Disk {
                id: DiskId::new(1),
                node: NodeId::new(1),
                capacity_bytes: 1,
            }],
            pools: Vec::new(),
            placement_groups: Vec::new(),
            meta_nodes: Vec::new(),
            write_pool: PoolId::new(0),
        };
        assert!(has_disks(&topology, "with"));
        assert!(!has_disks(&topology, "without"));
        assert!(!has_disks(&topology, "new"));
    }
}
