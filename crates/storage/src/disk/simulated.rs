//! A disk in memory that loses what was not synced, for crash tests.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Disk, SegmentFile, Space};

/// What a torn write is torn at.
const SECTOR_LEN: usize = 512;

/// A disk in memory.
///
/// It remembers what was synced. [`SimulatedDisk::power_cut`] makes the disk that a machine would find after a power cut:
/// each write since the last sync is there, or not, or some of its sectors are. Clear it of faults with it, too.
#[derive(Debug)]
pub struct SimulatedDisk {
    medium: Medium,
    index_dir: PathBuf,
}

/// What the disk shares with the segments that are being written.
#[derive(Debug, Clone)]
struct Medium {
    state: Arc<Mutex<State>>,
    capacity_bytes: u64,
}

/// A segment that is being written.
#[derive(Debug)]
struct SimulatedSegment {
    medium: Medium,
    segment: u32,
}

#[derive(Debug, Default, Clone)]
struct State {
    segments: BTreeMap<u32, Segment>,
    files: BTreeMap<String, Vec<u8>>,
    faults: Faults,
    mutations: u64,
}

/// What is to go wrong.
#[derive(Debug, Default, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct Faults {
    /// The power is gone after this many changes: every call fails.
    pub power_off_after: Option<u64>,
    /// Every sync fails.
    pub sync_fails: bool,
    /// Every read fails.
    pub read_fails: bool,
    /// Reads of these 4 KiB of a segment fail: the segment, and where they begin.
    pub bad_block: Option<(u32, u64)>,
    /// The next write panics.
    pub write_panics: bool,
    /// Small files cannot be replaced, and nothing be marked as dead: there is no room.
    pub is_full: bool,
    /// No file can be opened, because the process has as many as it may.
    pub has_no_files: bool,
}

#[derive(Debug, Default, Clone)]
struct Segment {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

impl SimulatedDisk {
    /// An empty disk of `capacity_bytes`, whose index lives in the real directory `index_dir`.
    pub fn new(index_dir: PathBuf, capacity_bytes: u64) -> Self {
        Self {
            medium: Medium {
                state: Arc::default(),
                capacity_bytes,
            },
            index_dir,
        }
    }

    /// Sets what is to go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// How many changes were made so far.
    pub fn mutations(&self) -> u64 {
        self.lock().mutations
    }

    /// Flips one bit of a segment, durably.
    pub fn flip(&self, segment: u32, offset: usize, bit: u8) {
        let mut state = self.lock();
        let found = state.segments.get_mut(&segment).map(|segment| {
            [&mut segment.current, &mut segment.durable].map(|bytes| {
                if let Some(byte) = bytes.get_mut(offset) {
                    *byte ^= 1 << (bit % 8);
                }
            })
        });
        assert!(found.is_some(), "there is no segment {segment}");
    }

    /// The disk that is found after a power cut now, with its index in `index_dir`. `chance(n)` gives a number below `n`.
    #[must_use]
    pub fn power_cut(&self, index_dir: PathBuf, mut chance: impl FnMut(usize) -> usize) -> Self {
        let mut state = self.lock().clone();
        state.faults = Faults::default();
        for segment in state.segments.values_mut() {
            let mut found = segment.durable.clone();
            for change in &segment.unsynced {
                match change {
                    Change::Truncate { len } if chance(2) == 0 => found.truncate(*len),
                    Change::Truncate { .. } => {}
                    Change::Write { offset, bytes } => match chance(3) {
                        0 => {}
                        1 => put(&mut found, *offset, bytes),
                        _ => tear(&mut found, *offset, bytes, &mut chance),
                    },
                }
            }
            *segment = Segment {
                durable: found.clone(),
                current: found,
                unsynced: Vec::new(),
            };
        }
        Self {
            medium: Medium {
                state: Arc::new(Mutex::new(state)),
                capacity_bytes: self.medium.capacity_bytes,
            },
            index_dir,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.medium.lock()
    }
}

impl Medium {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> io::Result<T>) -> io::Result<T> {
        let state = self.lock();
        state.check_power()?;
        look(&state)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock();
        state.check_power()?;
        state.mutations += 1;
        change(&mut state)
    }

