//! `cairn gateway`, `cairn meta`, `cairn storage`: each role as a process of its own.
//!
//! They may be started in any order. A role that waits for others says so (`/-/ready` with a reason, 503 to clients) and goes
//! on waiting; it ends only for what no waiting mends, with one line that says what to do.

mod discovery;
mod gateway;
mod meta;
mod registration;
mod storage;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_admin::console::Probe;
use cairn_admin::{Console, Readiness};
use cairn_client::meta::DEFAULT_PATIENCE;
use cairn_client::{MetaClient, Peers};
use cairn_rpc::identity::Introduce;
use cairn_rpc::socket::Dialer;
use cairn_runtime::{Metrics, SystemClock, Tasks, trace};
use cairn_types::id::{ClusterId, NodeId};

use crate::clients::{self, Clients, Surroundings};
use crate::config::{Config, Environment};
use crate::master_key::Secrets;
use crate::signals::Signals;

/// How long the end waits for work that nobody needs any more.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// The roles that are processes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// S3.
    Gateway,
    /// Metadata.
    Meta,
    /// Disks.
    Storage,
}

/// What a role has from its start on.
struct Process {
    config: Config,
    secrets: Secrets,
    surroundings: Surroundings,
    console: Arc<Console>,
    state: State,
    /// Which start of the process this is: the time of it, if that is later than what the cluster knows.
    incarnation: u64,
}

/// What a process says when it is asked how it is. Cloning shares it.
#[derive(Clone)]
struct State(Arc<Mutex<Probe>>);

/// Serves a role until SIGTERM or SIGINT.
pub(crate) fn run(role: Role, file: &Path) -> Result<()> {
    let environment = Environment::of_process()?;
    let config = Config::load(Some(file), &environment)?;
    config.check_role(role)?;
    let secrets = Secrets::given(environment.cluster_credentials()?, &config, &environment)?;
    trace::start(config.log.format.into(), &config.log.filter)?;
    cairn_erasure::cpu_check()?;
    let runtime = config.node.runtime().context("start the runtime")?;
    let served = runtime.block_on(serve(role, config, secrets));
    runtime.shutdown_timeout(LEAVE_LIMIT);
    served
}

async fn serve(role: Role, config: Config, secrets: Secrets) -> Result<()> {
    let surroundings = Surroundings {
        clock: SystemClock::shared(),
        metrics: Metrics::new(),
        tasks: Tasks::new(),
    };
    let mut signals = Signals::handle(&surroundings.tasks).context("handle signals")?;
    let console_listener = clients::bind(config.console.address, "console.address").await?;
    let state = State::starting();
    let console = Console::new(surroundings.metrics.clone(), state.probe());
    let console_tasks = surroundings.tasks.child();
    let serving = Arc::clone(&console).serve(console_listener, console_tasks.clone());
    console_tasks.spawn_essential("console listener", serving);
    let process = Process {
        incarnation: surroundings.clock.now().as_millis(),
        config,
        secrets,
        surroundings,
        console,
        state,
    };
    let served = match role {
        Role::Gateway => Box::pin(gateway::serve(process, &mut signals)).await,
        Role::Meta => Box::pin(meta::serve(process, &mut signals)).await,
        Role::Storage => Box::pin(storage::serve(process, &mut signals)).await,
    };
    console_tasks.stop_and_join(LEAVE_LIMIT).await;
    served
}

/// Why a listener is not to be had.
fn in_use(address: &str, setting: &str) -> String {
    format!("cannot listen on {address}: choose another address ({setting}), or end who uses it")
}

impl Process {
    /// The way to the metadata nodes that were found.
    fn meta_client(
        &self,
        introduce: Introduce,
        dialer: &Dialer,
        found: &discovery::Found,
    ) -> Result<MetaClient> {
        let clock = Arc::clone(&self.surroundings.clock);
        let client = MetaClient::dial(
            introduce,
            dialer.clone(),
            &found.nodes,
            clock,
            DEFAULT_PATIENCE,
        );
        client.context("reach the metadata nodes")
    }

    /// From now on has `client` go back to `cluster.members` whenever nobody answers it for a while, and tells `found` of those
    /// that it finds there.
    fn seek(
        &self,
        client: &MetaClient,
        cluster: ClusterId,
        dialer: &Dialer,
        tasks: &Tasks,
        found: impl Fn(&[(NodeId, String)]) + Send + 'static,
    ) -> Result<()> {
        let seeker = discovery::Seeker {
            cluster,
            members: self.config.members()?,
            dialer: dialer.clone(),
            client: client.clone(),
        };
        tasks.spawn_essential("seek metadata nodes", seeker.run(found));
        Ok(())
    }

    /// The ways to all other roles, once the metadata has told where they are: waits for it as long as it takes.
    async fn clients(
        &self,
        meta: MetaClient,
        introduce: Introduce,
        dialer: &Dialer,
        tasks: &Tasks,
    ) -> Clients {
        let topology = registration::topology(&meta).await;
        let peers = Peers::new(introduce, dialer.clone(), []);
        Clients::over(meta, topology, peers, &self.surroundings, tasks)
    }

    /// Opens the admin API.
    fn open_admin(&self, cluster: ClusterId, clients: &Clients) {
        let clock = Arc::clone(&self.surroundings.clock);
        let admin = clients.admin(&self.config, &self.secrets, cluster, clock);
        self.console.open(admin);
    }
}

/// Runs `work` to its end, unless the process is told to stop before: then nothing.
async fn unless_stopped<T>(
    signals: &mut Signals,
    work: impl Future<Output = Result<T>>,
) -> Result<Option<T>> {
    // A start holds much, and whoever waits for it would hold it again.
    let work = Box::pin(work);
    tokio::select! {
        done = work => done.map(Some),
        stop = signals.stop_requested() => {
            tracing::info!(signal = stop?, "stopping before the start is done");
            Ok(None)
        }
    }
}

impl State {
    fn starting() -> Self {
        Self(Arc::new(Mutex::new(Arc::new(|| {
            Readiness::NotReady("starting")
        }))))
    }

    /// From now on this is how it is.
    fn set(&self, probe: impl Fn() -> Readiness + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(probe);
    }

    fn probe(&self) -> Probe {
        let state = self.clone();
        Arc::new(move || {
            let probe = Arc::clone(&state.0.lock().unwrap_or_else(PoisonError::into_inner));
            probe()
        })
    }
}
