//! The gRPC face of the disks: messages to calls, errors to statuses.

mod pieces;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_rpc::bytes::{blob, disk, from_u128};
use cairn_rpc::proto::storage as proto;
use cairn_rpc::proto::storage::storage_server::StorageServer;
use cairn_rpc::server::MAX_MESSAGE_LEN;
use cairn_types::id::{BlobId, Epoch, PlacementGroupId};
use futures::future::join_all;
use futures::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status, Streaming};

use self::pieces::Pieces;
use crate::ledger::Conflict;
use crate::shards::{
    CellFrames, Outage, ReadError, ShardWriter, Shards, Slice, Summary, WriteError,
};
use crate::storage::{Slot, Storage};

/// Blobs in one request.
const BLOBS_MAX: usize = 65_536;

/// Slices in one request: more than a blob of 1 GiB has cells in a shard.
const SLICES_MAX: usize = 16_384;

/// Slices that are read ahead of the one being sent.
const READ_AHEAD: usize = 2;

/// A writer that sends nothing for so long is given up: what it has written is forgotten. Longer than the pause between two
/// cells of an upload that comes in at 10 KB/s, of which the widest stripe has 8 MiB; that the writer's machine is gone is
/// noticed sooner, by the connection.
const WRITER_IDLE_LIMIT: Duration = Duration::from_mins(15);

/// How long a disk may take to say how it is.
const STATUS_LIMIT: Duration = Duration::from_secs(1);

/// Shards in one message of a list.
const PAGE_LEN: usize = 512;

/// Answers the storage protocol.
#[derive(Debug, Clone)]
pub struct StorageService {
    storage: Storage,
}

impl Storage {
    /// The gRPC service over these disks.
    pub fn service(&self) -> StorageServer<StorageService> {
        StorageServer::new(StorageService::new(self.clone()))
            .max_decoding_message_size(MAX_MESSAGE_LEN)
            .max_encoding_message_size(MAX_MESSAGE_LEN)
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl StorageService {
    /// Over these disks.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    fn shards(&self, id: &[u8]) -> Result<Arc<Shards>, Status> {
        let id = disk(id)?;
        let slot = self
            .storage
            .slots()
            .iter()
            .find(|slot| slot.id() == Some(id));
        let slot = slot.ok_or_else(|| Status::unavailable("the disk is not of this node"))?;
        slot.shards().map_err(|outage| outage_status(&outage))
    }
}

#[tonic::async_trait]
impl proto::storage_server::Storage for StorageService {
    type ReadShardStream = Answers<proto::ReadShardResponse>;
    type ListBlobsStream = Answers<proto::ListBlobsResponse>;

    async fn write_shard(
        &self,
        request: Request<Streaming<proto::WriteShardRequest>>,
    ) -> Result<Response<proto::WriteShardResponse>, Status> {
        use proto::write_shard_request::Message;
        let mut messages = request.into_inner();
        let Message::Header(header) = next(&mut messages).await? else {
            return Err(Status::invalid_argument("a header comes first"));
        };
        let mut writer = begin(&self.shards(&header.disk)?, &header)?;
        let mut pieces = Pieces::default();
        loop {
            let piece = match next(&mut messages).await? {
                Message::Cell(piece) => piece,
                Message::End(_) if pieces.is_within() => {
                    return Err(Status::invalid_argument("a cell ends before its end"));
                }
                Message::End(_) => break,
                Message::Header(_) => {
                    return Err(Status::invalid_argument("one header is enough"));
                }
            };
            let Some(cell) = pieces.take(piece)? else {
                continue;
            };
            writer
                .cell(cell.stripe, cell.data, cell.frame_hashes)
                .await
                .map_err(|error| write_status(&error))?;
            if cell.is_followed {
                let passed = writer.pass_on().await;
                passed.map_err(|error| write_status(&error))?;
            }
        }
        let root = writer
            .finish()
            .await
            .map_err(|error| write_status(&error))?;
        Ok(Response::new(proto::WriteShardResponse {
            root: Bytes::copy_from_slice(&root),
        }))
    }

