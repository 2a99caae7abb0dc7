//! Whose directory is whose, without opening it.

use std::path::Path;

use cairn_types::id::{ClusterId, NodeId};

use crate::label::{Label, LabelError};

/// The cluster and the node whose metadata is in a directory; `None` where there is none yet. Blocks for one small read.
///
/// # Errors
/// When there is a label that cannot be read.
pub fn identify(dir: &Path) -> Result<Option<(ClusterId, NodeId)>, LabelError> {
    let label = Label::read(dir)?;
    Ok(label.map(|label| (label.cluster, label.node)))
}
