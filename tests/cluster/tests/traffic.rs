//! Writers that go on whatever happens, through all gateways in turn, and know afterwards what must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::client::{Outcome, S3, SendError, Sent, outcome};
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::ledger::{Kind, Ledger};
use cairn_dev_tests::wait;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::fixture::{PATIENCE, make_buckets};

/// Somebody who refuses at once is not asked again at once.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// Shares of the kinds of objects, in hundredths.
pub(crate) type Mix = [(Kind, u64); 4];

/// Mostly small objects; most of the bytes are of large ones.
pub(crate) const USUAL_MIX: Mix = [
    (Kind::Tiny, 50),
    (Kind::Small, 36),
    (Kind::Large, 11),
    (Kind::Parts, 3),
];

/// Writers at work. Each has a bucket of its own.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Ledger>>,
}

/// What writers tell while they work.
struct Shared {
    clients: Vec<S3>,
    stops: AtomicBool,
    done: AtomicU64,
    // By operation and reason: what was not acknowledged, and reads that were not answered.
    failures: Mutex<BTreeMap<String, u64>>,
    slowest: Mutex<Duration>,
}

/// What writers know when they have stopped.
pub(crate) struct Written {
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) failures: BTreeMap<String, u64>,
}

struct Writer {
    number: usize,
    mix: Mix,
    ledger: Ledger,
    dice: Dice,
    shared: Arc<Shared>,
}

impl Traffic {
    /// Makes a bucket for each of so many writers, and sets them to work.
    pub(crate) fn start(
        runtime: &Runtime,
        cluster: &Cluster,
        dice: &mut Dice,
        writers: usize,
        mix: Mix,
    ) -> Self {
        let buckets = make_buckets(runtime, cluster, "traffic", writers);
        let ledgers = buckets.iter().map(|bucket| Ledger::new(bucket)).collect();
        Self::resume(runtime, cluster, dice, ledgers, mix)
    }

    /// Sets writers to work that know what they wrote before.
    pub(crate) fn resume(
        runtime: &Runtime,
        cluster: &Cluster,
        dice: &mut Dice,
        ledgers: Vec<Ledger>,
        mix: Mix,
    ) -> Self {
        let shared = Arc::new(Shared {
            clients: cluster.clients(),
            stops: AtomicBool::new(false),
            done: AtomicU64::new(0),
            failures: Mutex::default(),
            slowest: Mutex::default(),
        });
        let writers = ledgers.into_iter().enumerate().map(|(number, ledger)| {
            let writer = Writer {
                number,
                mix,
                ledger,
                dice: dice.fork(),
                shared: Arc::clone(&shared),
            };
            runtime.spawn(writer.run())
        });
        let writers = writers.collect();
        Self { shared, writers }
    }

    /// Operations that were acknowledged so far.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more operations are acknowledged: the cluster serves. Gives how long the first of them took to come.
    #[track_caller]
    pub(crate) fn await_more(&self, count: u64) -> Duration {
        let (begun, from) = (Instant::now(), self.done());
        let first = wait::until(PATIENCE, || self.done() > from);
        let latency = begun.elapsed();
        let served = first && wait::until(PATIENCE, || self.done() >= from + count);
        let failures = self.shared.failures.lock().unwrap().clone();
        assert!(
            served,
            "{} of {count} operations; failures: {failures:?}",
            self.done() - from
        );
        latency
    }

    /// The longest time that an operation took since this was last asked.
    pub(crate) fn take_slowest(&self) -> Duration {
        std::mem::take(&mut self.shared.slowest.lock().unwrap())
    }

    /// What failed so far, by operation and reason.
    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.shared.failures.lock().unwrap().clone()
    }

    /// Lets every writer finish what it has begun, and gives what they know.
    pub(crate) fn stop(self, runtime: &Runtime) -> Written {
        self.shared.stops.store(true, Ordering::Relaxed);
        let writers = self.writers.into_iter();
        let ledgers = writers.map(|writer| runtime.block_on(writer).unwrap());
        let ledgers = ledgers.collect();
        Written {
            ledgers,
            failures: self.shared.failures.lock().unwrap().clone(),
        }
    }
}

impl Written {
    /// Acknowledged, refused and unknown operations.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let sum = |count: fn(&Ledger) -> u64| self.ledgers.iter().map(count).sum();
        (
            sum(|one| one.done),
            sum(|one| one.refused),
            sum(|one| one.unknown),
        )
    }

    /// Settles what is open and compares every key bit for bit, and the listings, through each gateway. Nothing else is under
    /// way, and the whole cluster is up. Gives how many bytes of objects were read at least.
    pub(crate) fn check(&mut self, runtime: &Runtime, cluster: &Cluster) -> u64 {
        let clients = cluster.clients();
        for ledger in &mut self.ledgers {
            runtime.block_on(ledger.settle(&clients[0]));
        }
        for client in &clients {
            let checks: Vec<_> = self
                .ledgers
                .iter()
                .map(|ledger| check(client, ledger))
                .collect();
            for one in checks {
                runtime.block_on(one);
            }
        }
        let objects = self.ledgers.iter().flat_map(Ledger::present);
        let bytes: u64 = objects.map(|(_, len)| len).sum();
        bytes * u64::try_from(clients.len()).unwrap()
    }

    /// Prints what this run was worth.
    pub(crate) fn report(&self, test: &str) {
        let (done, refused, unknown) = self.counts();
        println!(
            "{test}: ok {done}, refused {refused}, unknown {unknown}; {:?}",
            self.failures
        );
    }
}

