//! What the storage role is told.

use std::path::PathBuf;
use std::time::Duration;

/// The configuration of the storage role, checked by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// The directories of the disks: one disk each, all different.
    pub disks: Vec<PathBuf>,
    /// How long removed shards stay readable on a disk that is not nearly full.
    pub read_grace: Duration,
}

impl StorageConfig {
    /// Disks in these directories, and the usual for everything else.
    pub fn new(disks: Vec<PathBuf>) -> Self {
        Self {
            disks,
            read_grace: Duration::from_secs(30),
        }
    }
}
