//! Where the locked RocksDB and LZ4 lie in cargo's registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BuildError, PACKAGE};

/// What the build reads.
#[derive(Debug)]
pub(super) struct Sources {
    /// The unpacked `librocksdb-sys`; paths of sources are relative to it.
    pub(super) crate_dir: PathBuf,
    /// The folder of `lz4.h`.
    pub(super) lz4_include: PathBuf,
    /// Every C++ file of the library, relative to `crate_dir`.
    pub(super) files: Vec<String>,
}

/// The version of `librocksdb-sys` in the lock file.
pub(super) fn locked_version(workspace: &Path) -> Result<String, BuildError> {
    let path = workspace.join("Cargo.lock");
    let text = fs::read_to_string(&path)
        .map_err(|error| BuildError::Workspace(format!("{}: {error}", path.display())))?;
    let lock: toml::Table = text
        .parse()
        .map_err(|error| BuildError::Workspace(format!("{}: {error}", path.display())))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let package = packages
        .into_iter()
        .flatten()
        .find(|package| field(package, "name") == Some(PACKAGE));
    package
        .and_then(|package| field(package, "version"))
        .map(str::to_owned)
        .ok_or(BuildError::NotLocked)
}

fn field<'a>(package: &'a toml::Value, name: &str) -> Option<&'a str> {
    package.get(name).and_then(toml::Value::as_str)
}

impl Sources {
    /// Asks cargo, which downloads what is missing.
    pub(super) fn locate(workspace: &Path, version: &str) -> Result<Self, BuildError> {
        let metadata = metadata(workspace)?;
        let crate_dir = package_dir(&metadata, PACKAGE, Some(version))?;
        let lz4_include = package_dir(&metadata, "lz4-sys", None)?.join("liblz4/lib");
        let list = crate_dir.join("rocksdb_lib_sources.txt");
        let text = fs::read_to_string(&list)
            .map_err(|error| BuildError::Workspace(format!("{}: {error}", list.display())))?;
        Ok(Self {
            files: library_files(&text),
            crate_dir,
            lz4_include,
        })
    }
}

/// The list of the crate's build script, with the crate's own file in place of the generated one.
fn library_files(list: &str) -> Vec<String> {
    let listed = list
        .split_whitespace()
        .filter(|file| *file != "util/build_version.cc");
    listed
        .map(|file| format!("rocksdb/{file}"))
        .chain(["build_version.cc".to_owned()])
        .collect()
}

fn metadata(workspace: &Path) -> Result<serde_json::Value, BuildError> {
    let output = Command::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(workspace)
        .output()
        .map_err(|source| BuildError::NoTool {
            program: "cargo".to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(BuildError::Workspace(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| BuildError::Workspace(format!("cargo metadata: {error}")))
}

/// The folder of a package's manifest.
fn package_dir(
    metadata: &serde_json::Value,
    name: &str,
    version: Option<&str>,
) -> Result<PathBuf, BuildError> {
    let text =
        |package: &serde_json::Value, field: &str| package.get(field)?.as_str().map(str::to_owned);
    let packages = metadata
        .get("packages")
        .and_then(serde_json::Value::as_array);
    let package = packages.into_iter().flatten().find(|package| {
        text(package, "name").as_deref() == Some(name)
            && (version.is_none() || text(package, "version").as_deref() == version)
    });
    let manifest = package
        .and_then(|package| text(package, "manifest_path"))
        .map(PathBuf::from);
    manifest
        .and_then(|path| path.parent().map(Path::to_owned))
        .ok_or_else(|| BuildError::Workspace(format!("cargo metadata names no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_from_the_lock_file() {
        let root = tempfile::tempdir().unwrap();
        let lock = "[[package]]\nname = \"a\"\nversion = \"9.9.9\"\n[[package]]\nname = \"librocksdb-sys\"\nversion = \"0.1.0+2\"\n";
        fs::write(root.path().join("Cargo.lock"), lock).unwrap();

        assert_eq!(locked_version(root.path()).unwrap(), "0.1.0+2");
    }

    #[test]
    fn a_workspace_without_rocksdb_leaves_the_stock_build_and_one_without_lock_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        assert!(
            !locked_version(root.path())
                .unwrap_err()
                .leaves_the_stock_build()
        );

        fs::write(root.path().join("Cargo.lock"), "version = 4\n").unwrap();
        assert!(matches!(
            locked_version(root.path()),
            Err(BuildError::NotLocked)
        ));
    }

    #[test]
    fn packages_are_found_by_name_and_version() {
        let metadata = serde_json::json!({"packages": [
            {"name": "lib", "version": "1.0.0", "manifest_path": "/one/Cargo.toml"},
            {"name": "lib", "version": "2.0.0", "manifest_path": "/two/Cargo.toml"},
        ]});

        assert_eq!(
            package_dir(&metadata, "lib", Some("2.0.0")).unwrap(),
            Path::new("/two")
        );
        assert!(package_dir(&metadata, "lib", Some("3.0.0")).is_err());
        assert!(package_dir(&metadata, "other", None).is_err());
    }

    #[test]
    fn the_version_file_is_the_crates_own() {
        assert_eq!(
            library_files("db/a.cc\nutil/build_version.cc\n"),
            ["rocksdb/db/a.cc", "build_version.cc"]
        );
    }
}
