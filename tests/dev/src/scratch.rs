//! Directories that are gone when the test process is, however it ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use std::os::unix::process::CommandExt as _;
use tempfile::TempDir;

/// A directory of its own for one test, removed when dropped.
///
/// It lies beside the built binaries and not in `/tmp`, which may be memory: tests of durability want a real disk.
/// `CAIRN_TEST_SCRATCH` names another place; with `CAIRN_TEST_KEEP` set, everything stays.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// Makes an empty directory.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(label: &str) -> Self {
        let mut directory = tempfile::Builder::new()
            .prefix(&format!("{label}-"))
            .tempdir_in(root())
            .expect("make a scratch directory");
        directory.disable_cleanup(keeps());
        Self { directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// `count` paths in it for disks, not yet made.
    pub fn disks(&self, count: usize) -> Vec<PathBuf> {
        (1..=count)
            .map(|number| self.path().join(format!("disk{number}")))
            .collect()
    }
}

/// The directory where cargo puts binaries: that of this executable, or its parent for a test executable under `deps`.
///
/// # Panics
/// When this process does not know its own executable.
pub fn binaries() -> PathBuf {
    let executable = std::env::current_exe().expect("know the own executable");
    let directory = executable
        .parent()
        .expect("an executable is in a directory");
    if directory.ends_with("deps") {
        let parent = directory.parent().expect("deps is in a directory");
        return parent.to_path_buf();
    }
    directory.to_path_buf()
}

struct Root {
    path: PathBuf,
    // Holds the pipe whose end tells the janitor that this process is gone.
    _janitor: Option<Child>,
}

fn root() -> &'static Path {
    static ROOT: OnceLock<Root> = OnceLock::new();
    &ROOT.get_or_init(make_root).path
}

fn make_root() -> Root {
    let base = std::env::var_os("CAIRN_TEST_SCRATCH")
        .map_or_else(|| binaries().join("scratch"), PathBuf::from);
    let path = base.join(format!("cairn-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("make the scratch root");
    // Servers name their directories without symbolic links.
    let path = path.canonicalize().expect("resolve the scratch root");
    let janitor = (!keeps()).then(|| start_janitor(&path));
    Root {
        path,
        _janitor: janitor,
    }
}

/// A shell that waits for the end of its input, which is the end of this process, and then removes the directory.
///
/// Statics are never dropped and a killed process drops nothing, so somebody else has to do it. It tries again for a while,
/// because a server that dies at the same moment may still be writing.
fn start_janitor(path: &Path) -> Child {
    let script = "cat >/dev/null; tries=0; \
                  until rm -rf -- \"$1\" 2>/dev/null || [ $tries -ge 100 ]; do tries=$((tries+1)); sleep 0.1; done";
    Command::new("sh")
        .args(["-c", script, "janitor"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A group of its own: an interrupt from the terminal ends the tests, not their janitor.
        .process_group(0)
        .spawn()
        .expect("start a shell")
}

fn keeps() -> bool {
    std::env::var_os("CAIRN_TEST_KEEP").is_some()
}
