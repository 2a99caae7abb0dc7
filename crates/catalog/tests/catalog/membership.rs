//! Nodes that come, move, are replaced and go; the pool that is written to.

use cairn_types::cluster::MetaNode;
use cairn_types::id::{ClusterId, NodeId, PoolId};
use cairn_types::namespace::{Refusal, RootMutation, RootReply};

use crate::group::{Group, conflict, malformed};
use crate::root::{create_groups, create_pool, disk, node, register, root, topology};

type Outcome = Result<RootReply, Refusal>;

const DONE: Outcome = Ok(RootReply::Done);

fn meta(id: u64, name: &str, incarnation: u64) -> MetaNode {
    MetaNode {
        id: NodeId::new(id),
        name: name.to_owned(),
        address: format!("{name}:{incarnation}"),
        admin_address: String::new(),
        incarnation,
        is_voter: false,
    }
}

fn voter(id: u64, name: &str, incarnation: u64) -> MetaNode {
    MetaNode {
        is_voter: true,
        ..meta(id, name, incarnation)
    }
}

/// Makes a change and tells whether the topology's epoch grew.
fn change(group: &mut Group, mutation: RootMutation) -> (Outcome, bool) {
    let before = topology(group).epoch;
    let result = group.change_root(mutation);
    group.audit();
    let steps = topology(group).epoch.get() - before.get();
    assert!(steps <= 1);
    (result, steps == 1)
}

fn register_meta(group: &mut Group, node: MetaNode) -> (Outcome, bool) {
    change(group, RootMutation::RegisterMeta { node })
}

fn set_voter(group: &mut Group, id: u64, is_voter: bool) -> (Outcome, bool) {
    let node = NodeId::new(id);
    change(group, RootMutation::SetMetaVoter { node, is_voter })
}

fn retire_meta(group: &mut Group, id: u64) -> (Outcome, bool) {
    let node = NodeId::new(id);
    change(group, RootMutation::RetireMeta { node })
}

fn founded() -> Group {
    let mut group = Group::new();
    let genesis = RootMutation::Genesis {
        cluster: ClusterId::new(7),
        data_group_count: 1,
        region: "x".to_owned(),
        members: vec![meta(1, "a", 1), meta(2, "b", 1)],
    };
    assert_eq!(group.change_root(genesis), DONE);
    group
}

#[test]
fn the_first_members_vote_and_are_written_down_once() {
    let mut group = founded();
    assert_eq!(
        topology(&group).meta_nodes,
        [voter(1, "a", 1), voter(2, "b", 1)]
    );
    let again = RootMutation::Genesis {
        cluster: ClusterId::new(7),
        data_group_count: 1,
        region: "x".to_owned(),
        members: vec![meta(3, "c", 1)],
    };
    assert_eq!(change(&mut group, again), (DONE, false));
    assert_eq!(topology(&group).meta_nodes.len(), 2);
    for members in [
        vec![meta(1, "a", 1), meta(1, "b", 1)],
        vec![meta(1, "a", 1), meta(2, "a", 1)],
        vec![meta(1, "", 1)],
    ] {
        let genesis = RootMutation::Genesis {
            cluster: ClusterId::new(7),
            data_group_count: 1,
            region: "x".to_owned(),
            members,
        };
        assert_eq!(Group::new().change_root(genesis), Err(malformed()));
    }
}

#[test]
fn a_late_registration_never_puts_an_old_address_back() {
    let mut group = root();
    let at = |address: &str, incarnation| RootMutation::RegisterStorage {
        node: cairn_types::cluster::StorageNode {
            address: address.to_owned(),
            incarnation,
            ..node(1)
        },
        disks: vec![disk(1, 1)],
    };
    assert_eq!(change(&mut group, at("new", 6)), (DONE, true));
    assert_eq!(change(&mut group, at("old", 5)), (Err(conflict()), false));
    assert_eq!(change(&mut group, at("new", 6)), (DONE, false));
    assert_eq!(topology(&group).nodes[0].address, "new");
    assert_eq!(change(&mut group, at("newer", 7)), (DONE, true));

    assert_eq!(register_meta(&mut group, meta(1, "a", 6)), (DONE, true));
    assert_eq!(register_meta(&mut group, meta(1, "a", 6)), (DONE, false));
    assert_eq!(
        register_meta(&mut group, meta(1, "a", 5)),
        (Err(conflict()), false)
    );
    assert_eq!(register_meta(&mut group, meta(1, "a", 7)), (DONE, true));
    assert_eq!(topology(&group).meta_nodes, [meta(1, "a", 7)]);
}

#[test]
fn names_of_nodes_are_short_and_plain() {
    let mut group = root();
    for name in ["", "A", "a b", "ä", &"a".repeat(64)] {
        let refused = (Err(malformed()), false);
        assert_eq!(register_meta(&mut group, meta(1, name, 1)), refused);
        let node = cairn_types::cluster::StorageNode {
            name: name.to_owned(),
            ..node(1)
        };
        let disks = Vec::new();
        let register = RootMutation::RegisterStorage { node, disks };
        assert_eq!(change(&mut group, register), refused);
    }
    let name = format!("a.0-{}", "z".repeat(59));
    assert_eq!(register_meta(&mut group, meta(1, &name, 1)), (DONE, true));
}

