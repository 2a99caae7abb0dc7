//! Nodes in this process, joined by channels in memory, and clients that talk to them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cairn_meta::{DatabaseError, Meta, MetaConfig, OpenError};
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::proto::meta;
use cairn_rpc::proto::meta::meta_client::MetaClient;
use cairn_rpc::server;
use cairn_runtime::{Clock, Metrics, SharedClock, SystemClock, Tasks};
use cairn_types::etag::ETag;
use cairn_types::id::{BucketId, ClusterId, NodeId, RequestId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::WriteCondition;
use cairn_types::namespace::{
    DataMutation, DataQuery, DataView, Mutation, MutationRequest, Query, Refusal, Reply, View,
};
use cairn_types::object::{Content, NewObject, ObjectHeaders};
use cairn_types::settings::InitialSettings;
use cairn_types::time::Timestamp;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};

pub(crate) const CLUSTER: ClusterId = ClusterId::new(0xc1);
pub(crate) const BUCKET: BucketId = BucketId::new(1);
/// The data group of `BUCKET` in these tests.
pub(crate) const DATA: u16 = 1;

/// A client of the cluster.
pub(crate) type Client = MetaClient<InterceptedService<Channel, Introduce>>;

type Listener = mpsc::Sender<io::Result<DuplexStream>>;

/// Where nodes are reached; a node that is down is not here.
#[derive(Clone, Default)]
pub(crate) struct Net {
    nodes: Arc<Mutex<BTreeMap<u64, Listener>>>,
}

impl Net {
    /// Connections to a node from now on.
    fn listen(&self, node: u64) -> ReceiverStream<io::Result<DuplexStream>> {
        let (listener, incoming) = mpsc::channel(16);
        self.nodes.lock().unwrap().insert(node, listener);
        ReceiverStream::new(incoming)
    }

    fn remove(&self, node: u64) {
        self.nodes.lock().unwrap().remove(&node);
    }

    /// A channel that finds the node again when it comes back.
    pub(crate) fn channel(&self, node: u64) -> Channel {
        let nodes = Arc::clone(&self.nodes);
        let connector = tower::service_fn(move |_: Uri| {
            let listener = nodes.lock().unwrap().get(&node).cloned();
            async move {
                let down = || io::Error::other("the node is down");
                let (near, far) = tokio::io::duplex(1024 * 1024);
                let listener = listener.ok_or_else(down)?;
                listener.send(Ok(far)).await.map_err(|_| down())?;
                Ok::<_, io::Error>(TokioIo::new(near))
            }
        });
        Endpoint::from_static("http://node").connect_with_connector_lazy(connector)
    }
}

/// A node with its services, on a runtime of its own as it would be in a process of its own.
pub(crate) struct Running {
    pub(crate) id: u64,
    pub(crate) meta: Arc<Meta>,
    pub(crate) metrics: Metrics,
    net: Net,
    runtime: Option<Runtime>,
}

/// A client over a channel, as a gateway of the cluster.
pub(crate) fn introduced(channel: Channel) -> Client {
    let gateway = Introduce::new(CLUSTER, NodeId::new(1_000), Role::Gateway);
    MetaClient::with_interceptor(channel, gateway)
}

/// Small and quick: two groups.
pub(crate) fn config(dir: &Path, id: u64) -> MetaConfig {
    MetaConfig {
        data_groups: 1,
        proposed_node: Some(NodeId::new(id)),
        ..MetaConfig::new(dir)
    }
}

impl Running {
    pub(crate) async fn start(config: MetaConfig, net: &Net) -> Result<Self, OpenError> {
        Self::start_by(SystemClock::shared(), config, net).await
    }

