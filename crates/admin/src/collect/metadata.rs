//! What the metadata nodes say of their groups, put together. Nothing in here asks anybody.

use std::collections::{BTreeMap, BTreeSet};

use cairn_client::meta::{NodeError, ReplicaStatus};
use cairn_types::cluster::MetaNode;
use cairn_types::id::{GroupId, NodeId};

use crate::status;

/// What was heard of the metadata nodes at about one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    nodes: Vec<Heard>,
}

/// What was heard of one of them.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// The node.
    pub(crate) id: NodeId,
    /// What is on record of it; nothing where members are not on record, as in `cairn dev`.
    pub(crate) row: Option<MetaNode>,
    /// What it said, or why it said nothing.
    pub(crate) said: Result<Vec<ReplicaStatus>, NodeError>,
}

/// One group, as those of its members see it that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupView<'a> {
    /// Who believes that it leads, and knows of no newer term than anybody else.
    pub(crate) leader: Option<NodeId>,
    /// The newest term.
    pub(crate) term: u64,
    /// Who votes.
    pub(crate) voters: &'a [NodeId],
    /// Who only follows.
    pub(crate) learners: &'a [NodeId],
    /// What each of them has.
    pub(crate) replicas: Vec<(NodeId, &'a ReplicaStatus)>,
}

impl Metadata {
    /// Puts together what was heard of each.
    pub(crate) fn new(nodes: Vec<Heard>) -> Self {
        Self { nodes }
    }

    /// What was heard of each.
    pub(crate) fn nodes(&self) -> &[Heard] {
        &self.nodes
    }

    /// Whether a node answered.
    pub(crate) fn is_up(&self, node: NodeId) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|heard| heard.id == node && heard.said.is_ok())
    }

    /// What a node is called.
    pub(crate) fn name(&self, node: NodeId) -> String {
        let heard = self.nodes.iter().find(|heard| heard.id == node);
        heard.map_or_else(|| nameless(node), Heard::name)
    }

    /// A group; nothing when nobody said anything of it.
    pub(crate) fn group(&self, group: GroupId) -> Option<GroupView<'_>> {
        let replicas: Vec<(NodeId, &ReplicaStatus)> = self
            .nodes
            .iter()
            .filter_map(|heard| Some((heard.id, heard.said.as_ref().ok()?)))
            .flat_map(|(node, replicas)| replicas.iter().map(move |replica| (node, replica)))
            .filter(|(_, replica)| replica.group == group)
            .collect();
        let term = replicas.iter().map(|(_, replica)| replica.term).max()?;
        let leader = replicas
            .iter()
            .find(|(_, replica)| replica.term == term && replica.state == "leader");
        // Who has the most has the newest list of members.
        let newest = replicas
            .iter()
            .max_by_key(|(_, replica)| (replica.term, replica.last_log_index));
        let (_, newest) = leader.or(newest)?;
        Some(GroupView {
            leader: leader.map(|(node, _)| *node),
            term,
            voters: &newest.voters,
            learners: &newest.learners,
            replicas,
        })
    }

    /// A group as it is told, when `leader` leads it.
    pub(super) fn status(&self, group: GroupId, leader: Option<NodeId>) -> status::GroupStatus {
        let names = |nodes: &[NodeId]| {
            let mut names: Vec<String> = nodes.iter().map(|node| self.name(*node)).collect();
            names.sort_by_key(|name| super::by_name(name));
            names
        };
        let view = self.group(group);
        let view = view.as_ref();
        let replicas = view.map_or_else(Vec::new, |view| view.replicas.clone());
        status::GroupStatus {
            group: group.get(),
            leader: leader.map(|leader| self.name(leader)),
            term: view.map_or(0, |view| view.term),
            voters: view.map_or_else(Vec::new, |view| names(view.voters)),
            learners: view.map_or_else(Vec::new, |view| names(view.learners)),
            replicas: replicas
                .into_iter()
                .map(|(node, replica)| status::ReplicaStatus {
                    node: self.name(node),
                    state: replica.state.clone(),
                    term: replica.term,
                    last_log_index: replica.last_log_index,
                    applied_index: replica.applied_index,
                    snapshot_index: replica.snapshot_index,
                    purged_index: replica.purged_index,
                    state_hash: format!("{:032x}", replica.state_hash),
                })
                .collect(),
            debts: None,
        }
    }

    /// What is wrong with nodes and their parts in `groups`, one line each.
    pub(super) fn problems(&self, groups: &[GroupId]) -> Vec<String> {
        let mut problems = Vec::new();
        let views: Vec<(GroupId, GroupView<'_>)> = groups
            .iter()
            .filter_map(|group| Some((*group, self.group(*group)?)))
            .collect();
        for heard in &self.nodes {
            let name = heard.name();
            if let Err(error) = &heard.said {
                problems.push(format!("metadata node {name} does not answer: {error}"));
            }
            let is_to_vote = heard.row.as_ref().is_some_and(|row| row.is_voter);
            let missing = views.iter().filter(|(_, view)| {
                // Who is not there cannot be made a voter.
                is_to_vote && heard.said.is_ok() && !view.voters.contains(&heard.id)
            });
            let missing = missing.count();
            if missing > 0 {
                let all = views.len();
                problems.push(format!(
                    "metadata node {name} does not vote in {missing} of {all} groups yet"
                ));
            }
        }
        for (group, view) in &views {
            let stopped = view
                .replicas
                .iter()
                .filter(|(_, one)| one.state == "stopped");
            problems.extend(
                stopped
                    .map(|(node, _)| format!("group {group} has stopped on {}", self.name(*node))),
            );
            problems.extend(self.differing(*group, view));
        }
        problems
    }

    /// Replicas that applied the same entries and have not got the same.
    fn differing(&self, group: GroupId, view: &GroupView<'_>) -> Option<String> {
        let mut hashes: BTreeMap<u64, BTreeSet<u128>> = BTreeMap::new();
        for (_, replica) in &view.replicas {
            let at = hashes.entry(replica.applied_index).or_default();
            at.insert(replica.state_hash);
        }
        let (index, _) = hashes.iter().find(|(_, hashes)| hashes.len() > 1)?;
        let there = view.replicas.iter();
        let there = there.filter(|(_, replica)| replica.applied_index == *index);
        let names: Vec<String> = there.map(|(node, _)| self.name(*node)).collect();
        Some(format!(
            "group {group}: the replicas of {} differ at index {index}",
            names.join(" and ")
        ))
    }
}

