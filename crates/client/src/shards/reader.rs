//! Cells on their way from a disk.

use std::time::Duration;

use bytes::Bytes;
use cairn_rpc::proto::storage::{
    CellSlice, ListBlobsResponse, ReadShardRequest, ReadShardResponse,
    ShardSummary as ShardSummaryMessage,
};
use cairn_types::id::{BlobId, DiskId};
use tonic::{Request, Streaming};

use super::{SMALL_REQUEST, ShardClient, ShardError, ShardSummary, blob_bytes, id_bytes};

/// Frames of one cell that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The stripe.
    pub stripe: u32,
    /// The first frame within the cell.
    pub first_frame: u32,
    /// How many; 0: to the end of the cell.
    pub frame_count: u32,
}

/// Frames of one cell as a disk sent them, not checked against their hashes yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// The stripe.
    pub stripe: u32,
    /// The first frame within the cell.
    pub first_frame: u32,
    /// Whole frames; the cell's last may be shorter.
    pub data: Bytes,
    /// What the disk has as the hashes of these frames, 16 bytes each.
    pub frame_hashes: Bytes,
    /// The length of the whole cell.
    pub cell_len: u32,
}

/// The answer to one read.
#[derive(Debug)]
pub struct FrameStream {
    client: ShardClient,
    disk: DiskId,
    messages: Streaming<ReadShardResponse>,
}

/// The shards that a disk has, page by page.
#[derive(Debug)]
pub struct ShardList {
    pub(super) client: ShardClient,
    pub(super) disk: DiskId,
    pub(super) messages: Streaming<ListBlobsResponse>,
}

impl ShardClient {
    /// Reads slices of one shard, in the order asked for. `timeout` holds until the first frames come.
    ///
    /// # Errors
    /// When the disk has no such shard, or does not answer. Damage may also show later in the stream.
    pub async fn read_shard(
        &self,
        disk: DiskId,
        blob: BlobId,
        shard: u8,
        slices: &[Slice],
        timeout: Duration,
    ) -> Result<FrameStream, ShardError> {
        let slices = slices.iter().map(|slice| CellSlice {
            stripe: slice.stripe,
            first_frame: slice.first_frame,
            frame_count: slice.frame_count,
        });
        let request = Request::new(ReadShardRequest {
            disk: id_bytes(disk),
            blob: blob_bytes(&blob),
            shard: shard.into(),
            slices: slices.collect(),
        });
        let mut node = self.node_of(disk)?;
        let answer = tokio::time::timeout(timeout, node.read_shard(request))
            .await
            .map_err(|_| ShardError::late(disk))?;
        Ok(FrameStream {
            messages: self.settle(disk, answer)?,
            client: self.clone(),
            disk,
        })
    }
}

impl FrameStream {
    /// The next frames; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// When the disk found damage, or went away. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<Frames>, ShardError> {
        let message = self
            .messages
            .message()
            .await
            .map_err(|status| self.client.failed(self.disk, &status))?;
        Ok(message.map(|message| Frames {
            stripe: message.stripe,
            first_frame: message.first_frame,
            data: message.data,
            frame_hashes: message.frame_hashes,
            cell_len: message.cell_len,
        }))
    }
}

impl ShardList {
    /// The next shards, in the order of blobs; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// When the disk went away or does not answer in time, or said something that is no shard. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<Vec<ShardSummary>>, ShardError> {
        let message = tokio::time::timeout(SMALL_REQUEST, self.messages.message())
            .await
            .map_err(|_| ShardError::late(self.disk))?
            .map_err(|status| self.client.failed(self.disk, &status))?;
        let summaries = |page: ListBlobsResponse| {
            let rows = page.shards.iter();
            rows.map(|message| summary(self.disk, message)).collect()
        };
        message.map(summaries).transpose()
    }
}

fn summary(disk: DiskId, message: &ShardSummaryMessage) -> Result<ShardSummary, ShardError> {
    let malformed = || ShardError::malformed(disk, "a row of the list of shards");
    Ok(ShardSummary {
        blob: cairn_rpc::bytes::blob(&message.blob).map_err(|_| malformed())?,
        shard: u8::try_from(message.shard).map_err(|_| malformed())?,
        stripe_count: message.stripe_count,
        stored_bytes: message.stored_bytes,
        root: <[u8; 16]>::try_from(message.root.as_ref()).map_err(|_| malformed())?,
        is_removed: message.removed,
    })
}
