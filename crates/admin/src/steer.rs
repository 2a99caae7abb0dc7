//! Changes that an operator asks for: who keeps metadata, who leads a group, which node is no longer there.
//!
//! Each states a wish in the root group, or to a leader, and waits until it has come true; who loses patience loses nothing,
//! because the cluster goes on by itself, and the same wish once more is no change.

mod find;

use std::sync::Arc;
use std::time::Duration;

use cairn_client::topology::Layout;
use cairn_client::{MetaClient, MutateError, QueryError, TopologyCache};
use cairn_types::cluster::{MetaNode, StorageNode};
use cairn_types::id::{DiskId, GroupId, NodeId};
use cairn_types::namespace::{Refusal, RootMutation};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::collect::metadata::{GroupView, Metadata};
use crate::collect::{all_groups, hear};
use find::{Found, find, find_meta};

/// How long the root group may take to answer.
const ROOT_LIMIT: Duration = Duration::from_secs(3);

/// How long members of groups may take to change.
const MEMBERS_LIMIT: Duration = Duration::from_mins(1);

/// How long a leadership may take to change hands.
const TRANSFER_LIMIT: Duration = Duration::from_secs(10);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Steers a cluster.
#[derive(Clone)]
pub struct Steering {
    meta: MetaClient,
    topology: TopologyCache,
}

/// What was done, as `cairn admin … --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The node that was added or removed, or that leads.
    pub node: String,
    /// The group that it leads; absent for nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u16>,
    /// The same for people, on one line.
    pub done: String,
}

/// What was asked for is not so. Every text is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SteerError {
    /// There is no such node or group, or more than one.
    #[error("{0}")]
    NoSuch(String),
    /// It would do harm, or the cluster refuses it: nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The root group does not answer: nothing was changed.
    #[error("{0}")]
    Unavailable(String),
    /// It is not so yet, or that is not known; it may be later.
    #[error("{0}")]
    Late(String),
}

impl Steering {
    /// Steers by these clients.
    pub fn new(meta: MetaClient, topology: TopologyCache) -> Self {
        Self { meta, topology }
    }

    /// Makes a metadata node that registered itself a voter, and waits up to a minute until it votes in every group. A storage
    /// node is part of the cluster since it registered itself.
    ///
    /// # Errors
    /// See `SteerError`.
    pub async fn add_node(&self, name: &str) -> Result<Done, SteerError> {
        let layout = self.layout().await?;
        let node = match find(layout.topology(), name)? {
            Found::Meta(node) => node,
            Found::Storage(node) => {
                let (name, what) = (
                    &node.name,
                    "is part of the cluster since it registered itself",
                );
                return Ok(of_node(name, format!("storage node {name} {what}")));
            }
        };
        self.change(RootMutation::SetMetaVoter {
            node: node.id,
            is_voter: true,
        })
        .await?;
        let name = &node.name;
        let votes = |view: &GroupView<'_>| view.voters.contains(&node.id);
        let waited = self.until_all_groups(votes).await;
        waited.map_err(|lacking| {
            late(&format!("{name} is to vote, and does not in {lacking} yet"))
        })?;
        let count = all_groups(&layout).count();
        let done = format!("{name} votes in all {count} groups");
        Ok(of_node(name, done))
    }

    /// Takes a node out of the cluster for good. A metadata node: waits up to a minute until no group has it. A storage node:
    /// only one whose disks no placement group uses.
    ///
    /// # Errors
    /// See `SteerError`.
    pub async fn remove_node(&self, name: &str) -> Result<Done, SteerError> {
        let layout = self.layout().await?;
        match find(layout.topology(), name)? {
            Found::Meta(node) => self.remove_meta(&layout, node).await,
            Found::Storage(node) => self.remove_storage(&layout, node).await,
        }
    }

