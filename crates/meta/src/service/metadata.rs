//! Mutations and queries from gateways, workers and operators.

use std::sync::Arc;
use std::time::Duration;

use cairn_catalog::StoreError;
use cairn_rpc::identity::META_CALLERS;
use cairn_rpc::proto::meta;
use cairn_rpc::proto::meta::meta_server::Meta;
use cairn_rpc::status::{misdirected, not_leader, refused, unknown};
use cairn_types::id::{ClusterId, GroupId, NodeId};
use cairn_types::namespace::{
    DataQuery, MutationRequest, Query, Refusal, Reply, RootQuery, SettingsGuard, View,
};
use cairn_types::outcome::Outcome;
use tonic::{Request, Response, Status};

use super::{admit, members};
use crate::failure::one_line;
use crate::group::{Group, GroupStatus, ProposeError, ReadError};
use crate::label::Home;
use crate::meta::GenesisError;
use crate::node::Node;
use crate::state::Tables;

/// The deadline of a request that came without one. tonic holds those that came with one.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Answers the metadata service on whatever runtime calls it.
#[derive(Clone)]
pub struct MetadataService {
    node: Arc<Node>,
}

impl MetadataService {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    fn group(&self, group: u32) -> Result<Arc<Group>, Status> {
        let group = u16::try_from(group).ok();
        group
            .and_then(|group| self.node.group(group))
            .ok_or_else(|| Status::unavailable("no such group runs on this node"))
    }

    /// A node that cannot read its tables must not lead, or no other one will answer.
    fn unreadable(&self, group: GroupId, error: &StoreError) -> Status {
        let reason = format!("group {group}: read the tables: {}", one_line(error));
        self.node.failure().report(reason);
        Status::data_loss("the tables of this node cannot be read")
    }
}

#[tonic::async_trait]
impl Meta for MetadataService {
    async fn mutate(
        &self,
        request: Request<meta::MutateRequest>,
    ) -> Result<Response<meta::MutateResponse>, Status> {
        let (_, message) = admit(&self.node, META_CALLERS, request)?;
        let group = self.group(message.group).map_err(refused)?;
        let request = message
            .request
            .ok_or_else(|| refused(Status::invalid_argument("request is missing")))?;
        let request = MutationRequest::try_from(request)
            .map_err(|error| refused(Status::invalid_argument(error.to_string())))?;
        let proposed = tokio::time::timeout(TIMEOUT, self.node.propose(&group, request)).await;
        let proposed =
            proposed.map_err(|_| unknown(Status::deadline_exceeded("not committed in time")))?;
        let (index, result) = proposed.map_err(|error| not_proposed(&error))?;
        Ok(Response::new(meta::MutateResponse {
            index,
            result: Some(mutate_result(&result)),
        }))
    }

    async fn query(
        &self,
        request: Request<meta::QueryRequest>,
    ) -> Result<Response<meta::QueryResponse>, Status> {
        let (_, message) = admit(&self.node, META_CALLERS, request)?;
        let group = self.group(message.group)?;
        let query = message
            .query
            .ok_or_else(|| Status::invalid_argument("query is missing"))?;
        let query =
            Query::try_from(query).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let guard = message.guard.map(SettingsGuard::from);
        let ready = tokio::time::timeout(TIMEOUT, group.read_barrier()).await;
        ready
            .map_err(|_| Status::deadline_exceeded("the read was not confirmed in time"))?
            .map_err(|error| not_read(&error))?;
        let tables = Arc::clone(group.tables());
        let id = group.id();
        let read = if is_long(&query) {
            let pool = self.node.pool();
            pool.run(move || read(&tables, id, guard, &query)).await
        } else {
            read(&tables, id, guard, &query)
        };
        let (index, result) = read.map_err(|error| self.unreadable(id, &error))?;
        Ok(Response::new(meta::QueryResponse {
            index,
            result: Some(query_result(&result)),
        }))
    }

    async fn status(
        &self,
        request: Request<meta::StatusRequest>,
    ) -> Result<Response<meta::StatusResponse>, Status> {
        admit(&self.node, META_CALLERS, request)?;
        let groups = self.node.groups();
        let statuses = groups.iter().map(|group| group.status());
        let statuses: Vec<GroupStatus> = statuses
            .collect::<Result<_, _>>()
            .map_err(|error| Status::internal(error.to_string()))?;
        let cluster = self.node.cluster();
        Ok(Response::new(meta::StatusResponse {
            node: self.node.id().get(),
            cluster: cluster
                .map(|cluster| cairn_rpc::bytes::from_u128(cluster.get()))
                .unwrap_or_default(),
            groups: statuses.iter().map(group_status).collect(),
        }))
    }

    async fn identify(
        &self,
        _request: Request<meta::IdentifyRequest>,
    ) -> Result<Response<meta::IdentifyResponse>, Status> {
        let mut is_initialized = false;
        for group in self.node.groups() {
            let has_log = group.raft().is_initialized().await;
            is_initialized |= has_log.map_err(|error| Status::internal(error.to_string()))?;
        }
        let home = self.node.home();
        Ok(Response::new(meta::IdentifyResponse {
            node: self.node.id().get(),
            cluster: home
                .map(|home| cairn_rpc::bytes::from_u128(home.cluster.get()))
                .unwrap_or_default(),
            is_initialized,
            data_group_count: home.map_or(0, |home| u32::from(home.data_groups)),
            name: self.node.name().to_owned(),
            members: self
                .node
                .members()
                .into_iter()
                .map(|(node, address)| meta::Member {
                    node: node.get(),
                    address,
                })
                .collect(),
        }))
    }

