//! What a client makes of the answers of metadata nodes, over the real wire.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cairn_client::meta::NodeError;
use cairn_client::{Buckets, MetaClient, MutateError, QueryError, TopologyCache, Uploads};
use cairn_rpc::channel::{InProcess, in_process};
use cairn_rpc::identity::{Check, Introduce, META_CALLERS, Role};
use cairn_rpc::proto::meta::meta_server::{Meta, MetaServer};
use cairn_rpc::proto::meta::{
    ChangeMembersRequest, ChangeMembersResponse, IdentifyRequest, IdentifyResponse, InviteRequest,
    InviteResponse, MutateRequest, MutateResponse, QueryRequest, QueryResponse, StatusRequest,
    StatusResponse, TransferLeaderRequest, TransferLeaderResponse, mutate_response, query_response,
};
use cairn_rpc::socket::{Dialer, listen};
use cairn_runtime::{Metrics, SystemClock, Tasks};
use cairn_types::cluster::Topology;
use cairn_types::etag::ETag;
use cairn_types::id::{BucketId, ClusterId, Epoch, GroupId, NodeId, PoolId, RequestId, UploadId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{Counters, UploadKey};
use cairn_types::namespace::root::{BucketEntry, BucketState, ShardRange};
use cairn_types::namespace::{
    DataMutation, DataQuery, DataReply, DataView, Mutation, MutationRequest, Query, Refusal, Reply,
    RootReply, RootView, View,
};
use cairn_types::object::{Content, NewPart};
use cairn_types::outcome::Outcome;
use cairn_types::time::Timestamp;
use tonic::{Request, Response, Status};

const GROUP: GroupId = GroupId::new(1);

/// What a node says next; when there is nothing, it applies.
#[derive(Debug, Clone)]
enum Say {
    Applied,
    Refusal(Refusal),
    /// To a change.
    Reply(Reply),
    /// To a question.
    View(View),
    NotLeader(Option<u64>),
    /// It may have applied it.
    Lost,
    Hang,
    Status(tonic::Code),
}

#[derive(Clone, Default)]
struct Node {
    script: Arc<Mutex<VecDeque<Say>>>,
    /// What is said when the script is over.
    afterwards: Arc<Mutex<Option<Say>>>,
    requests: Arc<Mutex<Vec<RequestId>>>,
    minted: Arc<Mutex<Vec<Timestamp>>>,
    queries: Arc<AtomicUsize>,
}

impl Node {
    fn will_say(&self, script: impl IntoIterator<Item = Say>) {
        self.script.lock().unwrap().extend(script);
    }

    fn will_always_say(&self, say: Say) {
        *self.afterwards.lock().unwrap() = Some(say);
    }

    fn requests(&self) -> Vec<RequestId> {
        self.requests.lock().unwrap().clone()
    }

    /// What is no failure.
    async fn answer(&self) -> Result<Say, Status> {
        let next = self.script.lock().unwrap().pop_front();
        let say = next.or_else(|| self.afterwards.lock().unwrap().clone());
        match say.unwrap_or(Say::Applied) {
            said @ (Say::Applied | Say::Refusal(_) | Say::Reply(_) | Say::View(_)) => Ok(said),
            Say::NotLeader(leader) => Err(cairn_rpc::status::not_leader(leader.map(NodeId::new))),
            Say::Lost => Err(cairn_rpc::status::unknown(Status::unavailable("lost"))),
            Say::Hang => std::future::pending().await,
            Say::Status(code) => Err(cairn_rpc::status::refused(Status::new(code, "no"))),
        }
    }
}

#[tonic::async_trait]
impl Meta for Node {
    async fn mutate(
        &self,
        request: Request<MutateRequest>,
    ) -> Result<Response<MutateResponse>, Status> {
        let request = MutationRequest::try_from(request.into_inner().request.unwrap()).unwrap();
        self.requests.lock().unwrap().push(request.request);
        self.minted.lock().unwrap().push(request.minted);
        let result = match self.answer().await? {
            Say::Refusal(refusal) => mutate_response::Result::Refusal((&refusal).into()),
            Say::Reply(reply) => mutate_response::Result::Reply((&reply).into()),
            _ => mutate_response::Result::Reply((&Reply::Data(DataReply::Done)).into()),
        };
        Ok(Response::new(MutateResponse {
            index: 42,
            result: Some(result),
        }))
    }

    async fn query(
        &self,
        request: Request<QueryRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        let query = request.into_inner().query.map(Query::try_from);
        let view = match query.unwrap().unwrap() {
            Query::Root(_) => View::Root(RootView::Topology(Some(topology()))),
            Query::Data(_) => View::Data(DataView::FreedBlobs(Vec::new())),
        };
        let result = match self.answer().await? {
            Say::Refusal(refusal) => query_response::Result::Refusal((&refusal).into()),
            Say::View(view) => query_response::Result::View((&view).into()),
            _ => query_response::Result::View((&view).into()),
        };
        Ok(Response::new(QueryResponse {
            index: 43,
            result: Some(result),
        }))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.answer().await?;
        let group = cairn_rpc::proto::meta::GroupStatus {
            group: 7,
            state: "follower".to_owned(),
            leader: 0,
            term: 3,
            voters: vec![1, 2],
            state_hash: cairn_rpc::bytes::from_u128(9),
            ..cairn_rpc::proto::meta::GroupStatus::default()
        };
        Ok(Response::new(StatusResponse {
            groups: vec![group],
            ..StatusResponse::default()
        }))
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
        self.answer().await?;
        Ok(Response::new(TransferLeaderResponse {}))
    }
}

/// Nodes 1, 2, … and a client of them that waits this long.
fn nodes<const N: usize>(tasks: &Tasks, patience: Duration) -> ([Node; N], MetaClient) {
    let nodes: [Node; N] = std::array::from_fn(|_| Node::default());
    let channels = (1..).zip(&nodes).map(|(id, node)| {
        let (way, incoming) = in_process();
        let server =
            cairn_rpc::server::builder(&Metrics::new()).add_service(MetaServer::new(node.clone()));
        tasks.spawn("serve", async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });
        (NodeId::new(id), way.channel())
    });
    let clock = SystemClock::shared();
    let client = MetaClient::new(introduce(), channels.collect(), clock, patience);
    (nodes, client)
}

