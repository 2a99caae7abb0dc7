//! Raft to other nodes: one channel to each, shared by all groups.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::proto::raft;
use cairn_rpc::proto::raft::raft_client::RaftClient;
use cairn_rpc::server::MAX_MESSAGE_LEN;
use cairn_types::id::{ClusterId, NodeId};
use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, RaftNetworkFactory};
use openraft_multi::{GroupNetworkAdapter, GroupRouter};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::messages::{self, MessageError, SnapshotHeader, Stored};
use crate::config::Dial;
use crate::consensus::{Snapshot, TypeConfig, Vote};
use crate::skew::Skew;
use crate::state::{Piece, Rows, SnapshotData};

/// Says of a request for a vote that the leader asked for it, so that the leader's lease does not forbid it.
pub(super) const TRANSFER: &str = "cairn-leadership-transfer";

/// Entries may take longer than a heartbeat: they are written and synced before they are answered.
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time between two pieces of a snapshot, and from the last one to the answer, in which all is installed.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// Pieces of a snapshot on their way to the socket.
const PIECES_IN_FLIGHT: usize = 2;

type Client = RaftClient<InterceptedService<Channel, Introduce>>;
type RpcError = RPCError<TypeConfig>;

/// The way to all other nodes. Cloning shares the channels.
#[derive(Clone)]
pub(crate) struct Peers {
    links: Arc<Links>,
}

struct Links {
    dial: Dial,
    skew: Arc<Skew>,
    cluster: OnceLock<Introduce>,
    /// Address and channel by node. A node that moved is dialled anew.
    by_node: RwLock<HashMap<u64, (String, Channel)>>,
}

impl Peers {
    /// No channel yet; `dial` opens them.
    pub(crate) fn new(dial: Dial, skew: Arc<Skew>) -> Self {
        Self {
            links: Arc::new(Links {
                dial,
                skew,
                cluster: OnceLock::new(),
                by_node: RwLock::default(),
            }),
        }
    }

    /// From now on calls say that they are from this node of this cluster; before, none can be made.
    pub(crate) fn introduce(&self, cluster: ClusterId, node: NodeId) {
        let introduce = || Introduce::new(cluster, node, Role::Meta);
        self.links.cluster.get_or_init(introduce);
    }

    fn learn(&self, node: u64, address: &str) {
        let by_node = &self.links.by_node;
        let is_known = by_node
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&node)
            .is_some_and(|(known, _)| known == address);
        if is_known {
            return;
        }
        match (self.links.dial)(NodeId::new(node), address) {
            Ok(channel) => {
                let mut by_node = by_node.write().unwrap_or_else(PoisonError::into_inner);
                by_node.insert(node, (address.to_owned(), channel));
            }
            Err(error) => tracing::warn!(node, error = %error, "no way to a peer"),
        }
    }

    fn ask_for_vote(
        &self,
        group: u16,
        request: &VoteRequest<TypeConfig>,
    ) -> Request<raft::VoteRequest> {
        let mut asked = self.links.request(messages::vote_request(group, request));
        if request.leadership_transfer {
            let yes = MetadataValue::from_static("1");
            asked.metadata_mut().insert(TRANSFER, yes);
        }
        asked
    }

    fn client(&self, node: u64) -> Result<Client, RpcError> {
        let unreachable = |what: &str| RPCError::Unreachable(Unreachable::from_string(what));
        let introduce = self.links.cluster.get();
        let introduce = introduce.ok_or_else(|| unreachable("this node is of no cluster yet"))?;
        let by_node = self.links.by_node.read();
        let by_node = by_node.unwrap_or_else(PoisonError::into_inner);
        let (_, channel) = by_node
            .get(&node)
            .ok_or_else(|| unreachable("the peer has no usable address"))?;
        Ok(
            RaftClient::with_interceptor(channel.clone(), introduce.to(NodeId::new(node)))
                .max_decoding_message_size(MAX_MESSAGE_LEN)
                .max_encoding_message_size(MAX_MESSAGE_LEN),
        )
    }
}

impl Links {
    /// A request that tells this node's clock.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.skew.tell(request.metadata_mut());
        request
    }
}

/// Waits for an answer of `node`, `limit` at most, and takes note of its clock.
async fn answered<T>(
    links: &Links,
    node: u64,
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, RpcError> {
    let begun = links.skew.monotonic();
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(response)) => {
            let elapsed = links.skew.monotonic().saturating_sub(begun);
            links.skew.observe(node, response.metadata(), elapsed);
            Ok(response.into_inner())
        }
        Ok(Err(status)) => Err(failed(&status)),
        Err(_) => Err(RPCError::Network(NetworkError::from_string(format!(
            "no answer within {limit:?}"
        )))),
    }
}

/// Unreachable makes openraft wait before it tries again.
fn failed(status: &Status) -> RpcError {
    match status.code() {
        Code::Unavailable | Code::FailedPrecondition | Code::Unauthenticated | Code::NotFound => {
            RPCError::Unreachable(Unreachable::new(status))
        }
        _ => RPCError::Network(NetworkError::new(status)),
    }
}

fn malformed(error: &MessageError) -> RpcError {
    RPCError::Network(NetworkError::new(error))
}

