//! The root group: cluster, topology, pools, bucket directory, shard map.

use super::account::AccountMutation;
use crate::account::{CanonicalId, IdentityPage};
use crate::cluster::{Disk, MetaNode, Profile, StorageNode, Topology};
use crate::id::{BucketId, ClusterId, DiskId, Epoch, GroupId, NodeId, PlacementGroupId, PoolId};
use crate::name::BucketName;
use crate::settings::InitialSettings;
use crate::time::Timestamp;

/// A change of the root group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootMutation {
    /// Makes the cluster. Repeating it with the same values is no change, whoever the members are meanwhile; other values:
    /// `GenesisConflict`.
    Genesis {
        /// The new cluster's id.
        cluster: ClusterId,
        /// How many data groups there are, from group 1 on; 1 to 1,000.
        data_group_count: u16,
        /// Where buckets are said to be.
        region: String,
        /// The first metadata nodes: voters, whatever they say.
        members: Vec<MetaNode>,
    },
    /// Tells of a storage node and its disks. Known ones are brought up to date; no disk is forgotten. Of an older incarnation
    /// than the known one: `TopologyConflict`, so that a late registration never puts an old address back.
    RegisterStorage {
        /// The node.
        node: StorageNode,
        /// All disks that it has now. A disk that another node had moves here.
        disks: Vec<Disk>,
    },
    /// Forgets a storage node and its disks. While a placement group names one of them: `TopologyConflict`. An unknown one:
    /// no change.
    RetireStorage {
        /// The node.
        node: NodeId,
    },
    /// Tells of a metadata node. One with the same id is brought up to date; one with the same name and another id is replaced:
    /// the new one votes if it did, and its id is retired. Of an older incarnation than the one that is there, or with a
    /// retired id: `TopologyConflict`.
    RegisterMeta {
        /// The node; whether it votes is not read.
        node: MetaNode,
    },
    /// Says whether a metadata node is to vote. An unknown node, or the last voter: `TopologyConflict`.
    SetMetaVoter {
        /// The node.
        node: NodeId,
        /// Whether it is to be a voter.
        is_voter: bool,
    },
    /// Forgets a metadata node and never takes its id again. The last voter, or one that never was: `TopologyConflict`; a
    /// retired one: no change.
    RetireMeta {
        /// The node.
        node: NodeId,
    },
    /// Makes a pool; the same pool again is no change.
    CreatePool {
        /// Its id; 1 is the default pool.
        id: PoolId,
        /// Its name.
        name: String,
        /// Its profile.
        profile: Profile,
        /// Its largest cell in bytes.
        cell_len: u32,
        /// Whether it takes only what the write pool cannot just now.
        is_fallback: bool,
    },
    /// Chooses the pool that new blobs go to. An unknown or a fallback pool: `TopologyConflict`.
    SetWritePool {
        /// The pool.
        pool: PoolId,
    },
    /// Makes placement groups in a pool, each with epoch 1, in the order given. No change when the topology moved on
    /// from `topology_epoch`: `TopologyConflict`, and the planner looks again.
    CreatePlacementGroups {
        /// The pool.
        pool: PoolId,
        /// What the planner saw.
        topology_epoch: Epoch,
        /// Members of each: `profile.width()` known disks, all different.
        members: Vec<Vec<DiskId>>,
    },
    /// Takes a name for a new bucket: the directory row says `Creating`. Whoever finds it so finishes it.
    ReserveBucket {
        /// The name.
        name: BucketName,
        /// Whose it is: a canonical user id.
        owner: String,
        /// What it is made with.
        initial: InitialSettings,
    },
    /// `Creating` → `Active`, after all its data groups opened it. As of every step: one that was taken already is no change,
    /// and a bucket that went on from the epoch the asker saw is `BucketInTransition`: look again.
    ActivateBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when it was found `Creating`.
        epoch: Epoch,
    },
    /// `Active` → `Deleting`.
    BeginDeleteBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when it was found `Active`.
        epoch: Epoch,
    },
    /// `Deleting` → `Active`, when a data group found it not empty. Then the fences are to be lifted.
    ReviveBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when it was found `Deleting`.
        epoch: Epoch,
    },
    /// `Deleting` → `Draining`, after all its data groups fenced it at this epoch: from here there is no way back.
    CommitDeleteBucket {
        /// The bucket.
        bucket: BucketId,
        /// Its epoch when it was found `Deleting`.
        epoch: Epoch,
    },
    /// Frees the name of a draining bucket, after its data groups drained it. An unknown one: no change.
    ReleaseBucket {
        /// The bucket.
        bucket: BucketId,
    },
    /// From now on commands may be proposed with this apply version: the next one. The current one: no change; any other:
    /// `TopologyConflict`.
    ActivateApplyVersion {
        /// The version.
        version: u32,
    },
    /// Of an account or an access key.
    Account(AccountMutation),
}