const CLUSTER: ClusterId = ClusterId::new(1);

fn introduce() -> Introduce {
    Introduce::new(CLUSTER, NodeId::new(100), Role::Gateway)
}

fn topology() -> Topology {
    Topology {
        cluster: CLUSTER,
        epoch: Epoch::new(7),
        data_groups: Vec::new(),
        nodes: Vec::new(),
        disks: Vec::new(),
        pools: Vec::new(),
        placement_groups: Vec::new(),
        meta_nodes: Vec::new(),
        write_pool: PoolId::new(0),
    }
}

/// Serves a node on a socket, as the node with this id. Answers its address.
async fn serve(tasks: &Tasks, id: NodeId, node: &Node) -> String {
    let metrics = Metrics::new();
    let (address, incoming) = listen("127.0.0.1:0", &metrics).await.unwrap();
    let check = Check::new(CLUSTER, id, META_CALLERS);
    let service = MetaServer::with_interceptor(node.clone(), check);
    let server = cairn_rpc::server::builder(&metrics).add_service(service);
    tasks.spawn("serve", async move {
        server.serve_with_incoming(incoming).await.unwrap();
    });
    address.to_string()
}

fn change() -> Mutation {
    Mutation::Data(DataMutation::FenceBucket {
        bucket: BucketId::new(1),
        epoch: Epoch::new(1),
    })
}

fn question() -> Query {
    Query::Data(DataQuery::FreedBlobs {
        after: None,
        limit: 1,
    })
}

fn bucket_name() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

/// The bucket of that name, as the directory has it.
fn entry(bucket: u64, state: BucketState, epoch: u64) -> BucketEntry {
    BucketEntry {
        bucket: BucketId::new(bucket),
        name: bucket_name(),
        owner: "owner".to_owned(),
        created: Timestamp::default(),
        state,
        epoch: Epoch::new(epoch),
        initial: cairn_types::settings::InitialSettings::default(),
        ranges: vec![ShardRange {
            start: String::new(),
            group: GROUP,
            epoch: Epoch::new(1),
        }],
    }
}

/// What is looked up in the directory.
fn looked_up(bucket: u64, epoch: u64) -> Say {
    let entry = entry(bucket, BucketState::Active, epoch);
    Say::View(View::Root(RootView::Bucket(entry)))
}

const NO_SUCH_BUCKET: Say = Say::Refusal(Refusal::NoSuchBucket);
const TOO_LATE: Say = Say::Refusal(Refusal::BucketInTransition {
    bucket: BucketId::new(1),
});

