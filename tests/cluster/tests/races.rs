//! Many clients at one key: of those who want to be first one is, no step of a counter is counted twice, and no reader gets a
//! body that nobody wrote.

mod contest;
mod counter;
mod letters;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_dev_tests::client::S3;
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wait;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use self::contest::{Contest, End, Found, Way, judge, judge_undisturbed};
use self::counter::Counter;
use self::letters::{Crowd, Letters};
use crate::fixture::{KIB, PATIENCE, WHOLE, make_buckets, runtime};

/// Rounds where `CAIRN_TEST_ROUNDS` does not say how many: `make races` does.
const USUAL_ROUNDS: usize = 100;
const WRITERS: usize = 64;
const COUNTERS: usize = 16;
/// Neighbours are of different groups, so that a leader's death meets some of them.
const BUCKETS: usize = 8;
/// So many rounds for each process that is killed.
const ROUNDS_PER_KILL: usize = 15;
/// A new leader is elected about when the old one comes back, before, or after.
const LONGEST_PAUSE_MS: u64 = 2_000;
/// Somebody who refuses at once is not asked again at once.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

#[test]
fn of_64_writers_who_all_want_to_be_first_exactly_one_is() {
    let mut dice = Dice::of_this_run("races");
    let runtime = runtime();
    let cluster = Cluster::up("races", &WHOLE);
    let (clients, buckets) = (cluster.clients(), race_buckets(&runtime, &cluster));
    let (mut conflicts, begun) = (0, Instant::now());
    for round in 0..rounds() {
        let contest = contest(&buckets, round, &mut dice);
        let ends = runtime.block_on(contest.run(&clients));
        let found = runtime.block_on(contest.read(&clients));
        let found = found.unwrap_or_else(|fault| panic!("round {round}, {contest:?}: {fault}"));
        if let Err(fault) = judge_undisturbed(&ends, found.as_ref()) {
            panic!("round {round}, {contest:?}: {fault}: {ends:?}");
        }
        conflicts += ends.iter().filter(|end| **end == End::Conflict).count();
    }
    println!(
        "races: {} rounds of {WRITERS} writers in {:.1?}, {conflicts} times 409",
        rounds(),
        begun.elapsed()
    );

    let counter = Counter::start(&runtime, &buckets[0], &clients, COUNTERS);
    let has_counted = wait::until(patience(), || counter.acknowledged() >= rounds());
    let (tally, last) = counter.stop(&runtime);
    println!(
        "races: {COUNTERS} clients counted to {last}, and {} times others were faster",
        tally.lost
    );
    assert!(has_counted, "{tally:?}");
    assert_eq!(tally.violations, Vec::<String>::new());
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    let acknowledged = u64::try_from(tally.acknowledged.len()).unwrap();
    assert_eq!(acknowledged, last, "acknowledged, and counted");
    assert!(tally.lost > 0, "nobody was ever in anybody's way");
    cluster.finish(&[]);
}

#[test]
fn no_two_writers_are_first_while_leaders_and_gateways_die() {
    let mut dice = Dice::of_this_run("races among deaths");
    let runtime = runtime();
    let cluster = Cluster::up("race-deaths", &WHOLE);
    let (clients, buckets) = (cluster.clients(), race_buckets(&runtime, &cluster));
    let counter = Counter::start(&runtime, &buckets[0], &clients, COUNTERS);
    let contests = Contests::start(&runtime, &clients, &buckets, dice.fork());

    let kills = rounds().div_ceil(ROUNDS_PER_KILL).max(4);
    for kill in 0..kills {
        // A gateway takes its connections with it, so that writers are left without an answer.
        let victim = match kill % 3 {
            2 => dice
                .choose(&cluster.description().names(Role::Gateway))
                .clone(),
            _ => most_leading(&cluster),
        };
        let pause = Duration::from_millis(dice.below(LONGEST_PAUSE_MS));
        let gap = cluster.strike_and_start(&victim, pause).gap;
        println!("race-deaths: {victim} was away for {gap:.1?}");
        contests.await_rounds((kill + 1) * ROUNDS_PER_KILL);
    }
    cluster.await_writable();
    let over = contests.stop(&runtime);
    let (tally, last) = counter.stop(&runtime);
    report_ends(&over);
    println!(
        "race-deaths: counted to {last}, lost {}, {:?}",
        tally.lost, tally.failures
    );
    assert_eq!(tally.violations, Vec::<String>::new());
    assert!(over.len() >= kills * ROUNDS_PER_KILL, "too few rounds");
    check_again(&runtime, &clients, &over);
    cluster.finish(&[]);
}