    async fn remove_meta(&self, layout: &Layout, node: &MetaNode) -> Result<Done, SteerError> {
        let name = &node.name;
        check_majority_without(node, &hear(&self.meta, layout).await)?;
        self.change(RootMutation::RetireMeta { node: node.id })
            .await?;
        let is_gone = |view: &GroupView<'_>| {
            view.leader != Some(node.id)
                && !view.voters.contains(&node.id)
                && !view.learners.contains(&node.id)
        };
        let waited = self.until_all_groups(is_gone).await;
        waited.map_err(|lacking| {
            late(&format!(
                "{name} is retired, and still a member of {lacking}"
            ))
        })?;
        let done = format!(
            "{name} is no longer part of the cluster: it can be stopped and its directory removed"
        );
        Ok(of_node(name, done))
    }

    async fn remove_storage(
        &self,
        layout: &Layout,
        node: &StorageNode,
    ) -> Result<Done, SteerError> {
        let name = &node.name;
        let topology = layout.topology();
        let is_own = |disk: &DiskId| layout.disk(*disk).is_some_and(|disk| disk.node == node.id);
        let groups = topology.placement_groups.iter();
        let used = groups
            .filter(|group| group.members.iter().any(is_own))
            .count();
        if used > 0 {
            return Err(SteerError::Refused(format!(
                "{name} keeps data: {used} of {} placement groups use its disks",
                topology.placement_groups.len()
            )));
        }
        self.change(RootMutation::RetireStorage { node: node.id })
            .await?;
        let done = format!(
            "{name} is no longer part of the cluster: stop it, or it comes back when it starts again"
        );
        Ok(of_node(name, done))
    }

    /// Hands the leadership of a group to a voter, or to any other one that answers, and waits up to ten seconds until that one
    /// leads.
    ///
    /// # Errors
    /// See `SteerError`.
    pub async fn transfer_leader(&self, group: u16, to: Option<&str>) -> Result<Done, SteerError> {
        let layout = self.layout().await?;
        let group = GroupId::new(group);
        let last = all_groups(&layout).max().unwrap_or(group);
        if all_groups(&layout).all(|known| known != group) {
            return Err(SteerError::NoSuch(format!(
                "there is no group {group}: there are 0 to {last}"
            )));
        }
        let mut metadata = hear(&self.meta, &layout).await;
        let heir = match to {
            Some(name) => find_meta(&metadata, name)?,
            None => any_heir(&metadata, group)?,
        };
        check_heir(&metadata, group, heir)?;
        let name = metadata.name(heir);
        let deadline = self.now() + TRANSFER_LIMIT;
        let mut reason = "nobody leads it".to_owned();
        loop {
            match metadata.group(group).and_then(|view| view.leader) {
                Some(leader) if leader == heir => {
                    return Ok(Done {
                        done: format!("{name} leads group {group}"),
                        node: name,
                        group: Some(group.get()),
                    });
                }
                Some(leader) => {
                    let handed = self.meta.transfer_leader(group, leader, heir).await;
                    if let Err(error) = handed {
                        reason = format!("{} says: {error}", metadata.name(leader));
                    }
                }
                None => {}
            }
            if self.now() >= deadline {
                return Err(SteerError::Late(format!(
                    "{name} does not lead group {group} after {} s: {reason}",
                    TRANSFER_LIMIT.as_secs()
                )));
            }
            sleep(PAUSE).await;
            metadata = hear(&self.meta, &layout).await;
        }
    }

    /// On the monotonic clock.
    fn now(&self) -> Duration {
        self.meta.clock().monotonic()
    }

    /// The newest topology.
    async fn layout(&self) -> Result<Arc<Layout>, SteerError> {
        let refreshed = timeout(ROOT_LIMIT, self.topology.refresh()).await;
        let unavailable =
            |reason: String| SteerError::Unavailable(format!("nothing is changed: {reason}"));
        match refreshed {
            Ok(layout) => layout.map_err(|error: QueryError| unavailable(error.to_string())),
            Err(_) => Err(unavailable(
                "the root group has no leader that answers".to_owned(),
            )),
        }
    }

    async fn change(&self, wish: RootMutation) -> Result<(), SteerError> {
        match self.meta.change_root(wish).await {
            Ok(_) => Ok(()),
            Err(MutateError::Refused(Refusal::TopologyConflict { reason }))
                if !reason.is_empty() =>
            {
                Err(SteerError::Refused(reason))
            }
            Err(error @ MutateError::Refused(_)) => Err(SteerError::Refused(error.to_string())),
            Err(error @ (MutateError::Unavailable { .. } | MutateError::OtherGroup { .. })) => {
                Err(SteerError::Unavailable(error.to_string()))
            }
            Err(error @ MutateError::Unknown { .. }) => Err(SteerError::Late(error.to_string())),
        }
    }

    /// Waits until it holds of every group, by the word of its leader; if that takes too long, the groups where it does not.
    async fn until_all_groups(&self, holds: impl Fn(&GroupView<'_>) -> bool) -> Result<(), String> {
        let deadline = self.now() + MEMBERS_LIMIT;
        loop {
            // With the topology the client learns which nodes there are.
            let refreshed = timeout(ROOT_LIMIT, self.topology.refresh()).await;
            let fresh = refreshed.ok().and_then(Result::ok);
            let layout = fresh.unwrap_or_else(|| self.topology.current());
            let metadata = hear(&self.meta, &layout).await;
            let lacking: Vec<String> = all_groups(&layout)
                .filter(|group| {
                    let view = metadata.group(*group);
                    !view.is_some_and(|view| view.leader.is_some() && holds(&view))
                })
                .map(|group| group.to_string())
                .collect();
            if lacking.is_empty() {
                return Ok(());
            }
            if self.now() >= deadline {
                return Err(format!("groups {}", lacking.join(", ")));
            }
            sleep(PAUSE).await;
        }
    }
}

