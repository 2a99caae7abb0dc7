//! Which placement group a new blob goes to.

use cairn_client::topology::Layout;
use cairn_types::cluster::{PlacementGroup, Pool, Profile};
use cairn_types::id::{DiskId, PoolId};

/// Where a blob goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: PlacementGroup,
    pub(crate) profile: Profile,
    pub(crate) cell_len: u32,
    /// By shard: whether the disk is known to be away, so that nothing is sent to it.
    pub(crate) away: Vec<bool>,
}

/// There is nowhere to put a blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("{0:?} does not exist")]
    Pool(PoolId),
    #[error("{0:?} has no placement groups")]
    Empty(PoolId),
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

/// Chooses among the pool's groups with the most live members. Of two drawn at random the one with more room is taken:
/// that spreads the load and evens out how full disks are, and two gateways do not choose alike.
///
/// Where no group has a write quorum of live members, all are tried all the same: what is known of disks may be old, and
/// the write itself finds out.
pub(crate) fn choose(
    layout: &Layout,
    pool: PoolId,
    disks: &impl Disks,
    mut draw: impl FnMut(usize) -> usize,
) -> Result<Place, NoPlace> {
    let pool = layout.pool(pool).ok_or(NoPlace::Pool(pool))?;
    let groups = layout.topology().placement_groups.iter();
    let groups: Vec<_> = groups
        .filter(|group| group.pool == pool.id && group.members.len() == pool.profile.width())
        .map(|group| (group, live_count(group, disks)))
        .collect();
    let most = groups.iter().map(|(_, live)| *live).max();
    let most = most.ok_or(NoPlace::Empty(pool.id))?;
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
    Ok(place(group, pool, disks, most))
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

    use cairn_types::cluster::Topology;
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

    /// Groups of 2+2 over these disks.
    fn layout(groups: &[[u128; 4]]) -> Layout {
        let placement_groups = (1..)
            .zip(groups)
            .map(|(id, members)| PlacementGroup {
                id: PlacementGroupId::new(id),
                pool: PoolId::new(1),
                epoch: Epoch::new(1),
                members: members.map(DiskId::new).to_vec(),
            })
            .collect();
        Layout::new(Topology {
            cluster: ClusterId::new(1),
            epoch: Epoch::new(1),
            data_groups: Vec::new(),
            nodes: Vec::new(),
            disks: Vec::new(),
            pools: vec![Pool {
                id: PoolId::new(1),
                name: String::new(),
                profile: Profile::new(2, 2).unwrap(),
                cell_len: 1 << 20,
                is_fallback: false,
            }],
            placement_groups,
            meta_nodes: Vec::new(),
            write_pool: PoolId::new(1),
        })
    }

    fn chosen(groups: &[[u128; 4]], known: &Known, draws: [usize; 2]) -> (u32, Vec<bool>) {
        let mut draws = draws.into_iter();
        let place = choose(&layout(groups), PoolId::new(1), known, |_| {
            draws.next().unwrap()
        });
        let place = place.unwrap();
        (place.group.id.get(), place.away)
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
        let hopeless = Known {
            away: vec![1, 2, 5, 6],
            room: HashMap::new(),
        };
        // Two live disks are no quorum of 2+2, so what is known of the others is not trusted.
        assert_eq!(chosen(&groups, &hopeless, [0, 1]).1, vec![false; 4]);
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
    fn without_groups_there_is_no_place() {
        let known = Known {
            away: Vec::new(),
            room: HashMap::new(),
        };
        let none = choose(&layout(&[]), PoolId::new(1), &known, |_| 0);
        assert_eq!(none, Err(NoPlace::Empty(PoolId::new(1))));
        let other = choose(&layout(&[]), PoolId::new(2), &known, |_| 0);
        assert_eq!(other, Err(NoPlace::Pool(PoolId::new(2))));
    }
}
