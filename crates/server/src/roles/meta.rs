//! `cairn meta`: a replica of the metadata.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use cairn_admin::Readiness;
use cairn_client::{MetaClient, TopologyCache};
use cairn_meta::{Dial, GenesisError, Meta, MetaConfig, bootstrap};
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::socket::{Dialer, Incoming, listen};
use cairn_rpc::status::is_misdirected;
use cairn_runtime::{Tasks, random};
use cairn_types::cluster::MetaNode;
use cairn_types::id::{ClusterId, NodeId};
use cairn_types::namespace::{RootMutation, RootQuery, RootView};
use cairn_workers::IsResponsible;
use tonic::Code;

use super::discovery::{self, Asked, Found, Pause};
use super::{Process, registration, unless_stopped};
use crate::clients;
use crate::config::{Config, Member};
use crate::open_files::{self, Needs};
use crate::signals::Signals;

/// How often whoever leads the root group is asked to put the cluster on record.
const PROPOSE_PAUSE: Duration = Duration::from_secs(1);

/// Where metadata nodes are, as the root group last told, or where they were found when nobody answered. Cloning shares it.
#[derive(Clone, Default)]
struct Addresses(Arc<RwLock<HashMap<NodeId, String>>>);

/// A metadata node that is on its way into its cluster.
struct Newcomer<'a> {
    process: &'a Process,
    dialer: &'a Dialer,
    meta: &'a Meta,
    addresses: &'a Addresses,
    /// The other first members.
    others: Vec<Member>,
}