    /// With a clock that may be wrong.
    pub(crate) async fn start_by(
        clock: SharedClock,
        mut config: MetaConfig,
        net: &Net,
    ) -> Result<Self, OpenError> {
        let id = config.proposed_node.unwrap().get();
        let peers = net.clone();
        config.dial = Arc::new(move |node, _| Ok(peers.channel(node.get())));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (tasks, metrics) = (Tasks::on(runtime.handle().clone()), Metrics::new());
        let opened = Meta::open(config, clock, &tasks, &metrics).await;
        let meta = match opened {
            Ok(meta) => Arc::new(meta),
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let (metadata, raft) = meta.services();
        let router = server::builder(&metrics)
            .add_service(metadata)
            .add_service(raft);
        let incoming = net.listen(id);
        tasks.spawn("server", async move {
            router.serve_with_incoming(incoming).await.unwrap();
        });
        Ok(Self {
            id,
            meta,
            metrics,
            net: net.clone(),
            runtime: Some(runtime),
        })
    }

    /// Starts it again where it was killed: its directory is free a moment later.
    pub(crate) async fn restart(config: MetaConfig, net: &Net) -> Self {
        let starting = async {
            loop {
                match Self::start(config.clone(), net).await {
                    Err(OpenError::Database(DatabaseError::Locked { .. })) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    started => break started.unwrap(),
                }
            }
        };
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, starting)
            .await
            .expect("the directory is free")
    }

    pub(crate) fn client(&self) -> Client {
        introduced(self.net.channel(self.id))
    }

    pub(crate) fn count(&self, counter: &str) -> u64 {
        self.metrics.counter(counter, &[]).get()
    }

    /// As an operator stops it.
    pub(crate) async fn stop(self) {
        self.meta.shutdown().await;
    }

