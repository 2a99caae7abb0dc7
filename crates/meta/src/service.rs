//! The wire: the metadata service for gateways and operators, and Raft between metadata nodes.

pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod peers;

pub mod bootstrap;

mod beats;
mod metadata;
mod replication;

use std::sync::Arc;

use cairn_rpc::identity::{Check, Role};
use cairn_rpc::proto::meta::meta_server::MetaServer;
use cairn_rpc::proto::raft::raft_server::RaftServer;
use cairn_rpc::server::MAX_MESSAGE_LEN;
use cairn_rpc::status::refused;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

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

/// Takes a request apart, if it is from this node's cluster and from somebody who may call.
fn admit<T>(
    node: &Node,
    callers: &'static [Role],
    request: Request<T>,
) -> Result<(MetadataMap, T), Status> {
    let cluster = node.cluster();
    let cluster =
        cluster.ok_or_else(|| refused(Status::unavailable("this node is of no cluster yet")))?;
    let (metadata, _, message) = request.into_parts();
    Check::new(cluster, node.id(), callers).check(&metadata)?;
    Ok((metadata, message))
}
