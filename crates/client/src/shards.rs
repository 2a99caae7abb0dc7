//! The shards of blobs on the disks of storage nodes.
//!
//! What is read comes with the hashes that the disk has for it, and is to be checked against them by whoever knows the
//! code that made them; nothing in here looks into the bytes.

mod error;
mod health;
mod reader;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_rpc::identity::Introduce;
use cairn_rpc::proto::storage::storage_client::StorageClient;
use cairn_rpc::proto::storage::{
    AdvanceEpochRequest, DescribeRequest, DiskSummary as DiskSummaryMessage, ListBlobsRequest,
    PinBlobsRequest, RemoveBlobsRequest,
};
use cairn_rpc::server::MAX_MESSAGE_LEN;
use cairn_runtime::{SharedClock, Tasks};
use cairn_types::cluster::StorageNode;
use cairn_types::id::{BlobId, DiskId, Epoch, NodeId, PlacementGroupId};
use tonic::Request;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::meta::is_connect_error;
use crate::peers::{CONNECTIONS_MAX, Peers};
use crate::topology::{Layout, TopologyCache};

pub use error::{ShardError, ShardErrorKind};
use health::Health;
pub use reader::{FrameStream, Frames, ShardList, Slice};
pub use writer::{Cell, CellSender, ShardHeader};

type Node = StorageClient<InterceptedService<Channel, Introduce>>;

/// The time for a small request to one disk: long enough for a sync on a busy one.
const SMALL_REQUEST: Duration = Duration::from_secs(10);

/// The time for a node to say how its disks are. It does not wait for disks that hang.
const DESCRIPTION: Duration = Duration::from_secs(5);

/// Blobs in one removal or pin.
const BLOBS_PER_REQUEST: usize = 1000;

/// What a node says of one of its disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSummary {
    /// The disk.
    pub disk: DiskId,
    /// Where it is, on its node.
    pub path: String,
    /// Why it is not in service; `None` when it is.
    pub out_of_service: Option<String>,
    /// Its size in bytes.
    pub capacity_bytes: u64,
    /// Bytes that shards may still take.
    pub available_bytes: u64,
    /// Bytes of shards that are not removed.
    pub live_bytes: u64,
    /// Bytes of removed shards whose space is not given back yet.
    pub removed_bytes: u64,
    /// Damaged cells found by reads since its node started.
    pub damaged_cells: u64,
}

/// What a disk has of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSummary {
    /// The blob.
    pub blob: BlobId,
    /// Which shard of it.
    pub shard: u8,
    /// How many cells.
    pub stripe_count: u32,
    /// Bytes on the disk.
    pub stored_bytes: u64,
    /// The hash of all its frames' hashes.
    pub root: [u8; 16],
    /// Whether it was removed and waits for its space to be given back.
    pub is_removed: bool,
}

/// The way to every disk of the cluster. Cloning shares it.
#[derive(Clone)]
pub struct ShardClient {
    peers: Peers,
    topology: TopologyCache,
    health: Arc<Health>,
    read_graces: Arc<Mutex<HashMap<NodeId, Duration>>>,
}

/// What a node says of itself.
struct Description {
    /// Those of which it knows who they are: a label that was not read yet says nothing.
    disks: Vec<DiskSummary>,
    serves_all: bool,
    /// Nothing from one that does not tell it yet.
    read_grace: Option<Duration>,
}

impl ShardClient {
    /// A client of the disks in `topology`.
    pub fn new(peers: Peers, topology: TopologyCache, clock: SharedClock) -> Self {
        Self {
            peers,
            topology,
            health: Arc::new(Health::new(clock)),
            read_graces: Arc::default(),
        }
    }

    /// From now on asks every node every two seconds how its disks are, so that writes keep clear of those that are away, and
    /// more often while one does not answer or says that a disk is out of service.
    pub fn watch(&self, tasks: &Tasks) {
        let client = self.clone();
        tasks.spawn_essential("watch disks", async move {
            loop {
                let all_serve = client.look_after_disks().await;
                let pause = if all_serve {
                    health::POLL
                } else {
                    health::POLL_AWAY
                };
                tokio::time::sleep(pause).await;
            }
        });
    }

    /// Whether a write to the disk is likely to succeed: it is not known to be away, out of service or full.
    pub fn is_writable(&self, disk: DiskId) -> bool {
        self.health.is_writable(disk)
    }

    /// Bytes that shards could still take on a disk when it was last heard of; `None` before that.
    pub fn available_bytes(&self, disk: DiskId) -> Option<u64> {
        self.health.available_bytes(disk)
    }

    /// For how long removed shards stay readable wherever they are: the shortest time that a node told when it was last heard
    /// of; `None` when none has told one yet.
    pub fn read_grace(&self) -> Option<Duration> {
        let graces = self.read_graces.lock();
        let graces = graces.unwrap_or_else(PoisonError::into_inner);
        graces.values().min().copied()
    }

