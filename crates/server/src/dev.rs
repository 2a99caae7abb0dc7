//! `cairn dev`: all roles in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use cairn_admin::users::UserSpec;
use cairn_admin::{Admin, Console, Readiness};
use cairn_gateway::listen::{self, Places};
use cairn_runtime::{Metrics, SystemClock, Tasks, trace};

use crate::arguments::DevArguments;
use crate::certificate;
use crate::clients::{self, Surroundings};
use crate::composition::Roles;
use crate::config::{Config, Environment, RootCredentials};
use crate::directories::Directories;
use crate::master_key::Secrets;
use crate::open_files::{self, Needs};
use crate::provisioning;
use crate::replicas::Replicas;
use crate::signals::Signals;

/// Where everything is kept when nothing is said.
const DEFAULT_DIRECTORY: &str = "cairn-data";

/// How long requests in flight may take to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// How long the end waits for work that nobody needs any more.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &DevArguments) -> Result<()> {
    let environment = Environment::of_process()?;
    let config = configure(arguments, &environment)?;
    let secrets = Secrets::given(environment.root_credentials()?, &config, &environment)?;
    let users = match &arguments.provision {
        Some(file) => provisioning::read(file)?,
        None => Vec::new(),
    };
    trace::start(config.log.format.into(), &config.log.filter)?;
    cairn_erasure::cpu_check()?;
    let runtime = config.node.runtime().context("start the runtime")?;
    let served = runtime.block_on(serve(&config, secrets, &users));
    runtime.shutdown_timeout(LEAVE_LIMIT);
    served
}

/// The file, overridden by the environment, overridden by the command line.
fn configure(arguments: &DevArguments, environment: &Environment) -> Result<Config> {
    let mut config = Config::load(arguments.config.as_deref(), environment)?;
    if !arguments.directories.is_empty() {
        config.dev.directories.clone_from(&arguments.directories);
    }
    if config.dev.directories.is_empty() {
        config
            .dev
            .directories
            .push(PathBuf::from(DEFAULT_DIRECTORY));
    }
    if let Some(address) = arguments.address {
        config.s3.address = address;
    }
    if let Some(address) = arguments.console_address {
        config.console.address = address;
    }
    if let Some(profile) = &arguments.profile {
        config.dev.profile.clone_from(profile);
    }
    config.profile()?;
    Ok(config)
}

/// Serves, and ends what was begun, however far a start that failed or was cut short had come.
async fn serve(config: &Config, secrets: Secrets, users: &[UserSpec]) -> Result<()> {
    let tasks = Tasks::new();
    let served = Box::pin(serve_until_stopped(config, secrets, users, tasks.clone())).await;
    clients::end(&tasks).await;
    served
}

