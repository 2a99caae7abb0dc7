//! Rows of the cluster and its topology.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_types::cluster::{Disk, MetaNode, PlacementGroup, Pool, StorageNode};
use cairn_types::id::{BucketId, Epoch, PlacementGroupId, PoolId};
use cairn_types::namespace::root::ClusterInfo;

use super::Record;

/// The cluster: what was fixed at genesis, and what is counted up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterRow {
    /// The constants, and the apply version.
    pub(crate) info: ClusterInfo,
    /// Grows with each change of the topology.
    pub(crate) topology_epoch: Epoch,
    /// The last id that was given; the next one is one more. 0: none yet.
    pub(crate) last_placement_group: PlacementGroupId,
    /// As for placement groups.
    pub(crate) last_bucket: BucketId,
    /// The pool that new blobs go to. 0: none yet.
    pub(crate) write_pool: PoolId,
}

impl Record for ClusterRow {
    const KIND: &'static str = "ClusterRecord";
    type Message = proto::ClusterRecord;

    fn to_message(&self) -> proto::ClusterRecord {
        proto::ClusterRecord {
            info: Some((&self.info).into()),
            topology_epoch: self.topology_epoch.get(),
            last_placement_group: self.last_placement_group.get(),
            last_bucket: self.last_bucket.get(),
            write_pool: self.write_pool.get(),
        }
    }

    fn from_message(message: proto::ClusterRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            info: Field::new(Self::KIND, "info").noun(message.info)?,
            topology_epoch: Epoch::new(message.topology_epoch),
            last_placement_group: PlacementGroupId::new(message.last_placement_group),
            last_bucket: BucketId::new(message.last_bucket),
            write_pool: PoolId::new(message.write_pool),
        })
    }
}

/// A storage node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRow(pub(crate) StorageNode);

impl Record for NodeRow {
    const KIND: &'static str = "NodeRecord";
    type Message = proto::NodeRecord;

    fn to_message(&self) -> proto::NodeRecord {
        proto::NodeRecord {
            node: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::NodeRecord) -> Result<Self, DecodeError> {
        Field::new(Self::KIND, "node").noun(message.node).map(Self)
    }
}

/// A metadata node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaNodeRow(pub(crate) MetaNode);

impl Record for MetaNodeRow {
    const KIND: &'static str = "MetaNodeRecord";
    type Message = proto::MetaNodeRecord;

    fn to_message(&self) -> proto::MetaNodeRecord {
        proto::MetaNodeRecord {
            node: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::MetaNodeRecord) -> Result<Self, DecodeError> {
        let node = Field::new(Self::KIND, "node").required(message.node)?;
        Ok(Self(node.into()))
    }
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskRow(pub(crate) Disk);

impl Record for DiskRow {
    const KIND: &'static str = "DiskRecord";
    type Message = proto::DiskRecord;

    fn to_message(&self) -> proto::DiskRecord {
        proto::DiskRecord {
            disk: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::DiskRecord) -> Result<Self, DecodeError> {
        Field::new(Self::KIND, "disk").noun(message.disk).map(Self)
    }
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolRow(pub(crate) Pool);

impl Record for PoolRow {
    const KIND: &'static str = "PoolRecord";
    type Message = proto::PoolRecord;

    fn to_message(&self) -> proto::PoolRecord {
        proto::PoolRecord {
            pool: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::PoolRecord) -> Result<Self, DecodeError> {
        Field::new(Self::KIND, "pool").noun(message.pool).map(Self)
    }
}

/// A placement group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacementGroupRow(pub(crate) PlacementGroup);

impl Record for PlacementGroupRow {
    const KIND: &'static str = "PlacementGroupRecord";
    type Message = proto::PlacementGroupRecord;

    fn to_message(&self) -> proto::PlacementGroupRecord {
        proto::PlacementGroupRecord {
            placement_group: Some((&self.0).into()),
        }
    }

    fn from_message(message: proto::PlacementGroupRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "placement_group");
        at.noun(message.placement_group).map(Self)
    }
}
