//! `cairn meta`: a replica of the metadata.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result, bail};
use cairn_admin::Readiness;
use cairn_client::TopologyCache;
use cairn_meta::{Dial, Meta, MetaConfig, bootstrap};
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::socket::{Dialer, Incoming, listen};
use cairn_runtime::{Tasks, random};
use cairn_types::cluster::MetaNode;
use cairn_types::id::{ClusterId, NodeId};
use cairn_types::namespace::{RootQuery, RootView};
use cairn_workers::IsResponsible;

use super::discovery::{self, Asked, Found, Pause};
use super::{Process, registration, unless_stopped};
use crate::clients;
use crate::config::{Config, Member};
use crate::signals::Signals;

/// Where metadata nodes are, as the root group last told.
type Addresses = Arc<RwLock<HashMap<NodeId, String>>>;

/// A metadata node that is on its way into its cluster.
struct Newcomer<'a> {
    process: &'a Process,
    dialer: &'a Dialer,
    meta: &'a Meta,
    /// The other first members.
    others: Vec<Member>,
}

/// Serves until a signal, or until the node must not go on.
pub(super) async fn serve(process: Process, signals: &mut Signals) -> Result<()> {
    let surroundings = &process.surroundings;
    let (services, clients) = (surroundings.tasks.child(), surroundings.tasks.child());
    let dialer = Dialer::new(&surroundings.metrics);
    let (address, incoming) = listen(&process.config.node.address, &surroundings.metrics)
        .await
        .with_context(|| super::in_use(&process.config.node.address, "node.address"))?;
    let addresses = Addresses::default();
    let meta_config = meta_config(&process.config, dial(&addresses, &dialer));
    let clock = Arc::clone(&surroundings.clock);
    let opening = async {
        let opened = Meta::open(meta_config, clock, &services, &surroundings.metrics).await;
        Ok(Arc::new(opened?))
    };
    let Some(meta) = unless_stopped(signals, opening).await? else {
        return Ok(());
    };
    mount(&meta, incoming, &process, &services);
    tracing::info!(%address, node = %meta.node(), "the metadata node is listening");
    let joining = join(&process, &dialer, &meta, &addresses, &clients);
    let serving = async {
        if unless_stopped(signals, joining).await?.is_some() {
            let signal = signals.stop_requested().await;
            tracing::info!(signal, "stopping");
        }
        anyhow::Ok(())
    };
    let reason = tokio::select! {
        served = serving => {
            served?;
            None
        }
        failure = meta.failed() => Some(failure),
    };
    process.state.set(|| Readiness::NotReady("stopping"));
    clients::end(&clients).await;
    match reason {
        // Whoever waits for an answer of this node gets it, while others take over.
        None => meta.shutdown().await,
        Some(_) => meta.close().await,
    }
    clients::end(&services).await;
    match reason {
        None => Ok(()),
        Some(failure) => bail!("the metadata cannot go on: {failure}"),
    }
}

/// Takes part in the cluster, and begins what a member does.
async fn join(
    process: &Process,
    dialer: &Dialer,
    meta: &Arc<Meta>,
    addresses: &Addresses,
    tasks: &Tasks,
) -> Result<()> {
    process.state.set(|| Readiness::NotReady("no-cluster"));
    let found = Newcomer::new(process, dialer, meta)?.take_part().await?;
    process
        .state
        .set(|| Readiness::NotReady("not-registered-yet"));
    let introduce = Introduce::new(found.cluster, meta.node(), Role::Meta);
    let client = process.meta_client(introduce.clone(), dialer, &found)?;
    registration::register_meta(&client, dialer, own_row(process, meta.node())).await?;
    let clients = process.clients(client, introduce, dialer, tasks).await;
    follow(addresses, &clients.topology, tasks);
    meta.keep_members();
    let responsible = Arc::downgrade(meta);
    let is_responsible: IsResponsible = Arc::new(move |group| {
        let meta = responsible.upgrade();
        meta.is_some_and(|meta| meta.leads(group))
    });
    let profile = process.config.pool_profile()?;
    clients.start_planner(profile, Arc::clone(&is_responsible), tasks);
    clients.start_workers(
        &process.config,
        is_responsible,
        &process.surroundings,
        tasks,
    );
    process.open_admin(found.cluster, &clients);
    let ready = Arc::downgrade(meta);
    process.state.set(move || match ready.upgrade() {
        Some(meta) if meta.is_ready() => Readiness::Ready,
        Some(_) => Readiness::NotReady("no-metadata-leader"),
        None => Readiness::NotReady("stopping"),
    });
    Ok(())
}

