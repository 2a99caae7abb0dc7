//! Nodes that find each other over sockets: how a cluster is made, and how its members come, move and go.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cairn_meta::bootstrap::{Identity, identify, invite};
use cairn_meta::{GroupStatus, Meta, MetaConfig};
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::proto::meta::meta_client::MetaClient;
use cairn_rpc::proto::meta::{ChangeMembersRequest, Member, StatusRequest, TransferLeaderRequest};
use cairn_rpc::server;
use cairn_rpc::socket::{connect, listen};
use cairn_rpc::status::{is_misdirected, leader};
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::cluster::MetaNode;
use cairn_types::id::{ClusterId, NodeId, RequestId};
use cairn_types::namespace::{Mutation, MutationRequest, RootMutation};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::harness::{CLUSTER, Client, eventually, mutate, now};

/// Data groups of these clusters; whoever is invited is configured for more.
const DATA_GROUPS: u16 = 2;

struct Process {
    meta: Meta,
    address: String,
    tasks: Tasks,
}

impl Process {
    async fn start(dir: &Path, name: &str) -> Self {
        let config = MetaConfig {
            name: name.to_owned(),
            data_groups: if name == "m1" { DATA_GROUPS } else { 8 },
            ..MetaConfig::new(dir)
        };
        let (tasks, metrics) = (Tasks::new(), Metrics::new());
        let meta = Meta::open(config, SystemClock::shared(), &tasks, &metrics);
        let meta = meta.await.unwrap();
        let (address, incoming) = listen("127.0.0.1:0", &metrics).await.unwrap();
        let (metadata, raft) = meta.services();
        let router = server::builder(&metrics)
            .add_service(metadata)
            .add_service(raft);
        tasks.spawn("server", async move {
            router.serve_with_incoming(incoming).await.unwrap();
        });
        let address = address.to_string();
        Self {
            meta,
            address,
            tasks,
        }
    }

    fn channel(&self) -> Channel {
        connect(&self.address).unwrap()
    }

    async fn identify(&self) -> Identity {
        identify(self.channel()).await.unwrap()
    }

    fn client(&self) -> Client {
        let operator = Introduce::new(CLUSTER, NodeId::new(1_000), Role::Meta);
        let to = operator.to(self.meta.node());
        MetaClient::with_interceptor(self.channel(), to)
    }

    fn on_record(&self, name: &str) -> MetaNode {
        MetaNode {
            id: self.meta.node(),
            name: name.to_owned(),
            address: self.address.clone(),
            admin_address: String::new(),
            incarnation: 1,
            is_voter: true,
        }
    }

    async fn stop(self) {
        self.meta.shutdown().await;
        self.tasks.stop_and_join(Duration::from_secs(5)).await;
    }
}

struct Cluster {
    dirs: Vec<TempDir>,
    processes: Vec<Process>,
}

impl Cluster {
    /// Three nodes that know nothing of each other are made a cluster by the first.
    async fn make() -> Self {
        let dirs: Vec<TempDir> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut processes = Vec::new();
        for (dir, name) in dirs.iter().zip(["m1", "m2", "m3"]) {
            processes.push(Process::start(dir.path(), name).await);
        }
        for process in &processes[1..] {
            let found = process.identify().await;
            let invited = invite(process.channel(), CLUSTER, found.node, DATA_GROUPS);
            invited.await.unwrap();
        }
        let members = processes.iter().zip(["m1", "m2", "m3"]);
        let members = members.map(|(process, name)| process.on_record(name));
        let first = &processes[0].meta;
        first
            .genesis_on_record(CLUSTER, "eu".to_owned(), members.collect())
            .await
            .unwrap();
        let cluster = Self { dirs, processes };
        cluster.wait_until_ready().await;
        cluster
    }

    async fn wait_until_ready(&self) {
        let are_ready = || self.processes.iter().all(|process| process.meta.is_ready());
        eventually("all are ready", async || are_ready()).await;
    }

