//! Channels to the storage nodes.
//!
//! Every disk keeps to one channel of its node. The streams of a connection share its flow control: what a disk that hangs
//! does not take stands in the way of whatever else uses the same connection. With a connection for each disk it is in
//! nobody's way but its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_rpc::identity::Introduce;
use cairn_rpc::socket::Dialer;
use cairn_types::cluster::StorageNode;
use cairn_types::id::NodeId;
use tonic::transport::Channel;

/// The most connections to one node; beyond it disks share them.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// The channels to nodes: in memory where the node is in this process, by address elsewhere. Cloning shares it.
#[derive(Clone)]
pub struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    introduce: Introduce,
    dialer: Dialer,
    in_process: HashMap<NodeId, Vec<Channel>>,
    /// Grows by the nodes of the cluster; a node that moved replaces its row.
    dialed: Mutex<HashMap<NodeId, Dialed>>,
}

#[derive(Default)]
struct Dialed {
    address: String,
    channels: HashMap<usize, Channel>,
}

impl Peers {
    /// The peers of whoever is introduced. Nodes that are not `in_process` are dialled at the address that the topology has.
    /// A node in this process is best given a channel for each of its disks.
    pub fn new(
        introduce: Introduce,
        dialer: Dialer,
        in_process: impl IntoIterator<Item = (NodeId, Vec<Channel>)>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                introduce,
                dialer,
                in_process: in_process.into_iter().collect(),
                dialed: Mutex::default(),
            }),
        }
    }

    /// What a call to `node` says of its caller.
    pub(crate) fn introduce(&self, node: NodeId) -> Introduce {
        self.shared.introduce.to(node)
    }

    /// The channel for the disk at `slot` of `node`; `None` when the node's address is no address. Never blocks: a channel
    /// connects when it is first used.
    pub(crate) fn channel(&self, node: &StorageNode, slot: usize) -> Option<Channel> {
        if let Some(channels) = self.shared.in_process.get(&node.id) {
            return channels.get(slot.checked_rem(channels.len())?).cloned();
        }
        let mut nodes = self
            .shared
            .dialed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let dialed = nodes.entry(node.id).or_default();
        if dialed.address != node.address {
            *dialed = Dialed {
                address: node.address.clone(),
                channels: HashMap::new(),
            };
        }
        match dialed.channels.entry(slot % CONNECTIONS_MAX) {
            Entry::Occupied(known) => Some(known.get().clone()),
            Entry::Vacant(place) => {
                let channel = self.shared.dialer.connect(&node.address).ok()?;
                Some(place.insert(channel).clone())
            }
        }
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}
