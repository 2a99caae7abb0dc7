//! Other programs that a test runs: with a deadline, and never left behind.

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::server::keeper_spawn;
use crate::wait;

/// What became of a program.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub said: String,
    /// What it wrote to standard error.
    pub complained: String,
}

/// Runs a program to its end; `configure` gives it its arguments and environment. It gets no input. Blocks the thread.
///
/// # Panics
/// When it cannot be started, or has not ended by the deadline; it is killed then.
pub fn run(program: &Path, configure: impl FnOnce(&mut Command), deadline: Duration) -> Ran {
    // As for servers: the kernel kills it when this process dies.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    configure(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = keeper_spawn(command)
        .unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
    let said = thread::spawn(text_of(child.stdout.take()));
    let complained = thread::spawn(text_of(child.stderr.take()));
    let status = wait::poll(deadline, || child.try_wait().ok().flatten());
    if status.is_none() {
        // It may have ended at this moment; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    let (said, complained) = (text(said), text(complained));
    let status = status.unwrap_or_else(|| {
        panic!(
            "{} has not ended after {deadline:?}; it said:\n{said}\n{complained}",
            program.display()
        )
    });
    Ran {
        status,
        said,
        complained,
    }
}

/// Reads a pipe to its end.
fn text_of(pipe: Option<impl Read>) -> impl FnOnce() -> String {
    move || {
        let mut bytes = Vec::new();
        // What could be read says enough.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_run_to_its_end() {
        let arguments = |command: &mut Command| {
            command.args(["-c", "echo said; echo complained >&2; exit 3"]);
        };
        let ran = run(Path::new("sh"), arguments, Duration::from_secs(10));
        assert_eq!(ran.status.code(), Some(3));
        assert_eq!(
            (ran.said.as_str(), ran.complained.as_str()),
            ("said\n", "complained\n")
        );
    }

    #[test]
    #[should_panic(expected = "has not ended")]
    fn a_program_that_hangs_is_killed() {
        let arguments = |command: &mut Command| {
            command.arg("600");
        };
        run(Path::new("sleep"), arguments, Duration::from_millis(200));
    }
}
