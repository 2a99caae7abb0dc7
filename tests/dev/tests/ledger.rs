//! What a writer knows about its keys: what was acknowledged, and what may have happened.

use std::collections::BTreeMap;

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{Outcome, S3};

use crate::fixture::{BUCKET, KIB, MIB};

/// What a key may hold: a version by its number, or nothing.
pub(crate) type State = Option<u64>;

/// The kinds of objects, by how they are written and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tiny,
    Small,
    Large,
    Parts,
}

/// One writer's keys. Nobody else writes them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    keys: BTreeMap<String, Entry>,
    versions: u64,
    /// Operations that were acknowledged.
    pub(crate) done: u64,
    /// Operations that certainly had no effect.
    pub(crate) refused: u64,
    /// Operations that may have had their effect.
    pub(crate) unknown: u64,
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
    pub(crate) fn pattern(self, key: &str, version: u64) -> Pattern {
        let base = match self {
            Self::Tiny => KIB,
            Self::Small => 100 * KIB,
            Self::Large => 5 * MIB,
            Self::Parts => 32 * MIB,
        };
        Pattern::of(key, version, base + version % 997)
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
    /// Name of a key of this writer.
    pub(crate) fn key(writer: usize, kind: Kind, number: u64) -> String {
        format!("{}/{writer}/{number}", kind.name())
    }

    /// A version number that no operation of this writer has had.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// Whether an operation on this key is still open, so that it should be left alone until the server has been restarted.
    pub(crate) fn is_open(&self, key: &str) -> bool {
        self.keys
            .get(key)
            .is_some_and(|entry| !entry.possible.is_empty())
    }

    /// Notes what became of an operation that would have left the key in `state`.
    pub(crate) fn note(&mut self, key: &str, kind: Kind, state: State, outcome: Outcome) {
        let entry = self.keys.entry(key.to_owned()).or_insert(Entry {
            kind,
            acknowledged: None,
            possible: Vec::new(),
        });
        match outcome {
            Outcome::Done => {
                entry.acknowledged = state;
                entry.possible.clear();
                self.done += 1;
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Unknown => {
                entry.possible.push(state);
                self.unknown += 1;
            }
        }
    }

    /// Reads every key that is open, after a restart: whatever it holds now is what it holds from now on.
    pub(crate) async fn settle(&mut self, client: &S3) {
        for (key, entry) in &mut self.keys {
            if !entry.possible.is_empty() {
                entry.acknowledged = read(client, key, entry).await;
                entry.possible.clear();
            }
        }
    }

    /// Reads every key and compares it bit for bit.
    pub(crate) async fn check(&self, client: &S3) {
        for (key, entry) in &self.keys {
            read(client, key, entry).await;
        }
    }

    /// The keys that must be listed. All operations are settled.
    pub(crate) fn present(&self) -> impl Iterator<Item = &str> {
        let present = |entry: &Entry| {
            assert!(entry.possible.is_empty(), "settled before");
            entry.acknowledged.is_some()
        };
        let keys = self.keys.iter();
        keys.filter(move |(_, entry)| present(entry))
            .map(|(key, _)| key.as_str())
    }
}

/// What a key holds, which is one of the states it may have, wholly; anything else ends the test.
async fn read(client: &S3, key: &str, entry: &Entry) -> State {
    let answer = client.get(BUCKET, key).await;
    let answer = answer.unwrap_or_else(|error| panic!("get {key}: {error}"));
    let mut states = entry.possible.iter().chain([&entry.acknowledged]);
    let found = match answer.status {
        200 => states.find(|state| {
            let pattern = state.map(|version| entry.kind.pattern(key, version));
            pattern.is_some_and(|pattern| {
                pattern.len_bytes() == answer.body.len() as u64
                    && pattern.check(0, &answer.body).is_ok()
            })
        }),
        404 => states.find(|state| state.is_none()),
        other => panic!("get {key}: {other} {}", answer.text()),
    };
    *found.unwrap_or_else(|| {
        let len = answer.body.len();
        panic!(
            "{key} is {} with {len} bytes, and may be {entry:?}",
            answer.status
        )
    })
}
