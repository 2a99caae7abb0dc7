//! A writer: one thread, one open segment, and one sync for all that finished meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use cairn_erasure::frame::HASH_LEN;
use cairn_types::id::{BlobId, Epoch};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Core, WriteError};
use crate::disk::{SegmentFile, is_full};
use crate::index::rows::CellPlace;
use crate::ledger::Removal;
use crate::record::{HEADER_LEN, Header, Kind};

/// Bytes that wait for one writer; more callers wait without being queued.
const QUEUE_LEN: usize = 8 << 20;

/// What a command counts for at least, so that the number of commands is bounded too.
const COMMAND_LEN_MIN: usize = 4096;

/// Commands of so many bytes are taken before those that finished are synced and answered.
const GROUP_LEN: usize = 4 << 20;

/// So much is written before it is synced, even if nobody waits: the sync that somebody waits for stays short.
const UNSYNCED_LEN_MAX: u64 = 32 << 20;

/// After so long without work, preallocated space is given back.
const IDLE: Duration = Duration::from_secs(1);

/// Space is taken hold of in steps that grow with the segment, so that small stores stay small.
const STEP_LEN_MIN: u64 = 256 << 10;
const STEP_LEN_MAX: u64 = 16 << 20;

const SEAL_LEN: u64 = 64;

/// Room that the index needs to note a removal.
const INDEX_ROOM_LEN: u64 = 1 << 20;

static PADDING: [u8; 64] = [0; 64];

type Reply = oneshot::Sender<Result<(), WriteError>>;

/// Why a cell of an attempt could not be written, set by its writer and seen by whoever sends cells.
pub(crate) type Failure = Arc<OnceLock<WriteError>>;

/// A cell on its way to the disk.
#[derive(Debug)]
pub(crate) struct CellRecord {
    pub(crate) blob: BlobId,
    pub(crate) shard: u8,
    pub(crate) stripe: u32,
    pub(crate) epoch: Epoch,
    pub(crate) data: Bytes,
    pub(crate) table: Bytes,
    /// Of the attempt.
    pub(crate) failure: Failure,
}

#[derive(Debug)]
pub(crate) enum Command {
    Cell {
        sequence: u64,
        cell: CellRecord,
        permit: OwnedSemaphorePermit,
    },
    Finish {
        sequence: u64,
        last: CellRecord,
        root: [u8; HASH_LEN],
        permit: OwnedSemaphorePermit,
        reply: Reply,
    },
    Abandon {
        sequence: u64,
    },
    Remove {
        blobs: Vec<BlobId>,
        permit: OwnedSemaphorePermit,
        reply: Reply,
    },
    Close,
}

