//! One key that many writers want to be the first to write, and who of them was.

use std::sync::Arc;
use std::time::Instant;

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{Outcome, S3, Sent, outcome};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::PAUSE_AFTER_REFUSAL;
use crate::fixture::PATIENCE;
use crate::traffic::reason;

/// How a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In one request.
    Put,
    /// By completing an upload whose only part is there already.
    Parts,
}

/// A key, and how those write who want to be first.
#[derive(Clone, Debug)]
pub(super) struct Contest {
    pub(super) bucket: String,
    pub(super) key: String,
    /// Whether the bucket keeps versions.
    pub(super) is_versioned: bool,
    /// The ways of the writers, in turn.
    pub(super) ways: &'static [Way],
    /// Length of the first writer's body; each other's is one byte longer than the one's before.
    pub(super) len_bytes: u64,
    pub(super) writers: usize,
}

/// How a contest ended for one writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// 200.
    Won(Written),
    /// `PreconditionFailed`: somebody was first.
    Late,
    /// `ConditionalRequestConflict`: somebody is about to be.
    Conflict,
    /// Something else that certainly had no effect.
    Refused(String),
    /// It may take effect.
    Unknown(String),
}

/// What a writer is told of its object, and a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) etag: String,
    pub(super) version: Option<String>,
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Whose body it is, whole.
    pub(super) writer: usize,
    pub(super) written: Written,
}

impl Contest {
    /// Lets all writers begin at the same moment, each through the next of the clients, and waits for all of them.
    pub(super) async fn run(&self, clients: &[S3]) -> Vec<End> {
        let start = Arc::new(Barrier::new(self.writers));
        let mut writers = JoinSet::new();
        for writer in 0..self.writers {
            let (contest, start) = (self.clone(), Arc::clone(&start));
            let client = clients[writer % clients.len()].clone();
            writers.spawn(async move {
                let request = contest.prepare(&client, writer).await;
                start.wait().await;
                let end = match request {
                    Some(request) => end(&client.send(request).await),
                    None => End::Refused("no upload".to_owned()),
                };
                (writer, end)
            });
        }
        let mut ends = writers.join_all().await;
        ends.sort_by_key(|(writer, _)| *writer);
        ends.into_iter().map(|(_, end)| end).collect()
    }

    /// What is there, as every one of the clients says.
    pub(super) async fn read(&self, clients: &[S3]) -> Result<Option<Found>, String> {
        let mut all = Vec::new();
        for client in clients {
            all.push(self.read_through(client).await?);
        }
        let found = all.pop().ok_or("nobody to ask")?;
        if all.iter().any(|other| *other != found) {
            return Err(format!("gateways differ: {all:?}, and {found:?}"));
        }
        Ok(found)
    }

    /// The request by which a writer wants to be first. `None` where its upload did not come about.
    async fn prepare(&self, client: &S3, writer: usize) -> Option<Request> {
        let body = self.body(writer).bytes();
        let request = match self.ways[writer % self.ways.len()] {
            Way::Put => Request::key("PUT", &self.bucket, &self.key).body(body),
            Way::Parts => {
                let parts = [body];
                let upload = client.upload_parts(&self.bucket, &self.key, &parts);
                let (upload, document) = upload.await?;
                let complete = Request::key("POST", &self.bucket, &self.key);
                complete.query("uploadId", upload).body(document)
            }
        };
        Some(request.header("if-none-match", "*"))
    }

    async fn read_through(&self, client: &S3) -> Result<Option<Found>, String> {
        let sent = until_answered(|| client.get(&self.bucket, &self.key)).await?;
        let found = match sent.status {
            404 => None,
            _ => Some(Found {
                writer: self.writer_of(&sent.body)?,
                written: Written {
                    etag: sent.header("etag").unwrap_or_default().to_owned(),
                    version: sent.header("x-amz-version-id").map(str::to_owned),
                },
            }),
        };
        if self.is_versioned {
            self.check_versions(client, found.as_ref()).await?;
        }
        Ok(found)
    }

    /// The key has one version, or none: a second one would be a second winner whom the first hides.
    async fn check_versions(&self, client: &S3, found: Option<&Found>) -> Result<(), String> {
        let request = Request::new("GET", format!("/{}", self.bucket))
            .query("versions", "")
            .query("prefix", &self.key);
        let listed = until_answered(|| client.send(request.clone())).await?;
        let versions = xml::texts(&listed.body, "VersionId");
        let expected: Vec<String> = found
            .and_then(|found| found.written.version.clone())
            .into_iter()
            .collect();
        if versions == expected {
            Ok(())
        } else {
            Err(format!("versions {versions:?} instead of {expected:?}"))
        }
    }

    fn body(&self, writer: usize) -> Pattern {
        let number = u64::try_from(writer).unwrap();
        let name = format!("{}/{}", self.bucket, self.key);
        Pattern::of(&name, number, self.len_bytes + number)
    }

    /// Whose body this is: each has another length, and other bytes.
    fn writer_of(&self, body: &[u8]) -> Result<usize, String> {
        let len = body.len();
        let first = usize::try_from(self.len_bytes).unwrap();
        let writer = len.checked_sub(first);
        let writer = writer.filter(|writer| *writer < self.writers);
        let writer = writer.ok_or_else(|| format!("nobody wrote {len} bytes"))?;
        match self.body(writer).check(0, body) {
            Ok(()) => Ok(writer),
            Err(mismatch) => Err(format!("as long as that of {writer}, but {mismatch}")),
        }
    }
}

