//! Three nodes.

use std::sync::Arc;
use std::time::Duration;

use cairn_meta::{GroupStatus, MetaConfig};
use cairn_rpc::proto::meta::TransferLeaderRequest;
use cairn_rpc::proto::raft::raft_client::RaftClient;
use cairn_rpc::proto::raft::{Vote, VoteRequest};
use cairn_rpc::status::outcome;
use cairn_runtime::{SharedClock, SystemClock};
use cairn_types::id::NodeId;
use cairn_types::namespace::{DataReply, Reply};
use cairn_types::outcome::Outcome;
use tempfile::TempDir;
use tonic::Code;

use crate::harness::{
    CLUSTER, DATA, HourAhead, Net, Running, Seeker, Stopwatch, config, eventually, get, members,
    mutate, now, put_request,
};

struct Cluster {
    net: Net,
    dirs: Vec<TempDir>,
    nodes: Vec<Running>,
    snapshot_entries: u64,
}

impl Cluster {
    async fn start(snapshot_entries: u64) -> Self {
        Self::start_by(&SystemClock::shared(), snapshot_entries).await
    }

    /// The third node has a clock of its own.
    async fn start_by(third: &SharedClock, snapshot_entries: u64) -> Self {
        let mut cluster = Self {
            net: Net::default(),
            dirs: (0..4).map(|_| tempfile::tempdir().unwrap()).collect(),
            nodes: Vec::new(),
            snapshot_entries,
        };
        for id in 1..=3 {
            let clock = match id {
                3 => Arc::clone(third),
                _ => SystemClock::shared(),
            };
            let node = Running::start_by(clock, cluster.config(id), &cluster.net).await;
            cluster.nodes.push(node.unwrap());
        }
        let made = cluster.nodes.iter().map(|node| {
            node.meta
                .genesis(CLUSTER, "eu".to_owned(), members(&[1, 2, 3]))
        });
        for result in futures::future::join_all(made).await {
            result.unwrap();
        }
        cluster.seeker().open_bucket().await;
        cluster
    }

    fn config(&self, id: u64) -> MetaConfig {
        let dir = self.dirs.get(usize::try_from(id).unwrap() - 1).unwrap();
        MetaConfig {
            snapshot_entries: self.snapshot_entries,
            // What is in a snapshot may go soon, where there is to be one.
            log_bytes: if self.snapshot_entries < 100 {
                64 * 1024
            } else {
                256 * 1024 * 1024
            },
            ..config(dir.path(), id)
        }
    }

    fn seeker(&self) -> Seeker {
        Seeker::new(&self.net, &[1, 2, 3, 4])
    }

    fn node(&self, id: u64) -> &Running {
        self.nodes.iter().find(|node| node.id == id).unwrap()
    }

    fn take(&mut self, id: u64) -> Running {
        let at = self.nodes.iter().position(|node| node.id == id).unwrap();
        self.nodes.remove(at)
    }

    async fn restart(&mut self, id: u64) {
        let node = Running::restart(self.config(id), &self.net).await;
        self.nodes.push(node);
    }

    fn data(&self) -> Vec<GroupStatus> {
        let status = |node: &Running| node.meta.status().unwrap().remove(usize::from(DATA));
        self.nodes.iter().map(status).collect()
    }

    /// Who leads the data group.
    async fn leader(&self) -> u64 {
        let leader = || {
            self.nodes
                .iter()
                .find(|node| leads(node))
                .map(|node| node.id)
        };
        eventually("a leader", async || leader().is_some()).await;
        leader().unwrap()
    }

    /// Waits until all have applied the same, and checks that they came to the same.
    async fn agree(&self) {
        let alike = || {
            let groups = self.data();
            let indexes = groups.iter().map(|group| group.applied_index);
            let last = groups.iter().map(|group| group.last_log_index).max();
            indexes.clone().all(|index| Some(index) == last)
        };
        eventually("all are up to date", async || alike()).await;
        let hashes: Vec<u128> = self.data().iter().map(|group| group.state_hash).collect();
        assert!(
            hashes.windows(2).all(|pair| pair[0] == pair[1]),
            "{hashes:x?}"
        );
    }
}

