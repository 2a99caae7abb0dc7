//! What single metadata nodes say and do: how their groups are, and handing a leadership over. Nothing here is tried twice.

use std::time::Duration;

use cairn_rpc::proto::meta::{self, StatusRequest, TransferLeaderRequest};
use cairn_types::id::{GroupId, NodeId};
use tonic::{Request, Response, Status};

use super::{MetaClient, NodeStub};

/// How long a node may take to say how its groups are. It asks nobody else for that.
const STATUS_LIMIT: Duration = Duration::from_millis(1500);

/// How long a leader may take to hand over: it waits two seconds itself.
const TRANSFER_LIMIT: Duration = Duration::from_secs(4);

/// What one metadata node has of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// The group.
    pub group: GroupId,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`, as the node believes.
    pub state: String,
    /// Who leads, as far as the node knows.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The last entry of its log; 0 before the first.
    pub last_log_index: u64,
    /// The last entry that its tables have.
    pub applied_index: u64,
    /// The last entry that its newest snapshot has.
    pub snapshot_index: u64,
    /// The last entry that it purged from its log.
    pub purged_index: u64,
    /// Who votes; of two sets, while they change, both.
    pub voters: Vec<NodeId>,
    /// Who only follows.
    pub learners: Vec<NodeId>,
    /// The hash chained over everything that it applied, at `applied_index`.
    pub state_hash: u128,
}

/// A metadata node did not do what it was asked for; of a leadership it may yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// It is not one of those that this client knows.
    #[error("nobody has told where it is")]
    Unknown,
    /// It was not reached, did not answer in time, or says no.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

impl MetaClient {
    /// The metadata nodes that this client knows, in no order.
    pub fn nodes(&self) -> Vec<NodeId> {
        let nodes = self.shared.nodes.load();
        nodes.iter().map(|node| node.id).collect()
    }

    /// Who answered for a group last, as far as this client has heard.
    pub fn leader(&self, group: GroupId) -> Option<NodeId> {
        self.shared.leader(group)
    }

    /// Asks a node what it has of each of its groups: its own view, without consensus. Takes a second and a half at the most.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn node_status(&self, node: NodeId) -> Result<Vec<ReplicaStatus>, NodeError> {
        let mut stub = self.stub_of(node)?;
        let asked = stub.status(limited(StatusRequest {}, STATUS_LIMIT));
        let told = answered(asked, STATUS_LIMIT).await?.into_inner();
        told.groups.into_iter().map(replica_status).collect()
    }

    /// Asks `from`, which leads `group`, to hand its leadership to `to`, a voter. Returns when somebody else leads, as a rule
    /// that one; takes four seconds at the most.
    ///
    /// # Errors
    /// When `from` does not lead or cannot be asked, or when it did not hand over in time.
    pub async fn transfer_leader(
        &self,
        group: GroupId,
        from: NodeId,
        to: NodeId,
    ) -> Result<(), NodeError> {
        let mut stub = self.stub_of(from)?;
        let request = TransferLeaderRequest {
            group: group.get().into(),
            to: to.get(),
        };
        let asked = stub.transfer_leader(limited(request, TRANSFER_LIMIT));
        answered(asked, TRANSFER_LIMIT).await.map(drop)
    }

    fn stub_of(&self, node: NodeId) -> Result<NodeStub, NodeError> {
        let nodes = self.shared.nodes.load();
        let known = nodes.iter().find(|known| known.id == node);
        known
            .map(|known| known.stub.clone())
            .ok_or(NodeError::Unknown)
    }
}

fn limited<T>(message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

/// Waits for an answer; also where no connection is made for long.
async fn answered<T>(
    asked: impl Future<Output = Result<Response<T>, Status>>,
    limit: Duration,
) -> Result<Response<T>, NodeError> {
    let failed = |reason: String| NodeError::Failed { reason };
    match tokio::time::timeout(limit, asked).await {
        Err(_) => Err(failed("no answer in time".to_owned())),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(failed(status.message().to_owned())),
    }
}

fn replica_status(told: meta::GroupStatus) -> Result<ReplicaStatus, NodeError> {
    let malformed = |reason: &str| NodeError::Failed {
        reason: format!("the answer is not understood: {reason}"),
    };
    let group = u16::try_from(told.group).map_err(|_| malformed("group"))?;
    let state_hash = cairn_rpc::bytes::to_u128("state_hash", &told.state_hash)
        .map_err(|status| malformed(status.message()))?;
    let ids = |ids: Vec<u64>| ids.into_iter().map(NodeId::new).collect();
    Ok(ReplicaStatus {
        group: GroupId::new(group),
        state: told.state,
        leader: (told.leader != 0).then(|| NodeId::new(told.leader)),
        term: told.term,
        last_log_index: told.last_log_index,
        applied_index: told.applied_index,
        snapshot_index: told.snapshot_index,
        purged_index: told.purged_index,
        voters: ids(told.voters),
        learners: ids(told.learners),
        state_hash,
    })
}