const AHEAD: Timestamp = Timestamp::from_millis(4_000_000_000_000);
const TOO_OLD: Refusal = Refusal::RequestTooOld { clock: AHEAD };

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn the_leader_is_found_and_asked_first_from_then_on() {
    let tasks = Tasks::new();
    let ([one, two, three], client) = nodes::<3>(&tasks, LONG);
    one.will_always_say(Say::NotLeader(Some(3)));
    two.will_always_say(Say::NotLeader(None));
    let applied = client.mutate(GROUP, change()).await.unwrap();
    assert_eq!(applied.value, Reply::Data(DataReply::Done));
    assert_eq!(applied.index, 42);
    assert_eq!(three.requests().len(), 1);

    // Whichever was asked first: it is known now that the third answers.
    let before = [&one, &two].map(|node| node.requests().len());
    for _ in 0..5 {
        client.mutate(GROUP, change()).await.unwrap();
    }
    assert_eq!([&one, &two].map(|node| node.requests().len()), before);
    assert_eq!(three.requests().len(), 6);
    assert_eq!(client.query(GROUP, &question()).await.unwrap().index, 43);
    assert_eq!(one.queries.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_failure_elsewhere_does_not_make_the_leader_forgotten() {
    let tasks = Tasks::new();
    let ([one, two], client) = nodes::<2>(&tasks, LONG);
    one.will_always_say(Say::NotLeader(None));
    client.mutate(GROUP, change()).await.unwrap();
    // The leader fails once; the other one is asked, and knows nothing; the leader answers again.
    two.will_say([Say::Lost]);
    client.mutate(GROUP, change()).await.unwrap();
    let before = one.requests().len();
    for _ in 0..5 {
        client.mutate(GROUP, change()).await.unwrap();
    }
    assert_eq!(one.requests().len(), before);
}

#[tokio::test]
async fn single_nodes_say_how_their_groups_are_and_are_not_waited_for_long() {
    let tasks = Tasks::new();
    let ([one, two], client) = nodes::<2>(&tasks, LONG);
    let mut known = client.nodes();
    known.sort_unstable();
    assert_eq!(known, [NodeId::new(1), NodeId::new(2)]);
    let told = client.node_status(NodeId::new(2)).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].group, told[0].term), (GroupId::new(7), 3));
    assert_eq!(told[0].voters, [NodeId::new(1), NodeId::new(2)]);
    assert_eq!((told[0].leader, told[0].state_hash), (None, 9));

    let nobody = client.node_status(NodeId::new(3)).await;
    assert_eq!(nobody.unwrap_err(), NodeError::Unknown);
    one.will_say([Say::Hang]);
    let late = client.node_status(NodeId::new(1)).await.unwrap_err();
    assert!(matches!(late, NodeError::Failed { .. }), "{late:?}");

    two.will_say([Say::NotLeader(Some(1))]);
    let to_one = || client.transfer_leader(GROUP, NodeId::new(2), NodeId::new(1));
    let refused = to_one().await.unwrap_err();
    assert_eq!(refused.to_string(), "this node does not lead the group");
    to_one().await.unwrap();
}

#[tokio::test]
async fn a_leader_is_waited_for() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, LONG);
    node.will_say(vec![Say::NotLeader(None); 6]);
    assert!(client.mutate(GROUP, change()).await.is_ok());
    node.will_say(vec![Say::NotLeader(None); 6]);
    assert!(client.query(GROUP, &question()).await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_request_id() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, LONG);
    node.will_say([Say::Lost, Say::NotLeader(None), Say::Lost]);
    client.mutate(GROUP, change()).await.unwrap();
    let ids = node.requests();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| Some(id) == ids.first()));

    client.mutate(GROUP, change()).await.unwrap();
    assert_ne!(node.requests().last(), ids.first());
}

