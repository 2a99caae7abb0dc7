//! `xtask rocksdb`: builds RocksDB's archive once, outside any target directory.
//!
//! The build script of `librocksdb-sys` compiles some 350 C++ files one by one, about 40 CPU-minutes, again for every
//! target directory. Many sources in one translation unit share their headers: the same sources in a dozen units cost
//! about 7 CPU-minutes, and the archive is kept per version. `ROCKSDB_LIB_DIR` and `ROCKSDB_STATIC=1` make the build
//! script link it. Without the archive the stock build still works, so every error here but a broken tree is a detour,
//! not an end.

mod sources;
mod unity;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sources::Sources;
pub use unity::Toolchain;

/// The package whose build script links the archive.
const PACKAGE: &str = "librocksdb-sys";
/// The file the linker looks for.
const ARCHIVE: &str = "librocksdb.a";

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The flags are known for Linux on x86-64 alone.
    #[error("the unity build of RocksDB knows Linux on x86-64 only")]
    Platform,
    /// A tool could not be started.
    #[error("{program} cannot be started")]
    NoTool {
        /// As it was called.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A single source does not compile, or the archiver refused.
    #[error("{program} failed on {subject}:\n{output}")]
    Compile {
        /// As it was called.
        program: String,
        /// The source or archive.
        subject: String,
        /// The end of what it printed.
        output: String,
    },
    /// No crate of the workspace depends on RocksDB.
    #[error("the lock file names no librocksdb-sys")]
    NotLocked,
    /// `cargo metadata` failed, or said something unknown.
    #[error("read the workspace: {0}")]
    Workspace(String),
    /// The cache directory cannot be used.
    #[error("{action} {}", path.display())]
    Cache {
        /// In the present tense.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BuildError {
    /// Whether the crate's own build may still succeed where this one did not.
    pub fn leaves_the_stock_build(&self) -> bool {
        match self {
            Self::Platform | Self::NoTool { .. } | Self::Compile { .. } | Self::NotLocked => true,
            Self::Workspace(_) | Self::Cache { .. } => false,
        }
    }
}

/// Returns the archive of the locked RocksDB, `<cache>/rocksdb/librocksdb-sys-<version>/librocksdb.a`, and builds it
/// first when it is not there.
///
/// `workspace` is the folder of the lock file. `progress` gets a line now and then, from any thread.
///
/// Cost: nothing to speak of when the archive exists; else minutes on all cores, with up to 1 GiB of memory per core.
/// Blocking. The archive appears whole or not at all, so that two builds at once do no harm.
///
/// # Errors
/// [`BuildError`]; ask it [`leaves_the_stock_build`](BuildError::leaves_the_stock_build).
pub fn archive(
    workspace: &Path,
    cache: &Path,
    toolchain: &Toolchain,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, BuildError> {
    let version = sources::locked_version(workspace)?;
    let directory = cache.join("rocksdb").join(format!("{PACKAGE}-{version}"));
    let archive = directory.join(ARCHIVE);
    if archive.is_file() {
        return Ok(archive);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(BuildError::Platform);
    }
    toolchain.check()?;
    let sources = Sources::locate(workspace, &version)?;
    progress(&format!(
        "building {} for the cache, once",
        archive.display()
    ));
    build_into(&directory, &sources, toolchain, progress)?;
    Ok(archive)
}

/// Builds beside the final directory and renames at the end.
fn build_into(
    directory: &Path,
    sources: &Sources,
    toolchain: &Toolchain,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), BuildError> {
    let scratch = directory.with_file_name(format!("building-{}", std::process::id()));
    let finished = scratch.join("finished");
    create(&finished)?;
    let built = unity::build(
        sources,
        &scratch,
        &finished.join(ARCHIVE),
        toolchain,
        progress,
    )
    .and_then(|()| publish(&finished, directory));
    // What is left are object files: of use to nobody, and their loss is no failure.
    fs::remove_dir_all(&scratch).ok();
    built
}

fn create(directory: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(directory).map_err(|source| cache_error("create", directory, source))
}

/// Makes a finished directory the one that builds look into, on stable media first: a torn archive would be trusted
/// for ever. Another process that was faster has built the same thing.
#[expect(
    clippy::disallowed_methods,
    reason = "a cache entry that is lost in a crash is built again"
)]
fn publish(finished: &Path, directory: &Path) -> Result<(), BuildError> {
    let archive = finished.join(ARCHIVE);
    fs::File::open(&archive)
        .and_then(|file| file.sync_all())
        .map_err(|source| cache_error("sync", &archive, source))?;
    match fs::rename(finished, directory) {
        Err(_) if directory.join(ARCHIVE).is_file() => Ok(()),
        Err(source) => Err(cache_error("rename to", directory, source)),
        Ok(()) => Ok(()),
    }
}

fn cache_error(action: &'static str, path: &Path, source: io::Error) -> BuildError {
    BuildError::Cache {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"librocksdb-sys\"\nversion = \"1.2.3\"\n";

    fn no_toolchain() -> Toolchain {
        Toolchain {
            compiler: vec!["no-such-compiler".to_owned()],
            archiver: vec!["no-such-archiver".to_owned()],
        }
    }

    #[test]
    fn an_archive_in_the_cache_is_returned_without_any_tool() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("rocksdb/librocksdb-sys-1.2.3");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(ARCHIVE), "archive").unwrap();
        fs::write(root.path().join("Cargo.lock"), LOCK).unwrap();

        let found = archive(root.path(), root.path(), &no_toolchain(), &|_| {}).unwrap();

        assert_eq!(found, directory.join(ARCHIVE));
    }

    #[test]
    fn a_missing_compiler_leaves_the_stock_build() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("Cargo.lock"), LOCK).unwrap();

        let error = archive(root.path(), root.path(), &no_toolchain(), &|_| {}).unwrap_err();

        assert!(
            matches!(error, BuildError::NoTool { .. } | BuildError::Platform),
            "{error}"
        );
        assert!(error.leaves_the_stock_build());
    }

    #[test]
    fn a_build_that_was_overtaken_takes_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        let (finished, directory) = (root.path().join("finished"), root.path().join("final"));
        for path in [&finished, &directory] {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join(ARCHIVE), path.to_str().unwrap()).unwrap();
        }

        publish(&finished, &directory).unwrap();

        assert_eq!(
            fs::read_to_string(directory.join(ARCHIVE)).unwrap(),
            directory.to_str().unwrap()
        );
    }
}
