use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_rpc::channel::in_process;
use cairn_rpc::proto::raft;
use cairn_rpc::proto::raft::raft_server::{Raft, RaftServer};
use cairn_rpc::server::MAX_MESSAGE_LEN;
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::id::{ClusterId, NodeId};
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft_multi::GroupRouter;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::Peers;
use crate::config::Dial;
use crate::consensus::{Snapshot, SnapshotMeta, Vote};
use crate::service::messages::append_response;
use crate::skew::Skew;
use crate::state::{Piece, Rows, SnapshotData};

/// A node that answers heartbeats and takes nothing of a snapshot.
struct Full;

#[tonic::async_trait]
impl Raft for Full {
    async fn append_entries(
        &self,
        _: Request<raft::AppendEntriesRequest>,
    ) -> Result<Response<raft::AppendEntriesResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn heartbeat(
        &self,
        request: Request<raft::HeartbeatRequest>,
    ) -> Result<Response<raft::HeartbeatResponse>, Status> {
        let beats = request.into_inner().beats.into_iter();
        let answers = beats.map(|_| {
            let success = append_response(&AppendEntriesResponse::Success);
            raft::HeartbeatAnswer {
                answer: Some(raft::heartbeat_answer::Answer::Response(success)),
            }
        });
        Ok(Response::new(raft::HeartbeatResponse {
            answers: answers.collect(),
        }))
    }

    async fn vote(
        &self,
        _: Request<raft::VoteRequest>,
    ) -> Result<Response<raft::VoteResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn pre_vote(
        &self,
        _: Request<raft::VoteRequest>,
    ) -> Result<Response<raft::VoteResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn install_snapshot(
        &self,
        pieces: Request<Streaming<raft::SnapshotPiece>>,
    ) -> Result<Response<raft::SnapshotResponse>, Status> {
        let _not_taken = pieces;
        std::future::pending().await
    }

    async fn transfer_leader(
        &self,
        _: Request<raft::TransferLeaderRequest>,
    ) -> Result<Response<raft::TransferLeaderResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }
}

/// Sends a snapshot until no more of it is taken.
async fn send_what_is_taken(peers: &Peers, group: u16, tasks: &Tasks) {
    let (sender, pieces) = mpsc::channel(1);
    let snapshot = Snapshot {
        meta: SnapshotMeta {
            last_log_id: None,
            ..SnapshotMeta::default()
        },
        snapshot: SnapshotData::Cut(Rows::of(pieces)),
    };
    let peers = peers.clone();
    tasks.spawn("send", async move {
        let option = RPCOption::new(Duration::from_secs(5));
        let never = std::future::pending();
        let vote = Vote::new_committed(1, 1);
        let sent = peers.full_snapshot(2, group, vote, snapshot, never, option);
        panic!("it ended: {:?}", sent.await.map(|_| ()));
    });
    let piece = || Ok(Piece::Rows(Bytes::from(vec![0; 1024 * 1024])));
    let patience = Duration::from_millis(500);
    while let Ok(fed) = tokio::time::timeout(patience, sender.send(piece())).await {
        fed.unwrap();
    }
    // Kept open: the snapshot goes on.
    tasks.spawn("keep", async move { sender.closed().await });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_pass_snapshots_that_are_not_taken() {
    let (way, incoming) = in_process();
    let tasks = Tasks::new();
    let service = RaftServer::new(Full).max_decoding_message_size(MAX_MESSAGE_LEN);
    let server = cairn_rpc::server::builder(&Metrics::new()).add_service(service);
    tasks.spawn("serve", async move {
        server.serve_with_incoming(incoming).await.unwrap();
    });
    let dial: Dial = Arc::new(move |_, _| Ok(way.channel()));
    let peers = Peers::new(dial, Arc::new(Skew::new(SystemClock::shared())));
    peers.introduce(ClusterId::new(1), NodeId::new(1));
    for group in [1, 2] {
        peers.learn(group, 2, "there");
    }
    futures::future::join_all([1, 2].map(|group| send_what_is_taken(&peers, group, &tasks))).await;
    let heartbeat = AppendEntriesRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    let option = RPCOption::new(Duration::from_secs(5));
    let answer = peers.append_entries(2, 1, heartbeat, option).await;
    assert!(
        matches!(answer, Ok(AppendEntriesResponse::Success)),
        "{answer:?}"
    );
    tasks.stop_and_join(Duration::from_secs(5)).await;
}
