//! A cluster under a scratch directory: started, hurt and watched.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cairn_dev_tests::client::S3;
use cairn_dev_tests::metrics::Scrape;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{binary, complains};
use cairn_dev_tests::wait;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::description::{Description, Process, Role};
use crate::janitor::Janitor;
use crate::status::Status;

/// Recovery of a whole cluster on a busy machine of two cores is slow at times.
const PATIENCE: Duration = Duration::from_mins(1);
/// A killed process is gone within this, or the machine is sick.
const DEATH: Duration = Duration::from_secs(10);
/// Lines of a log that are shown when a test fails.
const TAIL_LINES: usize = 15;

/// A cluster. Dropping one that was started here kills all its processes and removes its directory; when the test has failed, it
/// first shows the ends of the logs. There is one at a time in a process: a machine of two cores carries no second one.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    environment: Vec<(String, String)>,
    // `None` for a cluster of somebody else.
    own: Option<Own>,
}

/// What a cluster has that was started here. Dropped in this order: the processes, their directories, the turn.
#[derive(Debug)]
struct Own {
    _janitor: Janitor,
    _scratch: Scratch,
    _turn: MutexGuard<'static, ()>,
}

/// What the script of the cluster answered.
#[derive(Debug, thiserror::Error)]
#[error("cluster {command}: {said}")]
pub struct ScriptError {
    /// The command and its arguments.
    pub command: String,
    /// What it wrote to standard error.
    pub said: String,
}

/// A strike and a start right after it.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// From the kill to the start of the new process.
    pub gap: Duration,
}

impl Cluster {
    /// Starts a cluster with arguments for `up`, and returns when it can write.
    ///
    /// # Panics
    /// When it does not come up, with what the script said.
    pub fn up(label: &str, arguments: &[&str]) -> Self {
        Self::up_with(label, arguments, |_| Vec::new())
    }

