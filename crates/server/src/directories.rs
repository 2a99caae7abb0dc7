//! The directories of `cairn dev`: what is in each, and what has to be.
//!
//! A directory `D` holds a disk in `D/disk`, and some of them a replica of the metadata in `D/meta`: one for one or two
//! directories, three for three or four, five for more, so that the metadata survives the loss of as many directories as the
//! objects do. Which ones is found by looking: the order of the arguments matters at the first start only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cairn_meta::{LabelError, identify};
use cairn_types::id::{ClusterId, NodeId};

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directories {
    /// The cluster whose metadata was found; `None` where a new one is to be made.
    pub(crate) cluster: Option<ClusterId>,
    /// Replicas of the metadata that are there, by node.
    pub(crate) replicas: Vec<(NodeId, PathBuf)>,
    /// Replicas whose label is damaged, so that nobody can tell whose they are.
    pub(crate) damaged: Vec<PathBuf>,
    /// Where replicas may be made: as many as are missing.
    pub(crate) vacant: Vec<PathBuf>,
    /// Whether any of the disks was in use before.
    pub(crate) has_disks: bool,
    /// How many replicas there are to be.
    pub(crate) replica_count: usize,
    /// The disks, in the order of the arguments.
    pub(crate) disks: Vec<PathBuf>,
}

/// Why directories cannot be used; each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    /// The same directory twice.
    #[error("{} is named twice: give each disk a directory of its own", path.display())]
    Twice {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made or looked into.
    #[error("cannot use the directory {}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The metadata in it cannot be told.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Two of them have metadata of different clusters.
    #[error(
        "{} and {} hold the metadata of different clusters: start them apart",
        first.display(),
        second.display()
    )]
    TwoClusters {
        /// One.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// Two of them are the same replica.
    #[error("{} is a copy of {}: leave one of them out", second.display(), first.display())]
    Copy {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// There are disks of a cluster, and its metadata is not there.
    #[error(
        "{} holds a disk of a cluster whose metadata is in none of the directories: name the directories that have `meta` in them, too",
        disk.display()
    )]
    MetadataMissing {
        /// A directory with a disk.
        disk: PathBuf,
    },
}

/// How many replicas of the metadata so many directories get.
const fn replica_count(directory_count: usize) -> usize {
    match directory_count {
        0..=2 => 1,
        3..=4 => 3,
        _ => 5,
    }
}

impl Directories {
    /// Makes the directories that are missing and finds out what is in them. Blocks, without a sync.
    ///
    /// # Errors
    /// See `DirectoryError`. Nothing is written into a directory then.
    pub(crate) fn prepare(paths: &[PathBuf]) -> Result<Self, DirectoryError> {
        let directories = make(paths)?;
        let mut found = Self {
            cluster: None,
            replicas: Vec::new(),
            damaged: Vec::new(),
            vacant: Vec::new(),
            has_disks: false,
            replica_count: replica_count(directories.len()),
            disks: directories.iter().map(|path| path.join("disk")).collect(),
        };
        for path in &directories {
            found.look_into(&path.join("meta"))?;
        }
        let disk = directories
            .iter()
            .find(|path| is_filled(&path.join("disk")));
        found.has_disks = disk.is_some();
        let has_metadata = found.cluster.is_some() || !found.damaged.is_empty();
        if let (false, Some(disk)) = (has_metadata, disk) {
            return Err(DirectoryError::MetadataMissing { disk: disk.clone() });
        }
        let known = found.replicas.len() + found.damaged.len();
        let missing = found.replica_count.saturating_sub(known);
        found.vacant.truncate(missing);
        Ok(found)
    }

    fn look_into(&mut self, dir: &Path) -> Result<(), DirectoryError> {
        let (cluster, node) = match identify(dir) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.vacant.push(dir.to_owned());
                return Ok(());
            }
            Err(LabelError::Damaged { .. }) => {
                self.damaged.push(dir.to_owned());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let first = self.replicas.first().map(|(_, first)| first.clone());
        match (self.cluster, first) {
            (Some(known), Some(first)) if known != cluster => {
                return Err(DirectoryError::TwoClusters {
                    first,
                    second: dir.to_owned(),
                });
            }
            _ => self.cluster = Some(cluster),
        }
        let twin = self.replicas.iter().find(|(known, _)| *known == node);
        if let Some((_, first)) = twin {
            return Err(DirectoryError::Copy {
                first: first.clone(),
                second: dir.to_owned(),
            });
        }
        self.replicas.push((node, dir.to_owned()));
        Ok(())
    }
}

/// Makes what is missing; gives every directory by its one true path.
fn make(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DirectoryError> {
    let mut directories: Vec<PathBuf> = Vec::with_capacity(paths.len());
    for path in paths {
        let unusable = |source| DirectoryError::Unusable {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(path).map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        if directories.contains(&path) {
            return Err(DirectoryError::Twice { path });
        }
        directories.push(path);
    }
    Ok(directories)
}

/// Whether there is a directory with anything in it.
fn is_filled(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(path: &Path) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("something"), "").unwrap();
    }

    #[test]
    fn new_directories_get_as_many_replicas_as_survive_what_objects_survive() {
        for (count, replicas) in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (6, 5), (12, 5)] {
            let root = tempfile::tempdir().unwrap();
            let paths: Vec<PathBuf> = (0..count)
                .map(|n| root.path().join(n.to_string()))
                .collect();
            let found = Directories::prepare(&paths).unwrap();
            assert_eq!(found.cluster, None);
            assert_eq!(found.disks.len(), count);
            assert_eq!(found.vacant.len(), replicas, "{count}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let twice = Directories::prepare(&[a.clone(), a.clone()]);
        assert!(matches!(twice, Err(DirectoryError::Twice { .. })));
        fill(&a.join("disk"));
        let headless = Directories::prepare(&[a, b]);
        assert!(matches!(
            headless,
            Err(DirectoryError::MetadataMissing { .. })
        ));
    }
}
