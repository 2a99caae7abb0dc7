//! `cairn dev`: all roles in one process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cairn_admin::collect::Collector;
use cairn_admin::{Admin, Console, Readiness};
use cairn_gateway::{Gateway, GatewayConfig, listen};
use cairn_iam::{CanonicalId, Credential, Identity, SecretKey};
use cairn_runtime::{Metrics, SystemClock, Tasks, trace};
use cairn_s3::auth::{Authenticator, Caller};
use cairn_s3::query::Query;
use cairn_types::id::ClusterId;
use tokio::net::TcpListener;

use crate::arguments::DevArguments;
use crate::composition::{Roles, Surroundings};
use crate::config::{Config, Environment, RootCredentials};
use crate::directories::Directories;
use crate::open_files::{self, Needs};
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
    let credentials = environment.root_credentials()?;
    trace::start(config.log.format.into(), &config.log.filter)?;
    cairn_erasure::cpu_check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let served = runtime.block_on(serve(&config, &credentials));
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

async fn serve(config: &Config, credentials: &RootCredentials) -> Result<()> {
    let mut signals = Signals::handle().context("handle signals")?;
    // Bound before anything is made, so that a port in use leaves nothing behind; connections wait until they are taken.
    let s3_listener = bind(config.s3.address, "s3.address").await?;
    let console_listener = bind(config.console.address, "console.address").await?;
    let s3_address = s3_listener.local_addr()?;
    let console_address = console_listener.local_addr()?;
    let directories = Directories::prepare(&config.dev.directories)?;
    let needs = Needs {
        disks: directories.disks.len(),
        replicas: directories.replica_count,
    };
    let max_connections =
        open_files::connections(open_files::raise(), needs, config.s3.max_connections)?;
    let surroundings = Surroundings {
        clock: SystemClock::shared(),
        metrics: Metrics::new(),
        tasks: Tasks::new(),
    };
    let (frontend, console_tasks) = (Tasks::new(), Tasks::new());
    let ready = Arc::new(OnceLock::new());
    let probe = probe(Arc::clone(&ready), frontend.clone());
    let console = Console::new(surroundings.metrics.clone(), probe);
    let serving = Arc::clone(&console).serve(console_listener, console_tasks.clone());
    console_tasks.spawn("console listener", serving);

    let mut starting = Box::pin(Roles::start(config, &directories, &surroundings));
    let roles = tokio::select! {
        roles = &mut starting => roles?,
        signal = signals.stop_requested() => {
            tracing::info!(signal, "stopping before the start is done");
            // What is being opened cannot be cut short in order, and nobody was promised anything yet: the end of the process
            // closes it.
            std::mem::forget(starting);
            return Ok(());
        }
    };
    let gateway = gateway(config, credentials, &roles, &surroundings);
    let serving = listen::serve(s3_listener, gateway, max_connections, frontend.clone());
    frontend.spawn_until_done("s3 listener", serving);
    console.open(admin(config, credentials, &roles, &surroundings));
    // There is one start, and so nothing in it yet.
    let _ = ready.set(roles.replicas.clone());
    announce(s3_address, console_address, credentials);

    let reason = tokio::select! {
        signal = signals.stop_requested() => Ok(signal),
        failure = roles.replicas.failed() => Err(failure),
    };
    if let Ok(signal) = reason {
        tracing::info!(signal, "stopping");
        if !frontend.stop_and_join(DRAIN_LIMIT).await {
            tracing::warn!("some requests did not end in time");
        }
    }
    console_tasks.stop_and_join(Duration::from_secs(1)).await;
    roles.stop().await;
    match reason {
        Ok(_) => Ok(()),
        Err(failure) => bail!("the metadata cannot go on: {failure}"),
    }
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: choose another address ({setting}), or end who uses it"
        )
    })
}

fn root_identity(cluster: ClusterId) -> Arc<Identity> {
    let id = format!("{cluster}{cluster}");
    Arc::new(Identity {
        id: CanonicalId::parse(&id).expect("a cluster id has 32 hexadecimal digits"),
        display_name: "root".to_owned(),
        is_root: true,
    })
}

fn root_credential(credentials: &RootCredentials, cluster: ClusterId) -> Credential {
    Credential {
        secret: SecretKey::new(credentials.secret_key.expose()),
        identity: root_identity(cluster),
    }
}

fn gateway(
    config: &Config,
    credentials: &RootCredentials,
    roles: &Roles,
    surroundings: &Surroundings,
) -> Arc<Gateway> {
    let credential = root_credential(credentials, roles.cluster);
    let gateway_config = GatewayConfig {
        region: config.s3.region.clone(),
        domains: config.s3.domains.clone(),
        idle_timeout: Duration::from_millis(config.s3.idle_timeout_ms),
        drain_delay: Duration::ZERO,
        owner: Arc::clone(&credential.identity),
        credentials: HashMap::from([(credentials.access_key.clone(), credential)]),
    };
    Arc::new(Gateway::new(
        roles.engine.clone(),
        gateway_config,
        Arc::clone(&surroundings.clock),
        surroundings.metrics.clone(),
    ))
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

fn admin(
    config: &Config,
    credentials: &RootCredentials,
    roles: &Roles,
    surroundings: &Surroundings,
) -> Admin {
    let authenticator =
        Authenticator::new(config.s3.region.clone(), true).of_service(cairn_admin::SERVICE);
    let credential = root_credential(credentials, roles.cluster);
    let access_key = credentials.access_key.clone();
    let clock = Arc::clone(&surroundings.clock);
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
                    "AccessDenied: sign with the root key, in the Authorization header".to_owned(),
                ),
            }
        }),
        collector: Collector::new(
            roles.topology.clone(),
            roles.blobs.clone(),
            roles.shards.clone(),
        ),
    }
}

/// Says on stdout that requests are served, and where.
fn announce(s3: SocketAddr, console: SocketAddr, credentials: &RootCredentials) {
    if credentials.are_default {
        tracing::warn!(
            "using the well-known keys cairnadmin/cairnadmin: anybody who reaches this address may do anything; \
             set CAIRN_ROOT_ACCESS_KEY and CAIRN_ROOT_SECRET_KEY"
        );
    }
    println!("API: http://{s3}");
    println!("Console: http://{console}");
    println!("Ready.");
}
