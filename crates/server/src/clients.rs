//! What a role that asks the others is made of: the ways to metadata and disks, and what stands on them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_admin::Admin;
use cairn_admin::collect::Collector;
use cairn_admin::steer::Steering;
use cairn_admin::users::Users;
use cairn_client::{
    Accounts, Blobs, Buckets, IdentityCache, MetaClient, Peers, ShardClient, TopologyCache,
};
use cairn_engine::{Engine, Parts};
use cairn_gateway::{Gateway, GatewayConfig, Identities};
use cairn_iam::{CanonicalId, Credential, Identity, SecretKey};
use cairn_runtime::{CpuPool, Metrics, SharedClock, Tasks, process};
use cairn_s3::auth::{Authenticator, Caller};
use cairn_s3::query::Query;
use cairn_types::cluster::Profile;
use cairn_types::id::ClusterId;
use cairn_workers::{IsResponsible, Planner, Workers, WorkersConfig};
use tokio::net::TcpListener;

use crate::config::{Config, RootCredentials, SMALLEST_BUDGET};
use crate::master_key::Secrets;

/// How long tasks may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What every role is given.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
}

/// The ways to the other roles.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) meta: MetaClient,
    pub(crate) topology: TopologyCache,
    pub(crate) shards: ShardClient,
    pub(crate) blobs: Blobs,
    /// Who watches them has them up to date.
    pub(crate) identities: IdentityCache,
}

impl Clients {
    /// The ways over these metadata nodes and peers, kept up to date by `tasks`.
    pub(crate) fn over(
        meta: MetaClient,
        topology: TopologyCache,
        peers: Peers,
        surroundings: &Surroundings,
        tasks: &Tasks,
    ) -> Self {
        topology.watch(tasks);
        let shards = ShardClient::new(peers, topology.clone(), Arc::clone(&surroundings.clock));
        shards.watch(tasks);
        Self {
            blobs: Blobs::new(meta.clone()),
            identities: IdentityCache::new(meta.clone()),
            meta,
            topology,
            shards,
        }
    }

    /// How many connections they may have open at the most, with the nodes that there are now.
    pub(crate) fn connection_count(&self) -> usize {
        self.shards.connection_count() + self.meta.nodes().len()
    }

    /// Object I/O over them.
    pub(crate) fn engine(
        &self,
        config: &Config,
        surroundings: &Surroundings,
        tasks: &Tasks,
    ) -> Result<Engine> {
        let parts = Parts {
            buckets: Buckets::new(self.meta.clone()),
            shards: self.shards.clone(),
            topology: self.topology.clone(),
            cpu: CpuPool::new(cores())?,
            clock: Arc::clone(&surroundings.clock),
            tasks: tasks.clone(),
            metrics: surroundings.metrics.clone(),
        };
        Ok(Engine::new(parts, engine_config(config)))
    }

    /// Starts what happens later, for the groups that this process is responsible for.
    pub(crate) fn start_workers(
        &self,
        config: &Config,
        is_responsible: IsResponsible,
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
            is_responsible,
            self.blobs.clone(),
            self.shards.clone(),
            self.topology.clone(),
            Arc::clone(&surroundings.clock),
            surroundings.metrics.clone(),
        );
        workers.start(workers_config, tasks);
    }

    /// Plans where objects go, while this process is responsible for the root group.
    pub(crate) fn start_planner(
        &self,
        profile: Option<Profile>,
        is_responsible: IsResponsible,
        tasks: &Tasks,
    ) {
        let planner = Planner {
            is_responsible,
            meta: self.meta.clone(),
            topology: self.topology.clone(),
            shards: self.shards.clone(),
            profile,
        };
        tasks.spawn_essential("planner", planner.run());
    }

    /// What operators ask and steer.
    pub(crate) fn admin(
        &self,
        config: &Config,
        secrets: &Secrets,
        cluster: ClusterId,
        clock: SharedClock,
    ) -> Admin {
        let authenticator =
            Authenticator::new(config.s3.region.clone(), true).of_service(cairn_admin::SERVICE);
        let credential = root_credential(&secrets.root, cluster);
        let access_key = secrets.root.access_key.clone();
        let users = Users::new(
            Accounts::new(self.meta.clone()),
            secrets.master_key.clone(),
            access_key.clone(),
        );
        Admin {
            authenticate: Arc::new(move |parts| {
                let query = Query::parse(parts.uri.query()).map_err(|error| error.to_string())?;
                let look_up = |key: &str| (key == access_key).then(|| credential.clone());
                let verified = authenticator
                    .verify(parts, &query, clock.now(), look_up)
                    .map_err(|error| error.to_string())?;
                // A link would let whoever finds it do what only the holder of the key may.
                match verified.caller() {
                    Caller::Signed(_, identity) if identity.is_root => Ok(()),
                    Caller::Signed(..) | Caller::Presigned(..) | Caller::Anonymous => Err(
                        "AccessDenied: sign with the root key, in the Authorization header"
                            .to_owned(),
                    ),
                }
            }),
            collector: Collector::new(
                self.meta.clone(),
                self.topology.clone(),
                self.shards.clone(),
            ),
            steering: Steering::new(self.meta.clone(), self.topology.clone()),
            users,
        }
    }
}

/// A gateway in front of `engine`.
pub(crate) fn gateway(
    config: &Config,
    secrets: &Secrets,
    cluster: ClusterId,
    users: IdentityCache,
    engine: Engine,
    surroundings: &Surroundings,
) -> Arc<Gateway> {
    let identities = Identities {
        root_key: secrets.root.access_key.clone(),
        root: root_credential(&secrets.root, cluster),
        users,
        master_key: secrets.master_key.clone(),
    };
    let gateway_config = GatewayConfig {
        region: config.s3.region.clone(),
        dialect: config.s3.dialect.into(),
        domains: config.s3.domains.clone(),
        signatures: config.s3.signatures(),
        idle_timeout: Duration::from_millis(config.s3.idle_timeout_ms),
        drain_delay: Duration::from_millis(config.s3.drain_delay_ms),
    };
    Arc::new(Gateway::new(
        engine,
        identities,
        gateway_config,
        Arc::clone(&surroundings.clock),
        surroundings.metrics.clone(),
    ))
}

fn root_credential(credentials: &RootCredentials, cluster: ClusterId) -> Credential {
    let id = format!("{cluster}{cluster}");
    let identity = Arc::new(Identity {
        id: CanonicalId::parse(&id).expect("a cluster id has 32 hexadecimal digits"),
        display_name: "root".to_owned(),
        is_root: true,
    });
    Credential {
        secret: SecretKey::new(credentials.secret_key.expose()),
        identity,
    }
}

/// Listens, or says in one line why not.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: choose another address ({setting}), or end who uses it"
        )
    })
}

/// Runs a service of this process.
pub(crate) fn serve<F>(name: &'static str, tasks: &Tasks, server: F)
where
    F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
{
    tasks.spawn_essential(name, async move {
        if let Err(error) = server.await {
            tracing::error!(%error, name, "a service of this process ended");
        }
    });
}

/// Ends tasks, and says so if some take too long.
pub(crate) async fn end(tasks: &Tasks) {
    if !tasks.stop_and_join(END_LIMIT).await {
        tracing::warn!("some tasks did not end in time");
    }
}

fn engine_config(config: &Config) -> cairn_engine::Config {
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
        // Well before what it reads could be given back, until the storage nodes tell when they do that.
        pin_after: Duration::from_millis(config.storage.read_grace_ms / 3),
        ..cairn_engine::Config::default()
    }
}

/// Threads for computing.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
