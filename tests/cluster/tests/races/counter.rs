//! A number in an object that many clients count up by compare and swap: read, add one, write if nobody else has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cairn_dev_tests::client::{Outcome, S3, Sent, outcome};
use cairn_dev_tests::request::Request;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::PAUSE_AFTER_REFUSAL;
use crate::traffic::reason;

const KEY: &str = "counter";
/// Every so many values the object is kept in shards.
const LARGE_EVERY: u64 = 8;
const LARGE_BYTES: usize = 20 * 1024;

/// A counter, and clients that count.
pub(super) struct Counter {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

/// What the clients were told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By value: who was told that it wrote this one.
    pub(super) acknowledged: BTreeMap<u64, usize>,
    /// By value: who may have written it.
    pub(super) unknown: BTreeMap<u64, BTreeSet<usize>>,
    /// Writes that were refused because somebody else was faster.
    pub(super) lost: u64,
    /// Everything else that was not acknowledged or answered, by reason.
    pub(super) failures: BTreeMap<String, u64>,
    /// What no order of the writes explains.
    pub(super) violations: Vec<String>,
}

struct Shared {
    bucket: String,
    clients: Vec<S3>,
    stops: AtomicBool,
    tally: Mutex<Tally>,
}

/// The value of a counter and who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    value: u64,
    client: usize,
}

impl Counter {
    /// Writes a zero, and sets so many clients to count.
    pub(super) fn start(runtime: &Runtime, bucket: &str, through: &[S3], clients: usize) -> Self {
        let shared = Arc::new(Shared {
            bucket: bucket.to_owned(),
            clients: through.to_vec(),
            stops: AtomicBool::new(false),
            tally: Mutex::default(),
        });
        let zero = Count {
            value: 0,
            client: 0,
        };
        let put = runtime.block_on(through[0].put(bucket, KEY, zero.body()));
        assert_eq!(put.unwrap().status, 200);
        let clients = (0..clients).map(|client| {
            let shared = Arc::clone(&shared);
            runtime.spawn(async move { shared.count(client).await })
        });
        let clients = clients.collect();
        Self { shared, clients }
    }

    /// How often a client was told that it counted.
    pub(super) fn acknowledged(&self) -> usize {
        self.shared.tally.lock().unwrap().acknowledged.len()
    }

    /// Stops the clients; gives what they were told, and the value that is there now as all gateways say.
    pub(super) fn stop(self, runtime: &Runtime) -> (Tally, u64) {
        self.shared.stops.store(true, Ordering::Relaxed);
        for client in self.clients {
            runtime.block_on(client).unwrap();
        }
        let mut counts = Vec::new();
        for client in &self.shared.clients {
            let get = runtime.block_on(client.get(&self.shared.bucket, KEY));
            let get = get.unwrap();
            assert_eq!(get.status, 200, "{}", get.text());
            counts.push(Count::read(&get.body).unwrap());
        }
        let last = counts[0];
        assert_eq!(counts, vec![last; counts.len()], "gateways differ");
        let mut tally = std::mem::take(&mut *self.shared.tally.lock().unwrap());
        tally.judge(last);
        (tally, last.value)
    }
}

impl Shared {
    async fn count(&self, client: usize) {
        let mut turn = client;
        while !self.stops.load(Ordering::Relaxed) {
            // Never twice through the same gateway: what is read through one is compared through the other.
            let (reader, writer) = (turn, turn + 1);
            turn += 1;
            let Some((count, etag)) = self.read(reader).await else {
                continue;
            };
            let next = Count {
                value: count.value + 1,
                client,
            };
            let put = Request::key("PUT", &self.bucket, KEY).body(next.body());
            let put = put.header("if-match", etag);
            let sent = self.client(writer).send(put).await;
            let was_refused = self.tally.lock().unwrap().note(next, &sent);
            if was_refused {
                tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            }
        }
    }

    async fn read(&self, turn: usize) -> Option<(Count, String)> {
        let sent = self.client(turn).get(&self.bucket, KEY).await;
        let read = match &sent {
            Ok(answer) if answer.status == 200 => {
                let etag = answer.header("etag").unwrap_or_default().to_owned();
                Count::read(&answer.body).map(|count| (count, etag))
            }
            Ok(answer) if answer.status == 404 => Err("it is gone".to_owned()),
            _ => {
                self.tally
                    .lock()
                    .unwrap()
                    .fail(format!("get: {}", reason(&sent)));
                tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                return None;
            }
        };
        read.map_err(|violation| self.tally.lock().unwrap().violations.push(violation))
            .ok()
    }

