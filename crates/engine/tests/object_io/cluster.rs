//! A cluster in memory: one metadata node, one storage node, an engine; and bodies for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_client::{Buckets, MetaClient, Peers, ShardClient, TopologyCache};
use cairn_engine::{
    Config, Declared, Download, Engine, Parts, PutError, ReadError, Source, Target,
};
use cairn_rpc::channel::in_process;
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::proto::meta::meta_server::MetaServer;
use cairn_rpc::proto::storage::storage_server::StorageServer;
use cairn_rpc::socket::Dialer;
use cairn_runtime::{CpuPool, Metrics, SystemClock, Tasks};
use cairn_types::cluster::{Disk, Location, Profile, StorageNode};
use cairn_types::id::{BlobId, ClusterId, DiskId, Epoch, GroupId, NodeId, PoolId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{Committed, WriteCondition};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::namespace::{Mutation, RootMutation};
use cairn_types::object::{Content, ObjectHeaders, ObjectVersion};

use super::disks::Disks;
use super::metadata::Metadata;

const CLUSTER: ClusterId = ClusterId::new(77);
const NODE: NodeId = NodeId::new(1);

/// How a test cluster differs from the usual.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) profile: &'static str,
    pub(crate) cell_len: u32,
    pub(crate) config: Config,
    /// What the disks say of it, to an engine that then watches them.
    pub(crate) read_grace: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        let mut config = Config::default();
        config.patience.floor = Duration::from_millis(150);
        config.patience.ceiling = Duration::from_millis(500);
        config.patience.limit = Duration::from_secs(5);
        Self {
            profile: "4+2",
            cell_len: 64 * 1024,
            config,
            read_grace: None,
        }
    }
}

pub(crate) struct Cluster {
    pub(crate) engine: Engine,
    pub(crate) metadata: Metadata,
    pub(crate) disks: Disks,
    pub(crate) metrics: Metrics,
    pub(crate) bucket: Arc<BucketEntry>,
    pub(crate) meta: MetaClient,
}

