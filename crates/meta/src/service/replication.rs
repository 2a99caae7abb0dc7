//! Raft from other nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_rpc::identity::RAFT_CALLERS;
use cairn_rpc::proto::raft;
use cairn_rpc::proto::raft::raft_server::Raft;
use openraft::raft::{AppendEntriesResponse, TransferLeaderError};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::admit;
use super::messages::{self, MessageError, SnapshotHeader, Stored};
use crate::consensus::{Snapshot, TypeConfig, Vote};
use crate::group::Group;
use crate::node::Node;
use crate::state::{SnapshotData, StageError, Staging};

/// How long a group may take for what has no entries. The sender waits little longer.
const BEAT_TIMEOUT: Duration = Duration::from_millis(150);

/// How long the next piece of a snapshot may take: its sender reads ahead.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers the Raft of other nodes of the same cluster.
#[derive(Clone)]
pub struct RaftService {
    node: Arc<Node>,
}

impl RaftService {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    fn admit<T>(&self, request: Request<T>) -> Result<(MetadataMap, T), Status> {
        admit(&self.node, RAFT_CALLERS, request)
    }

    /// An answer that tells this node's clock, after taking note of the caller's.
    fn answer<T>(&self, caller: &MetadataMap, node: u64, message: T) -> Response<T> {
        let skew = self.node.skew();
        skew.observe(node, caller, Duration::ZERO);
        let mut response = Response::new(message);
        skew.tell(response.metadata_mut());
        response
    }

    fn group(&self, group: u16) -> Result<Arc<Group>, Status> {
        self.node
            .group(group)
            .ok_or_else(|| Status::not_found("no such group on this node"))
    }

    /// Gives a group what its leader sent.
    async fn append(
        &self,
        request: raft::AppendEntriesRequest,
    ) -> Result<raft::AppendEntriesResponse, Status> {
        let (group, request) = messages::read_append_request(request).map_err(malformed)?;
        let group = self.group(group)?;
        let response = group.raft().append_entries(request).await;
        let response = response.map_err(stopped)?;
        if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
            group.hear_leader();
        }
        Ok(messages::append_response(&response))
    }

    /// Answers a request for a vote, or for what the answer to one would be.
    async fn ballot(
        &self,
        request: Request<raft::VoteRequest>,
        is_pre_vote: bool,
    ) -> Result<Response<raft::VoteResponse>, Status> {
        let (caller, request) = self.admit(request)?;
        let (group, request) = messages::read_vote_request(request).map_err(malformed)?;
        let from = request.vote.leader_id.node_id;
        let group = self.group(group)?;
        let response = if is_pre_vote {
            group.raft().pre_vote(request).await
        } else {
            group.raft().vote(request).await
        };
        let response = messages::vote_response(&response.map_err(stopped)?);
        Ok(self.answer(&caller, from, response))
    }
}

