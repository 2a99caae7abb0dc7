//! The wanted bytes of one stripe: from their data cells, or decoded from others.
//!
//! At first the data cells that hold the bytes are asked for, and only their frames. When one of them fails or is late, the
//! stripe is *degraded*: the same frames (those that any wanted byte is in, the `hull`) of other cells are asked for, until
//! k cells are here or on their way that are not late. Whatever is complete first wins: all wanted frames themselves, or any
//! k cells' frames, of which the missing ones are decoded.
//!
//! Others are asked instead of a late cell (a hedge) only where it is paid for (`Hedges`), or goes from disks that are known
//! to be slow to disks that are not.
//!
//! Where fewer than k cells can be read because disks are away, the stripe waits for them a while: a node that starts again,
//! or its disk that is being opened, is back soon.
//!
//! Whoever reads has memory for the wanted frames. What the other cells need on top is taken of the memory for what is on its
//! way to and from disks: it comes back at their pace, and who has some of it waits for no more. So a degraded read may wait
//! for others, but none for ever; a hedge does not wait.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cairn_client::shards::Slice;
use cairn_client::{ShardError, ShardErrorKind};
use cairn_erasure::frame::verify_frames;
use cairn_erasure::{CellSlice, FRAME_LEN, Restore, codec};
use cairn_types::id::DiskId;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::PATIENCE_WITHIN;
use super::plan::StripeJob;
use crate::budget::{Busy, Held};
use crate::engine::Shared;
use crate::error::ReadError;

/// A cell that is not here after this is counted as failed.
const CELL_TIMEOUT: Duration = Duration::from_secs(10);

/// How soon disks that are away are asked again when no other cells are left; twice as long each time, up to the second.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Up to here the way to the CPU pool takes longer than it saves.
const INLINE_LEN: usize = 64 * 1024;

/// A run of frames of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frames {
    first: u32,
    count: u32,
}

/// What is known of one shard's frames of the hull.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    NotAsked,
    Asked {
        is_late: bool,
    },
    Here(Bytes),
    /// Not to be had; of a disk that is away perhaps later.
    Failed {
        is_away: bool,
    },
}

/// What is known of the wanted frames of one shard, where they are not the whole hull.
#[derive(Debug, Clone, Default)]
struct Direct {
    is_asked: bool,
    bytes: Option<Bytes>,
}

/// One answer of a disk.
struct Answer {
    shard: usize,
    frames: Frames,
    result: Result<Bytes, ShardError>,
}

/// Memory for more than the wanted frames.
enum Extra<'a> {
    None,
    Waits(BoxFuture<'a, Result<Held, Busy>>),
    Here { _held: Held },
}

enum Event {
    Answer(Answer),
    Memory(Result<Held, Busy>),
}

struct Reader<'a> {
    engine: &'a Shared,
    job: &'a StripeJob,
    hull: Frames,
    /// By shard.
    direct: Vec<Direct>,
    /// By shard.
    cells: Vec<Cell>,
    asks: FuturesUnordered<BoxFuture<'a, Answer>>,
    extra: Extra<'a>,
    is_degraded: bool,
    /// Whether it was told of which disks cells were late, since others were last asked instead.
    is_late_told: bool,
    last_error: Option<ShardError>,
    last_busy: Option<Busy>,
}

/// Reads the wanted bytes of a stripe, one piece for each of the job's slices, all checked against their hashes.
pub(super) async fn read(engine: &Shared, job: &StripeJob) -> Result<Vec<Bytes>, ReadError> {
    let mut reader = Reader::new(engine, job);
    reader.ask_wanted();
    let mut patience = engine.latency.hedge_after();
    let give_up_at = engine.clock.monotonic() + engine.config.disk_patience;
    let mut pause = ASK_AGAIN.0;
    loop {
        if let Some(pieces) = reader.take_direct() {
            return Ok(pieces);
        }
        if reader.is_decodable() {
            return reader.decode().await;
        }
        if reader.asks.is_empty() && !matches!(reader.extra, Extra::Waits(_)) {
            if !reader.may_come_back() || engine.clock.monotonic() + pause > give_up_at {
                return Err(reader.failure());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK_AGAIN.1);
            reader.ask_again();
            continue;
        }
        match tokio::time::timeout(patience, reader.next()).await {
            Ok(Some(Event::Answer(answer))) => reader.take_in(answer),
            Ok(Some(Event::Memory(memory))) => reader.take_memory(memory),
            Ok(None) => {}
            Err(_) => {
                reader.hedge();
                patience *= 2;
            }
        }
    }
}

