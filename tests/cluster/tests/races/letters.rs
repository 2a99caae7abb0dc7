//! A few keys that are overwritten without end, each body filled by one letter, and readers who take no two letters for one body.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cairn_dev_tests::checksum::{md5_hex, multipart_etag};
use cairn_dev_tests::client::{Outcome, S3, Sent, outcome};
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wait;
use cairn_dev_tests::wire::{Answer, Wire};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::fixture::{KIB, MIB, PATIENCE};
use crate::traffic::reason;

const LETTERS: u8 = 8;
const KEYS: u64 = 2;
const PART_BYTES: usize = 5 * 1024 * 1024;
/// Into so many ranges somebody cuts what he reads.
const RANGES: u64 = 6;
/// A reader who has only seen the head of an answer goes on when so many more bodies were written.
const OVERTAKEN_BY: u64 = 6;

/// Who reads and writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub(super) writers: usize,
    /// Those who read the whole at once.
    pub(super) readers: usize,
    /// Those who read in ranges, all with the `ETag` of the first look.
    pub(super) in_ranges: usize,
    /// Those who stop behind the head until the key is overwritten.
    pub(super) overtaken: usize,
}

/// Keys under load.
pub(super) struct Letters {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) writes: u64,
    /// Bodies that were read at once.
    pub(super) whole: u64,
    /// Bodies that were put together from ranges.
    pub(super) joined: u64,
    /// Ranges that were refused because there was another body already.
    pub(super) changed: u64,
    /// Bodies that were read while others took their place.
    pub(super) overtaken: u64,
    /// Requests that were not answered, or not to the end, by reason.
    pub(super) failures: BTreeMap<String, u64>,
    /// Answers that are not what one writer wrote.
    pub(super) violations: Vec<String>,
}

struct Shared {
    bucket: String,
    clients: Vec<S3>,
    bodies: Vec<Letter>,
    stops: AtomicBool,
    writes: AtomicU64,
    seen: Mutex<Seen>,
}

/// A body: one letter, and a length that no other has.
struct Letter {
    fill: u8,
    body: Bytes,
    in_parts: bool,
    etag: String,
}

impl Letters {
    /// Writes the keys for the first time, and sets everybody to work.
    pub(super) fn start(
        runtime: &Runtime,
        bucket: &str,
        clients: &[S3],
        dice: &mut Dice,
        crowd: Crowd,
    ) -> Self {
        let shared = Arc::new(Shared {
            bucket: bucket.to_owned(),
            clients: clients.to_vec(),
            bodies: (0..LETTERS).map(Letter::new).collect(),
            stops: AtomicBool::new(false),
            writes: AtomicU64::new(0),
            seen: Mutex::default(),
        });
        for number in 0..KEYS {
            let written = runtime.block_on(shared.write(&key(number), &mut dice.fork()));
            assert_eq!(written, Outcome::Done);
        }
        let mut tasks = Vec::new();
        let mut set = |kind: Kind, count: usize| {
            for _ in 0..count {
                let (shared, dice) = (Arc::clone(&shared), dice.fork());
                tasks.push(match kind {
                    Kind::Overtaken => runtime.spawn_blocking(move || shared.linger(dice)),
                    _ => runtime.spawn(async move { shared.work(kind, dice).await }),
                });
            }
        };
        set(Kind::Writer, crowd.writers);
        set(Kind::Reader, crowd.readers);
        set(Kind::InRanges, crowd.in_ranges);
        set(Kind::Overtaken, crowd.overtaken);
        Self { shared, tasks }
    }

    /// What came of it so far.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = self.shared.seen.lock().unwrap().clone();
        seen.writes = self.shared.writes.load(Ordering::Relaxed);
        seen
    }

    /// Stops everybody.
    pub(super) fn stop(self, runtime: &Runtime) -> Seen {
        self.shared.stops.store(true, Ordering::Relaxed);
        let Self { shared, tasks } = self;
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        let mut seen = std::mem::take(&mut *shared.seen.lock().unwrap());
        seen.writes = shared.writes.load(Ordering::Relaxed);
        seen
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Writer,
    Reader,
    InRanges,
    Overtaken,
}