    /// Asks everybody until the leader of each group has made these its members.
    async fn change(&self, voters: &BTreeMap<u64, String>, learners: &BTreeMap<u64, String>) {
        for group in 0..=u32::from(DATA_GROUPS) {
            let request = ChangeMembersRequest {
                group,
                voters: proto(voters),
                learners: proto(learners),
            };
            let changed = async || {
                for process in &self.processes {
                    let answer = process.client().change_members(request.clone()).await;
                    if answer.is_ok() {
                        return true;
                    }
                }
                false
            };
            eventually("the members are changed", changed).await;
        }
    }

    fn places(&self) -> BTreeMap<u64, String> {
        let processes = self.processes.iter();
        processes
            .map(|process| (process.meta.node().get(), process.address.clone()))
            .collect()
    }

    fn statuses(&self) -> Vec<GroupStatus> {
        let processes = self.processes.iter();
        processes
            .flat_map(|process| process.meta.status().unwrap())
            .collect()
    }

    async fn wait_for_members(&self, voters: &[NodeId], learners: &[NodeId]) {
        let mut voters = voters.to_vec();
        voters.sort();
        let are_so = || {
            let mut groups = self.statuses().into_iter();
            groups.all(|group| group.voters == voters && group.learners == learners)
        };
        eventually("everybody knows the members", async || are_so()).await;
    }

    fn leader(&self, group: u16) -> Option<&Process> {
        let leads = |process: &&Process| {
            process.meta.status().unwrap()[usize::from(group)].state == "leader"
        };
        self.processes.iter().find(leads)
    }

    async fn stop(self) {
        for process in self.processes {
            process.stop().await;
        }
    }
}

