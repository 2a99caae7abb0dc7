//! How the roles are put together in one process: read it from top to bottom.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_client::meta::DEFAULT_PATIENCE;
use cairn_client::{Blobs, Buckets, MetaClient, Peers, ShardClient, TopologyCache};
use cairn_engine::{Engine, Parts};
use cairn_rpc::channel::in_process;
use cairn_rpc::identity::{Check, Introduce, Role, STORAGE_CALLERS};
use cairn_rpc::socket::Dialer;
use cairn_runtime::{CpuPool, Metrics, SharedClock, Tasks, process};
use cairn_storage::{Storage, StorageConfig};
use cairn_types::cluster::{Disk, Location, StorageNode};
use cairn_types::id::{ClusterId, DiskId, NodeId, PoolId};
use cairn_types::namespace::RootMutation;
use cairn_workers::planning::ensure_pool;
use cairn_workers::{Workers, WorkersConfig};
use tonic::service::interceptor::InterceptedService;

use crate::config::{Config, SMALLEST_BUDGET};
use crate::directories::Directories;
use crate::replicas::Replicas;

/// The one storage node of a process that is a cluster by itself.
const NODE: NodeId = NodeId::new(1);

/// How long tasks may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What every role is given.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
}

/// All roles but the gateway, running and joined.
pub(crate) struct Roles {
    pub(crate) cluster: ClusterId,
    pub(crate) replicas: Replicas,
    pub(crate) engine: Engine,
    pub(crate) shards: ShardClient,
    pub(crate) topology: TopologyCache,
    pub(crate) blobs: Blobs,
    storage: Storage,
    clients: Tasks,
    services: Tasks,
}

impl Roles {
    /// Brings everything up over `directories`; makes the cluster where nothing is there yet.
    pub(crate) async fn start(
        config: &Config,
        directories: &Directories,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let (clients, services) = (surroundings.tasks.child(), surroundings.tasks.child());
        let replicas = Replicas::start(config, directories, surroundings, &services).await?;
        let cluster = replicas.cluster();
        let clock = Arc::clone(&surroundings.clock);
        let introduce = Introduce::new(cluster, NODE, Role::Gateway);
        let client = MetaClient::new(introduce, replicas.channels(), clock, DEFAULT_PATIENCE);

        let storage = open_storage(config, directories, cluster, surroundings, &services).await?;
        let peers = serve_storage(&storage, cluster, surroundings, &services);
        register(&client, &storage).await?;
        let topology = TopologyCache::load(client.clone())
            .await
            .context("load the topology")?;
        let pool = choose_pool(config, &client, &topology, &storage).await?;

        topology.watch(&clients);
        let shards = ShardClient::new(peers, topology.clone(), Arc::clone(&surroundings.clock));
        shards.watch(&clients);
        let parts = Parts {
            buckets: Buckets::new(client.clone()),
            shards: shards.clone(),
            topology: topology.clone(),
            cpu: CpuPool::new(cores())?,
            clock: Arc::clone(&surroundings.clock),
            tasks: clients.clone(),
            metrics: surroundings.metrics.clone(),
        };
        let engine = Engine::new(parts, engine_config(config, pool));
        let blobs = Blobs::new(client);
        start_workers(config, &blobs, &shards, &topology, surroundings, &clients);
        Ok(Self {
            cluster,
            replicas,
            engine,
            shards,
            topology,
            blobs,
            storage,
            clients,
            services,
        })
    }

    /// Ends everything in the opposite order: whoever asks goes before whoever answers.
    pub(crate) async fn stop(self) {
        for tasks in [self.clients, self.services] {
            if !tasks.stop_and_join(END_LIMIT).await {
                tracing::warn!("some tasks did not end in time");
            }
        }
        self.storage.close().await;
        self.replicas.close().await;
    }
}

async fn open_storage(
    config: &Config,
    directories: &Directories,
    cluster: ClusterId,
    surroundings: &Surroundings,
    tasks: &Tasks,
) -> Result<Storage> {
    let mut storage_config = StorageConfig::new(directories.disks.clone());
    storage_config.read_grace = Duration::from_millis(config.storage.read_grace_ms);
    let clock = Arc::clone(&surroundings.clock);
    let (tasks, metrics) = (tasks.clone(), surroundings.metrics.clone());
    // It waits for disks, so it has a thread of its own; background work starts on this runtime.
    let opening = tokio::task::spawn_blocking(move || {
        Storage::open(&storage_config, NODE, cluster, clock, &tasks, &metrics)
    });
    Ok(opening.await.context("open the disks")??)
}

