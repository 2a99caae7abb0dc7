//! Which placement group a new blob goes to.

use std::collections::{BTreeMap, BTreeSet};

use cairn_client::topology::Layout;
use cairn_types::cluster::{PlacementGroup, Pool, Profile};
use cairn_types::id::{DiskId, NodeId, PoolId};

/// Where a blob goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: PlacementGroup,
    pub(crate) profile: Profile,
    pub(crate) cell_len: u32,
    /// By shard: whether the disk is known to be away, so that nothing is sent to it.
    pub(crate) away: Vec<bool>,
}

/// What can be done for a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It goes here.
    Place(Place),
    /// No group can take it: make one of these.
    Fallback(Live),
}

/// What a fallback group can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) profile: Profile,
    pub(crate) cell_len: u32,
    /// Live disks, enough for the profile: of several nodes one of each.
    pub(crate) disks: Vec<DiskId>,
}

/// There is nowhere to put a blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("there is no pool to write to yet")]
    NoPool,
    #[error("pool {0} does not exist")]
    Pool(PoolId),
    #[error("pool {0} has no placement groups yet")]
    Empty(PoolId),
    #[error("{live} of {nodes} storage nodes can be written to, and a write needs two")]
    Nodes { live: usize, nodes: usize },
}

/// What is known of disks.
pub(crate) trait Disks {
    fn is_writable(&self, disk: DiskId) -> bool;
    fn available_bytes(&self, disk: DiskId) -> Option<u64>;
}

impl Disks for cairn_client::ShardClient {
    fn is_writable(&self, disk: DiskId) -> bool {
        self.is_writable(disk)
    }

    fn available_bytes(&self, disk: DiskId) -> Option<u64> {
        self.available_bytes(disk)
    }
}

/// Chooses among the write pool's groups with the most live members. Of two drawn at random the one with more room is taken:
/// that spreads the load and evens out how full disks are, and two gateways do not choose alike.
///
/// Where none of them has a write quorum of live members, a fallback group over live disks is chosen, or is to be made. On a
/// single node without two live disks the pool's groups are tried all the same: what is known of disks may be old, and the
/// write itself finds out.
pub(crate) fn choose(
    layout: &Layout,
    disks: &impl Disks,
    mut draw: impl FnMut(usize) -> usize,
) -> Result<Choice, NoPlace> {
    let write_pool = layout.topology().write_pool;
    if write_pool == PoolId::new(0) {
        return Err(NoPlace::NoPool);
    }
    let pool = layout.pool(write_pool).ok_or(NoPlace::Pool(write_pool))?;
    let groups: Vec<_> = groups_of(layout, pool)
        .map(|group| (group, live_count(group, disks)))
        .collect();
    let most = groups.iter().map(|(_, live)| *live).max();
    let most = most.ok_or(NoPlace::Empty(pool.id))?;
    if most < pool.profile.write_quorum()
        && let Some(choice) = fall_back(layout, pool, disks, &mut draw)?
    {
        return Ok(choice);
    }
    let best: Vec<_> = groups
        .iter()
        .filter(|(_, live)| *live == most)
        .map(|(group, _)| *group)
        .collect();
    let mut drawn = [draw(best.len()), draw(best.len())]
        .into_iter()
        .filter_map(|at| best.get(at).copied());
    let first = drawn.next().ok_or(NoPlace::Empty(pool.id))?;
    let group = match drawn.next() {
        Some(second) if room(second, disks) > room(first, disks) => second,
        _ => first,
    };
    Ok(Choice::Place(place(group, pool, disks, most)))
}

/// A fallback group of the best profile that the live nodes allow (on a single node: the live disks); `None` where there is
/// none for want of disks on a single node.
fn fall_back(
    layout: &Layout,
    pool: &Pool,
    disks: &impl Disks,
    draw: &mut impl FnMut(usize) -> usize,
) -> Result<Option<Choice>, NoPlace> {
    let all = &layout.topology().disks;
    let nodes: BTreeSet<NodeId> = all.iter().map(|disk| disk.node).collect();
    let is_single = nodes.len() <= 1;
    let live = all.iter().filter(|disk| disks.is_writable(disk.id));
    let live: Vec<DiskId> = if is_single {
        live.map(|disk| disk.id).collect()
    } else {
        let mut roomiest: BTreeMap<NodeId, (u64, DiskId)> = BTreeMap::new();
        for disk in live {
            let room = disks.available_bytes(disk.id).unwrap_or(u64::MAX);
            let best = roomiest.entry(disk.node).or_insert((room, disk.id));
            *best = (*best).max((room, disk.id));
        }
        roomiest.into_values().map(|(_, disk)| disk).collect()
    };
    let (k, m) = match live.len() {
        0 | 1 if is_single => return Ok(None),
        0 | 1 => {
            return Err(NoPlace::Nodes {
                live: live.len(),
                nodes: nodes.len(),
            });
        }
        2 | 3 => (1, 1),
        _ => (2, 2),
    };
    let profile = Profile::new(k, m).expect("1+1 and 2+2 are profiles");
    let is_usable = |group: &&PlacementGroup| {
        let members = || group.members.iter();
        let spread: BTreeSet<_> = members()
            .filter_map(|disk| layout.disk(*disk))
            .map(|disk| disk.node)
            .collect();
        let is_spread = is_single || spread.len() == profile.width();
        is_spread && members().all(|disk| disks.is_writable(*disk))
    };
    let fallbacks = layout.topology().pools.iter();
    let usable: Vec<_> = fallbacks
        .filter(|fallback| fallback.is_fallback && fallback.profile == profile)
        .flat_map(|fallback| groups_of(layout, fallback).map(move |group| (fallback, group)))
        .filter(|(_, group)| is_usable(group))
        .collect();
    Ok(Some(match usable.get(draw(usable.len())) {
        Some((fallback, group)) => Choice::Place(place(group, fallback, disks, profile.width())),
        None => Choice::Fallback(Live {
            profile,
            cell_len: pool.cell_len,
            disks: live,
        }),
    }))
}