impl Heard {
    /// What the node is called.
    pub(crate) fn name(&self) -> String {
        self.row
            .as_ref()
            .map_or_else(|| nameless(self.id), |row| row.name.clone())
    }
}

fn nameless(node: NodeId) -> String {
    format!("node-{node}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GROUP: GroupId = GroupId::new(1);

    /// A node named `m<id>` that says this of one group.
    pub(crate) fn heard(id: u64, said: Option<ReplicaStatus>) -> Heard {
        let unreachable = || NodeError::Failed {
            reason: "refused".to_owned(),
        };
        Heard {
            id: NodeId::new(id),
            row: Some(MetaNode {
                id: NodeId::new(id),
                name: format!("m{id}"),
                address: String::new(),
                admin_address: String::new(),
                incarnation: 1,
                is_voter: true,
            }),
            said: said.map(|replica| vec![replica]).ok_or_else(unreachable),
        }
    }

    pub(crate) fn replica(state: &str, term: u64, last: u64, voters: &[u64]) -> ReplicaStatus {
        ReplicaStatus {
            group: GROUP,
            state: state.to_owned(),
            leader: None,
            term,
            last_log_index: last,
            applied_index: last,
            snapshot_index: 0,
            purged_index: 0,
            voters: voters.iter().copied().map(NodeId::new).collect(),
            learners: Vec::new(),
            state_hash: u128::from(last),
        }
    }

    #[test]
    fn who_leads_is_who_says_so_in_the_newest_term() {
        let old = heard(1, Some(replica("leader", 3, 9, &[1, 2, 3])));
        let new = heard(2, Some(replica("leader", 4, 8, &[1, 2, 4])));
        let metadata = Metadata::new(vec![old.clone(), new, heard(3, None)]);
        let view = metadata.group(GROUP).unwrap();
        assert_eq!((view.leader, view.term), (Some(NodeId::new(2)), 4));
        assert_eq!(view.voters.last(), Some(&NodeId::new(4)), "by the leader");
        assert_eq!(metadata.group(GroupId::ROOT), None);

        let candidate = heard(2, Some(replica("candidate", 4, 8, &[1, 2, 3])));
        let metadata = Metadata::new(vec![old, candidate]);
        assert_eq!(
            metadata.group(GROUP).unwrap().leader,
            None,
            "it was outvoted"
        );
    }

    #[test]
    fn nodes_go_by_their_names_and_by_their_ids_where_they_have_none() {
        let mut bare = heard(7, Some(replica("leader", 1, 1, &[7, 8])));
        bare.row = None;
        let metadata = Metadata::new(vec![bare, heard(8, None)]);
        let status = metadata.status(GROUP, Some(NodeId::new(7)));
        assert_eq!(status.leader.as_deref(), Some("node-7"));
        assert_eq!(status.voters, ["m8", "node-7"]);
        assert_eq!(status.replicas.len(), 1);
        assert_eq!(metadata.status(GroupId::ROOT, None).voters, [""; 0]);
        assert!(metadata.is_up(NodeId::new(7)) && !metadata.is_up(NodeId::new(8)));
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let mut other = replica("follower", 3, 9, &[1, 2, 3]);
        other.state_hash = 77;
        let nodes = vec![
            heard(1, Some(replica("leader", 3, 9, &[1, 2, 3]))),
            heard(2, Some(other)),
            heard(3, None),
            heard(4, Some(replica("stopped", 3, 0, &[]))),
        ];
        let problems = Metadata::new(nodes).problems(&[GroupId::ROOT, GROUP]);
        assert_eq!(
            problems,
            [
                "metadata node m3 does not answer: refused",
                "metadata node m4 does not vote in 1 of 1 groups yet",
                "group 1 has stopped on m4",
                "group 1: the replicas of m1 and m2 differ at index 9",
            ]
        );
        let healthy = vec![heard(1, Some(replica("leader", 3, 9, &[1])))];
        assert_eq!(Metadata::new(healthy).problems(&[GROUP]), [""; 0]);
    }
}
