//! Which disks make a placement group.

use std::collections::{BTreeMap, BTreeSet};

use cairn_types::cluster::{Location, Profile};
use cairn_types::id::{DiskId, NodeId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A disk that may become a member of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The disk.
    pub disk: DiskId,
    /// The node it is in.
    pub node: NodeId,
    /// Where that node stands.
    pub location: Location,
    /// What it can hold, in bytes; disks get groups in proportion to it.
    pub capacity_bytes: u64,
    /// How many groups it is a member of already.
    pub group_count: u32,
}

/// Why no groups can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// A group's disks are all different, and there are not as many.
    #[error("the profile {profile} needs {} disks, there are {disks}", profile.width())]
    TooFewDisks {
        /// The profile.
        profile: Profile,
        /// Disks with any capacity.
        disks: usize,
    },
    /// A disk is named twice.
    #[error("the disk {0} is named twice")]
    Duplicate(DiskId),
}

/// The profile of a new pool.
///
/// By the number of nodes, or on a single node by the number of disks: 1 → 1+0, 2 → 1+1, 3 → 2+1, 4–5 → 2+2, 6–11 → 4+2,
/// 12 and more → 8+4.
pub fn default_profile(disk_count: usize, node_count: usize) -> Profile {
    let domains = if node_count >= 2 {
        node_count.min(disk_count)
    } else {
        disk_count
    };
    let (k, m) = match domains {
        0 | 1 => (1, 0),
        2 => (1, 1),
        3 => (2, 1),
        4 | 5 => (2, 2),
        6..=11 => (4, 2),
        _ => (8, 4),
    };
    Profile::new(k, m).expect("each of these is a profile")
}

/// The members of `count` new groups, in shard order.
///
/// The disks of a group are all different. Where the loss of any one zone (or host, or node) can be survived by some choice
/// of disks, only such a choice is made; beyond that members are spread over as many nodes, hosts and zones as there are.
/// Among equals the disk with the fewest groups for its capacity comes first, so disks fill evenly; among those a hash
/// decides, so that groups mix and the content of a lost disk is rebuilt from many others. A node without a host's name is a
/// host of its own; nodes without a zone's name are all in one.
///
/// Deterministic: the same candidates in any order give the same groups. Cost: `count · width · candidates`.
///
/// # Errors
/// Fewer disks than the profile is wide; a disk that is named twice.
pub fn plan(
    profile: Profile,
    candidates: &[Candidate],
    count: usize,
) -> Result<Vec<Vec<DiskId>>, PlacementError> {
    let mut named = BTreeSet::new();
    if let Some(twice) = candidates.iter().find(|one| !named.insert(one.disk)) {
        return Err(PlacementError::Duplicate(twice.disk));
    }
    let mut slots: Vec<Slot> = candidates
        .iter()
        .filter(|candidate| candidate.capacity_bytes > 0)
        .map(Slot::new)
        .collect();
    if slots.len() < profile.width() {
        return Err(PlacementError::TooFewDisks {
            profile,
            disks: slots.len(),
        });
    }
    slots.sort_by_key(|slot| slot.disk);
    let limits = Limits::new(profile, &slots);
    let made: u64 = slots.iter().map(|slot| slot.group_count).sum();
    Ok((made..)
        .take(count)
        .map(|seed| choose_group(profile, &limits, &mut slots, seed))
        .collect())
}

/// A candidate with its domains, innermost first.
struct Slot {
    disk: DiskId,
    domains: [Domain; 3],
    capacity_bytes: u64,
    group_count: u64,
}

/// A failure domain: a node, a host or a zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Domain {
    Node(NodeId),
    Host(String),
    Zone(String),
}

impl Slot {
    fn new(candidate: &Candidate) -> Self {
        let host = if candidate.location.host.is_empty() {
            Domain::Node(candidate.node)
        } else {
            Domain::Host(candidate.location.host.clone())
        };
        Self {
            disk: candidate.disk,
            domains: [
                Domain::Node(candidate.node),
                host,
                Domain::Zone(candidate.location.zone.clone()),
            ],
            capacity_bytes: candidate.capacity_bytes,
            group_count: u64::from(candidate.group_count),
        }
    }
}

/// For each level of domains (node, host, zone) how many members of a group one domain may have.
struct Limits([usize; 3]);

