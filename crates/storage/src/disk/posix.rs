//! A directory of a POSIX file system.
//!
//! ```text
//! label                  who the disk is
//! epochs                 which writers are too old
//! segments/00000001.seg  shards; see `record`
//! index/                 RocksDB; see `index`
//! ```

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::buffer::spare_capacity;
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

use super::{Disk, SegmentFile, Space};

/// Segment files that are kept open; more are opened as they are needed.
const OPEN_FILES_MAX: usize = 128;

/// Names that an unlabelled directory may already contain: `lost+found` of a fresh file system, and the folder of the
/// metadata role where both roles share a disk. Our own temporary files, too: labelling may have been cut short.
const HARMLESS: [&str; 4] = ["lost+found", "meta", "label.tmp", "epochs.tmp"];

/// A disk in a directory.
#[derive(Debug)]
pub struct PosixDisk {
    dir: PathBuf,
    segments_dir: PathBuf,
    index_dir: PathBuf,
    open_files: Mutex<OpenFiles>,
    /// Holds the lock on the directory for as long as the disk is open.
    _lock: File,
}

#[derive(Debug, Default)]
struct OpenFiles {
    by_segment: HashMap<u32, (Arc<File>, u64)>,
    uses: u64,
}

/// Why a directory cannot be a disk.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It is open already.
    #[error("it is open already, in another process or under another name")]
    Locked,
    /// It cannot be opened or read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl PosixDisk {
    /// Opens the directory, which must be there, and locks it against other processes.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn open(dir: &Path) -> Result<Self, DirectoryError> {
        let lock = File::open(dir)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            match errno {
                Errno::WOULDBLOCK => DirectoryError::Locked,
                other => DirectoryError::Io(other.into()),
            }
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            segments_dir: dir.join("segments"),
            index_dir: dir.join("index"),
            open_files: Mutex::default(),
            _lock: lock,
        })
    }

    /// The first name in the directory that has no business in one that is to become a disk.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn foreign_entry(&self) -> io::Result<Option<String>> {
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !HARMLESS.contains(&name.as_str()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Makes the folder of the segments, durably. Harmless when it is there.
    ///
    /// # Errors
    /// The disk's.
    pub fn make_folders(&self) -> io::Result<()> {
        if !self.segments_dir.is_dir() {
            fs::create_dir_all(&self.segments_dir)?;
            sync_dir(&self.dir)?;
        }
        Ok(())
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.segments_dir.join(format!("{segment:08}.seg"))
    }

    fn file(&self, segment: u32) -> io::Result<Arc<File>> {
        let mut open = self
            .open_files
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.uses += 1;
        let now = open.uses;
        if let Some((file, used)) = open.by_segment.get_mut(&segment) {
            *used = now;
            return Ok(Arc::clone(file));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(segment))?;
        let file = Arc::new(file);
        open.keep(segment, Arc::clone(&file));
        Ok(file)
    }
}

impl OpenFiles {
    fn keep(&mut self, segment: u32, file: Arc<File>) {
        if self.by_segment.len() >= OPEN_FILES_MAX {
            let oldest = self
                .by_segment
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(segment, _)| *segment);
            if let Some(oldest) = oldest {
                self.by_segment.remove(&oldest);
            }
        }
        self.by_segment.insert(segment, (file, self.uses));
    }
}

impl Disk for PosixDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.segments_dir)? {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".seg"))
                .and_then(|digits| digits.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn create_segment(&self, segment: u32) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.path(segment))?;
        // The name must be durable before anything in the file can count.
        sync_dir(&self.segments_dir)?;
        Ok(Box::new(PosixSegment(file)))
    }

    fn reopen_segment(&self, segment: u32) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().write(true).open(self.path(segment))?;
        Ok(Box::new(PosixSegment(file)))
    }

    fn remove_segment(&self, segment: u32) -> io::Result<()> {
        fs::remove_file(self.path(segment))?;
        // Afterwards: a reader in between would have put it back, and an open file keeps its space.
        self.open_files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_segment
            .remove(&segment);
        sync_dir(&self.segments_dir)
    }

    fn segment_len(&self, segment: u32) -> io::Result<u64> {
        Ok(self.file(segment)?.metadata()?.len())
    }

    fn read(&self, segment: u32, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.file(segment)?;
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = offset + u64::try_from(bytes.len()).expect("a length");
            let read = rustix::io::retry_on_intr(|| {
                rustix::io::pread(&file, spare_capacity(&mut bytes), at)
            })?;
            if read == 0 {
                break;
            }
        }
        // The allocator may have given more room than was asked for, and the read filled it.
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write(&self, segment: u32, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        write_parts(&*self.file(segment)?, offset, parts)
    }

    fn sync(&self, segment: u32) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file(segment)?)?)
    }

    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.file(segment)?, len)?)
    }

    fn punch(&self, segment: u32, offset: u64, len: u64) -> io::Result<()> {
        let file = self.file(segment)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        unless_unsupported(rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&file, flags, offset, len)
        }))
    }

    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one helper: syncs the directory"
    )]
    fn replace_file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.dir.join(format!("{name}.tmp"));
        // The label has a secret in it.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, self.dir.join(name))?;
        sync_dir(&self.dir)
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(Space {
            capacity_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn index_dir(&self) -> &Path {
        &self.index_dir
    }
}

/// A segment that is being written.
#[derive(Debug)]
struct PosixSegment(File);

impl SegmentFile for PosixSegment {
    fn write(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        write_parts(&self.0, offset, parts)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.0)?)
    }

    fn preallocate(&self, offset: u64, len: u64) -> io::Result<()> {
        unless_unsupported(rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, offset, len)
        }))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.0, len)?)
    }
}