/// What a change of the root group answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootReply {
    /// It is so now.
    Done,
    /// Placement groups were made.
    PlacementGroups(Vec<PlacementGroupId>),
    /// The directory row as it is now.
    Bucket(BucketEntry),
}

/// A step in the life of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketState {
    /// The name is taken; the data group may not know the bucket yet.
    Creating,
    /// In use.
    Active,
    /// On the way out, unless it turns out not to be empty.
    Deleting,
    /// Empty and fenced everywhere: what is left of it is being removed.
    Draining {
        /// No bucket with an id below this is yet to be opened.
        opened_below: BucketId,
    },
}

/// A row of the shard map: the keys from `start` up to the next row's are in `group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRange {
    /// The first key of the range; empty for the first.
    pub start: String,
    /// The data group.
    pub group: GroupId,
    /// Grows when the range moves.
    pub epoch: Epoch,
}

/// A row of the bucket directory, with the bucket's part of the shard map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// The bucket.
    pub bucket: BucketId,
    /// Its name.
    pub name: BucketName,
    /// Whose it is.
    pub owner: String,
    /// When it was made.
    pub created: Timestamp,
    /// Where it stands in its life.
    pub state: BucketState,
    /// Grows with each step of its life, so that whoever acts on what he saw can say when that was.
    pub epoch: Epoch,
    /// What it is to be made with, while it is `Creating`; afterwards its data groups know better.
    pub initial: InitialSettings,
    /// Where its keys are; at least one row, the first with an empty start.
    pub ranges: Vec<ShardRange>,
}

impl BucketEntry {
    /// The data group of a key.
    pub fn group_of(&self, key: &str) -> GroupId {
        self.ranges
            .iter()
            .rev()
            .find(|range| range.start.as_str() <= key)
            .map_or(GroupId::ROOT, |range| range.group)
    }
}

/// A question to the root group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootQuery {
    /// The topology, unless it still has this epoch.
    Topology {
        /// What the asker has; 0 for nothing.
        known: Epoch,
    },
    /// The directory row of a name. `NoSuchBucket` if there is none.
    Bucket {
        /// The name.
        name: BucketName,
    },
    /// The directory row of an id. `NoSuchBucket` if there is none.
    BucketById {
        /// The bucket.
        bucket: BucketId,
    },
    /// A page of the buckets that are there, by name: active ones, and those whose deletion may yet fail.
    Buckets {
        /// Only names after this; empty for the first page.
        after: String,
        /// Only names with this prefix.
        prefix: String,
        /// Only buckets of this owner.
        owner: Option<String>,
        /// At most this many rows, 1 to 10,000.
        limit: u32,
    },
    /// The cluster's constants. `NoSuchBucket` never; before genesis: `ClusterInfo` is `None` in the view.
    Cluster,
    /// A page of the accounts with their keys, unless what the asker has is the newest.
    Identities {
        /// The epoch of what the asker has; 0 for nothing. For a page behind another: 0.
        known: Epoch,
        /// Only accounts with an id after this one; `None` for the first page.
        after: Option<CanonicalId>,
        /// At most this many accounts, 1 to 500.
        limit: u32,
    },
}

/// What is fixed at genesis, and the apply version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The cluster.
    pub cluster: ClusterId,
    /// How many data groups it has.
    pub data_group_count: u16,
    /// Where its buckets are said to be.
    pub region: String,
    /// When it was made.
    pub created: Timestamp,
    /// The highest apply version that commands may be proposed with.
    pub apply_version: u32,
}

/// An answer of the root group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootView {
    /// The topology; `None` when the asker's is the newest.
    Topology(Option<Topology>),
    /// A directory row.
    Bucket(BucketEntry),
    /// A page of rows.
    Buckets {
        /// The rows, by name.
        entries: Vec<BucketEntry>,
        /// Whether more follow.
        truncated: bool,
    },
    /// The cluster, if it was made.
    Cluster(Option<ClusterInfo>),
    /// A page of accounts; `None` when what the asker has is the newest.
    Identities(Option<IdentityPage>),
}