    fn write(&self, segment: u32, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let capacity_bytes = self.capacity_bytes;
        let panics = std::mem::take(&mut self.lock().faults.write_panics);
        assert!(!panics, "the write panics, as intended");
        self.change(|state| {
            let bytes = parts.concat();
            if state.used_bytes() + u64::try_from(bytes.len()).unwrap_or(u64::MAX) > capacity_bytes
            {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let segment = state.segment_mut(segment)?;
            put(&mut segment.current, index(offset), &bytes);
            segment.unsynced.push(Change::Write {
                offset: index(offset),
                bytes,
            });
            Ok(())
        })
    }

    fn sync(&self, segment: u32) -> io::Result<()> {
        self.change(|state| {
            if state.faults.sync_fails {
                return Err(io::Error::other("the medium cannot be written"));
            }
            let segment = state.segment_mut(segment)?;
            segment.durable.clone_from(&segment.current);
            segment.unsynced.clear();
            Ok(())
        })
    }

    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        self.change(|state| {
            let segment = state.segment_mut(segment)?;
            if segment.current.len() > index(len) {
                segment.current.truncate(index(len));
                segment.unsynced.push(Change::Truncate { len: index(len) });
            }
            Ok(())
        })
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        match self.faults.power_off_after {
            Some(limit) if self.mutations >= limit => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }

    fn check_files(&self) -> io::Result<()> {
        if self.faults.has_no_files {
            return Err(rustix::io::Errno::MFILE.into());
        }
        Ok(())
    }

    fn segment(&self, number: u32) -> io::Result<&Segment> {
        self.segments
            .get(&number)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn segment_mut(&mut self, number: u32) -> io::Result<&mut Segment> {
        self.segments
            .get_mut(&number)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used_bytes(&self) -> u64 {
        let bytes: usize = self.segments.values().map(|one| one.current.len()).sum();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Disk for SimulatedDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        self.medium.look(|state| {
            state.check_files()?;
            Ok(state.segments.keys().copied().collect())
        })
    }

    fn create_segment(&self, segment: u32) -> io::Result<Box<dyn SegmentFile>> {
        self.medium.change(|state| {
            state.check_files()?;
            match state.segments.insert(segment, Segment::default()) {
                None => Ok(()),
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            }
        })?;
        self.reopen_segment(segment)
    }

    fn reopen_segment(&self, segment: u32) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(SimulatedSegment {
            medium: self.medium.clone(),
            segment,
        }))
    }

    fn remove_segment(&self, segment: u32) -> io::Result<()> {
        self.medium
            .change(|state| match state.segments.remove(&segment) {
                // What cannot be opened is the directory, to be synced.
                Some(_) => state.check_files(),
                None => Err(io::ErrorKind::NotFound.into()),
            })
    }

    fn segment_len(&self, segment: u32) -> io::Result<u64> {
        self.medium.look(|state| {
            let len = state.segment(segment)?.current.len();
            Ok(u64::try_from(len).unwrap_or(u64::MAX))
        })
    }

    fn read(&self, segment: u32, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.medium.look(|state| {
            state.check_files()?;
            if state.faults.read_fails {
                return Err(io::Error::other("the medium cannot be read"));
            }
            let end = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            if let Some((bad, start)) = state.faults.bad_block
                && bad == segment
                && offset < start + 4096
                && start < end
            {
                return Err(rustix::io::Errno::IO.into());
            }
            let bytes = &state.segment(segment)?.current;
            Ok(bytes
                .iter()
                .skip(index(offset))
                .take(len)
                .copied()
                .collect())
        })
    }

    fn write(&self, segment: u32, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        if self.lock().faults.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.medium.write(segment, offset, parts)
    }

    fn sync(&self, segment: u32) -> io::Result<()> {
        self.medium.sync(segment)
    }

    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        self.medium.truncate(segment, len)
    }

    fn punch(&self, segment: u32, offset: u64, len: u64) -> io::Result<()> {
        self.medium.change(|state| {
            let segment = state.segment_mut(segment)?;
            let offset = index(offset);
            let end = segment.current.len().min(offset + index(len));
            if offset < end {
                let bytes = vec![0; end - offset];
                put(&mut segment.current, offset, &bytes);
                segment.unsynced.push(Change::Write { offset, bytes });
            }
            Ok(())
        })
    }

    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.medium.look(|state| Ok(state.files.get(name).cloned()))
    }

    fn replace_file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.medium.change(|state| {
            if state.faults.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.files.insert(name.to_owned(), content.to_vec());
            Ok(())
        })
    }

    fn space(&self) -> io::Result<Space> {
        let capacity_bytes = self.medium.capacity_bytes;
        self.medium.look(|state| {
            Ok(Space {
                capacity_bytes,
                available_bytes: capacity_bytes.saturating_sub(state.used_bytes()),
            })
        })
    }

    fn index_dir(&self) -> &Path {
        &self.index_dir
    }
}

impl SegmentFile for SimulatedSegment {
    fn write(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.medium.write(self.segment, offset, parts)
    }

    fn sync(&self) -> io::Result<()> {
        self.medium.sync(self.segment)
    }

    fn preallocate(&self, _offset: u64, _len: u64) -> io::Result<()> {
        self.medium.look(|_| Ok(()))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.medium.truncate(self.segment, len)
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes
        .get_mut(offset..end)
        .expect("made long enough above")
        .copy_from_slice(new);
}

/// Some sectors of the write arrive, others do not. Sectors are those of the disk, not of the write.
fn tear(bytes: &mut Vec<u8>, offset: usize, new: &[u8], chance: &mut impl FnMut(usize) -> usize) {
    let first = SECTOR_LEN - offset % SECTOR_LEN;
    let (head, rest) = new.split_at(first.min(new.len()));
    let mut at = offset;
    for sector in std::iter::once(head).chain(rest.chunks(SECTOR_LEN)) {
        if chance(2) == 0 {
            put(bytes, at, sector);
        }
        at += sector.len();
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("what is in memory can be addressed")
}