    /// As [`Cluster::up`], with variables for the script that are made when its scratch directory is known.
    ///
    /// # Panics
    /// As [`Cluster::up`].
    pub fn up_with(
        label: &str,
        arguments: &[&str],
        environment: impl FnOnce(&Path) -> Vec<(String, String)>,
    ) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        // A test that failed in its turn leaves nothing behind that the next could mind.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = Scratch::new(label);
        let directory = scratch.path().join("cluster");
        let cluster = Self {
            environment: environment(scratch.path()),
            directory: directory.clone(),
            own: Some(Own {
                _janitor: Janitor::over(&directory),
                _scratch: scratch,
                _turn: turn,
            }),
        };
        let begun = Instant::now();
        cluster.run(&[&["up"], arguments].concat());
        println!("{label}: up after {:.1?}", begun.elapsed());
        cluster
    }

    /// A cluster that somebody else has started under this directory, and ends.
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            environment: Vec::new(),
            own: None,
        }
    }

    /// Where everything of it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its `cluster.json`.
    pub fn file(&self) -> PathBuf {
        self.directory.join("cluster.json")
    }

    /// What `cluster.json` says now.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn description(&self) -> Description {
        Description::read(&self.file()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A client for each gateway.
    pub fn clients(&self) -> Vec<S3> {
        self.description().clients()
    }

    /// Calls the script, and gives what it printed.
    ///
    /// # Errors
    /// What it says when it fails.
    pub fn try_run(&self, arguments: &[&str]) -> Result<String, ScriptError> {
        let output = self.script(arguments).output().expect("start the script");
        said(&output).map_err(|said| ScriptError {
            command: arguments.join(" "),
            said,
        })
    }

    /// As [`Cluster::try_run`], where failing is a fault.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Calls the script with a command and names of processes, and asserts that they run afterwards, or that they do not.
    ///
    /// # Panics
    /// When the script fails or does not do what it says.
    pub fn signal<Name: AsRef<str>>(&self, command: &str, names: &[Name]) {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.run(&[&[command], names.as_slice()].concat());
        let description = self.description();
        for name in names {
            let runs = description.process(name).pid.is_some();
            assert_eq!(runs, command == "start", "{name} after {command}");
        }
    }

    /// Kills processes at once, without the script: it takes a tenth of a second to start. `cluster.json` learns of it with the
    /// next call of the script.
    ///
    /// # Panics
    /// When one of them does not run, or does not die.
    pub fn strike<Name: AsRef<str>>(&self, names: &[Name]) {
        let description = self.description();
        let pids: Vec<Pid> = names
            .iter()
            .map(|name| running(description.process(name.as_ref())))
            .collect();
        for pid in &pids {
            kill_process(*pid, Signal::KILL).expect("kill a process that runs");
        }
        for pid in pids {
            assert!(wait::until(DEATH, || is_dead(pid)), "{pid:?} does not die");
        }
    }

    /// Kills a process, and starts it again after about `pause`. The script that starts it is already waiting for its turn when
    /// the process is killed.
    ///
    /// # Panics
    /// When the process does not run, or the script fails.
    pub fn strike_and_start(&self, name: &str, pause: Duration) -> Restart {
        let lock = self.lock();
        let mut starter = self.script(&["start", name]);
        let starter = starter.stdout(Stdio::piped()).stderr(Stdio::piped());
        let starter = starter.spawn().expect("start the script");
        let waits = || waits_for_lock(starter.id());
        assert!(wait::until(DEATH, waits), "the script does not wait");

        let struck = boot_millis();
        let struck_at = Instant::now();
        self.strike(&[name]);
        thread::sleep(pause.saturating_sub(struck_at.elapsed()));
        drop(lock);
        let output = starter.wait_with_output().expect("wait for the script");
        if let Err(error) = said(&output) {
            panic!("cluster start {name}: {error}");
        }
        let pid = running(self.description().process(name));
        let born = start_millis(pid).expect("a process that was just started");
        Restart {
            gap: Duration::from_millis(born.saturating_sub(struck)),
        }
    }

    /// The state of the cluster as `cairn admin status` says it; `None` where it cannot say.
    pub fn try_status(&self) -> Option<Status> {
        let output = self.admin(&["status", "--json"]);
        // It ends with a code of its own where something is wrong with the cluster, which is what tests do to it.
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until the state of the cluster is as a test wants it, and gives it.
    ///
    /// # Panics
    /// When it is not within a minute, with the last state.
    #[track_caller]
    pub fn await_status(&self, what: &str, mut holds: impl FnMut(&Status) -> bool) -> Status {
        let mut last = None;
        let found = wait::poll(PATIENCE, || {
            let status = self.try_status()?;
            if holds(&status) {
                return Some(status);
            }
            last = Some(status);
            None
        });
        found
            .unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}; the last state: {last:#?}"))
    }

    /// The state when every group has a leader.
    ///
    /// # Panics
    /// When one has none for a minute.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.await_status("every group has a leader", Status::is_led)
    }

    /// Calls `cairn admin` for this cluster.
    ///
    /// # Panics
    /// When there is no binary.
    pub fn admin(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary().unwrap_or_else(|error| panic!("{error}")));
        command.arg("admin").arg("--cluster").arg(self.file());
        command.args(arguments).stdin(Stdio::null());
        command.output().expect("start the binary")
    }

    /// As [`Cluster::admin`], where failing is a fault; gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn administer(&self, arguments: &[&str]) -> String {
        said(&self.admin(arguments)).unwrap_or_else(|said| panic!("admin {arguments:?}: {said}"))
    }

    /// Waits until all gateways that run say that the cluster can write.
    ///
    /// # Panics
    /// When one does not within a minute.
    pub fn await_writable(&self) {
        let description = self.description();
        let gateways = description.of_role(Role::Gateway);
        for gateway in gateways.filter(|gateway| gateway.pid.is_some()) {
            let mut last = None;
            let writes = wait::until(PATIENCE, || {
                last = gateway.health("/-/writable");
                matches!(last, Some((200, _)))
            });
            assert!(writes, "{} cannot write: {last:?}", gateway.name);
        }
    }

    /// The metrics of each process of a role that gives them.
    pub fn scrapes(&self, role: Role) -> Vec<(String, Scrape)> {
        let description = self.description();
        description
            .of_role(role)
            .filter_map(|process| Some((process.name.clone(), process.scrape()?)))
            .collect()
    }

    /// A counter summed over all processes of a role.
    pub fn counted(&self, role: Role, name: &str, labels: &[(&str, &str)]) -> u64 {
        let scrapes = self.scrapes(role);
        scrapes
            .iter()
            .map(|(_, scrape)| scrape.count(name, labels))
            .sum()
    }

    /// Lines of all logs which report a panic or an error, but those that contain one of `expected`.
    pub fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, log) in self.logs() {
            let lines = log.lines().filter(|line| complains(line));
            let unexpected =
                lines.filter(|line| !expected.iter().any(|known| line.contains(known)));
            complaints.extend(unexpected.map(|line| format!("{name}: {line}")));
        }
        complaints
    }

    /// Ends a test: nothing in the logs that nobody expected.
    ///
    /// # Panics
    /// When there is.
    #[track_caller]
    pub fn finish(self, expected: &[&str]) {
        assert_eq!(self.complaints(expected), Vec::<String>::new());
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(script_path());
        command
            .arg("--dir")
            .arg(&self.directory)
            .args(arguments)
            .envs(self.environment.iter().cloned())
            .env(
                "CAIRN_BIN",
                binary().unwrap_or_else(|error| panic!("{error}")),
            )
            .stdin(Stdio::null());
        command
    }

    /// Keeps the script waiting for as long as the file is open.
    fn lock(&self) -> File {
        let path = self.directory.join(".lock");
        let file = OpenOptions::new().write(true).open(path);
        let file = file.expect("open the lock of the script");
        flock(&file, FlockOperation::LockExclusive).expect("take the lock of the script");
        file
    }

    fn logs(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.directory.join("logs"))
            .into_iter()
            .flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let read = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read(path).unwrap_or_default();
            (
                name.into_owned(),
                String::from_utf8_lossy(&text).into_owned(),
            )
        };
        paths.iter().map(read).collect()
    }

    fn show_logs(&self) {
        for (name, log) in self.logs() {
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(TAIL_LINES);
            println!("--- {name}, {} lines", lines.len());
            for (number, line) in lines.iter().enumerate() {
                if number >= from || complains(line) {
                    println!("{line}");
                }
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.own.is_some() && thread::panicking() {
            self.show_logs();
        }
    }
}

fn script_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/cluster")
}

