//! `cairn dev` as a process: started, watched until it is ready, stopped in every way, and never left behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::S3;
use crate::metrics::Scrape;
use crate::scratch::{Scratch, binaries};
use crate::sign::Signer;
use crate::{ports, tool, wait, wire};

/// Access key of every server that tests start.
pub const ACCESS_KEY: &str = "CAIRNTESTACCESSKEY01";
/// Its secret.
pub const SECRET_KEY: &str = "only-for-tests-4f1d8e0b7a2c";
/// Region that requests are signed for.
pub const REGION: &str = "us-east-1";

/// Recovery of a killed server on a busy machine of two cores is slow at times; a healthy start takes well below a second.
const READY_DEADLINE: Duration = Duration::from_mins(1);
const STEP_PATIENCE: Duration = Duration::from_secs(2);

/// What a server is started with. Its ports stay the same over restarts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directories, one disk each.
    pub disks: Vec<PathBuf>,
    /// Environment beside the credentials. Other `CAIRN_…` variables of this process are not passed on.
    pub environment: Vec<(String, String)>,
    /// Arguments after those for directories and addresses.
    pub arguments: Vec<String>,
    /// Where S3 is served.
    pub s3: SocketAddr,
    /// Where the console, metrics and readiness are served.
    pub console: SocketAddr,
    /// Working directory, and the place of `stdout.log` and `stderr.log`.
    pub home: PathBuf,
    /// A command that ends by executing its arguments, such as `prlimit --as=…`; may be empty.
    pub prefix: Vec<String>,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    options: Options,
    started: Instant,
}

/// A server that did not become ready.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no binary to start.
    #[error(
        "no server binary at {0}: build it (cargo build --release -p cairn-server) or set CAIRN_BIN"
    )]
    NoBinary(PathBuf),
    /// The process could not be started.
    #[error("start the server through setpriv: {0}")]
    Spawn(#[source] io::Error),
    /// It ended before it was ready.
    #[error("the server ended with {status} before it was ready; it said:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        log: String,
    },
    /// It runs and is not ready.
    #[error("the server was not ready after {READY_DEADLINE:?}; it said:\n{log}")]
    NotReady {
        /// The end of what it said.
        log: String,
    },
}

