//! Load on a whole cluster, on one with a single gateway, and on one without some of its storage nodes.

use std::time::Duration;

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::{Description, Role};

use crate::Failure;
use crate::args::{ClusterArgs, Operation, TargetArgs};
use crate::cluster::usage::Usage;
use crate::counters::as_float;
use crate::load::{Limit, Plan};
use crate::report::Report;
use crate::run::{measure, readable, title};
use crate::target::Target;
use crate::workload::{Workload, create_bucket, remove_bucket};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// 4 KiB writes from 64 clients: syncs on each metadata node and bytes between roles, for each of them.
pub(crate) async fn small_writes(
    cluster: &Cluster,
    args: &TargetArgs,
    figures: &ClusterArgs,
) -> Result<Vec<Report>, Failure> {
    let target = Target::cluster(args, &cluster.description());
    let bucket = create_bucket(target.client()).await?;
    let workload = Workload::new(target.client(), &bucket, Operation::Put, 4 * KIB);
    let before = Usage::look(cluster)?;
    let mut report = run(&target, &workload, 64, figures.seconds, "").await;
    let after = Usage::look(cluster)?;
    let operations = as_float(report.operations.max(1));
    for (node, syncs) in after.metadata_syncs(&before) {
        report = report.with_figure(
            &format!("syncs per PUT (bar: at most 0.3), {node}"),
            syncs / operations,
        );
    }
    let sent = after.sent_bytes(&before) / operations;
    report = report.with_figure("bytes between roles per PUT (bar: at most 18432)", sent);
    remove_bucket(target.client(), &bucket).await?;
    Ok(vec![report])
}

/// 64 MiB written and read: bytes between roles for each byte of an object.
pub(crate) async fn large_objects(
    cluster: &Cluster,
    args: &TargetArgs,
    figures: &ClusterArgs,
) -> Result<Vec<Report>, Failure> {
    let target = Target::cluster(args, &cluster.description());
    let bucket = create_bucket(target.client()).await?;
    let put = Workload::new(target.client(), &bucket, Operation::Put, 64 * MIB);
    let mut reports = Vec::new();
    for (operation, bar) in [(Operation::Put, "1.52"), (Operation::Get, "1.02")] {
        let workload = put.with_operation(operation);
        let before = Usage::look(cluster)?;
        let report = run(&target, &workload, 2, figures.seconds, "").await;
        let after = Usage::look(cluster)?;
        let objects = as_float((report.operations * 64 * MIB).max(1));
        let sent = after.sent_bytes(&before) / objects;
        let figure = format!("bytes between roles per byte (bar: at most {bar})");
        reports.push(report.with_figure(&figure, sent));
    }
    remove_bucket(target.client(), &bucket).await?;
    Ok(reports)
}

/// The same mixed load through one gateway, and then through all of them in turn.
pub(crate) async fn gateways(
    cluster: &Cluster,
    args: &TargetArgs,
    figures: &ClusterArgs,
) -> Result<Vec<Report>, Failure> {
    let whole = cluster.description();
    let first = of_one_gateway(&whole);
    let mut reports = Vec::new();
    for (description, label) in [(&first, "1 gateway"), (&whole, "all gateways")] {
        let target = Target::cluster(args, description);
        let bucket = create_bucket(target.client()).await?;
        let workload = Workload::new(target.client(), &bucket, Operation::Mixed, 64 * KIB);
        workload.fill(500, 16).await?;
        let before = Usage::look(cluster)?;
        let report = run(&target, &workload, 16, figures.seconds, label).await;
        let after = Usage::look(cluster)?;
        let requests = as_float(report.operations.max(1));
        let millis = |role| after.cpu_seconds(&before, role) / requests * 1e3;
        reports.push(
            report
                .with_figure("cpu ms per request, all", millis(None))
                .with_figure("cpu ms per request, gateways", millis(Some(Role::Gateway))),
        );
        remove_bucket(target.client(), &bucket).await?;
    }
    Ok(reports)
}

/// The same objects read with all storage nodes, and without some.
pub(crate) async fn dead_storage(
    cluster: &Cluster,
    args: &TargetArgs,
    figures: &ClusterArgs,
) -> Result<Vec<Report>, Failure> {
    let description = cluster.description();
    let target = Target::cluster(args, &description);
    let bucket = create_bucket(target.client()).await?;
    let workload = Workload::new(target.client(), &bucket, Operation::Get, 4 * MIB);
    workload.fill(100, 8).await?;
    // Once before, so that both find the same in the page cache.
    run(&target, &workload, 8, figures.seconds.div_ceil(2), "").await;
    let healthy = run(&target, &workload, 8, figures.seconds, "healthy").await;
    let victims = description.names(Role::Storage);
    let victims: Vec<&String> = victims.iter().take(figures.parity).collect();
    cluster.strike(&victims);
    let label = format!("without {}", victims.len());
    let degraded = run(&target, &workload, 8, figures.seconds, &label).await;
    cluster.signal("start", &victims);
    cluster.await_status("all nodes are back", |status| status.nodes_in("down") == 0);
    remove_bucket(target.client(), &bucket).await?;
    let ratio = degraded.mib_per_second / healthy.mib_per_second.max(f64::MIN_POSITIVE);
    let degraded = degraded.with_figure("throughput against healthy (bar: at least 0.6)", ratio);
    Ok(vec![healthy, degraded])
}

async fn run(
    target: &Target,
    workload: &Workload,
    clients: u32,
    seconds: u64,
    label: &str,
) -> Report {
    let plan = Plan {
        clients,
        rate: None,
        limit: Limit::Time(Duration::from_secs(seconds)),
    };
    let (operation, size) = (title(workload.operation()), readable(workload.size()));
    let name = format!("{operation} {size} {label}");
    measure(target, workload, plan, name.trim().to_owned()).await
}

fn of_one_gateway(whole: &Description) -> Description {
    let mut first = whole.clone();
    let keep = whole.names(Role::Gateway).into_iter().next();
    first
        .processes
        .retain(|process| process.role != Role::Gateway || Some(&process.name) == keep.as_ref());
    first
}
