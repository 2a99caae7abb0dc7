//! Tables on their way from one node to another.
//!
//! A snapshot costs a view of RocksDB to make and its rows are read while they are sent, in pieces of about `PIECE_LEN`.
//! The receiver fills a generation of its own beside the one in use (`Staging`), checks count and hashes, and only a whole
//! one is installed. A piece is rows one after another: key length u32, value length u32, big endian, key, value.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use cairn_catalog::{Cursor, Store, StoreError};
use rocksdb::WriteBatch;
use tokio::sync::{mpsc, oneshot};
use xxhash_rust::xxh3::Xxh3;

use super::tables::{Applied, TableView, Tables};
use crate::consensus::{LogId, Snapshot, SnapshotMeta, StoredMembership};
use crate::database::{AccessError, Row, decode_generation, decode_row, row_key};

/// Rows are gathered up to this many bytes; a row that is larger is a piece of its own.
const PIECE_LEN: usize = 1024 * 1024;

/// Pieces read ahead of the network.
const PIECES_AHEAD: usize = 2;

/// A part of a snapshot.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Whole rows.
    Rows(Bytes),
    /// After the last row.
    End {
        /// How many rows there were.
        row_count: u64,
        /// XXH3-128 of all bytes of `Rows`.
        rows_hash: u128,
    },
}

/// The rows of a snapshot. They are read from the first `next` on: most snapshots are made for their place in the log alone.
/// Dropping it ends the reading.
pub(crate) struct Rows {
    /// The hash chained over everything that made these rows.
    pub(crate) state_hash: u128,
    start: Option<oneshot::Sender<()>>,
    pieces: mpsc::Receiver<io::Result<Piece>>,
}

impl Rows {
    /// The rows in these pieces.
    #[cfg(test)]
    pub(crate) fn of(pieces: mpsc::Receiver<io::Result<Piece>>) -> Self {
        Self {
            state_hash: 0,
            start: None,
            pieces,
        }
    }

    /// The next piece; `None` when the reader ended before `Piece::End`. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Piece>> {
        if let Some(start) = self.start.take() {
            // A reader that is gone has said why, or is missed below.
            let _ = start.send(());
        }
        self.pieces.recv().await
    }
}

/// What openraft carries as a snapshot.
pub(crate) enum SnapshotData {
    /// Of this node, to be read.
    Cut(Rows),
    /// Of another node, received whole.
    Staged(Staging),
}

impl SnapshotData {
    /// Brings the rows into a generation of these tables, if they are not there already.
    pub(super) async fn stage(self, tables: &Arc<Tables>) -> Result<Staging, StageError> {
        let mut rows = match self {
            Self::Staged(staging) => return Ok(staging),
            Self::Cut(rows) => rows,
        };
        let mut staging = Staging::begin(Arc::clone(tables))?;
        loop {
            match rows.next().await.ok_or(StageError::Incomplete)?? {
                Piece::Rows(piece) => staging.add(piece)?,
                Piece::End {
                    row_count,
                    rows_hash,
                } => {
                    staging.check(row_count, rows_hash, rows.state_hash)?;
                    return Ok(staging);
                }
            }
        }
    }
}

