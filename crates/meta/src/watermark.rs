//! What is known to be durable, kept beside the log, so that a log that got shorter is recognized as damaged.
//!
//! RocksDB forgives a torn end of its write-ahead log, and cannot tell a torn end, which nobody was promised, from lost
//! entries, which somebody was. This file can: a node whose log or vote is behind it must not vote.
//!
//! One file for all groups, two slots of `SLOT_LEN` bytes that are written in turn with `O_DSYNC`, so that a torn write
//! leaves the other slot. A slot, big endian: magic (8 bytes), sequence u64, count u32, for each group 27 bytes (group u16,
//! length of the log u64, and of the vote term u64, node u64, granted u8), XXH3-128 of all before.
//!
//! Order: a slot is written after the sync of what it tells, at most `DELAY` later, and not at all while nothing changes.
//! Before a log is truncated on purpose the slot with the shorter length is durable.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_runtime::metrics::Counter;
use rustix::fs::OFlags;
use xxhash_rust::xxh3::xxh3_128;

use crate::failure::FailureCell;

const FILE: &str = "WATERMARK";
const MAGIC: &[u8; 8] = b"cairnwm1";
/// Room for 1,001 groups.
const SLOT_LEN: u64 = 32 * 1024;
const GROUP_LEN: usize = 27;
/// Slots are written at most this often.
const DELAY: Duration = Duration::from_millis(100);

/// What is durable of a group's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// The index after the last durable entry.
    pub(crate) log_len: u64,
    /// Term, node and whether it was granted, of the last durable vote.
    pub(crate) vote: (u64, u64, bool),
}

/// The durable positions of all groups. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Watermark {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked before `state`, and held while a slot is written.
    slots: Mutex<Slots>,
    state: Mutex<State>,
    changed: Condvar,
    failure: FailureCell,
}

struct State {
    positions: BTreeMap<u16, Position>,
    is_dirty: bool,
    is_closing: bool,
}

struct Slots {
    file: File,
    sequence: u64,
    writes: Counter,
}

impl Watermark {
    /// Opens the file in `dir`, gives what it says, and starts the thread that keeps it up to date. One that `must_exist` is
    /// not made: it was made before the node found its home, and whoever has none any more cannot tell what was durable.
    ///
    /// # Errors
    /// When it cannot be read, is missing, or says nothing that was ever written (the last two: `InvalidData`).
    pub(crate) fn open(
        dir: &Path,
        must_exist: bool,
        writes: Counter,
        failure: FailureCell,
    ) -> io::Result<(Self, BTreeMap<u16, Position>, JoinHandle<()>)> {
        let file = open_file(&dir.join(FILE), must_exist)?;
        let (sequence, positions) = read_newest(&file)?;
        let shared = Arc::new(Shared {
            slots: Mutex::new(Slots {
                file,
                sequence,
                writes,
            }),
            state: Mutex::new(State {
                positions: positions.clone(),
                is_dirty: false,
                is_closing: false,
            }),
            changed: Condvar::new(),
            failure,
        });
        let watermark = Self { shared };
        let keeper = watermark.clone();
        let thread = std::thread::Builder::new()
            .name("meta-watermark".to_owned())
            .spawn(move || keeper.keep())?;
        Ok((watermark, positions, thread))
    }

    /// Takes note of what just became durable, of several groups in one step. Does not block on the disk.
    pub(crate) fn note(&self, change: impl FnOnce(&mut BTreeMap<u16, Position>)) {
        let mut state = self.state();
        let before = state.positions.clone();
        change(&mut state.positions);
        if before != state.positions {
            state.is_dirty = true;
            self.shared.changed.notify_all();
        }
    }