/// Serves until a signal, or until the node must not go on.
pub(super) async fn serve(process: Process, signals: &mut Signals) -> Result<()> {
    let surroundings = &process.surroundings;
    open_files::raise_for(Needs {
        replicas: 1,
        ..Needs::default()
    })?;
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
            let signal = signals.stop_requested().await?;
            tracing::info!(signal, "stopping");
        }
        anyhow::Ok(())
    };
    let ended = tokio::select! {
        served = serving => served,
        failure = meta.failed() => Err(anyhow!("the metadata cannot go on: {failure}")),
    };
    process.state.set(|| Readiness::NotReady("stopping"));
    clients::end(&clients).await;
    match ended {
        // Whoever waits for an answer of this node gets it, while others take over.
        Ok(()) => meta.shutdown().await,
        Err(_) => meta.close().await,
    }
    clients::end(&services).await;
    ended
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
    let newcomer = Newcomer::new(process, dialer, meta, addresses)?;
    let found = newcomer.take_part().await?;
    process
        .state
        .set(|| Readiness::NotReady("not-registered-yet"));
    let introduce = Introduce::new(found.cluster, meta.node(), Role::Meta);
    let client = process.meta_client(introduce.clone(), dialer, &found)?;
    let seeking = addresses.clone();
    process.seek(&client, found.cluster, dialer, tasks, move |found| {
        seeking.found(found);
    })?;
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
    fn new(
        process: &'a Process,
        dialer: &'a Dialer,
        meta: &'a Meta,
        addresses: &'a Addresses,
    ) -> Result<Self> {
        let me = &process.config.node.name;
        let members = process.config.members()?;
        Ok(Self {
            process,
            dialer,
            meta,
            addresses,
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
            if let Some((cluster, _)) = self.meta.home() {
                // Before it has a leader no group tells where its members have moved.
                self.addresses.found(&discovery::places(&asked, cluster));
            }
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
                let found = self.with_self(Found {
                    cluster,
                    data_group_count,
                    nodes: made.map_or_else(Vec::new, |made| made.nodes),
                });
                if self.is_first() {
                    // Groups have logs before the cluster is on record, and this node may have been cut short in between.
                    self.go_on(found, asked).await
                } else {
                    Ok(Some(found))
                }
            }
            // Where it is on record it has a place for this node: what it lacks is on its way.
            (Some(_), Some(made)) => self.go_on(made, asked).await,
            (_, None) if self.is_first() && missing(asked).next().is_none() => {
                Box::pin(self.make(asked)).await
            }
            (_, None) => Ok(None),
        }
    }

    /// Takes part in a cluster that was begun, once it is on record; finishes it where whoever made it was cut short.
    async fn go_on(&self, begun: Found, asked: &[Asked]) -> Result<Option<Found>> {
        match self.is_on_record(&begun).await {
            Some(true) => Ok(Some(begun)),
            Some(false) if self.is_first() && missing(asked).next().is_none() => {
                Box::pin(self.make(asked)).await
            }
            Some(false) | None => Ok(None),
        }
    }

    /// Makes the cluster, or goes on making the one that was begun. Nothing when somebody whom it takes went away meanwhile:
    /// trying again goes on there.
    async fn make(&self, asked: &[Asked]) -> Result<Option<Found>> {
        let begun = asked.iter().filter_map(|one| one.identity.as_ref()?.home);
        let begun = self.meta.home().or_else(|| begun.clone().next());
        let (cluster, data_group_count) = begun.unwrap_or_else(|| {
            let count = self.process.config.meta.data_groups;
            (ClusterId::new(random::u128()), count)
        });
        let Some(members) = self.invite(asked, cluster, data_group_count).await? else {
            return Ok(None);
        };
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
        let genesis = RootMutation::Genesis {
            cluster,
            data_group_count,
            region: region.clone(),
            members: members.clone(),
        };
        let client = self.client(&found)?;
        let made = tokio::select! {
            made = self.meta.genesis_on_record(cluster, region, members) => made,
            never = propose(&client, genesis) => match never {},
        };
        match made {
            Ok(()) => {
                tracing::info!(%cluster, "the cluster is made");
                Ok(Some(found))
            }
            Err(error @ GenesisError::Timeout(_)) => {
                tracing::warn!(%error, "the cluster is not made yet");
                Ok(None)
            }
            Err(error) => Err(error).context("make the cluster"),
        }
    }

    /// Makes all of them nodes of the cluster: each has it on its label before any of them has a log, so that none can be taken
    /// for new again. Gives the members, or nothing when one of them could not be told.
    async fn invite(
        &self,
        asked: &[Asked],
        cluster: ClusterId,
        data_group_count: u16,
    ) -> Result<Option<Vec<MetaNode>>> {
        let mut members = vec![own_row(self.process, self.meta.node())];
        for one in asked {
            let Some(identity) = &one.identity else {
                continue;
            };
            let (channel, node) = (one.channel.clone(), identity.node);
            let address = &one.member.address;
            match bootstrap::invite(channel, cluster, node, data_group_count).await {
                Ok(()) => {}
                // It is of another cluster. Who is another node by now is asked again who it is.
                Err(no) if no.code() == Code::FailedPrecondition && !is_misdirected(&no) => {
                    bail!(
                        "{address} does not become a node of the cluster: {}",
                        no.message()
                    );
                }
                Err(error) => {
                    tracing::warn!(address, %error, "a first metadata node went away");
                    return Ok(None);
                }
            }
            members.push(MetaNode {
                id: node,
                name: one.member.name.clone(),
                address: address.clone(),
                admin_address: String::new(),
                incarnation: 0,
                is_voter: true,
            });
        }
        Ok(Some(members))
    }

    /// The way to the metadata nodes of a cluster.
    fn client(&self, found: &Found) -> Result<MetaClient> {
        let introduce = Introduce::new(found.cluster, self.meta.node(), Role::Meta);
        self.process.meta_client(introduce, self.dialer, found)
    }

    /// Whether a cluster was made to the end; nothing if its root group does not answer.
    async fn is_on_record(&self, made: &Found) -> Option<bool> {
        let client = self.client(made).ok()?;
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

/// Has whoever leads the root group put the cluster on record, which may be another node by now. Never ends.
async fn propose(client: &MetaClient, genesis: RootMutation) -> Infallible {
    loop {
        // What this node leads, it puts on record itself.
        tokio::time::sleep(PROPOSE_PAUSE).await;
        if let Err(error) = client.change_root(genesis.clone()).await {
            tracing::debug!(%error, "the cluster is not on record yet");
        }
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

/// The way to a node: by the address that it registered last or was found at, or else by the one that the group's members list
/// has.
fn dial(addresses: &Addresses, dialer: &Dialer) -> Dial {
    let (addresses, dialer) = (addresses.clone(), dialer.clone());
    Arc::new(move |node, listed| {
        let address = addresses.of(node);
        dialer.connect(address.as_deref().unwrap_or(listed))
    })
}

/// Keeps the addresses up to date.
fn follow(addresses: &Addresses, topology: &TopologyCache, tasks: &Tasks) {
    let (addresses, topology) = (addresses.clone(), topology.clone());
    tasks.spawn_essential("follow addresses", async move {
        let mut followed = None;
        loop {
            let layout = topology.current();
            let epoch = layout.topology().epoch;
            // One that was told before stays behind what was found since, when nobody told anything.
            if followed.replace(epoch) != Some(epoch) {
                addresses.told(&layout.topology().meta_nodes);
            }
            tokio::time::sleep(registration::FOLLOW).await;
        }
    });
}

impl Addresses {
    fn of(&self, node: NodeId) -> Option<String> {
        let addresses = self.0.read().unwrap_or_else(PoisonError::into_inner);
        addresses.get(&node).cloned()
    }

    /// The root group has told where all are.
    fn told(&self, nodes: &[MetaNode]) {
        let told = nodes.iter();
        let told = told.map(|node| (node.id, node.address.clone())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// Some have said themselves where they are.
    fn found(&self, nodes: &[(NodeId, String)]) {
        let mut addresses = self.0.write().unwrap_or_else(PoisonError::into_inner);
        addresses.extend(nodes.iter().cloned());
    }
}

/// Serves metadata and Raft on one listener; each peer and client has connections of its own for them.
fn mount(meta: &Arc<Meta>, incoming: Incoming, process: &Process, tasks: &Tasks) {
    let (metadata, replication) = meta.services();
    let router = cairn_rpc::server::builder(&process.surroundings.metrics)
        .add_service(metadata)
        .add_service(replication);
    clients::serve("meta service", tasks, router.serve_with_incoming(incoming));
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use cairn_admin::Console;
    use cairn_runtime::{Metrics, Secret, SystemClock};
    use futures::future::{join_all, try_join_all};

    use super::super::State;
    use super::*;
    use crate::clients::Surroundings;
    use crate::config::RootCredentials;
    use crate::master_key::Secrets;

    /// A metadata node that serves, and has no part in any cluster yet.
    struct Node {
        process: Process,
        dialer: Dialer,
        meta: Arc<Meta>,
        addresses: Addresses,
        tasks: Tasks,
    }

    impl Node {
        async fn open(config: Config, incoming: Incoming) -> Self {
            let surroundings = Surroundings {
                clock: SystemClock::shared(),
                metrics: Metrics::new(),
                tasks: Tasks::new(),
            };
            let dialer = Dialer::new(&surroundings.metrics);
            let addresses = Addresses::default();
            let meta_config = meta_config(&config, dial(&addresses, &dialer));
            let clock = Arc::clone(&surroundings.clock);
            let tasks = surroundings.tasks.child();
            let meta = Meta::open(meta_config, clock, &tasks, &surroundings.metrics).await;
            let meta = Arc::new(meta.unwrap());
            let state = State::starting();
            let process = Process {
                config,
                secrets: Secrets {
                    root: RootCredentials {
                        access_key: "somebody".to_owned(),
                        secret_key: Secret::new("swordfish".to_owned()),
                        are_default: false,
                    },
                    master_key: None,
                },
                console: Console::new(surroundings.metrics.clone(), state.probe()),
                surroundings,
                state,
                incarnation: 1,
            };
            mount(&meta, incoming, &process, &tasks);
            Self {
                process,
                dialer,
                meta,
                addresses,
                tasks,
            }
        }

        fn newcomer(&self) -> Newcomer<'_> {
            Newcomer::new(&self.process, &self.dialer, &self.meta, &self.addresses).unwrap()
        }
    }

    fn config(directory: &Path, name: &str, at: SocketAddr, members: &[String]) -> Config {
        let mut config = Config::default();
        config.meta.directory = directory.join(name);
        config.meta.data_groups = 1;
        config.node.name = name.to_owned();
        config.node.address = at.to_string();
        config.cluster.members = members.to_vec();
        config
    }

    async fn three(directory: &Path) -> Vec<Node> {
        let listening = ["m1", "m2", "m3"].map(|name| async move {
            let (at, incoming) = listen("127.0.0.1:0", &Metrics::new()).await.unwrap();
            (name, at, incoming)
        });
        let listening = join_all(listening).await;
        let members: Vec<String> = listening
            .iter()
            .map(|(name, at, _)| format!("{name}={at}"))
            .collect();
        let opening = listening.into_iter().map(|(name, at, incoming)| {
            Node::open(config(directory, name, at, &members), incoming)
        });
        join_all(opening).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cluster_whose_making_was_cut_short_behind_the_first_log_is_made_to_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let nodes = three(directory.path()).await;
        let rows = nodes
            .iter()
            .map(|node| own_row(&node.process, node.meta.node()));
        let first = nodes.first().unwrap();
        let region = first.process.config.s3.region.clone();
        let making = first
            .meta
            .genesis_on_record(ClusterId::new(7), region, rows.collect());
        let has_logs = async {
            while !first.meta.is_initialized().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // The others are of no cluster, so nobody votes and nothing is on record yet.
        tokio::select! {
            made = making => panic!("{made:?}"),
            () = has_logs => {}
        }

        let newcomers: Vec<_> = nodes.iter().map(Node::newcomer).collect();
        let taking_part = try_join_all(newcomers.iter().map(Newcomer::take_part));
        let took_part = tokio::time::timeout(Duration::from_mins(1), taking_part).await;
        let found = took_part.expect("the cluster is made in time").unwrap();
        for (newcomer, found) in newcomers.iter().zip(&found) {
            assert_eq!(found.cluster, ClusterId::new(7));
            assert_eq!(newcomer.is_on_record(found).await, Some(true));
        }
        for node in &nodes {
            node.meta.close().await;
            assert!(node.tasks.stop_and_join(Duration::from_secs(10)).await);
        }
    }
}