/// A snapshot could not be brought into the tables. Nothing of it is in use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// The tables could not be written.
    #[error("stage a snapshot")]
    Access(#[from] AccessError),
    /// The staged tables could not be read.
    #[error("read a staged snapshot")]
    Store(#[from] StoreError),
    /// The sender's tables could not be read.
    #[error("read the tables that a snapshot is made of")]
    Source(#[from] io::Error),
    /// A piece does not consist of rows.
    #[error("a piece of the snapshot is malformed")]
    Malformed,
    /// It ended early.
    #[error("the snapshot ended early")]
    Incomplete,
    /// Its count or a hash differs.
    #[error("the snapshot is damaged: its {0} differs")]
    Damaged(&'static str),
}

/// A generation of a group's tables that is being filled. Dropped, its rows are dropped.
pub(crate) struct Staging {
    tables: Arc<Tables>,
    generation: u64,
    row_count: u64,
    hash: Box<Xxh3>,
    is_installed: bool,
}

impl Staging {
    /// Begins an empty generation. Blocks for a sync or two.
    pub(crate) fn begin(tables: Arc<Tables>) -> Result<Self, StageError> {
        let generation = tables.begin_generation()?;
        Ok(Self {
            tables,
            generation,
            row_count: 0,
            hash: Box::new(Xxh3::new()),
            is_installed: false,
        })
    }

    /// Adds the rows of a piece. Blocks on the write.
    pub(crate) fn add(&mut self, mut piece: Bytes) -> Result<(), StageError> {
        self.hash.update(&piece);
        let database = Arc::clone(self.tables.database());
        let family = database
            .tables_family(self.tables.group(), self.generation)
            .ok_or(StageError::Incomplete)?;
        let mut batch = WriteBatch::default();
        while !piece.is_empty() {
            let key_len = piece.try_get_u32().map_err(|_| StageError::Malformed)?;
            let value_len = piece.try_get_u32().map_err(|_| StageError::Malformed)?;
            let key = take(&mut piece, key_len)?;
            let value = take(&mut piece, value_len)?;
            batch.put_cf(&family, key, value);
            self.row_count += 1;
        }
        Ok(database.write(batch)?)
    }

    /// Checks what was added against what the sender says.
    pub(crate) fn check(
        &self,
        row_count: u64,
        rows_hash: u128,
        state_hash: u128,
    ) -> Result<(), StageError> {
        if row_count != self.row_count {
            return Err(StageError::Damaged("number of rows"));
        }
        if rows_hash != self.hash.digest128() {
            return Err(StageError::Damaged("hash of rows"));
        }
        let database = self.tables.database();
        let family = database
            .tables_family(self.tables.group(), self.generation)
            .ok_or(StageError::Incomplete)?;
        let view = TableView::of(database.rocks(), family, None);
        if cairn_catalog::state_hash(&view)? != state_hash {
            return Err(StageError::Damaged("hash of the state"));
        }
        Ok(())
    }

    /// Puts the filled generation in the place of the one in use. Durable when it returns. Blocks for a sync.
    pub(super) fn install(mut self, applied: Applied) -> Result<(), AccessError> {
        // Before it is tried: one that fails may have made these tables the ones in use. If not, they are dropped when the
        // node starts again.
        self.is_installed = true;
        self.tables.flip(self.generation, applied)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_installed {
            return;
        }
        let group = self.tables.group();
        if let Err(error) = self.tables.database().drop_tables(group, self.generation) {
            // It is dropped when the node starts again.
            tracing::warn!(group, error = %error, "drop a broken snapshot");
        }
    }
}

fn take(piece: &mut Bytes, len: u32) -> Result<Bytes, StageError> {
    let len = usize::try_from(len).map_err(|_| StageError::Malformed)?;
    if len > piece.len() {
        return Err(StageError::Malformed);
    }
    Ok(piece.split_to(len))
}

/// Cuts a snapshot of the tables as they are now: their state is pinned when it returns, and read by a thread of its own.
pub(super) async fn cut(tables: &Arc<Tables>) -> io::Result<Snapshot> {
    let (header_sender, header) = oneshot::channel();
    let (pieces_sender, pieces) = mpsc::channel(PIECES_AHEAD);
    let (start_sender, start) = oneshot::channel();
    let tables = Arc::clone(tables);
    let asked = Asked {
        header: header_sender,
        start,
        pieces: pieces_sender,
    };
    std::thread::Builder::new()
        .name("meta-snapshot".to_owned())
        .spawn(move || read_tables(&tables, asked))?;
    let (meta, state_hash) = header
        .await
        .map_err(|_| io::Error::other("the reader of a snapshot has ended"))??;
    Ok(Snapshot {
        meta,
        snapshot: SnapshotData::Cut(Rows {
            state_hash,
            start: Some(start_sender),
            pieces,
        }),
    })
}

type Header = (SnapshotMeta, u128);

/// What the reader of a snapshot talks to.
struct Asked {
    header: oneshot::Sender<io::Result<Header>>,
    start: oneshot::Receiver<()>,
    pieces: mpsc::Sender<io::Result<Piece>>,
}

fn read_tables(tables: &Tables, asked: Asked) {
    let Asked {
        header,
        start,
        pieces,
    } = asked;
    let frozen = match freeze(tables) {
        Ok((found, view)) => {
            // Whoever asked may have gone away.
            if header.send(Ok(found)).is_err() {
                return;
            }
            view
        }
        Err(error) => {
            let _ = header.send(Err(error));
            return;
        }
    };
    if start.blocking_recv().is_err() {
        return;
    }
    if let Err(error) = send_rows(&frozen, &pieces) {
        let _ = pieces.blocking_send(Err(error));
    }
}

/// The last applied entry and the hash chained over everything up to it, as of one moment.
pub(crate) fn applied_hash(tables: &Tables) -> io::Result<(Option<LogId>, u128)> {
    let ((meta, state_hash), _) = freeze(tables)?;
    Ok((meta.last_log_id, state_hash))
}

/// Pins the tables and reads what goes before their rows, all as of one moment.
fn freeze(tables: &Tables) -> io::Result<(Header, TableView<'_>)> {
    let group = tables.group();
    let database = tables.database();
    let snapshot = database.rocks().snapshot();
    let rows = database.default_family();
    let row = |row| {
        snapshot
            .get_cf(&rows, row_key(group, row))
            .map_err(AccessError::from)
    };
    let last_log_id: Option<LogId> = decode_row(group, Row::Applied, row(Row::Applied)?)?;
    let membership: Option<StoredMembership> =
        decode_row(group, Row::Membership, row(Row::Membership)?)?;
    let generation = decode_generation(group, row(Row::Generation)?)?;
    let family = database
        .tables_family(group, generation)
        .ok_or_else(|| io::Error::other("the tables were replaced while a snapshot was cut"))?;
    let view = TableView::of(database.rocks(), family, Some(snapshot));
    let state_hash = cairn_catalog::state_hash(&view).map_err(io::Error::other)?;
    let meta = SnapshotMeta {
        last_log_id,
        last_membership: membership.unwrap_or_default(),
    };
    Ok(((meta, state_hash), view))
}

fn send_rows(view: &TableView<'_>, pieces: &mpsc::Sender<io::Result<Piece>>) -> io::Result<()> {
    let mut cursor = view.cursor();
    cursor.seek(&[]).map_err(io::Error::other)?;
    let mut piece = Vec::new();
    let mut row_count = 0;
    let mut hash = Xxh3::new();
    while let Some((key, value)) = cursor.current() {
        let row_len = 8 + key.len() + value.len();
        if !piece.is_empty() && piece.len() + row_len > PIECE_LEN {
            let full = Bytes::from(std::mem::take(&mut piece));
            hash.update(&full);
            if pieces.blocking_send(Ok(Piece::Rows(full))).is_err() {
                return Ok(());
            }
        }
        put_len(&mut piece, key)?;
        put_len(&mut piece, value)?;
        piece.extend_from_slice(key);
        piece.extend_from_slice(value);
        row_count += 1;
        cursor.next().map_err(io::Error::other)?;
    }
    hash.update(&piece);
    let end = Piece::End {
        row_count,
        rows_hash: hash.digest128(),
    };
    if pieces
        .blocking_send(Ok(Piece::Rows(Bytes::from(piece))))
        .is_ok()
    {
        // Whoever reads may go away before the end: then nobody wants it.
        let _ = pieces.blocking_send(Ok(end));
    }
    Ok(())
}

fn put_len(piece: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a row is too large"))?;
    piece.extend_from_slice(&len.to_be_bytes());
    Ok(())
}