#[tokio::test]
async fn what_nobody_took_has_no_effect_and_what_was_lost_may_have_one() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, SHORT);
    node.will_always_say(Say::NotLeader(None));
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert!(
        matches!(error, MutateError::Unavailable { .. }),
        "{error:?}"
    );
    assert_eq!(error.outcome(), Outcome::Refused);

    node.will_say([Say::Lost]);
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert!(matches!(error, MutateError::Unknown { .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown);

    let error = client.query(GROUP, &question()).await.unwrap_err();
    assert!(matches!(error, QueryError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_an_answer_unless_an_earlier_try_was_lost_and_forgotten() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, SHORT);
    node.will_say([Say::Refusal(Refusal::BucketNotEmpty)]);
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert_eq!(error, MutateError::Refused(Refusal::BucketNotEmpty));

    node.will_say([Say::Lost, Say::Refusal(TOO_OLD)]);
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);

    node.will_say([Say::Refusal(Refusal::NoSuchKey)]);
    let error = client.query(GROUP, &question()).await.unwrap_err();
    assert_eq!(error, QueryError::Refused(Refusal::NoSuchKey));
}

#[tokio::test]
async fn a_group_whose_clock_is_far_ahead_is_asked_once_more_at_its_clock() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, LONG);
    node.will_say([Say::Refusal(TOO_OLD)]);
    client.mutate(GROUP, change()).await.unwrap();
    let ids = node.requests();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(node.minted.lock().unwrap()[1], AHEAD);

    node.will_say([Say::Refusal(TOO_OLD), Say::Refusal(TOO_OLD)]);
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert_eq!(error, MutateError::Refused(TOO_OLD));
    assert_eq!(node.requests().len(), 4);
}

#[tokio::test]
async fn what_is_wrong_everywhere_is_not_tried_again() {
    let tasks = Tasks::new();
    let ([one, two], client) = nodes::<2>(&tasks, LONG);
    for node in [&one, &two] {
        node.will_always_say(Say::Status(tonic::Code::FailedPrecondition));
    }
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(one.requests().len() + two.requests().len(), 1);
}

#[tokio::test]
async fn a_node_that_hangs_is_passed_over() {
    let tasks = Tasks::new();
    let ([one, two], client) = nodes::<2>(&tasks, LONG);
    one.will_say([Say::Hang]);
    one.will_always_say(Say::NotLeader(Some(2)));
    two.will_say([Say::NotLeader(Some(1))]);
    // Whichever is asked first, the first hangs once before the second answers; from then on only that one is asked.
    client.mutate(GROUP, change()).await.unwrap();
    assert_eq!(two.requests().len(), 2);
    let before = one.requests().len();
    assert!(before >= 1);
    for _ in 0..5 {
        client.mutate(GROUP, change()).await.unwrap();
    }
    assert_eq!(one.requests().len(), before);
}

#[tokio::test]
async fn a_part_is_committed_in_a_bucket_whose_deletion_was_taken_back() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, LONG);
    let uploads = Uploads::new(Buckets::new(client));
    let bucket = entry(1, BucketState::Active, 2);
    let upload = UploadKey {
        bucket: bucket.bucket,
        key: ObjectKey::parse("key").unwrap(),
        upload: UploadId::new(9),
    };
    let part = NewPart {
        len: 1,
        etag: ETag::from_md5([0; 16]),
        checksum: None,
        content: Content::Inline(bytes::Bytes::from_static(b"x")),
    };
    let last_modified = Timestamp::from_millis(5);
    let committed = Say::Reply(Reply::Data(DataReply::PartCommitted { last_modified }));
    // The fence is lifted, and then the part is taken.
    node.will_say([NO_SUCH_BUCKET, looked_up(1, 4), Say::Applied, committed]);
    let put = async || uploads.put_part(&bucket, &upload, 1, &part).await;
    assert_eq!(put().await.unwrap().value, last_modified);
    // It went on meanwhile: that there is no upload is more than anybody knows.
    node.will_say([NO_SUCH_BUCKET, looked_up(1, 4), TOO_LATE]);
    let error = put().await.unwrap_err();
    assert!(
        matches!(error, MutateError::Unavailable { .. }),
        "{error:?}"
    );
    // Another bucket has the name: the upload went with the one that it was begun in.
    node.will_say([NO_SUCH_BUCKET, looked_up(2, 2)]);
    let gone = MutateError::Refused(Refusal::NoSuchUpload);
    assert_eq!(put().await.unwrap_err(), gone);
    assert_eq!(node.requests().len(), 3 + 2 + 1);
}

