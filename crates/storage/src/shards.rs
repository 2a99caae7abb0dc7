//! The shards of one disk: writing, reading, removing, listing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cairn_erasure::frame::{FrameError, HASH_LEN, ShardRoot, verify_frames};
use cairn_runtime::metrics::{Counter, Gauge};
use cairn_runtime::{Metrics, SharedClock};
use cairn_types::id::{BlobId, Epoch, PlacementGroupId};

use crate::disk::{Disk, Space, is_elsewhere, is_full};
use crate::epochs;
use crate::index::IndexError;
use crate::label::Label;
use crate::ledger::{Conflict, Ledger, Totals};
use crate::pool::{Pool, PoolError};
use crate::record::{CELL_LEN_MAX, Seed};
use crate::recovery::{RecoveryError, Report, recover};

mod collector;
mod reader;
mod writer;

pub use reader::{CellFrames, Located, ReadError, Slice};

use writer::{CellRecord, Command, Failure, Lane};

/// Writers, each with an open segment and a thread: while one waits for the disk to sync, the other takes new cells.
const WRITERS: usize = 2;

/// Threads for reads and the rest.
const READERS: usize = 3;

/// Stripes of the largest blob with the smallest sensible cells. A limit on what one shard may cost in memory.
const STRIPES_MAX: u32 = 16_384;

/// Blobs that may be pinned at a time.
const PINS_MAX: usize = 100_000;

/// The longest lease of a pin; readers renew theirs.
const LEASE_MAX: Duration = Duration::from_mins(10);

/// Places of a disk that may fail to be read within a while, before it is taken out of service: a bad sector is repaired from
/// the other disks, a disk that fails is better gone without.
const BAD_PLACES_MAX: usize = 16;

/// How long a place that failed to be read counts, in milliseconds.
const BAD_PLACE_COUNTS_MS: u64 = 60_000;

/// What counts as one place, in bytes: a bad sector may have several cells in it.
const PLACE_LEN: u64 = 1 << 20;

/// Until so long after a disk was opened nothing that readers may have pinned is given back, in milliseconds: pins are not
/// kept over a restart. Three times as long as readers take to renew theirs.
const PINS_RETURN_MS: u64 = 60_000;

/// A write that did not happen. Of none of them anything is ever read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The shard may not be written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A cell was damaged on the way here, or its hashes were.
    #[error("cell {stripe} did not arrive as it was sent: {source}")]
    Damaged {
        /// The cell's stripe.
        stripe: u32,
        /// What is wrong.
        source: FrameError,
    },
    /// Cells that are not those of a shard.
    #[error("{0}")]
    Shape(&'static str),
    /// There is no room left.
    #[error("the disk is full")]
    Full,
    /// The disk is out of service.
    #[error("the disk is out of service: {0}")]
    OutOfService(String),
}

/// A request that the disk cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the disk is out of service: {0}")]
pub struct Outage(pub String);

/// A shard in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its blob.
    pub blob: BlobId,
    /// Which shard of it.
    pub shard: u8,
    /// How many cells it has.
    pub stripe_count: u32,
    /// Bytes of its cells.
    pub stored_bytes: u64,
    /// The hash of its frame hashes.
    pub root: [u8; HASH_LEN],
    /// It is removed and waits for the read grace.
    pub removed: bool,
}

/// What a disk has in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The room on it.
    pub space: Space,
    /// What is in it.
    pub totals: Totals,
    /// Cells found damaged since it was opened.
    pub damaged_cells: u64,
}

/// The shards of one disk. Cheap to share; every method may be called at any time from any task.
#[derive(Debug)]
pub struct Shards {
    core: Arc<Core>,
    lanes: Vec<Lane>,
    pool: Pool,
}