    /// Drops it where it stands: nothing is handed over, calls are cut off. The threads that write end in order, so this shows
    /// what the others do when one is gone, and not what a crash leaves on its disk.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.net.remove(self.id);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A cluster of one node, with a bucket.
pub(crate) async fn single(dir: &Path) -> Running {
    let node = Running::start(config(dir, 1), &Net::default())
        .await
        .unwrap();
    node.meta
        .genesis(CLUSTER, "eu".to_owned(), members(&[1]))
        .await
        .unwrap();
    open_bucket(&mut node.client()).await;
    node
}

pub(crate) fn members(nodes: &[u64]) -> BTreeMap<NodeId, String> {
    nodes
        .iter()
        .map(|node| (NodeId::new(*node), format!("node-{node}")))
        .collect()
}

pub(crate) fn data(mutation: DataMutation) -> MutationRequest {
    MutationRequest {
        request: RequestId::new(cairn_runtime::random::u128()),
        minted: now(),
        guard: None,
        mutation: Mutation::Data(mutation),
    }
}

pub(crate) fn now() -> Timestamp {
    SystemClock::shared().now()
}

pub(crate) async fn mutate(
    client: &mut Client,
    group: u16,
    request: &MutationRequest,
) -> Result<(u64, Result<Reply, Refusal>), Status> {
    let message = meta::MutateRequest {
        group: u32::from(group),
        request: Some(request.into()),
    };
    let response = client.mutate(message).await?.into_inner();
    let result = match response.result.expect("a result") {
        meta::mutate_response::Result::Reply(reply) => Ok(reply.try_into().unwrap()),
        meta::mutate_response::Result::Refusal(refusal) => Err(refusal.try_into().unwrap()),
    };
    Ok((response.index, result))
}

pub(crate) async fn query(
    client: &mut Client,
    group: u16,
    query: &Query,
) -> Result<Result<View, Refusal>, Status> {
    let message = meta::QueryRequest {
        guard: None,
        group: u32::from(group),
        query: Some(query.into()),
    };
    let response = client.query(message).await?.into_inner();
    Ok(match response.result.expect("a result") {
        meta::query_response::Result::View(view) => Ok(view.try_into().unwrap()),
        meta::query_response::Result::Refusal(refusal) => Err(refusal.try_into().unwrap()),
    })
}

pub(crate) async fn open_bucket(client: &mut Client) {
    let open = data(DataMutation::OpenBucket {
        bucket: BUCKET,
        name: BucketName::parse("bucket").unwrap(),
        epoch: cairn_types::id::Epoch::new(1),
        initial: InitialSettings::default(),
    });
    mutate(client, DATA, &open).await.unwrap().1.unwrap();
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

pub(crate) fn put_request(name: &str, content: &str) -> MutationRequest {
    data(DataMutation::PutObject {
        bucket: BUCKET,
        key: key(name),
        object: NewObject {
            settings: cairn_types::settings::ObjectSettings::default(),
            len: u64::try_from(content.len()).unwrap(),
            etag: ETag::parse(&"0".repeat(32)).unwrap(),
            checksum: None,
            headers: ObjectHeaders::default(),
            content: Content::Inline(Bytes::from(content.to_owned())),
        },
        condition: WriteCondition::Always,
    })
}

pub(crate) async fn put(client: &mut Client, name: &str, content: &str) -> Result<(), Status> {
    let (_, result) = mutate(client, DATA, &put_request(name, content)).await?;
    result.expect("the bucket is open");
    Ok(())
}

/// The inline content of a key, if it is there.
pub(crate) async fn get(client: &mut Client, name: &str) -> Result<Option<String>, Status> {
    let wanted = Query::Data(DataQuery::Object {
        bucket: BUCKET,
        key: key(name),
        version: None,
    });
    Ok(match query(client, DATA, &wanted).await? {
        Ok(View::Data(DataView::Object(object))) => match object.content {
            Content::Inline(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            other => panic!("inline was put, not {other:?}"),
        },
        Err(Refusal::NoSuchKey) => None,
        other => panic!("unexpected {other:?}"),
    })
}

/// A client that finds the leader, and tries again what certainly did not happen.
#[derive(Clone)]
pub(crate) struct Seeker {
    clients: Vec<(u64, Client)>,
}

impl Seeker {
    pub(crate) fn new(net: &Net, nodes: &[u64]) -> Self {
        let client = |node: &u64| (*node, introduced(net.channel(*node)));
        Self {
            clients: nodes.iter().map(client).collect(),
        }
    }

    /// Puts until somebody says that it is done; the same request each time, so that it is done once.
    pub(crate) async fn put(&mut self, name: &str, content: &str) {
        let (_, result) = self.mutate(&put_request(name, content)).await;
        result.expect("the bucket is open");
    }

    pub(crate) async fn mutate(
        &mut self,
        request: &MutationRequest,
    ) -> (u64, Result<Reply, Refusal>) {
        self.ask(async |client| mutate(client, DATA, request).await)
            .await
    }

    pub(crate) async fn get(&mut self, name: &str) -> Option<String> {
        self.ask(async |client| get(client, name).await).await
    }

    pub(crate) async fn open_bucket(&mut self) {
        let request = data(DataMutation::OpenBucket {
            bucket: BUCKET,
            name: BucketName::parse("bucket").unwrap(),
            epoch: cairn_types::id::Epoch::new(1),
            initial: InitialSettings::default(),
        });
        self.mutate(&request).await.1.unwrap();
    }

    /// Asks one node after the other, each with a second to answer, for 30 seconds at most.
    async fn ask<T>(&mut self, call: impl AsyncFn(&mut Client) -> Result<T, Status>) -> T {
        let asking = async {
            loop {
                for (_, client) in &mut self.clients {
                    let limit = Duration::from_secs(1);
                    if let Ok(Ok(answer)) = tokio::time::timeout(limit, call(client)).await {
                        return answer;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, asking)
            .await
            .expect("somebody leads")
    }
}

/// A clock that is an hour ahead.
pub(crate) struct HourAhead(pub(crate) SharedClock);

impl Clock for HourAhead {
    fn now(&self) -> Timestamp {
        self.0.now().plus_millis(3_600_000)
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

/// Measures how long something takes.
pub(crate) struct Stopwatch(SharedClock);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(SystemClock::shared())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.monotonic()
    }
}

/// Waits for a condition, for 20 seconds at most.
pub(crate) async fn eventually<F, Fut>(what: &str, mut holds: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let all = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(
        tokio::time::timeout(limit, all).await.is_ok(),
        "never: {what}"
    );
}
