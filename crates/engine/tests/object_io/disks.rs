//! The storage role in memory, with disks that fail as they are told to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cairn_erasure::frame::{ShardRoot, verify_frames};
use cairn_erasure::{FRAME_LEN, HASH_LEN};
use cairn_rpc::proto::storage::storage_server::Storage;
use cairn_rpc::proto::storage::{
    AdvanceEpochRequest, AdvanceEpochResponse, Cell, DescribeRequest, DescribeResponse,
    DiskSummary, ListBlobsRequest, ListBlobsResponse, PinBlobsRequest, PinBlobsResponse,
    ReadShardRequest, ReadShardResponse, RemoveBlobsRequest, RemoveBlobsResponse,
    WriteShardRequest, WriteShardResponse, write_shard_request,
};
use cairn_types::id::{BlobId, DiskId};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What is wrong with a disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    /// Refuses every request.
    pub(crate) is_away: bool,
    /// Says nothing to a write when it is complete.
    pub(crate) never_syncs: bool,
    /// Takes this many cells of a write and no more.
    pub(crate) stalls_after: Option<usize>,
    /// Takes this many cells of a write and fails then.
    pub(crate) fails_after: Option<usize>,
    /// Says nothing to a read for this long.
    pub(crate) reads_after: Duration,
    /// Sends what it has without looking at it, as a disk that does not know of its damage.
    pub(crate) is_blind: bool,
}

/// All disks of one node.
#[derive(Clone)]
pub(crate) struct Disks {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    disks: Vec<DiskId>,
    faults: HashMap<DiskId, Fault>,
    /// Complete shards.
    shards: HashMap<(DiskId, BlobId), Shard>,
    removed: HashSet<(DiskId, BlobId)>,
    pinned: HashSet<(DiskId, BlobId)>,
    requests: usize,
    read_grace: Option<Duration>,
}

struct Shard {
    number: u32,
    cells: BTreeMap<u32, Cell>,
}

