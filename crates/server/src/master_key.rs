//! Where the cluster's master key comes from.
//!
//! `CAIRN_MASTER_KEY` has it, or the file that `cluster.master_key_file` names. `cairn dev` makes one if none is given, and
//! keeps it in `D/master.key` beside each replica of the metadata (`D/meta`): whatever lost directory the metadata survives,
//! the key survives too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cairn_kms::{MasterKey, MasterKeyError};

use crate::config::{Config, Environment, RootCredentials};
use crate::directories::Directories;

/// What the key is called in a directory of `cairn dev`.
const FILE: &str = "master.key";

/// What it is called before it is whole.
const DRAFT: &str = "master.key.new";

/// The variable that may have it.
const VARIABLE: &str = "MASTER_KEY";

/// A file with a key is this long at the most.
const LEN_MAX: u64 = 4096;

/// What a process knows that nobody else may.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    /// The keys of the root user.
    pub(crate) root: RootCredentials,
    /// What secrets of users are sealed under. Without it none are stored, and none can be opened.
    pub(crate) master_key: Option<MasterKey>,
}

/// Why there is no master key; each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MasterKeySourceError {
    /// Two places say what it is.
    #[error(
        "both CAIRN_MASTER_KEY and cluster.master_key_file say what the master key is: set one of them"
    )]
    Twice,
    /// The variable has something else.
    #[error("CAIRN_MASTER_KEY is not valid: {0}")]
    Variable(MasterKeyError),
    /// A file has something else.
    #[error("{} is not valid: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: MasterKeyError,
    },
    /// A file cannot be read or written.
    #[error("cannot use the master key file {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two files have two keys.
    #[error(
        "{} and {} have different master keys: remove the one that is wrong, with it no secret of a user can be opened",
        first.display(),
        second.display()
    )]
    TwoKeys {
        /// One.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// The key that is given is not the one that is kept.
    #[error(
        "the master key that is given is another one than in {}, under which secrets of users may be sealed: give that one, or none",
        path.display()
    )]
    AnotherGiven {
        /// The file.
        path: PathBuf,
    },
}

impl Secrets {
    /// The master key that is given, if one is. Blocks for a file.
    ///
    /// # Errors
    /// When what is given is no key.
    pub(crate) fn given(
        root: RootCredentials,
        config: &Config,
        environment: &Environment,
    ) -> Result<Self, MasterKeySourceError> {
        let file = &config.cluster.master_key_file;
        let master_key = match (environment.get(VARIABLE), file.as_os_str().is_empty()) {
            (Some(_), false) => return Err(MasterKeySourceError::Twice),
            (Some(text), true) => {
                Some(MasterKey::parse(text).map_err(MasterKeySourceError::Variable)?)
            }
            (None, false) => Some(read(file)?),
            (None, true) => None,
        };
        Ok(Self { root, master_key })
    }

    /// The same with a master key: the one that is given, or kept in the directories, or else a new one, which is kept there
    /// from now on. Blocks, with a sync where it writes.
    ///
    /// # Errors
    /// When there are two keys, or a file cannot be read or written.
    pub(crate) fn kept_in(
        mut self,
        directories: &Directories,
    ) -> Result<Self, MasterKeySourceError> {
        let mut kept: Option<(PathBuf, MasterKey)> = None;
        for disk in &directories.disks {
            let path = beside(disk);
            if !path.exists() {
                continue;
            }
            let key = read(&path)?;
            match &kept {
                Some((first, known)) if *known != key => {
                    return Err(MasterKeySourceError::TwoKeys {
                        first: first.clone(),
                        second: path,
                    });
                }
                Some(_) => {}
                None => kept = Some((path, key)),
            }
        }
        let key = match (self.master_key, kept) {
            (Some(given), Some((path, key))) if given != key => {
                return Err(MasterKeySourceError::AnotherGiven { path });
            }
            // Whoever gives it keeps it.
            (Some(given), None) => {
                self.master_key = Some(given);
                return Ok(self);
            }
            (_, Some((_, key))) => key,
            (None, None) => MasterKey::generate(),
        };
        let known = directories.replicas.iter().map(|(_, replica)| replica);
        let replicas = known.chain(&directories.damaged).chain(&directories.vacant);
        for path in replicas.map(|replica| beside(replica)) {
            if !path.exists() {
                write(&path, &key).map_err(|source| MasterKeySourceError::Unusable {
                    path: path.clone(),
                    source,
                })?;
                tracing::info!(path = %path.display(), key = %key.id(), "the master key is kept here, too");
            }
        }
        self.master_key = Some(key);
        Ok(self)
    }
}