    /// The connections that it may have open at the most: one for each disk, up to some for a node.
    pub fn connection_count(&self) -> usize {
        let layout = self.topology.current();
        let topology = layout.topology();
        let nodes = topology.nodes.iter().map(|node| {
            let disks = topology.disks.iter().filter(|disk| disk.node == node.id);
            // Also a node without disks is asked how it is.
            disks.count().clamp(1, CONNECTIONS_MAX)
        });
        nodes.sum()
    }

    /// Whether a read from the disk is likely to be answered soon: it is not known to be away, out of service or slow.
    pub fn is_readable(&self, disk: DiskId) -> bool {
        self.health.is_readable(disk)
    }

    /// Whether the disk was too slow with a write not long ago, so that little patience is due when it is again.
    pub fn is_suspect(&self, disk: DiskId) -> bool {
        self.health.is_suspect(disk)
    }

    /// Tells that a disk was too slow with a write to be waited for: writes keep clear of it for a while.
    pub fn report_late_write(&self, disk: DiskId) {
        self.health.late_to_write(disk);
    }

    /// Tells that a cell was read from a disk, or that it was too late to be of use. After some in a row that were late,
    /// reads keep clear of the disk for a while.
    pub fn report_read(&self, disk: DiskId, is_late: bool) {
        self.health.was_read(disk, is_late);
    }

    /// Tombstones the shards of blobs on one disk. Durable when answered; unknown blobs are no error.
    ///
    /// # Errors
    /// When the disk did not answer for all of them; some may be removed then.
    pub async fn remove_blobs(&self, disk: DiskId, blobs: &[BlobId]) -> Result<(), ShardError> {
        for page in blobs.chunks(BLOBS_PER_REQUEST) {
            let request = small(RemoveBlobsRequest {
                disk: id_bytes(disk),
                blobs: page.iter().map(blob_bytes).collect(),
            });
            let answer = self.node_of(disk)?.remove_blobs(request).await;
            self.settle(disk, answer)?;
        }
        Ok(())
    }

    /// Keeps the space of blobs on one disk from being given back for `lease`, should they be removed meanwhile.
    ///
    /// # Errors
    /// When the disk did not answer for all of them.
    pub async fn pin_blobs(
        &self,
        disk: DiskId,
        blobs: &[BlobId],
        lease: Duration,
    ) -> Result<(), ShardError> {
        for page in blobs.chunks(BLOBS_PER_REQUEST) {
            let request = small(PinBlobsRequest {
                disk: id_bytes(disk),
                blobs: page.iter().map(blob_bytes).collect(),
                lease_ms: u32::try_from(lease.as_millis()).unwrap_or(u32::MAX),
            });
            let answer = self.node_of(disk)?.pin_blobs(request).await;
            self.settle(disk, answer)?;
        }
        Ok(())
    }

    /// What a disk has behind `after`, in the order of blobs, of one placement group or of all.
    ///
    /// # Errors
    /// When the disk did not answer.
    pub async fn list_blobs(
        &self,
        disk: DiskId,
        after: Option<BlobId>,
        placement_group: Option<PlacementGroupId>,
    ) -> Result<ShardList, ShardError> {
        let request = Request::new(ListBlobsRequest {
            disk: id_bytes(disk),
            after: after.as_ref().map(blob_bytes).unwrap_or_default(),
            placement_group: placement_group.map_or(0, PlacementGroupId::get),
            by_placement_group: placement_group.is_some(),
        });
        let answer = tokio::time::timeout(SMALL_REQUEST, self.node_of(disk)?.list_blobs(request))
            .await
            .map_err(|_| ShardError::late(disk))?;
        Ok(ShardList {
            messages: self.settle(disk, answer)?,
            client: self.clone(),
            disk,
        })
    }

    /// Makes a disk refuse writes to a placement group that name an older epoch. Durable when answered.
    ///
    /// # Errors
    /// When the disk did not answer.
    pub async fn advance_epoch(
        &self,
        disk: DiskId,
        placement_group: PlacementGroupId,
        epoch: Epoch,
    ) -> Result<(), ShardError> {
        let request = small(AdvanceEpochRequest {
            disk: id_bytes(disk),
            placement_group: placement_group.get(),
            epoch: epoch.get(),
        });
        let answer = self.node_of(disk)?.advance_epoch(request).await;
        self.settle(disk, answer).map(drop)
    }

    /// The disks of a node.
    ///
    /// # Errors
    /// When the node did not answer, or named something that is no disk.
    pub async fn describe(&self, node: &StorageNode) -> Result<Vec<DiskSummary>, ShardError> {
        Ok(self.ask_description(node).await?.disks)
    }