    async fn read_shard(
        &self,
        request: Request<proto::ReadShardRequest>,
    ) -> Result<Response<Self::ReadShardStream>, Status> {
        let request = request.into_inner();
        let shards = self.shards(&request.disk)?;
        let (blob, shard) = (blob(&request.blob)?, shard_index(request.shard)?);
        if request.slices.len() > SLICES_MAX {
            return Err(Status::invalid_argument("too many slices"));
        }
        let located = shards
            .find(blob, shard)
            .await
            .map_err(|error| read_status(&error))?;
        let answers = stream::iter(request.slices)
            .map(move |slice| {
                let (shards, located) = (Arc::clone(&shards), located.clone());
                async move {
                    let slice = Slice {
                        stripe: slice.stripe,
                        first_frame: slice.first_frame,
                        frame_count: slice.frame_count,
                    };
                    let frames = shards.read(located, slice).await;
                    frames.map(read_answer).map_err(|error| read_status(&error))
                }
            })
            .buffered(READ_AHEAD);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn remove_blobs(
        &self,
        request: Request<proto::RemoveBlobsRequest>,
    ) -> Result<Response<proto::RemoveBlobsResponse>, Status> {
        let request = request.into_inner();
        let shards = self.shards(&request.disk)?;
        let removed = shards.remove(blobs(&request.blobs)?).await;
        removed.map_err(|error| write_status(&error))?;
        Ok(Response::new(proto::RemoveBlobsResponse {}))
    }

    async fn pin_blobs(
        &self,
        request: Request<proto::PinBlobsRequest>,
    ) -> Result<Response<proto::PinBlobsResponse>, Status> {
        let request = request.into_inner();
        let lease = Duration::from_millis(u64::from(request.lease_ms));
        self.shards(&request.disk)?
            .pin(&blobs(&request.blobs)?, lease)
            .map_err(|error| write_status(&error))?;
        Ok(Response::new(proto::PinBlobsResponse {}))
    }

    async fn list_blobs(
        &self,
        request: Request<proto::ListBlobsRequest>,
    ) -> Result<Response<Self::ListBlobsStream>, Status> {
        let request = request.into_inner();
        let shards = self.shards(&request.disk)?;
        let after = if request.after.is_empty() {
            None
        } else {
            Some((blob(&request.after)?, u8::MAX))
        };
        let group = request
            .by_placement_group
            .then(|| PlacementGroupId::new(request.placement_group));
        let pages = stream::try_unfold(Some(after), move |state| {
            let shards = Arc::clone(&shards);
            async move {
                let Some(after) = state else {
                    return Ok(None);
                };
                let page = shards
                    .list(after, group, PAGE_LEN)
                    .await
                    .map_err(|outage| outage_status(&outage))?;
                let Some(last) = page.last().map(|last| (last.blob, last.shard)) else {
                    return Ok(None);
                };
                let goes_on = (page.len() == PAGE_LEN).then_some(Some(last));
                let shards = page.iter().map(summary).collect();
                Ok(Some((proto::ListBlobsResponse { shards }, goes_on)))
            }
        });
        Ok(Response::new(Box::pin(pages)))
    }

    async fn advance_epoch(
        &self,
        request: Request<proto::AdvanceEpochRequest>,
    ) -> Result<Response<proto::AdvanceEpochResponse>, Status> {
        let request = request.into_inner();
        let group = PlacementGroupId::new(request.placement_group);
        self.shards(&request.disk)?
            .advance_epoch(group, Epoch::new(request.epoch))
            .await
            .map_err(|error| write_status(&error))?;
        Ok(Response::new(proto::AdvanceEpochResponse {}))
    }

    async fn describe(
        &self,
        _request: Request<proto::DescribeRequest>,
    ) -> Result<Response<proto::DescribeResponse>, Status> {
        // All at the same time: one that is slow holds up nobody but itself.
        let disks = join_all(self.storage.slots().iter().map(describe)).await;
        let read_grace_ms = u64::try_from(self.storage.read_grace().as_millis());
        Ok(Response::new(proto::DescribeResponse {
            disks,
            read_grace_ms: Some(read_grace_ms.unwrap_or(u64::MAX)),
        }))
    }
}

/// The next message of a write. The end of the stream is none: a cancelled stream comes to an end, too.
async fn next(
    messages: &mut Streaming<proto::WriteShardRequest>,
) -> Result<proto::write_shard_request::Message, Status> {
    let message = tokio::time::timeout(WRITER_IDLE_LIMIT, messages.message())
        .await
        .map_err(|_| Status::aborted("nothing was sent for a long time"))??
        .ok_or_else(|| Status::aborted("the write was cut off"))?;
    message
        .message
        .ok_or_else(|| Status::invalid_argument("an empty message"))
}

fn begin(shards: &Arc<Shards>, header: &proto::ShardHeader) -> Result<ShardWriter, Status> {
    let (blob, shard) = (blob(&header.blob)?, shard_index(header.shard)?);
    shards
        .begin(blob, shard, Epoch::new(header.epoch))
        .map_err(|error| write_status(&error))
}

async fn describe(slot: &Slot) -> proto::DiskSummary {
    let mut summary = proto::DiskSummary {
        disk: slot.id().map_or_else(Bytes::new, |id| from_u128(id.get())),
        path: slot.path.display().to_string(),
        capacity_bytes: slot.info().map_or(0, |info| info.capacity_bytes),
        ..proto::DiskSummary::default()
    };
    // A disk that does not answer is not in service, and holds up nobody who asks about the others.
    let status = async {
        let shards = slot.shards()?;
        let status = shards.status_within(STATUS_LIMIT).await?;
        Ok::<_, Outage>((status, shards.reserve_bytes()))
    };
    match status.await {
        Ok((status, reserve_bytes)) => {
            summary.in_service = true;
            summary.capacity_bytes = status.space.capacity_bytes;
            // Shards cannot have the reserve.
            summary.available_bytes = status.space.available_bytes.saturating_sub(reserve_bytes);
            summary.live_bytes = status.totals.live_bytes;
            summary.removed_bytes = status.totals.doomed_bytes;
            summary.damaged_cells = status.damaged_cells;
        }
        Err(outage) => summary.reason = outage.0,
    }
    summary
}

fn read_answer(frames: CellFrames) -> proto::ReadShardResponse {
    proto::ReadShardResponse {
        stripe: frames.stripe,
        first_frame: frames.first_frame,
        data: frames.data,
        frame_hashes: frames.hashes,
        cell_len: frames.cell_len,
    }
}

fn summary(shard: &Summary) -> proto::ShardSummary {
    proto::ShardSummary {
        blob: from_u128(shard.blob.get()),
        shard: u32::from(shard.shard),
        stripe_count: shard.stripe_count,
        stored_bytes: shard.stored_bytes,
        root: Bytes::copy_from_slice(&shard.root),
        removed: shard.removed,
    }
}

fn blobs(ids: &[Bytes]) -> Result<Vec<BlobId>, Status> {
    if ids.len() > BLOBS_MAX {
        return Err(Status::invalid_argument("too many blobs"));
    }
    ids.iter().map(|id| blob(id)).collect()
}

fn shard_index(shard: u32) -> Result<u8, Status> {
    u8::try_from(shard).map_err(|_| Status::invalid_argument("shard: there are at most 256"))
}

fn outage_status(outage: &Outage) -> Status {
    Status::unavailable(outage.to_string())
}

fn write_status(error: &WriteError) -> Status {
    let text = error.to_string();
    match error {
        WriteError::Conflict(Conflict::StaleEpoch { .. } | Conflict::Removed) => {
            Status::failed_precondition(text)
        }
        WriteError::Conflict(Conflict::OtherContent) => Status::already_exists(text),
        WriteError::Conflict(Conflict::Gone) => Status::aborted(text),
        WriteError::Damaged { .. } | WriteError::Shape(_) => Status::invalid_argument(text),
        WriteError::Full => Status::resource_exhausted(text),
        WriteError::OutOfService(_) => Status::unavailable(text),
    }
}

fn read_status(error: &ReadError) -> Status {
    let text = error.to_string();
    match error {
        ReadError::Missing => Status::not_found(text),
        ReadError::Damaged { .. } => Status::data_loss(text),
        ReadError::OutOfRange => Status::invalid_argument(text),
        ReadError::OutOfService(_) => Status::unavailable(text),
    }
}
