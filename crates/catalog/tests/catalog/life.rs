//! Buckets made, deleted and written to by many at once, each as gateways do it, where any step may come late: after others took
//! the same one, after the bucket went back, after it was deleted and made again, and after whoever sent it gave up.

use std::collections::{BTreeMap, BTreeSet};

use cairn_catalog::apply;
use cairn_types::acl::Acl;
use cairn_types::id::{BucketId, ClusterId, GroupId};
use cairn_types::name::BucketName;
use cairn_types::namespace::data::{Counters, WriteCondition};
use cairn_types::namespace::root::{BucketEntry, BucketState};
use cairn_types::namespace::{
    DataMutation, DataQuery, DataReply, DataView, Mutation, Query, Refusal, Reply, RootMutation,
    RootQuery, RootReply, RootView,
};
use cairn_types::object::{NewUpload, ObjectHeaders};
use cairn_types::settings::InitialSettings;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;

use crate::group::{Group, inline, object_key};

const DATA_GROUPS: u16 = 2;
const ACTORS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Create,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Activate,
    Begin,
    Fence,
    Commit,
    Drain,
    Release,
    Revive,
    Unfence,
}

/// What an actor does next.
#[derive(Debug, Clone)]
enum Next {
    Look,
    Take(Step, BucketEntry),
    Nothing,
}

/// Somebody who makes or deletes a bucket.
#[derive(Debug, Clone)]
struct Actor {
    goal: Goal,
    name: BucketName,
    next: Next,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a test holds few")]
enum Message {
    Root(RootMutation),
    Data(GroupId, DataMutation),
}

#[derive(Debug, Clone)]
enum Action {
    Begin(usize, usize, Goal),
    Advance(usize),
    /// What the actor sends is on its way for long, and it gives up.
    Lose(usize),
    /// Something that was on its way for long arrives.
    Late(Index),
    /// By what is remembered of the bucket, or by the directory.
    Put(usize, bool),
    Upload(usize, bool),
    Clear(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let actor = 0..ACTORS;
    let name = prop_oneof![5 => Just(0_usize), 1 => Just(1)];
    let goal = prop_oneof![1 => Just(Goal::Create), 2 => Just(Goal::Delete)];
    let begin = (actor.clone(), name.clone(), goal);
    prop_oneof![
        4 => begin.prop_map(|(who, name, goal)| Action::Begin(who, name, goal)),
        20 => actor.clone().prop_map(Action::Advance),
        2 => actor.prop_map(Action::Lose),
        3 => any::<Index>().prop_map(Action::Late),
        4 => (name.clone(), any::<bool>()).prop_map(|(name, known)| Action::Put(name, known)),
        1 => (name.clone(), any::<bool>()).prop_map(|(name, known)| Action::Upload(name, known)),
        4 => name.prop_map(Action::Clear),
    ]
}

struct World {
    root: Group,
    data: BTreeMap<GroupId, Group>,
    actors: Vec<Actor>,
    late: Vec<Message>,
    /// What a gateway remembers: the last active entry of a name that anybody saw.
    known: BTreeMap<BucketName, BucketEntry>,
    /// What was acknowledged and not deleted since.
    keys: BTreeMap<BucketId, BTreeSet<String>>,
    uploads: BTreeMap<BucketId, u64>,
    serial: u64,
}

fn name(index: usize) -> BucketName {
    BucketName::parse(["first", "second"][index]).unwrap()
}

fn is_late(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NoSuchBucket | Refusal::BucketInTransition { .. }
    )
}

impl World {
    fn new() -> Self {
        let mut root = Group::new();
        let genesis = RootMutation::Genesis {
            cluster: ClusterId::new(7),
            data_group_count: DATA_GROUPS,
            region: "x".to_owned(),
            members: Vec::new(),
        };
        assert_eq!(root.change_root(genesis), Ok(RootReply::Done));
        let groups = (1..=DATA_GROUPS).map(|id| (GroupId::new(id), Group::new()));
        let idle = Actor {
            goal: Goal::Create,
            name: name(0),
            next: Next::Nothing,
        };
        Self {
            root,
            data: groups.collect(),
            actors: vec![idle; ACTORS],
            late: Vec::new(),
            known: BTreeMap::new(),
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
            serial: 0,
        }
    }