    /// Shortens a group's log to `log_len` and writes that durably, before the log itself is truncated. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn lower(&self, group: u16, log_len: u64) -> io::Result<()> {
        let mut slots = self.slots();
        let positions = {
            let mut state = self.state();
            let position = state.positions.entry(group).or_default();
            if position.log_len <= log_len {
                return Ok(());
            }
            position.log_len = log_len;
            state.positions.clone()
        };
        slots.write(&positions)
    }

    /// Writes what is not written yet and ends the thread.
    pub(crate) fn close(&self) {
        self.state().is_closing = true;
        self.shared.changed.notify_all();
    }

    fn keep(&self) {
        loop {
            let is_closing = {
                let state = self
                    .shared
                    .changed
                    .wait_while(self.state(), |state| !state.is_dirty && !state.is_closing)
                    .unwrap_or_else(PoisonError::into_inner);
                state.is_closing
            };
            if let Err(error) = self.write_if_dirty() {
                self.shared
                    .failure
                    .report(format!("write the durable index: {error}"));
                return;
            }
            if is_closing {
                return;
            }
            // Rest, but not beyond a close.
            let (state, _) = self
                .shared
                .changed
                .wait_timeout_while(self.state(), DELAY, |state| !state.is_closing)
                .unwrap_or_else(PoisonError::into_inner);
            drop(state);
        }
    }

    fn write_if_dirty(&self) -> io::Result<()> {
        let mut slots = self.slots();
        let positions = {
            let mut state = self.state();
            if !std::mem::take(&mut state.is_dirty) {
                return Ok(());
            }
            state.positions.clone()
        };
        slots.write(&positions)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.shared
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn write(&mut self, positions: &BTreeMap<u16, Position>) -> io::Result<()> {
        let sequence = self.sequence + 1;
        let offset = (sequence % 2) * SLOT_LEN;
        self.file
            .write_all_at(&encode(sequence, positions), offset)?;
        self.sequence = sequence;
        self.writes.inc();
        Ok(())
    }
}

/// The file at its full length from the start, so that writing a slot never has to make its length durable.
fn open_file(path: &Path, must_exist: bool) -> io::Result<File> {
    let dsync = i32::try_from(OFlags::DSYNC.bits()).expect("a flag of open(2) is an int");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(!must_exist)
        .truncate(false)
        .custom_flags(dsync)
        .open(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => gone("the durable index is gone"),
            _ => error,
        })?;
    if file.metadata()?.len() < 2 * SLOT_LEN {
        if must_exist {
            return Err(gone("the durable index was cut short"));
        }
        let zeros = vec![0; usize::try_from(2 * SLOT_LEN).expect("64 KiB")];
        file.write_all_at(&zeros, 0)?;
        file.sync_all()?;
    }
    Ok(file)
}

fn read_newest(file: &File) -> io::Result<(u64, BTreeMap<u16, Position>)> {
    let mut bytes = vec![0; usize::try_from(SLOT_LEN).expect("32 KiB")];
    let mut newest = None;
    let mut is_blank = true;
    for slot in 0..2 {
        file.read_exact_at(&mut bytes, slot * SLOT_LEN)?;
        is_blank &= bytes.iter().all(|byte| *byte == 0);
        let found = decode(&bytes);
        if found.as_ref().map(|(sequence, _)| *sequence)
            > newest.as_ref().map(|(sequence, _)| *sequence)
        {
            newest = found;
        }
    }
    match newest {
        Some(newest) => Ok(newest),
        // Made, and never written: the very first start was cut short.
        None if is_blank => Ok((0, BTreeMap::new())),
        None => Err(gone("both slots of the durable index are damaged")),
    }
}

