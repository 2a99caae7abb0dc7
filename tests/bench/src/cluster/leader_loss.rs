//! How long writes wait when a leader of the metadata is killed, and whether programs notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_cluster_tests::sdk;
use cairn_dev_tests::client::S3;
use tokio::task::{JoinHandle, JoinSet};

use crate::Failure;
use crate::args::ClusterArgs;
use crate::counters::as_float;
use crate::load::{Done, Tally};
use crate::report::Report;
use crate::workload::{create_bucket, expect, remove_bucket};

/// So many that every group has some.
const BUCKETS: usize = 16;
const BODY_BYTES: usize = 1_024;

/// Kills leaders under programs that use the AWS SDK with its default retries, and writes into every group at once from that
/// moment on. A loss has taken as long as the slowest of these first writes.
pub(crate) async fn measure(cluster: &Cluster, args: &ClusterArgs) -> Result<Vec<Report>, Failure> {
    let clients = cluster.clients();
    let first = clients
        .first()
        .ok_or(Failure::Bar("no gateway".to_owned()))?;
    let mut buckets = Vec::new();
    for _ in 0..BUCKETS {
        buckets.push(create_bucket(first).await?);
    }
    let users = Users::start(cluster, &buckets);
    let mut tally = Tally::new();
    let begun = Instant::now();
    for kill in 0..args.kills {
        let status = cluster.status();
        let led = status.led();
        let most = led.iter().max_by_key(|(_, groups)| groups.len());
        let (leader, groups) = most.ok_or(Failure::Bar("no leader".to_owned()))?;
        cluster.strike(&[leader]);
        let (took, outcome) = first_writes(&clients, &buckets, kill).await;
        eprintln!("killed {leader}, leader of {groups:?}: {took:.2?}");
        tally.record(took, outcome);
        cluster.signal("start", &[leader]);
        cluster.await_status("all nodes are back", |status| {
            status.is_led() && status.nodes_in("down") == 0
        });
    }
    tally.elapsed = begun.elapsed();
    let (requests, failures) = users.stop().await?;
    for bucket in &buckets {
        remove_bucket(first, bucket).await?;
    }
    for failure in failures.iter().take(3) {
        eprintln!("a request of the SDK failed: {failure}");
    }
    let failed = u64::try_from(failures.len()).unwrap_or(u64::MAX);
    let report = Report::new("leader loss to first ok", 0, &tally);
    let latency = report.latency_ms;
    let report = report
        .with_figure("p50 ms (bar: at most 1500)", latency.p50)
        .with_figure("worst ms (bar: at most 3000)", latency.max)
        .with_figure("requests of the SDK", as_float(requests))
        .with_figure("of these failed (bar: 0)", as_float(failed));
    Ok(vec![report])
}

/// A write into each bucket through each gateway, all at once; the time until the last of them was acknowledged.
async fn first_writes(
    clients: &[S3],
    buckets: &[String],
    kill: u32,
) -> (Duration, Result<Done, String>) {
    let begun = Instant::now();
    let mut writes = JoinSet::new();
    for (gateway, client) in clients.iter().enumerate() {
        for bucket in buckets {
            let (client, bucket) = (client.clone(), bucket.clone());
            writes.spawn(async move {
                let key = format!("first/{kill}/{gateway}");
                let body = Bytes::from(vec![0; BODY_BYTES]);
                expect(client.put(&bucket, &key, body).await, 200)
            });
        }
    }
    let results = writes.join_all().await;
    let took = begun.elapsed();
    let failed = results.into_iter().find_map(Result::err);
    (took, failed.map_or_else(|| Ok(Done::default()), Err))
}

/// Programs at work, one for each gateway.
struct Users {
    stops: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Users {
    fn start(cluster: &Cluster, buckets: &[String]) -> Self {
        let description = cluster.description();
        let (stops, requests) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let gateways = description.of_role(Role::Gateway);
        let tasks = gateways.map(|gateway| {
            let client = sdk::client(&description, gateway);
            let (stops, requests) = (Arc::clone(&stops), Arc::clone(&requests));
            let (buckets, name) = (buckets.to_vec(), gateway.name.clone());
            tokio::spawn(use_sdk(client, buckets, name, stops, requests))
        });
        let tasks = tasks.collect();
        Self {
            stops,
            requests,
            tasks,
        }
    }

    async fn stop(self) -> Result<(u64, Vec<String>), Failure> {
        self.stops.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for task in self.tasks {
            let failed = task.await;
            failures.extend(failed.map_err(|error| Failure::Bar(error.to_string()))?);
        }
        Ok((self.requests.load(Ordering::Relaxed), failures))
    }
}

/// Writes and reads back, in one bucket after the other, until it is stopped. Gives what failed.
async fn use_sdk(
    client: Client,
    buckets: Vec<String>,
    name: String,
    stops: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (number, bucket) in buckets.iter().cycle().enumerate() {
        if stops.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("sdk/{name}/{}", number % 100);
        let body = ByteStream::from(vec![1; BODY_BYTES]);
        let put = client.put_object().bucket(bucket).key(&key).body(body);
        if let Err(error) = put.send().await {
            failures.push(format!("put: {error:?}"));
        }
        let get = client.get_object().bucket(bucket).key(&key).send().await;
        match get {
            Ok(object) => {
                if let Err(error) = object.body.collect().await {
                    failures.push(format!("read: {error:?}"));
                }
            }
            Err(error) => failures.push(format!("get: {error:?}")),
        }
        requests.fetch_add(2, Ordering::Relaxed);
    }
    failures
}
