//! How the roles are put together in one process: read it from top to bottom.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_client::meta::DEFAULT_PATIENCE;
use cairn_client::{MetaClient, Peers, TopologyCache};
use cairn_engine::Engine;
use cairn_rpc::channel::in_process;
use cairn_rpc::identity::{Check, Introduce, Role, STORAGE_CALLERS};
use cairn_rpc::socket::Dialer;
use cairn_runtime::Tasks;
use cairn_storage::{Storage, StorageConfig};
use cairn_types::cluster::{Disk, Location, StorageNode};
use cairn_types::id::{ClusterId, DiskId, NodeId};
use cairn_types::namespace::RootMutation;
use cairn_workers::planning::ensure_pool;
use tonic::service::interceptor::InterceptedService;

use crate::clients::{self, Clients, Surroundings};
use crate::config::Config;
use crate::directories::Directories;
use crate::replicas::Replicas;

/// The one storage node of a process that is a cluster by itself.
const NODE: NodeId = NodeId::new(1);

/// All roles but the gateway, running and joined.
pub(crate) struct Roles {
    pub(crate) cluster: ClusterId,
    pub(crate) replicas: Replicas,
    pub(crate) engine: Engine,
    pub(crate) clients: Clients,
    storage: Storage,
    asking: Tasks,
    answering: Tasks,
}

impl Roles {
    /// Brings everything up over `directories`; makes the cluster where nothing is there yet.
    pub(crate) async fn start(
        config: &Config,
        directories: &Directories,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let (asking, answering) = (surroundings.tasks.child(), surroundings.tasks.child());
        let replicas = Replicas::start(config, directories, surroundings, &answering).await?;
        let cluster = replicas.cluster();
        let clock = Arc::clone(&surroundings.clock);
        let introduce = Introduce::new(cluster, NODE, Role::Gateway);
        let meta = MetaClient::new(introduce, replicas.channels(), clock, DEFAULT_PATIENCE);

        let storage = open_storage(config, directories, cluster, surroundings, &answering).await?;
        let peers = serve_storage(&storage, cluster, surroundings, &answering);
        register(&meta, &storage).await?;
        let topology = TopologyCache::load(meta.clone())
            .await
            .context("load the topology")?;
        choose_pool(config, &meta, &topology, &storage).await?;

        let clients = Clients::over(meta, topology, peers, surroundings, &asking);
        clients.identities.watch(&asking);
        let engine = clients.engine(config, surroundings, &asking)?;
        clients.start_workers(config, Arc::new(|_| true), surroundings, &asking);
        Ok(Self {
            cluster,
            replicas,
            engine,
            clients,
            storage,
            asking,
            answering,
        })
    }

    /// Ends everything in the opposite order: whoever asks goes before whoever answers.
    pub(crate) async fn stop(self) {
        clients::end(&self.asking).await;
        clients::end(&self.answering).await;
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
    clients::serve("storage service", tasks, router.serve_with_incoming(far));
    // One for each disk: on a shared one a disk that hangs would hold up the others through its flow control.
    let channels = (0..storage.disks().len().max(1)).map(|_| near.channel());
    let channels = channels.collect();
    let introduce = Introduce::new(cluster, NODE, Role::Gateway);
    let dialer = Dialer::new(&surroundings.metrics);
    Peers::new(introduce, dialer, [(NODE, channels)])
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

/// Chooses the pool that objects go to: of the profile that was asked for, or that fits the number of disks.
async fn choose_pool(
    config: &Config,
    client: &MetaClient,
    topology: &TopologyCache,
    storage: &Storage,
) -> Result<()> {
    let present: Vec<DiskId> = storage.disks().into_iter().map(|disk| disk.id).collect();
    let profile = match config.profile()? {
        Some(profile) => profile,
        None => cairn_erasure::placement::default_profile(present.len(), 1),
    };
    ensure_pool(client, topology, profile, &present)
        .await
        .with_context(|| format!("find a place for objects at {profile}"))?;
    Ok(())
}