fn write_parts(file: &File, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut slices = &mut slices[..];
    let mut at = offset;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::pwritev(file, slices, at))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += u64::try_from(written).expect("a length");
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}

fn unless_unsupported(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        other => Ok(other?),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn disk() -> (tempfile::TempDir, PosixDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = PosixDisk::open(dir.path()).unwrap();
        disk.make_folders().unwrap();
        (dir, disk)
    }

    #[test]
    fn parts_are_written_behind_one_another_and_read_back() {
        let (_dir, disk) = disk();
        disk.create_segment(7).unwrap();
        disk.write(7, 0, &[b"ab", b"", b"cd"]).unwrap();
        disk.write(7, 4, &[]).unwrap();
        disk.write(7, 8, &[b"xy"]).unwrap();
        assert_eq!(disk.read(7, 1, 100).unwrap(), b"bcd\0\0\0\0xy");
        assert_eq!(disk.read(7, 100, 1).unwrap(), b"");
        assert_eq!(disk.segment_len(7).unwrap(), 10);
        assert_eq!(disk.segments().unwrap(), [7]);
        disk.remove_segment(7).unwrap();
        assert_eq!(
            disk.read(7, 0, 1).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn space_is_taken_hold_of_and_given_back() {
        let (_dir, disk) = disk();
        let file = disk.create_segment(1).unwrap();
        let blocks = || fs::metadata(disk.path(1)).unwrap().blocks() * 512;
        disk.write(1, 0, &[&vec![1; 100_000]]).unwrap();
        file.preallocate(100_000, 1 << 20).unwrap();
        assert_eq!(disk.segment_len(1).unwrap(), 100_000);
        assert!(blocks() >= 1 << 20);
        disk.truncate(1, 100_000).unwrap();
        disk.sync(1).unwrap();
        assert!(blocks() < 200_000);
        disk.punch(1, 4096, 40_960).unwrap();
        disk.sync(1).unwrap();
        assert!(blocks() < 70_000);
        assert_eq!(disk.read(1, 4095, 2).unwrap(), [1, 0]);
    }

    #[test]
    fn a_writer_shares_its_open_file_with_nobody() {
        let (_dir, disk) = disk();
        let file = disk.create_segment(1).unwrap();
        let kept = || disk.open_files.lock().unwrap().by_segment.len();
        file.write(0, &[b"ab"]).unwrap();
        file.sync().unwrap();
        assert_eq!(kept(), 0);
        assert_eq!(disk.read(1, 0, 10).unwrap(), b"ab");
        assert_eq!(kept(), 1);
        drop(file);
        let file = disk.reopen_segment(1).unwrap();
        file.write(2, &[b"c"]).unwrap();
        file.truncate(2).unwrap();
        file.write(2, &[b"d"]).unwrap();
        assert_eq!(disk.read(1, 0, 10).unwrap(), b"abd");
        assert!(disk.reopen_segment(2).is_err());
        disk.remove_segment(1).unwrap();
        assert_eq!(kept(), 0);
    }

    #[test]
    fn more_segments_than_open_files_are_no_matter() {
        let (_dir, disk) = disk();
        for segment in 0..300 {
            disk.create_segment(segment).unwrap();
            disk.write(segment, 0, &[&segment.to_le_bytes()]).unwrap();
        }
        for segment in 0..300 {
            assert_eq!(disk.read(segment, 0, 4).unwrap(), segment.to_le_bytes());
        }
        assert!(disk.open_files.lock().unwrap().by_segment.len() <= OPEN_FILES_MAX);
    }

    #[test]
    fn a_directory_is_open_once() {
        let (dir, disk) = disk();
        assert!(matches!(
            PosixDisk::open(dir.path()),
            Err(DirectoryError::Locked)
        ));
        drop(disk);
        assert!(PosixDisk::open(dir.path()).is_ok());
    }
}