impl<'a> Reader<'a> {
    fn new(engine: &'a Shared, job: &'a StripeJob) -> Self {
        let width = job.place.geometry.profile().width();
        let first = job.slices.iter().map(|slice| slice.first_frame).min();
        let end = job
            .slices
            .iter()
            .map(|slice| slice.first_frame + slice.frame_count)
            .max();
        let first = first.unwrap_or(0);
        Self {
            engine,
            job,
            hull: Frames {
                first,
                count: end.unwrap_or(first) - first,
            },
            direct: vec![Direct::default(); width],
            cells: vec![Cell::NotAsked; width],
            asks: FuturesUnordered::new(),
            extra: Extra::None,
            is_degraded: false,
            is_late_told: false,
            last_error: None,
            last_busy: None,
        }
    }

    /// What happens next. Cancel safe.
    async fn next(&mut self) -> Option<Event> {
        let Extra::Waits(waiting) = &mut self.extra else {
            return self.asks.next().await.map(Event::Answer);
        };
        tokio::select! {
            biased;
            Some(answer) = self.asks.next() => Some(Event::Answer(answer)),
            memory = waiting => Some(Event::Memory(memory)),
        }
    }

    /// Whether it could go on if the disks that are away were back.
    fn may_come_back(&self) -> bool {
        let is_lost = |cell: &&Cell| matches!(cell, Cell::Failed { is_away: false });
        let lost = self.cells.iter().filter(is_lost).count();
        self.last_busy.is_none() && lost <= self.job.place.geometry.profile().m()
    }

    /// Asks the disks that were away once more.
    fn ask_again(&mut self) {
        for cell in &mut self.cells {
            if matches!(cell, Cell::Failed { is_away: true }) {
                *cell = Cell::NotAsked;
            }
        }
        self.ask_others();
    }

    /// Why it cannot go on.
    fn failure(self) -> ReadError {
        match self.last_busy {
            Some(busy) => busy.into(),
            None => ReadError::Stripe {
                blob: self.job.place.blob,
                stripe: self.job.stripe,
                source: self.last_error,
            },
        }
    }

    /// Asks for the frames that are wanted; not where the disk is known not to answer, if enough others are better.
    fn ask_wanted(&mut self) {
        let readable = (0..self.cells.len()).filter(|shard| self.is_readable(*shard));
        let has_others = readable.count() >= self.job.place.geometry.profile().k();
        for slice in &self.job.slices {
            let shard = usize::from(slice.cell);
            if self.is_readable(shard) || !has_others {
                self.engine.hedges.earn();
                self.ask(shard, frames_of(slice));
            } else {
                self.is_degraded = true;
            }
        }
        self.ask_others();
    }

    /// What is asked for and not here is late: ask others, if that is paid for and there is memory.
    fn hedge(&mut self) {
        let late: Vec<usize> = (0..self.cells.len())
            .filter(|shard| self.is_waited_for(*shard))
            .collect();
        if late.is_empty() {
            return;
        }
        let is_known = !late.iter().any(|shard| self.is_readable(*shard));
        let is_first = !std::mem::replace(&mut self.is_late_told, true);
        if is_first {
            self.tell_late(&late);
        }
        let here = |cell: &&Cell| matches!(cell, Cell::Here(_));
        let here = self.cells.iter().filter(here).count();
        let others = self.others(here, &late);
        if others.is_empty() {
            return;
        }
        let had_memory = matches!(self.extra, Extra::Here { .. });
        if !self.has_memory() {
            return;
        }
        let is_free = is_known && others.iter().all(|shard| self.is_readable(*shard));
        if !is_free && !self.engine.hedges.pay(others.len()) {
            if is_first {
                self.engine.counts.withheld_hedges.inc();
            }
            if !had_memory {
                self.extra = Extra::None;
            }
            return;
        }
        self.is_degraded = true;
        self.is_late_told = false;
        for shard in late {
            self.set(shard, Cell::Asked { is_late: true });
        }
        for shard in others {
            self.engine.counts.hedged_reads.inc();
            self.ask(shard, self.hull);
        }
    }

