//! `start`: how long it takes from the start of the process to its first success.

use std::time::Duration;

use cairn_dev_tests::request::Request;
use cairn_dev_tests::server::{Options, Server};

use crate::Failure;
use crate::args::{Operation, StartArgs, TargetArgs};
use crate::load::{Done, Tally};
use crate::report::Report;
use crate::target::{TargetError, options, prepared};
use crate::workload::{Workload, create_bucket, expect};

const DEADLINE: Duration = Duration::from_mins(2);
const STEP: Duration = Duration::from_millis(2);
const FILL_CLIENTS: u32 = 32;

/// Starts on empty directories, then restarts over objects after an orderly end and after a kill.
pub(crate) async fn perform(target: &TargetArgs, args: &StartArgs) -> Result<Vec<Report>, Failure> {
    let mut empty = Tally::new();
    for _ in 0..args.rounds {
        let (_scratch, options) = options(target);
        let first = Request::new("PUT", "/first-bucket");
        started(target, &options, first).await?.note(&mut empty);
    }
    let mut reports = vec![Report::new("start, empty", 1, &empty)];

    let (_scratch, options) = options(target);
    let server = Server::try_start(&options).map_err(TargetError::Start)?;
    let client = prepared(server.client(), target);
    let bucket = create_bucket(&client).await?;
    let workload = Workload::new(&client, &bucket, Operation::Put, args.size);
    workload.fill(args.objects, FILL_CLIENTS).await?;
    let head = workload.middle_head();
    server.terminate(DEADLINE);
    let mut running = None;
    for name in ["restart after end", "restart after kill"] {
        // The first round finds an ended server, the second one that is killed here.
        if let Some(server) = running.take() {
            Server::kill(server);
        }
        let mut tally = Tally::new();
        let start = started(target, &options, head.clone()).await?;
        start.note(&mut tally);
        running = Some(start.server);
        reports.push(Report::new(name, 1, &tally));
    }
    Ok(reports)
}

/// A server that has answered.
struct Start {
    server: Server,
    took: Duration,
}

impl Start {
    fn note(&self, tally: &mut Tally) {
        tally.record(self.took, Ok(Done::default()));
        tally.elapsed += self.took;
    }
}

/// Starts a server and repeats a request until it succeeds.
async fn started(args: &TargetArgs, options: &Options, request: Request) -> Result<Start, Failure> {
    let server = Server::spawn(options).map_err(TargetError::Start)?;
    let client = prepared(server.client(), args);
    while server.started().elapsed() < DEADLINE {
        if expect(client.send(request.clone()).await, 200).is_ok() {
            let took = server.started().elapsed();
            return Ok(Start { server, took });
        }
        tokio::time::sleep(STEP).await;
    }
    Err(Failure::Bar(format!("no success within {DEADLINE:?}")))
}
