//! One shard on its way to a disk.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cairn_rpc::proto::storage::{
    Cell as CellMessage, End as EndMessage, ShardHeader as HeaderMessage, WriteShardRequest,
    write_shard_request,
};
use cairn_types::id::{BlobId, DiskId, Epoch};
use futures::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;
use tonic::Request;

use super::{ShardClient, ShardError, blob_bytes, id_bytes};

/// Which shard is written where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardHeader {
    /// The disk.
    pub disk: DiskId,
    /// The blob.
    pub blob: BlobId,
    /// Which shard of it: 0 … k+m-1.
    pub shard: u8,
    /// The epoch of the placement group, as the writer knows it.
    pub epoch: Epoch,
}

/// A cell as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its stripe.
    pub stripe: u32,
    /// Its bytes, at most 1 MiB.
    pub data: Bytes,
    /// 16 bytes for each frame of 64 KiB.
    pub frame_hashes: Bytes,
    /// Whether another cell follows, so that the disk need not keep this one until it knows. Never said of the last one.
    pub is_followed: bool,
}

/// Where the cells of a shard go in. Dropped without `finish`, the shard is abandoned: the disk forgets its cells.
#[derive(Debug)]
pub struct CellSender {
    feed: mpsc::Sender<Feed>,
    /// `None` once it is known.
    reached: Option<oneshot::Receiver<()>>,
}

#[derive(Debug)]
enum Feed {
    Cell(Cell, Token),
    End,
}

/// What the sender of a cell wants dropped when the cell is gone.
type Token = Box<dyn Any + Send>;

/// Cells go in pieces of two frames: a connection keeps buffers of the longest message of each stream on both sides, as long
/// as the stream is open, also while a slow client sends nothing.
const PIECE_LEN: usize = 128 * 1024;
const PIECE_HASHES_LEN: usize = 2 * 16;

/// When a connection asks for the next cell and there is none for so long, the last one has left this process. A connection
/// asks once it has less than 1 MiB left to send, so it is nearly so at once.
const QUIET: Duration = Duration::from_millis(20);

/// The disk did not take the cell: what its answer says is why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk takes no more cells")]
pub struct CellRefused;

impl CellSender {
    /// Waits until there is a connection to the disk's node and the write has begun on it: at once, unless one has to be made. The
    /// disk may refuse the shard still. Cancel safe.
    ///
    /// # Errors
    /// When the write has ended.
    pub async fn reached(&mut self) -> Result<(), CellRefused> {
        let Some(reached) = &mut self.reached else {
            return Ok(());
        };
        reached.await.map_err(|_| CellRefused)?;
        self.reached = None;
        Ok(())
    }

    /// Queues the next cell in stripe order; waits while the queue is full. Cancel safe: the cell is queued or not. `token`
    /// is dropped when the copies of the cell that are made on its way have left this process, or the write has ended.
    ///
    /// # Errors
    /// When the write has ended.
    pub async fn send(&self, cell: Cell, token: impl Send + 'static) -> Result<(), CellRefused> {
        self.feed
            .send(Feed::Cell(cell, Box::new(token)))
            .await
            .map_err(|_| CellRefused)
    }

    /// Says that all cells were sent: the disk makes them durable and answers.
    ///
    /// # Errors
    /// When the write has ended.
    pub async fn finish(self) -> Result<(), CellRefused> {
        self.feed.send(Feed::End).await.map_err(|_| CellRefused)
    }
}

impl ShardClient {
    /// Begins to write a shard. Cells go into the sender, of which `queue` wait here at most; the future resolves when all
    /// of them are on stable media, with the hash of all frame hashes in order.
    ///
    /// The cells move while the future is polled and, once it was, also by themselves. The future is to be dropped when
    /// nobody waits for the shard any more.
    pub fn write_shard(
        &self,
        header: ShardHeader,
        queue: usize,
    ) -> (
        CellSender,
        impl Future<Output = Result<[u8; 16], ShardError>> + Send + 'static,
    ) {
        let (feed, cells) = mpsc::channel(queue);
        let (arrival, reached) = oneshot::channel();
        let client = self.clone();
        let answer = async move {
            let stream = Messages {
                begin: Some((header, arrival)),
                cells,
                is_over: false,
                rest: None,
                on_the_way: None,
                quiet: None,
            };
            let mut node = client.node_of(header.disk)?;
            let answer = node.write_shard(Request::new(stream)).await;
            let answer = client.settle(header.disk, answer)?;
            <[u8; 16]>::try_from(answer.root.as_ref())
                .map_err(|_| ShardError::malformed(header.disk, "the root of a shard"))
        };
        let reached = Some(reached);
        (CellSender { feed, reached }, answer)
    }
}

