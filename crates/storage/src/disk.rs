//! What the store asks of a disk: numbered segment files, a few small files, and room for the index.
//!
//! This is the seam for tests: [`posix`] is the real one, [`simulated`] loses what was not synced.

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub mod posix;
pub mod simulated;

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the file system.
    pub capacity_bytes: u64,
    /// Bytes of it that are free for us.
    pub available_bytes: u64,
}

/// A disk. Every call blocks.
///
/// Durability: bytes of a segment after `sync` returned; a segment's existence after `create_segment` returned; a small
/// file after `replace_file` returned, which is all or nothing. Everything else may be lost with the power, in any order
/// and in parts.
pub trait Disk: Send + Sync + Debug + 'static {
    /// The numbers of the segments that are there, ascending.
    ///
    /// # Errors
    /// The disk's.
    fn segments(&self) -> io::Result<Vec<u32>>;

    /// Makes an empty segment, to be written. Durable when it returns.
    ///
    /// # Errors
    /// The disk's; `AlreadyExists`.
    fn create_segment(&self, segment: u32) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens a segment to write on at its end.
    ///
    /// # Errors
    /// The disk's; `NotFound`.
    fn reopen_segment(&self, segment: u32) -> io::Result<Box<dyn SegmentFile>>;

    /// Takes a segment away with all that is in it.
    ///
    /// # Errors
    /// The disk's; `NotFound`.
    fn remove_segment(&self, segment: u32) -> io::Result<()>;

    /// Bytes up to the last that was written.
    ///
    /// # Errors
    /// The disk's; `NotFound`.
    fn segment_len(&self, segment: u32) -> io::Result<u64>;

    /// Up to `len` bytes from `offset`; fewer only where the segment ends.
    ///
    /// # Errors
    /// The disk's; `NotFound`.
    fn read(&self, segment: u32, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Writes `parts` one behind the other from `offset` on, without copying them together.
    ///
    /// # Errors
    /// The disk's; after an error any part of it may be written.
    fn write(&self, segment: u32, offset: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// Makes all that was written to the segment durable.
    ///
    /// # Errors
    /// The disk's. It is not known then what is durable, and a second call may return success without having written:
    /// never call it again.
    fn sync(&self, segment: u32) -> io::Result<()>;

    /// Cuts the segment to `len` bytes and gives back what was preallocated behind them.
    ///
    /// # Errors
    /// The disk's.
    fn truncate(&self, segment: u32, len: u64) -> io::Result<()>;

    /// Gives back the space of a range, which reads as zeros from then on. Where the file system cannot, nothing happens.
    ///
    /// # Errors
    /// The disk's.
    fn punch(&self, segment: u32, offset: u64, len: u64) -> io::Result<()>;

    /// A small file, if it is there.
    ///
    /// # Errors
    /// The disk's.
    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a small file. Durable when it returns.
    ///
    /// # Errors
    /// The disk's.
    fn replace_file(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// The room on the disk.
    ///
    /// # Errors
    /// The disk's.
    fn space(&self) -> io::Result<Space>;

    /// Where the index lives. Losing it loses no shard.
    fn index_dir(&self) -> &Path;
}

/// A segment that is being written: an open file of its own, which nobody else writes or syncs through. Every call blocks.
///
/// Its own, because Linux tells an error of writing back once for each open file: on a shared one the sync of another thread
/// would take the error with it, and the writer's next sync would succeed over bytes that were lost.
pub trait SegmentFile: Send + Debug {
    /// As [`Disk::write`].
    ///
    /// # Errors
    /// The disk's; after an error any part of it may be written.
    fn write(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// Makes all that was written through this file durable.
    ///
    /// # Errors
    /// As those of [`Disk::sync`]: never call it again after one.
    fn sync(&self) -> io::Result<()>;

    /// Takes hold of space for later writes, without changing the segment's length. Where the file system cannot, nothing
    /// happens.
    ///
    /// # Errors
    /// `StorageFull`, and the disk's.
    fn preallocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// As [`Disk::truncate`].
    ///
    /// # Errors
    /// The disk's.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// Whether this error says that a place of the medium cannot be read.
pub fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Whether this error says that the process or the machine has run out of something else than the disk: it says nothing of the
/// disk, and passes.
pub fn is_elsewhere(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let elsewhere = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    elsewhere.into_iter().any(is)
}

/// Whether this error says that the disk is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
