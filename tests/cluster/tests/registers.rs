//! Keys whose every read is judged: one writer for each, which counts up, and readers that know what was acknowledged.
//!
//! A read is stale when it shows less than what was acknowledged, or shown to anybody, before it began. With one writer for each
//! key that is all there is to linearizability, and it is judged at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cairn_cluster_tests::cluster::Cluster;
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{Outcome, S3, outcome};
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::wait;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::fixture::{PATIENCE, make_buckets};
use crate::traffic::reason;

const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);
/// A version in hexadecimal, and what only that version has.
const HEAD_BYTES: usize = 16;
const BODY_BYTES: u64 = 1_008;

/// Registers under load.
pub(crate) struct Registers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) writes: u64,
    pub(crate) reads: u64,
    /// Writes and reads that were not acknowledged or answered, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Reads that no order of the writes explains.
    pub(crate) violations: Vec<String>,
}

struct Shared {
    clients: Vec<S3>,
    registers: Vec<Register>,
    stops: AtomicBool,
    writes: AtomicU64,
    reads: AtomicU64,
    failures: Mutex<BTreeMap<String, u64>>,
    violations: Mutex<Vec<String>>,
}

struct Register {
    bucket: String,
    // A key with a write of unknown outcome is given up for another: that write may take effect at any time.
    key: Mutex<Arc<Key>>,
    writes: AtomicU64,
}

struct Key {
    name: String,
    /// The newest version that was sent.
    sent: AtomicU64,
    /// The newest version that was acknowledged, or shown to a reader.
    seen: AtomicU64,
    /// Versions which certainly had no effect.
    refused: Mutex<Vec<u64>>,
}

impl Key {
    fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            name: format!("register/{number}"),
            sent: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            refused: Mutex::default(),
        })
    }
}

impl Registers {
    /// Makes so many registers, in a bucket each so that every group has some, and sets a writer to each and `readers` to all.
    pub(crate) fn start(
        runtime: &Runtime,
        cluster: &Cluster,
        dice: &mut Dice,
        count: usize,
        readers: usize,
    ) -> Self {
        let buckets = make_buckets(runtime, cluster, "registers", count);
        let registers = buckets.into_iter().map(|bucket| Register {
            bucket,
            key: Mutex::new(Key::new(0)),
            writes: AtomicU64::new(0),
        });
        let shared = Arc::new(Shared {
            clients: cluster.clients(),
            registers: registers.collect(),
            stops: AtomicBool::new(false),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            failures: Mutex::default(),
            violations: Mutex::default(),
        });
        let writers = (0..count).map(|number| {
            let (shared, dice) = (Arc::clone(&shared), dice.fork());
            runtime.spawn(async move { shared.write(number, dice).await })
        });
        let mut tasks: Vec<_> = writers.collect();
        tasks.extend((0..readers).map(|_| {
            let (shared, dice) = (Arc::clone(&shared), dice.fork());
            runtime.spawn(async move { shared.read(dice).await })
        }));
        Self { shared, tasks }
    }

    /// Waits until every register was written once more, and so many reads were answered.
    #[track_caller]
    pub(crate) fn await_round(&self, reads: u64) {
        let registers = &self.shared.registers;
        let before: Vec<u64> = registers.iter().map(Register::count).collect();
        let reads = self.shared.reads.load(Ordering::Relaxed) + reads;
        let went_on = wait::until(PATIENCE, || {
            let mut counts = registers.iter().map(Register::count).zip(&before);
            self.shared.reads.load(Ordering::Relaxed) >= reads
                && counts.all(|(now, then)| now > *then)
        });
        assert!(went_on, "{:?}", self.shared.failures.lock().unwrap());
        self.assert_sound();
    }

    /// What failed so far.
    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.shared.failures.lock().unwrap().clone()
    }

    /// Asserts that no read was stale so far.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let violations = self.shared.violations.lock().unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// Stops everybody.
    pub(crate) fn stop(self, runtime: &Runtime) -> Judged {
        self.shared.stops.store(true, Ordering::Relaxed);
        for task in self.tasks {
            runtime.block_on(task).unwrap();
        }
        Judged {
            writes: self.shared.writes.load(Ordering::Relaxed),
            reads: self.shared.reads.load(Ordering::Relaxed),
            failures: self.shared.failures.lock().unwrap().clone(),
            violations: self.shared.violations.lock().unwrap().clone(),
        }
    }
}