impl Shared {
    async fn work(&self, kind: Kind, mut dice: Dice) {
        while !self.stops.load(Ordering::Relaxed) {
            let key = key(dice.below(KEYS));
            match kind {
                Kind::Writer => {
                    self.write(&key, &mut dice).await;
                }
                Kind::Reader => self.read(&key, &mut dice).await,
                _ => self.read_in_ranges(&key, &mut dice).await,
            }
        }
    }

    async fn write(&self, key: &str, dice: &mut Dice) -> Outcome {
        let (client, letter) = (dice.choose(&self.clients), dice.choose(&self.bodies));
        let outcome = if letter.in_parts {
            client.put_parts(&self.bucket, key, &letter.parts()).await
        } else {
            let sent = client.put(&self.bucket, key, letter.body.clone()).await;
            if outcome(&sent) != Outcome::Done {
                self.fail(&format!("put: {}", reason(&sent)));
            }
            outcome(&sent)
        };
        match outcome {
            Outcome::Done => {
                self.writes.fetch_add(1, Ordering::Relaxed);
            }
            other if letter.in_parts => self.fail(&format!("parts: {other:?}")),
            _ => {}
        }
        outcome
    }

    async fn read(&self, key: &str, dice: &mut Dice) {
        let sent = dice.choose(&self.clients).get(&self.bucket, key).await;
        let Some(answer) = self.answered("get", &sent) else {
            return;
        };
        let judged = self.judge_whole(answer);
        self.note(judged, |seen| seen.whole += 1);
    }

    /// Looks at a key, and reads what is there in ranges, through one gateway after the other: all of them are of that body, or
    /// are refused.
    async fn read_in_ranges(&self, key: &str, dice: &mut Dice) {
        let head = Request::key("HEAD", &self.bucket, key);
        let sent = dice.choose(&self.clients).send(head).await;
        let Some(answer) = self.answered("head", &sent) else {
            return;
        };
        let letter = match self.letter_of(answer) {
            Ok(letter) => letter,
            violation => return self.note(violation.map(drop), |_| {}),
        };
        let len = u64::try_from(letter.body.len()).unwrap();
        for number in 0..RANGES {
            let (first, end) = (len * number / RANGES, len * (number + 1) / RANGES);
            let get = Request::key("GET", &self.bucket, key)
                .header("if-match", format!("\"{}\"", letter.etag))
                .header("range", format!("bytes={first}-{}", end - 1));
            let sent = dice.choose(&self.clients).send(get).await;
            let Some(answer) = self.answered("range", &sent) else {
                return;
            };
            if answer.status == 412 {
                return self.note(Ok(()), |seen| seen.changed += 1);
            }
            if let Err(violation) = judge_range(letter, first..end, answer) {
                return self.note(Err(violation), |_| {});
            }
        }
        self.note(Ok(()), |seen| seen.joined += 1);
    }

    /// Asks for a key, reads the head of the answer, and reads its body only when the key was overwritten several times.
    fn linger(&self, mut dice: Dice) {
        while !self.stops.load(Ordering::Relaxed) {
            let client = dice.choose(&self.clients);
            let get = Request::key("GET", &self.bucket, &key(dice.below(KEYS)));
            let get = get.signed(client.signer(), client.host());
            let mut wire = Wire::connect(client.host().parse().unwrap());
            wire.send(&get.head());
            let goal = self.writes.load(Ordering::Relaxed) + OVERTAKEN_BY * KEYS;
            let head = wire.read_head();
            let is_over = || {
                self.stops.load(Ordering::Relaxed) || self.writes.load(Ordering::Relaxed) >= goal
            };
            wait::until(PATIENCE, is_over);
            match head.and_then(|head| wire.read_rest("GET", head)) {
                Ok(answer) => {
                    let judged = self.judge_whole(&answer);
                    self.note(judged, |seen| seen.overtaken += 1);
                }
                Err(error) => self.fail(&format!("overtaken: {error}")),
            }
        }
    }