    fn is_waited_for(&self, shard: usize) -> bool {
        match (self.cells.get(shard), self.direct.get(shard)) {
            (Some(Cell::Asked { is_late }), _) => !*is_late,
            (Some(Cell::NotAsked), Some(direct)) => direct.is_asked && direct.bytes.is_none(),
            (Some(_) | None, _) => false,
        }
    }

    fn tell_late(&self, late: &[usize]) {
        for disk in late.iter().filter_map(|at| self.job.place.disks.get(*at)) {
            self.engine.shards.report_read(*disk, true);
        }
    }

    fn take_in(&mut self, answer: Answer) {
        let Answer {
            shard,
            frames,
            result,
        } = answer;
        let is_hull = frames == self.hull;
        match result {
            Ok(bytes) => {
                if is_hull {
                    self.set(shard, Cell::Here(bytes.clone()));
                } else if self.cells.get(shard) == Some(&Cell::Asked { is_late: true }) {
                    // These frames do not help to decode, but the disk answers after all.
                    self.set(shard, Cell::NotAsked);
                }
                if self.wanted_of(shard) == Some(frames)
                    && let Some(direct) = self.direct.get_mut(shard)
                {
                    direct.bytes = Some(bytes);
                }
            }
            Err(error) => {
                let is_away = error.kind == ShardErrorKind::Unavailable;
                self.last_error = Some(error);
                self.is_degraded = true;
                self.set(shard, Cell::Failed { is_away });
            }
        }
        self.ask_others();
    }

    fn take_memory(&mut self, memory: Result<Held, Busy>) {
        match memory {
            Ok(held) => {
                self.extra = Extra::Here { _held: held };
                self.ask_others();
            }
            Err(busy) => {
                self.extra = Extra::None;
                self.last_busy = Some(busy);
            }
        }
    }

    /// When degraded: asks for the hull of as many more cells as are missing to k, once there is memory for them.
    fn ask_others(&mut self) {
        if !self.is_degraded {
            return;
        }
        let counts = |cell: &&Cell| matches!(cell, Cell::Here(_) | Cell::Asked { is_late: false });
        let on_the_way = self.cells.iter().filter(counts).count();
        let others = self.others(on_the_way, &[]);
        if others.is_empty() {
            return;
        }
        if !self.has_memory() {
            self.await_memory();
            return;
        }
        for shard in others {
            self.engine.hedges.earn();
            self.ask(shard, self.hull);
        }
    }

    /// Whom to ask when only `on_the_way` cells are to be counted on: those first that probably answer.
    fn others(&self, on_the_way: usize, but_not: &[usize]) -> Vec<usize> {
        let mut others: Vec<usize> = (0..self.cells.len())
            .filter(|shard| self.cells.get(*shard) == Some(&Cell::NotAsked))
            .filter(|shard| !but_not.contains(shard))
            .collect();
        others.sort_by_key(|shard| !self.is_readable(*shard));
        let k = self.job.place.geometry.profile().k();
        others.truncate(k.saturating_sub(on_the_way));
        others
    }

    /// Whether there is memory for the hull of all cells, now.
    fn has_memory(&mut self) -> bool {
        if matches!(self.extra, Extra::None)
            && let Some(held) = self.engine.transit.try_take(self.extra_len())
        {
            self.extra = Extra::Here { _held: held };
        }
        matches!(self.extra, Extra::Here { .. })
    }

    fn await_memory(&mut self) {
        if matches!(self.extra, Extra::None) {
            let len = self.extra_len();
            let taking = self.engine.transit.take(len, PATIENCE_WITHIN);
            self.extra = Extra::Waits(Box::pin(taking));
        }
    }

