//! Whatever was acknowledged survives `kill -9` of the whole server in the middle of writing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_dev_tests::client::{Outcome, S3, outcome};
use cairn_dev_tests::dice::Dice;
use cairn_dev_tests::ledger::{Kind, Ledger};
use cairn_dev_tests::server::Server;
use cairn_dev_tests::wait;

use crate::fixture::{BUCKET, runtime, six_disks};

const ROUNDS: u64 = 30;
const WRITERS: usize = 6;
/// A round ends after so many acknowledged operations at most, so that the kill falls into the middle of others.
const MAX_DONE_IN_ROUND: u64 = 250;
const ROUND_DEADLINE: Duration = Duration::from_secs(3);

#[test]
fn thirty_kills_in_the_middle_of_writing_lose_nothing_acknowledged() {
    let mut dice = Dice::of_this_run("crash");
    let (_scratch, options) = six_disks("crash");
    // Overwritten objects would fill the disk of a small machine within their usual grace.
    let options = options.env("CAIRN_STORAGE_READ_GRACE_MS", "500");
    let runtime = runtime();
    let mut ledgers: Vec<Ledger> = (0..WRITERS).map(|_| Ledger::new(BUCKET)).collect();

    for round in 0..ROUNDS {
        let server = Server::start(&options);
        let client = server.client();
        runtime.block_on(settle(&client, &mut ledgers));
        if round == 0 {
            let created = runtime.block_on(client.create_bucket(BUCKET)).unwrap();
            assert_eq!(created.status, 200, "{}", created.text());
        }
        for ledger in &mut ledgers {
            runtime.block_on(ledger.check_recent(&client));
        }
        runtime.block_on(check_listing(&client, &ledgers));
        let done = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = ledgers
            .drain(..)
            .enumerate()
            .map(|(number, ledger)| {
                let writer = Writer {
                    number,
                    ledger,
                    dice: dice.fork(),
                    client: client.clone(),
                    done: Arc::clone(&done),
                };
                runtime.spawn(writer.run())
            })
            .collect();
        let enough = 1 + dice.below(MAX_DONE_IN_ROUND);
        wait::until(ROUND_DEADLINE, || done.load(Ordering::Relaxed) >= enough);
        server.kill();
        for writer in writers {
            ledgers.push(runtime.block_on(writer).unwrap());
        }
    }

    let server = Server::start(&options);
    let client = server.client();
    runtime.block_on(settle(&client, &mut ledgers));
    runtime.block_on(check(&client, &ledgers));
    report(&ledgers);
    assert_eq!(server.complaints(), Vec::<String>::new());

    // And once more after an orderly end.
    assert!(server.terminate(Duration::from_secs(20)).success());
    let server = Server::start(&options);
    runtime.block_on(check(&server.client(), &ledgers));
}

async fn settle(client: &S3, ledgers: &mut [Ledger]) {
    for ledger in ledgers {
        ledger.settle(client).await;
    }
}

async fn check(client: &S3, ledgers: &[Ledger]) {
    for ledger in ledgers {
        ledger.check(client).await;
    }
    check_listing(client, ledgers).await;
}

async fn check_listing(client: &S3, ledgers: &[Ledger]) {
    let expected: BTreeSet<&str> = ledgers
        .iter()
        .flat_map(Ledger::present)
        .map(|(key, _)| key)
        .collect();
    let listed = client.list_keys(BUCKET).await.expect("list the bucket");
    let unique: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), listed.len(), "a key is listed twice");
    let lost: Vec<_> = expected.difference(&unique).collect();
    let ghosts: Vec<_> = unique.difference(&expected).collect();
    assert!(
        lost.is_empty() && ghosts.is_empty(),
        "lost {lost:?}, ghosts {ghosts:?}"
    );
}

fn report(ledgers: &[Ledger]) {
    let sum = |count: fn(&Ledger) -> u64| ledgers.iter().map(count).sum::<u64>();
    let done = sum(|ledger| ledger.done);
    let refused = sum(|ledger| ledger.refused);
    let unknown = sum(|ledger| ledger.unknown);
    println!("crash: rounds {ROUNDS}, ok {done}, refused {refused}, unknown {unknown}");
    // A run in which nothing was acknowledged, or nothing was interrupted, has shown nothing.
    assert!(done >= ROUNDS * 10, "only {done} acknowledged");
    assert!(unknown >= ROUNDS / 3, "only {unknown} interrupted");
}

struct Writer {
    number: usize,
    ledger: Ledger,
    dice: Dice,
    client: S3,
    done: Arc<AtomicU64>,
}

impl Writer {
    /// Writes until the server is gone, and gives back what it knows then.
    async fn run(mut self) -> Ledger {
        loop {
            let kind = self.kind();
            let key = Ledger::key(self.number, kind, self.dice.below(keys_of(kind)));
            if self.ledger.is_open(&key) {
                continue;
            }
            let deletes = self.dice.below(8) == 0;
            let version = (!deletes).then(|| self.ledger.next_version());
            let outcome = match version {
                Some(version) => kind.put(&self.client, BUCKET, &key, version).await,
                None => outcome(&self.client.delete(BUCKET, &key).await),
            };
            self.ledger.note(&key, kind, version, outcome);
            if outcome == Outcome::Done {
                self.done.fetch_add(1, Ordering::Relaxed);
            } else {
                // The server is gone; or it has failed a request, which it may only do when it is.
                return self.ledger;
            }
        }
    }

    fn kind(&mut self) -> Kind {
        match self.dice.below(100) {
            0..55 => Kind::Tiny,
            55..88 => Kind::Small,
            88..98 => Kind::Large,
            _ => Kind::Parts,
        }
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
