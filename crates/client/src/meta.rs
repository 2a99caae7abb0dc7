//! One request to one metadata group, tried until it is answered or its time is up.

mod error;
mod halves;
mod nodes;
mod tries;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cairn_rpc::identity::Introduce;
use cairn_rpc::proto::meta::meta_client::MetaClient as Stub;
use cairn_rpc::proto::meta::{MutateRequest, QueryRequest, mutate_response, query_response};
use cairn_rpc::server::MAX_MESSAGE_LEN;
use cairn_rpc::socket::{AddressError, Dialer};
use cairn_rpc::status;
use cairn_runtime::{SharedClock, random};
use cairn_types::id::{GroupId, NodeId, RequestId};
use cairn_types::namespace::{
    Mutation, MutationRequest, Query, Refusal, Reply, SettingsGuard, View,
};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

pub use error::{MutateError, QueryError};
pub use nodes::{NodeError, ReplicaStatus};
use tries::Tries;

type NodeStub = Stub<InterceptedService<Channel, Introduce>>;

/// A metadata node and the way to it.
#[derive(Clone)]
struct Node {
    id: NodeId,
    /// `None` in this process.
    address: Option<String>,
    stub: NodeStub,
}

/// How long one request waits inside for a leader before it says that there is none.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);

/// Something, and the log index of its group that it reflects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed<T> {
    /// What was answered.
    pub value: T,
    /// The index at which a change was applied, or that an answer to a question reflects.
    pub index: u64,
}

impl<T> Indexed<T> {
    /// The same index with another value.
    pub(crate) fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Indexed<U>, E> {
        Ok(Indexed {
            value: f(self.value)?,
            index: self.index,
        })
    }
}

/// The way to the metadata nodes of a cluster. Cloning shares it.
#[derive(Clone)]
pub struct MetaClient {
    shared: Arc<Shared>,
    guard: Option<SettingsGuard>,
}

struct Shared {
    introduce: Introduce,
    /// `None` where all nodes are in this process.
    dialer: Option<Dialer>,
    /// Never empty.
    nodes: ArcSwap<Vec<Node>>,
    clock: SharedClock,
    patience: Duration,
    /// Who led a group when it was last asked.
    leaders: Mutex<HashMap<GroupId, NodeId>>,
    /// When the first try failed after the last one that was answered, on the monotonic clock.
    unanswered_since: Mutex<Option<Duration>>,
}

impl MetaClient {
    /// A client of metadata nodes in this process, by whoever is introduced. A request waits `patience` inside at most.
    ///
    /// # Panics
    /// When there are no nodes.
    pub fn new(
        introduce: Introduce,
        nodes: Vec<(NodeId, Channel)>,
        clock: SharedClock,
        patience: Duration,
    ) -> Self {
        let nodes = nodes.into_iter();
        let nodes = nodes.map(|(id, channel)| node(&introduce, id, None, channel));
        Self::over(nodes.collect(), introduce, None, clock, patience)
    }

    /// A client of metadata nodes at these addresses (`host:port`), by whoever is introduced. Does not wait for connections.
    ///
    /// # Errors
    /// When one of the addresses is not understood.
    ///
    /// # Panics
    /// When there are no nodes.
    pub fn dial(
        introduce: Introduce,
        dialer: Dialer,
        nodes: &[(NodeId, String)],
        clock: SharedClock,
        patience: Duration,
    ) -> Result<Self, AddressError> {
        let nodes = nodes.iter().map(|(id, address)| {
            let channel = dialer.connect(address)?;
            Ok(node(&introduce, *id, Some(address.clone()), channel))
        });
        let nodes = nodes.collect::<Result<_, AddressError>>()?;
        Ok(Self::over(nodes, introduce, Some(dialer), clock, patience))
    }

    fn over(
        nodes: Vec<Node>,
        introduce: Introduce,
        dialer: Option<Dialer>,
        clock: SharedClock,
        patience: Duration,
    ) -> Self {
        assert!(
            !nodes.is_empty(),
            "a cluster has at least one metadata node"
        );
        Self {
            guard: None,
            shared: Arc::new(Shared {
                introduce,
                dialer,
                nodes: ArcSwap::from_pointee(nodes),
                clock,
                patience,
                leaders: Mutex::default(),
                unanswered_since: Mutex::default(),
            }),
        }
    }