    fn client(&self, turn: usize) -> &S3 {
        &self.clients[turn % self.clients.len()]
    }
}

impl Tally {
    /// Notes what a client was told of its write. True when it was refused for another reason than somebody faster.
    fn note(&mut self, count: Count, sent: &Sent) -> bool {
        let Count { value, client } = count;
        match outcome(sent) {
            Outcome::Done => {
                if let Some(other) = self.acknowledged.insert(value, client) {
                    let violation =
                        format!("{other} and {client} were both told that they wrote {value}");
                    self.violations.push(violation);
                }
                false
            }
            Outcome::Refused => {
                let is_lost = sent.as_ref().is_ok_and(|answer| {
                    let verdict = answer.verdict();
                    let (status, code) = (verdict.0, verdict.1.as_str());
                    matches!(
                        (status, code),
                        (412, "PreconditionFailed") | (409, "ConditionalRequestConflict")
                    )
                });
                if is_lost {
                    self.lost += 1;
                } else {
                    self.fail(format!("put refused: {}", reason(sent)));
                }
                !is_lost
            }
            Outcome::Unknown => {
                self.unknown.entry(value).or_default().insert(client);
                self.fail(format!("put unknown: {}", reason(sent)));
                true
            }
        }
    }

    fn fail(&mut self, what: String) {
        *self.failures.entry(what).or_default() += 1;
    }

    /// Compares what clients were told with the last value: every value up to it was written once, by whoever was told so, or by
    /// somebody who was told nothing.
    fn judge(&mut self, last: Count) {
        let highest = self.acknowledged.last_key_value();
        if let Some((highest, client)) = highest.filter(|(highest, _)| **highest > last.value) {
            let violation = format!("{highest} of {client} is lost: the last is {last:?}");
            self.violations.push(violation);
        }
        for value in 1..=last.value {
            if !self.acknowledged.contains_key(&value) && !self.unknown.contains_key(&value) {
                self.violations.push(format!("nobody wrote {value}"));
            }
        }
        let may_be = |client: &usize| *client == last.client;
        let is_told = self.acknowledged.get(&last.value).map(may_be);
        let is_open = self.unknown.get(&last.value);
        let is_open = is_open.is_some_and(|clients| clients.iter().any(may_be));
        if last.value > 0 && !is_told.unwrap_or(is_open) {
            self.violations
                .push(format!("{last:?} is of somebody else"));
        }
    }
}

impl Count {
    fn body(self) -> Bytes {
        let mut body = format!("{} {} ", self.value, self.client).into_bytes();
        if self.value.is_multiple_of(LARGE_EVERY) {
            body.resize(LARGE_BYTES, b'.');
        }
        body.into()
    }

    fn read(body: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(body).unwrap_or_default();
        let mut words = text.split(' ');
        let mut word = || words.next().and_then(|word| word.parse::<u64>().ok());
        let count = word().zip(word()).map(|(value, client)| Self {
            value,
            client: usize::try_from(client).unwrap(),
        });
        let count = count.filter(|count| count.body() == body);
        count.ok_or_else(|| format!("nobody wrote {} bytes of {text:.40}", body.len()))
    }
}

#[test]
fn values_that_are_lost_nobodys_or_somebody_elses_are_found() {
    let count = |value, client| Count { value, client };
    let judge = |last| {
        let mut tally = Tally::default();
        tally.acknowledged.extend([(1, 7), (3, 8)]);
        tally.unknown.insert(2, [5].into());
        tally.unknown.insert(4, [5, 6].into());
        tally.judge(last);
        tally.violations
    };
    assert_eq!(judge(count(3, 8)), Vec::<String>::new());
    assert_eq!(judge(count(4, 6)), Vec::<String>::new());
    assert!(judge(count(2, 5))[0].contains("lost"));
    assert!(judge(count(4, 8))[0].contains("somebody else"));
    assert!(judge(count(3, 5))[0].contains("somebody else"));
    assert!(judge(count(5, 5))[0].contains("nobody"));
    for count in [count(7, 3), count(LARGE_EVERY, 3)] {
        let body = count.body();
        assert_eq!(Count::read(&body), Ok(count));
        assert!(Count::read(&body[..body.len() - 1]).is_err());
    }
}
