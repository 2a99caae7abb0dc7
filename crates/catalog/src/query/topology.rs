//! The cluster and its topology.

use cairn_types::cluster::Topology;
use cairn_types::id::{Epoch, GroupId};
use cairn_types::namespace::{Refusal, RootView};

use crate::failure::Failure;
use crate::key;
use crate::record::cluster::{DiskRow, MetaNodeRow, NodeRow, PlacementGroupRow, PoolRow};
use crate::record::{self, Record};
use crate::store::{Store, StoreError};

/// The cluster's constants, if it was made.
pub(super) fn cluster<S: Store>(store: &S) -> Result<RootView, Failure> {
    let row = record::get(store, &key::root::cluster())?;
    Ok(RootView::Cluster(row.map(|row| row.info)))
}

/// The topology, unless it is known.
pub(super) fn topology<S: Store>(store: &S, known: Epoch) -> Result<RootView, Failure> {
    let row = record::get(store, &key::root::cluster())?;
    let row = row.ok_or_else(|| Refusal::TopologyConflict {
        reason: "there is no cluster yet".to_owned(),
    })?;
    if row.topology_epoch == known {
        return Ok(RootView::Topology(None));
    }
    let nodes: Vec<NodeRow> = all(store, &key::root::nodes())?;
    let disks: Vec<DiskRow> = all(store, &key::root::disks())?;
    let pools: Vec<PoolRow> = all(store, &key::root::pools())?;
    let groups: Vec<PlacementGroupRow> = all(store, &key::root::placement_groups())?;
    let meta_nodes: Vec<MetaNodeRow> = all(store, &key::root::meta_nodes())?;
    Ok(RootView::Topology(Some(Topology {
        cluster: row.info.cluster,
        epoch: row.topology_epoch,
        data_groups: (1..=row.info.data_group_count).map(GroupId::new).collect(),
        nodes: nodes.into_iter().map(|row| row.0).collect(),
        disks: disks.into_iter().map(|row| row.0).collect(),
        pools: pools.into_iter().map(|row| row.0).collect(),
        placement_groups: groups.into_iter().map(|row| row.0).collect(),
        meta_nodes: meta_nodes.into_iter().map(|row| row.0).collect(),
        write_pool: row.write_pool,
    })))
}

fn all<S: Store, R: Record>(store: &S, table: &[u8]) -> Result<Vec<R>, StoreError> {
    let rows = record::scan(store, table, table, usize::MAX)?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
