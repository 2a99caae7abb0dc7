//! The metadata nodes: which there are, and which of them vote.

use cairn_types::cluster::MetaNode;
use cairn_types::id::NodeId;
use cairn_types::namespace::{Refusal, RootReply};

use super::change::Change;
use super::limits;
use super::topology::{advance, check_process, cluster, conflict};
use crate::failure::Failure;
use crate::key;
use crate::record;
use crate::record::cluster::MetaNodeRow;
use crate::store::{Store, StoreError};

/// Metadata nodes of a cluster, learners among them.
const META_NODES: usize = 256;

/// Writes down the first members, all of them voters.
pub(super) fn found<S: Store>(
    change: &mut Change<'_, S>,
    members: &[MetaNode],
) -> Result<(), Failure> {
    if members.len() > META_NODES {
        return Err(conflict("there are as many metadata nodes as there may be").into());
    }
    for (at, node) in members.iter().enumerate() {
        check_process(&node.name, &node.address, &node.admin_address)?;
        let mut others = members.iter().take(at);
        if others.any(|other| other.id == node.id || other.name == node.name) {
            return Err(limits::malformed("two members have the same id or name").into());
        }
        let is_voter = true;
        put(
            change,
            MetaNode {
                is_voter,
                ..node.clone()
            },
        );
    }
    Ok(())
}

/// Brings a node up to date, in place of one of the same name. The epoch grows only if anything changed.
pub(super) fn register<S: Store>(
    change: &mut Change<'_, S>,
    node: &MetaNode,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    check_process(&node.name, &node.address, &node.admin_address)?;
    if is_retired(change, node.id)? {
        return Err(conflict("the id of this node is retired").into());
    }
    let mut is_voter = false;
    let mut replaced = None;
    let nodes = all(change)?;
    let count = nodes.len();
    let alike = |there: &MetaNode| there.id == node.id || there.name == node.name;
    for there in nodes.into_iter().filter(alike) {
        if there.incarnation > node.incarnation {
            return Err(conflict("the node has started again since").into());
        }
        is_voter |= there.is_voter;
        if there.id != node.id {
            replaced = Some(there.id);
        }
    }
    let row = MetaNode {
        is_voter,
        ..node.clone()
    };
    let there = change.get(&key::root::meta_node(node.id))?;
    if replaced.is_none() && there.is_none() && count >= META_NODES {
        return Err(conflict("there are as many metadata nodes as there may be").into());
    }
    if let Some(replaced) = replaced {
        forget(change, replaced);
    }
    if replaced.is_some() || there.is_none_or(|there| there.0 != row) {
        put(change, row);
        advance(change, &mut cluster);
    }
    Ok(RootReply::Done)
}

/// Makes a node a voter, or a learner.
pub(super) fn set_voter<S: Store>(
    change: &mut Change<'_, S>,
    node: NodeId,
    is_voter: bool,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    let row = change
        .get(&key::root::meta_node(node))?
        .ok_or_else(no_such_node)?;
    if row.0.is_voter == is_voter {
        return Ok(RootReply::Done);
    }
    if !is_voter {
        check_not_last(change, &row.0)?;
    }
    put(change, MetaNode { is_voter, ..row.0 });
    advance(change, &mut cluster);
    Ok(RootReply::Done)
}

/// Forgets a node, but not that its id was used.
pub(super) fn retire<S: Store>(
    change: &mut Change<'_, S>,
    node: NodeId,
) -> Result<RootReply, Failure> {
    let mut cluster = cluster(change)?;
    if is_retired(change, node)? {
        return Ok(RootReply::Done);
    }
    let row = change
        .get(&key::root::meta_node(node))?
        .ok_or_else(no_such_node)?;
    check_not_last(change, &row.0)?;
    forget(change, node);
    advance(change, &mut cluster);
    Ok(RootReply::Done)
}

/// Refuses to lose the last voter: groups cannot be without one.
fn check_not_last<S: Store>(change: &Change<'_, S>, node: &MetaNode) -> Result<(), Failure> {
    let voters = all(change)?;
    let mut others = voters.iter().filter(|other| other.id != node.id);
    if node.is_voter && !others.any(|other| other.is_voter) {
        return Err(conflict("it is the last voter").into());
    }
    Ok(())
}

fn is_retired<S: Store>(change: &Change<'_, S>, node: NodeId) -> Result<bool, StoreError> {
    change.has(&key::root::retired_meta_node(node))
}

fn all<S: Store>(change: &Change<'_, S>) -> Result<Vec<MetaNode>, StoreError> {
    let prefix = key::root::meta_nodes();
    let rows: Vec<(_, MetaNodeRow)> = record::scan(change.rows(), &prefix, &prefix, usize::MAX)?;
    Ok(rows.into_iter().map(|(_, row)| row.0).collect())
}

fn put<S: Store>(change: &mut Change<'_, S>, node: MetaNode) {
    change.put(key::root::meta_node(node.id), &MetaNodeRow(node));
}

fn forget<S: Store>(change: &mut Change<'_, S>, node: NodeId) {
    change.delete(key::root::meta_node(node));
    change.mark(key::root::retired_meta_node(node));
}

fn no_such_node() -> Refusal {
    conflict("there is no such metadata node")
}