/// What the threads of a disk share.
pub(crate) struct Core {
    disk: Arc<dyn Disk>,
    label: Label,
    seed: Seed,
    ledger: Ledger,
    clock: SharedClock,
    read_grace: Duration,
    counts: Counts,
    /// Why the disk is out of service; set once and for good.
    outage: OnceLock<String>,
    /// Why it takes no more writes; set once and for good.
    writes_end: OnceLock<String>,
    /// When it was opened, on the monotonic clock.
    opened_at: u64,
    /// By segment and place, when it last failed to be read, on the monotonic clock.
    bad_places: Mutex<BTreeMap<(u32, u64), u64>>,
    space: Mutex<Space>,
    /// Held while the file of epochs is replaced.
    epochs_file: Mutex<()>,
}

struct Counts {
    syncs: Counter,
    written_bytes: Counter,
    read_bytes: Counter,
    damaged_cells: Counter,
    damaged_here: AtomicU64,
    live_bytes: Gauge,
    removed_bytes: Gauge,
    available_bytes: Gauge,
    in_service: Gauge,
}

impl Shards {
    /// Opens a labelled disk: brings its index up to date and starts its threads. Blocks.
    ///
    /// # Errors
    /// See [`RecoveryError`].
    pub fn open(
        disk: Arc<dyn Disk>,
        label: Label,
        read_grace: Duration,
        clock: SharedClock,
        metrics: &Metrics,
    ) -> Result<(Self, Report), RecoveryError> {
        let seed = label.seed;
        let now = clock.now().as_millis();
        let recovered = recover(&*disk, seed, label.segment_len_bytes, WRITERS, now)?;
        let space = disk.space()?;
        let opened_at = millis(clock.monotonic());
        let core = Arc::new(Core {
            disk,
            label,
            seed,
            ledger: recovered.ledger,
            clock,
            read_grace,
            counts: Counts::new(metrics, &label),
            outage: OnceLock::new(),
            writes_end: OnceLock::new(),
            opened_at,
            bad_places: Mutex::default(),
            space: Mutex::new(space),
            epochs_file: Mutex::new(()),
        });
        core.count(space);
        let mut open = recovered.open.into_iter();
        let lanes = (0..WRITERS)
            .map(|_| Lane::start(Arc::clone(&core), open.next()))
            .collect::<Result<_, _>>()?;
        let pool = Pool::new("disk-read", READERS)?;
        Ok((Self { core, lanes, pool }, recovered.report))
    }

    /// Begins to write a shard.
    ///
    /// # Errors
    /// A stale epoch, or the disk is full or out of service.
    pub fn begin(
        self: &Arc<Self>,
        blob: BlobId,
        shard: u8,
        epoch: Epoch,
    ) -> Result<ShardWriter, WriteError> {
        self.core.check_writable()?;
        if self.core.last_space().available_bytes < self.core.reserve_bytes() {
            return Err(WriteError::Full);
        }
        let sequence = self.core.ledger.begin(blob, shard, epoch)?;
        let lane = (0..self.lanes.len())
            .min_by_key(|lane| self.lanes.get(*lane).map(Lane::load))
            .unwrap_or(0);
        Ok(ShardWriter {
            shards: Arc::clone(self),
            lane,
            sequence,
            blob,
            shard,
            epoch,
            next_stripe: 0,
            root: ShardRoot::new(),
            held: None,
            failure: Failure::default(),
            open: true,
        })
    }

    /// Looks a shard up, for reading. A removed one is found until its space is given back.
    ///
    /// # Errors
    /// No such shard, or the disk is out of service.
    pub async fn find(&self, blob: BlobId, shard: u8) -> Result<Located, ReadError> {
        let core = Arc::clone(&self.core);
        self.pool
            .run(move || reader::find(&core, blob, shard))
            .await?
    }

    /// Reads one slice of a shard that was found.
    ///
    /// # Errors
    /// The cell is damaged, gone meanwhile, or the slice lies outside of it; the disk is out of service.
    pub async fn read(&self, located: Located, slice: Slice) -> Result<CellFrames, ReadError> {
        let core = Arc::clone(&self.core);
        self.pool
            .run(move || reader::read(&core, &located, slice))
            .await?
    }