impl Disks {
    pub(crate) fn new(disks: Vec<DiskId>) -> Self {
        let state = State {
            disks,
            ..State::default()
        };
        Self {
            shared: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn set_fault(&self, disk: DiskId, fault: Fault) {
        self.state().faults.insert(disk, fault);
    }

    /// From now on they say that this is their grace.
    pub(crate) fn set_read_grace(&self, read_grace: Duration) {
        self.state().read_grace = Some(read_grace);
    }

    /// Reads and writes so far.
    pub(crate) fn request_count(&self) -> usize {
        self.state().requests
    }

    /// Who has a complete shard of a blob that is not removed.
    pub(crate) fn holders(&self, blob: BlobId) -> Vec<DiskId> {
        let state = self.state();
        let mut holders: Vec<_> = state
            .shards
            .keys()
            .filter(|key| key.1 == blob && !state.removed.contains(key))
            .map(|key| key.0)
            .collect();
        holders.sort_unstable();
        holders
    }

    /// Complete shards that are not removed, of all blobs.
    pub(crate) fn live_count(&self) -> usize {
        let state = self.state();
        let shards = state.shards.keys();
        shards.filter(|key| !state.removed.contains(key)).count()
    }

    pub(crate) fn pin_count(&self) -> usize {
        self.state().pinned.len()
    }

    /// Removes a shard as if it had never been.
    pub(crate) fn lose(&self, disk: DiskId, blob: BlobId) {
        self.state().shards.remove(&(disk, blob));
    }

    /// Flips one bit of every cell of a shard.
    pub(crate) fn damage(&self, disk: DiskId, blob: BlobId, bit: usize) {
        let mut state = self.state();
        let Some(shard) = state.shards.get_mut(&(disk, blob)) else {
            return;
        };
        for cell in shard.cells.values_mut() {
            let mut data = cell.data.to_vec();
            let bit = bit % (data.len() * 8);
            data[bit / 8] ^= 1 << (bit % 8);
            cell.data = Bytes::from(data);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.lock().unwrap()
    }

    fn fault(&self, disk: DiskId) -> Result<Fault, Status> {
        let mut state = self.state();
        state.requests += 1;
        let fault = state.faults.get(&disk).cloned().unwrap_or_default();
        if fault.is_away {
            return Err(Status::unavailable("the disk is away"));
        }
        Ok(fault)
    }

    async fn take_cells(
        &self,
        header: &cairn_rpc::proto::storage::ShardHeader,
        fault: &Fault,
        messages: &mut Streaming<WriteShardRequest>,
    ) -> Result<BTreeMap<u32, Cell>, Status> {
        let blob = cairn_rpc::bytes::blob(&header.blob)?;
        let mut cells = BTreeMap::new();
        let mut begun = None;
        loop {
            let message = messages.message().await?;
            let message = message.ok_or_else(|| Status::aborted("cut off"))?;
            let piece = match message.message {
                Some(write_shard_request::Message::Cell(cell)) => cell,
                Some(write_shard_request::Message::End(_)) => break,
                _ => return Err(Status::invalid_argument("not a cell")),
            };
            let cell: Cell = match begun.take() {
                None => piece,
                Some(begun) => join(begun, &piece),
            };
            if cell.rest_len > 0 {
                begun = Some(cell);
                continue;
            }
            if fault.stalls_after == Some(cells.len()) {
                std::future::pending::<()>().await;
            }
            if fault.fails_after == Some(cells.len()) {
                return Err(Status::internal("the disk fails"));
            }
            let shard = u8::try_from(header.shard).unwrap();
            verify_frames(blob, cell.stripe, shard, 0, &cell.data, &cell.frame_hashes)
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            cells.insert(cell.stripe, cell);
        }
        if fault.never_syncs {
            std::future::pending::<()>().await;
        }
        Ok(cells)
    }
}

/// A cell and its next piece.
fn join(begun: Cell, piece: &Cell) -> Cell {
    assert_eq!(begun.stripe, piece.stripe);
    assert_eq!(
        begun.rest_len as usize,
        piece.data.len() + piece.rest_len as usize
    );
    Cell {
        data: [begun.data, piece.data.clone()].concat().into(),
        frame_hashes: [begun.frame_hashes, piece.frame_hashes.clone()]
            .concat()
            .into(),
        rest_len: piece.rest_len,
        ..begun
    }
}

#[tonic::async_trait]
impl Storage for Disks {
    type ReadShardStream = Answers<ReadShardResponse>;
    type ListBlobsStream = Answers<ListBlobsResponse>;

    async fn write_shard(
        &self,
        request: Request<Streaming<WriteShardRequest>>,
    ) -> Result<Response<WriteShardResponse>, Status> {
        let mut messages = request.into_inner();
        let first = messages.message().await?.and_then(|first| first.message);
        let Some(write_shard_request::Message::Header(header)) = first else {
            return Err(Status::invalid_argument("not a header"));
        };
        let disk = cairn_rpc::bytes::disk(&header.disk)?;
        let blob = cairn_rpc::bytes::blob(&header.blob)?;
        let fault = self.fault(disk)?;
        let cells = self.take_cells(&header, &fault, &mut messages).await?;
        let mut root = ShardRoot::new();
        for cell in cells.values() {
            root.update(&cell.frame_hashes);
        }
        let shard = Shard {
            number: header.shard,
            cells,
        };
        self.state().shards.insert((disk, blob), shard);
        Ok(Response::new(WriteShardResponse {
            root: Bytes::copy_from_slice(&root.finish()),
        }))
    }

    async fn read_shard(
        &self,
        request: Request<ReadShardRequest>,
    ) -> Result<Response<Self::ReadShardStream>, Status> {
        let message = request.into_inner();
        let disk = cairn_rpc::bytes::disk(&message.disk)?;
        let blob = cairn_rpc::bytes::blob(&message.blob)?;
        let fault = self.fault(disk)?;
        // Sleeping for no time takes a tick of the timer.
        if !fault.reads_after.is_zero() {
            tokio::time::sleep(fault.reads_after).await;
        }
        let state = self.state();
        let shard = state
            .shards
            .get(&(disk, blob))
            .filter(|shard| shard.number == message.shard)
            .ok_or_else(|| Status::not_found("no such shard"))?;
        let answers: Vec<_> = message
            .slices
            .iter()
            .map(|slice| {
                let cell = shard.cells.get(&slice.stripe);
                let cell = cell.ok_or_else(|| Status::not_found("no such cell"))?;
                let first = usize::try_from(slice.first_frame).unwrap();
                let count = usize::try_from(slice.frame_count).unwrap();
                let end = ((first + count) * FRAME_LEN).min(cell.data.len());
                let data = cell.data.slice(first * FRAME_LEN..end);
                let hashes_end = first + data.len().div_ceil(FRAME_LEN);
                let frame_hashes = cell
                    .frame_hashes
                    .slice(first * HASH_LEN..hashes_end * HASH_LEN);
                let number = u8::try_from(shard.number).unwrap();
                let checked = verify_frames(
                    blob,
                    slice.stripe,
                    number,
                    slice.first_frame,
                    &data,
                    &frame_hashes,
                );
                if checked.is_err() && !fault.is_blind {
                    return Err(Status::data_loss("damaged"));
                }
                Ok(ReadShardResponse {
                    stripe: slice.stripe,
                    first_frame: slice.first_frame,
                    data,
                    frame_hashes,
                    cell_len: u32::try_from(cell.data.len()).unwrap(),
                })
            })
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    async fn remove_blobs(
        &self,
        request: Request<RemoveBlobsRequest>,
    ) -> Result<Response<RemoveBlobsResponse>, Status> {
        let message = request.into_inner();
        let disk = cairn_rpc::bytes::disk(&message.disk)?;
        self.fault(disk)?;
        for blob in &message.blobs {
            let blob = cairn_rpc::bytes::blob(blob)?;
            self.state().removed.insert((disk, blob));
        }
        Ok(Response::new(RemoveBlobsResponse {}))
    }

    async fn pin_blobs(
        &self,
        request: Request<PinBlobsRequest>,
    ) -> Result<Response<PinBlobsResponse>, Status> {
        let message = request.into_inner();
        let disk = cairn_rpc::bytes::disk(&message.disk)?;
        for blob in &message.blobs {
            let blob = cairn_rpc::bytes::blob(blob)?;
            self.state().pinned.insert((disk, blob));
        }
        Ok(Response::new(PinBlobsResponse {}))
    }

    async fn list_blobs(
        &self,
        _: Request<ListBlobsRequest>,
    ) -> Result<Response<Self::ListBlobsStream>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::empty().map(Ok))))
    }

    async fn advance_epoch(
        &self,
        _: Request<AdvanceEpochRequest>,
    ) -> Result<Response<AdvanceEpochResponse>, Status> {
        Ok(Response::new(AdvanceEpochResponse {}))
    }

    async fn describe(
        &self,
        _: Request<DescribeRequest>,
    ) -> Result<Response<DescribeResponse>, Status> {
        let state = self.state();
        let disks = state.disks.iter().map(|disk| DiskSummary {
            disk: cairn_rpc::bytes::from_u128(disk.get()),
            path: String::new(),
            in_service: !state.faults.get(disk).is_some_and(|fault| fault.is_away),
            reason: "away".to_owned(),
            capacity_bytes: 1 << 40,
            available_bytes: 1 << 39,
            live_bytes: 0,
            removed_bytes: 0,
            damaged_cells: 0,
        });
        Ok(Response::new(DescribeResponse {
            disks: disks.collect(),
            read_grace_ms: state
                .read_grace
                .map(|grace| u64::try_from(grace.as_millis()).unwrap()),
        }))
    }
}
