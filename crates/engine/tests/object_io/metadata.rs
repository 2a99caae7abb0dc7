//! The metadata role in memory: the real state machine behind the real wire, without Raft.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cairn_catalog::{APPLY_VERSION, BTreeStore};
use cairn_rpc::proto::meta::meta_server::Meta;
use cairn_rpc::proto::meta::{
    ChangeMembersRequest, ChangeMembersResponse, IdentifyRequest, IdentifyResponse, InviteRequest,
    InviteResponse, MutateRequest, MutateResponse, QueryRequest, QueryResponse, StatusRequest,
    StatusResponse, TransferLeaderRequest, TransferLeaderResponse, mutate_response, query_response,
};
use cairn_runtime::{SharedClock, random};
use cairn_types::id::GroupId;
use cairn_types::namespace::{Command, DataMutation, Mutation, MutationRequest, Query};
use tonic::{Request, Response, Status};

/// One metadata node that leads every group.
#[derive(Clone)]
pub(crate) struct Metadata {
    shared: Arc<Shared>,
}

struct Shared {
    groups: Mutex<HashMap<GroupId, BTreeStore>>,
    clock: SharedClock,
    index: AtomicU64,
    /// Kinds of changes, in the order in which they came.
    log: Mutex<Vec<&'static str>>,
    loses_answers: AtomicBool,
    is_away: AtomicBool,
}

impl Metadata {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            shared: Arc::new(Shared {
                groups: Mutex::default(),
                clock,
                index: AtomicU64::new(0),
                log: Mutex::default(),
                loses_answers: AtomicBool::new(false),
                is_away: AtomicBool::new(false),
            }),
        }
    }

    /// From now on changes are applied, and nobody is told.
    pub(crate) fn lose_answers(&self, does: bool) {
        self.shared.loses_answers.store(does, Ordering::SeqCst);
    }

    /// From now on nothing is taken.
    pub(crate) fn be_away(&self, is: bool) {
        self.shared.is_away.store(is, Ordering::SeqCst);
    }

    /// The kinds of changes since the last call.
    pub(crate) fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.shared.log.lock().unwrap())
    }

    /// Whether such a change came since the log was taken last.
    pub(crate) fn has_seen(&self, kind: &str) -> bool {
        self.shared.log.lock().unwrap().contains(&kind)
    }

    fn check_here(&self) -> Result<(), Status> {
        if self.shared.is_away.load(Ordering::SeqCst) {
            return Err(cairn_rpc::status::not_leader(None));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl Meta for Metadata {
    async fn mutate(
        &self,
        request: Request<MutateRequest>,
    ) -> Result<Response<MutateResponse>, Status> {
        self.check_here()?;
        let message = request.into_inner();
        let group = GroupId::new(u16::try_from(message.group).unwrap());
        let request = MutationRequest::try_from(message.request.unwrap()).unwrap();
        self.shared
            .log
            .lock()
            .unwrap()
            .push(kind(&request.mutation));
        let command = Command {
            apply_version: APPLY_VERSION,
            request,
            proposed: self.shared.clock.now(),
            random: random::u128(),
        };
        let mut groups = self.shared.groups.lock().unwrap();
        let applied = cairn_catalog::apply(groups.entry(group).or_default(), group, &command);
        if self.shared.loses_answers.load(Ordering::SeqCst) {
            return Err(Status::internal("the answer is lost"));
        }
        let result = match applied.unwrap().result {
            Ok(reply) => mutate_response::Result::Reply((&reply).into()),
            Err(refusal) => mutate_response::Result::Refusal((&refusal).into()),
        };
        Ok(Response::new(MutateResponse {
            index: self.shared.index.fetch_add(1, Ordering::SeqCst) + 1,
            result: Some(result),
        }))
    }

    async fn query(
        &self,
        request: Request<QueryRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        self.check_here()?;
        let message = request.into_inner();
        let group = GroupId::new(u16::try_from(message.group).unwrap());
        let query = Query::try_from(message.query.unwrap()).unwrap();
        let mut groups = self.shared.groups.lock().unwrap();
        let store = groups.entry(group).or_default();
        let result = match cairn_catalog::query(store, group, &query).unwrap() {
            Ok(view) => query_response::Result::View((&view).into()),
            Err(refusal) => query_response::Result::Refusal((&refusal).into()),
        };
        Ok(Response::new(QueryResponse {
            index: self.shared.index.load(Ordering::SeqCst),
            result: Some(result),
        }))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Err(Status::unimplemented("no groups"))
    }

    async fn identify(
        &self,
        _: Request<IdentifyRequest>,
    ) -> Result<Response<IdentifyResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn invite(&self, _: Request<InviteRequest>) -> Result<Response<InviteResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn change_members(
        &self,
        _: Request<ChangeMembersRequest>,
    ) -> Result<Response<ChangeMembersResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn transfer_leader(
        &self,
        _: Request<TransferLeaderRequest>,
    ) -> Result<Response<TransferLeaderResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }
}

fn kind(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::Root(_) => "root",
        Mutation::Data(DataMutation::PutObject { .. }) => "put",
        Mutation::Data(DataMutation::PutPart { .. }) => "put part",
        Mutation::Data(DataMutation::CondemnBlobs { .. }) => "condemn",
        Mutation::Data(_) => "other",
    }
}