impl Cluster {
    pub(crate) async fn start(setup: Setup) -> Self {
        let clock = SystemClock::shared();
        let metrics = Metrics::new();
        let tasks = Tasks::new();
        let metadata = Metadata::new(clock.clone());
        let profile = Profile::parse(setup.profile).unwrap();
        let ids: Vec<_> = (1..).take(profile.width()).map(DiskId::new).collect();
        let disks = Disks::new(ids.clone());
        let (to_server, incoming) = in_process();
        let server = cairn_rpc::server::builder(&metrics)
            .add_service(MetaServer::new(metadata.clone()))
            .add_service(
                StorageServer::new(disks.clone())
                    .max_decoding_message_size(cairn_rpc::server::MAX_MESSAGE_LEN),
            );
        tasks.spawn("serve", async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });
        let introduce = Introduce::new(CLUSTER, NODE, Role::Gateway);
        let meta = MetaClient::new(
            introduce.clone(),
            vec![(NODE, to_server.channel())],
            clock.clone(),
            Duration::from_secs(2),
        );
        make_topology(&meta, &setup, profile, &ids).await;
        let topology = TopologyCache::load(meta.clone()).await.unwrap();
        let channels = ids.iter().map(|_| to_server.channel()).collect();
        let peers = Peers::new(introduce, Dialer::new(&metrics), [(NODE, channels)]);
        let shards = ShardClient::new(peers, topology.clone(), clock.clone());
        if let Some(read_grace) = setup.read_grace {
            disks.set_read_grace(read_grace);
            shards.watch(&tasks);
            until("the disks told their grace", async || {
                shards.read_grace() == Some(read_grace)
            })
            .await;
        }
        let buckets = Buckets::new(meta.clone());
        let name = BucketName::parse("bucket").unwrap();
        let bucket = buckets.create(&name, "somebody").await.unwrap();
        let parts = Parts {
            buckets,
            shards,
            topology,
            cpu: CpuPool::new(2).unwrap(),
            clock,
            tasks,
            metrics: metrics.clone(),
        };
        Self {
            engine: Engine::new(parts, setup.config),
            metadata,
            disks,
            metrics,
            bucket,
            meta,
        }
    }

    pub(crate) fn target(&self, key: &str) -> Target {
        Target {
            bucket: Arc::clone(&self.bucket),
            key: ObjectKey::parse(key).unwrap(),
        }
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Result<Committed, PutError<Cut>> {
        let source = Pieces::of(bytes);
        let len = u64::try_from(bytes.len()).unwrap();
        let target = self.target(key);
        let headers = ObjectHeaders::default();
        let condition = WriteCondition::Always;
        let put = self.engine.put(&target, headers, len, source, &condition);
        Ok(put.await?.value)
    }

    pub(crate) async fn record(&self, key: &str) -> ObjectVersion {
        let key = ObjectKey::parse(key).unwrap();
        let objects = self.engine.objects();
        objects.get(&self.bucket, &key, None).await.unwrap().value
    }

    pub(crate) async fn is_there(&self, key: &str) -> bool {
        let key = ObjectKey::parse(key).unwrap();
        let objects = self.engine.objects();
        objects.get(&self.bucket, &key, None).await.is_ok()
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, ReadError> {
        let record = self.record(key).await;
        let download = self
            .engine
            .get(&self.bucket, &record, 0..record.len)
            .await?;
        read(download).await
    }

    pub(crate) async fn get_range(
        &self,
        key: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let record = self.record(key).await;
        let download = self.engine.get(&self.bucket, &record, start..end).await?;
        assert_eq!(download.len(), end - start);
        read(download).await
    }

    /// The only blob of an object, and the disks that its commit calls missing.
    pub(crate) async fn blob_of(&self, key: &str) -> (BlobId, Vec<u8>) {
        let Content::Extents(extents) = self.record(key).await.content else {
            panic!("not in blobs");
        };
        assert_eq!(extents.len(), 1);
        (extents[0].blob, extents[0].missing_shards.clone())
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.metrics.counter(name, &[]).get()
    }
}

/// The disk of a shard: the topology has one placement group over all disks.
pub(crate) fn disk(shard: u8) -> DiskId {
    DiskId::new(u128::from(shard) + 1)
}

async fn make_topology(meta: &MetaClient, setup: &Setup, profile: Profile, disks: &[DiskId]) {
    let pool = PoolId::new(1);
    let mutations = [
        RootMutation::Genesis {
            cluster: CLUSTER,
            data_group_count: 2,
            region: "test".to_owned(),
            members: Vec::new(),
        },
        RootMutation::RegisterStorage {
            node: StorageNode {
                id: NODE,
                name: "storage".to_owned(),
                address: String::new(),
                admin_address: String::new(),
                incarnation: 0,
                location: Location::default(),
            },
            disks: disks
                .iter()
                .map(|disk| Disk {
                    id: *disk,
                    node: NODE,
                    capacity_bytes: 1 << 40,
                })
                .collect(),
        },
        RootMutation::CreatePool {
            id: pool,
            name: "default".to_owned(),
            profile,
            cell_len: setup.cell_len,
            is_fallback: false,
        },
        RootMutation::SetWritePool { pool },
    ];
    for mutation in mutations {
        let mutation = Mutation::Root(mutation);
        meta.mutate(GroupId::ROOT, mutation).await.unwrap();
    }
    let epoch: Epoch = {
        let cache = TopologyCache::load(meta.clone()).await.unwrap();
        cache.current().topology().epoch
    };
    let groups = RootMutation::CreatePlacementGroups {
        pool,
        topology_epoch: epoch,
        members: vec![disks.to_vec()],
    };
    meta.mutate(GroupId::ROOT, Mutation::Root(groups))
        .await
        .unwrap();
}

pub(crate) async fn read(mut download: Download) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Bytes that differ from their neighbours, so that what is misplaced is seen.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0_u32..)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .take(len)
        .collect()
}

/// The body ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
pub(crate) struct Cut;

/// What a source of pieces does when it has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Good,
    Cut,
    Stalls,
}

/// A body in pieces of 10,000 bytes.
pub(crate) struct Pieces {
    rest: VecDeque<Bytes>,
    end: End,
    pub(crate) declared: Declared,
}

impl Pieces {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::ending(bytes, End::Good)
    }

    pub(crate) fn ending(bytes: &[u8], end: End) -> Self {
        Self {
            rest: bytes.chunks(10_000).map(Bytes::copy_from_slice).collect(),
            end,
            declared: Declared::default(),
        }
    }
}

impl Source for Pieces {
    type Error = Cut;

    async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        match (self.rest.pop_front(), self.end) {
            (Some(piece), _) => Ok(Some(piece)),
            (None, End::Good) => Ok(None),
            (None, End::Cut) => Err(Cut),
            (None, End::Stalls) => std::future::pending().await,
        }
    }

    fn declared(&self) -> Declared {
        self.declared.clone()
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}