impl<'a> Newcomer<'a> {
    fn new(process: &'a Process, dialer: &'a Dialer, meta: &'a Meta) -> Result<Self> {
        let me = &process.config.node.name;
        let members = process.config.members()?;
        Ok(Self {
            process,
            dialer,
            meta,
            others: members
                .into_iter()
                .filter(|member| member.name != *me)
                .collect(),
        })
    }

    /// Becomes a member of the cluster: of the one on the node's label; of the one that others of the first members are of; or
    /// of a new one, which the first of the first members makes when all of them are there and none is of any cluster.
    async fn take_part(&self) -> Result<Found> {
        let mut pause = Pause::new();
        loop {
            let asked = discovery::ask(self.others.iter().cloned(), self.dialer).await?;
            if let Some(found) = self.step(&asked).await? {
                return Ok(found);
            }
            if pause.is_worth_telling() {
                let missing: Vec<&str> = missing(&asked).collect();
                tracing::warn!(?missing, "waiting for the other first metadata nodes");
            }
            pause.wait().await;
        }
    }

    /// What can be done knowing this. Gives the cluster once this node has its part in it.
    async fn step(&self, asked: &[Asked]) -> Result<Option<Found>> {
        let made = discovery::made(asked)?;
        let home = self.meta.home();
        if let (Some(made), Some((cluster, _))) = (&made, home)
            && made.cluster != cluster
        {
            bail!(
                "{} holds the metadata of cluster {cluster}, and the other members are of cluster {}: \
                 correct cluster.members, or give this node an empty directory",
                self.process.config.meta.directory.display(),
                made.cluster
            );
        }
        match (home, made) {
            (None, Some(made)) => {
                self.meta.join(made.cluster, made.data_group_count).await?;
                tracing::info!(cluster = %made.cluster, "joining the cluster");
                Ok(Some(made))
            }
            (Some((cluster, data_group_count)), made) if self.meta.is_initialized().await => {
                Ok(Some(self.with_self(Found {
                    cluster,
                    data_group_count,
                    nodes: made.map_or_else(Vec::new, |made| made.nodes),
                })))
            }
            (Some(_), Some(made)) => match self.is_on_record(&made).await {
                // It has a place for this node: what it lacks is on its way.
                Some(true) => Ok(Some(made)),
                // Whoever made it was cut short.
                Some(false) if self.is_first() && missing(asked).next().is_none() => {
                    self.make(asked).await.map(Some)
                }
                Some(false) | None => Ok(None),
            },
            (_, None) if self.is_first() && missing(asked).next().is_none() => {
                self.make(asked).await.map(Some)
            }
            (_, None) => Ok(None),
        }
    }

    /// Makes the cluster, or goes on making the one that was begun.
    async fn make(&self, asked: &[Asked]) -> Result<Found> {
        let begun = asked.iter().filter_map(|one| one.identity.as_ref()?.home);
        let begun = self.meta.home().or_else(|| begun.clone().next());
        let (cluster, data_group_count) = begun.unwrap_or_else(|| {
            let count = self.process.config.meta.data_groups;
            (ClusterId::new(random::u128()), count)
        });
        let mut members = vec![own_row(self.process, self.meta.node())];
        for one in asked {
            let Some(identity) = &one.identity else {
                continue;
            };
            // Each has it on its label before any of them has a log, so that none can be taken for new again.
            bootstrap::invite(
                one.channel.clone(),
                cluster,
                identity.node,
                data_group_count,
            )
            .await
            .with_context(|| format!("invite {}", one.member.address))?;
            members.push(MetaNode {
                id: identity.node,
                name: one.member.name.clone(),
                address: one.member.address.clone(),
                admin_address: String::new(),
                incarnation: 0,
                is_voter: true,
            });
        }
        self.meta.join(cluster, data_group_count).await?;
        let nodes = members
            .iter()
            .map(|member| (member.id, member.address.clone()));
        let found = Found {
            cluster,
            data_group_count,
            nodes: nodes.collect(),
        };
        let region = self.process.config.s3.region.clone();
        self.meta
            .genesis_on_record(cluster, region, members)
            .await
            .context("make the cluster")?;
        tracing::info!(%cluster, "the cluster is made");
        Ok(found)
    }