/// Where the key is kept in the directory that a disk or a replica is in.
fn beside(part: &Path) -> PathBuf {
    part.with_file_name(FILE)
}

fn read(path: &Path) -> Result<MasterKey, MasterKeySourceError> {
    let unusable = |source| MasterKeySourceError::Unusable {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(unusable)?.len() > LEN_MAX {
        return Err(MasterKeySourceError::File {
            path: path.to_owned(),
            reason: MasterKeyError,
        });
    }
    let text = fs::read_to_string(path).map_err(unusable)?;
    MasterKey::parse(&text).map_err(|reason| MasterKeySourceError::File {
        path: path.to_owned(),
        reason,
    })
}

/// Writes a key that only its owner may read: durable when it returns, and never half.
#[expect(
    clippy::disallowed_methods,
    reason = "followed by a sync of the directory"
)]
fn write(path: &Path, key: &MasterKey) -> io::Result<()> {
    let draft = path.with_file_name(DRAFT);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{}", key.to_text().expose())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let directory = path.parent().unwrap_or(path);
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secrets(
        config: &Config,
        variables: &[(&str, &str)],
    ) -> Result<Secrets, MasterKeySourceError> {
        let environment = Environment::from_pairs(variables);
        let root = environment.root_credentials().unwrap();
        Secrets::given(root, config, &environment)
    }

    fn of(
        paths: &[PathBuf],
        variables: &[(&str, &str)],
    ) -> Result<MasterKey, MasterKeySourceError> {
        let directories = Directories::prepare(paths).unwrap();
        let secrets = secrets(&Config::default(), variables)?;
        Ok(secrets.kept_in(&directories)?.master_key.unwrap())
    }

    #[test]
    fn a_key_is_given_by_a_variable_or_a_file_and_not_by_both() {
        let text = "0f".repeat(32);
        let root = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        assert_eq!(secrets(&config, &[]).unwrap().master_key, None);
        let variable = [("CAIRN_MASTER_KEY", &*text)];
        let key = MasterKey::parse(&text).unwrap();
        assert_eq!(
            secrets(&config, &variable).unwrap().master_key,
            Some(key.clone())
        );
        config.cluster.master_key_file = root.path().join("key");
        fs::write(root.path().join("key"), format!("{text}\n")).unwrap();
        assert_eq!(secrets(&config, &[]).unwrap().master_key, Some(key));
        assert!(matches!(
            secrets(&config, &variable),
            Err(MasterKeySourceError::Twice)
        ));
        fs::write(root.path().join("key"), "swordfish").unwrap();
        let refused = secrets(&config, &[]).unwrap_err().to_string();
        assert!(!refused.contains("swordfish"), "{refused}");
    }

    #[test]
    fn a_new_key_is_kept_beside_each_replica_and_outlives_a_directory() {
        let root = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (1..=4).map(|n| root.path().join(n.to_string())).collect();
        let key = of(&paths, &[]).unwrap();
        let kept = |path: &PathBuf| path.join(FILE).exists();
        assert_eq!(paths.iter().filter(|path| kept(path)).count(), 3);
        let first = paths.iter().find(|path| kept(path)).unwrap();
        let mode = fs::metadata(first.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(first).unwrap();
        assert_eq!(of(&paths, &[]).unwrap(), key);
        assert!(kept(first));
    }

    #[test]
    fn two_keys_are_none() {
        let root = tempfile::tempdir().unwrap();
        let paths = vec![root.path().join("a"), root.path().join("b")];
        of(&paths, &[]).unwrap();
        let other = [("CAIRN_MASTER_KEY", &*"0f".repeat(32))];
        assert!(matches!(
            of(&paths, &other),
            Err(MasterKeySourceError::AnotherGiven { .. })
        ));
        let free = paths.iter().find(|path| !path.join(FILE).exists()).unwrap();
        fs::write(free.join(FILE), "0f".repeat(32)).unwrap();
        assert!(matches!(
            of(&paths, &[]),
            Err(MasterKeySourceError::TwoKeys { .. })
        ));
    }
}