impl GroupRouter<TypeConfig, u16> for Peers {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &self,
        target: u64,
        group: u16,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let limit = if request.entries.is_empty() {
            option.soft_ttl()
        } else {
            APPEND_TIMEOUT
        };
        let mut client = self.client(target)?;
        let request = self
            .links
            .request(messages::append_request(group, &request));
        let call = client.append_entries(request);
        let response = answered(&self.links, target, limit, call).await?;
        messages::read_append_response(response).map_err(|error| malformed(&error))
    }

    async fn vote(
        &self,
        target: u64,
        group: u16,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let mut client = self.client(target)?;
        let call = client.vote(self.ask_for_vote(group, &request));
        let response = answered(&self.links, target, option.hard_ttl(), call).await?;
        messages::read_vote_response(response).map_err(|error| malformed(&error))
    }

    async fn pre_vote(
        &self,
        target: u64,
        group: u16,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let mut client = self.client(target)?;
        let call = client.pre_vote(self.ask_for_vote(group, &request));
        let response = answered(&self.links, target, option.hard_ttl(), call).await?;
        messages::read_vote_response(response).map_err(|error| malformed(&error))
    }

    async fn full_snapshot(
        &self,
        target: u64,
        group: u16,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let SnapshotData::Cut(rows) = snapshot.snapshot else {
            let reason = NetworkError::from_string("only a snapshot that was cut here is sent");
            return Err(StreamingError::Network(reason));
        };
        let header = SnapshotHeader {
            group,
            vote,
            meta: snapshot.meta,
            state_hash: rows.state_hash,
        };
        let client = self.client(target)?;
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send_snapshot(client, header, rows) => sent,
        }
    }

    async fn transfer_leader(
        &self,
        target: u64,
        group: u16,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let mut client = self.client(target)?;
        let request = self
            .links
            .request(messages::transfer_request(group, &request));
        let call = client.transfer_leader(request);
        answered(&self.links, target, option.hard_ttl(), call).await?;
        Ok(Ok(()))
    }
}

/// Sends a snapshot piece by piece as its rows are read. Cancel safe in that nothing goes on when it is dropped.
async fn send_snapshot(
    mut client: Client,
    header: SnapshotHeader,
    mut rows: Rows,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let (pieces, outgoing) = mpsc::channel(PIECES_IN_FLIGHT);
    let header = raft::snapshot_piece::Piece::Header(header.to_proto());
    let rows_sent = async move {
        send_piece(&pieces, header).await?;
        loop {
            let piece = match rows.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Err(NetworkError::new(&error)),
                None => return Err(NetworkError::from_string("the reader of rows has ended")),
            };
            let is_end = matches!(piece, Piece::End { .. });
            send_piece(&pieces, piece_message(piece)).await?;
            if is_end {
                return Ok(());
            }
        }
    };
    let call = client.install_snapshot(ReceiverStream::new(outgoing));
    let mut call = std::pin::pin!(call);
    let fed = tokio::select! {
        fed = rows_sent => fed,
        // It answered before the end: a higher vote, or an error.
        response = &mut call => return snapshot_answer(response),
    };
    fed?;
    let Ok(response) = tokio::time::timeout(PIECE_TIMEOUT, call).await else {
        let reason = NetworkError::from_string("no answer to the last piece of a snapshot");
        return Err(StreamingError::Network(reason));
    };
    snapshot_answer(response)
}

async fn send_piece(
    pieces: &mpsc::Sender<raft::SnapshotPiece>,
    piece: raft::snapshot_piece::Piece,
) -> Result<(), NetworkError<TypeConfig>> {
    let message = raft::SnapshotPiece { piece: Some(piece) };
    match tokio::time::timeout(PIECE_TIMEOUT, pieces.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(NetworkError::from_string("the peer hung up")),
        Err(_) => Err(NetworkError::from_string("the peer takes no more pieces")),
    }
}

fn piece_message(piece: Piece) -> raft::snapshot_piece::Piece {
    match piece {
        Piece::Rows(rows) => raft::snapshot_piece::Piece::Rows(rows),
        Piece::End {
            row_count,
            rows_hash,
        } => raft::snapshot_piece::Piece::End(raft::SnapshotEnd {
            row_count,
            rows_hash: cairn_rpc::bytes::from_u128(rows_hash),
        }),
    }
}

fn snapshot_answer(
    response: Result<Response<raft::SnapshotResponse>, Status>,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let response = response.map_err(|status| failed(&status))?.into_inner();
    let vote = response
        .vote
        .ok_or(MessageError::Missing("vote"))
        .and_then(Vote::from_proto)
        .map_err(|error| malformed(&error))?;
    Ok(SnapshotResponse::new(vote))
}

/// A group's way to its peers.
pub(crate) struct GroupNetwork {
    /// The channels, shared by all groups.
    pub(crate) peers: Peers,
    /// The group.
    pub(crate) group: u16,
}

impl RaftNetworkFactory<TypeConfig> for GroupNetwork {
    type Network = GroupNetworkAdapter<TypeConfig, u16, Peers>;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Self::Network {
        self.peers.learn(target, &node.addr);
        GroupNetworkAdapter::new(self.peers.clone(), target, self.group)
    }
}
