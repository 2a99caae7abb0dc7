//! Nodes, disks, pools, placement groups.

use bytes::Bytes;
use cairn_types::cluster::{
    Disk, Location, MetaNode, PlacementGroup, Pool, Profile, StorageNode, Topology,
};
use cairn_types::id::{ClusterId, DiskId, Epoch, GroupId, NodeId, PlacementGroupId, PoolId};

use crate::field::{DecodeError, Field, bits_128, messages, nouns};
use crate::proto;

impl From<&Profile> for proto::Profile {
    fn from(profile: &Profile) -> Self {
        let cells = |count: usize| u32::try_from(count).expect("a profile counts cells in a byte");
        Self {
            k: cells(profile.k()),
            m: cells(profile.m()),
        }
    }
}

impl TryFrom<proto::Profile> for Profile {
    type Error = DecodeError;

    fn try_from(message: proto::Profile) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Profile", name);
        let k = at("k").narrow(message.k)?;
        let m = at("m").narrow(message.m)?;
        Self::new(k, m).map_err(|_| at("k").breaks("with m one of 1+0, 1+1, 2+1, 2+2, 4+2, 8+4"))
    }
}

impl From<&Location> for proto::Location {
    fn from(location: &Location) -> Self {
        Self {
            zone: location.zone.clone(),
            host: location.host.clone(),
        }
    }
}

impl From<proto::Location> for Location {
    fn from(message: proto::Location) -> Self {
        Self {
            zone: message.zone,
            host: message.host,
        }
    }
}

impl From<&StorageNode> for proto::StorageNode {
    fn from(node: &StorageNode) -> Self {
        Self {
            id: node.id.get(),
            address: node.address.clone(),
            location: Some((&node.location).into()),
            name: node.name.clone(),
            admin_address: node.admin_address.clone(),
            incarnation: node.incarnation,
        }
    }
}

impl TryFrom<proto::StorageNode> for StorageNode {
    type Error = DecodeError;

    fn try_from(message: proto::StorageNode) -> Result<Self, DecodeError> {
        let location = Field::new("StorageNode", "location").required(message.location)?;
        Ok(Self {
            id: NodeId::new(message.id),
            name: message.name,
            address: message.address,
            admin_address: message.admin_address,
            incarnation: message.incarnation,
            location: location.into(),
        })
    }
}

impl From<&MetaNode> for proto::MetaNode {
    fn from(node: &MetaNode) -> Self {
        Self {
            id: node.id.get(),
            name: node.name.clone(),
            address: node.address.clone(),
            admin_address: node.admin_address.clone(),
            incarnation: node.incarnation,
            is_voter: node.is_voter,
        }
    }
}

impl From<proto::MetaNode> for MetaNode {
    fn from(message: proto::MetaNode) -> Self {
        Self {
            id: NodeId::new(message.id),
            name: message.name,
            address: message.address,
            admin_address: message.admin_address,
            incarnation: message.incarnation,
            is_voter: message.is_voter,
        }
    }
}

impl From<&Disk> for proto::Disk {
    fn from(disk: &Disk) -> Self {
        Self {
            id: bits_128(disk.id.get()),
            node: disk.node.get(),
            capacity_bytes: disk.capacity_bytes,
        }
    }
}

impl TryFrom<proto::Disk> for Disk {
    type Error = DecodeError;

    fn try_from(message: proto::Disk) -> Result<Self, DecodeError> {
        Ok(Self {
            id: DiskId::new(Field::new("Disk", "id").bits_128(&message.id)?),
            node: NodeId::new(message.node),
            capacity_bytes: message.capacity_bytes,
        })
    }
}

impl From<&Pool> for proto::Pool {
    fn from(pool: &Pool) -> Self {
        Self {
            id: pool.id.get(),
            name: pool.name.clone(),
            profile: Some((&pool.profile).into()),
            cell_len: pool.cell_len,
            is_fallback: pool.is_fallback,
        }
    }
}

impl TryFrom<proto::Pool> for Pool {
    type Error = DecodeError;

    fn try_from(message: proto::Pool) -> Result<Self, DecodeError> {
        Ok(Self {
            id: PoolId::new(message.id),
            name: message.name,
            profile: Field::new("Pool", "profile").noun(message.profile)?,
            cell_len: message.cell_len,
            is_fallback: message.is_fallback,
        })
    }
}

impl From<&PlacementGroup> for proto::PlacementGroup {
    fn from(group: &PlacementGroup) -> Self {
        Self {
            id: group.id.get(),
            pool: group.pool.get(),
            epoch: group.epoch.get(),
            members: disk_id_bytes(&group.members),
        }
    }
}

impl TryFrom<proto::PlacementGroup> for PlacementGroup {
    type Error = DecodeError;

    fn try_from(message: proto::PlacementGroup) -> Result<Self, DecodeError> {
        Ok(Self {
            id: PlacementGroupId::new(message.id),
            pool: PoolId::new(message.pool),
            epoch: Epoch::new(message.epoch),
            members: disk_ids(Field::new("PlacementGroup", "members"), &message.members)?,
        })
    }
}

impl From<&Topology> for proto::Topology {
    fn from(topology: &Topology) -> Self {
        let data_groups = topology.data_groups.iter();
        Self {
            cluster: bits_128(topology.cluster.get()),
            epoch: topology.epoch.get(),
            data_groups: data_groups.map(|group| group.get().into()).collect(),
            nodes: messages(&topology.nodes),
            disks: messages(&topology.disks),
            pools: messages(&topology.pools),
            placement_groups: messages(&topology.placement_groups),
            meta_nodes: messages(&topology.meta_nodes),
            write_pool: topology.write_pool.get(),
        }
    }
}

impl TryFrom<proto::Topology> for Topology {
    type Error = DecodeError;

    fn try_from(message: proto::Topology) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Topology", name);
        let data_groups = message.data_groups.into_iter();
        Ok(Self {
            cluster: ClusterId::new(at("cluster").bits_128(&message.cluster)?),
            epoch: Epoch::new(message.epoch),
            data_groups: data_groups
                .map(|number| at("data_groups").narrow(number).map(GroupId::new))
                .collect::<Result<_, _>>()?,
            nodes: nouns(message.nodes)?,
            disks: nouns(message.disks)?,
            pools: nouns(message.pools)?,
            placement_groups: nouns(message.placement_groups)?,
            meta_nodes: message.meta_nodes.into_iter().map(Into::into).collect(),
            write_pool: PoolId::new(message.write_pool),
        })
    }
}

/// Disks' ids as the schema writes them.
pub(crate) fn disk_id_bytes(disks: &[DiskId]) -> Vec<Bytes> {
    disks.iter().map(|disk| bits_128(disk.get())).collect()
}

/// The disks' ids in these bytes.
pub(crate) fn disk_ids(at: Field, ids: &[Bytes]) -> Result<Vec<DiskId>, DecodeError> {
    ids.iter()
        .map(|id| at.bits_128(id).map(DiskId::new))
        .collect()
}