fn serve_storage(
    storage: &Storage,
    cluster: ClusterId,
    surroundings: &Surroundings,
    tasks: &Tasks,
) -> Peers {
    let (near, far) = in_process();
    let router =
        cairn_rpc::server::builder(&surroundings.metrics).add_service(InterceptedService::new(
            storage.service(),
            Check::new(cluster, NODE, STORAGE_CALLERS),
        ));
    serve("storage service", tasks, router.serve_with_incoming(far));
    // One for each disk: on a shared one a disk that hangs would hold up the others through its flow control.
    let channels = (0..storage.disks().len().max(1)).map(|_| near.channel());
    let channels = channels.collect();
    let introduce = Introduce::new(cluster, NODE, Role::Gateway);
    let dialer = Dialer::new(&surroundings.metrics);
    Peers::new(introduce, dialer, [(NODE, channels)])
}

/// Runs a service of this process.
pub(crate) fn serve<F>(name: &'static str, tasks: &Tasks, server: F)
where
    F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
{
    tasks.spawn(name, async move {
        if let Err(error) = server.await {
            tracing::error!(%error, name, "a service of this process ended");
        }
    });
}

/// Tells the root group which disks there are.
async fn register(client: &MetaClient, storage: &Storage) -> Result<()> {
    let disks = storage.disks().into_iter().map(|disk| Disk {
        id: disk.id,
        node: NODE,
        capacity_bytes: disk.capacity_bytes,
    });
    let register = RootMutation::RegisterStorage {
        node: StorageNode {
            id: NODE,
            name: "dev".to_owned(),
            address: String::new(),
            admin_address: String::new(),
            incarnation: 0,
            location: Location::default(),
        },
        disks: disks.collect(),
    };
    client
        .change_root(register)
        .await
        .context("register the disks")?;
    Ok(())
}

/// The pool that objects go to: of the profile that was asked for, or that fits the number of disks.
async fn choose_pool(
    config: &Config,
    client: &MetaClient,
    topology: &TopologyCache,
    storage: &Storage,
) -> Result<PoolId> {
    let present: Vec<DiskId> = storage.disks().into_iter().map(|disk| disk.id).collect();
    let profile = match config.profile()? {
        Some(profile) => profile,
        None => cairn_erasure::placement::default_profile(present.len(), 1),
    };
    ensure_pool(client, topology, profile, &present)
        .await
        .with_context(|| format!("find a place for objects at {profile}"))
}

fn engine_config(config: &Config, pool: PoolId) -> cairn_engine::Config {
    const MIB: u64 = 1024 * 1024;
    let budget_bytes = match config.engine.budget_bytes {
        0 => process::memory_limit_bytes().map_or(512 * MIB, |limit| {
            (limit / 4).clamp(SMALLEST_BUDGET, 512 * MIB)
        }),
        bytes => bytes,
    };
    cairn_engine::Config {
        inline_len_max: usize::try_from(config.engine.inline_limit_bytes)
            .expect("checked: at most 65,536"),
        budget_bytes,
        pool,
        // Well before what it reads could be given back.
        pin_after: Duration::from_millis(config.storage.read_grace_ms / 3),
        ..cairn_engine::Config::default()
    }
}

fn start_workers(
    config: &Config,
    blobs: &Blobs,
    shards: &ShardClient,
    topology: &TopologyCache,
    surroundings: &Surroundings,
    tasks: &Tasks,
) {
    let section = &config.workers;
    let workers_config = WorkersConfig {
        reclaim_interval: Duration::from_millis(section.reclaim_interval_ms),
        collect_interval: Duration::from_millis(section.collect_interval_ms),
        collect_age: Duration::from_millis(section.collect_age_ms),
    };
    let workers = Workers::new(
        Arc::new(|_| true),
        blobs.clone(),
        shards.clone(),
        topology.clone(),
        Arc::clone(&surroundings.clock),
        surroundings.metrics.clone(),
    );
    workers.start(workers_config, tasks);
}

/// Threads for computing.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
