//! The engine: what it is made of.

use std::sync::Arc;
use std::time::Duration;

use cairn_client::{
    Blobs, Buckets, Indexed, MetaClient, MutateError, Objects, ShardClient, TopologyCache, Uploads,
};
use cairn_runtime::metrics::Counter;
use cairn_runtime::{CpuPool, Metrics, SharedClock, Tasks};
use cairn_types::id::GroupId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::SettingsGuard;
use cairn_types::namespace::data::{DeleteTarget, Deleted};
use cairn_types::namespace::root::BucketEntry;

use crate::abandoned::{self, Queue};
use crate::budget::{Budget, StripeBudget};
use crate::get::{Hedges, Latency};
use crate::put::quorum::Patience;

/// What can be set. `Default` is what a cluster runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Objects up to this long are kept in the metadata record; 0 to 65,536.
    pub inline_len_max: usize,
    /// Bytes of bodies in memory at once: half of them in stripes that are read or written, half on the way to disks.
    pub budget_bytes: u64,
    /// How long a request waits for memory before it is refused. It waits in line, so that a burst is served and not refused.
    pub budget_patience: Duration,
    /// When a shard is left out of a write.
    pub patience: Patience,
    /// How long a read that lacks cells, or a write that lacks a place, waits for disks that are away before it is refused.
    pub disk_patience: Duration,
    /// Bytes that a read asks for ahead of what was taken, while there is plenty of memory.
    pub read_ahead_bytes: usize,
    /// A cell is asked for elsewhere when it is later than the 95th percentile of recent ones, within these bounds.
    pub hedge_after: (Duration, Duration),
    /// A read that runs longer keeps its blobs from being given back. Where the nodes give removed data back sooner than in
    /// three times this, it does so after a third of that.
    pub pin_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inline_len_max: 16 * 1024,
            budget_bytes: 256 * 1024 * 1024,
            budget_patience: Duration::from_secs(30),
            patience: Patience::default(),
            disk_patience: Duration::from_secs(10),
            read_ahead_bytes: 8 * 1024 * 1024,
            hedge_after: (Duration::from_millis(50), Duration::from_secs(1)),
            pin_after: Duration::from_secs(10),
        }
    }
}

/// What the engine is made of.
pub struct Parts {
    /// The buckets, and through them the metadata.
    pub buckets: Buckets,
    /// The disks.
    pub shards: ShardClient,
    /// The topology.
    pub topology: TopologyCache,
    /// Threads for coding and hashing.
    pub cpu: CpuPool,
    /// The clock.
    pub clock: SharedClock,
    /// Where background work runs.
    pub tasks: Tasks,
    /// Where to count.
    pub metrics: Metrics,
}

/// Where an object goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The bucket, as the caller knows it.
    pub bucket: Arc<BucketEntry>,
    /// The key.
    pub key: ObjectKey,
}

impl Target {
    pub(crate) fn group(&self) -> GroupId {
        self.bucket.group_of(self.key.as_str())
    }
}

/// Object I/O over a cluster. Cloning shares it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    objects: Objects,
    uploads: Uploads,
}

pub(crate) struct Shared {
    pub(crate) uploads: Uploads,
    pub(crate) shards: ShardClient,
    pub(crate) topology: TopologyCache,
    pub(crate) cpu: CpuPool,
    pub(crate) clock: SharedClock,
    pub(crate) tasks: Tasks,
    /// For stripes that are read from clients or disks.
    pub(crate) budget: StripeBudget,
    /// For parity, for what is on its way to disks, and for what comes from disks to be decoded. Taken for stripes that are
    /// full, or for reads that need more than they have; given back at the pace of disks whatever else is waited for: so what is
    /// taken of the other budget for those comes back as well.
    pub(crate) transit: Budget,
    /// Held while a fallback group is made, so that many who need one make one.
    pub(crate) making_fallback: tokio::sync::Mutex<()>,
    pub(crate) meta: MetaClient,
    pub(crate) abandoned: Queue,
    pub(crate) latency: Latency,
    pub(crate) hedges: Hedges,
    pub(crate) config: Config,
    pub(crate) counts: Counts,
}

/// The engine's counters.
pub(crate) struct Counts {
    pub(crate) degraded_reads: Counter,
    pub(crate) hedged_reads: Counter,
    pub(crate) withheld_hedges: Counter,
    pub(crate) left_out_shards: Counter,
}

impl Engine {
    /// Puts the engine together and starts what it does in the background.
    pub fn new(parts: Parts, config: Config) -> Self {
        let metrics = &parts.metrics;
        let meta = parts.buckets.meta().clone();
        let abandoned = abandoned::start(
            &parts.tasks,
            Blobs::new(meta.clone()),
            parts.shards.clone(),
            metrics.counter("cairn_engine_abandoned_blobs_total", &[]),
        );
        let used = metrics.gauge("cairn_engine_budget_used_bytes", &[]);
        let counts = Counts {
            degraded_reads: metrics.counter("cairn_engine_degraded_reads_total", &[]),
            hedged_reads: metrics.counter("cairn_engine_hedged_reads_total", &[]),
            withheld_hedges: metrics.counter("cairn_engine_withheld_hedges_total", &[]),
            left_out_shards: metrics.counter("cairn_engine_left_out_shards_total", &[]),
        };
        let uploads = Uploads::new(parts.buckets.clone());
        Self {
            objects: Objects::new(parts.buckets),
            uploads: uploads.clone(),
            shared: Arc::new(Shared {
                uploads,
                shards: parts.shards,
                topology: parts.topology,
                cpu: parts.cpu,
                clock: parts.clock,
                tasks: parts.tasks,
                budget: StripeBudget::new(config.budget_bytes / 2, used.clone()),
                transit: Budget::new(config.budget_bytes / 2, used),
                making_fallback: tokio::sync::Mutex::default(),
                meta,
                abandoned,
                latency: Latency::new(config.hedge_after),
                hedges: Hedges::new(),
                config,
                counts,
            }),
        }
    }

    /// The same engine for one who decided by these settings: see `Buckets::guarded`. What of a version is read after its record
    /// is not asked for again.
    #[must_use]
    pub fn guarded(&self, guard: SettingsGuard) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            objects: self.objects.guarded(guard),
            uploads: self.uploads.guarded(guard),
        }
    }

    /// The buckets.
    pub fn buckets(&self) -> &Buckets {
        self.objects.buckets()
    }

    /// The objects' records: what needs no bytes.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The uploads' records: what needs no bytes.
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// The threads for coding and hashing, for a caller with such work of its own.
    pub fn cpu(&self) -> &CpuPool {
        &self.shared.cpu
    }

    /// Deletes 1 to 1,000 keys and versions, each as if alone, and tells for each what became of it. The bytes go later.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn delete(
        &self,
        bucket: &Arc<BucketEntry>,
        targets: &[DeleteTarget],
    ) -> Result<Indexed<Vec<Deleted>>, MutateError> {
        self.objects.delete(bucket, targets).await
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}
