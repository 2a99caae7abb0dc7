//! Raft to other nodes: one channel to each, shared by all groups, and another one for snapshots.
//!
//! The streams of a connection share its flow control: what a node does not take of a snapshot, because it is slow to write it,
//! would stand in the way of heartbeats, and cost leaderships of groups that have nothing to do with it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
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
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::beats::Beats;
use super::messages::{self, MessageError, SnapshotHeader, Stored};
use crate::config::Dial;
use crate::consensus::{Snapshot, TypeConfig, Vote};
use crate::skew::Skew;
use crate::state::{Piece, Rows, SnapshotData};

/// Entries may take longer than a heartbeat: they are written and synced before they are answered.
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time between two pieces of a snapshot, and from the last one to the answer, in which all is installed.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// Snapshots that are sent at the same time: each has a few pieces in memory, here and at its receiver, and a node that lost
/// everything asks for those of all groups at once.
const SNAPSHOTS_AT_ONCE: usize = 2;

/// Pieces of a snapshot on their way to the socket.
const PIECES_IN_FLIGHT: usize = 2;

/// A way that led nowhere is asked for anew, at most this often: the node may have moved.
const DIAL_PAUSE: Duration = Duration::from_secs(1);

/// How long entries are kept after a snapshot was sent, for whoever took it to ask for what came after it.
const FOLLOW_UP: Duration = Duration::from_mins(1);

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
    introduce: OnceLock<Introduce>,
    ways: RwLock<Ways>,
    beats: Beats,
    sending: Mutex<Sending>,
    /// Never closed.
    turns: Semaphore,
}

/// Where nodes are. Groups may differ in that for a while: each goes by its own membership.
#[derive(Default)]
struct Ways {
    /// By group and node.
    addresses: HashMap<(u16, u64), String>,
    /// By node, address and purpose.
    dialled: HashMap<(u64, String, Purpose), Way>,
}

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// What is answered soon.
    Calls,
    /// What may take long.
    Snapshots,
}

struct Way {
    channel: Channel,
    since: Duration,
    leads_nowhere: bool,
}

/// Snapshots on their way to others.
#[derive(Default)]
struct Sending {
    count: usize,
    ended: Option<Duration>,
}

/// A snapshot on its way to another node.
struct Underway(Arc<Links>);

impl Peers {
    /// No channel yet; `dial` opens them.
    pub(crate) fn new(dial: Dial, skew: Arc<Skew>) -> Self {
        Self {
            links: Arc::new(Links {
                dial,
                skew,
                introduce: OnceLock::new(),
                ways: RwLock::default(),
                beats: Beats::default(),
                sending: Mutex::default(),
                turns: Semaphore::new(SNAPSHOTS_AT_ONCE),
            }),
        }
    }

    /// From now on calls say that they are from this node of this cluster; before, none can be made.
    pub(crate) fn introduce(&self, cluster: ClusterId, node: NodeId) {
        let introduce = || Introduce::new(cluster, node, Role::Meta);
        self.links.introduce.get_or_init(introduce);
    }

    /// Takes note of where a group's membership has a node.
    pub(crate) fn learn(&self, group: u16, node: u64, address: &str) {
        let links = &self.links;
        let is_known = links
            .ways()
            .addresses
            .get(&(group, node))
            .is_some_and(|known| known == address);
        if is_known {
            return;
        }
        let mut ways = links.ways_mut();
        ways.addresses.insert((group, node), address.to_owned());
        let Ways { addresses, dialled } = &mut *ways;
        dialled.retain(|(node, address, _), _| {
            let mut used = addresses.iter();
            used.any(|((_, known), place)| known == node && place == address)
        });
    }

    /// Whether a snapshot is being sent, or was a moment ago: what came after it must stay in the log.
    pub(crate) fn are_followed_up(&self) -> bool {
        let now = self.links.skew.monotonic();
        let sending = self.links.sending();
        let is_recent = |ended: Duration| now.saturating_sub(ended) < FOLLOW_UP;
        sending.count > 0 || sending.ended.is_some_and(is_recent)
    }

    /// A channel to where a group's membership has a node, and what calls over it are to say.
    ///
    /// # Errors
    /// Why there is no way.
    pub(crate) fn way(&self, group: u16, node: u64) -> Result<(Channel, Introduce), &'static str> {
        self.way_for(Purpose::Calls, group, node)
    }

    fn way_for(
        &self,
        purpose: Purpose,
        group: u16,
        node: u64,
    ) -> Result<(Channel, Introduce), &'static str> {
        let introduce = self.links.introduce.get();
        let introduce = introduce.ok_or("this node is of no cluster yet")?;
        let channel = self.links.channel(purpose, group, node);
        let channel = channel.ok_or("the peer has no usable address")?;
        Ok((channel, introduce.to(NodeId::new(node))))
    }

    /// Sends what has no entries, together with what other groups send to the same node at the same moment.
    async fn beat(
        &self,
        target: (u16, u64),
        request: &AppendEntriesRequest<TypeConfig>,
        limit: Duration,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let (group, node) = target;
        let address = self.links.ways().addresses.get(&target).cloned();
        let place = (node, address.unwrap_or_default());
        let beat = messages::append_request(group, request);
        let response = self
            .links
            .beats
            .send(place, beat, async |request| {
                let mut client = self.client(Purpose::Calls, group, node)?;
                let call = client.heartbeat(self.links.request(request));
                self.links.answered(target, limit, call).await
            })
            .await?;
        messages::read_append_response(response).map_err(|error| malformed(&error))
    }

    fn client(&self, purpose: Purpose, group: u16, node: u64) -> Result<Client, RpcError> {
        let way = self.way_for(purpose, group, node);
        let (channel, introduce) =
            way.map_err(|what| RPCError::Unreachable(Unreachable::from_string(what)))?;
        Ok(RaftClient::with_interceptor(channel, introduce)
            .max_decoding_message_size(MAX_MESSAGE_LEN)
            .max_encoding_message_size(MAX_MESSAGE_LEN))
    }
}

