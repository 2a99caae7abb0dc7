//! What is to be done about members and leaders, decided from what is known.

use std::collections::{BTreeMap, BTreeSet};

use cairn_types::cluster::MetaNode;
use cairn_types::id::{GroupId, NodeId};

use crate::consensus::Membership;
use crate::service::members::Members;

/// A leadership to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transfer {
    /// Of which group.
    pub(super) group: GroupId,
    /// Who has it.
    pub(super) from: NodeId,
    /// Who is to have it.
    pub(super) to: NodeId,
}

/// Who is to take part in every group: all nodes on record, those that are to vote as voters.
pub(super) fn members(on_record: &[MetaNode]) -> Members {
    let mut members = Members::default();
    for node in on_record {
        let part = if node.is_voter {
            &mut members.voters
        } else {
            &mut members.learners
        };
        part.insert(node.id, node.address.clone());
    }
    members
}

/// Whether a group has exactly these members, where they are, and nothing is under way.
pub(super) fn is_settled(wanted: &Members, found: &Membership) -> bool {
    let voters = wanted.voters.keys().map(|node| node.get());
    let [known] = found.get_joint_config().as_slice() else {
        return false;
    };
    let mut places: BTreeMap<u64, &str> = BTreeMap::new();
    for (node, address) in wanted.voters.iter().chain(&wanted.learners) {
        places.insert(node.get(), address);
    }
    let found = found
        .nodes()
        .map(|(node, place)| (*node, place.addr.as_str()));
    known.iter().copied().eq(voters) && places.into_iter().eq(found)
}

/// What to ask for, one after the other until it is granted: all at once; or, as long as some of the new voters are not up
/// to date, one of the others alone, in the place of one that is to go. No step has fewer voters than the group has now,
/// unless fewer are wanted.
pub(super) fn steps(wanted: &Members, found: &Membership) -> Vec<Members> {
    let mut steps = vec![wanted.clone()];
    let [known] = found.get_joint_config().as_slice() else {
        return steps;
    };
    let wanted_ids: BTreeSet<u64> = wanted.voters.keys().map(|node| node.get()).collect();
    let new: Vec<u64> = wanted_ids.difference(known).copied().collect();
    if new.len() < 2 {
        return steps;
    }
    let leaving = known.difference(&wanted_ids).next();
    let places: BTreeMap<NodeId, String> = found
        .nodes()
        .map(|(node, place)| (NodeId::new(*node), place.addr.clone()))
        .chain(wanted.learners.clone())
        .chain(wanted.voters.clone())
        .collect();
    for joining in new {
        let mut voters = known.clone();
        if let Some(leaving) = leaving {
            voters.remove(leaving);
        }
        voters.insert(joining);
        let is_voter = |node: &NodeId| voters.contains(&node.get());
        let is_wanted =
            |node: &NodeId| wanted.voters.contains_key(node) || wanted.learners.contains_key(node);
        let (voters, mut learners): (BTreeMap<_, _>, BTreeMap<_, _>) = places
            .clone()
            .into_iter()
            .partition(|(node, _)| is_voter(node));
        learners.retain(|node, _| is_wanted(node));
        steps.push(Members { voters, learners });
    }
    steps
}

/// The leadership to be moved so that none of `voters` leads two or more groups more than another.
pub(super) fn transfer(
    leaders: &BTreeMap<GroupId, NodeId>,
    voters: &BTreeSet<NodeId>,
) -> Option<Transfer> {
    let led = |voter: &NodeId| leaders.values().filter(|leader| *leader == voter).count();
    let to = *voters.iter().min_by_key(|voter| led(voter))?;
    let from = *leaders.values().max_by_key(|leader| led(leader))?;
    if led(&from) < led(&to) + 2 {
        return None;
    }
    // The last one: data groups before the root group, whose leader does all this.
    let led_by = leaders.iter().rev().find(|(_, leader)| **leader == from);
    led_by.map(|(group, _)| Transfer {
        group: *group,
        from,
        to,
    })
}