fn leads(node: &Running) -> bool {
    node.meta.status().unwrap()[usize::from(DATA)].state == "leader"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_leader_dies_and_it_catches_up() {
    let mut cluster = Cluster::start(10_000).await;
    let mut seeker = cluster.seeker();
    for n in 0..50 {
        seeker.put(&format!("before-{n}"), "x").await;
    }
    let leader = cluster.leader().await;
    cluster.take(leader).kill();
    let begun = Stopwatch::start();
    seeker.put("first-after", "x").await;
    eprintln!("first put after the leader's death: {:?}", begun.elapsed());
    for n in 0..50 {
        seeker.put(&format!("after-{n}"), "x").await;
    }
    for n in 0..50 {
        assert!(seeker.get(&format!("before-{n}")).await.is_some());
        assert!(seeker.get(&format!("after-{n}")).await.is_some());
    }
    cluster.restart(leader).await;
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_fell_behind_the_log_is_brought_back_by_a_snapshot() {
    let mut cluster = Cluster::start(40).await;
    let mut seeker = cluster.seeker();
    seeker.put("key", "before").await;
    cluster.agree().await;
    let leader = cluster.leader().await;
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let had = cluster.node(follower).meta.status().unwrap()[usize::from(DATA)].last_log_index;
    cluster.take(follower).kill();
    for n in 0..400 {
        seeker
            .put(&format!("key-{n}"), &"content ".repeat(500))
            .await;
    }
    let is_purged = |groups: Vec<GroupStatus>| groups.iter().all(|group| group.purged_index > had);
    eventually("the log is purged", async || is_purged(cluster.data())).await;
    cluster.restart(follower).await;
    cluster.agree().await;
    // What came by snapshot survives like anything else.
    cluster.take(follower).kill();
    cluster.restart(follower).await;
    cluster.agree().await;
    let other = (1..=3).find(|id| ![leader, follower].contains(id)).unwrap();
    cluster.take(other).kill();
    seeker.put("key", "after").await;
    assert_eq!(seeker.get("key").await.as_deref(), Some("after"));
    let last = seeker.get("key-399").await;
    assert_eq!(last, Some("content ".repeat(500)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_hands_over_first() {
    let mut cluster = Cluster::start(10_000).await;
    let leader = cluster.leader().await;
    let begun = Stopwatch::start();
    cluster.take(leader).stop().await;
    let took = begun.elapsed();
    let mut seeker = cluster.seeker();
    let begun = Stopwatch::start();
    seeker.put("key", "x").await;
    eprintln!(
        "handed over and stopped in {took:?}; first put {:?} later",
        begun.elapsed()
    );
    assert!(cluster.nodes.iter().any(leads));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_majority_neither_answers_nor_promises() {
    let mut cluster = Cluster::start(10_000).await;
    cluster.seeker().put("key", "x").await;
    let leader = cluster.leader().await;
    for other in (1..=3).filter(|id| *id != leader) {
        cluster.take(other).kill();
    }
    let mut client = cluster.node(leader).client();
    let read = get(&mut client, "key").await.unwrap_err();
    assert_eq!(read.code(), Code::Unavailable);
    let request = put_request("key", "y");
    let write = mutate(&mut client, DATA, &request);
    match tokio::time::timeout(Duration::from_secs(2), write).await {
        // It may be proposed while the leader still believes in itself: then nobody knows, and nobody says it is done.
        Err(_) => {}
        Ok(Err(status)) => assert_eq!(status.code(), Code::Unavailable),
        Ok(Ok(done)) => panic!("{done:?} without a majority"),
    }
    // It may still be said to lead: nobody expires that. But nobody answers.
    let is_ready = || cluster.node(leader).meta.is_ready();
    eventually("it knows that it is not ready", async || !is_ready()).await;
    for other in (1..=3).filter(|id| *id != leader) {
        cluster.restart(other).await;
    }
    eventually("it is ready", async || cluster.node(leader).meta.is_ready()).await;
    cluster.seeker().put("key", "z").await;
    assert_eq!(cluster.seeker().get("key").await.as_deref(), Some("z"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_comes_back_at_once_serves_nothing_stale() {
    let mut cluster = Cluster::start(10_000).await;
    let mut seeker = cluster.seeker();
    for round in 0..8_u64 {
        let name = format!("key-{}", round % 2);
        for n in 0..5 {
            seeker.put(&name, &format!("{round}-{n}")).await;
        }
        let leader = cluster.leader().await;
        cluster.take(leader).kill();
        // It is down for less, and then for more, than it takes to elect another.
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        cluster.restart(leader).await;
        let read = seeker.get(&name).await;
        assert_eq!(read, Some(format!("{round}-4")), "round {round}");
    }
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_everything_is_replaced_by_a_new_one() {
    let mut cluster = Cluster::start(40).await;
    let mut seeker = cluster.seeker();
    for n in 0..200 {
        seeker.put(&format!("key-{n}"), "x").await;
    }
    let leader = cluster.leader().await;
    let lost = (1..=3).find(|id| *id != leader).unwrap();
    cluster.take(lost).kill();
    let new = Running::start(cluster.config(4), &cluster.net)
        .await
        .unwrap();
    new.meta.join(CLUSTER, 1).await.unwrap();
    cluster.nodes.push(new);
    let wanted: Vec<u64> = (1..=4).filter(|id| *id != lost).collect();
    let changed = || async {
        let mut led = Vec::new();
        for node in &cluster.nodes {
            let elsewhere = node.meta.change_members(members(&wanted)).await;
            led.extend(elsewhere.map(|groups| groups.len() < 2));
        }
        let voters: Vec<NodeId> = wanted.iter().map(|id| NodeId::new(*id)).collect();
        let groups = cluster
            .nodes
            .iter()
            .flat_map(|node| node.meta.status().unwrap());
        groups.into_iter().all(|group| group.voters == voters)
    };
    eventually("the members have changed", changed).await;
    cluster.agree().await;
    // The new one counts: with it, one of the old ones may go.
    let old = wanted.iter().find(|id| ![4, leader].contains(*id)).unwrap();
    cluster.take(*old).kill();
    seeker.put("after", "x").await;
    assert!(seeker.get("key-199").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_that_is_not_there_never_becomes_a_voter() {
    let cluster = Cluster::start(10_000).await;
    let leader = cluster.leader().await;
    let changed = cluster
        .node(leader)
        .meta
        .change_members(members(&[1, 2, 3, 4]));
    let error = changed.await.unwrap_err();
    assert!(
        error.to_string().contains("node 4 is not up to date"),
        "{error}"
    );
    let voters: Vec<NodeId> = (1..=3).map(NodeId::new).collect();
    assert!(cluster.data().iter().all(|group| group.voters == voters));
    cluster.seeker().put("key", "x").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_is_not_handed_to_one_that_is_behind() {
    let mut cluster = Cluster::start(10_000).await;
    let leader = cluster.leader().await;
    let heir = (1..=3).find(|id| *id != leader).unwrap();
    cluster.take(heir).kill();
    cluster.seeker().put("key", "x").await;
    let term = |cluster: &Cluster| cluster.data().iter().map(|group| group.term).max();
    let before = term(&cluster);
    let request = TransferLeaderRequest {
        group: u32::from(DATA),
        to: heir,
    };
    let mut client = cluster.node(leader).client();
    let refused = client.transfer_leader(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted, "{refused:?}");
    // The leader leads on: nobody had to be elected in its place.
    let request = put_request("key", "y");
    mutate(&mut client, DATA, &request)
        .await
        .unwrap()
        .1
        .unwrap();
    assert_eq!(term(&cluster), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_an_hour_ahead_does_not_lead_with_one_peer_down() {
    let ahead: SharedClock = Arc::new(HourAhead(SystemClock::shared()));
    let mut cluster = Cluster::start_by(&ahead, 10_000).await;
    cluster.seeker().put("key", "x").await;
    cluster.take(1).kill();
    // Longer than anything that was heard of the first counts.
    // One against one: nobody can tell which is right, so neither goes on.
    let asked = Stopwatch::start();
    let mut clients = [2, 3].map(|id| cluster.node(id).client());
    while asked.elapsed() < Duration::from_secs(7) {
        for client in &mut clients {
            let request = put_request("key", "y");
            let proposed = mutate(client, DATA, &request);
            let proposed = tokio::time::timeout(Duration::from_secs(1), proposed).await;
            let is_done = matches!(proposed, Ok(Ok(_)));
            assert!(
                !is_done || asked.elapsed() < Duration::from_secs(6),
                "{proposed:?}"
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cluster.restart(1).await;
    let request = put_request("key", "z");
    let (_, result) = cluster.seeker().mutate(&request).await;
    let Ok(Reply::Data(DataReply::Committed(committed))) = result else {
        panic!("{result:?}");
    };
    assert!(committed.last_modified.millis_since(now()) < 60_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_wrong_does_not_lead() {
    let ahead: SharedClock = Arc::new(HourAhead(SystemClock::shared()));
    let mut cluster = Cluster::start_by(&ahead, 10_000).await;
    for _ in 0..2 {
        let right = || cluster.nodes.iter().any(|node| node.id != 3 && leads(node));
        eventually("a node whose clock is right leads", async || right()).await;
        let leader = cluster.leader().await;
        let request = put_request("key", "x");
        let (_, result) = Seeker::new(&cluster.net, &[1, 2]).mutate(&request).await;
        let Ok(Reply::Data(DataReply::Committed(committed))) = result else {
            panic!("{result:?}");
        };
        assert!(
            committed.last_modified.millis_since(now()) < 60_000,
            "{committed:?}"
        );
        if cluster.nodes.len() == 3 {
            cluster.take(leader).kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raft_of_another_cluster_or_of_nobody_is_refused() {
    let cluster = Cluster::start(10_000).await;
    let mut client = RaftClient::new(cluster.net.channel(1));
    let request = VoteRequest {
        group: 0,
        vote: Some(Vote {
            term: 1_000,
            node: 9,
            committed: false,
        }),
        last_log_id: None,
        leadership_transfer: false,
    };
    let refused = client.vote(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(outcome(&refused), Outcome::Refused);
    let terms = cluster.data().into_iter().map(|group| group.term);
    assert!(terms.max().unwrap() < 1_000);
}