    /// Whether a cluster was made to the end; nothing if its root group does not answer.
    async fn is_on_record(&self, made: &Found) -> Option<bool> {
        let introduce = Introduce::new(made.cluster, self.meta.node(), Role::Meta);
        let client = self
            .process
            .meta_client(introduce, self.dialer, made)
            .ok()?;
        match client.ask_root(RootQuery::Cluster).await.ok()?.value {
            RootView::Cluster(info) => Some(info.is_some()),
            _ => None,
        }
    }

    /// Only one of them makes the cluster: the one that is named first.
    fn is_first(&self) -> bool {
        let members = self.process.config.members().unwrap_or_default();
        let first = members.first();
        first.is_some_and(|first| first.name == self.process.config.node.name)
    }

    /// With this node, and with those that it knows of.
    fn with_self(&self, mut found: Found) -> Found {
        let me = (self.meta.node(), self.process.config.node.advertised());
        found.add([me]);
        found.add(self.meta.members());
        found
    }
}

fn missing(asked: &[Asked]) -> impl Iterator<Item = &str> {
    asked
        .iter()
        .filter(|one| one.identity.is_none())
        .map(|one| one.member.name.as_str())
}

fn own_row(process: &Process, node: NodeId) -> MetaNode {
    let config = &process.config;
    MetaNode {
        id: node,
        name: config.node.name.clone(),
        address: config.node.advertised(),
        admin_address: config.console.address.to_string(),
        incarnation: process.incarnation,
        is_voter: true,
    }
}

fn meta_config(config: &Config, dial: Dial) -> MetaConfig {
    let mut meta_config = MetaConfig::new(&config.meta.directory);
    meta_config.name.clone_from(&config.node.name);
    meta_config.data_groups = config.meta.data_groups;
    meta_config.snapshot_entries = config.meta.snapshot_entries;
    meta_config.log_bytes = config.meta.log_bytes;
    meta_config.dial = dial;
    meta_config
}

/// The way to a node: by the address that it registered last, or else by the one that the group's members list has.
fn dial(addresses: &Addresses, dialer: &Dialer) -> Dial {
    let (addresses, dialer) = (Arc::clone(addresses), dialer.clone());
    Arc::new(move |node, listed| {
        let addresses = addresses.read().unwrap_or_else(PoisonError::into_inner);
        dialer.connect(addresses.get(&node).map_or(listed, String::as_str))
    })
}

/// Keeps the addresses up to date.
fn follow(addresses: &Addresses, topology: &TopologyCache, tasks: &Tasks) {
    let (addresses, topology) = (Arc::clone(addresses), topology.clone());
    tasks.spawn("follow addresses", async move {
        loop {
            let layout = topology.current();
            let known = layout.topology().meta_nodes.iter();
            let known = known.map(|node| (node.id, node.address.clone())).collect();
            *addresses.write().unwrap_or_else(PoisonError::into_inner) = known;
            tokio::time::sleep(registration::FOLLOW).await;
        }
    });
}

/// Serves metadata and Raft on one listener; each peer and client has connections of its own for them.
fn mount(meta: &Arc<Meta>, incoming: Incoming, process: &Process, tasks: &Tasks) {
    let (metadata, replication) = meta.services();
    let router = cairn_rpc::server::builder(&process.surroundings.metrics)
        .add_service(metadata)
        .add_service(replication);
    clients::serve("meta service", tasks, router.serve_with_incoming(incoming));
}