    async fn invite(
        &self,
        request: Request<meta::InviteRequest>,
    ) -> Result<Response<meta::InviteResponse>, Status> {
        let message = request.into_inner();
        let cluster = cairn_rpc::bytes::to_u128("cluster", &message.cluster)?;
        let data_groups = u16::try_from(message.data_group_count)
            .map_err(|_| Status::invalid_argument("data_group_count is out of range"))?;
        let own = self.node.id().get();
        if message.node != own {
            let reason = format!("the invitation is for node {}, this is {own}", message.node);
            return Err(misdirected(Status::failed_precondition(reason)));
        }
        let home = Home {
            cluster: ClusterId::new(cluster),
            data_groups,
        };
        self.node.settle(home).await.map_err(|error| {
            let text = one_line(&error);
            match error {
                GenesisError::Conflict { .. } => Status::failed_precondition(text),
                _ => Status::internal(text),
            }
        })?;
        Ok(Response::new(meta::InviteResponse {}))
    }

    async fn change_members(
        &self,
        request: Request<meta::ChangeMembersRequest>,
    ) -> Result<Response<meta::ChangeMembersResponse>, Status> {
        let (_, message) = admit(&self.node, META_CALLERS, request)?;
        let group = self.group(message.group)?;
        members::change(&group, &members::from_proto(message)).await?;
        Ok(Response::new(meta::ChangeMembersResponse {}))
    }

    async fn transfer_leader(
        &self,
        request: Request<meta::TransferLeaderRequest>,
    ) -> Result<Response<meta::TransferLeaderResponse>, Status> {
        let (_, message) = admit(&self.node, META_CALLERS, request)?;
        let group = self.group(message.group)?;
        members::transfer(&group, NodeId::new(message.to)).await?;
        Ok(Response::new(meta::TransferLeaderResponse {}))
    }
}

type Answered = (u64, Result<View, Refusal>);

/// Reads the tables as they are now. The index is the last one that they certainly have.
fn read(
    tables: &Tables,
    group: GroupId,
    guard: Option<SettingsGuard>,
    query: &Query,
) -> Result<Answered, StoreError> {
    let index = tables.applied_index();
    let result = cairn_catalog::query_guarded(&tables.freeze(), group, guard, query)?;
    Ok((index, result))
}

/// Whether a query reads more than a few rows: then it does not run on an async thread.
fn is_long(query: &Query) -> bool {
    match query {
        Query::Root(query) => match query {
            RootQuery::Topology { .. }
            | RootQuery::Buckets { .. }
            | RootQuery::Identities { .. } => true,
            RootQuery::Bucket { .. } | RootQuery::BucketById { .. } | RootQuery::Cluster => false,
        },
        Query::Data(query) => match query {
            DataQuery::ListObjects(_)
            | DataQuery::ListVersions(_)
            | DataQuery::Parts { .. }
            | DataQuery::Uploads(_)
            | DataQuery::PartContents { .. }
            | DataQuery::FreedBlobs { .. }
            | DataQuery::Settings { .. }
            | DataQuery::UnheldBlobs { .. } => true,
            DataQuery::Object { .. }
            | DataQuery::ObjectHead { .. }
            | DataQuery::Upload { .. }
            | DataQuery::Counters { .. }
            | DataQuery::Versioning { .. }
            | DataQuery::Status => false,
        },
    }
}

fn not_proposed(error: &ProposeError) -> Status {
    if let ProposeError::NotLeader(leader) = error {
        return not_leader(*leader);
    }
    if let ProposeError::TooLong(_) = error {
        return refused(Status::invalid_argument(error.to_string()));
    }
    let status = Status::unavailable(error.to_string());
    match error.outcome() {
        Outcome::Refused => refused(status),
        Outcome::Unknown => unknown(status),
    }
}

fn not_read(error: &ReadError) -> Status {
    match error {
        ReadError::NotLeader(leader) => not_leader(*leader),
        ReadError::NoQuorum | ReadError::Stopped(_) => Status::unavailable(error.to_string()),
    }
}

fn mutate_result(result: &Result<Reply, Refusal>) -> meta::mutate_response::Result {
    match result {
        Ok(reply) => meta::mutate_response::Result::Reply(reply.into()),
        Err(refusal) => meta::mutate_response::Result::Refusal(refusal.into()),
    }
}

fn query_result(result: &Result<View, Refusal>) -> meta::query_response::Result {
    match result {
        Ok(view) => meta::query_response::Result::View(view.into()),
        Err(refusal) => meta::query_response::Result::Refusal(refusal.into()),
    }
}

fn group_status(status: &GroupStatus) -> meta::GroupStatus {
    meta::GroupStatus {
        group: u32::from(status.group.get()),
        state: status.state.to_owned(),
        leader: status.leader.map_or(0, NodeId::get),
        term: status.term,
        last_log_index: status.last_log_index,
        applied_index: status.applied_index,
        snapshot_index: status.snapshot_index,
        purged_index: status.purged_index,
        voters: status.voters.iter().map(|node| node.get()).collect(),
        learners: status.learners.iter().map(|node| node.get()).collect(),
        state_hash: cairn_rpc::bytes::from_u128(status.state_hash),
    }
}