    /// Bytes of the hull of all cells, without what is wanted anyway. Nothing more is held while it is decoded: of k cells the
    /// others are made, and a cell that must be copied for it goes as its copy comes.
    fn extra_len(&self) -> usize {
        let cell_len = self.job.place.geometry.cell_len(self.job.stripe);
        let hull_len = frames_len(cell_len, self.hull).unwrap_or(0);
        let slices = self.job.slices.iter();
        let wanted = slices.filter(|slice| frames_of(slice) == self.hull).count();
        hull_len * self.cells.len().saturating_sub(wanted)
    }

    fn ask(&mut self, shard: usize, frames: Frames) {
        let Some(disk) = self.job.place.disks.get(shard).copied() else {
            return;
        };
        if frames == self.hull {
            self.set(shard, Cell::Asked { is_late: false });
        } else if let Some(direct) = self.direct.get_mut(shard) {
            direct.is_asked = true;
        }
        let (engine, job) = (self.engine, self.job);
        self.asks.push(Box::pin(async move {
            let start = engine.clock.monotonic();
            let reading = read_cell(engine, job, disk, shard, frames);
            let result = tokio::time::timeout(CELL_TIMEOUT, reading)
                .await
                .unwrap_or_else(|_| Err(ShardError::late(disk)));
            if result.is_ok() {
                engine
                    .latency
                    .record(engine.clock.monotonic().saturating_sub(start));
                engine.shards.report_read(disk, false);
            }
            Answer {
                shard,
                frames,
                result,
            }
        }));
    }

    /// The pieces, if all wanted frames are here.
    fn take_direct(&self) -> Option<Vec<Bytes>> {
        self.job
            .slices
            .iter()
            .map(|slice| {
                let frames = self.direct.get(usize::from(slice.cell))?.bytes.as_ref()?;
                Some(frames.slice(slice.skip..slice.skip + slice.take))
            })
            .collect()
    }

    fn is_decodable(&self) -> bool {
        let here = self
            .cells
            .iter()
            .filter(|cell| matches!(cell, Cell::Here(_)));
        here.count() >= self.job.place.geometry.profile().k()
    }

    /// The pieces, from any k cells.
    async fn decode(self) -> Result<Vec<Bytes>, ReadError> {
        let missing = self.job.slices.iter().filter(|slice| {
            let cell = self.cells.get(usize::from(slice.cell));
            !matches!(cell, Some(Cell::Here(_)))
        });
        let missing = u64::try_from(missing.count()).expect("at most k");
        self.engine.counts.degraded_reads.inc_by(missing);
        let mut cells: Vec<Option<Bytes>> = self
            .cells
            .into_iter()
            .map(|cell| match cell {
                Cell::Here(bytes) => Some(bytes),
                Cell::NotAsked | Cell::Asked { .. } | Cell::Failed { .. } => None,
            })
            .collect();
        let profile = self.job.place.geometry.profile();
        let len: usize = cells.iter().flatten().map(Bytes::len).sum();
        let restored = if len <= INLINE_LEN {
            codec(profile)
                .reconstruct(&mut cells, Restore::Data)
                .map(|()| cells)
        } else {
            let decode = move || {
                codec(profile)
                    .reconstruct(&mut cells, Restore::Data)
                    .map(|()| cells)
            };
            self.engine.cpu.run(decode).await
        };
        let cells = restored.map_err(|error| ReadError::Record {
            reason: error.to_string(),
        })?;
        let pieces = self.job.slices.iter().map(|slice| {
            let cell = cells.get(usize::from(slice.cell))?.as_ref()?;
            let before = usize::try_from(slice.first_frame - self.hull.first).ok()? * FRAME_LEN;
            let start = before + slice.skip;
            let wanted = start..start + slice.take;
            if slice.frame_count == self.hull.count {
                return Some(cell.slice(wanted));
            }
            // Copied: a slice would hold the whole hull, for which there is memory only here.
            cell.get(wanted).map(Bytes::copy_from_slice)
        });
        pieces
            .collect::<Option<_>>()
            .ok_or_else(|| ReadError::Record {
                reason: "the decoded stripe lacks a data cell".to_owned(),
            })
    }

    fn wanted_of(&self, shard: usize) -> Option<Frames> {
        let mut slices = self.job.slices.iter();
        slices
            .find(|slice| usize::from(slice.cell) == shard)
            .map(frames_of)
    }