    fn send(&mut self, message: Message) -> Result<Reply, Refusal> {
        let (group, id, mutation) = match message {
            Message::Root(mutation) => (&mut self.root, GroupId::ROOT, Mutation::Root(mutation)),
            Message::Data(id, mutation) => {
                let group = self.data.get_mut(&id).unwrap();
                (group, id, Mutation::Data(mutation))
            }
        };
        let command = group.command(mutation);
        apply(&mut group.store, id, &command).unwrap().result
    }

    fn directory(&self, query: RootQuery) -> Option<BucketEntry> {
        match self.root.ask_root(query) {
            Ok(RootView::Bucket(entry)) => Some(entry),
            Err(Refusal::NoSuchBucket) => None,
            other => panic!("{other:?}"),
        }
    }

    fn counters(&self, bucket: BucketId) -> Option<Counters> {
        let group = u16::try_from(bucket.get() % u64::from(DATA_GROUPS)).unwrap() + 1;
        let id = GroupId::new(group);
        let query = Query::Data(DataQuery::Counters { bucket });
        let store = &self.data[&id].store;
        match cairn_catalog::query(store, id, &query).unwrap() {
            Ok(cairn_types::namespace::View::Data(DataView::Counters(counters))) => Some(counters),
            Err(Refusal::NoSuchBucket) => None,
            other => panic!("{other:?}"),
        }
    }

    /// What is due with a bucket that stands like this, for one who does not want to keep it so.
    fn due(&self, entry: BucketEntry) -> Next {
        match entry.state {
            BucketState::Creating => Next::Take(Step::Open, entry),
            BucketState::Active => match self.counters(entry.bucket) {
                Some(counters) if counters.versions > 0 => Next::Nothing,
                _ => Next::Take(Step::Begin, entry),
            },
            BucketState::Deleting => Next::Take(Step::Fence, entry),
            BucketState::Draining { .. } => Next::Take(Step::Drain, entry),
        }
    }