/// Standard output of a command that succeeded, standard error of one that did not.
fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{}: {}", output.status, text(&output.stderr)))
}

fn running(process: &Process) -> Pid {
    let pid = process.pid.and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(Pid::from_raw);
    pid.unwrap_or_else(|| panic!("{} does not run", process.name))
}

/// Whether a process is gone, or only waits for whoever inherits it to take notice. Its first thread may be gone before the
/// others, and with these its sockets.
fn is_dead(pid: Pid) -> bool {
    stat(pid).is_none_or(|fields| {
        let threads = fields.get(17).and_then(|count| count.parse::<u64>().ok());
        fields.first().is_some_and(|state| state == "Z") && threads.is_none_or(|count| count <= 1)
    })
}

/// When a process was started, in milliseconds since the machine was.
fn start_millis(pid: Pid) -> Option<u64> {
    // The 22nd field of all, and `stat` begins with the third. The kernel counts in hundredths for everybody.
    let ticks: u64 = stat(pid)?.get(19)?.parse().ok()?;
    Some(ticks * 10)
}

/// The fields of `/proc/PID/stat` behind the name, which may itself contain anything.
fn stat(pid: Pid) -> Option<Vec<String>> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Now, in milliseconds since the machine was started.
fn boot_millis() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().unwrap_or_default();
    // Seconds with two digits behind the point.
    let digits: String = seconds.chars().filter(char::is_ascii_digit).collect();
    digits
        .parse::<u64>()
        .map_or(0, |hundredths| hundredths * 10)
}

/// Whether a process waits for a lock that another one has.
fn waits_for_lock(pid: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = pid.to_string();
    let mut waiting = locks.lines().filter(|line| line.contains("-> FLOCK"));
    waiting.any(|line| line.split_whitespace().any(|word| word == pid))
}