/// The node that leads, by its own word; 0 where it does not say.
fn sender(request: &raft::AppendEntriesRequest) -> u64 {
    request.vote.as_ref().map_or(0, |vote| vote.node)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(error: MessageError) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped<E: std::fmt::Display>(error: E) -> Status {
    Status::internal(format!("raft: {error}"))
}

#[tonic::async_trait]
impl Raft for RaftService {
    async fn append_entries(
        &self,
        request: Request<raft::AppendEntriesRequest>,
    ) -> Result<Response<raft::AppendEntriesResponse>, Status> {
        let (caller, request) = self.admit(request)?;
        let from = sender(&request);
        let response = self.append(request).await?;
        Ok(self.answer(&caller, from, response))
    }

    async fn heartbeat(
        &self,
        request: Request<raft::HeartbeatRequest>,
    ) -> Result<Response<raft::HeartbeatResponse>, Status> {
        let (caller, request) = self.admit(request)?;
        let from = request.beats.first().map_or(0, sender);
        let answers = request.beats.into_iter().map(async |beat| {
            let refused = |reason: &str| raft::heartbeat_answer::Answer::Refusal(reason.to_owned());
            // A group that waits for its disk does not make the others miss their time.
            let answer = match tokio::time::timeout(BEAT_TIMEOUT, self.append(beat)).await {
                Ok(Ok(response)) => raft::heartbeat_answer::Answer::Response(response),
                Ok(Err(status)) => refused(status.message()),
                Err(_) => refused("the group did not answer in time"),
            };
            raft::HeartbeatAnswer {
                answer: Some(answer),
            }
        });
        let answers = futures::future::join_all(answers).await;
        Ok(self.answer(&caller, from, raft::HeartbeatResponse { answers }))
    }

    async fn vote(
        &self,
        request: Request<raft::VoteRequest>,
    ) -> Result<Response<raft::VoteResponse>, Status> {
        self.ballot(request, false).await
    }

    async fn pre_vote(
        &self,
        request: Request<raft::VoteRequest>,
    ) -> Result<Response<raft::VoteResponse>, Status> {
        self.ballot(request, true).await
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<raft::SnapshotPiece>>,
    ) -> Result<Response<raft::SnapshotResponse>, Status> {
        let (_, mut pieces) = self.admit(request)?;
        let first = next_piece(&mut pieces).await?;
        let raft::snapshot_piece::Piece::Header(header) = first else {
            return Err(Status::invalid_argument(
                "a snapshot begins with its header",
            ));
        };
        let header = SnapshotHeader::from_proto(header).map_err(malformed)?;
        let group = self.group(header.group)?;
        // Before its rows are taken: a deposed leader is told so at once.
        let vote = group.vote();
        if vote > header.vote {
            return Ok(Response::new(snapshot_response(vote)));
        }
        let _turn = group
            .begin_staging()
            .ok_or_else(|| Status::resource_exhausted("a snapshot is being received"))?;
        let staging = self.stage(&group, &header, &mut pieces).await?;
        let snapshot = Snapshot {
            meta: header.meta,
            snapshot: SnapshotData::Staged(staging),
        };
        let installed = group.raft().install_full_snapshot(header.vote, snapshot);
        let response = installed.await.map_err(stopped)?;
        Ok(Response::new(snapshot_response(response.vote)))
    }

    async fn transfer_leader(
        &self,
        request: Request<raft::TransferLeaderRequest>,
    ) -> Result<Response<raft::TransferLeaderResponse>, Status> {
        let (_, request) = self.admit(request)?;
        let (group, request) = messages::read_transfer_request(request).map_err(malformed)?;
        let group = self.group(group)?;
        let answer = group.raft().handle_transfer_leader(request).await;
        match answer.map_err(stopped)? {
            Ok(()) => Ok(Response::new(raft::TransferLeaderResponse {})),
            Err(refusal) => Err(transfer_refused(&refusal)),
        }
    }
}

impl RaftService {
    /// Receives the rows of a snapshot into a generation of their own.
    async fn stage(
        &self,
        group: &Group,
        header: &SnapshotHeader,
        pieces: &mut Streaming<raft::SnapshotPiece>,
    ) -> Result<Staging, Status> {
        let pool = self.node.pool();
        let tables = Arc::clone(group.tables());
        let begun = pool.run(move || Staging::begin(tables)).await;
        let mut staging = begun.map_err(|error| not_staged(&error))?;
        loop {
            match next_piece(pieces).await? {
                raft::snapshot_piece::Piece::Rows(rows) => {
                    let added = pool.run(move || add(staging, rows)).await;
                    staging = added.map_err(|error| not_staged(&error))?;
                }
                raft::snapshot_piece::Piece::End(end) => {
                    let rows_hash = messages::read_hash(&end.rows_hash).map_err(malformed)?;
                    staging
                        .check(end.row_count, rows_hash, header.state_hash)
                        .map_err(|error| not_staged(&error))?;
                    return Ok(staging);
                }
                raft::snapshot_piece::Piece::Header(_) => {
                    return Err(Status::invalid_argument("a second header"));
                }
            }
        }
    }
}

fn add(mut staging: Staging, rows: Bytes) -> Result<Staging, StageError> {
    staging.add(rows)?;
    Ok(staging)
}

fn not_staged(error: &StageError) -> Status {
    Status::internal(error.to_string())
}

async fn next_piece(
    pieces: &mut Streaming<raft::SnapshotPiece>,
) -> Result<raft::snapshot_piece::Piece, Status> {
    let message = tokio::time::timeout(PIECE_TIMEOUT, pieces.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the next piece of a snapshot does not come"))??;
    message
        .and_then(|message| message.piece)
        .ok_or_else(|| Status::invalid_argument("the snapshot ended early"))
}

fn snapshot_response(vote: Vote) -> raft::SnapshotResponse {
    raft::SnapshotResponse {
        vote: Some(vote.to_proto()),
    }
}

fn transfer_refused(refusal: &TransferLeaderError<TypeConfig>) -> Status {
    Status::aborted(refusal.to_string())
}
