//! `cairn gateway`: S3.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use cairn_admin::Readiness;
use cairn_gateway::Gateway;
use cairn_gateway::listen;
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::socket::Dialer;
use cairn_runtime::{Tasks, random};
use cairn_types::id::NodeId;

use super::{Process, discovery, unless_stopped};
use crate::certificate;
use crate::clients;
use crate::open_files::{self, Needs};
use crate::signals::Signals;

/// How long requests in flight may take to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Serves until a signal.
pub(super) async fn serve(process: Process, signals: &mut Signals) -> Result<()> {
    let surroundings = &process.surroundings;
    let config = &process.config;
    let needs = Needs {
        disks: 0,
        replicas: 0,
    };
    let max_connections =
        open_files::connections(open_files::raise(), needs, config.s3.max_connections)?;
    let socket = clients::bind(config.s3.address, "s3.address").await?;
    tracing::info!(address = %config.s3.address, "the gateway is listening");
    let (frontend, clients) = (Tasks::new(), surroundings.tasks.child());
    let listener = certificate::listener(&config.s3, socket, &frontend).await?;
    let opening = async {
        tokio::select! {
            gateway = open(&process, &clients) => gateway,
            // Clients that come before the cluster is found are told to try again.
            never = listen::refuse(&listener, max_connections) => match never {},
        }
    };
    if let Some(gateway) = unless_stopped(signals, opening).await? {
        let serving = listen::serve(listener, gateway, max_connections, frontend.clone());
        frontend.spawn_until_done("s3 listener", serving);
        process.state.set(|| Readiness::Ready);
        let signal = signals.stop_requested().await;
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
async fn open(process: &Process, tasks: &Tasks) -> Result<Arc<Gateway>> {
    let surroundings = &process.surroundings;
    let dialer = Dialer::new(&surroundings.metrics);
    process.state.set(|| Readiness::NotReady("no-cluster"));
    let found = discovery::find_cluster(&process.config.members()?, &dialer).await?;
    // A gateway keeps nothing, so every start of it is another one.
    let introduce = Introduce::new(found.cluster, NodeId::new(random::u64()), Role::Gateway);
    let client = process.meta_client(introduce.clone(), &dialer, &found)?;
    process
        .state
        .set(|| Readiness::NotReady("no-metadata-leader"));
    let clients = process.clients(client, introduce, &dialer, tasks).await;
    let engine = clients.engine(&process.config, surroundings, tasks)?;
    process.open_admin(found.cluster, &clients);
    Ok(clients::gateway(
        &process.config,
        &process.credentials,
        found.cluster,
        engine,
        surroundings,
    ))
}
