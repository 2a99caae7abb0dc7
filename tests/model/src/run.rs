//! A run: step by step, until it is over or the server and the model disagree.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use cairn_cluster_tests::description::{Description, Role};
use cairn_dev_tests::dice::{Dice, fresh_seed};
use cairn_dev_tests::wire::Answer;

use crate::call::{Call, Difference, Next};
use crate::calls::list_objects::ListObjects;
use crate::calls::list_versions::ListVersions;
use crate::calls::read_object::ReadObject;
use crate::gateways::Gateways;
use crate::plan;
use crate::world::World;

/// Calls at once, at most.
const AT_ONCE: usize = 4;
/// Listings that are walked between other calls.
const WALKS: usize = 3;
/// Calls that are shown before the one that went wrong.
const TAIL: usize = 12;
/// How often a long run says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);
/// Longer descriptions are cut in the tail.
const LONGEST_LINE: usize = 600;
/// How often a call is made again that the cluster certainly did not do.
const TRIES: usize = 5;
/// A cluster that knows nothing of a change for so long is too slow for this machine, not wrong.
const SLOW: Duration = Duration::from_secs(5);

/// What a run is to do.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many calls to make.
    pub steps: u64,
    /// What all choices follow from: same seed, same calls, but for names that the server chooses.
    pub seed: u64,
    /// Whether every call is printed as it is made.
    pub traces: bool,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Calls made.
    pub steps: u64,
    /// How long it took.
    pub took: Duration,
    /// Calls that were made again because the cluster said that it had not done them and could not just then.
    pub repeated: u64,
    /// How often all buckets were left behind, as the cluster could not tell in time whether it had done a call.
    pub restarts: u64,
    /// Versions that were there at the end, all of which were read.
    pub versions: usize,
}

