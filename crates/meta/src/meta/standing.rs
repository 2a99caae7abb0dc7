//! Where a node stands in its cluster.

use cairn_types::id::{ClusterId, GroupId, NodeId};

use super::Meta;

impl Meta {
    /// The cluster that this node is of and how many data groups that has, once it made, joined or was invited to one.
    pub fn home(&self) -> Option<(ClusterId, u16)> {
        let home = self.node.home()?;
        Some((home.cluster, home.data_groups))
    }

    /// The members of the root group and where they are, as far as this node knows: perhaps no longer all of them.
    pub fn members(&self) -> Vec<(NodeId, String)> {
        self.node.members()
    }

    /// Whether every group has a log here. A node that has just joined gets them from the groups' leaders.
    pub async fn is_initialized(&self) -> bool {
        let groups = self.node.groups();
        for group in &groups {
            // One that has stopped says so elsewhere.
            if !group.raft().is_initialized().await.unwrap_or(false) {
                return false;
            }
        }
        !groups.is_empty()
    }

    /// Whether this node believes that it leads a group now. Does not block; good for choosing who does what can be done twice.
    pub fn leads(&self, group: GroupId) -> bool {
        self.node
            .groups()
            .iter()
            .any(|known| known.id() == group && known.is_leader())
    }
}
