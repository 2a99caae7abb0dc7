//! Whose directory this is: a small text file that says which node of which cluster the metadata belongs to.
//!
//! ```text
//! cairn-meta 1
//! node 140737488355329
//! cluster 0123456789abcdef0123456789abcdef  (or `none`: of no cluster yet)
//! data-groups 8                             (0: of no cluster yet)
//! check 9f…  (XXH3-128 of the lines above)
//! ```
//!
//! It is the first thing that is written into a directory. The id in it is drawn at random then: a directory that was wiped
//! is another node, so a log that was lost never votes again under the id under which it had acknowledged something.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cairn_types::id::{ClusterId, NodeId};
use xxhash_rust::xxh3::xxh3_128;

const FILE: &str = "NODE";

/// A label that is being written.
pub(crate) const DRAFT: &str = "NODE.draft";

const FORMAT: u32 = 1;

/// What the file says. The node is never changed; its home is written once, at genesis or when the node joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    /// The node.
    pub(crate) node: NodeId,
    /// Where it belongs; `None` while it is of no cluster.
    pub(crate) home: Option<Home>,
}

/// A cluster, with what is fixed at its genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// How many data groups it has.
    pub(crate) data_groups: u16,
}

/// The label is not usable.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The system said no.
    #[error("access the node's label {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the node's label {} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A later release made it.
    #[error("{} was written by a newer release (format {format})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl Label {
    /// Reads the label of a directory, if it has one.
    ///
    /// # Errors
    /// See `LabelError`.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, LabelError> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LabelError::Io { path, source }),
        };
        let format = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("cairn-meta "))
            .and_then(|format| format.parse().ok());
        match format {
            Some(FORMAT) => {}
            Some(format) if format > FORMAT => return Err(LabelError::Newer { path, format }),
            _ => return Err(LabelError::Damaged { path }),
        }
        let label = Self::parse(&text).ok_or(LabelError::Damaged { path })?;
        Ok(Some(label))
    }

    /// Writes the label of a directory: durable when it returns, and never half.
    ///
    /// # Errors
    /// `LabelError::Io`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), LabelError> {
        let path = dir.join(FILE);
        self.write_durably(dir, &path)
            .map_err(|source| LabelError::Io { path, source })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "followed by a sync of the directory"
    )]
    fn write_durably(&self, dir: &Path, path: &Path) -> io::Result<()> {
        let draft = dir.join(DRAFT);
        let mut file = File::create(&draft)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(dir)?.sync_all()
    }

    fn text(&self) -> String {
        let cluster = self.home.map(|home| home.cluster.to_string());
        let body = format!(
            "cairn-meta {FORMAT}\nnode {}\ncluster {}\ndata-groups {}\n",
            self.node,
            cluster.as_deref().unwrap_or("none"),
            self.home.map_or(0, |home| home.data_groups),
        );
        let check = xxh3_128(body.as_bytes());
        format!("{body}check {check:032x}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let node = NodeId::new(lines.next()?.strip_prefix("node ")?.parse().ok()?);
        let cluster = lines.next()?.strip_prefix("cluster ")?;
        let data_groups = lines.next()?.strip_prefix("data-groups ")?.parse().ok()?;
        let home = match cluster {
            "none" => None,
            cluster => Some(Home {
                cluster: ClusterId::parse(cluster).ok()?,
                data_groups,
            }),
        };
        let label = Self { node, home };
        // One text for one label: this checks the checksum and every byte.
        (label.text() == text).then_some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            node: NodeId::new(3),
            home: Some(Home {
                cluster: ClusterId::new(0xabc),
                data_groups: 8,
            }),
        }
    }

    #[test]
    fn a_label_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Label::read(dir.path()).unwrap(), None);
        let homeless = Label {
            home: None,
            ..label()
        };
        for label in [homeless, label()] {
            label.write(dir.path()).unwrap();
            assert_eq!(Label::read(dir.path()).unwrap(), Some(label));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let text = label().text().into_bytes();
        for at in 0..text.len() * 8 {
            let mut bad = text.clone();
            bad[at / 8] ^= 1 << (at % 8);
            fs::write(&path, bad).unwrap();
            assert!(Label::read(dir.path()).is_err(), "bit {at}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "cairn-meta 2\nwhatever\n").unwrap();
        let read = Label::read(dir.path());
        assert!(matches!(read, Err(LabelError::Newer { format: 2, .. })));
    }
}
