//! Making a cluster of nodes that are reached over the network: one finds out who they are, invites all others, and then
//! makes the cluster (`Meta::genesis`).

use std::time::Duration;

use cairn_rpc::proto::meta;
use cairn_rpc::proto::meta::meta_client::MetaClient;
use cairn_types::id::{ClusterId, NodeId};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// How long a node may take to say who it is, and to settle.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a metadata node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id: the same for the life of its directory.
    pub node: NodeId,
    /// What its operators call it; may be empty.
    pub name: String,
    /// Its cluster and how many data groups that has; `None`: of none yet.
    pub home: Option<(ClusterId, u16)>,
    /// Whether it has a log: then its cluster was made, and must not be made again.
    pub is_initialized: bool,
    /// The members of its root group and where they are, as far as it knows.
    pub members: Vec<(NodeId, String)>,
}

/// Asks a metadata node who it is. It answers whoever asks.
///
/// # Errors
/// When it cannot be reached within ten seconds, or what it says makes no sense.
pub async fn identify(channel: Channel) -> Result<Identity, Status> {
    let mut request = Request::new(meta::IdentifyRequest {});
    request.set_timeout(TIMEOUT);
    let told = MetaClient::new(channel).identify(request).await?;
    let told = told.into_inner();
    let home = if told.cluster.is_empty() {
        None
    } else {
        let cluster = cairn_rpc::bytes::to_u128("cluster", &told.cluster)?;
        let count = u16::try_from(told.data_group_count)
            .map_err(|_| Status::invalid_argument("data_group_count is out of range"))?;
        Some((ClusterId::new(cluster), count))
    };
    let members = told.members.into_iter();
    Ok(Identity {
        node: NodeId::new(told.node),
        name: told.name,
        home,
        is_initialized: told.is_initialized,
        members: members
            .map(|member| (NodeId::new(member.node), member.address))
            .collect(),
    })
}

/// Makes a metadata node of no cluster one of `cluster`; when it returns that is durable. `node` is whom it is for, and
/// nobody else takes it. Repeating it is no change.
///
/// # Errors
/// `FAILED_PRECONDITION` when it is another node, or of another cluster; others when that is not known.
pub async fn invite(
    channel: Channel,
    cluster: ClusterId,
    node: NodeId,
    data_group_count: u16,
) -> Result<(), Status> {
    let mut request = Request::new(meta::InviteRequest {
        cluster: cairn_rpc::bytes::from_u128(cluster.get()),
        node: node.get(),
        data_group_count: u32::from(data_group_count),
    });
    request.set_timeout(TIMEOUT);
    MetaClient::new(channel).invite(request).await.map(drop)
}