impl Limits {
    /// At most `m` in a domain where that can be kept at all; a level at which no choice survives a loss has no limit, so
    /// that it does not crowd the members on the levels below.
    fn new(profile: Profile, slots: &[Slot]) -> Self {
        let mut sizes: [BTreeMap<&Domain, usize>; 3] = Default::default();
        for slot in slots {
            for (level, domain) in sizes.iter_mut().zip(&slot.domains) {
                *level.entry(domain).or_default() += 1;
            }
        }
        Self(sizes.map(|level| {
            let places: usize = level.values().map(|size| profile.m().min(*size)).sum();
            if places >= profile.width() {
                profile.m()
            } else {
                usize::MAX
            }
        }))
    }
}

fn choose_group(profile: Profile, limits: &Limits, slots: &mut [Slot], seed: u64) -> Vec<DiskId> {
    let mut members: Vec<DiskId> = Vec::with_capacity(profile.width());
    let mut uses: BTreeMap<Domain, usize> = BTreeMap::new();
    while members.len() < profile.width() {
        let best = slots
            .iter_mut()
            .filter(|slot| !members.contains(&slot.disk))
            .min_by_key(|slot| rank(slot, limits, &uses, seed))
            .expect("there are at least as many disks as the profile is wide");
        best.group_count += 1;
        members.push(best.disk);
        for level in distinct(&best.domains) {
            *uses.entry(level.clone()).or_default() += 1;
        }
    }
    // Which member holds parity is mixed too: data cells are read, parity cells mostly are not.
    members.sort_by_key(|disk| mix(*disk, !seed));
    members
}

/// Smaller is better: limits broken (worst on the innermost level), members in the same domains, groups for the capacity.
fn rank(
    slot: &Slot,
    limits: &Limits,
    taken: &BTreeMap<Domain, usize>,
    seed: u64,
) -> ([bool; 3], [usize; 3], u128, u64) {
    let used = [0, 1, 2].map(|level| {
        slot.domains
            .get(level)
            .and_then(|domain| taken.get(domain))
            .copied()
            .unwrap_or(0)
    });
    let mut broken = [false; 3];
    for ((broken, used), limit) in broken.iter_mut().zip(used).zip(limits.0) {
        *broken = used >= limit;
    }
    // Groups for each 2^64 bytes, once this one is in: capacities are below 2^63, so nothing overflows or is zero.
    let load = (u128::from(slot.group_count + 1) << 64) / u128::from(slot.capacity_bytes);
    (broken, used, load, mix(slot.disk, seed))
}

/// A node that is its own host is one domain on two levels: count it once.
fn distinct(domains: &[Domain; 3]) -> impl Iterator<Item = &Domain> {
    let [node, host, zone] = domains;
    [Some(node), (host != node).then_some(host), Some(zone)]
        .into_iter()
        .flatten()
}

