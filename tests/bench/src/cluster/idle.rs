//! What a cluster costs that nobody uses.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;

use crate::Failure;
use crate::args::ClusterArgs;
use crate::cluster::usage::Usage;
use crate::load::Tally;
use crate::report::Report;

/// What has just been started, or used, has still something to do.
const SETTLING: Duration = Duration::from_secs(5);

/// Looks twice, with nothing in between.
pub(crate) fn measure(cluster: &Cluster, args: &ClusterArgs) -> Result<Vec<Report>, Failure> {
    cluster.await_writable();
    sleep(SETTLING);
    let begun = Instant::now();
    let before = Usage::look(cluster)?;
    sleep(Duration::from_secs(args.seconds));
    let after = Usage::look(cluster)?;
    let elapsed = begun.elapsed();
    let mut tally = Tally::new();
    tally.elapsed = elapsed;
    let mut report = Report::new("idle cluster", 0, &tally);
    for (name, role) in [
        ("all (bar: at most 10 % and 1024 MiB)", None),
        ("meta", Some(Role::Meta)),
        ("storage", Some(Role::Storage)),
        ("gateway", Some(Role::Gateway)),
    ] {
        let cpu = after.cpu_seconds(&before, role) / elapsed.as_secs_f64() * 100.0;
        report = report
            .with_figure(&format!("cpu % of a core, {name}"), cpu)
            .with_figure(&format!("resident MiB, {name}"), after.resident_mib(role));
    }
    Ok(vec![report])
}