async fn check(client: &S3, ledger: &Ledger) {
    ledger.check(client).await;
    let expected: BTreeSet<&str> = ledger.present().map(|(key, _)| key).collect();
    let listed = client.list_keys(ledger.bucket()).await;
    let listed = listed.expect("list the bucket");
    let unique: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), listed.len(), "a key is listed twice");
    let lost: Vec<_> = expected.difference(&unique).collect();
    let ghosts: Vec<_> = unique.difference(&expected).collect();
    assert!(
        lost.is_empty() && ghosts.is_empty(),
        "lost {lost:?}, ghosts {ghosts:?}"
    );
}

impl Writer {
    async fn run(mut self) -> Ledger {
        while !self.shared.stops.load(Ordering::Relaxed) {
            let kind = self.kind();
            let number = self.dice.below(keys_of(kind));
            let Some(key) = self.free_key(kind, number) else {
                continue;
            };
            let begun = Instant::now();
            let outcome = self.change(&key, kind).await;
            self.note_time(begun.elapsed());
            match outcome {
                Outcome::Done => {
                    self.shared.done.fetch_add(1, Ordering::Relaxed);
                    // Whatever was acknowledged by one gateway is seen by any other, at once.
                    self.read_back(&key).await;
                }
                Outcome::Refused | Outcome::Unknown => {
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
            }
        }
        self.ledger
    }

    async fn change(&mut self, key: &str, kind: Kind) -> Outcome {
        let deletes = self.dice.below(8) == 0;
        let version = (!deletes).then(|| self.ledger.next_version());
        let client = self.dice.choose(&self.shared.clients).clone();
        let bucket = self.ledger.bucket();
        let outcome = match (version, kind) {
            (Some(version), Kind::Parts) => {
                let put = kind.put(&client, bucket, key, version).await;
                self.note_failure("upload", put, "");
                put
            }
            (Some(version), _) => {
                let body = kind.pattern(key, version).bytes();
                let sent = client.put(bucket, key, body).await;
                self.note_failure("put", outcome(&sent), &reason(&sent));
                outcome(&sent)
            }
            (None, _) => {
                let sent = client.delete(bucket, key).await;
                self.note_failure("delete", outcome(&sent), &reason(&sent));
                outcome(&sent)
            }
        };
        self.ledger.note(key, kind, version, outcome);
        outcome
    }

    async fn read_back(&mut self, key: &str) {
        let client = self.dice.choose(&self.shared.clients).clone();
        let begun = Instant::now();
        let sent = client.get(self.ledger.bucket(), key).await;
        self.note_time(begun.elapsed());
        if !self.ledger.verify(key, &sent) {
            self.count_failure(format!("get: {}", reason(&sent)));
        }
    }

    fn note_failure(&self, operation: &str, outcome: Outcome, reason: &str) {
        if outcome != Outcome::Done {
            self.count_failure(format!("{operation} {outcome:?}: {reason}"));
        }
    }

    fn count_failure(&self, what: String) {
        *self
            .shared
            .failures
            .lock()
            .unwrap()
            .entry(what)
            .or_default() += 1;
    }

    fn note_time(&self, took: Duration) {
        let mut slowest = self.shared.slowest.lock().unwrap();
        *slowest = took.max(*slowest);
    }

    fn kind(&mut self) -> Kind {
        let mut thrown = self.dice.below(100);
        for (kind, share) in self.mix {
            if thrown < share {
                return kind;
            }
            thrown -= share;
        }
        Kind::Tiny
    }

    /// A key of this kind on which no operation is open; `None` where all are.
    fn free_key(&self, kind: Kind, number: u64) -> Option<String> {
        // What is open stays open until the end, so there are more keys than are used at first.
        let candidates = (0..64).map(|step| Ledger::key(self.number, kind, number + step * 1_000));
        let mut free = candidates.filter(|key| !self.ledger.is_open(key));
        free.next()
    }
}

/// Few large keys: what is written again and again needs little room.
fn keys_of(kind: Kind) -> u64 {
    match kind {
        Kind::Tiny | Kind::Small => 40,
        Kind::Large => 5,
        Kind::Parts => 2,
    }
}

/// Why an operation was not acknowledged, without what differs from one to the next.
pub(crate) fn reason(sent: &Sent) -> String {
    match sent {
        Ok(answer) => {
            let effect = answer.header("x-cairn-effect").unwrap_or_default();
            let text = format!(
                "{} {} {effect}",
                answer.status,
                answer.code().unwrap_or_default()
            );
            text.trim().to_owned()
        }
        Err(SendError::Connect(_)) => "no connection".to_owned(),
        Err(SendError::Send(_)) => "connection broke".to_owned(),
        Err(SendError::Receive(_)) => "answer broke off".to_owned(),
        Err(SendError::Deadline(_)) => "deadline".to_owned(),
    }
}