/// Asks until there is a complete answer of 200 or 404.
async fn until_answered<Answering>(ask: impl Fn() -> Answering) -> Result<Answer, String>
where
    Answering: Future<Output = Sent>,
{
    let begun = Instant::now();
    loop {
        let sent = ask().await;
        match sent {
            Ok(answer) if matches!(answer.status, 200 | 404) => return Ok(answer),
            _ if begun.elapsed() > PATIENCE => return Err(format!("read: {}", reason(&sent))),
            _ => tokio::time::sleep(PAUSE_AFTER_REFUSAL).await,
        }
    }
}

/// What an answer to a writer means.
fn end(sent: &Sent) -> End {
    match (outcome(sent), sent) {
        (Outcome::Done, Ok(answer)) => {
            let in_document = || xml::text(&answer.body, "ETag");
            let etag = answer.header("etag").map(str::to_owned);
            End::Won(Written {
                etag: etag.or_else(in_document).unwrap_or_default(),
                version: answer.header("x-amz-version-id").map(str::to_owned),
            })
        }
        (Outcome::Refused, Ok(answer)) => match (answer.status, answer.code().as_deref()) {
            (412, Some("PreconditionFailed")) => End::Late,
            (409, Some("ConditionalRequestConflict")) => End::Conflict,
            _ => End::Refused(reason(sent)),
        },
        (Outcome::Refused, _) => End::Refused(reason(sent)),
        _ => End::Unknown(reason(sent)),
    }
}

/// Compares what writers were told with what is there.
///
/// # Errors
/// Two winners; a body that is not the winner's, or that of somebody who was refused; a winner of whom nothing is there; somebody
/// who was too late for nothing.
pub(super) fn judge(ends: &[End], found: Option<&Found>) -> Result<(), String> {
    let winners: Vec<(usize, &Written)> = ends
        .iter()
        .enumerate()
        .filter_map(|(writer, end)| match end {
            End::Won(written) => Some((writer, written)),
            _ => None,
        })
        .collect();
    match (winners.as_slice(), found) {
        ([(winner, told)], Some(found)) if *winner == found.writer => {
            if **told == found.written {
                return Ok(());
            }
            Err(format!("told {told:?}, there is {:?}", found.written))
        }
        ([(winner, _)], found) => Err(format!("{winner} won, there is {found:?}")),
        ([], None) if ends.contains(&End::Late) => Err("late for nothing".to_owned()),
        ([], None) => Ok(()),
        ([], Some(found)) => match &ends[found.writer] {
            End::Unknown(_) => Ok(()),
            end => Err(format!("there is {found:?}, to whom was said {end:?}")),
        },
        (winners, _) => Err(format!("{} winners: {winners:?}", winners.len())),
    }
}

/// As [`judge`], where nothing was in anybody's way: one has won, and all others were told that.
///
/// # Errors
/// As [`judge`]; no winner, and every other answer.
pub(super) fn judge_undisturbed(ends: &[End], found: Option<&Found>) -> Result<(), String> {
    judge(ends, found)?;
    let mut others = ends
        .iter()
        .filter(|end| matches!(end, End::Refused(_) | End::Unknown(_)));
    match (others.next(), found) {
        (Some(other), _) => Err(format!("somebody was told {other:?}")),
        (None, None) => Err("nobody won".to_owned()),
        (None, Some(_)) => Ok(()),
    }
}

#[test]
fn two_winners_other_bodies_and_those_of_the_refused_are_found() {
    let written = |name: &str| Written {
        etag: name.to_owned(),
        version: None,
    };
    let won = |name| End::Won(written(name));
    let unknown = || End::Unknown("connection broke".to_owned());
    let refused = || End::Refused("503".to_owned());
    let found = |writer, name| Found {
        writer,
        written: written(name),
    };
    let sound = [
        (
            vec![End::Late, won("b"), End::Conflict],
            Some(found(1, "b")),
        ),
        (vec![unknown(), won("b"), refused()], Some(found(1, "b"))),
        (vec![unknown(), End::Late, unknown()], Some(found(2, "c"))),
        (vec![unknown(), refused(), End::Conflict], None),
    ];
    for (ends, found) in &sound {
        assert_eq!(judge(ends, found.as_ref()), Ok(()), "{ends:?}");
    }
    let unsound = [
        (vec![won("a"), won("b")], Some(found(1, "b")), "winners"),
        (vec![won("a"), End::Late], None, "won"),
        (vec![won("a"), unknown()], Some(found(1, "b")), "won"),
        (vec![won("a"), End::Late], Some(found(0, "b")), "told"),
        (vec![refused(), unknown()], Some(found(0, "a")), "said"),
        (vec![End::Late, unknown()], Some(found(0, "a")), "said"),
        (vec![End::Late, unknown()], None, "late"),
    ];
    for (ends, found, word) in &unsound {
        let verdict = judge(ends, found.as_ref()).unwrap_err();
        assert!(verdict.contains(word), "{ends:?}: {verdict}");
    }
    assert_eq!(judge_undisturbed(&sound[0].0, sound[0].1.as_ref()), Ok(()));
    for (ends, found) in &sound[1..] {
        assert!(judge_undisturbed(ends, found.as_ref()).is_err());
    }
    assert!(judge_undisturbed(&[End::Conflict], None).is_err());
}

#[test]
fn a_body_is_of_nobody_but_who_wrote_all_of_it() {
    let contest = Contest {
        bucket: "bucket".to_owned(),
        key: "key".to_owned(),
        is_versioned: false,
        ways: &[Way::Put],
        len_bytes: 100,
        writers: 3,
    };
    let mut body = contest.body(2).bytes().to_vec();
    assert_eq!(contest.writer_of(&body), Ok(2));
    body[101] ^= 1;
    assert!(contest.writer_of(&body).is_err());
    assert!(contest.writer_of(&body[..99]).is_err());
    assert!(contest.writer_of(&contest.body(3).bytes()).is_err());
}