#[tokio::test]
async fn a_bucket_whose_deletion_was_begun_is_deleted_whoever_finished_it() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, LONG);
    let buckets = Buckets::new(client);
    let empty = Say::View(View::Data(DataView::Counters(Counters::default())));
    let deleting = entry(1, BucketState::Deleting, 3);
    let begun = Say::Reply(Reply::Root(RootReply::Bucket(deleting)));
    // Somebody else drained it and freed the name; in the second round it was made again since.
    for found in [NO_SUCH_BUCKET, looked_up(2, 2)] {
        node.will_say([looked_up(1, 2), empty.clone(), begun.clone()]);
        node.will_say([NO_SUCH_BUCKET, found]);
        buckets.delete(&bucket_name()).await.unwrap();
        assert!(node.script.lock().unwrap().is_empty());
    }
    assert_eq!(node.requests().len(), 2 * 2, "begun, and too late to fence");
    // One that was gone before anything was begun is not.
    node.will_say([looked_up(1, 2), empty, TOO_LATE, NO_SUCH_BUCKET]);
    let error = buckets.delete(&bucket_name()).await.unwrap_err();
    assert_eq!(error, MutateError::Refused(Refusal::NoSuchBucket));
}

#[tokio::test]
async fn nodes_that_move_are_followed_and_one_at_the_wrong_address_is_passed_over() {
    let tasks = Tasks::new();
    let [node, other] = [Node::default(), Node::default()];
    let (one, two) = (NodeId::new(1), NodeId::new(2));
    let at_first = serve(&tasks, one, &node).await;
    let clock = SystemClock::shared();
    let dialer = Dialer::new(&Metrics::new());
    let known = [(one, at_first.clone())];
    let client = MetaClient::dial(introduce(), dialer, &known, clock, LONG).unwrap();
    client.mutate(GROUP, change()).await.unwrap();
    assert_eq!(node.requests().len(), 1);

    // Node 2 is said to be where node 1 is, which refuses what is not meant for it; node 1 to be where it is now.
    let elsewhere = serve(&tasks, one, &other).await;
    client.set_nodes(&[(two, at_first), (one, elsewhere)]);
    for _ in 0..5 {
        client.mutate(GROUP, change()).await.unwrap();
    }
    assert_eq!((node.requests().len(), other.requests().len()), (1, 5));

    client.set_nodes(&[]);
    client.set_nodes(&[(two, "no address".to_owned())]);
    client.mutate(GROUP, change()).await.unwrap();
    assert_eq!(other.requests().len(), 6);
}

#[tokio::test]
async fn a_request_that_nobody_answers_goes_on_where_the_nodes_are_found() {
    let tasks = Tasks::new();
    let node = Node::default();
    let (one, two) = (NodeId::new(1), NodeId::new(2));
    let clock = SystemClock::shared();
    let dialer = Dialer::new(&Metrics::new());
    // Port 1 is nobody's.
    let known = [one, two].map(|node| (node, "127.0.0.1:1".to_owned()));
    let client = MetaClient::dial(introduce(), dialer, &known, clock, LONG).unwrap();
    assert_eq!(client.unanswered_for(), Duration::ZERO, "nobody was asked");
    let finding = async {
        while client.unanswered_for() < Duration::from_millis(50) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        client.found_nodes(&[(two, serve(&tasks, two, &node).await)]);
    };
    let (changed, ()) = tokio::join!(client.mutate(GROUP, change()), finding);
    changed.unwrap();
    assert_eq!(node.requests().len(), 1);
    assert_eq!(client.unanswered_for(), Duration::ZERO);
    let mut nodes = client.nodes();
    nodes.sort();
    assert_eq!(nodes, [one, two], "who is not found stays");
}

#[tokio::test]
async fn those_who_wait_for_a_newer_topology_share_the_answer() {
    let tasks = Tasks::new();
    let ([node], client) = nodes::<1>(&tasks, LONG);
    let topology = TopologyCache::load(client).await.unwrap();
    let before = node.queries.load(Ordering::SeqCst);
    let refreshed = futures::future::join_all((0..20).map(|_| topology.refresh())).await;
    assert!(refreshed.iter().all(Result::is_ok));
    // The first one's, and one that began after all the others had come.
    let asked = node.queries.load(Ordering::SeqCst) - before;
    assert!((1..=2).contains(&asked), "asked {asked} times");
}

#[tokio::test]
async fn a_node_that_is_not_reached_took_nothing() {
    let (way, incoming): (InProcess, _) = in_process();
    drop(incoming);
    let channels = vec![(NodeId::new(1), way.channel())];
    let clock = SystemClock::shared();
    let client = MetaClient::new(introduce(), channels, clock, SHORT);
    let error = client.mutate(GROUP, change()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused, "{error:?}");
}