    /// Removes all shards of these blobs. Durable when it returns; they stay readable for the read grace.
    ///
    /// # Errors
    /// The disk is out of service, or so full that not even a tombstone fits.
    pub async fn remove(&self, blobs: Vec<BlobId>) -> Result<(), WriteError> {
        self.core.check_writable()?;
        let lane = self
            .lanes
            .iter()
            .min_by_key(|lane| lane.load())
            .expect("there are writers");
        lane.remove(blobs).await
    }

    /// Keeps the space of these blobs from being given back for a while after they are removed.
    ///
    /// # Errors
    /// The disk is out of service; too many blobs are pinned.
    pub fn pin(&self, blobs: &[BlobId], lease: Duration) -> Result<(), WriteError> {
        self.core.check_service()?;
        let now = self.core.monotonic();
        let until = now + millis(lease.min(LEASE_MAX));
        if self.core.ledger.pin(blobs, now, until, PINS_MAX) {
            Ok(())
        } else {
            Err(WriteError::Shape("too many blobs are pinned"))
        }
    }

    /// Shards in the order of their blobs, behind `after`: at most `limit` of one placement group, or of all.
    ///
    /// # Errors
    /// The disk is out of service.
    pub async fn list(
        &self,
        after: Option<(BlobId, u8)>,
        group: Option<PlacementGroupId>,
        limit: usize,
    ) -> Result<Vec<Summary>, Outage> {
        let core = Arc::clone(&self.core);
        self.pool
            .run(move || core.list(after, group, limit))
            .await?
    }

    /// Refuses writes to the placement group with an older epoch from now on. Durable when it returns.
    ///
    /// # Errors
    /// The disk is full or out of service; then nothing has changed.
    pub async fn advance_epoch(
        &self,
        group: PlacementGroupId,
        epoch: Epoch,
    ) -> Result<(), WriteError> {
        let core = Arc::clone(&self.core);
        self.pool
            .run(move || core.advance_epoch(group, epoch))
            .await
            .map_err(Outage::from)?
    }

    /// Gives back the space of cells whose time has come; how many attempts' cells were. Call it until it returns 0.
    ///
    /// # Errors
    /// The disk is out of service.
    pub async fn collect(&self) -> Result<usize, Outage> {
        let core = Arc::clone(&self.core);
        self.pool.run(move || collector::collect(&core)).await?
    }

    /// What the disk has, read anew.
    ///
    /// # Errors
    /// The disk is out of service.
    pub async fn status(&self) -> Result<Status, Outage> {
        let core = Arc::clone(&self.core);
        self.pool.run(move || core.status()).await?
    }

    /// As `status`, within `limit`. A disk that has so much to do that it does not come to it is as it was last known: only one
    /// that does not get on with anything does not answer.
    ///
    /// # Errors
    /// The disk is out of service, or does not answer.
    pub async fn status_within(&self, limit: Duration) -> Result<Status, Outage> {
        let done_before = self.pool.done();
        match tokio::time::timeout(limit, self.status()).await {
            Ok(status) => status,
            Err(_) if self.pool.done() > done_before => self.core.known_status(),
            Err(_) => Err(Outage("the disk does not answer".to_owned())),
        }
    }

    /// Bytes of those available that shards cannot have. Does not block.
    pub fn reserve_bytes(&self) -> u64 {
        self.core.reserve_bytes()
    }

    /// Why the disk is out of service, if it is.
    pub fn outage(&self) -> Option<&str> {
        self.core.outage.get().map(String::as_str)
    }