/// The messages of one write: the header, the cells, the end. An abandoned one is over without its end, and the disk
/// forgets it.
struct Messages {
    /// The header, and whom to tell that it was asked for: that is done by a connection.
    begin: Option<(ShardHeader, oneshot::Sender<()>)>,
    cells: mpsc::Receiver<Feed>,
    is_over: bool,
    /// Of the cell of which some pieces were given.
    rest: Option<Cell>,
    /// Of the cell that was given last.
    on_the_way: Option<Token>,
    /// Since the connection asked for the next one in vain.
    quiet: Option<Pin<Box<Sleep>>>,
}

impl Stream for Messages {
    type Item = WriteShardRequest;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<WriteShardRequest>> {
        if let Some((header, arrival)) = self.begin.take() {
            // Nobody may want to know.
            let _ = arrival.send(());
            let message = write_shard_request::Message::Header(HeaderMessage {
                disk: id_bytes(header.disk),
                blob: blob_bytes(&header.blob),
                shard: header.shard.into(),
                epoch: header.epoch.get(),
            });
            return Poll::Ready(Some(WriteShardRequest {
                message: Some(message),
            }));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some(piece) = self.next_piece() {
            return Poll::Ready(Some(piece));
        }
        match self.cells.poll_recv(cx) {
            Poll::Ready(fed) => {
                self.quiet = None;
                Poll::Ready(fed.and_then(|fed| self.message(fed)))
            }
            Poll::Pending => {
                self.forget_when_quiet(cx);
                Poll::Pending
            }
        }
    }
}

impl Messages {
    /// The next piece of the cell that is begun.
    fn next_piece(&mut self) -> Option<WriteShardRequest> {
        let cell = self.rest.as_mut()?;
        let data = cell.data.split_to(cell.data.len().min(PIECE_LEN));
        let hashes_len = cell.frame_hashes.len().min(PIECE_HASHES_LEN);
        let piece = CellMessage {
            stripe: cell.stripe,
            data,
            frame_hashes: cell.frame_hashes.split_to(hashes_len),
            rest_len: u32::try_from(cell.data.len()).expect("a cell is at most 1 MiB"),
            is_followed: cell.is_followed,
        };
        if piece.rest_len == 0 {
            self.rest = None;
        }
        Some(WriteShardRequest {
            message: Some(write_shard_request::Message::Cell(piece)),
        })
    }

    fn message(&mut self, fed: Feed) -> Option<WriteShardRequest> {
        let message = match fed {
            Feed::Cell(cell, token) => {
                self.on_the_way = Some(token);
                self.rest = Some(cell);
                return self.next_piece();
            }
            Feed::End => {
                self.is_over = true;
                write_shard_request::Message::End(EndMessage {})
            }
        };
        Some(WriteShardRequest {
            message: Some(message),
        })
    }