    fn is_readable(&self, shard: usize) -> bool {
        let disk = self.job.place.disks.get(shard);
        disk.is_some_and(|disk| self.engine.shards.is_readable(*disk))
    }

    fn set(&mut self, shard: usize, to: Cell) {
        if let Some(cell) = self.cells.get_mut(shard) {
            *cell = to;
        }
    }
}

fn frames_of(slice: &CellSlice) -> Frames {
    Frames {
        first: slice.first_frame,
        count: slice.frame_count,
    }
}

/// Frames of one cell, each checked against its hash: this is where bytes of a peer become bytes that may be used.
async fn read_cell(
    engine: &Shared,
    job: &StripeJob,
    disk: DiskId,
    shard: usize,
    frames: Frames,
) -> Result<Bytes, ShardError> {
    let fail = |kind, reason: &str| ShardError {
        disk,
        kind,
        reason: reason.to_owned(),
    };
    let malformed = |reason| fail(ShardErrorKind::Malformed, reason);
    let place = &job.place;
    let shard = u8::try_from(shard).map_err(|_| malformed("a shard beyond 255"))?;
    let cell_len = place.geometry.cell_len(job.stripe);
    let expected = frames_len(cell_len, frames).ok_or_else(|| malformed("no such frames"))?;
    let slice = Slice {
        stripe: job.stripe,
        first_frame: frames.first,
        frame_count: frames.count,
    };
    let mut answer = engine
        .shards
        .read_shard(disk, place.blob, shard, &[slice], CELL_TIMEOUT)
        .await?;
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut len = 0;
    while let Some(message) = answer.next().await? {
        let next_frame = usize::try_from(message.first_frame)
            .ok()
            .and_then(|frame| frame.checked_mul(FRAME_LEN));
        let start = usize::try_from(frames.first).expect("a cell has 16 frames") * FRAME_LEN;
        let is_next = message.stripe == job.stripe && next_frame == Some(start + len);
        if !is_next || usize::try_from(message.cell_len) != Ok(cell_len) {
            return Err(malformed("other frames than were asked for"));
        }
        verify_frames(
            place.blob,
            job.stripe,
            shard,
            message.first_frame,
            &message.data,
            &message.frame_hashes,
        )
        .map_err(|error| fail(ShardErrorKind::Damaged, &error.to_string()))?;
        len += message.data.len();
        pieces.push(message.data);
    }
    if len != expected {
        return Err(malformed("more or fewer bytes than were asked for"));
    }
    Ok(one_run(pieces, len))
}

/// Bytes of these frames of a cell; `None` when it has not that many.
fn frames_len(cell_len: usize, frames: Frames) -> Option<usize> {
    let start = usize::try_from(frames.first).ok()?.checked_mul(FRAME_LEN)?;
    let len = usize::try_from(frames.count).ok()?.checked_mul(FRAME_LEN)?;
    let end = start.checked_add(len)?.min(cell_len);
    end.checked_sub(start).filter(|len| *len > 0)
}

/// The messages of one slice as one run of memory. Nearly always it is one message, which is not copied.
fn one_run(mut pieces: Vec<Bytes>, len: usize) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut run = BytesMut::with_capacity(len);
    for piece in pieces {
        run.extend_from_slice(&piece);
    }
    run.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_length_that_the_cell_leaves_them() {
        let len = |cell_len, first, count| frames_len(cell_len, Frames { first, count });
        assert_eq!(len(64, 0, 1), Some(64));
        assert_eq!(len(FRAME_LEN + 64, 0, 2), Some(FRAME_LEN + 64));
        assert_eq!(len(FRAME_LEN + 64, 1, 1), Some(64));
        assert_eq!(len(FRAME_LEN + 64, 2, 1), None);
        assert_eq!(len(1 << 20, 0, 16), Some(1 << 20));
        assert_eq!(len(1 << 20, u32::MAX, u32::MAX), None);
    }

    #[test]
    fn messages_are_laid_behind_one_another() {
        let pieces = vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        assert_eq!(one_run(pieces, 3), Bytes::from_static(b"abc"));
    }
}