    /// The answer, if it is one about the object.
    fn answered<'a>(&self, what: &str, sent: &'a Sent) -> Option<&'a Answer> {
        match sent {
            // The keys are always there.
            Ok(answer) if matches!(answer.status, 200 | 206 | 404 | 412) => Some(answer),
            _ => {
                self.fail(&format!("{what}: {}", reason(sent)));
                None
            }
        }
    }

    /// The body whose `ETag` an answer names.
    fn letter_of(&self, answer: &Answer) -> Result<&Letter, String> {
        let etag = answer.header("etag").unwrap_or_default();
        let etag = etag.trim_matches('"');
        let letter = self.bodies.iter().find(|letter| letter.etag == etag);
        letter.ok_or_else(|| format!("{} with ETag {etag:?}", answer.status))
    }

    fn judge_whole(&self, answer: &Answer) -> Result<(), String> {
        let letter = self.letter_of(answer)?;
        if answer.status != 200 {
            return Err(format!("{} for a whole object", answer.status));
        }
        judge_bytes(letter, &answer.body, letter.body.len())
    }

    fn note(&self, judged: Result<(), String>, count: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock().unwrap();
        match judged {
            Ok(()) => count(&mut seen),
            Err(violation) => seen.violations.push(violation),
        }
    }

    fn fail(&self, what: &str) {
        let mut seen = self.seen.lock().unwrap();
        *seen.failures.entry(what.to_owned()).or_default() += 1;
    }
}

fn judge_range(
    letter: &Letter,
    range: std::ops::Range<u64>,
    answer: &Answer,
) -> Result<(), String> {
    let total = letter.body.len();
    let expected = format!("bytes {}-{}/{total}", range.start, range.end - 1);
    let said = answer.header("content-range").unwrap_or_default();
    let etag = answer.header("etag").unwrap_or_default();
    if (answer.status, said, etag.trim_matches('"')) != (206, &expected, &letter.etag) {
        let status = answer.status;
        return Err(format!(
            "{status} with {said:?} and {etag} where {expected:?} of {} was asked for",
            letter.etag
        ));
    }
    let len = usize::try_from(range.end - range.start).unwrap();
    judge_bytes(letter, &answer.body, len)
}

/// So many bytes, all of them this letter.
fn judge_bytes(letter: &Letter, body: &[u8], len: usize) -> Result<(), String> {
    let own = char::from(letter.fill);
    if let Some(at) = body.iter().position(|byte| *byte != letter.fill) {
        return Err(format!(
            "{:?} in a body of {own:?}, at {at}",
            char::from(body[at])
        ));
    }
    if body.len() != len {
        return Err(format!("{} bytes of {own:?} instead of {len}", body.len()));
    }
    Ok(())
}

impl Letter {
    /// The first one is kept in the metadata, the others in one stripe or in two; the last is written in parts.
    fn new(number: u8) -> Self {
        let fill = b'a' + number;
        let steps = u64::from(number);
        let len = if number == 0 {
            8 * KIB
        } else {
            MIB + steps * (600 * KIB + 1)
        };
        let body = Bytes::from(vec![fill; usize::try_from(len).unwrap()]);
        let in_parts = number == LETTERS - 1;
        let mut made = Self {
            fill,
            in_parts,
            etag: md5_hex(&body),
            body,
        };
        if in_parts {
            let parts = made.parts();
            let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
            made.etag = multipart_etag(&parts);
        }
        made
    }

    fn parts(&self) -> Vec<Bytes> {
        let (first, last) = (0..PART_BYTES, PART_BYTES..);
        vec![self.body.slice(first), self.body.slice(last)]
    }
}

fn key(number: u64) -> String {
    format!("letters/{number}")
}

#[test]
fn bodies_of_two_letters_cut_off_or_with_the_etag_of_another_are_found() {
    let letter = Letter::new(1);
    let len = letter.body.len();
    let mut body = letter.body.to_vec();
    assert_eq!(judge_bytes(&letter, &body, len), Ok(()));
    body[len - 1] = b'c';
    assert!(
        judge_bytes(&letter, &body, len)
            .unwrap_err()
            .contains("'c'")
    );
    body.truncate(len - 1);
    assert!(
        judge_bytes(&letter, &body, len)
            .unwrap_err()
            .contains("bytes")
    );

    let mut answer = Answer {
        status: 206,
        headers: vec![
            ("etag".to_owned(), format!("\"{}\"", letter.etag)),
            ("content-range".to_owned(), format!("bytes 0-9/{len}")),
        ],
        body: vec![b'b'; 10],
    };
    assert_eq!(judge_range(&letter, 0..10, &answer), Ok(()));
    assert!(judge_range(&letter, 0..9, &answer).is_err());
    answer.headers[0].1 = format!("\"{}\"", Letter::new(2).etag);
    assert!(judge_range(&letter, 0..10, &answer).is_err());
}
