//! Changing the members and the leader of a group: here, or by asking its leader. Both answer the same.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_rpc::identity::Introduce;
use cairn_rpc::proto::meta;
use cairn_rpc::proto::meta::meta_client::MetaClient;
use cairn_rpc::status::{not_leader, refused, unknown};
use cairn_types::id::{GroupId, NodeId};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::group::{ChangeError, Group, TransferError};

/// How long new voters may take to be up to date before the caller is told to ask again, and each step to be committed.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);

/// How long a leadership may take to be handed over.
const TRANSFER_LIMIT: Duration = Duration::from_secs(2);

/// How long an answer is waited for: three steps and the wait before the second, or a transfer.
const ANSWER_LIMIT: Duration = Duration::from_secs(25);

/// The members of a group, and where they are reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Members {
    /// Who votes.
    pub(crate) voters: BTreeMap<NodeId, String>,
    /// Who only follows.
    pub(crate) learners: BTreeMap<NodeId, String>,
}

/// The way to a node: its channel, and what calls over it say.
type Way = Result<(Channel, Introduce), &'static str>;

/// Makes these the members of a group that this node leads.
pub(crate) async fn change(group: &Group, members: &Members) -> Result<(), Status> {
    let Members { voters, learners } = members;
    let changed = group.change_members(voters, learners, CHANGE_LIMIT).await;
    changed.map_err(|error| match error {
        ChangeError::NotLeader(leader) => not_leader(leader),
        ChangeError::NoVoters => refused(Status::invalid_argument(error.to_string())),
        ChangeError::Behind(_) | ChangeError::Underway => Status::aborted(error.to_string()),
        ChangeError::Late(_) | ChangeError::Failed(_) => {
            unknown(Status::unavailable(error.to_string()))
        }
    })
}

/// Hands the leadership of a group that this node leads to `heir`.
pub(crate) async fn transfer(group: &Group, heir: NodeId) -> Result<(), Status> {
    let handed = group.transfer_leader(heir, TRANSFER_LIMIT).await;
    handed.map_err(|error| match error {
        TransferError::NotLeader(leader) => not_leader(leader),
        TransferError::NotVoter(_) | TransferError::Behind(_) | TransferError::Late(..) => {
            Status::aborted(error.to_string())
        }
    })
}

/// Asks the leader of a group to make these its members.
pub(crate) async fn ask_to_change(
    way: Way,
    group: GroupId,
    members: &Members,
) -> Result<(), Status> {
    let request = meta::ChangeMembersRequest {
        group: u32::from(group.get()),
        voters: to_proto(&members.voters),
        learners: to_proto(&members.learners),
    };
    client(way)?
        .change_members(limited(request))
        .await
        .map(drop)
}

/// Asks the leader of a group to hand its leadership to `heir`.
pub(crate) async fn ask_to_transfer(way: Way, group: GroupId, heir: NodeId) -> Result<(), Status> {
    let request = meta::TransferLeaderRequest {
        group: u32::from(group.get()),
        to: heir.get(),
    };
    client(way)?
        .transfer_leader(limited(request))
        .await
        .map(drop)
}

/// Members, as received.
pub(super) fn from_proto(request: meta::ChangeMembersRequest) -> Members {
    let read = |members: Vec<meta::Member>| {
        let members = members.into_iter();
        members
            .map(|member| (NodeId::new(member.node), member.address))
            .collect()
    };
    Members {
        voters: read(request.voters),
        learners: read(request.learners),
    }
}

fn to_proto(members: &BTreeMap<NodeId, String>) -> Vec<meta::Member> {
    let members = members.iter();
    members
        .map(|(node, address)| meta::Member {
            node: node.get(),
            address: address.clone(),
        })
        .collect()
}

fn client(way: Way) -> Result<MetaClient<InterceptedService<Channel, Introduce>>, Status> {
    let (channel, introduce) = way.map_err(Status::unavailable)?;
    Ok(MetaClient::with_interceptor(channel, introduce))
}

fn limited<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER_LIMIT);
    request
}
