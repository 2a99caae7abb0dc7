//! `cairn gateway`: S3.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use cairn_admin::Readiness;
use cairn_gateway::Gateway;
use cairn_gateway::listen::{self, Places};
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::socket::Dialer;
use cairn_runtime::{Tasks, random};
use cairn_types::id::NodeId;

use super::{Process, discovery, registration, unless_stopped};
use crate::certificate;
use crate::clients::{self, Clients};
use crate::open_files::{self, Needs, TooFewFiles};
use crate::signals::Signals;

/// How long requests in flight may take to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Connections to other roles that are kept free for a gateway that knows of no cluster yet.
const FIRST_WAYS: usize = 64;

/// The places for clients' connections, which are fewer the more connections the gateway itself needs.
#[derive(Clone)]
struct SharedPlaces {
    places: Places,
    /// Open files.
    limit: u64,
    wanted: usize,
}

/// Serves until a signal.
pub(super) async fn serve(process: Process, signals: &mut Signals) -> Result<()> {
    let surroundings = &process.surroundings;
    let config = &process.config;
    let places = SharedPlaces::new(config.s3.max_connections)?;
    let socket = clients::bind(config.s3.address, "s3.address").await?;
    tracing::info!(address = %config.s3.address, "the gateway is listening");
    let (frontend, clients) = (surroundings.tasks.child(), surroundings.tasks.child());
    let listener = certificate::listener(&config.s3, socket, &frontend).await?;
    let opening = async {
        tokio::select! {
            gateway = open(&process, &places, &clients) => gateway,
            // Clients that come before the cluster is found are told to try again.
            never = listen::refuse(&listener, &places.places) => match never {},
        }
    };
    if let Some(gateway) = unless_stopped(signals, opening).await? {
        let serving = listen::serve(listener, gateway, places.places, frontend.clone());
        frontend.spawn_essential_until_done("s3 listener", serving);
        process.state.set(|| Readiness::Ready);
        let signal = signals.stop_requested().await?;
        tracing::info!(signal, "stopping");
    }
    process.state.set(|| Readiness::NotReady("stopping"));
    let drain_delay = Duration::from_millis(config.s3.drain_delay_ms);
    if !frontend.stop_and_join(DRAIN_LIMIT + drain_delay).await {
        tracing::warn!("some requests did not end in time");
    }
    clients::end(&clients).await;
    Ok(())
}

/// Finds the cluster, and makes a gateway in front of it.
async fn open(process: &Process, places: &SharedPlaces, tasks: &Tasks) -> Result<Arc<Gateway>> {
    let surroundings = &process.surroundings;
    let dialer = Dialer::new(&surroundings.metrics);
    process.state.set(|| Readiness::NotReady("no-cluster"));
    let found = discovery::find_cluster(&process.config.members()?, &dialer).await?;
    // A gateway keeps nothing, so every start of it is another one.
    let introduce = Introduce::new(found.cluster, NodeId::new(random::u64()), Role::Gateway);
    let client = process.meta_client(introduce.clone(), &dialer, &found)?;
    process.seek(&client, found.cluster, &dialer, tasks, |_| {})?;
    process
        .state
        .set(|| Readiness::NotReady("no-metadata-leader"));
    let clients = process.clients(client, introduce, &dialer, tasks).await;
    places.count(clients.connection_count())?;
    let sharing = places.clone().follow(clients.clone());
    tasks.spawn_essential("share out connections", sharing);
    clients.identities.watch(tasks);
    let engine = clients.engine(&process.config, surroundings, tasks)?;
    process.open_admin(found.cluster, &clients);
    Ok(clients::gateway(
        &process.config,
        &process.secrets,
        found.cluster,
        clients.identities.clone(),
        engine,
        surroundings,
    ))
}

impl SharedPlaces {
    fn new(wanted: usize) -> Result<Self, TooFewFiles> {
        let limit = open_files::raise();
        let needs = Needs {
            ways: FIRST_WAYS,
            ..Needs::default()
        };
        Ok(Self {
            places: Places::new(open_files::connections(limit, needs, wanted)?),
            limit,
            wanted,
        })
    }

    /// What `ways` to other roles leave.
    fn count(&self, ways: usize) -> Result<usize, TooFewFiles> {
        let needs = Needs {
            ways,
            ..Needs::default()
        };
        open_files::connections(self.limit, needs, self.wanted)
    }

    /// Follows the cluster as it grows. Never ends.
    async fn follow(self, clients: Clients) {
        let mut shared_with = FIRST_WAYS;
        loop {
            let ways = clients.connection_count();
            if ways != shared_with {
                let count = self.count(ways).unwrap_or_else(|error| {
                    tracing::error!(%error, "the cluster has more disks than this gateway can reach");
                    1
                });
                self.places.resize(count).await;
                shared_with = ways;
            }
            tokio::time::sleep(registration::FOLLOW).await;
        }
    }
}