    /// The same way for one who decided by these settings: what he asks of data groups is refused with `SettingsChanged` where
    /// they are others by now.
    #[must_use]
    pub fn guarded(&self, guard: Option<SettingsGuard>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            guard,
        }
    }

    /// From now on these are the metadata nodes. Those that are where they were keep their connections; requests that are
    /// under way hear of it when all nodes that they knew have failed them. Nodes without a usable address are passed over, and
    /// a list without any other changes nothing, as does any list where the nodes are in this process.
    pub fn set_nodes(&self, nodes: &[(NodeId, String)]) {
        let Some(dialer) = &self.shared.dialer else {
            return;
        };
        let known = self.shared.nodes.load();
        let is_same = known.len() == nodes.len()
            && nodes
                .iter()
                .all(|(id, address)| known.iter().any(|node| node.is_at(*id, address)));
        if is_same {
            return;
        }
        let nodes: Vec<Node> = nodes
            .iter()
            .filter_map(|(id, address)| {
                if let Some(known) = known.iter().find(|node| node.is_at(*id, address)) {
                    return Some(known.clone());
                }
                match dialer.connect(address) {
                    Ok(channel) => {
                        let introduce = &self.shared.introduce;
                        Some(node(introduce, *id, Some(address.clone()), channel))
                    }
                    Err(error) => {
                        tracing::warn!(node = %id, %error, "no way to a metadata node");
                        None
                    }
                }
            })
            .collect();
        if !nodes.is_empty() {
            tracing::info!(nodes = ?nodes, "the metadata nodes are others now");
            self.shared.nodes.store(Arc::new(nodes));
        }
    }

    /// From now on these metadata nodes are where they were found; those that are not named stay where they were known to be.
    /// Otherwise as `set_nodes`.
    pub fn found_nodes(&self, found: &[(NodeId, String)]) {
        let known = self.shared.nodes.load();
        let others = known.iter().filter_map(|node| {
            let is_found = found.iter().any(|(id, _)| *id == node.id);
            let address = node.address.clone()?;
            (!is_found).then_some((node.id, address))
        });
        let nodes: Vec<_> = found.iter().cloned().chain(others).collect();
        self.set_nodes(&nodes);
    }

    /// For how long nobody has answered, though somebody was asked; zero where nobody was.
    pub fn unanswered_for(&self) -> Duration {
        let since = *self.shared.unanswered_since();
        let now = self.shared.clock.monotonic();
        since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// The clock that it measures with.
    pub fn clock(&self) -> &SharedClock {
        &self.shared.clock
    }

    /// Applies a change, at most once whatever the number of tries: all carry one request id, which the group remembers
    /// longer than any caller waits. Only where the group certainly did not take the first, because its clock is far from
    /// this side's, there is a second one, made at that clock.
    ///
    /// # Errors
    /// `Refused` and `Unavailable` are certain to have had no effect; `Unknown` may yet happen.
    pub async fn mutate(
        &self,
        group: GroupId,
        mutation: Mutation,
    ) -> Result<Indexed<Reply>, MutateError> {
        let mut request = MutationRequest {
            request: RequestId::new(random::u128()),
            minted: self.shared.clock.now(),
            guard: self.guard.filter(|_| group != GroupId::ROOT),
            mutation,
        };
        let message = |request: &MutationRequest| MutateRequest {
            group: group.get().into(),
            request: Some(request.into()),
        };
        let mut made_again = false;
        let mut may_happen = false;
        let mut tries = Tries::new(&self.shared, group);
        while let Some(attempt) = tries.next().await {
            let mut stub = attempt.stub();
            let answer = attempt
                .answer(stub.mutate(attempt.request(message(&request))))
                .await;
            if answer.is_ok() {
                tries.answered();
            }
            match answer {
                Ok(response) => match applied(response, may_happen, group) {
                    Err(MutateError::Refused(
                        Refusal::RequestTooOld { clock } | Refusal::RequestTooNew { clock },
                    )) if !made_again => {
                        made_again = true;
                        request.request = RequestId::new(random::u128());
                        request.minted = clock;
                    }
                    answer => return answer,
                },
                Err(status) => {
                    may_happen |= !is_certainly_refused(&status);
                    tries.failed(status);
                }
            }
        }
        Err(if may_happen {
            MutateError::Unknown {
                group,
                reason: tries.reason(),
            }
        } else {
            MutateError::Unavailable {
                group,
                reason: tries.reason(),
            }
        })
    }

    /// Asks for a linearizable answer.
    ///
    /// # Errors
    /// `Refused` is an answer too: what was asked for is not there.
    pub async fn query(&self, group: GroupId, query: &Query) -> Result<Indexed<View>, QueryError> {
        let message = QueryRequest {
            group: group.get().into(),
            query: Some(query.into()),
            guard: self
                .guard
                .filter(|_| group != GroupId::ROOT)
                .as_ref()
                .map(Into::into),
        };
        let mut tries = Tries::new(&self.shared, group);
        while let Some(attempt) = tries.next().await {
            let mut stub = attempt.stub();
            let answer = attempt
                .answer(stub.query(attempt.request(message.clone())))
                .await;
            match answer {
                Ok(response) => {
                    tries.answered();
                    return observed(response);
                }
                Err(status) => tries.failed(status),
            }
        }
        Err(QueryError::Unavailable {
            group,
            reason: tries.reason(),
        })
    }
}

