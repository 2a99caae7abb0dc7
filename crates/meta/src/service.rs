//! The wire: the metadata service for gateways and operators, and Raft between metadata nodes.

pub(crate) mod messages;
pub(crate) mod peers;

mod metadata;
mod replication;

use std::sync::Arc;

use cairn_rpc::proto::meta::meta_server::MetaServer;
use cairn_rpc::proto::raft::raft_server::RaftServer;
use cairn_rpc::server::MAX_MESSAGE_LEN;

use crate::node::Node;

pub use metadata::MetadataService;
pub use replication::RaftService;

/// The metadata service, ready to be mounted.
pub type MetadataServer = MetaServer<MetadataService>;

/// Raft between nodes, ready to be mounted.
pub type ReplicationServer = RaftServer<RaftService>;

/// The services of a node.
pub(crate) fn servers(node: &Arc<Node>) -> (MetadataServer, ReplicationServer) {
    let metadata = MetaServer::new(MetadataService::new(Arc::clone(node)))
        .max_decoding_message_size(MAX_MESSAGE_LEN)
        .max_encoding_message_size(MAX_MESSAGE_LEN);
    let replication = RaftServer::new(RaftService::new(Arc::clone(node)))
        .max_decoding_message_size(MAX_MESSAGE_LEN)
        .max_encoding_message_size(MAX_MESSAGE_LEN);
    (metadata, replication)
}
