//! What the storage role is told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration of the storage role, checked by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// The directories of the disks: one disk each, all different.
    pub disks: Vec<PathBuf>,
    /// Those of `disks` that were never used before: they may be made, if need be, and labelled. Where one of the others has
    /// no label, its disk is not mounted, and making a new one in its mount point would hide that it is missing.
    pub label_new: BTreeSet<PathBuf>,
    /// Whether opening ends when the labels are read, and disks come into service as they are ready. Otherwise it waits for
    /// all disks that answer; a disk whose index must be made anew may take hours.
    pub opens_in_background: bool,
    /// How long opening waits for any more disk to tell its label. One that does so later comes into service then.
    pub label_limit: Duration,
    /// How long removed shards stay readable on a disk that is not nearly full.
    pub read_grace: Duration,
}

impl StorageConfig {
    /// Disks in these directories, which may all be new, and the usual for everything else.
    pub fn new(disks: Vec<PathBuf>) -> Self {
        Self {
            label_new: disks.iter().cloned().collect(),
            disks,
            opens_in_background: false,
            label_limit: Duration::from_secs(10),
            read_grace: Duration::from_secs(30),
        }
    }
}