    fn look(&mut self, actor: &Actor) -> Next {
        let name = actor.name.clone();
        if actor.goal == Goal::Delete {
            let found = self.directory(RootQuery::Bucket { name });
            return found.map_or(Next::Nothing, |entry| self.due(entry));
        }
        let owner = "me".to_owned();
        match self.send(Message::Root(RootMutation::ReserveBucket {
            name,
            owner,
            initial: made_with(),
        })) {
            Ok(Reply::Root(RootReply::Bucket(entry))) => Next::Take(Step::Open, entry),
            Err(Refusal::BucketExists) => Next::Nothing,
            Err(Refusal::BucketInTransition { bucket }) => {
                match self.directory(RootQuery::BucketById { bucket }) {
                    Some(entry) if entry.state != BucketState::Active => self.due(entry),
                    _ => Next::Look,
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, actor: &Actor, step: Step, entry: BucketEntry) -> Next {
        let done = match actor.goal {
            Goal::Create => Next::Look,
            Goal::Delete => Next::Nothing,
        };
        let reply = match self.send(message(step, &entry)) {
            Ok(reply) => reply,
            Err(Refusal::BucketNotEmpty) if step == Step::Fence => {
                return Next::Take(Step::Revive, entry);
            }
            Err(refusal) if is_late(&refusal) => {
                return if step == Step::Unfence {
                    done
                } else {
                    Next::Look
                };
            }
            Err(other) => panic!("{step:?} {entry:?} {other:?}"),
        };
        match (step, reply) {
            (Step::Activate, Reply::Root(RootReply::Bucket(entry))) => {
                self.known.insert(entry.name.clone(), entry);
                Next::Look
            }
            (Step::Begin, Reply::Root(RootReply::Bucket(entry))) => Next::Take(Step::Fence, entry),
            (Step::Commit, Reply::Root(RootReply::Bucket(entry))) => Next::Take(Step::Drain, entry),
            (Step::Revive, Reply::Root(RootReply::Bucket(entry))) => {
                Next::Take(Step::Unfence, entry)
            }
            (Step::Drain, Reply::Data(DataReply::Drained { more: true })) => {
                Next::Take(Step::Drain, entry)
            }
            (Step::Open, _) => Next::Take(Step::Activate, entry),
            (Step::Fence, _) => Next::Take(Step::Commit, entry),
            (Step::Drain, _) => Next::Take(Step::Release, entry),
            (Step::Release | Step::Unfence, _) => done,
            other => panic!("{other:?}"),
        }
    }

    fn advance(&mut self, who: usize) {
        let actor = self.actors[who].clone();
        let next = match actor.next.clone() {
            Next::Nothing => Next::Nothing,
            Next::Look => self.look(&actor),
            Next::Take(step, entry) => self.take(&actor, step, entry),
        };
        self.actors[who].next = next;
    }

    /// Writes to a bucket as a gateway does. Gives whether it was acknowledged.
    fn write(
        &mut self,
        name: &BucketName,
        by_memory: bool,
        mutation: impl Fn(BucketId) -> DataMutation,
    ) -> Option<BucketId> {
        let query = RootQuery::Bucket { name: name.clone() };
        let known = self.known.get(name).filter(|_| by_memory).cloned();
        let entry = known.or_else(|| self.directory(query.clone()));
        let entry = entry.filter(|entry| entry.state == BucketState::Active)?;
        let group = entry.ranges[0].group;
        let result = self.send(Message::Data(group, mutation(entry.bucket)));
        if result.is_ok() {
            return Some(entry.bucket);
        }
        assert_eq!(result, Err(Refusal::NoSuchBucket));
        let entry = self.directory(query);
        let entry = entry.filter(|entry| entry.state == BucketState::Active)?;
        self.known.insert(name.clone(), entry.clone());
        let unfenced = self.send(message(Step::Unfence, &entry));
        assert_eq!(unfenced, Ok(Reply::Data(DataReply::Done)));
        let group = entry.ranges[0].group;
        let result = self.send(Message::Data(group, mutation(entry.bucket)));
        assert!(result.is_ok(), "{entry:?} {result:?}");
        Some(entry.bucket)
    }

    fn put(&mut self, name: &BucketName, by_memory: bool) -> bool {
        self.serial += 1;
        let key = self.serial.to_string();
        let written = self.write(name, by_memory, |bucket| DataMutation::PutObject {
            bucket,
            key: object_key(&key),
            object: inline(b"x"),
            condition: WriteCondition::Always,
        });
        if let Some(bucket) = written {
            self.keys.entry(bucket).or_default().insert(key);
        }
        written.is_some()
    }

    fn upload(&mut self, name: &BucketName, by_memory: bool) {
        let written = self.write(name, by_memory, |bucket| DataMutation::CreateUpload {
            bucket,
            key: object_key("upload"),
            upload: NewUpload {
                settings: cairn_types::settings::ObjectSettings::default(),
                initiator: None,
                headers: ObjectHeaders::default(),
                checksum: None,
            },
        });
        if let Some(bucket) = written {
            *self.uploads.entry(bucket).or_default() += 1;
        }
    }

    /// Deletes every object of a bucket.
    fn clear(&mut self, name: &BucketName) {
        let Some(entry) = self.directory(RootQuery::Bucket { name: name.clone() }) else {
            return;
        };
        let Some(keys) = self.keys.remove(&entry.bucket) else {
            return;
        };
        if !keys.is_empty() {
            let delete = DataMutation::DeleteObjects {
                bucket: entry.bucket,
                targets: keys.iter().map(|key| object_key(key).into()).collect(),
            };
            let result = self.send(Message::Data(entry.ranges[0].group, delete));
            assert!(result.is_ok(), "{entry:?} {result:?}");
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Begin(who, index, goal) => {
                if matches!(self.actors[*who].next, Next::Nothing) {
                    self.actors[*who] = Actor {
                        goal: *goal,
                        name: name(*index),
                        next: Next::Look,
                    };
                }
            }
            Action::Advance(who) => self.advance(*who),
            Action::Lose(who) => {
                if let Next::Take(step, entry) = &self.actors[*who].next {
                    self.late.push(message(*step, entry));
                    self.actors[*who].next = Next::Nothing;
                }
            }
            Action::Late(_) if self.late.is_empty() => {}
            Action::Late(index) => {
                let at = index.index(self.late.len());
                let message = self.late.remove(at);
                let _nobody_hears_it = self.send(message);
            }
            Action::Put(index, by_memory) => {
                self.put(&name(*index), *by_memory);
            }
            Action::Upload(index, by_memory) => self.upload(&name(*index), *by_memory),
            Action::Clear(index) => self.clear(&name(*index)),
        }
    }

    /// What must be true whenever one looks.
    fn check(&self) {
        let last = self.serial_of_buckets();
        for bucket in (1..=last).map(BucketId::new) {
            let entry = self.directory(RootQuery::BucketById { bucket });
            let counters = self.counters(bucket);
            let keys = self.keys.get(&bucket).map_or(0, BTreeSet::len);
            let uploads = self.uploads.get(&bucket).copied().unwrap_or_default();
            match (entry.map(|entry| entry.state), counters) {
                (Some(BucketState::Active | BucketState::Deleting), Some(counters)) => {
                    assert_eq!(counters.versions, keys as u64, "{bucket:?}");
                    assert_eq!(counters.uploads, uploads, "{bucket:?}");
                }
                (Some(BucketState::Creating | BucketState::Draining { .. }), _) | (None, None) => {
                    assert_eq!(keys, 0);
                }
                other => panic!("{bucket:?} is {other:?}"),
            }
        }
    }

    fn serial_of_buckets(&self) -> u64 {
        let rows = (1..).map(BucketId::new).take(200);
        let there = rows.filter(|bucket| {
            let bucket = *bucket;
            self.directory(RootQuery::BucketById { bucket }).is_some()
                || self.counters(bucket).is_some()
        });
        there.map(BucketId::get).max().unwrap_or(0)
    }

    /// Everybody finishes, what is late arrives, and then every name can be had, written to, emptied and freed.
    fn settle(&mut self) {
        for who in 0..ACTORS {
            self.finish(who);
        }
        for message in std::mem::take(&mut self.late) {
            let _nobody_hears_it = self.send(message);
            self.check();
        }
        for name in (0..2).map(name) {
            for goal in [Goal::Create, Goal::Delete] {
                self.actors[0] = Actor {
                    goal,
                    name: name.clone(),
                    next: Next::Look,
                };
                if goal == Goal::Delete {
                    assert!(self.put(&name, false), "{name:?} cannot be written");
                    self.clear(&name);
                }
                self.finish(0);
            }
            let query = RootQuery::Bucket { name };
            assert_eq!(self.directory(query), None);
        }
        self.root.audit();
        for group in self.data.values() {
            group.audit();
        }
    }

    fn finish(&mut self, who: usize) {
        for _ in 0..100 {
            if matches!(self.actors[who].next, Next::Nothing) {
                return;
            }
            self.advance(who);
            self.check();
        }
        panic!("{:?} does not end", self.actors[who]);
    }
}

/// Whoever finishes making a bucket makes it with this.
fn made_with() -> InitialSettings {
    InitialSettings {
        acl: Some(Acl::default()),
        ..InitialSettings::default()
    }
}

fn message(step: Step, entry: &BucketEntry) -> Message {
    let (bucket, epoch) = (entry.bucket, entry.epoch);
    let group = entry.ranges[0].group;
    match step {
        Step::Open => Message::Data(
            group,
            DataMutation::OpenBucket {
                bucket,
                name: entry.name.clone(),
                epoch,
                initial: entry.initial.clone(),
            },
        ),
        Step::Fence => Message::Data(group, DataMutation::FenceBucket { bucket, epoch }),
        Step::Unfence => Message::Data(group, DataMutation::UnfenceBucket { bucket, epoch }),
        Step::Drain => {
            let BucketState::Draining { opened_below } = entry.state else {
                panic!("{entry:?} is to be drained");
            };
            Message::Data(
                group,
                DataMutation::DrainBucket {
                    bucket,
                    epoch,
                    opened_below,
                    limit: 2,
                },
            )
        }
        Step::Activate => Message::Root(RootMutation::ActivateBucket { bucket, epoch }),
        Step::Begin => Message::Root(RootMutation::BeginDeleteBucket { bucket, epoch }),
        Step::Commit => Message::Root(RootMutation::CommitDeleteBucket { bucket, epoch }),
        Step::Revive => Message::Root(RootMutation::ReviveBucket { bucket, epoch }),
        Step::Release => Message::Root(RootMutation::ReleaseBucket { bucket }),
    }
}

/// Two actors that delete the first bucket, which is there, and have both seen it `Deleting`.
fn two_deletions() -> World {
    let mut world = World::new();
    world.act(&Action::Begin(0, 0, Goal::Create));
    world.finish(0);
    world.act(&Action::Begin(0, 0, Goal::Delete));
    world.advance(0);
    world.advance(0);
    world.act(&Action::Begin(1, 0, Goal::Delete));
    world.advance(1);
    for actor in &world.actors[..2] {
        assert!(matches!(actor.next, Next::Take(Step::Fence, _)));
    }
    world
}

#[test]
fn a_bucket_that_is_gone_is_not_opened_by_one_who_is_late() {
    // The id of another bucket that is still being made is lower, and higher.
    for between in [None, Some(Goal::Create)] {
        let mut world = World::new();
        if between.is_some() {
            world.act(&Action::Begin(2, 1, Goal::Create));
            world.advance(2);
        }
        world.act(&Action::Begin(0, 0, Goal::Create));
        world.advance(0);
        world.act(&Action::Lose(0));
        for goal in [Goal::Create, Goal::Delete] {
            world.act(&Action::Begin(1, 0, goal));
            world.finish(1);
        }
        let late = world.late.remove(0);
        assert!(matches!(
            late,
            Message::Data(_, DataMutation::OpenBucket { .. })
        ));
        assert_eq!(world.send(late), Err(Refusal::NoSuchBucket));
        // Whoever remembers it finds nothing to write to.
        assert!(!world.put(&name(0), true));
        world.check();
        world.settle();
    }
}

#[test]
fn the_fence_of_a_deletion_that_was_taken_back_comes_too_late() {
    let mut world = two_deletions();
    let bucket = world.known[&name(0)].bucket;
    assert!(world.put(&name(0), true));
    // Not empty: revived, and the fences are lifted.
    world.finish(0);
    world.clear(&name(0));
    world.upload(&name(0), true);
    world.advance(1);
    assert!(matches!(world.actors[1].next, Next::Look));
    world.check();
    assert!(world.put(&name(0), true));
    assert_eq!(
        world.counters(bucket).map(|counters| counters.uploads),
        Some(1)
    );
}

#[test]
fn a_deletion_is_not_taken_back_by_one_who_is_late() {
    let mut world = two_deletions();
    assert!(world.put(&name(0), true));
    for who in 0..2 {
        world.advance(who);
        assert!(matches!(
            world.actors[who].next,
            Next::Take(Step::Revive, _)
        ));
    }
    world.advance(0);
    // What lifts the fences is late, and so is the other's revival: meanwhile the bucket is emptied and deleted again.
    world.act(&Action::Lose(0));
    world.act(&Action::Lose(1));
    world.clear(&name(0));
    world.act(&Action::Begin(2, 0, Goal::Delete));
    for _ in 0..3 {
        world.advance(2);
    }
    assert!(matches!(world.actors[2].next, Next::Take(Step::Commit, _)));
    for message in std::mem::take(&mut world.late) {
        assert!(is_late(&world.send(message).unwrap_err()));
    }
    assert!(!world.put(&name(0), true));
    world.finish(2);
    world.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn late_steps_never_reach_another_attempt_or_another_bucket(actions in vec(action(), 1..200)) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
            world.check();
        }
        world.settle();
    }
}