fn mix(disk: DiskId, seed: u64) -> u64 {
    xxh3_64_with_seed(&disk.get().to_be_bytes(), seed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn profile(text: &str) -> Profile {
        Profile::parse(text).unwrap()
    }

    /// Disk `number` in `node`; `place` is `zone/host`.
    fn disk(number: u128, node: u64, place: &str) -> Candidate {
        let (zone, host) = place.split_once('/').unwrap();
        Candidate {
            disk: DiskId::new(number),
            node: NodeId::new(node),
            location: Location {
                zone: zone.to_owned(),
                host: host.to_owned(),
            },
            capacity_bytes: 1 << 40,
            group_count: 0,
        }
    }

    /// The most members that any group has in one domain, as `domain_of` names it.
    fn most<D: Ord>(
        groups: &[Vec<DiskId>],
        candidates: &[Candidate],
        domain_of: impl Fn(&Candidate) -> D,
    ) -> usize {
        groups
            .iter()
            .flat_map(|group| {
                let mut uses = BTreeMap::new();
                for member in group {
                    let candidate = candidates.iter().find(|one| one.disk == *member).unwrap();
                    *uses.entry(domain_of(candidate)).or_insert(0) += 1;
                }
                uses.into_values()
            })
            .max()
            .unwrap()
    }

    #[test]
    fn the_default_profile_follows_nodes_and_on_one_node_disks() {
        for (disks, nodes, expected) in [
            (1, 1, "1+0"),
            (2, 1, "1+1"),
            (3, 1, "2+1"),
            (4, 1, "2+2"),
            (5, 1, "2+2"),
            (6, 1, "4+2"),
            (11, 1, "4+2"),
            (12, 1, "8+4"),
            (100, 1, "8+4"),
            (12, 2, "1+1"),
            (12, 3, "2+1"),
            (24, 6, "4+2"),
            (12, 12, "8+4"),
            (0, 0, "1+0"),
        ] {
            assert_eq!(
                default_profile(disks, nodes),
                profile(expected),
                "{disks} {nodes}"
            );
        }
    }

    #[test]
    fn six_disks_of_one_node_hold_every_group() {
        let disks: Vec<Candidate> = (1..=6).map(|number| disk(number, 1, "/")).collect();
        let groups = plan(profile("4+2"), &disks, 8).unwrap();
        assert_eq!(groups.len(), 8);
        assert_eq!(most(&groups, &disks, |one| one.disk), 1);
        let firsts: BTreeSet<DiskId> = groups.iter().map(|group| group[0]).collect();
        assert!(firsts.len() > 2, "the order of members is mixed");
    }

    #[test]
    fn two_zones_share_a_group_evenly() {
        let disks: Vec<Candidate> = (0..8)
            .map(|number| {
                disk(
                    number,
                    u64::try_from(number).unwrap(),
                    if number < 4 { "a/" } else { "b/" },
                )
            })
            .collect();
        let groups = plan(profile("2+2"), &disks, 20).unwrap();
        assert_eq!(most(&groups, &disks, |one| one.location.zone.clone()), 2);
        assert_eq!(most(&groups, &disks, |one| one.node), 1);
    }

    #[test]
    fn a_host_whose_loss_can_be_survived_is_not_overfilled() {
        // Three nodes on one host, one node with three disks on another: 2 + 2 survives either host.
        let disks = [
            disk(1, 1, "/h"),
            disk(2, 2, "/h"),
            disk(3, 3, "/h"),
            disk(4, 4, "/g"),
            disk(5, 4, "/g"),
            disk(6, 4, "/g"),
        ];
        let groups = plan(profile("2+2"), &disks, 20).unwrap();
        assert_eq!(most(&groups, &disks, |one| one.location.host.clone()), 2);
    }

    #[test]
    fn a_zone_that_cannot_be_survived_does_not_crowd_nodes() {
        let mut disks: Vec<Candidate> = (0..6).map(|number| disk(number, 1, "a/")).collect();
        disks.extend((2..=6).map(|node| disk(u128::from(node) * 10, node, "b/")));
        let groups = plan(profile("4+2"), &disks, 20).unwrap();
        assert_eq!(most(&groups, &disks, |one| one.node), 1);
    }

    #[test]
    fn a_disk_of_twice_the_size_gets_twice_the_groups() {
        let mut disks: Vec<Candidate> = (0..13).map(|number| disk(number, 1, "/")).collect();
        disks[0].capacity_bytes *= 2;
        let groups = plan(profile("2+1"), &disks, 140).unwrap();
        let count = |number| {
            groups
                .iter()
                .filter(|group| group.contains(&DiskId::new(number)))
                .count()
        };
        assert_eq!(count(0), 60);
        assert!((1..13).all(|number| count(number) == 30));
    }

    #[test]
    fn what_cannot_be_placed_is_refused_with_the_reason() {
        let disks = [disk(1, 1, "/"), disk(2, 1, "/")];
        let error = plan(profile("2+1"), &disks, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the profile 2+1 needs 3 disks, there are 2"
        );
        let twice = [disk(1, 1, "/"), disk(1, 2, "/")];
        assert_eq!(
            plan(profile("1+1"), &twice, 1),
            Err(PlacementError::Duplicate(DiskId::new(1)))
        );
    }

    proptest! {
        #[test]
        fn groups_are_spread_and_disks_filled_evenly(
            profile in prop::sample::select(Profile::ALL.to_vec()),
            nodes in 1_u64..16,
            disks_in_each in 1_u64..5,
            count in 1_usize..40,
        ) {
            let candidates: Vec<Candidate> = (0..nodes * disks_in_each)
                .map(|number| disk(u128::from(number), number % nodes, "/"))
                .collect();
            let planned = plan(profile, &candidates, count);
            if candidates.len() < profile.width() {
                prop_assert!(planned.is_err());
                return Ok(());
            }
            let groups = planned.unwrap();
            let mut reversed = candidates.clone();
            reversed.reverse();
            prop_assert_eq!(plan(profile, &reversed, count).unwrap(), groups.clone());
            prop_assert_eq!(groups.len(), count);
            prop_assert!(groups.iter().all(|group| group.len() == profile.width()));
            prop_assert_eq!(most(&groups, &candidates, |one| one.disk), 1);
            let even = profile.width().div_ceil(usize::try_from(nodes).unwrap());
            prop_assert_eq!(most(&groups, &candidates, |one| one.node), even);
            let uses: Vec<usize> = candidates
                .iter()
                .map(|one| groups.iter().filter(|group| group.contains(&one.disk)).count())
                .collect();
            let (low, high) = (uses.iter().min().unwrap(), uses.iter().max().unwrap());
            prop_assert!(high - low <= 2, "{uses:?}");
        }
    }
}
