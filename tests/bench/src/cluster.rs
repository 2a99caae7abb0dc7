//! `cluster`: what only a cluster of processes has figures of.

mod idle;
mod leader_loss;
mod load;
mod usage;

use cairn_cluster_tests::cluster::Cluster;

use crate::Failure;
use crate::args::{ClusterArgs, Figure, TargetArgs};
use crate::report::Report;
use crate::target::TargetError;

/// In this order: an idle cluster is measured before it has anything to do, and who is killed comes last.
const ALL: [Figure; 6] = [
    Figure::Idle,
    Figure::SmallWrites,
    Figure::LargeObjects,
    Figure::Gateways,
    Figure::DeadStorage,
    Figure::LeaderLoss,
];

/// The cluster that is started where none is given.
const UP: [&str; 8] = [
    "--meta",
    "3",
    "--storage",
    "6",
    "--gateways",
    "2",
    "--profile",
    "4+2",
];

/// Measures what was asked for.
pub(crate) async fn perform(
    target: &TargetArgs,
    args: &ClusterArgs,
) -> Result<Vec<Report>, Failure> {
    let cluster = find(target)?;
    let chosen = |figure: &&Figure| args.figures.is_empty() || args.figures.contains(figure);
    let mut reports = Vec::new();
    for figure in ALL.iter().filter(chosen) {
        eprintln!("{figure:?} …");
        reports.extend(match figure {
            Figure::Idle => idle::measure(&cluster, args)?,
            Figure::SmallWrites => load::small_writes(&cluster, target, args).await?,
            Figure::LargeObjects => load::large_objects(&cluster, target, args).await?,
            Figure::Gateways => load::gateways(&cluster, target, args).await?,
            Figure::DeadStorage => load::dead_storage(&cluster, target, args).await?,
            Figure::LeaderLoss => leader_loss::measure(&cluster, args).await?,
        });
    }
    Ok(reports)
}

fn find(target: &TargetArgs) -> Result<Cluster, Failure> {
    let Some(file) = &target.cluster else {
        return Ok(Cluster::up("bench-cluster", &UP));
    };
    let file = file.canonicalize();
    let directory = file.ok().and_then(|file| Some(file.parent()?.to_owned()));
    let directory = directory.ok_or(TargetError::NoCluster)?;
    Ok(Cluster::at(&directory))
}