fn gone(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn encode(sequence: u64, positions: &BTreeMap<u16, Position>) -> Vec<u8> {
    let count = u32::try_from(positions.len()).expect("there are at most 65,536 groups");
    let mut bytes = Vec::with_capacity(36 + GROUP_LEN * positions.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    for (group, position) in positions {
        let (term, node, granted) = position.vote;
        bytes.extend_from_slice(&group.to_be_bytes());
        bytes.extend_from_slice(&position.log_len.to_be_bytes());
        bytes.extend_from_slice(&term.to_be_bytes());
        bytes.extend_from_slice(&node.to_be_bytes());
        bytes.push(u8::from(granted));
    }
    let check = xxh3_128(&bytes);
    bytes.extend_from_slice(&check.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, BTreeMap<u16, Position>)> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let sequence = u64::from_be_bytes(take(&mut rest)?);
    let count = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
    let checked = bytes.get(..20 + count.checked_mul(GROUP_LEN)?)?;
    let mut positions = BTreeMap::new();
    for _ in 0..count {
        let group = u16::from_be_bytes(take(&mut rest)?);
        let log_len = u64::from_be_bytes(take(&mut rest)?);
        let term = u64::from_be_bytes(take(&mut rest)?);
        let node = u64::from_be_bytes(take(&mut rest)?);
        let [granted] = take(&mut rest)?;
        let vote = (term, node, granted == 1);
        positions.insert(group, Position { log_len, vote });
    }
    let check = u128::from_be_bytes(take(&mut rest)?);
    (check == xxh3_128(checked)).then_some((sequence, positions))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> (Watermark, BTreeMap<u16, Position>, JoinHandle<()>) {
        Watermark::open(dir, false, Counter::default(), FailureCell::new()).unwrap()
    }

    fn set_len(watermark: &Watermark, group: u16, len: u64) {
        watermark.note(|positions| positions.entry(group).or_default().log_len = len);
    }

    fn close(watermark: &Watermark, thread: JoinHandle<()>) {
        watermark.close();
        thread.join().unwrap();
    }

    #[test]
    fn what_was_noted_is_found_when_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (watermark, found, thread) = open(dir.path());
        assert!(found.is_empty());
        set_len(&watermark, 0, 12);
        watermark.note(|positions| positions.entry(3).or_default().vote = (5, 1, true));
        close(&watermark, thread);
        let (watermark, found, thread) = open(dir.path());
        assert_eq!(found[&0].log_len, 12);
        assert_eq!(found[&3].vote, (5, 1, true));
        watermark.lower(0, 4).unwrap();
        close(&watermark, thread);
        assert_eq!(open(dir.path()).1[&0].log_len, 4);
    }

    #[test]
    fn nothing_is_written_while_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        let writes = Counter::default();
        let (watermark, _, thread) =
            Watermark::open(dir.path(), false, writes.clone(), FailureCell::new()).unwrap();
        for _ in 0..1000 {
            set_len(&watermark, 0, 1);
        }
        close(&watermark, thread);
        assert_eq!(writes.get(), 1);
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before_and_two_are_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (watermark, _, thread) = open(dir.path());
        set_len(&watermark, 0, 10);
        close(&watermark, thread);
        let (watermark, _, thread) = open(dir.path());
        set_len(&watermark, 0, 20);
        close(&watermark, thread);
        let file = OpenOptions::new()
            .write(true)
            .open(dir.path().join(FILE))
            .unwrap();
        file.write_all_at(&[0xff], 12).unwrap();
        assert_eq!(open(dir.path()).1[&0].log_len, 10);
        file.write_all_at(&[0xff], SLOT_LEN + 12).unwrap();
        let damaged = Watermark::open(dir.path(), true, Counter::default(), FailureCell::new());
        assert!(damaged.is_err());
    }

    #[test]
    fn one_that_must_be_there_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let required = || Watermark::open(dir.path(), true, Counter::default(), FailureCell::new());
        let is_refused = |kind| required().err().is_some_and(|error| error.kind() == kind);
        assert!(is_refused(io::ErrorKind::InvalidData), "missing");
        let (watermark, _, thread) = open(dir.path());
        close(&watermark, thread);
        let (watermark, _, thread) = required().unwrap();
        close(&watermark, thread);
        let file = OpenOptions::new().write(true).open(dir.path().join(FILE));
        file.unwrap().set_len(SLOT_LEN).unwrap();
        assert!(is_refused(io::ErrorKind::InvalidData), "short");
    }
}