impl std::fmt::Debug for MetaClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetaClient").finish_non_exhaustive()
    }
}

impl Shared {
    fn leader(&self, group: GroupId) -> Option<NodeId> {
        self.leaders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&group)
            .copied()
    }

    fn unanswered_since(&self) -> MutexGuard<'_, Option<Duration>> {
        let since = self.unanswered_since.lock();
        since.unwrap_or_else(PoisonError::into_inner)
    }

    /// `node` answered for the group: only a leader does.
    fn led_by(&self, group: GroupId, node: NodeId) {
        *self.unanswered_since() = None;
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.insert(group, node);
    }

    /// `node` did not answer for the group; perhaps it said who would. What is known of another node stays.
    fn not_led_by(&self, group: GroupId, node: NodeId, leader: Option<NodeId>) {
        let now = self.clock.monotonic();
        self.unanswered_since().get_or_insert(now);
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        match leader.filter(|leader| *leader != node) {
            Some(leader) => {
                leaders.insert(group, leader);
            }
            None if leaders.get(&group) == Some(&node) => {
                leaders.remove(&group);
            }
            None => {}
        }
    }
}

impl Node {
    fn is_at(&self, id: NodeId, address: &str) -> bool {
        self.id == id && self.address.as_deref() == Some(address)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = self.address.as_deref().unwrap_or("this process");
        write!(f, "{} at {address}", self.id)
    }
}

/// Calls are meant for this node: another one may be at its address by now.
fn node(introduce: &Introduce, id: NodeId, address: Option<String>, channel: Channel) -> Node {
    let stub = Stub::with_interceptor(channel, introduce.to(id))
        .max_decoding_message_size(MAX_MESSAGE_LEN)
        .max_encoding_message_size(MAX_MESSAGE_LEN);
    Node { id, address, stub }
}

/// What a node answered to a mutation. `earlier_unknown`: a try before this one was not answered.
fn applied(
    response: Response<cairn_rpc::proto::meta::MutateResponse>,
    earlier_unknown: bool,
    group: GroupId,
) -> Result<Indexed<Reply>, MutateError> {
    let response = response.into_inner();
    let unknown = |reason: String| MutateError::Unknown { group, reason };
    match response.result {
        Some(mutate_response::Result::Reply(reply)) => Ok(Indexed {
            value: Reply::try_from(reply).map_err(|error| unknown(error.to_string()))?,
            index: response.index,
        }),
        Some(mutate_response::Result::Refusal(refusal)) => {
            let refusal = Refusal::try_from(refusal).map_err(|error| unknown(error.to_string()))?;
            match refusal {
                // The group no longer remembers the request, or does not yet, so it does not know what became of the try before.
                Refusal::RequestTooOld { .. } | Refusal::RequestTooNew { .. }
                    if earlier_unknown =>
                {
                    Err(unknown(refusal.to_string()))
                }
                refusal => Err(MutateError::Refused(refusal)),
            }
        }
        None => Err(unknown("an answer without a result".to_owned())),
    }
}

fn observed(
    response: Response<cairn_rpc::proto::meta::QueryResponse>,
) -> Result<Indexed<View>, QueryError> {
    let response = response.into_inner();
    match response.result {
        Some(query_response::Result::View(view)) => Ok(Indexed {
            value: View::try_from(view).map_err(|error| QueryError::malformed(&error))?,
            index: response.index,
        }),
        Some(query_response::Result::Refusal(refusal)) => Err(QueryError::Refused(
            Refusal::try_from(refusal).map_err(|error| QueryError::malformed(&error))?,
        )),
        None => Err(QueryError::malformed(&"an answer without a result")),
    }
}

/// Whether the mutation was certainly not proposed: the node says so, or it was never reached.
fn is_certainly_refused(status: &Status) -> bool {
    status::outcome(status) == cairn_types::outcome::Outcome::Refused || is_connect_error(status)
}

/// Whether no connection was made, so that nothing was sent.
pub(crate) fn is_connect_error(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// One try at one node.
struct Attempt {
    stub: NodeStub,
    timeout: Duration,
}

impl Attempt {
    fn stub(&self) -> NodeStub {
        self.stub.clone()
    }

    /// The message, with the time that this try has.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// Waits for the answer as long as this try has.
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Response<T>, Status> {
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("the node did not answer in time")))
    }
}