async fn serve_until_stopped(
    config: &Config,
    secrets: Secrets,
    users: &[UserSpec],
    tasks: Tasks,
) -> Result<()> {
    let mut signals = Signals::handle(&tasks).context("handle signals")?;
    // Bound before anything is made, so that a port in use leaves nothing behind; connections wait until they are taken.
    let s3_listener = clients::bind(config.s3.address, "s3.address").await?;
    let console_listener = clients::bind(config.console.address, "console.address").await?;
    let s3_address = s3_listener.local_addr()?;
    let console_address = console_listener.local_addr()?;
    let (frontend, console_tasks) = (tasks.child(), tasks.child());
    let s3_listener = certificate::listener(&config.s3, s3_listener, &frontend).await?;
    let directories = Directories::prepare(&config.dev.directories)?;
    let secrets = secrets.kept_in(&directories)?;
    let places = places(config, &directories)?;
    let surroundings = Surroundings {
        clock: SystemClock::shared(),
        metrics: Metrics::new(),
        tasks,
    };
    let ready = Arc::new(OnceLock::new());
    let probe = probe(Arc::clone(&ready), frontend.clone());
    let console = Console::new(surroundings.metrics.clone(), probe);
    let serving = Arc::clone(&console).serve(console_listener, console_tasks.clone());
    console_tasks.spawn_essential("console listener", serving);

    let mut starting = Box::pin(start(config, &secrets, &directories, users, &surroundings));
    let (roles, admin) = tokio::select! {
        started = &mut starting => started?,
        stop = signals.stop_requested() => {
            if let Ok(signal) = &stop {
                tracing::info!(signal, "stopping before the start is done");
            }
            // What is open is closed, upon which whoever waits for it gives up.
            surroundings.tasks.stop();
            if let Ok(Ok((roles, _))) = tokio::time::timeout(DRAIN_LIMIT, starting).await {
                roles.stop().await;
            }
            return stop.map(drop).map_err(Into::into);
        }
    };
    let engine = roles.engine.clone();
    let identities = roles.clients.identities.clone();
    let gateway = clients::gateway(
        config,
        &secrets,
        roles.cluster,
        identities,
        engine,
        &surroundings,
    );
    let serving = listen::serve(s3_listener, gateway, places, frontend.clone());
    frontend.spawn_essential_until_done("s3 listener", serving);
    console.open(admin);
    // There is one start, and so nothing in it yet.
    let _ = ready.set(roles.replicas.clone());
    announce(&config.s3.url(s3_address), console_address, &secrets.root);

    let reason = tokio::select! {
        stop = signals.stop_requested() => stop.map_err(Into::into),
        failure = roles.replicas.failed() => Err(anyhow!("the metadata cannot go on: {failure}")),
    };
    if let Ok(signal) = &reason {
        tracing::info!(signal, "stopping");
        let drain_delay = Duration::from_millis(config.s3.drain_delay_ms);
        if !frontend.stop_and_join(DRAIN_LIMIT + drain_delay).await {
            tracing::warn!("some requests did not end in time");
        }
    }
    console_tasks.stop_and_join(Duration::from_secs(1)).await;
    roles.stop().await;
    reason.map(drop)
}

/// The places for clients' connections.
fn places(config: &Config, directories: &Directories) -> Result<Places> {
    let needs = Needs {
        disks: directories.disks.len(),
        replicas: directories.replica_count,
        ..Needs::default()
    };
    let limit = open_files::raise();
    let count = open_files::connections(limit, needs, config.s3.max_connections)?;
    Ok(Places::new(count))
}

/// Brings everything up but the gateway, and sees to it that the users are there who are to be.
async fn start(
    config: &Config,
    secrets: &Secrets,
    directories: &Directories,
    users: &[UserSpec],
    surroundings: &Surroundings,
) -> Result<(Roles, Admin)> {
    let roles = Roles::start(config, directories, surroundings).await?;
    let clock = Arc::clone(&surroundings.clock);
    let admin = roles.clients.admin(config, secrets, roles.cluster, clock);
    if let Err(error) = provisioning::apply(&admin.users, users).await {
        roles.stop().await;
        return Err(error);
    }
    Ok((roles, admin))
}

/// Says whether requests are served: not before `ready` is set, and not when the frontend is ending.
fn probe(ready: Arc<OnceLock<Replicas>>, frontend: Tasks) -> cairn_admin::console::Probe {
    Arc::new(move || {
        if frontend.is_stopping() {
            return Readiness::NotReady("stopping");
        }
        match ready.get() {
            None => Readiness::NotReady("starting"),
            Some(replicas) if replicas.is_ready() => Readiness::Ready,
            Some(_) => Readiness::NotReady("no-metadata-leader"),
        }
    })
}

/// Says on stdout that requests are served, and where.
fn announce(s3: &str, console: SocketAddr, credentials: &RootCredentials) {
    if credentials.are_default {
        tracing::warn!(
            "using the well-known keys cairnadmin/cairnadmin: anybody who reaches this address may do anything; \
             set CAIRN_ROOT_ACCESS_KEY and CAIRN_ROOT_SECRET_KEY"
        );
    }
    println!("API: {s3}");
    println!("Console: http://{console}");
    println!("Ready.");
}