    async fn ask_description(&self, node: &StorageNode) -> Result<Description, ShardError> {
        let nowhere = DiskId::new(0);
        let mut stub = self
            .stub(node, 0)
            .ok_or_else(|| ShardError::unavailable(nowhere, "its node has no address"))?;
        let mut request = Request::new(DescribeRequest {});
        request.set_timeout(DESCRIPTION);
        let answer = stub.describe(request).await;
        let answer = answer.map_err(|status| ShardError::from_status(nowhere, &status))?;
        let told = answer.into_inner();
        let serves_all = told.disks.iter().all(|disk| disk.in_service);
        let disks = told.disks.into_iter().filter(|disk| !disk.disk.is_empty());
        Ok(Description {
            disks: disks.map(disk_summary).collect::<Result<_, _>>()?,
            serves_all,
            read_grace: told.read_grace_ms.map(Duration::from_millis),
        })
    }

    /// The stub for a disk, at the node that it is in.
    fn node_of(&self, disk: DiskId) -> Result<Node, ShardError> {
        let layout = self.topology.current();
        let stub = layout.node_of(disk).zip(layout.slot_of(disk));
        stub.and_then(|(node, slot)| self.stub(node, slot))
            .ok_or_else(|| ShardError::unavailable(disk, "the topology does not say where it is"))
    }

    fn stub(&self, node: &StorageNode, slot: usize) -> Option<Node> {
        let channel = self.peers.channel(node, slot)?;
        let introduce = self.peers.introduce(node.id);
        Some(
            StorageClient::with_interceptor(channel, introduce)
                .max_decoding_message_size(MAX_MESSAGE_LEN)
                .max_encoding_message_size(MAX_MESSAGE_LEN),
        )
    }

    /// The answer of a disk, with its failure remembered.
    fn settle<T>(
        &self,
        disk: DiskId,
        answer: Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, ShardError> {
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.failed(disk, &status))
    }

    fn failed(&self, disk: DiskId, status: &tonic::Status) -> ShardError {
        let error = ShardError::from_status(disk, status);
        match error.kind {
            ShardErrorKind::Full => self.health.had_no_room(disk),
            _ if is_connect_error(status) => self.not_reached(disk),
            // Made up here, for want of an answer: the connection broke. Or its node says that the disk is out of service, and
            // will say when it is back.
            _ if std::error::Error::source(status).is_some() => self.health.away(disk),
            ShardErrorKind::Unavailable => self.health.away(disk),
            ShardErrorKind::Unknown => self.health.failed(disk),
            ShardErrorKind::Missing
            | ShardErrorKind::Damaged
            | ShardErrorKind::Stale
            | ShardErrorKind::Malformed => {}
        }
        error
    }

    /// The node of a disk is not reached, so none of its disks is.
    fn not_reached(&self, disk: DiskId) {
        let layout = self.topology.current();
        self.health.away(disk);
        if let Some(disk) = layout.disk(disk) {
            self.away_with_node(&layout, disk.node);
        }
    }

    fn away_with_node(&self, layout: &Layout, node: NodeId) {
        let disks = layout.topology().disks.iter();
        for disk in disks.filter(|disk| disk.node == node) {
            self.health.away(disk.id);
        }
    }

    /// Asks every node how its disks are; whether all answered, of all disks that they serve.
    async fn look_after_disks(&self) -> bool {
        let layout = self.topology.current();
        let looks = layout.topology().nodes.iter().map(|node| async {
            let asked = self.health.now();
            match self.ask_description(node).await {
                Ok(description) => {
                    self.health.described(&description.disks, asked);
                    self.note_read_grace(node.id, description.read_grace);
                    description.serves_all
                }
                Err(error) => {
                    tracing::debug!(node = %node.id, %error, "storage node does not answer");
                    self.away_with_node(&layout, node.id);
                    false
                }
            }
        });
        let served = futures::future::join_all(looks).await;
        served.into_iter().all(|serves| serves)
    }

    fn note_read_grace(&self, node: NodeId, read_grace: Option<Duration>) {
        let graces = self.read_graces.lock();
        let mut graces = graces.unwrap_or_else(PoisonError::into_inner);
        match read_grace {
            Some(read_grace) => graces.insert(node, read_grace),
            None => graces.remove(&node),
        };
    }
}

impl std::fmt::Debug for ShardClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardClient").finish_non_exhaustive()
    }
}

/// A request with the time that a small one has.
fn small<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(SMALL_REQUEST);
    request
}

fn id_bytes(disk: DiskId) -> bytes::Bytes {
    cairn_rpc::bytes::from_u128(disk.get())
}

fn blob_bytes(blob: &BlobId) -> bytes::Bytes {
    cairn_rpc::bytes::from_u128(blob.get())
}

fn disk_summary(message: DiskSummaryMessage) -> Result<DiskSummary, ShardError> {
    let disk = cairn_rpc::bytes::disk(&message.disk)
        .map_err(|status| ShardError::from_status(DiskId::new(0), &status))?;
    Ok(DiskSummary {
        disk,
        path: message.path,
        out_of_service: (!message.in_service).then_some(message.reason),
        capacity_bytes: message.capacity_bytes,
        available_bytes: message.available_bytes,
        live_bytes: message.live_bytes,
        removed_bytes: message.removed_bytes,
        damaged_cells: message.damaged_cells,
    })
}