    /// Ends all threads: what was taken is finished, preallocated space given back, the index flushed. Blocks.
    pub fn close(&self) {
        for lane in &self.lanes {
            lane.close();
        }
        self.pool.close();
        if self.core.outage.get().is_none()
            && let Err(error) = self.core.ledger.index().flush()
        {
            tracing::warn!(%error, "flush the index of a disk");
        }
        self.core.counts.in_service.set(0);
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("disk", &self.label.disk)
            .field("outage", &self.outage)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn check_service(&self) -> Result<(), Outage> {
        match self.outage.get() {
            None => Ok(()),
            Some(reason) => Err(Outage(reason.clone())),
        }
    }

    /// As `check_service`, for whatever changes the index.
    pub(crate) fn check_writable(&self) -> Result<(), WriteError> {
        self.check_service()?;
        match self.writes_end.get() {
            None => Ok(()),
            Some(_) => Err(WriteError::Full),
        }
    }

    /// Takes the disk out of service, for good. Only the first reason counts.
    pub(crate) fn fail(&self, step: &str, error: &dyn std::fmt::Display) -> Outage {
        let reason = format!("{step}: {error}");
        if self.outage.set(reason.clone()).is_ok() {
            tracing::error!(disk = %self.label.disk, reason, "disk is taken out of service");
            self.counts.in_service.set(0);
        }
        Outage(self.outage.get().cloned().unwrap_or(reason))
    }

    /// As `fail`, unless it is not the disk that failed: then only this step has.
    pub(crate) fn failed(&self, step: &str, error: &std::io::Error) -> Outage {
        if is_elsewhere(error) {
            tracing::warn!(disk = %self.label.disk, step, %error, "a disk cannot be used for the moment");
            return Outage(format!("{step}: {error}"));
        }
        self.fail(step, error)
    }

    /// A full disk stays in service; anything else takes it out, if it is the disk's.
    pub(crate) fn full_or_failed(&self, step: &str, error: &std::io::Error) -> WriteError {
        if is_full(error) {
            WriteError::Full
        } else {
            self.failed(step, error).into()
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_millis()
    }

    pub(crate) fn monotonic(&self) -> u64 {
        millis(self.clock.monotonic())
    }

    /// Bytes that writes of cells leave free, so that removing, and the index, still work on a full disk.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        let capacity = self.last_space().capacity_bytes;
        (capacity / 32).clamp(16 << 20, 256 << 20)
    }

    pub(crate) fn last_space(&self) -> Space {
        *self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the disk for its room.
    pub(crate) fn measure(&self) -> std::io::Result<Space> {
        let space = self.disk.space()?;
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = space;
        Ok(space)
    }

    /// How long removed shards stay readable now: the read grace, and less of it on the last tenth of a disk.
    pub(crate) fn grace_ms(&self) -> u64 {
        let space = self.last_space();
        let tenth = (space.capacity_bytes / 10).max(1);
        let grace = millis(self.read_grace);
        if space.available_bytes >= tenth {
            return grace;
        }
        let share = u128::from(grace) * u128::from(space.available_bytes) / u128::from(tenth);
        u64::try_from(share).unwrap_or(grace)
    }

    fn status(&self) -> Result<Status, Outage> {
        self.check_service()?;
        let space = self
            .measure()
            .map_err(|error| self.fail("measure the disk", &error))?;
        self.count(space);
        self.known_status()
    }

    /// As `status`, without asking the disk.
    fn known_status(&self) -> Result<Status, Outage> {
        self.check_service()?;
        let space = match self.writes_end.get() {
            None => self.last_space(),
            // Whoever looks for room is to look elsewhere.
            Some(_) => Space {
                available_bytes: 0,
                ..self.last_space()
            },
        };
        Ok(Status {
            space,
            totals: self.ledger.totals(),
            damaged_cells: self.counts.damaged_here.load(Ordering::Relaxed),
        })
    }

    fn count(&self, space: Space) {
        let totals = self.ledger.totals();
        let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.counts.live_bytes.set(gauge(totals.live_bytes));
        self.counts.removed_bytes.set(gauge(totals.doomed_bytes));
        self.counts
            .available_bytes
            .set(gauge(space.available_bytes));
    }

    fn list(
        &self,
        after: Option<(BlobId, u8)>,
        group: Option<PlacementGroupId>,
        limit: usize,
    ) -> Result<Vec<Summary>, Outage> {
        self.check_service()?;
        let first = group.map_or(0, |group| u128::from(group.get()) << 96);
        let first = (BlobId::from_bits(first), 0);
        let start = after.map_or(first, |after| after.max(first));
        let mut summaries = Vec::new();
        let visit = self
            .ledger
            .index()
            .visit_shards(start.0, start.1, |blob, shard, row| {
                if group.is_some_and(|group| blob.placement_group() != group) {
                    return false;
                }
                if Some((blob, shard)) != after {
                    summaries.push(Summary {
                        blob,
                        shard,
                        stripe_count: u32::try_from(row.cells.len()).unwrap_or(u32::MAX),
                        stored_bytes: row.stored_bytes(),
                        root: row.root,
                        removed: row.removed_at.is_some(),
                    });
                }
                summaries.len() < limit
            });
        visit.map_err(|error| self.fail("list shards", &error))?;
        Ok(summaries)
    }

    fn advance_epoch(&self, group: PlacementGroupId, epoch: Epoch) -> Result<(), WriteError> {
        self.check_service()?;
        let _one_at_a_time = self
            .epochs_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(table) = self.ledger.raised_epochs(group, epoch) else {
            return Ok(());
        };
        // Durable before it is in force, and in force before it is answered.
        self.disk
            .replace_file(epochs::FILE_NAME, &table.encode())
            .map_err(|error| self.full_or_failed("write the epochs", &error))?;
        self.ledger.set_epoch(group, epoch);
        Ok(())
    }

    /// Where the index had no room, reads go on. Writes do not, until the disk is opened again: rows that were to be written
    /// are missing from the index, and the marks of how far segments are indexed must not pass them.
    pub(crate) fn index_failed(&self, error: &IndexError) -> Outage {
        if !error.is_full() {
            return self.fail("use the index", error);
        }
        let reason = self.end_writes(error.to_string());
        Outage(reason.to_owned())
    }

    fn end_writes(&self, reason: String) -> &str {
        if self.writes_end.get().is_none() {
            tracing::error!(disk = %self.label.disk, reason, "disk takes no more writes until it is opened again");
        }
        self.writes_end.get_or_init(|| reason)
    }

    /// Notes that a place could not be read, if that is the disk's fault. Many of them within a while take it out of service.
    pub(crate) fn read_failed(
        &self,
        segment: u32,
        offset: u64,
        error: &std::io::Error,
    ) -> Result<(), Outage> {
        if is_elsewhere(error) {
            return Err(self.failed("read a segment", error));
        }
        tracing::warn!(disk = %self.label.disk, segment, offset, %error, "a place of a disk cannot be read");
        let now = self.monotonic();
        let bad_places = {
            let mut places = self
                .bad_places
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            places.retain(|_, failed_at| now < failed_at.saturating_add(BAD_PLACE_COUNTS_MS));
            places.insert((segment, offset / PLACE_LEN), now);
            places.len()
        };
        if bad_places < BAD_PLACES_MAX {
            return Ok(());
        }
        Err(self.fail("read a segment", error))
    }

    /// Whether readers that pinned something before the disk was opened have had the time to do so again. As with the
    /// grace, they get less of it as the disk fills.
    pub(crate) fn knows_pins(&self) -> bool {
        self.monotonic() >= self.opened_at + self.grace_ms().min(PINS_RETURN_MS)
    }
}

impl Counts {
    fn new(metrics: &Metrics, label: &Label) -> Self {
        let disk = label.disk.to_string();
        let labels = [("disk", disk.as_str())];
        let in_service = metrics.gauge("cairn_disk_in_service", &labels);
        in_service.set(1);
        Self {
            syncs: metrics.counter("cairn_disk_syncs_total", &labels),
            written_bytes: metrics.counter("cairn_disk_written_bytes_total", &labels),
            read_bytes: metrics.counter("cairn_disk_read_bytes_total", &labels),
            damaged_cells: metrics.counter("cairn_disk_damaged_cells_total", &labels),
            damaged_here: AtomicU64::new(0),
            live_bytes: metrics.gauge("cairn_disk_live_bytes", &labels),
            removed_bytes: metrics.gauge("cairn_disk_removed_bytes", &labels),
            available_bytes: metrics.gauge("cairn_disk_available_bytes", &labels),
            in_service,
        }
    }
}

impl From<Outage> for WriteError {
    fn from(outage: Outage) -> Self {
        Self::OutOfService(outage.0)
    }
}

impl From<PoolError> for Outage {
    fn from(error: PoolError) -> Self {
        Self(error.to_string())
    }
}

/// One attempt to write a shard. Dropped before `finish` it leaves nothing that is ever read.
#[derive(Debug)]
pub struct ShardWriter {
    shards: Arc<Shards>,
    lane: usize,
    sequence: u64,
    blob: BlobId,
    shard: u8,
    epoch: Epoch,
    next_stripe: u32,
    root: ShardRoot,
    /// The newest cell: whether it is the last one is only known with the next or with the end.
    held: Option<CellRecord>,
    failure: Failure,
    open: bool,
}

impl ShardWriter {
    /// Takes the next cell in stripe order, checks it against its frame hashes and passes the one before it on to the disk.
    /// Waits while the disk is behind.
    ///
    /// # Errors
    /// The cell is damaged or not the next one, or an earlier one could not be written.
    pub async fn cell(
        &mut self,
        stripe: u32,
        data: Bytes,
        hashes: Bytes,
    ) -> Result<(), WriteError> {
        if let Some(error) = self.failure.get() {
            return Err(error.clone());
        }
        if stripe != self.next_stripe || stripe >= STRIPES_MAX {
            return Err(WriteError::Shape(
                "cells come in stripe order, and not too many",
            ));
        }
        if data.is_empty() || data.len() > CELL_LEN_MAX {
            return Err(WriteError::Shape("a cell has 1 byte to 1 MiB"));
        }
        verify_frames(self.blob, stripe, self.shard, 0, &data, &hashes)
            .map_err(|source| WriteError::Damaged { stripe, source })?;
        self.root.update(&hashes);
        self.next_stripe += 1;
        let cell = CellRecord {
            blob: self.blob,
            shard: self.shard,
            stripe,
            epoch: self.epoch,
            data,
            table: hashes,
            failure: Arc::clone(&self.failure),
        };
        if let Some(earlier) = self.held.replace(cell) {
            self.lane().cell(self.sequence, earlier).await?;
        }
        Ok(())
    }

    /// Passes the newest cell on to the disk, so that its memory is not held until the next one comes. Another one must
    /// follow: without it there is no shard. Waits while the disk is behind.
    ///
    /// # Errors
    /// An earlier cell could not be written.
    pub async fn pass_on(&mut self) -> Result<(), WriteError> {
        match self.held.take() {
            Some(cell) => self.lane().cell(self.sequence, cell).await,
            None => Ok(()),
        }
    }

    /// Ends the shard: returns its root when all of it is durable and can be read.
    ///
    /// # Errors
    /// There was no cell, or the last one was passed on, or the write failed.
    pub async fn finish(mut self) -> Result<[u8; HASH_LEN], WriteError> {
        let Some(last) = self.held.take() else {
            return Err(WriteError::Shape(
                "a shard ends with a cell that none follows",
            ));
        };
        let root = self.root.finish();
        let answer = self.lane().finish(self.sequence, last, root).await;
        // The writer has settled it, or given it up.
        self.open = answer.is_err();
        answer?;
        Ok(root)
    }

    fn lane(&self) -> &Lane {
        self.shards
            .lanes
            .get(self.lane)
            .expect("chosen among the lanes")
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        if self.open {
            self.lane().send(Command::Abandon {
                sequence: self.sequence,
            });
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
