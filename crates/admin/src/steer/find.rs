//! Which node an operator means: by its name, or by its id where that is no name.

use cairn_types::cluster::{MetaNode, StorageNode, Topology};
use cairn_types::id::NodeId;

use super::SteerError;
use crate::collect::metadata::{Heard, Metadata};

/// A node on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// It keeps metadata.
    Meta(&'a MetaNode),
    /// It keeps shards.
    Storage(&'a StorageNode),
}

impl Found<'_> {
    fn id(&self) -> NodeId {
        match self {
            Self::Meta(node) => node.id,
            Self::Storage(node) => node.id,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Meta(node) => &node.name,
            Self::Storage(node) => &node.name,
        }
    }

    fn describe(&self) -> String {
        let role = match self {
            Self::Meta(_) => "metadata",
            Self::Storage(_) => "storage",
        };
        format!("{role} node {}", self.id())
    }
}

/// The node that is meant. Names are unique in each role only.
pub(super) fn find<'a>(topology: &'a Topology, text: &str) -> Result<Found<'a>, SteerError> {
    let all = || {
        let meta = topology.meta_nodes.iter().map(Found::Meta);
        meta.chain(topology.nodes.iter().map(Found::Storage))
    };
    let named: Vec<Found<'_>> = all().filter(|node| node.name() == text).collect();
    let id = text.parse().ok().map(NodeId::new);
    let meant = match named.as_slice() {
        [] => all().filter(|node| Some(node.id()) == id).collect(),
        _ => named,
    };
    match meant.as_slice() {
        [node] => Ok(*node),
        [] => Err(no_such(text, all().map(|node| node.name().to_owned()))),
        several => {
            let several: Vec<String> = several.iter().map(Found::describe).collect();
            Err(SteerError::NoSuch(format!(
                "{text} may be {}: give the id",
                several.join(" or ")
            )))
        }
    }
}

/// The metadata node that is meant.
pub(super) fn find_meta(metadata: &Metadata, text: &str) -> Result<NodeId, SteerError> {
    let all = || metadata.nodes().iter();
    let id = text.parse().ok().map(NodeId::new);
    let meant = all()
        .find(|heard| heard.name() == text)
        .or_else(|| all().find(|heard| Some(heard.id) == id));
    meant
        .map(|heard| heard.id)
        .ok_or_else(|| no_such(text, all().map(Heard::name)))
}

fn no_such(text: &str, names: impl Iterator<Item = String>) -> SteerError {
    let names: Vec<String> = names.collect();
    SteerError::NoSuch(format!(
        "no node is called {text}: there are {}; a node registers itself when it starts",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use cairn_types::cluster::Location;
    use cairn_types::id::{ClusterId, Epoch, PoolId};

    use super::*;
    use crate::collect::metadata::tests::heard;

    fn topology() -> Topology {
        let meta = |id, name: &str| MetaNode {
            name: name.to_owned(),
            ..heard(id, None).row.unwrap()
        };
        let storage = |id, name: &str| StorageNode {
            id: NodeId::new(id),
            name: name.to_owned(),
            address: String::new(),
            admin_address: String::new(),
            incarnation: 1,
            location: Location::default(),
        };
        Topology {
            cluster: ClusterId::new(1),
            epoch: Epoch::new(1),
            data_groups: Vec::new(),
            nodes: vec![storage(11, "s1"), storage(12, "twin"), storage(13, "1")],
            disks: Vec::new(),
            pools: Vec::new(),
            placement_groups: Vec::new(),
            meta_nodes: vec![meta(1, "m1"), meta(2, "twin")],
            write_pool: PoolId::new(0),
        }
    }

    #[test]
    fn names_come_before_ids_and_twins_are_told_apart_by_ids() {
        let topology = topology();
        let id = |text| find(&topology, text).map(|node| node.id().get());
        assert_eq!(id("m1"), Ok(1));
        assert_eq!(id("s1"), Ok(11));
        assert_eq!(id("1"), Ok(13), "a name");
        assert_eq!(id("2"), Ok(2));
        let twins = id("twin").unwrap_err().to_string();
        assert_eq!(
            twins,
            "twin may be metadata node 2 or storage node 12: give the id"
        );
        assert!(id("12").is_ok());
        let nobody = id("m9").unwrap_err().to_string();
        assert!(nobody.contains("m1, twin, s1, twin, 1;"), "{nobody}");
    }

    #[test]
    fn only_metadata_nodes_are_found_among_them() {
        let metadata = Metadata::new(vec![heard(1, None), heard(2, None)]);
        assert_eq!(find_meta(&metadata, "m2"), Ok(NodeId::new(2)));
        assert_eq!(find_meta(&metadata, "1"), Ok(NodeId::new(1)));
        assert!(find_meta(&metadata, "s1").is_err());
    }
}