    fn forget_when_quiet(&mut self, cx: &mut Context<'_>) {
        if self.on_the_way.is_none() {
            return;
        }
        let quiet = self
            .quiet
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(QUIET)));
        if quiet.as_mut().poll(cx).is_ready() {
            self.quiet = None;
            self.on_the_way = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use futures::StreamExt;

    use super::*;

    fn messages() -> (CellSender, Messages) {
        let (feed, cells) = mpsc::channel(4);
        let header = ShardHeader {
            disk: DiskId::new(1),
            blob: BlobId::from_bits(2),
            shard: 3,
            epoch: Epoch::new(4),
        };
        let (arrival, reached) = oneshot::channel();
        let messages = Messages {
            begin: Some((header, arrival)),
            cells,
            is_over: false,
            rest: None,
            on_the_way: None,
            quiet: None,
        };
        let reached = Some(reached);
        (CellSender { feed, reached }, messages)
    }

    fn cell() -> Cell {
        Cell {
            stripe: 0,
            data: Bytes::from_static(b"x"),
            frame_hashes: Bytes::from_static(&[0; 16]),
            is_followed: false,
        }
    }

    fn is_end(message: &WriteShardRequest) -> bool {
        matches!(
            message.message,
            Some(write_shard_request::Message::End(EndMessage {}))
        )
    }

    #[tokio::test]
    async fn a_finished_write_is_a_header_its_cells_and_the_end() {
        let (sender, messages) = messages();
        sender.send(cell(), ()).await.unwrap();
        sender.finish().await.unwrap();
        let sent: Vec<_> = messages.collect().await;
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|message| message.message.is_some()));
        assert_eq!(sent.iter().position(is_end), Some(2));
    }

    #[tokio::test]
    async fn a_write_has_reached_its_node_when_its_header_is_asked_for() {
        let (mut sender, mut messages) = messages();
        assert!(futures::poll!(pin!(sender.reached())).is_pending());
        messages.next().await.unwrap();
        assert_eq!(sender.reached().await, Ok(()));
        drop(messages);
        assert_eq!(sender.reached().await, Ok(()), "it did once");

        let (mut sender, messages) = self::messages();
        drop(messages);
        assert_eq!(sender.reached().await, Err(CellRefused));
    }

    #[tokio::test]
    async fn a_long_cell_goes_in_pieces_of_whole_frames() {
        let (sender, messages) = messages();
        let data: Bytes = (0_u32..300_000).map(|at| at.to_be_bytes()[2]).collect();
        let frame_hashes: Bytes = (0..5 * 16).collect();
        let long = Cell {
            stripe: 7,
            data: data.clone(),
            frame_hashes: frame_hashes.clone(),
            is_followed: false,
        };
        sender.send(long, ()).await.unwrap();
        sender.finish().await.unwrap();
        let sent: Vec<_> = messages.collect().await;
        let pieces: Vec<_> = sent
            .into_iter()
            .filter_map(|message| match message.message {
                Some(write_shard_request::Message::Cell(piece)) => Some(piece),
                _ => None,
            })
            .collect();
        let lens: Vec<_> = pieces.iter().map(|piece| piece.data.len()).collect();
        assert_eq!(lens, [131_072, 131_072, 37_856]);
        let rests: Vec<_> = pieces.iter().map(|piece| piece.rest_len).collect();
        assert_eq!(rests, [168_928, 37_856, 0]);
        let joined: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.data.to_vec())
            .collect();
        let hashes: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.frame_hashes.to_vec())
            .collect();
        assert!(joined == data && hashes == frame_hashes);
    }

    #[tokio::test]
    async fn an_abandoned_write_has_no_end() {
        let (sender, messages) = messages();
        sender.send(cell(), ()).await.unwrap();
        drop(sender);
        let sent: Vec<_> = messages.collect().await;
        assert_eq!(sent.len(), 2);
        assert!(!sent.iter().any(is_end));
    }

    #[tokio::test]
    async fn what_is_held_for_a_cell_goes_with_it_and_not_with_the_next() {
        let (sender, mut messages) = messages();
        let (first, second) = (Arc::new(()), Arc::new(()));
        sender.send(cell(), Arc::clone(&first)).await.unwrap();
        sender.send(cell(), Arc::clone(&second)).await.unwrap();
        messages.next().await.unwrap();
        messages.next().await.unwrap();
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (2, 2)
        );
        messages.next().await.unwrap();
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (1, 2)
        );
        // No third cell comes: the second one's is not held until one does.
        let asked_in_vain = async {
            let _ = messages.next().await;
        };
        let given_back = async {
            while Arc::strong_count(&second) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = asked_in_vain => panic!("there is no third cell"),
            () = given_back => {}
        }
    }
}
