//! What `cairn admin status --json` says of a cluster. Only what tests ask for is read.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A cluster as its operator sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The Raft groups.
    pub groups: Vec<Group>,
    /// All nodes that are registered.
    pub nodes: Vec<Node>,
    /// All disks that are registered.
    pub disks: Vec<Disk>,
}

/// A Raft group.
#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    /// Its number; 0 is the root group.
    pub group: u16,
    /// Name of the process that leads it; `None` while nobody is known to.
    pub leader: Option<String>,
    /// Its term.
    #[serde(default)]
    pub term: u64,
    /// Names of the members that vote.
    #[serde(default)]
    pub voters: Vec<String>,
    /// Names of the members that only follow.
    #[serde(default)]
    pub learners: Vec<String>,
    /// What each member has.
    #[serde(default)]
    pub replicas: Vec<Replica>,
}

/// What one metadata node has of a group.
#[derive(Clone, Debug, Deserialize)]
pub struct Replica {
    /// The process's name.
    pub node: String,
    /// Whether it leads, follows, learns, or cannot be asked.
    #[serde(default)]
    pub state: String,
    /// The last entry of its log.
    #[serde(default)]
    pub last_log_index: Option<u64>,
    /// The last entry that its tables have.
    #[serde(default)]
    pub applied_index: Option<u64>,
    /// The entry up to which its last snapshot reaches.
    #[serde(default)]
    pub snapshot_index: Option<u64>,
    /// The entry up to which its log was purged.
    #[serde(default)]
    pub purged_index: Option<u64>,
    /// The hash chained over what it has applied.
    #[serde(default)]
    pub state_hash: Option<String>,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// The process's name.
    pub name: String,
    /// `up` or `down`.
    pub state: String,
    /// Its zone, or empty.
    #[serde(default)]
    pub zone: String,
}

/// A disk.
#[derive(Clone, Debug, Deserialize)]
pub struct Disk {
    /// Name of the process that has it.
    pub node: String,
    /// `in service`, `out of service` or `missing`.
    pub state: String,
}

impl Status {
    /// A group by its number.
    pub fn group(&self, number: u16) -> Option<&Group> {
        self.groups.iter().find(|group| group.group == number)
    }

    /// Numbers of the groups that each process leads.
    pub fn led(&self) -> BTreeMap<&str, Vec<u16>> {
        let mut led: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        for group in &self.groups {
            if let Some(leader) = &group.leader {
                led.entry(leader).or_default().push(group.group);
            }
        }
        led
    }

    /// Whether every group has a leader.
    pub fn is_led(&self) -> bool {
        !self.groups.is_empty() && self.groups.iter().all(|group| group.leader.is_some())
    }

    /// How many nodes of a state there are.
    pub fn nodes_in(&self, state: &str) -> usize {
        let mut nodes = self.nodes.iter();
        nodes.by_ref().filter(|node| node.state == state).count()
    }
}

impl Group {
    /// What a process has of this group.
    pub fn replica(&self, node: &str) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.node == node)
    }

    /// Whether all its voters have applied the same entries with the same result. `None` where they are not equally far, or one
    /// cannot be asked.
    pub fn agrees(&self) -> Option<bool> {
        let mut applied = Vec::new();
        for voter in &self.voters {
            let replica = self.replica(voter)?;
            applied.push((replica.applied_index?, replica.state_hash.as_deref()?));
        }
        let (first, rest) = applied.split_first()?;
        let equally_far = rest.iter().all(|other| other.0 == first.0);
        equally_far.then(|| rest.iter().all(|other| other.1 == first.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(hashes: &[(&str, u64, &str)]) -> Group {
        let replicas: Vec<String> = hashes
            .iter()
            .map(|(node, applied, hash)| {
                format!(
                    r#"{{"node": "{node}", "applied_index": {applied}, "state_hash": "{hash}"}}"#
                )
            })
            .collect();
        let text = format!(
            r#"{{"group": 1, "leader": null, "voters": ["a", "b"], "replicas": [{}]}}"#,
            replicas.join(",")
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn replicas_agree_only_where_they_are_equally_far() {
        assert_eq!(group(&[("a", 7, "x"), ("b", 7, "x")]).agrees(), Some(true));
        assert_eq!(group(&[("a", 7, "x"), ("b", 7, "y")]).agrees(), Some(false));
        assert_eq!(group(&[("a", 7, "x"), ("b", 8, "x")]).agrees(), None);
        assert_eq!(group(&[("a", 7, "x")]).agrees(), None);
    }
}
