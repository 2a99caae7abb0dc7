//! The directories of `cairn dev`: what is in each, and what has to be.
//!
//! A directory `D` holds a disk in `D/disk`; one of them also holds the metadata in `D/meta`. Which one is found by
//! looking, so that the order of the arguments does not matter after the first start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directories {
    /// The metadata.
    pub(crate) meta: PathBuf,
    /// The disks, in the order of the arguments.
    pub(crate) disks: Vec<PathBuf>,
    /// Whether nothing is there yet: a new cluster is to be made.
    pub(crate) is_new: bool,
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
    #[error("cannot use the directory {}: {source}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two of them have metadata.
    #[error(
        "{} and {} both hold the metadata of a cluster: start them apart, they are two clusters",
        first.display(),
        second.display()
    )]
    TwoClusters {
        /// One.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// There are disks of a cluster, and its metadata is not there.
    #[error(
        "{} holds a disk of a cluster whose metadata is in none of the directories: name the directory that has `meta` in it, too",
        disk.display()
    )]
    MetadataMissing {
        /// A directory with a disk.
        disk: PathBuf,
    },
}

impl Directories {
    /// Makes the directories that are missing and finds out what is in them. Blocks, without a sync.
    ///
    /// # Errors
    /// See `DirectoryError`. Nothing is written into a directory then.
    pub(crate) fn prepare(paths: &[PathBuf]) -> Result<Self, DirectoryError> {
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
        let with_metadata: Vec<&PathBuf> = directories
            .iter()
            .filter(|path| is_filled(&path.join("meta")))
            .collect();
        let with_disk = directories
            .iter()
            .find(|path| is_filled(&path.join("disk")));
        let meta = match (with_metadata.as_slice(), with_disk) {
            ([first, second, ..], _) => {
                return Err(DirectoryError::TwoClusters {
                    first: (*first).clone(),
                    second: (*second).clone(),
                });
            }
            ([], Some(disk)) => {
                return Err(DirectoryError::MetadataMissing { disk: disk.clone() });
            }
            ([only], _) => only.join("meta"),
            ([], None) => directories
                .first()
                .map_or_else(PathBuf::new, |first| first.join("meta")),
        };
        Ok(Self {
            is_new: with_metadata.is_empty(),
            meta,
            disks: directories.iter().map(|path| path.join("disk")).collect(),
        })
    }
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
    fn the_metadata_is_found_whatever_the_order() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let paths = [root.join("b"), root.join("a")];
        let new = Directories::prepare(&paths).unwrap();
        assert!(new.is_new);
        assert_eq!(new.meta, root.join("b/meta"));
        fill(&root.join("a/meta"));
        fill(&root.join("b/disk"));
        let known = Directories::prepare(&paths).unwrap();
        assert!(!known.is_new);
        assert_eq!(known.meta, root.join("a/meta"));
        assert_eq!(known.disks, [root.join("b/disk"), root.join("a/disk")]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let twice = Directories::prepare(&[a.clone(), a.clone()]);
        assert!(matches!(twice, Err(DirectoryError::Twice { .. })));
        fill(&a.join("disk"));
        let headless = Directories::prepare(&[a.clone(), b.clone()]);
        assert!(matches!(
            headless,
            Err(DirectoryError::MetadataMissing { .. })
        ));
        fill(&a.join("meta"));
        fill(&b.join("meta"));
        let two = Directories::prepare(&[a, b]);
        assert!(matches!(two, Err(DirectoryError::TwoClusters { .. })));
    }
}
