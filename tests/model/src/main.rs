//! `make model`: a long run against a cluster of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::dice::fresh_seed;
use cairn_model_tests::{CLUSTER, Settings, run};
use clap::Parser;

/// Random calls of S3 through all gateways of a cluster, compared step by step with an exact model.
#[derive(Debug, Parser)]
struct Args {
    /// How many calls to make.
    #[arg(long, default_value_t = 100_000)]
    steps: u64,
    /// What all choices follow from; a new one without.
    #[arg(long)]
    seed: Option<u64>,
    /// The directory of a cluster that runs already, instead of one that is started for this.
    #[arg(long)]
    cluster: Option<PathBuf>,
    /// Print every call.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let settings = Settings {
        steps: args.steps,
        seed: args.seed.unwrap_or_else(fresh_seed),
        traces: args.trace,
    };
    println!("model: {} steps, SEED={}", settings.steps, settings.seed);
    let cluster = match &args.cluster {
        Some(directory) => Cluster::at(directory),
        None => Cluster::up("model", &CLUSTER),
    };
    let outcome = run(&cluster.description(), settings);
    match outcome {
        Ok(summary) => {
            println!(
                "model: no difference in {} steps, {:.0?}; {} made again after a 503 without effect, {} starts with new buckets as the \
                 cluster was slow; {} versions read at the end",
                summary.steps, summary.took, summary.repeated, summary.restarts, summary.versions
            );
            ExitCode::SUCCESS
        }
        Err(disagreement) => {
            println!("model: {disagreement}");
            ExitCode::FAILURE
        }
    }
}
