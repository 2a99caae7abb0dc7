//! Giving back the space of cells that nobody needs any more.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::{Core, Outage};
use crate::disk::is_full;
use crate::index::rows::{CellPlace, DoomedRow};
use crate::record::{HEADER_LEN, Header, Kind, Seed, TABLE_LEN_MAX};

/// Rows looked at in one round: one sync for each segment they touch.
const ROUND_LEN: usize = 256;

/// Cells given back in one round, unless one row has more of them: reading their headers is what takes time, and whoever pins
/// a blob meanwhile is to be heard.
const ROUND_CELLS: usize = 1000;

/// What file systems give back.
const BLOCK_LEN: u64 = 4096;

/// A run of records whose space is given back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    segment: u32,
    start: u64,
    end: u64,
}

/// One round; how many attempts' cells were given back.
///
/// The order of effects: the cells are marked dead and their space given back; that is made durable; the rows go, and with
/// them the need for a tombstone; segments in which nothing is left are removed. After a crash in between, the rows are
/// still there, and the round is repeated: a place is touched only while it holds the very cell that the row names.
pub(super) fn collect(core: &Core) -> Result<usize, Outage> {
    core.check_service()?;
    let space = core
        .measure()
        .map_err(|error| core.fail("measure the disk", &error))?;
    core.count(space);
    if core.check_writable().is_err() {
        return Ok(0);
    }
    let rows = collect_rows(core, due(core)?)?;
    let empty = core.ledger.empty_segments();
    if !empty.is_empty() {
        // An index of the past may name cells in these segments, and the tombstones that say otherwise are in them.
        let synced = core.ledger.index().sync();
        synced.map_err(|error| core.index_failed(&error))?;
    }
    for segment in &empty {
        match core.disk.remove_segment(*segment) {
            // It went before, and that could not be made sure then.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.map_err(|error| core.failed("remove a segment", &error))?,
        }
        core.ledger
            .forget_segment(*segment)
            .map_err(|error| core.index_failed(&error))?;
    }
    if rows > 0 || !empty.is_empty() {
        // Writes that were refused for want of room may go on.
        core.measure()
            .map_err(|error| core.fail("measure the disk", &error))?;
    }
    Ok(rows)
}

/// Gives the cells of these rows back; of how many rows it did.
fn collect_rows(core: &Core, rows: Vec<DoomedRow>) -> Result<usize, Outage> {
    let cells = located(core, &rows)?;
    // Reading took its time: whoever has pinned a blob meanwhile is heard.
    let now = core.monotonic();
    let (rows, cells): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .zip(cells)
        .filter(|(row, _)| !core.ledger.is_pinned(row.blob, now))
        .unzip();
    if rows.is_empty() {
        return Ok(0);
    }
    let runs = joined(core, cells.concat())?;
    match give_back(core, &runs) {
        Ok(()) => {}
        Err(error) if is_full(&error) => {
            // Some file systems need room for that, too. The next round tries again.
            tracing::warn!(disk = %core.label.disk, %error, "no room to give space back");
            return Ok(0);
        }
        Err(error) => return Err(core.failed("give space back", &error)),
    }
    core.ledger
        .forget(&rows)
        .map_err(|error| core.index_failed(&error))?;
    Ok(rows.len())
}

/// Rows whose grace is over and that no reader pins.
fn due(core: &Core) -> Result<Vec<DoomedRow>, Outage> {
    let until = if core.knows_pins() {
        core.now().saturating_sub(core.grace_ms())
    } else {
        // What never was a shard.
        0
    };
    let now = core.monotonic();
    let mut limit = ROUND_LEN;
    loop {
        let mut rows = core
            .ledger
            .index()
            .doomed(until, limit)
            .map_err(|error| core.index_failed(&error))?;
        let is_all = rows.len() < limit;
        rows.retain(|row| !core.ledger.is_pinned(row.blob, now));
        if is_all || !rows.is_empty() {
            rows.truncate(round_len(&rows));
            return Ok(rows);
        }
        // All of these are pinned: look behind them.
        limit *= 4;
    }
}