/// A process that ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Options {
    /// Options for a server on these directories, on free ports, with its home in `scratch`.
    ///
    /// # Panics
    /// When the home cannot be made.
    pub fn new(scratch: &Scratch, disks: Vec<PathBuf>) -> Self {
        let home = scratch.path().join("home");
        fs::create_dir_all(&home).expect("make the server's home");
        Self {
            disks,
            environment: Vec::new(),
            arguments: Vec::new(),
            s3: ports::free(),
            console: ports::free(),
            home,
            prefix: Vec::new(),
        }
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    fn command(&self, binary: &Path) -> io::Result<Command> {
        // `setpriv` asks the kernel to kill the server when its parent dies, and becomes the server: the process id is the same.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(&self.prefix)
            .arg(binary)
            .arg("dev")
            .args(&self.disks)
            .args(["--address", &self.s3.to_string()])
            .args(["--console-address", &self.console.to_string()])
            .args(&self.arguments)
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(append(&self.home.join("stdout.log"))?)
            .stderr(append(&self.home.join("stderr.log"))?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CAIRN_") {
                command.env_remove(name);
            }
        }
        command
            .env("CAIRN_ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("CAIRN_ROOT_SECRET_KEY", SECRET_KEY)
            .envs(self.environment.iter().cloned());
        Ok(command)
    }
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready, with what it said. See [`Server::try_start`].
    pub fn start(options: &Options) -> Self {
        Self::try_start(options).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a server and waits up to 60 seconds until it is ready. Blocks the thread.
    ///
    /// # Errors
    /// When there is no binary, or the server ends or is not ready in time; nothing is left running then.
    pub fn try_start(options: &Options) -> Result<Self, StartError> {
        let mut server = Self::spawn(options)?;
        let ready = wait::poll(READY_DEADLINE, || {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Some(Err(status));
            }
            server.is_ready().then_some(Ok(()))
        });
        match ready {
            Some(Ok(())) => Ok(server),
            Some(Err(status)) => Err(StartError::Ended {
                status,
                log: server.log_end(),
            }),
            None => Err(StartError::NotReady {
                log: server.log_end(),
            }),
        }
    }

    /// Starts a server without waiting for anything.
    ///
    /// # Errors
    /// When there is no binary or no `setpriv`.
    pub fn spawn(options: &Options) -> Result<Self, StartError> {
        let binary = binary()?;
        let command = options.command(&binary).map_err(StartError::Spawn)?;
        let started = Instant::now();
        let child = keeper_spawn(command).map_err(StartError::Spawn)?;
        Ok(Self {
            child,
            options: options.clone(),
            started,
        })
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// When its process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A signer with its root credentials.
    pub fn signer(&self) -> Signer {
        signer()
    }

    /// A client with its root credentials.
    pub fn client(&self) -> S3 {
        S3::new(self.options.s3.to_string(), signer())
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        wire::fetch(self.options.console, "/-/ready", STEP_PATIENCE)
            .is_ok_and(|answer| answer.status == 200)
    }

    /// Its metrics now.
    ///
    /// # Panics
    /// When it does not give them.
    pub fn scrape(&self) -> Scrape {
        self.try_scrape().expect("fetch the metrics")
    }

    /// Its metrics now; `None` when it does not give them, as when it is gone.
    pub fn try_scrape(&self) -> Option<Scrape> {
        let patience = STEP_PATIENCE * 5;
        let answer = wire::fetch(self.options.console, "/metrics", patience).ok()?;
        (answer.status == 200).then(|| Scrape::parse(&answer.text()))
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When the kernel knows no such process.
    pub fn kill(mut self) {
        self.child.kill().expect("kill the server");
        self.child.wait().expect("wait for the server");
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn request_end(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("signal the server");
    }

    /// Asks it to end and waits until it did.
    ///
    /// # Panics
    /// When it has not ended by the deadline.
    pub fn terminate(self, deadline: Duration) -> ExitStatus {
        self.request_end();
        self.wait(deadline)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not by the deadline, with what it said.
    pub fn wait(mut self, deadline: Duration) -> ExitStatus {
        let ended = wait::poll(deadline, || self.child.try_wait().ok().flatten());
        ended.unwrap_or_else(|| {
            let log = self.log_end();
            panic!("the server has not ended after {deadline:?}; it said:\n{log}")
        })
    }

    /// What `cairn admin status --json` says.
    ///
    /// # Panics
    /// When it does not end soon, or says nothing.
    pub fn admin_status(&self) -> String {
        let ran = self.admin(&["status", "--json"]);
        assert!(!ran.said.is_empty(), "{}", ran.complained);
        ran.said
    }

    /// What becomes of `cairn admin` with these arguments, asked of this server with its root keys.
    ///
    /// # Panics
    /// When it does not end soon.
    pub fn admin(&self, arguments: &[&str]) -> tool::Ran {
        let console = self.options.console.to_string();
        let configure = |command: &mut Command| {
            command
                .arg("admin")
                .args(arguments)
                .args(["--console-address", &console])
                .env("CAIRN_ROOT_ACCESS_KEY", ACCESS_KEY)
                .env("CAIRN_ROOT_SECRET_KEY", SECRET_KEY);
        };
        let program = binary().expect("it was started");
        tool::run(&program, configure, STEP_PATIENCE * 10)
    }

    /// Lines of its log, over all its starts, which report a panic or an error.
    pub fn complaints(&self) -> Vec<String> {
        self.log()
            .lines()
            .filter(|line| complains(line))
            .map(str::to_owned)
            .collect()
    }

    /// All that it wrote to both its outputs, over all its starts.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read(self.options.home.join(name)).unwrap_or_default();
        let joined = [read("stdout.log"), read("stderr.log")].concat();
        String::from_utf8_lossy(&joined).into_owned()
    }

    /// The last lines of what it wrote to both its outputs: what a failed assertion shows.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(40);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signer with the credentials of every server that tests start.
pub fn signer() -> Signer {
    Signer {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        region: REGION.to_owned(),
    }
}

/// The server's binary: `CAIRN_BIN`, or `cairn` beside the other binaries that cargo built.
///
/// # Errors
/// When there is no such file.
pub fn binary() -> Result<PathBuf, StartError> {
    let path =
        std::env::var_os("CAIRN_BIN").map_or_else(|| binaries().join("cairn"), PathBuf::from);
    // Absolute, because the server starts in a directory of its own.
    match path.canonicalize() {
        Ok(found) if found.is_file() => Ok(found),
        _ => Err(StartError::NoBinary(path)),
    }
}

/// Starts a server that is expected to end by itself, and gives how it did.
///
/// # Errors
/// When it cannot be started at all.
///
/// # Panics
/// When it has not ended by the deadline.
pub fn run_to_end(options: &Options, deadline: Duration) -> Result<Ended, StartError> {
    let server = Server::spawn(options)?;
    let stderr = options.home.join("stderr.log");
    let status = server.wait(deadline);
    let said = fs::read(stderr).unwrap_or_default();
    Ok(Ended {
        status,
        stderr: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// Whether a line of a log reports a panic or an error.
pub fn complains(line: &str) -> bool {
    line.contains("panicked at") || line.contains(" ERROR ") || line.contains("\"level\":\"ERROR\"")
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// Spawns from a thread that lives as long as this process: the kernel takes the end of the *thread* that started a child for
/// the death of its parent, and test threads end with their test.
pub(crate) fn keeper_spawn(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<SyncSender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, inbox) = sync_channel::<Order>(16);
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                // The one who ordered waits right below, so the reply is always taken.
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = sync_channel(1);
    let gone = "the spawning thread has ended";
    keeper
        .send((command, reply))
        .map_err(|_| io::Error::other(gone))?;
    answer.recv().map_err(|_| io::Error::other(gone))?
}