fn proto(members: &BTreeMap<u64, String>) -> Vec<Member> {
    let members = members.iter();
    members
        .map(|(node, address)| Member {
            node: *node,
            address: address.clone(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_tell_who_they_are_and_settle_once() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "m2").await;
    let fresh = process.identify().await;
    assert_eq!((fresh.name.as_str(), fresh.home), ("m2", None));
    assert!(!fresh.is_initialized);
    let other = NodeId::new(fresh.node.get() + 1);
    let refused = invite(process.channel(), CLUSTER, other, DATA_GROUPS).await;
    assert!(is_misdirected(&refused.unwrap_err()), "for another node");
    let mut client = process.client();
    let early = client.status(StatusRequest {}).await;
    assert_eq!(early.unwrap_err().code(), Code::Unavailable);
    for _ in 0..2 {
        let invited = invite(process.channel(), CLUSTER, fresh.node, DATA_GROUPS);
        invited.await.unwrap();
    }
    for (cluster, groups) in [(CLUSTER, 3), (ClusterId::new(9), DATA_GROUPS)] {
        let refused = invite(process.channel(), cluster, fresh.node, groups).await;
        let code = refused.unwrap_err().code();
        assert_eq!(code, Code::FailedPrecondition);
    }
    process.stop().await;
    let process = Process::start(dir.path(), "m2").await;
    let settled = process.identify().await;
    assert_eq!(settled.node, fresh.node);
    assert_eq!(settled.home, Some((CLUSTER, DATA_GROUPS)));
    assert!(!settled.is_initialized, "the cluster is still to be made");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_moved_is_found_again() {
    let mut cluster = Cluster::make().await;
    for process in &cluster.processes {
        let told = process.identify().await;
        assert!(told.is_initialized);
        let members = told.members.into_iter();
        let members = members.map(|(node, address)| (node.get(), address));
        assert_eq!(members.collect::<BTreeMap<_, _>>(), cluster.places());
    }
    cluster.processes.remove(2).stop().await;
    let moved = Process::start(cluster.dirs[2].path(), "m3").await;
    assert!(!moved.meta.is_ready(), "nobody knows where it is");
    cluster.processes.push(moved);
    let places = cluster.places();
    cluster.change(&places, &BTreeMap::new()).await;
    cluster.wait_until_ready().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaderships_are_handed_to_whom_one_names() {
    let cluster = Cluster::make().await;
    for heir in &cluster.processes {
        let transfer = |to: NodeId| TransferLeaderRequest {
            group: 1,
            to: to.get(),
        };
        let handed = async || {
            let Some(leader) = cluster.leader(1) else {
                return false;
            };
            let request = transfer(heir.meta.node());
            leader.client().transfer_leader(request).await.is_ok()
        };
        eventually("it is handed over", handed).await;
        let leads = || {
            cluster
                .leader(1)
                .is_some_and(|leader| leader.address == heir.address)
        };
        eventually("the heir leads", async || leads()).await;
        let nobody = heir
            .client()
            .transfer_leader(transfer(NodeId::new(5)))
            .await;
        assert_eq!(nobody.unwrap_err().code(), Code::Aborted);
        let mut others = cluster.processes.iter();
        let other = others.rfind(|other| other.address != heir.address);
        let request = transfer(heir.meta.node());
        let asked: Status = other
            .unwrap()
            .client()
            .transfer_leader(request)
            .await
            .unwrap_err();
        assert_eq!(leader(&asked), Some(heir.meta.node()));
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learners_are_added_at_once_and_voters_when_they_are_up_to_date() {
    let mut cluster = Cluster::make().await;
    let voters: Vec<NodeId> = cluster
        .processes
        .iter()
        .map(|process| process.meta.node())
        .collect();
    let places = cluster.places();
    let absent = BTreeMap::from([(77, "127.0.0.1:1".to_owned())]);
    cluster.change(&places, &absent).await;
    cluster.wait_for_members(&voters, &[NodeId::new(77)]).await;
    // It is not there: it never votes, and the others are as they were.
    let mut with_absent = places.clone();
    with_absent.extend(absent);
    let request = ChangeMembersRequest {
        group: 1,
        voters: proto(&with_absent),
        learners: Vec::new(),
    };
    let leader = cluster.leader(1).unwrap();
    let behind = leader.client().change_members(request).await.unwrap_err();
    assert_eq!(behind.code(), Code::Aborted, "{behind:?}");
    cluster.wait_for_members(&voters, &[NodeId::new(77)]).await;
    // The third loses everything, and comes back as another.
    let lost = cluster.processes.remove(2);
    let lost_id = lost.meta.node();
    lost.stop().await;
    let new = Process::start(cluster.dirs[3].path(), "m3").await;
    let id = new.meta.node();
    assert_ne!(id, lost_id);
    invite(new.channel(), CLUSTER, id, DATA_GROUPS)
        .await
        .unwrap();
    cluster.processes.push(new);
    let places = cluster.places();
    cluster.change(&places, &BTreeMap::new()).await;
    let voters: Vec<NodeId> = cluster
        .processes
        .iter()
        .map(|process| process.meta.node())
        .collect();
    cluster.wait_for_members(&voters, &[]).await;
    cluster.wait_until_ready().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_kept_as_they_are_on_record_and_leaders_are_spread() {
    let mut cluster = Cluster::make().await;
    for process in &cluster.processes {
        process.meta.keep_members();
    }
    let leads = |process: &Process| {
        let groups = process.meta.status().unwrap();
        groups
            .iter()
            .filter(|group| group.state == "leader")
            .count()
    };
    let are_spread = || cluster.processes.iter().all(|process| leads(process) == 1);
    eventually("each leads one of three groups", async || are_spread()).await;
    // The third loses everything, and is registered as another under its name.
    cluster.processes.remove(2).stop().await;
    let new = Process::start(cluster.dirs[3].path(), "m3").await;
    new.meta.keep_members();
    let id = new.meta.node();
    invite(new.channel(), CLUSTER, id, DATA_GROUPS)
        .await
        .unwrap();
    let mut node = new.on_record("m3");
    node.is_voter = false;
    cluster.processes.push(new);
    let request = MutationRequest {
        request: RequestId::new(cairn_runtime::random::u128()),
        minted: now(),
        guard: None,
        mutation: Mutation::Root(RootMutation::RegisterMeta { node }),
    };
    let registered = async || {
        for process in &cluster.processes {
            if let Ok((_, result)) = mutate(&mut process.client(), 0, &request).await {
                return result.is_ok();
            }
        }
        false
    };
    eventually("it is registered", registered).await;
    let processes = cluster.processes.iter();
    let voters: Vec<NodeId> = processes.map(|process| process.meta.node()).collect();
    cluster.wait_for_members(&voters, &[]).await;
    cluster.wait_until_ready().await;
    cluster.stop().await;
}