/// How many of the rows are one round: at least one, if there are any.
fn round_len(rows: &[DoomedRow]) -> usize {
    let mut cells = 0;
    let fitting = rows.iter().take_while(|row| {
        cells += row.cells.len();
        cells <= ROUND_CELLS
    });
    fitting.count().max(1)
}

/// For each row, those of its cells that are really there. A cell that cannot be read is none: its bytes stay where they are.
fn located(core: &Core, rows: &[DoomedRow]) -> Result<Vec<Vec<Run>>, Outage> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let segments = core.disk.segments();
    let segments = segments.map_err(|error| core.failed("list the segments", &error))?;
    let there: BTreeSet<u32> = segments.into_iter().collect();
    let mut located = Vec::with_capacity(rows.len());
    for row in rows {
        let mut found = Vec::new();
        for (stripe, cell) in (0..).zip(&row.cells) {
            if cell.data_len > 0
                && there.contains(&cell.segment)
                && holds(core, row, stripe, *cell)?
            {
                let start = u64::from(cell.offset);
                found.push(Run {
                    segment: cell.segment,
                    start,
                    end: start + cell.record_len(),
                });
            }
        }
        located.push(found);
    }
    Ok(located)
}

/// Cells joined where they touch.
fn joined(core: &Core, mut cells: Vec<Run>) -> Result<Vec<Run>, Outage> {
    cells.sort_by_key(|run| (run.segment, run.start));
    let mut joined: Vec<Run> = Vec::new();
    for run in cells {
        match joined.last_mut() {
            Some(last) if last.segment == run.segment && last.end == run.start => {
                last.end = run.end;
            }
            _ => joined.push(run),
        }
    }
    for run in &mut joined {
        // A dead neighbour is taken in, so that the blocks they share go too.
        while let Some(header) = header_at(core, run.segment, run.end)?
            && header.kind == Kind::Dead
        {
            run.end += header.record_len();
        }
    }
    Ok(joined)
}

fn give_back(core: &Core, runs: &[Run]) -> std::io::Result<()> {
    let mut touched = BTreeSet::new();
    for run in runs {
        let head = Header::dead(run.segment, run.end - run.start).encode(core.seed, &[]);
        core.disk.write(run.segment, run.start, &[&head])?;
        let hole_start = (run.start + 64).next_multiple_of(BLOCK_LEN);
        let hole_end = run.end / BLOCK_LEN * BLOCK_LEN;
        if hole_start < hole_end {
            core.disk
                .punch(run.segment, hole_start, hole_end - hole_start)?;
        }
        touched.insert(run.segment);
    }
    for segment in touched {
        core.counts.syncs.inc();
        core.disk.sync(segment)?;
    }
    Ok(())
}

/// Whether this very cell is at its place. After a crash something else may be.
fn holds(core: &Core, row: &DoomedRow, stripe: u32, cell: CellPlace) -> Result<bool, Outage> {
    let header = header_at(core, cell.segment, u64::from(cell.offset))?;
    Ok(header.is_some_and(|header| {
        header.kind.is_cell()
            && header.blob == row.blob
            && header.shard == row.shard
            && header.stripe == stripe
            && header.sequence == row.sequence
            && header.data_len == cell.data_len
    }))
}

fn header_at(core: &Core, segment: u32, offset: u64) -> Result<Option<Header>, Outage> {
    match core.disk.read(segment, offset, HEADER_LEN + TABLE_LEN_MAX) {
        Ok(bytes) => Ok(verified(core.seed, segment, &bytes)),
        Err(error) => {
            core.read_failed(segment, offset, &error)?;
            Ok(None)
        }
    }
}

fn verified(seed: Seed, segment: u32, bytes: &[u8]) -> Option<Header> {
    let parsed = Header::parse(bytes)?;
    let table = bytes.get(HEADER_LEN..HEADER_LEN + parsed.table_len())?;
    parsed.verify(seed, segment, table)
}