impl Links {
    fn ways(&self) -> RwLockReadGuard<'_, Ways> {
        self.ways.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ways_mut(&self) -> RwLockWriteGuard<'_, Ways> {
        self.ways.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to a node, opened now if there is none yet or if the one that there is leads nowhere.
    fn channel(&self, purpose: Purpose, group: u16, node: u64) -> Option<Channel> {
        let now = self.skew.monotonic();
        let key = {
            let ways = self.ways();
            let key = (node, ways.addresses.get(&(group, node))?.clone(), purpose);
            if let Some(way) = ways.dialled.get(&key)
                && !(way.leads_nowhere && now.saturating_sub(way.since) >= DIAL_PAUSE)
            {
                return Some(way.channel.clone());
            }
            key
        };
        match (self.dial)(NodeId::new(node), &key.1) {
            Ok(channel) => {
                let way = Way {
                    channel: channel.clone(),
                    since: now,
                    leads_nowhere: false,
                };
                self.ways_mut().dialled.insert(key, way);
                Some(channel)
            }
            Err(error) => {
                tracing::warn!(node, error = %error, "no way to a peer");
                None
            }
        }
    }

    /// Takes note that nobody answers there, or somebody else.
    fn leads_nowhere(&self, group: u16, node: u64) {
        let mut ways = self.ways_mut();
        let Ways { addresses, dialled } = &mut *ways;
        let Some(address) = addresses.get(&(group, node)) else {
            return;
        };
        for purpose in [Purpose::Calls, Purpose::Snapshots] {
            if let Some(way) = dialled.get_mut(&(node, address.clone(), purpose)) {
                way.leads_nowhere = true;
            }
        }
    }

    /// A request that tells this node's clock.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.skew.tell(request.metadata_mut());
        request
    }

    /// Waits for an answer, `limit` at most, and takes note of the answering node's clock.
    async fn answered<T>(
        &self,
        (group, node): (u16, u64),
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, RpcError> {
        let begun = self.skew.monotonic();
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(response)) => {
                let elapsed = self.skew.monotonic().saturating_sub(begun);
                self.skew.observe(node, response.metadata(), elapsed);
                Ok(response.into_inner())
            }
            Ok(Err(status)) => {
                let error = failed(&status);
                if matches!(error, RPCError::Unreachable(_)) {
                    self.leads_nowhere(group, node);
                }
                Err(error)
            }
            Err(_) => Err(RPCError::Network(NetworkError::from_string(format!(
                "no answer within {limit:?}"
            )))),
        }
    }
}

impl Underway {
    fn begin(links: &Arc<Links>) -> Self {
        links.sending().count += 1;
        Self(Arc::clone(links))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let now = self.0.skew.monotonic();
        let mut sending = self.0.sending();
        sending.count -= 1;
        sending.ended = Some(now);
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
        if request.entries.is_empty() {
            return self
                .beat((group, target), &request, option.soft_ttl())
                .await;
        }
        let mut client = self.client(Purpose::Calls, group, target)?;
        let request = self
            .links
            .request(messages::append_request(group, &request));
        let call = client.append_entries(request);
        let answered = self.links.answered((group, target), APPEND_TIMEOUT, call);
        let response = answered.await?;
        messages::read_append_response(response).map_err(|error| malformed(&error))
    }

    async fn vote(
        &self,
        target: u64,
        group: u16,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let mut client = self.client(Purpose::Calls, group, target)?;
        let request = self.links.request(messages::vote_request(group, &request));
        let (limit, call) = (option.hard_ttl(), client.vote(request));
        let response = self.links.answered((group, target), limit, call).await?;
        messages::read_vote_response(response).map_err(|error| malformed(&error))
    }

    async fn pre_vote(
        &self,
        target: u64,
        group: u16,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let mut client = self.client(Purpose::Calls, group, target)?;
        let request = self.links.request(messages::vote_request(group, &request));
        let (limit, call) = (option.hard_ttl(), client.pre_vote(request));
        let response = self.links.answered((group, target), limit, call).await?;
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
        let client = self.client(Purpose::Snapshots, group, target)?;
        let _underway = Underway::begin(&self.links);
        let sending = async {
            let _turn = self.links.turns.acquire().await.expect("never closed");
            send_snapshot(client, header, rows).await
        };
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => sent,
        }
    }

    async fn transfer_leader(
        &self,
        target: u64,
        group: u16,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let mut client = self.client(Purpose::Calls, group, target)?;
        let request = self
            .links
            .request(messages::transfer_request(group, &request));
        let (limit, call) = (option.hard_ttl(), client.transfer_leader(request));
        self.links.answered((group, target), limit, call).await?;
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
        self.peers.learn(self.group, target, &node.addr);
        GroupNetworkAdapter::new(self.peers.clone(), target, self.group)
    }
}

#[cfg(test)]
mod tests;
