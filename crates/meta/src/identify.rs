//! Whose directory is whose, without opening it.

use std::path::Path;

use cairn_types::id::{ClusterId, NodeId};

use crate::label::{Label, LabelError};

/// The cluster and the node whose metadata is in a directory; `None` where there is none yet, which is also so for a node
/// that is of no cluster. Blocks for one small read.
///
/// # Errors
/// When there is a label that cannot be read.
pub fn identify(dir: &Path) -> Result<Option<(ClusterId, NodeId)>, LabelError> {
    let Some(label) = Label::read(dir)? else {
        return Ok(None);
    };
    Ok(label.home.map(|home| (home.cluster, label.node)))
}

/// The node that a directory is, from the moment it was first opened on, of whatever cluster or of none. Blocks for one
/// small read.
///
/// # Errors
/// When there is a label that cannot be read.
pub fn node_of(dir: &Path) -> Result<Option<NodeId>, LabelError> {
    Ok(Label::read(dir)?.map(|label| label.node))
}
