//! `memory`: many large uploads at once into a server that has little memory.

use std::fs;
use std::path::{Path, PathBuf};

use cairn_dev_tests::metrics::Scrape;
use cairn_dev_tests::server::Server;

use crate::Failure;
use crate::args::{MemoryArgs, Operation, TargetArgs};
use crate::counters::{Counters, as_float};
use crate::load::{Limit, Plan, drive};
use crate::report::Report;
use crate::target::{options, prepared};
use crate::workload::{Workload, create_bucket};

/// Places where a control group of memory is made, of the first and the second version of the kernel's interface.
const GROUPS: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
];

/// A limit on the memory of a process; a control group is removed when dropped.
#[derive(Debug)]
enum Fence {
    Group(PathBuf),
    Data(u64),
}

/// Uploads everything at once, reads it back, and fails when the server went beyond its limit.
pub(crate) async fn perform(
    target: &TargetArgs,
    args: &MemoryArgs,
) -> Result<Vec<Report>, Failure> {
    let limit_bytes = args.limit_mib << 20;
    let fence = Fence::new(limit_bytes);
    eprintln!("{}", fence.description());
    let (_scratch, mut options) = options(target);
    options.prefix = fence.prefix();
    let server = Server::try_start(&options).map_err(crate::target::TargetError::Start)?;
    let client = prepared(server.client(), target);
    let bucket = create_bucket(&client).await?;
    let plan = Plan {
        clients: args.uploads,
        rate: None,
        limit: Limit::Count(u64::from(args.uploads)),
    };
    let mut reports = Vec::new();
    let workload = Workload::new(&client, &bucket, Operation::Put, args.size);
    for operation in [Operation::Put, Operation::Get] {
        let before = look(&server)?;
        let work = workload.with_operation(operation);
        let tally = drive(plan, move |index| {
            let work = work.clone();
            async move { work.perform(index).await }
        })
        .await;
        let name = format!("{} at once", crate::run::title(operation));
        let mut report = Report::new(name, args.uploads, &tally);
        let after = look(&server)?;
        let counters = Counters::between(&before, &after, report.operations, tally.bytes);
        report.server = Some(counters);
        reports.push(report);
    }
    let peak = look(&server)?.sum("process_peak_resident_memory_bytes", &[]);
    drop(server);
    if peak > as_float(limit_bytes) || peak < 1.0 {
        let mib = peak / f64::from(1 << 20);
        return Err(Failure::Bar(format!(
            "the server had {mib:.0} MiB resident, of {} MiB that it may have",
            args.limit_mib
        )));
    }
    Ok(reports)
}

/// The server's metrics; a server that gives none has been killed for want of memory.
fn look(server: &Server) -> Result<Scrape, Failure> {
    let gone = || Failure::Bar("the server did not survive within its memory".to_owned());
    server.try_scrape().ok_or_else(gone)
}

impl Fence {
    fn new(limit_bytes: u64) -> Self {
        for (root, file) in GROUPS {
            let path = Path::new(root).join(format!("cairn-bench-{}", std::process::id()));
            if fs::create_dir(&path).is_err() {
                continue;
            }
            let fence = Self::Group(path.clone());
            if fs::write(path.join(file), limit_bytes.to_string()).is_ok() {
                return fence;
            }
        }
        Self::Data(limit_bytes)
    }

    fn description(&self) -> String {
        match self {
            Self::Group(path) => format!("limited by the control group {}", path.display()),
            Self::Data(_) => "limited by RLIMIT_DATA: no control group can be made".to_owned(),
        }
    }

    /// The command that puts itself behind the fence and becomes its arguments.
    fn prefix(&self) -> Vec<String> {
        match self {
            Self::Group(path) => [
                "sh",
                "-c",
                "echo $$ > \"$1/cgroup.procs\" && shift && exec \"$@\"",
                "fence",
                &path.display().to_string(),
            ]
            .map(str::to_owned)
            .to_vec(),
            Self::Data(limit) => vec![
                "prlimit".to_owned(),
                format!("--data={limit}"),
                "--".to_owned(),
            ],
        }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        if let Self::Group(path) = self {
            // Fails while a process is in it, which the server no longer is; an empty group that stays harms nothing.
            let _ = fs::remove_dir(path);
        }
    }
}