#[cfg(test)]
mod tests {
    use openraft::BasicNode;

    use super::*;

    fn node(id: u64, is_voter: bool) -> MetaNode {
        MetaNode {
            id: NodeId::new(id),
            name: format!("m{id}"),
            address: format!("at-{id}"),
            admin_address: String::new(),
            incarnation: 1,
            is_voter,
        }
    }

    fn group(voters: &[&[u64]], all: &[u64]) -> Membership {
        let sets = voters.iter().map(|set| set.iter().copied().collect());
        let places = all
            .iter()
            .map(|id| (*id, BasicNode::new(format!("at-{id}"))))
            .collect::<BTreeMap<_, _>>();
        Membership::new(sets.collect(), places).unwrap()
    }

    fn voters(members: &Members) -> Vec<u64> {
        members.voters.keys().map(|node| node.get()).collect()
    }

    #[test]
    fn a_group_is_settled_with_the_members_on_record_where_they_are() {
        let wanted = members(&[node(1, true), node(2, true), node(3, false)]);
        assert!(is_settled(&wanted, &group(&[&[1, 2]], &[1, 2, 3])));
        assert!(
            !is_settled(&wanted, &group(&[&[1, 2]], &[1, 2])),
            "3 is not"
        );
        assert!(
            !is_settled(&wanted, &group(&[&[1, 2]], &[1, 2, 3, 4])),
            "4 is"
        );
        assert!(!is_settled(&wanted, &group(&[&[1]], &[1, 2, 3])));
        assert!(!is_settled(&wanted, &group(&[&[1], &[1, 2]], &[1, 2, 3])));
        let mut moved = wanted.clone();
        moved
            .learners
            .insert(NodeId::new(3), "elsewhere".to_owned());
        assert!(!is_settled(&moved, &group(&[&[1, 2]], &[1, 2, 3])));
    }

    #[test]
    fn new_voters_that_are_up_to_date_need_not_wait_for_others() {
        let on_record = [node(1, true), node(4, true), node(5, true), node(6, false)];
        let wanted = members(&on_record);
        let steps = steps(&wanted, &group(&[&[1, 2, 3]], &[1, 2, 3]));
        let asked: Vec<Vec<u64>> = steps.iter().map(voters).collect();
        assert_eq!(asked, [vec![1, 4, 5], vec![1, 3, 4], vec![1, 3, 5]]);
        for step in &steps[1..] {
            let all = step.voters.keys().chain(step.learners.keys());
            let all: BTreeSet<u64> = all.map(|node| node.get()).collect();
            assert_eq!(all, [1, 3, 4, 5, 6].into(), "2 is let go");
        }
        let one = super::steps(&wanted, &group(&[&[1, 4]], &[1, 4]));
        assert_eq!(one.len(), 1, "there is only one to wait for");
    }

    #[test]
    fn leaders_are_moved_until_they_are_even() {
        let mut leaders: BTreeMap<GroupId, NodeId> = (0..9)
            .map(|group| (GroupId::new(group), NodeId::new(1)))
            .collect();
        let there: BTreeSet<NodeId> = [1, 2, 3].map(NodeId::new).into();
        let mut moves = 0;
        while let Some(Transfer { group, from, to }) = transfer(&leaders, &there) {
            assert_eq!(leaders.insert(group, to), Some(from));
            moves += 1;
            assert!(moves < 10);
        }
        for voter in &there {
            assert_eq!(
                leaders.values().filter(|leader| *leader == voter).count(),
                3
            );
        }
        let two = [1, 2].map(NodeId::new).into();
        assert_eq!(moves, 6);
        assert_eq!(
            transfer(&leaders, &two),
            None,
            "3 to 3, and 3 of one that is gone"
        );
        assert_eq!(transfer(&leaders, &BTreeSet::new()), None);
    }
}