impl Register {
    fn count(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn write(&self, number: usize, mut dice: Dice) {
        let register = &self.registers[number];
        let mut keys = 0;
        while !self.stops.load(Ordering::Relaxed) {
            let key = Arc::clone(&register.key.lock().unwrap());
            let version = key.sent.load(Ordering::SeqCst) + 1;
            // Before it is sent: a reader may see it before its writer hears that it is there.
            key.sent.store(version, Ordering::SeqCst);
            let client = dice.choose(&self.clients);
            let body = body(&register.bucket, &key.name, version);
            let sent = client.put(&register.bucket, &key.name, body).await;
            match outcome(&sent) {
                Outcome::Done => {
                    key.seen.fetch_max(version, Ordering::SeqCst);
                    register.writes.fetch_add(1, Ordering::Relaxed);
                    self.writes.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Refused => {
                    key.refused.lock().unwrap().push(version);
                    self.note(format!("put refused: {}", reason(&sent)));
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
                Outcome::Unknown => {
                    keys += 1;
                    *register.key.lock().unwrap() = Key::new(keys);
                    self.note(format!("put unknown: {}", reason(&sent)));
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
            }
        }
    }

    async fn read(&self, mut dice: Dice) {
        while !self.stops.load(Ordering::Relaxed) {
            let register = dice.choose(&self.registers);
            let client = dice.choose(&self.clients);
            let key = Arc::clone(&register.key.lock().unwrap());
            let floor = key.seen.load(Ordering::SeqCst);
            let sent = client.get(&register.bucket, &key.name).await;
            let found = match &sent {
                Ok(answer) if answer.status == 200 => {
                    version_of(&register.bucket, &key.name, &answer.body)
                }
                Ok(answer) if answer.status == 404 => Ok(0),
                _ => {
                    self.note(format!("get: {}", reason(&sent)));
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                    continue;
                }
            };
            self.reads.fetch_add(1, Ordering::Relaxed);
            if let Err(violation) = found.and_then(|version| judge(&key, floor, version)) {
                let place = format!("{}/{}", register.bucket, key.name);
                let violation = format!("{place} through {}: {violation}", client.host());
                self.violations.lock().unwrap().push(violation);
            }
        }
    }

    fn note(&self, failure: String) {
        *self.failures.lock().unwrap().entry(failure).or_default() += 1;
    }
}

fn judge(key: &Key, floor: u64, version: u64) -> Result<(), String> {
    let ceiling = key.sent.load(Ordering::SeqCst);
    if version < floor {
        return Err(format!(
            "stale: {version}, although {floor} was known before"
        ));
    }
    if version > ceiling {
        return Err(format!("{version}, and only {ceiling} were ever sent"));
    }
    if key.refused.lock().unwrap().contains(&version) {
        return Err(format!("{version}, which was refused as without effect"));
    }
    key.seen.fetch_max(version, Ordering::SeqCst);
    Ok(())
}

fn body(bucket: &str, key: &str, version: u64) -> Bytes {
    let mut body = format!("{version:016x}").into_bytes();
    body.extend(pattern(bucket, key, version).bytes());
    Bytes::from(body)
}

fn version_of(bucket: &str, key: &str, body: &[u8]) -> Result<u64, String> {
    let head = body
        .get(..HEAD_BYTES)
        .and_then(|head| str::from_utf8(head).ok());
    let version = head.and_then(|head| u64::from_str_radix(head, 16).ok());
    let version = version.ok_or("what is read was never written")?;
    let rest = pattern(bucket, key, version).bytes();
    if body[HEAD_BYTES..] == rest[..] {
        Ok(version)
    } else {
        Err(format!("the body of {version} is not what was written"))
    }
}

fn pattern(bucket: &str, key: &str, version: u64) -> Pattern {
    Pattern::of(&format!("{bucket}/{key}"), version, BODY_BYTES)
}

#[test]
fn reads_below_what_is_known_above_what_was_sent_and_of_refused_writes_are_found() {
    let key = Key::new(0);
    key.sent.store(7, Ordering::SeqCst);
    key.refused.lock().unwrap().push(6);
    assert_eq!(judge(&key, 3, 3), Ok(()));
    assert!(judge(&key, 3, 2).unwrap_err().contains("stale"));
    assert!(judge(&key, 3, 8).unwrap_err().contains("sent"));
    assert!(judge(&key, 3, 6).unwrap_err().contains("refused"));
    // A read that shows a version binds those that begin after it.
    assert_eq!(judge(&key, 3, 5), Ok(()));
    assert_eq!(key.seen.load(Ordering::SeqCst), 5);
    let written = body("bucket", "key", 5);
    assert_eq!(version_of("bucket", "key", &written), Ok(5));
    assert!(version_of("bucket", "other", &written).is_err());
}
