//! What a writer knows about its keys: what was acknowledged, and what may have happened.

use std::collections::{BTreeMap, BTreeSet};

use crate::body::Pattern;
use crate::client::{Outcome, S3, Sent, outcome};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Length of the parts that [`Kind::Parts`] is uploaded in.
const PART_BYTES: u64 = 8 * MIB;

/// What a key may hold: a version by its number, or nothing.
pub type State = Option<u64>;

/// The kinds of objects, by how they are written and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 1 KiB: kept with its metadata.
    Tiny,
    /// 100 KiB: one stripe of small cells.
    Small,
    /// 5 MiB: stripes of whole cells.
    Large,
    /// 32 MiB, uploaded in parts.
    Parts,
}

/// One writer's keys. Nobody else writes them.
#[derive(Debug)]
pub struct Ledger {
    bucket: String,
    keys: BTreeMap<String, Entry>,
    /// The keys whose operations were acknowledged since the last look.
    recent: BTreeSet<String>,
    versions: u64,
    /// Operations that were acknowledged.
    pub done: u64,
    /// Operations that certainly had no effect.
    pub refused: u64,
    /// Operations that may have had their effect.
    pub unknown: u64,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    acknowledged: State,
    /// Each may have taken effect instead, wholly.
    possible: Vec<State>,
}

impl Kind {
    /// The bytes of a version; versions differ in length as well, so that a mixture cannot pass.
    pub fn pattern(self, key: &str, version: u64) -> Pattern {
        let base = match self {
            Self::Tiny => KIB,
            Self::Small => 100 * KIB,
            Self::Large => 5 * MIB,
            Self::Parts => 32 * MIB,
        };
        Pattern::of(key, version, base + version % 997)
    }

    /// Writes a version in the way of this kind.
    pub async fn put(self, client: &S3, bucket: &str, key: &str, version: u64) -> Outcome {
        let pattern = self.pattern(key, version);
        match self {
            Self::Parts => {
                let parts = pattern.parts(PART_BYTES);
                client.put_parts(bucket, key, &parts).await
            }
            _ => outcome(&client.put(bucket, key, pattern.bytes()).await),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Large => "large",
            Self::Parts => "parts",
        }
    }
}

impl Ledger {
    /// A ledger of keys in this bucket, none of which has an object.
    pub fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            keys: BTreeMap::new(),
            recent: BTreeSet::new(),
            versions: 0,
            done: 0,
            refused: 0,
            unknown: 0,
        }
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Name of a key of a writer.
    pub fn key(writer: usize, kind: Kind, number: u64) -> String {
        format!("{}/{writer}/{number}", kind.name())
    }

    /// A version number that no operation of this writer has had.
    pub fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// Whether an operation on this key is still open, so that it should be left alone until it is settled.
    pub fn is_open(&self, key: &str) -> bool {
        self.keys
            .get(key)
            .is_some_and(|entry| !entry.possible.is_empty())
    }

    /// Notes what became of an operation that would have left the key in `state`.
    pub fn note(&mut self, key: &str, kind: Kind, state: State, outcome: Outcome) {
        let entry = self.keys.entry(key.to_owned()).or_insert(Entry {
            kind,
            acknowledged: None,
            possible: Vec::new(),
        });
        match outcome {
            Outcome::Done => {
                entry.acknowledged = state;
                entry.possible.clear();
                self.recent.insert(key.to_owned());
                self.done += 1;
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Unknown => {
                entry.possible.push(state);
                self.unknown += 1;
            }
        }
    }

    /// Compares what a `GET` of a key was answered with what the key may hold: `true` when it was an object that it may hold,
    /// or its rightful absence, and `false` when it was no answer to the question, such as a 503.
    ///
    /// # Panics
    /// When it is anything else, or a key of nobody.
    pub fn verify(&self, key: &str, sent: &Sent) -> bool {
        let entry = self.keys.get(key).expect("a key of this ledger");
        match sent {
            Ok(answer) if matches!(answer.status, 200 | 404) => {
                entry.find(key, answer.status, &answer.body);
                true
            }
            _ => false,
        }
    }

    /// Reads every key that is open, when nothing is under way any more: whatever it holds now is what it holds from now on.
    ///
    /// # Panics
    /// As [`Ledger::check`].
    pub async fn settle(&mut self, client: &S3) {
        for (key, entry) in &mut self.keys {
            if !entry.possible.is_empty() {
                entry.acknowledged = read(client, &self.bucket, key, entry).await;
                entry.possible.clear();
            }
        }
    }

    /// Reads every key that was acknowledged since the last look and compares it bit for bit, before anything overwrites it.
    ///
    /// # Panics
    /// As [`Ledger::check`].
    pub async fn check_recent(&mut self, client: &S3) {
        for key in std::mem::take(&mut self.recent) {
            let entry = self.keys.get(&key).expect("noted before");
            read(client, &self.bucket, &key, entry).await;
        }
    }

    /// Reads every key and compares it bit for bit.
    ///
    /// # Panics
    /// When a key cannot be read, or is nothing that it may be.
    pub async fn check(&self, client: &S3) {
        for (key, entry) in &self.keys {
            read(client, &self.bucket, key, entry).await;
        }
    }

    /// The keys that must be listed, with the lengths of their objects. All operations are settled.
    ///
    /// # Panics
    /// When an operation is open.
    pub fn present(&self) -> impl Iterator<Item = (&str, u64)> {
        self.keys.iter().filter_map(|(key, entry)| {
            assert!(entry.possible.is_empty(), "settled before");
            let version = entry.acknowledged?;
            Some((key.as_str(), entry.kind.pattern(key, version).len_bytes()))
        })
    }
}

impl Entry {
    /// The state that an answer shows, which is one of those that the key may be in, wholly; anything else ends the test.
    fn find(&self, key: &str, status: u16, body: &[u8]) -> State {
        let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let mut candidates = self.possible.iter().chain([&self.acknowledged]);
        let found = candidates.find(|state| match state {
            Some(version) if status == 200 => {
                let pattern = self.kind.pattern(key, *version);
                pattern.len_bytes() == len && pattern.check(0, body).is_ok()
            }
            Some(_) => false,
            None => status == 404,
        });
        *found.unwrap_or_else(|| panic!("{key} is {status} with {len} bytes, and may be {self:?}"))
    }
}

async fn read(client: &S3, bucket: &str, key: &str, entry: &Entry) -> State {
    let answer = client.get(bucket, key).await;
    let answer = answer.unwrap_or_else(|error| panic!("get {key}: {error}"));
    assert!(
        matches!(answer.status, 200 | 404),
        "get {key}: {} {}",
        answer.status,
        answer.text()
    );
    entry.find(key, answer.status, &answer.body)
}