/// The server and the model disagree, or the server does not answer.
#[derive(Debug)]
pub struct Disagreement {
    step: u64,
    seed: u64,
    call: String,
    problem: Box<Problem>,
    before: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Difference(#[from] Difference),
    #[error("no answer: {0}")]
    Transport(#[from] io::Error),
}

/// A run under way.
#[derive(Debug)]
struct Run {
    settings: Settings,
    dice: Dice,
    world: World,
    gateways: Gateways,
    /// Listings that are not at their end.
    walks: VecDeque<Box<dyn Call>>,
    tail: VecDeque<String>,
    step: u64,
    repeated: u64,
    restarts: u64,
    begun: Instant,
    told: Instant,
}

/// Makes calls to all gateways of a cluster, and at last reads everything that must be there. Blocks.
///
/// # Errors
/// The first difference, with what led to it.
pub fn run(description: &Description, settings: Settings) -> Result<Summary, Disagreement> {
    let hosts = description
        .of_role(Role::Gateway)
        .map(|gateway| gateway.address);
    let now = Instant::now();
    let mut run = Run {
        settings,
        dice: Dice::of_seed(settings.seed),
        world: World::new(&fresh_label()),
        gateways: Gateways::new(hosts.collect(), description.signer()),
        walks: VecDeque::new(),
        tail: VecDeque::new(),
        step: 0,
        repeated: 0,
        restarts: 0,
        begun: now,
        told: now,
    };
    while run.step < settings.steps {
        let calls = run.draw();
        run.perform(calls)?;
        run.tell();
    }
    let versions = run.read_all()?;
    Ok(Summary {
        steps: run.step,
        took: run.begun.elapsed(),
        repeated: run.repeated,
        restarts: run.restarts,
        versions,
    })
}

impl Run {
    /// What is done next: a page of a listing that is walked, one call, or several that have nothing to do with each other.
    fn draw(&mut self) -> Vec<Box<dyn Call>> {
        if !self.walks.is_empty() && self.dice.below(4) == 0 {
            return self.walks.pop_front().into_iter().collect();
        }
        let mut calls: Vec<Box<dyn Call>> = vec![plan::draw(&self.world, &mut self.dice)];
        if self.dice.below(8) > 0 {
            return calls;
        }
        for _ in 1..AT_ONCE {
            let call = plan::draw(&self.world, &mut self.dice);
            let touches = call.touches();
            if !calls
                .iter()
                .any(|other| other.touches().conflicts(&touches))
            {
                calls.push(call);
            }
        }
        calls
    }

    /// Makes calls at once, through gateways by chance, and judges their answers; then what must follow them at once.
    fn perform(&mut self, calls: Vec<Box<dyn Call>>) -> Result<(), Disagreement> {
        let mut following = self.exchange(calls)?;
        while let Some(call) = following.pop() {
            following.extend(self.exchange(vec![call])?);
        }
        Ok(())
    }

    fn exchange(&mut self, calls: Vec<Box<dyn Call>>) -> Result<Vec<Box<dyn Call>>, Disagreement> {
        let count = u64::try_from(self.gateways.count()).unwrap_or(u64::MAX);
        let mut requests = Vec::with_capacity(calls.len());
        for call in &calls {
            let gateway = usize::try_from(self.dice.below(count)).unwrap_or(0);
            requests.push((gateway, call.request()));
        }
        let numbers: Vec<usize> = requests.iter().map(|(gateway, _)| *gateway).collect();
        let sent = Instant::now();
        let answers = self.gateways.exchange(requests);
        let is_slow = sent.elapsed() >= SLOW;
        if is_slow && answers.iter().flatten().any(is_unknown) {
            self.start_over();
            return Ok(Vec::new());
        }
        let mut following = Vec::new();
        let at_once = calls.len();
        for ((call, answer), gateway) in calls.into_iter().zip(answers).zip(numbers) {
            self.step += 1;
            let line = format!("{} gateway-{}: {call:?}", self.step, gateway + 1);
            let judged = match self.repeat(call.as_ref(), gateway, answer) {
                Ok(answer) => {
                    let verdict = answer.verdict();
                    let judged = call.judge(&mut self.world, &answer);
                    judged.map_err(Problem::from).map(|next| (next, verdict))
                }
                Err(error) => Err(Problem::from(error)),
            };
            match judged {
                Ok((next, (status, code))) => {
                    self.remember(&format!("{status} {code} {line}"), at_once);
                    match next {
                        Next::Done => {}
                        Next::Now(call) => following.push(call),
                        Next::Later(call) => self.walk(call),
                    }
                }
                Err(problem) => return Err(self.disagreement(line, problem)),
            }
        }
        Ok(following)
    }

    /// Makes a call again, as any client does, for as long as it is answered with a 503 that says that nothing was done.
    fn repeat(
        &mut self,
        call: &dyn Call,
        gateway: usize,
        mut answer: io::Result<Answer>,
    ) -> io::Result<Answer> {
        for _ in 0..TRIES {
            match &answer {
                Ok(said) if is_undone(said) => {}
                _ => break,
            }
            self.repeated += 1;
            let mut answers = self.gateways.exchange(vec![(gateway, call.request())]);
            answer = answers.pop().unwrap_or(answer);
        }
        answer
    }

    /// Leaves all buckets behind: nobody knows what is in them.
    fn start_over(&mut self) {
        self.step += 1;
        self.restarts += 1;
        self.world = World::new(&fresh_label());
        self.walks.clear();
        self.remember(
            "--- the cluster was too slow to tell what it had done: new buckets",
            1,
        );
    }

    /// Goes on with a listing later on; forgets the oldest of too many.
    fn walk(&mut self, call: Box<dyn Call>) {
        self.walks.push_back(call);
        if self.walks.len() > WALKS {
            self.walks.pop_front();
        }
    }

    fn remember(&mut self, line: &str, at_once: usize) {
        let mut line: String = line.chars().take(LONGEST_LINE).collect();
        if at_once > 1 {
            line.push_str(" (one of several at once)");
        }
        if self.settings.traces {
            println!("{line}");
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn disagreement(&mut self, call: String, problem: Problem) -> Disagreement {
        Disagreement {
            step: self.step,
            seed: self.settings.seed,
            call,
            problem: Box::new(problem),
            before: self.tail.drain(..).collect(),
        }
    }

    /// Lists and reads everything that the model holds.
    fn read_all(&mut self) -> Result<usize, Disagreement> {
        let buckets: Vec<String> = self.world.buckets.keys().cloned().collect();
        let mut count = 0;
        for bucket in buckets {
            self.perform(vec![Box::new(ListObjects::all(&bucket, 7))])?;
            self.perform(vec![Box::new(ListVersions::all(&bucket, 9))])?;
            let keys = self.world.buckets.get(&bucket).map(|bucket| &bucket.keys);
            let mut versions = Vec::new();
            for (key, stack) in keys.into_iter().flatten() {
                versions.extend(
                    stack
                        .iter()
                        .map(|version| (key.clone(), version.id.clone())),
                );
            }
            count += versions.len();
            for (key, version) in versions {
                let read = ReadObject::of(&bucket, &key, Some(&version), false);
                self.perform(vec![Box::new(read)])?;
            }
        }
        Ok(count)
    }

    fn tell(&mut self) {
        if self.told.elapsed() < PROGRESS {
            return;
        }
        self.told = Instant::now();
        let seconds = self.begun.elapsed().as_secs().max(1);
        let buckets = self.world.buckets.values();
        println!(
            "model: {} of {} steps, {} a second; {} buckets with {} versions",
            self.step,
            self.settings.steps,
            self.step / seconds,
            self.world.buckets.len(),
            buckets
                .map(crate::world::Bucket::version_count)
                .sum::<usize>(),
        );
    }
}

/// Not of the seed: a cluster may have had a run of the same before.
fn fresh_label() -> String {
    format!("model-{:x}", fresh_seed())
}

/// An answer of a cluster that does not know, or does not say, whether it did what it was asked for. One that was begun before
/// its end was known has its fault in an answer of success.
fn is_unknown(answer: &Answer) -> bool {
    let code = answer.code();
    let is_fault = ["InternalError", "ServiceUnavailable"]
        .map(Some)
        .contains(&code.as_deref());
    is_fault && answer.header("x-cairn-effect") != Some("none")
}

/// An answer of one that knows that it did not, and could not just then.
fn is_undone(answer: &Answer) -> bool {
    answer.status == 503 && answer.header("x-cairn-effect") == Some("none")
}

impl fmt::Display for Disagreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = String::new();
        for line in &self.before {
            writeln!(before, "  {line}")?;
        }
        write!(
            formatter,
            "the server and the model disagree at step {} of seed {}\ncall {}\n{}\nbefore it:\n{before}",
            self.step, self.seed, self.call, self.problem
        )
    }
}

impl std::error::Error for Disagreement {}