/// The process that leads the most groups.
fn most_leading(cluster: &Cluster) -> String {
    let status = cluster.status();
    let led = status.led();
    let most = led.iter().max_by_key(|(_, groups)| groups.len());
    let (leader, _) = most.expect("every group has a leader");
    (*leader).to_owned()
}

#[test]
fn no_reader_gets_parts_of_two_bodies() {
    let mut dice = Dice::of_this_run("torn reads");
    let runtime = runtime();
    // Those who stop in the middle of a body are slower than the grace of other tests.
    let arguments = [&WHOLE[..8], &["--set", "storage.read_grace_ms=3000"]].concat();
    let cluster = Cluster::up("torn-reads", &arguments);
    let bucket = make_buckets(&runtime, &cluster, "letters", 1).remove(0);
    let crowd = Crowd {
        writers: 3,
        readers: 4,
        in_ranges: 4,
        overtaken: 2,
    };
    let letters = Letters::start(&runtime, &bucket, &cluster.clients(), &mut dice, crowd);
    let goal = u64::try_from(rounds()).unwrap();
    let enough = wait::until(patience(), || {
        let seen = letters.seen();
        let least = [seen.writes, seen.whole, seen.joined * 2, seen.changed];
        let is_unsound = !seen.violations.is_empty();
        is_unsound || least.iter().all(|count| *count >= goal) && seen.overtaken * 10 >= goal
    });
    let seen = letters.stop(&runtime);
    println!("torn-reads: {seen:?}");
    assert_eq!(seen.violations, Vec::<String>::new());
    assert!(enough, "too few to have shown anything");
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
    cluster.finish(&[]);
}

/// Rounds that go on until they are stopped.
struct Contests {
    shared: Arc<Running>,
    task: JoinHandle<()>,
}

struct Running {
    stops: AtomicBool,
    over: Mutex<Vec<Over>>,
}

/// A contest that is over.
struct Over {
    contest: Contest,
    ends: Vec<End>,
    found: Option<Found>,
}

impl Contests {
    fn start(runtime: &Runtime, clients: &[S3], buckets: &[String], mut dice: Dice) -> Self {
        let shared = Arc::new(Running {
            stops: AtomicBool::new(false),
            over: Mutex::default(),
        });
        let running = Arc::clone(&shared);
        let (clients, buckets) = (clients.to_vec(), buckets.to_vec());
        let task = runtime.spawn(async move {
            for round in 0.. {
                if running.stops.load(Ordering::Relaxed) {
                    return;
                }
                let contest = contest(&buckets, round, &mut dice);
                let ends = contest.run(&clients).await;
                let found = contest.read(&clients).await;
                let judged = found.and_then(|found| judge(&ends, found.as_ref()).map(|()| found));
                let found = judged.unwrap_or_else(|fault| {
                    panic!("round {round}, {contest:?}: {fault}: {ends:?}")
                });
                running.over.lock().unwrap().push(Over {
                    contest,
                    ends,
                    found,
                });
            }
        });
        Self { shared, task }
    }

