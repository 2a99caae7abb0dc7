//! An ordinary program: the AWS SDK with its default retries, which gives up where its own patience ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::sdk;
use cairn_dev_tests::body::Pattern;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::fixture::KIB;

/// Inline, and in shards.
const SIZES: [u64; 2] = [4 * KIB, 200 * KIB];

/// A program that writes, reads back and lists through one gateway until it is stopped.
pub(crate) struct SdkUser {
    stops: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    task: JoinHandle<Vec<String>>,
}

impl SdkUser {
    /// Sets it to work through a gateway, in a bucket of its own.
    pub(crate) fn start(runtime: &Runtime, cluster: &Cluster, gateway: &str) -> Self {
        let description = cluster.description();
        let client = sdk::client(&description, description.process(gateway));
        let bucket = format!("sdk-{gateway}");
        let (stops, requests) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let task = runtime.spawn(work(
            client,
            bucket,
            Arc::clone(&stops),
            Arc::clone(&requests),
        ));
        Self {
            stops,
            requests,
            task,
        }
    }

    /// Stops it; gives the number of its requests, and what failed.
    pub(crate) fn stop(self, runtime: &Runtime) -> (u64, Vec<String>) {
        self.stops.store(true, Ordering::Relaxed);
        let failures = runtime.block_on(self.task).unwrap();
        (self.requests.load(Ordering::Relaxed), failures)
    }
}

async fn work(
    client: Client,
    bucket: String,
    stops: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
) -> Vec<String> {
    let created = client.create_bucket().bucket(&bucket).send().await;
    created.expect("create the bucket of the SDK's user");
    let mut failures = Vec::new();
    for version in 0_u64.. {
        if stops.load(Ordering::Relaxed) {
            break;
        }
        let size = if version % 4 == 3 { SIZES[1] } else { SIZES[0] };
        let key = format!("key-{}", version % 20);
        let body = Pattern::of(&key, version, size).bytes();
        let put = client.put_object().bucket(&bucket).key(&key);
        let put = put.body(ByteStream::from(body.clone())).send().await;
        requests.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = put {
            failures.push(format!("put {key}: {error:?}"));
            continue;
        }
        let get = client.get_object().bucket(&bucket).key(&key).send().await;
        requests.fetch_add(1, Ordering::Relaxed);
        let read = match get {
            Ok(object) => object
                .body
                .collect()
                .await
                .map_err(|error| format!("{error:?}")),
            Err(error) => Err(format!("{error:?}")),
        };
        match read {
            Ok(read) => assert_eq!(read.into_bytes(), body, "{key} of version {version}"),
            Err(error) => failures.push(format!("get {key}: {error}")),
        }
    }
    failures
}
