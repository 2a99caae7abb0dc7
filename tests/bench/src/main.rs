//! Load tool for S3 endpoints.
//!
//! Closed loop (so many clients, each with one request at a time) or open loop (so many requests per second, whose latencies
//! count from when they were due, so that a server which stalls cannot hide it). Without an endpoint it starts `cairn dev` on
//! six directories (4+2) and adds what the server counted of itself: syncs, RPCs, bytes written, CPU time, memory. `--cluster`
//! names a cluster of processes instead.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool outside the product: it reads its own environment and measures on the real clock"
)]

mod args;
mod cluster;
mod counters;
mod keys;
mod load;
mod memory;
mod report;
mod run;
mod start;
mod suite;
mod target;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(perform(args)),
        Err(error) => Err(Failure::Runtime(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cairn-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Why a run gives no result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("start the runtime: {0}")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Target(#[from] target::TargetError),
    #[error("{what}: {reason}")]
    Preparation { what: &'static str, reason: String },
    #[error("{0}")]
    Bar(String),
    #[error("write the report: {0}")]
    Report(#[from] serde_json::Error),
}

async fn perform(args: Args) -> Result<(), Failure> {
    let (json, target) = (args.json, args.target);
    let reports = match args.command {
        Command::Run(run) => run::perform(&target, &run).await?,
        Command::Suite(suite) => suite::perform(&target, &suite).await?,
        Command::Keys(keys) => keys::perform(&target, &keys).await?,
        Command::Memory(memory) => memory::perform(&target, &memory).await?,
        Command::Start(start) => start::perform(&target, &start).await?,
        Command::Cluster(figures) => cluster::perform(&target, &figures).await?,
    };
    report::print(&reports, json)?;
    let failed: u64 = reports.iter().map(report::Report::failed).sum();
    if failed > 0 {
        return Err(Failure::Bar(format!("{failed} operations failed")));
    }
    Ok(())
}