#[test]
fn whoever_comes_under_a_known_name_takes_its_place_and_its_vote() {
    let mut group = founded();
    assert_eq!(register_meta(&mut group, meta(5, "a", 2)), (DONE, true));
    assert_eq!(
        topology(&group).meta_nodes,
        [voter(2, "b", 1), voter(5, "a", 2)]
    );
    // The one that was replaced cannot come back, however new it says it is.
    assert_eq!(
        register_meta(&mut group, meta(1, "a", 9)),
        (Err(conflict()), false)
    );
    // Nor can one that was started before the one that is there.
    assert_eq!(
        register_meta(&mut group, meta(4, "a", 1)),
        (Err(conflict()), false)
    );
    // A learner stays one.
    assert_eq!(register_meta(&mut group, voter(6, "c", 1)), (DONE, true));
    assert_eq!(register_meta(&mut group, voter(7, "c", 1)), (DONE, true));
    assert_eq!(topology(&group).meta_nodes[2], meta(7, "c", 1));
    // A node that takes another's name takes its place as well.
    assert_eq!(register_meta(&mut group, meta(7, "a", 3)), (DONE, true));
    assert_eq!(
        topology(&group).meta_nodes,
        [voter(2, "b", 1), voter(7, "a", 3)]
    );
}

#[test]
fn votes_are_given_and_taken_but_for_the_last() {
    let mut group = founded();
    let refused = (Err(conflict()), false);
    assert_eq!(register_meta(&mut group, meta(3, "c", 1)), (DONE, true));
    assert_eq!(set_voter(&mut group, 9, true), refused);
    assert_eq!(set_voter(&mut group, 3, true), (DONE, true));
    assert_eq!(set_voter(&mut group, 3, true), (DONE, false));
    // A vote outlives being started again.
    assert_eq!(register_meta(&mut group, meta(3, "c", 2)), (DONE, true));
    assert_eq!(topology(&group).meta_nodes[2], voter(3, "c", 2));
    assert_eq!(set_voter(&mut group, 1, false), (DONE, true));
    assert_eq!(retire_meta(&mut group, 2), (DONE, true));
    assert_eq!(set_voter(&mut group, 3, false), refused);
    assert_eq!(retire_meta(&mut group, 3), refused);
}

#[test]
fn a_retired_id_is_never_used_again() {
    let mut group = founded();
    assert_eq!(retire_meta(&mut group, 3), (Err(conflict()), false));
    assert_eq!(retire_meta(&mut group, 2), (DONE, true));
    assert_eq!(retire_meta(&mut group, 2), (DONE, false));
    assert_eq!(
        register_meta(&mut group, meta(2, "new", 9)),
        (Err(conflict()), false)
    );
    assert_eq!(topology(&group).meta_nodes, [voter(1, "a", 1)]);
}

#[test]
fn a_storage_node_goes_with_its_disks_once_no_group_needs_them() {
    let mut group = root();
    assert_eq!(register(&mut group, 1, &[1, 2]), DONE);
    assert_eq!(register(&mut group, 2, &[3]), DONE);
    assert_eq!(group.change_root(create_pool(1, "a", "1+1")), DONE);
    assert!(create_groups(&mut group, &[&[2, 3]]).is_ok());
    let retire = |id| RootMutation::RetireStorage {
        node: NodeId::new(id),
    };
    for id in [1, 2] {
        assert_eq!(change(&mut group, retire(id)), (Err(conflict()), false));
    }
    // The disk that the group needs is moved.
    assert_eq!(register(&mut group, 2, &[2, 3]), DONE);
    assert_eq!(change(&mut group, retire(1)), (DONE, true));
    assert_eq!(change(&mut group, retire(1)), (DONE, false));
    assert_eq!(topology(&group).nodes, [node(2)]);
    assert_eq!(topology(&group).disks, [disk(2, 2), disk(3, 2)]);
}

#[test]
fn the_write_pool_is_one_that_is_there_and_no_fallback() {
    let mut group = root();
    assert_eq!(topology(&group).write_pool, PoolId::new(0));
    let set = |id| RootMutation::SetWritePool {
        pool: PoolId::new(id),
    };
    assert_eq!(change(&mut group, set(1)), (Err(conflict()), false));
    assert_eq!(group.change_root(create_pool(1, "a", "1+1")), DONE);
    let mut fallback = create_pool(2, "b", "1+0");
    if let RootMutation::CreatePool { is_fallback, .. } = &mut fallback {
        *is_fallback = true;
    }
    assert_eq!(group.change_root(fallback), DONE);
    assert!(topology(&group).pools[1].is_fallback);
    assert_eq!(change(&mut group, set(2)), (Err(conflict()), false));
    assert_eq!(change(&mut group, set(1)), (DONE, true));
    assert_eq!(change(&mut group, set(1)), (DONE, false));
    assert_eq!(topology(&group).write_pool, PoolId::new(1));
}