fn groups_of<'a>(layout: &'a Layout, pool: &'a Pool) -> impl Iterator<Item = &'a PlacementGroup> {
    let groups = layout.topology().placement_groups.iter();
    groups.filter(|group| group.pool == pool.id && group.members.len() == pool.profile.width())
}

fn place(group: &PlacementGroup, pool: &Pool, disks: &impl Disks, live: usize) -> Place {
    let is_trusted = live >= pool.profile.write_quorum();
    Place {
        group: group.clone(),
        profile: pool.profile,
        cell_len: pool.cell_len,
        away: group
            .members
            .iter()
            .map(|disk| is_trusted && !disks.is_writable(*disk))
            .collect(),
    }
}

fn live_count(group: &PlacementGroup, disks: &impl Disks) -> usize {
    let members = group.members.iter();
    members.filter(|disk| disks.is_writable(**disk)).count()
}

/// What the fullest live member has left; a disk that nothing was heard of counts as empty.
fn room(group: &PlacementGroup, disks: &impl Disks) -> u64 {
    let members = group.members.iter();
    members
        .filter(|disk| disks.is_writable(**disk))
        .map(|disk| disks.available_bytes(*disk).unwrap_or(u64::MAX))
        .min()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use cairn_types::cluster::{Disk, Topology};
    use cairn_types::id::{ClusterId, Epoch, PlacementGroupId};

    use super::*;

    struct Known {
        away: Vec<u128>,
        room: HashMap<u128, u64>,
    }

    impl Disks for Known {
        fn is_writable(&self, disk: DiskId) -> bool {
            !self.away.contains(&disk.get())
        }

        fn available_bytes(&self, disk: DiskId) -> Option<u64> {
            self.room.get(&disk.get()).copied()
        }
    }

    /// Groups of 2+2 over these disks, which are all in one node.
    fn layout(groups: &[[u128; 4]]) -> Layout {
        let members = groups.iter().map(|members| members.to_vec());
        let pool = (PoolId::new(1), "2+2", false);
        cluster(
            &[pool],
            &members.map(|members| (1, members)).collect::<Vec<_>>(),
            |_| 1,
        )
    }

    /// Pools and their groups, over 12 disks that are in these nodes. The first pool is the one that is written to.
    fn cluster(
        pools: &[(PoolId, &str, bool)],
        groups: &[(u32, Vec<u128>)],
        node_of: fn(u128) -> u64,
    ) -> Layout {
        let group = |(id, (pool, members)): (u32, &(u32, Vec<u128>))| PlacementGroup {
            id: PlacementGroupId::new(id),
            pool: PoolId::new(*pool),
            epoch: Epoch::new(1),
            members: members.iter().copied().map(DiskId::new).collect(),
        };
        let pool = |(id, profile, is_fallback): &(PoolId, &str, bool)| Pool {
            id: *id,
            name: String::new(),
            profile: Profile::parse(profile).unwrap(),
            cell_len: 1 << 20,
            is_fallback: *is_fallback,
        };
        Layout::new(Topology {
            cluster: ClusterId::new(1),
            epoch: Epoch::new(1),
            data_groups: Vec::new(),
            nodes: Vec::new(),
            disks: (1..=12)
                .map(|disk| Disk {
                    id: DiskId::new(disk),
                    node: NodeId::new(node_of(disk)),
                    capacity_bytes: 1,
                })
                .collect(),
            pools: pools.iter().map(pool).collect(),
            placement_groups: (1..).zip(groups).map(group).collect(),
            meta_nodes: Vec::new(),
            write_pool: pools.first().map_or(PoolId::new(0), |(id, _, _)| *id),
        })
    }

    fn chosen(groups: &[[u128; 4]], known: &Known, draws: [usize; 2]) -> (u32, Vec<bool>) {
        let mut draws = draws.into_iter();
        let choice = choose(&layout(groups), known, |_| draws.next().unwrap());
        let Choice::Place(place) = choice.unwrap() else {
            panic!("no place");
        };
        (place.group.id.get(), place.away)
    }

    fn away(disks: impl IntoIterator<Item = u128>) -> Known {
        Known {
            away: disks.into_iter().collect(),
            room: HashMap::new(),
        }
    }

    const WRITE_POOL: (PoolId, &str, bool) = (PoolId::new(1), "4+2", false);

    #[test]
    fn without_a_write_quorum_live_nodes_make_a_fallback_group() {
        // Six nodes with two disks each: 1 and 2, 3 and 4, …
        let layout = cluster(&[WRITE_POOL], &[(1, vec![1, 3, 5, 7, 9, 11])], |disk| {
            u64::try_from(disk.div_ceil(2)).unwrap()
        });
        let choice = |known: &Known| choose(&layout, known, |_| 0);
        assert!(matches!(choice(&away([1])), Ok(Choice::Place(_))));
        let cases = [
            // Members of the group are away, their nodes are not.
            (vec![1, 3], "2+2", vec![2, 4, 6, 8, 10, 12]),
            (vec![1, 2, 3, 4], "2+2", vec![6, 8, 10, 12]),
            (vec![1, 2, 3, 4, 5, 6], "1+1", vec![8, 10, 12]),
            ((1..9).collect(), "1+1", vec![10, 12]),
        ];
        for (gone, profile, disks) in cases {
            let expected = Live {
                profile: Profile::parse(profile).unwrap(),
                cell_len: 1 << 20,
                disks: disks.into_iter().map(DiskId::new).collect(),
            };
            assert_eq!(choice(&away(gone)), Ok(Choice::Fallback(expected)));
        }
        for (gone, live) in [(10, 1), (12, 0)] {
            let none = NoPlace::Nodes { live, nodes: 6 };
            assert_eq!(choice(&away(1..=gone)), Err(none));
        }
    }

    #[test]
    fn a_fallback_group_is_used_while_its_members_live_and_only_when_needed() {
        let pools = [WRITE_POOL, (PoolId::new(2), "2+2", true)];
        let groups = [(1, (1..=6).collect()), (2, vec![3, 4, 5, 6])];
        let layout = cluster(&pools, &groups, |disk| u64::try_from(disk).unwrap());
        let group = |known: &Known| match choose(&layout, known, |_| 0) {
            Ok(Choice::Place(place)) => Some(place.group.id.get()),
            _ => None,
        };
        assert_eq!(group(&away([])), Some(1));
        assert_eq!(group(&away([1])), Some(1));
        assert_eq!(group(&away([1, 2])), Some(2));
        assert_eq!(group(&away([1, 3])), None);
    }

    #[test]
    fn of_a_single_node_disks_are_counted() {
        let layout = cluster(&[WRITE_POOL], &[(1, (1..=6).collect())], |_| 1);
        let gone = |disks| choose(&layout, &away(disks), |_| 0);
        assert!(matches!(gone(3..=9), Ok(Choice::Fallback(live)) if live.disks.len() == 5));
        assert!(matches!(gone(1..=9), Ok(Choice::Fallback(live)) if live.profile.m() == 1));
        // With one live disk nothing else can be done than to see whether the others are back.
        assert!(matches!(gone(2..=12), Ok(Choice::Place(place)) if place.away == [false; 6]));
    }

    #[test]
    fn a_group_whose_members_are_all_live_is_preferred() {
        let known = Known {
            away: vec![1],
            room: HashMap::new(),
        };
        let groups = [[1, 2, 3, 4], [5, 6, 7, 8], [3, 1, 2, 4]];
        assert_eq!(chosen(&groups, &known, [0, 0]), (2, vec![false; 4]));
    }

    #[test]
    fn away_disks_of_the_best_group_are_not_written_to() {
        let known = Known {
            away: vec![1, 5, 6],
            room: HashMap::new(),
        };
        let groups = [[5, 6, 7, 8], [1, 2, 3, 4]];
        let away = vec![true, false, false, false];
        assert_eq!(chosen(&groups, &known, [0, 0]), (2, away));
    }

    #[test]
    fn of_two_groups_the_one_with_more_room_is_taken() {
        let room = [(1, 100), (2, 50), (3, 100), (4, 100)];
        let known = Known {
            away: Vec::new(),
            room: room
                .into_iter()
                .chain((5..9).map(|disk| (disk, 60)))
                .collect(),
        };
        let groups = [[1, 2, 3, 4], [5, 6, 7, 8]];
        assert_eq!(chosen(&groups, &known, [0, 1]).0, 2);
        assert_eq!(chosen(&groups, &known, [1, 0]).0, 2);
        assert_eq!(chosen(&groups, &known, [0, 0]).0, 1);
    }

    #[test]
    fn without_a_pool_or_groups_there_is_no_place() {
        let none = |layout: &Layout| choose(layout, &away([]), |_| 0).unwrap_err();
        assert_eq!(none(&layout(&[])), NoPlace::Empty(PoolId::new(1)));
        assert_eq!(none(&cluster(&[], &[], |_| 1)), NoPlace::NoPool);
    }
}
