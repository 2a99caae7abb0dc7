//! Finding the cluster: whoever starts knows only where its first metadata nodes are.

use std::time::Duration;

use anyhow::{Result, bail};
use cairn_client::MetaClient;
use cairn_meta::bootstrap::{self, Identity};
use cairn_rpc::socket::Dialer;
use cairn_types::id::{ClusterId, NodeId};
use futures::future::join_all;
use tonic::transport::Channel;

use crate::config::Member;

/// How long one metadata node may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause between two rounds; it doubles.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// After so long without an answer the members are asked where the metadata nodes are: longer than an election takes.
const SILENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether there are answers.
const SEEK_PAUSE: Duration = Duration::from_secs(1);

/// Rounds that find nobody before that is worth a line in the log.
const QUIET_ROUNDS: u32 = 8;

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) cluster: ClusterId,
    pub(super) data_group_count: u16,
    /// Those that answered and those that they know of, and where.
    pub(super) nodes: Vec<(NodeId, String)>,
}

/// A metadata node that was asked who it is; nothing if it did not answer.
pub(super) struct Asked {
    pub(super) member: Member,
    pub(super) channel: Channel,
    pub(super) identity: Option<Identity>,
}

/// Goes back to the members when nobody answers. All metadata nodes may have moved, and none of them can say so in the usual way
/// before they have found each other.
pub(super) struct Seeker {
    pub(super) cluster: ClusterId,
    pub(super) members: Vec<Member>,
    pub(super) dialer: Dialer,
    /// Who asks, and is told.
    pub(super) client: MetaClient,
}

/// A pause that grows.
pub(super) struct Pause {
    next: Duration,
    rounds: u32,
}

/// Asks all members, again and again, until one is of a cluster that was made.
pub(super) async fn find_cluster(members: &[Member], dialer: &Dialer) -> Result<Found> {
    let mut pause = Pause::new();
    loop {
        let asked = ask(members.iter().cloned(), dialer).await?;
        if let Some(found) = made(&asked)? {
            return Ok(found);
        }
        if pause.is_worth_telling() {
            let answering = asked
                .iter()
                .filter(|asked| asked.identity.is_some())
                .count();
            tracing::warn!(
                answering,
                members = members.len(),
                "waiting for the metadata nodes to make or open the cluster"
            );
        }
        pause.wait().await;
    }
}

/// Where those of a cluster are that have answered.
pub(super) fn places(asked: &[Asked], cluster: ClusterId) -> Vec<(NodeId, String)> {
    let of_cluster = asked.iter().filter_map(|one| {
        let identity = one.identity.as_ref()?;
        let (home, _) = identity.home?;
        (home == cluster).then(|| (identity.node, one.member.address.clone()))
    });
    of_cluster.collect()
}

/// Asks all of them at the same time who they are.
pub(super) async fn ask(
    members: impl Iterator<Item = Member>,
    dialer: &Dialer,
) -> Result<Vec<Asked>> {
    let mut asking = Vec::new();
    for member in members {
        let channel = dialer.connect(&member.address)?;
        asking.push(async move {
            let identity = identify(channel.clone()).await;
            Asked {
                member,
                channel,
                identity,
            }
        });
    }
    Ok(join_all(asking).await)
}

/// Who answers on a channel, if anybody does.
pub(super) async fn identify(channel: Channel) -> Option<Identity> {
    let told = tokio::time::timeout(PATIENCE, bootstrap::identify(channel)).await;
    told.ok()?.ok()
}

/// The cluster that those are of, if it was made.
pub(super) fn made(asked: &[Asked]) -> Result<Option<Found>> {
    let mut found: Option<Found> = None;
    for one in asked {
        let Some(identity) = &one.identity else {
            continue;
        };
        let (true, Some((cluster, data_group_count))) = (identity.is_initialized, identity.home)
        else {
            continue;
        };
        let found = found.get_or_insert_with(|| Found {
            cluster,
            data_group_count,
            nodes: Vec::new(),
        });
        if found.cluster != cluster {
            bail!(
                "cluster.members names nodes of two clusters: {} is of {cluster}, others of {}",
                one.member.address,
                found.cluster
            );
        }
        found.add([(identity.node, one.member.address.clone())]);
    }
    // Where a node itself was found goes before what others say of it.
    if let Some(found) = &mut found {
        let identities = asked.iter().filter_map(|one| one.identity.as_ref());
        let told = identities.filter(|identity| identity.is_initialized);
        found.add(told.flat_map(|identity| identity.members.clone()));
    }
    Ok(found)
}

impl Seeker {
    /// Tells `found` as well. Never ends.
    pub(super) async fn run(self, found: impl Fn(&[(NodeId, String)])) {
        loop {
            tokio::time::sleep(SEEK_PAUSE).await;
            if self.client.unanswered_for() < SILENCE {
                continue;
            }
            match ask(self.members.iter().cloned(), &self.dialer).await {
                Ok(asked) => {
                    let places = places(&asked, self.cluster);
                    self.client.found_nodes(&places);
                    found(&places);
                }
                Err(error) => tracing::warn!(%error, "no way to the members"),
            }
        }
    }
}

impl Found {
    /// Adds metadata nodes that are not among them yet.
    pub(super) fn add(&mut self, nodes: impl IntoIterator<Item = (NodeId, String)>) {
        for (node, address) in nodes {
            if !self.nodes.iter().any(|(known, _)| *known == node) {
                self.nodes.push((node, address));
            }
        }
    }
}

impl Pause {
    pub(super) fn new() -> Self {
        Self {
            next: PAUSES.0,
            rounds: 0,
        }
    }

    pub(super) async fn wait(&mut self) {
        self.rounds += 1;
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSES.1);
    }

    /// True from time to time, and not at first: who waits a little is no news.
    pub(super) fn is_worth_telling(&self) -> bool {
        self.rounds > 0 && self.rounds.is_multiple_of(QUIET_ROUNDS)
    }
}
