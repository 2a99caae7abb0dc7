//! What most tests of a cluster begin with.

use std::time::Duration;

use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::client::S3;
use tokio::runtime::Runtime;

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;

/// How many storage nodes may be away with the profile of [`WHOLE`].
pub(crate) const PARITY: usize = 2;

/// The cluster of the usual size, in which any two storage nodes, one metadata node and one gateway may be away. Overwritten
/// objects would fill the disk of a small machine within their usual grace.
pub(crate) const WHOLE: [&str; 10] = [
    "--meta",
    "3",
    "--storage",
    "6",
    "--gateways",
    "2",
    "--profile",
    "4+2",
    "--set",
    "storage.read_grace_ms=500",
];

/// How long anything may take that should come by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A runtime for the clients of a test. Two threads: the cluster needs the machine more.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Makes buckets, `label-0` and on, and gives their names. Neighbours are of different groups.
pub(crate) fn make_buckets(
    runtime: &Runtime,
    cluster: &Cluster,
    label: &str,
    count: usize,
) -> Vec<String> {
    let client = first_client(cluster);
    let names: Vec<String> = (0..count)
        .map(|number| format!("{label}-{number}"))
        .collect();
    for name in &names {
        let created = runtime.block_on(client.create_bucket(name)).unwrap();
        assert_eq!(created.status, 200, "{}", created.text());
    }
    names
}

/// A client of the first gateway.
pub(crate) fn first_client(cluster: &Cluster) -> S3 {
    cluster.clients().swap_remove(0)
}
