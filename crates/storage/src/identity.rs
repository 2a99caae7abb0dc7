//! Whose disks these are, asked before any of them is opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cairn_types::id::{ClusterId, DiskId, NodeId};

use crate::label::{self, Label, LabelError};
use crate::storage::OpenError;

/// Reads the label of the disk in `path`; `None` when there is none, or no directory. Takes no locks and changes nothing.
/// Blocks, for as long as the disk does.
///
/// # Errors
/// The directory or the label cannot be read, or the label is damaged or of a newer build.
pub fn identify(path: &Path) -> Result<Option<(ClusterId, NodeId, DiskId)>, OpenError> {
    match fs::read(path.join(label::FILE_NAME)) {
        Ok(content) => {
            let label = Label::decode(&content).map_err(|source| OpenError::Label {
                path: path.to_owned(),
                source,
            })?;
            Ok(Some((label.cluster, label.node, label.disk)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::Unusable {
            path: path.to_owned(),
            source: error.into(),
        }),
    }
}

/// Which node of which cluster the disks in `paths` belong to; `None` when none of them has a label.
///
/// Disks that cannot be read, or do not answer while for `limit` no other does, have no say: one that fails must not keep
/// the others from serving. Blocks.
///
/// # Errors
/// Two disks of different clusters or nodes, one disk twice, a label of a newer build.
pub fn identify_all(
    paths: &[PathBuf],
    limit: Duration,
) -> Result<Option<(ClusterId, NodeId)>, OpenError> {
    let answers = ask_each(paths, |_, path| identify(path));
    let mut known: Vec<(PathBuf, (ClusterId, NodeId, DiskId))> = Vec::new();
    while let Ok((index, answer)) = answers.recv_timeout(limit) {
        let path = paths.get(index).expect("the index of one of them");
        match answer {
            Ok(None) => {}
            Ok(Some(found)) => {
                for (other, earlier) in &known {
                    check_pair((other, *earlier), (path, found))?;
                }
                known.push((path.clone(), found));
            }
            Err(error) if is_definite(&error) => return Err(error),
            Err(error) => tracing::warn!(%error, "a disk does not say whose it is"),
        }
    }
    Ok(known
        .first()
        .map(|(_, (cluster, node, _))| (*cluster, *node)))
}

/// Does `ask` with each of `paths`, with its index, on a thread of its own. The answers come as they are there; those of disks
/// that hang never do.
pub(crate) fn ask_each<T: Send + 'static>(
    paths: &[PathBuf],
    ask: impl Fn(usize, &Path) -> T + Clone + Send + 'static,
) -> Receiver<(usize, T)> {
    let (answers, received) = channel();
    for (index, path) in paths.iter().cloned().enumerate() {
        let (answers, ask) = (answers.clone(), ask.clone());
        let started = std::thread::Builder::new()
            .name("disk-open".to_owned())
            .spawn(move || {
                // Whoever asked may have stopped waiting.
                let _ = answers.send((index, ask(index, &path)));
            });
        if let Err(error) = started {
            tracing::error!(%error, "no thread to look at a disk");
        }
    }
    received
}

fn check_pair(
    (path, (cluster, node, disk)): (&Path, (ClusterId, NodeId, DiskId)),
    (other_path, other): (&Path, (ClusterId, NodeId, DiskId)),
) -> Result<(), OpenError> {
    if (cluster, node) != (other.0, other.1) {
        return Err(OpenError::TwoOwners {
            path: path.to_owned(),
            cluster,
            node,
            other_path: other_path.to_owned(),
            other_cluster: other.0,
            other_node: other.1,
        });
    }
    if disk == other.2 {
        return Err(OpenError::Copy {
            path: other_path.to_owned(),
            original: path.to_owned(),
        });
    }
    Ok(())
}

fn is_definite(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Label {
            source: LabelError::Newer(_),
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Seed;

    const LIMIT: Duration = Duration::from_secs(10);

    fn write(dir: &Path, name: &str, cluster: u128, node: u64, disk: u128) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir(&path).unwrap();
        let label = Label {
            cluster: ClusterId::new(cluster),
            node: NodeId::new(node),
            disk: DiskId::new(disk),
            seed: Seed::new(9),
            segment_len_bytes: 4 << 20,
        };
        fs::write(path.join(label::FILE_NAME), label.encode()).unwrap();
        path
    }

    #[test]
    fn disks_of_one_node_say_whose_they_are_whatever_the_others_do() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), "first", 1, 2, 3);
        let second = write(dir.path(), "second", 1, 2, 4);
        let absent = dir.path().join("absent");
        let damaged = write(dir.path(), "damaged", 1, 2, 5);
        fs::write(damaged.join("label"), "damage").unwrap();
        let known = (ClusterId::new(1), NodeId::new(2));
        let found = (known.0, known.1, DiskId::new(3));
        assert_eq!(identify(&first).unwrap(), Some(found));
        assert_eq!(identify(&absent).unwrap(), None);
        assert!(identify(&damaged).is_err());
        let all = [absent.clone(), damaged, first, second];
        assert_eq!(identify_all(&all, LIMIT).unwrap(), Some(known));
        assert_eq!(identify_all(&[absent], LIMIT).unwrap(), None);
    }

    #[test]
    fn disks_that_do_not_belong_together_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), "first", 1, 2, 3);
        for (name, cluster, node, disk, expected) in [
            ("other-cluster", 9, 2, 4, "cluster"),
            ("other-node", 1, 7, 4, "node 7"),
            ("copy", 1, 2, 3, "copy"),
        ] {
            let other = write(dir.path(), name, cluster, node, disk);
            let error = identify_all(&[first.clone(), other], LIMIT).unwrap_err();
            let text = error.to_string();
            let names_both = text.contains("first") && text.contains(name);
            assert!(names_both && text.contains(expected), "{text}");
        }
    }
}