fn of_node(name: &str, done: String) -> Done {
    Done {
        node: name.to_owned(),
        group: None,
        done,
    }
}

fn late(what: &str) -> SteerError {
    SteerError::Late(format!(
        "{what} after {} s; the cluster goes on by itself: see `cairn admin groups`",
        MEMBERS_LIMIT.as_secs()
    ))
}

/// Refuses to leave voters behind of which no majority answers: the groups would have no leader until more are back.
fn check_majority_without(node: &MetaNode, metadata: &Metadata) -> Result<(), SteerError> {
    let nodes = metadata.nodes().iter();
    let rest: Vec<_> = nodes
        .filter(|heard| heard.id != node.id && heard.row.as_ref().is_some_and(|row| row.is_voter))
        .collect();
    let answering = rest.iter().filter(|heard| heard.said.is_ok()).count();
    if !node.is_voter || rest.is_empty() || answering * 2 > rest.len() {
        return Ok(());
    }
    Err(SteerError::Refused(format!(
        "without {} only {answering} of {} voters would answer, and no group could have a leader: start the others, or remove \
         those that are gone first",
        node.name,
        rest.len()
    )))
}

/// The voter that is furthest among those that answer and do not lead.
fn any_heir(metadata: &Metadata, group: GroupId) -> Result<NodeId, SteerError> {
    let view = metadata.group(group);
    let heir = view.as_ref().and_then(|view| {
        let replicas = view.replicas.iter();
        replicas
            .filter(|(node, _)| Some(*node) != view.leader && view.voters.contains(node))
            .max_by_key(|(_, replica)| replica.last_log_index)
    });
    heir.map(|(node, _)| *node).ok_or_else(|| {
        SteerError::Refused(format!("group {group} has no other voter that answers"))
    })
}

/// Refuses to ask for what cannot be.
fn check_heir(metadata: &Metadata, group: GroupId, heir: NodeId) -> Result<(), SteerError> {
    let Some(view) = metadata.group(group) else {
        let reason = format!("nobody answers for group {group}");
        return Err(SteerError::Unavailable(reason));
    };
    let reason = if !metadata.is_up(heir) {
        "does not answer"
    } else if !view.voters.contains(&heir) {
        "does not vote"
    } else {
        return Ok(());
    };
    let name = metadata.name(heir);
    Err(SteerError::Refused(format!(
        "{name} cannot lead group {group}: it {reason}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::metadata::tests::{GROUP, heard, replica};

    fn three(states: [Option<&str>; 3]) -> Metadata {
        let nodes = (1..).zip(states).map(|(id, state)| {
            heard(
                id,
                state.map(|state| replica(state, 1, 10 + id, &[1, 2, 3])),
            )
        });
        Metadata::new(nodes.collect())
    }

    #[test]
    fn a_majority_of_those_who_stay_must_answer() {
        let (up, down) = (Some("follower"), None);
        let node = |id: usize, metadata: &Metadata| metadata.nodes()[id].row.clone().unwrap();
        let one_down = three([up, up, down]);
        let refused = check_majority_without(&node(0, &one_down), &one_down);
        let text = refused.unwrap_err().to_string();
        assert!(text.starts_with("without m1 only 1 of 2 voters"), "{text}");
        check_majority_without(&node(2, &one_down), &one_down).unwrap();
        let all = three([up, up, up]);
        check_majority_without(&node(0, &all), &all).unwrap();
        let mut learner = node(0, &one_down);
        learner.is_voter = false;
        check_majority_without(&learner, &one_down).unwrap();
    }

    #[test]
    fn an_heir_answers_votes_and_does_not_lead() {
        let led = three([Some("leader"), Some("follower"), Some("follower")]);
        assert_eq!(any_heir(&led, GROUP), Ok(NodeId::new(3)), "it has the most");
        let alone = three([Some("leader"), None, None]);
        assert!(matches!(
            any_heir(&alone, GROUP),
            Err(SteerError::Refused(_))
        ));
        let refused = check_heir(&alone, GROUP, NodeId::new(2));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "m2 cannot lead group 1: it does not answer"
        );
        let nobody = check_heir(&alone, GroupId::ROOT, NodeId::new(2));
        assert!(matches!(nobody, Err(SteerError::Unavailable(_))));
    }
}