/// The way to a writer.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Bounded by `room`: a command holds as many permits as it has bytes until it is carried out. `Abandon` holds none,
    /// but there is one at most for each attempt.
    commands: Sender<Command>,
    room: Arc<Semaphore>,
    syncing_bytes: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Lane {
    /// Starts a writer, on an open segment if there is one.
    pub(crate) fn start(core: Arc<Core>, open: Option<(u32, u64)>) -> std::io::Result<Self> {
        let (commands, receiver) = channel();
        let syncing_bytes = Arc::new(AtomicU64::new(0));
        let open = match open {
            None => None,
            Some((segment, end)) => Some(OpenSegment {
                segment,
                file: core.disk.reopen_segment(segment)?,
                end,
                held_to: end,
            }),
        };
        let writer = Writer {
            core: Arc::clone(&core),
            syncing_bytes: Arc::clone(&syncing_bytes),
            open,
            unsynced_bytes: 0,
            finished: Vec::new(),
            removals: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("disk-write".to_owned())
            .spawn(move || {
                // What waits in the queue is let go of only when the disk is out of service.
                let run = catch_unwind(AssertUnwindSafe(|| writer.run(&receiver)));
                if run.is_err() {
                    core.fail("write", &"the writer has panicked");
                }
            })?;
        Ok(Self {
            commands,
            room: Arc::new(Semaphore::new(QUEUE_LEN)),
            syncing_bytes,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Less is better: whole MiB that wait for the writer or for its sync. Less than one counts as nothing, so that small
    /// shards gather at one writer and share its syncs, while large ones take the other.
    pub(crate) fn load(&self) -> u64 {
        let queued = QUEUE_LEN.saturating_sub(self.room.available_permits());
        let queued = u64::try_from(queued).expect("at most the queue's length");
        (queued + self.syncing_bytes.load(Ordering::Relaxed)) >> 20
    }

    pub(crate) async fn cell(&self, sequence: u64, cell: CellRecord) -> Result<(), WriteError> {
        let permit = self.permit(cell.data.len()).await?;
        self.send(Command::Cell {
            sequence,
            cell,
            permit,
        });
        Ok(())
    }

    pub(crate) async fn finish(
        &self,
        sequence: u64,
        last: CellRecord,
        root: [u8; HASH_LEN],
    ) -> Result<(), WriteError> {
        let permit = self.permit(last.data.len()).await?;
        let (reply, answer) = oneshot::channel();
        self.send(Command::Finish {
            sequence,
            last,
            root,
            permit,
            reply,
        });
        answer.await.map_err(|_| closed())?
    }

    pub(crate) async fn remove(&self, blobs: Vec<BlobId>) -> Result<(), WriteError> {
        let permit = self.permit(blobs.len().saturating_mul(HEADER_LEN)).await?;
        let (reply, answer) = oneshot::channel();
        self.send(Command::Remove {
            blobs,
            permit,
            reply,
        });
        answer.await.map_err(|_| closed())?
    }

    /// A writer that has ended answers nobody: whoever waits sees that its answer is gone.
    pub(crate) fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Ends the writer when it has carried out what was sent. Blocks.
    pub(crate) fn close(&self) {
        self.send(Command::Close);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // That it panicked was told when it did.
            let _ = thread.join();
        }
    }

    async fn permit(&self, len: usize) -> Result<OwnedSemaphorePermit, WriteError> {
        let len = len.clamp(COMMAND_LEN_MIN, QUEUE_LEN / 2);
        let permits = u32::try_from(len).expect("at most half the queue");
        let room = Arc::clone(&self.room);
        room.acquire_many_owned(permits).await.map_err(|_| closed())
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.send(Command::Close);
    }
}

fn closed() -> WriteError {
    WriteError::OutOfService("the disk was closed".to_owned())
}

struct Writer {
    core: Arc<Core>,
    /// What a sync that is under way has to write.
    syncing_bytes: Arc<AtomicU64>,
    open: Option<OpenSegment>,
    unsynced_bytes: u64,
    /// Attempts whose last cell is written and waits for the sync.
    finished: Vec<(u64, Reply)>,
    /// Removals whose tombstones are written and wait for the sync.
    removals: Vec<(Removal, Reply)>,
}

struct OpenSegment {
    segment: u32,
    file: Box<dyn SegmentFile>,
    /// Where the next record goes.
    end: u64,
    /// Up to where space is taken hold of.
    held_to: u64,
}

impl Writer {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let goes_on = match commands.recv_timeout(IDLE) {
                Ok(first) => self.carry_out_group(first, commands),
                Err(RecvTimeoutError::Timeout) => {
                    self.rest();
                    true
                }
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on {
                self.rest();
                return;
            }
        }
    }

    /// Takes what has come meanwhile, then syncs once for all that finished.
    fn carry_out_group(&mut self, first: Command, commands: &Receiver<Command>) -> bool {
        let mut next = Some(first);
        let mut taken_bytes = 0;
        let mut goes_on = true;
        while let Some(command) = next {
            taken_bytes += match command {
                Command::Close => {
                    goes_on = false;
                    break;
                }
                other => self.carry_out(other),
            };
            next = if taken_bytes < GROUP_LEN {
                commands.try_recv().ok()
            } else {
                None
            };
        }
        let somebody_waits = !self.finished.is_empty() || !self.removals.is_empty();
        if somebody_waits || self.unsynced_bytes > UNSYNCED_LEN_MAX {
            self.commit();
        }
        goes_on
    }

    /// Carries out one command; how many bytes it had.
    fn carry_out(&mut self, command: Command) -> usize {
        match command {
            Command::Cell {
                sequence,
                cell,
                permit,
            } => {
                if cell.failure.get().is_none()
                    && let Err(error) = self.write_cell(sequence, Kind::Cell, &cell)
                {
                    // Only this thread sets it, once.
                    let _ = cell.failure.set(error);
                }
                permit.num_permits()
            }
            Command::Finish {
                sequence,
                last,
                root,
                permit,
                reply,
            } => {
                match self.write_last(sequence, &last, root) {
                    Ok(()) => self.finished.push((sequence, reply)),
                    Err(error) => {
                        self.abandon(sequence);
                        // Nobody may be waiting any more.
                        let _ = reply.send(Err(error));
                    }
                }
                permit.num_permits()
            }
            Command::Abandon { sequence } => {
                // One whose last cell is written becomes a shard, whether anybody waits for it or not: its records say that it
                // is one, so another must not take its place.
                if self.finished.iter().all(|(other, _)| *other != sequence) {
                    self.abandon(sequence);
                }
                0
            }
            Command::Remove {
                blobs,
                permit,
                reply,
            } => {
                match self.write_tombstones(&blobs) {
                    Ok(removal) => self.removals.push((removal, reply)),
                    Err(error) => {
                        let _ = reply.send(Err(error));
                    }
                }
                permit.num_permits()
            }
            Command::Close => 0,
        }
    }

    fn write_last(
        &mut self,
        sequence: u64,
        last: &CellRecord,
        root: [u8; HASH_LEN],
    ) -> Result<(), WriteError> {
        if let Some(error) = last.failure.get() {
            return Err(error.clone());
        }
        self.core.check_writable()?;
        let closed = self.core.ledger.close(sequence, root);
        closed.map_err(|error| self.core.index_failed(&error))??;
        self.write_cell(sequence, Kind::LastCell, last)
    }

    fn write_cell(
        &mut self,
        sequence: u64,
        kind: Kind,
        cell: &CellRecord,
    ) -> Result<(), WriteError> {
        let header = Header {
            kind,
            blob: cell.blob,
            shard: cell.shard,
            stripe: cell.stripe,
            data_len: u32::try_from(cell.data.len()).expect("at most 1 MiB, checked on arrival"),
            epoch: cell.epoch.get(),
            sequence,
            segment: 0,
        };
        let place = self.append(header, &cell.table, &cell.data)?;
        self.core.ledger.placed(sequence, place);
        Ok(())
    }

    fn write_tombstones(&mut self, blobs: &[BlobId]) -> Result<Removal, WriteError> {
        self.core.check_writable()?;
        let begun = self.core.ledger.begin_removal(blobs);
        let (sequence, blobs) = begun.map_err(|error| self.core.index_failed(&error))?;
        let mut removal = Removal {
            blobs,
            sequence,
            removed_at: self.core.now(),
            segment: 0,
        };
        let tombstone = |blob: BlobId| Header {
            kind: Kind::Tombstone,
            blob,
            shard: 0,
            stripe: 0,
            data_len: 0,
            epoch: removal.removed_at,
            sequence,
            segment: 0,
        };
        // The rows name one segment for all of them: the last. Those in an earlier one are repeated in it.
        let mut at = 0;
        while let Some(blob) = removal.blobs.get(at) {
            let place = self.append(tombstone(*blob), &[], &[])?;
            let moved_on = at > 0 && place.segment != removal.segment;
            removal.segment = place.segment;
            at = if moved_on { 0 } else { at + 1 };
        }
        Ok(removal)
    }

    /// Writes a record at the end of the open segment, or of a new one.
    fn append(
        &mut self,
        header: Header,
        table: &[u8],
        data: &[u8],
    ) -> Result<CellPlace, WriteError> {
        self.core.check_writable()?;
        let len = header.record_len();
        let takeable = self.check_space(header.kind)?;
        let (segment, offset) = self.make_room(len, header.kind, takeable)?;
        let header = Header { segment, ..header };
        let head = header.encode(self.core.seed, table);
        let unpadded = header.data_start() + data.len();
        let padding = PADDING
            .get(..unpadded.next_multiple_of(64) - unpadded)
            .expect("less than 64 bytes");
        let open = self.open.as_mut().expect("there is room in it");
        let written = open.file.write(offset, &[&head, table, data, padding]);
        if let Err(error) = written {
            return Err(write_failed(&self.core, open, &error));
        }
        open.end += len;
        self.core.counts.written_bytes.inc_by(len);
        self.unsynced_bytes += len;
        Ok(CellPlace {
            segment,
            offset: u32::try_from(offset).expect("segments are at most 1 GiB"),
            data_len: header.data_len,
        })
    }

    /// Where a record of `len` bytes goes: with space taken hold of, and room for the seal behind it.
    fn make_room(&mut self, len: u64, kind: Kind, takeable: u64) -> Result<(u32, u64), WriteError> {
        let limit = self.core.label.segment_len_bytes;
        let is_over = |open: &OpenSegment| open.end + len + SEAL_LEN > limit;
        if self.open.as_ref().is_some_and(is_over) {
            self.seal()?;
        }
        if self.open.is_none() {
            let segment = self.core.ledger.new_segment();
            let created = self.core.disk.create_segment(segment);
            let file = created.map_err(|error| {
                self.core.ledger.not_made(segment);
                self.core.full_or_failed("make a segment", &error)
            })?;
            self.open = Some(OpenSegment {
                segment,
                file,
                end: 0,
                held_to: 0,
            });
        }
        let open = self.open.as_ref().expect("opened above");
        let (segment, end) = (open.segment, open.end);
        if end + len > open.held_to {
            if takeable < len {
                return Err(WriteError::Full);
            }
            let step = self.step(end, len, takeable);
            let open = self.open.as_mut().expect("opened above");
            open.held_to = hold_space(&self.core, open, step, kind)?;
        }
        Ok((segment, end))
    }

    /// How much space to take hold of at a time.
    fn step(&self, end: u64, len: u64, takeable: u64) -> u64 {
        let left = self.core.label.segment_len_bytes.saturating_sub(end);
        let step = (end / 8).clamp(STEP_LEN_MIN, STEP_LEN_MAX);
        step.min(takeable).min(left).max(len)
    }

    /// How many bytes may be taken beyond what is held. Cells leave the reserve alone, everything else leaves the index
    /// some room: a record is no use without its rows.
    fn check_space(&self, kind: Kind) -> Result<u64, WriteError> {
        let space = self
            .core
            .measure()
            .map_err(|error| self.core.fail("measure the disk", &error))?;
        let reserve = if kind.is_cell() {
            self.core.reserve_bytes()
        } else {
            INDEX_ROOM_LEN
        };
        space
            .available_bytes
            .checked_sub(reserve)
            .ok_or(WriteError::Full)
    }

    /// Closes the open segment: all in it durable and settled, a seal behind it, and the rest of its space given back.
    fn seal(&mut self) -> Result<(), WriteError> {
        self.commit();
        self.core.check_writable()?;
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let core = &self.core;
        let seal = Header::seal(open.segment).encode(core.seed, &[]);
        let sealed = open
            .file
            .write(open.end, &[&seal])
            .and_then(|()| open.file.truncate(open.end + SEAL_LEN));
        // Without its seal the segment is only read more carefully, should the index be lost.
        match sealed {
            Err(error) if !is_full(&error) => {
                return Err(core.fail("close a segment", &error).into());
            }
            _ => {}
        }
        core.ledger
            .sealed(open.segment, open.end)
            .map_err(|error| core.index_failed(&error).into())
    }

    /// One sync for all that finished since the last: then the rows, and only then the answers.
    fn commit(&mut self) {
        let finished = std::mem::take(&mut self.finished);
        let removals = std::mem::take(&mut self.removals);
        let sequences: Vec<u64> = finished.iter().map(|(sequence, _)| *sequence).collect();
        let removed: Vec<Removal> = removals
            .iter()
            .map(|(removal, _)| removal.clone())
            .collect();
        let outcome = self.sync_and_settle(&sequences, &removed);
        let mut answers = match outcome {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); sequences.len() + removed.len()],
        };
        answers.resize_with(sequences.len() + removed.len(), || Ok(()));
        let replies = finished
            .into_iter()
            .map(|(_, reply)| reply)
            .chain(removals.into_iter().map(|(_, reply)| reply));
        for (reply, answer) in replies.zip(answers) {
            // Nobody may be waiting any more; the shard is there all the same.
            let _ = reply.send(answer);
        }
    }

    fn sync_and_settle(
        &mut self,
        sequences: &[u64],
        removals: &[Removal],
    ) -> Result<Vec<Result<(), WriteError>>, WriteError> {
        self.core.check_writable()?;
        let Some(open) = &self.open else {
            return Ok(Vec::new());
        };
        if self.unsynced_bytes > 0 {
            self.core.counts.syncs.inc();
            self.syncing_bytes
                .store(self.unsynced_bytes, Ordering::Relaxed);
            let synced = open.file.sync();
            self.syncing_bytes.store(0, Ordering::Relaxed);
            synced.map_err(|error| self.core.fail("sync a segment", &error))?;
            self.unsynced_bytes = 0;
        }
        let synced = (open.segment, open.end);
        let now = self.core.now();
        let settled = self.core.ledger.settle(sequences, removals, synced, now);
        let answers = settled.map_err(|error| self.core.index_failed(&error))?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.map_err(WriteError::from))
            .collect())
    }

    fn abandon(&self, sequence: u64) {
        if self.core.check_writable().is_ok()
            && let Err(error) = self.core.ledger.abandon(sequence)
        {
            self.core.index_failed(&error);
        }
    }

    /// Nothing to do: makes durable what is not, and gives back the space that was taken hold of.
    fn rest(&mut self) {
        let somebody_waits = !self.finished.is_empty() || !self.removals.is_empty();
        if self.unsynced_bytes > 0 || somebody_waits {
            self.commit();
        }
        let Some(open) = &mut self.open else {
            return;
        };
        if open.held_to > open.end && self.core.check_service().is_ok() {
            open.held_to = open.end;
            if let Err(error) = open.file.truncate(open.end) {
                self.core.fail("cut a segment", &error);
            }
        }
    }
}

/// A full disk stays in service; what was written of the record is cut off. Anything else is the end of the disk.
fn write_failed(core: &Core, open: &OpenSegment, error: &std::io::Error) -> WriteError {
    if !is_full(error) {
        return core.fail("write a segment", error).into();
    }
    match open.file.truncate(open.end) {
        Ok(()) => WriteError::Full,
        Err(error) => core.fail("cut a segment", &error).into(),
    }
}

/// Takes hold of space; up to where.
fn hold_space(core: &Core, open: &OpenSegment, step: u64, kind: Kind) -> Result<u64, WriteError> {
    match open.file.preallocate(open.end, step) {
        Ok(()) => Ok(open.end + step),
        // A tombstone may still find room where a step does not.
        Err(error) if is_full(&error) && !kind.is_cell() => Ok(open.end),
        Err(error) => Err(core.full_or_failed("take hold of space", &error)),
    }
}
