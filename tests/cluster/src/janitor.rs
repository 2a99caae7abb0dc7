//! Whoever cleans up behind a cluster, also when the test process is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use std::os::unix::process::CommandExt as _;

const SCRIPT: &str = include_str!("janitor.py");

/// Kills all processes of a cluster when it is dropped, or when this process is gone.
#[derive(Debug)]
pub(crate) struct Janitor {
    child: Child,
}

impl Janitor {
    /// Sets a janitor over the cluster under `directory`, which is absolute and need not be there yet.
    ///
    /// # Panics
    /// When there is no `python3`, which the cluster's script needs as well.
    pub(crate) fn over(directory: &Path) -> Self {
        let child = Command::new("python3")
            .args(["-c", SCRIPT])
            .env("CLUSTER_DIRECTORY", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A group of its own: an interrupt from the terminal ends the tests, not their janitor.
            .process_group(0)
            .spawn()
            .expect("start python3");
        Self { child }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It fails only when it has ended already, and then has nothing left to do.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_under_the_directory_dies_with_its_janitor_and_a_neighbour_stays() {
        let directory = std::env::temp_dir().join(format!("janitor-{}", std::process::id()));
        let neighbour = directory.with_extension("other");
        let start = |path: &Path| {
            let mut sleeper = Command::new("sh");
            let sleeper = sleeper
                .args(["-c", "sleep 60; true"])
                .arg(path.join("config"));
            sleeper.process_group(0).spawn().unwrap()
        };
        let (mut inside, mut outside) = (start(&directory), start(&neighbour));
        drop(Janitor::over(&directory));
        assert!(!inside.wait().unwrap().success());
        assert!(outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}