    /// Waits until so many rounds are over.
    #[track_caller]
    fn await_rounds(&self, count: usize) {
        let over = || self.shared.over.lock().unwrap().len();
        let enough = wait::until(PATIENCE, || over() >= count || self.task.is_finished());
        assert!(enough, "{} of {count} rounds", over());
        // A round that was found to be unsound ends the task with its panic.
        assert!(!self.task.is_finished(), "a round was unsound");
    }

    fn stop(self, runtime: &Runtime) -> Vec<Over> {
        self.shared.stops.store(true, Ordering::Relaxed);
        runtime.block_on(self.task).unwrap();
        std::mem::take(&mut *self.shared.over.lock().unwrap())
    }
}

/// The contest of a round: mostly small objects, in a bucket that keeps versions or not, some in shards, some in parts.
fn contest(buckets: &[String], round: usize, dice: &mut Dice) -> Contest {
    let ways: &[Way] = match round % 20 {
        7 => &[Way::Parts],
        17 => &[Way::Put, Way::Parts],
        _ => &[Way::Put],
    };
    let len_bytes = match round % 20 {
        3 | 17 => 300 * KIB,
        7 => 20 * KIB,
        _ => 100,
    };
    let number = usize::try_from(dice.below(u64::try_from(buckets.len()).unwrap())).unwrap();
    Contest {
        bucket: buckets[number].clone(),
        key: format!("race/{round:06}"),
        is_versioned: keeps_versions(number),
        ways,
        len_bytes,
        writers: WRITERS,
    }
}

/// Buckets for contests, some of which keep versions.
fn race_buckets(runtime: &Runtime, cluster: &Cluster) -> Vec<String> {
    let buckets = make_buckets(runtime, cluster, "races", BUCKETS);
    let client = crate::fixture::first_client(cluster);
    for (number, bucket) in buckets.iter().enumerate() {
        if keeps_versions(number) {
            let enable = Request::new("PUT", format!("/{bucket}"))
                .query("versioning", "")
                .body(
                    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
                );
            let enabled = runtime.block_on(client.send(enable)).unwrap();
            assert_eq!(enabled.status, 200, "{}", enabled.text());
        }
    }
    buckets
}

fn keeps_versions(number: usize) -> bool {
    number % 4 == 1
}

/// Reads everything once more: a write of which nobody knew may have come since, and nothing that was there may have changed.
fn check_again(runtime: &Runtime, clients: &[S3], over: &[Over]) {
    let mut late = 0;
    for Over {
        contest,
        ends,
        found,
    } in over
    {
        let again = runtime.block_on(contest.read(clients));
        let again = again.unwrap_or_else(|fault| panic!("{contest:?}: {fault}"));
        if again == *found {
            continue;
        }
        assert_eq!(*found, None, "{contest:?}: {again:?} took its place");
        if let Err(fault) = judge(ends, again.as_ref()) {
            panic!("{contest:?}: {fault}: {ends:?}");
        }
        late += 1;
    }
    println!(
        "race-deaths: {} keys were read again, {late} were written late",
        over.len()
    );
}

fn report_ends(over: &[Over]) {
    let count = |is_such: fn(&End) -> bool| {
        let ends = over.iter().flat_map(|over| &over.ends);
        ends.filter(|end| is_such(end)).count()
    };
    println!(
        "race-deaths: {} rounds: {} won, {} late, {} conflicts, {} refused, {} unknown",
        over.len(),
        count(|end| matches!(end, End::Won(_))),
        count(|end| *end == End::Late),
        count(|end| *end == End::Conflict),
        count(|end| matches!(end, End::Refused(_))),
        count(|end| matches!(end, End::Unknown(_))),
    );
}

fn rounds() -> usize {
    let given = std::env::var("CAIRN_TEST_ROUNDS").ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(USUAL_ROUNDS)
}

/// How long anything may take that is done once for each round.
fn patience() -> Duration {
    PATIENCE + Duration::from_secs(1) * u32::try_from(rounds()).unwrap()
}
