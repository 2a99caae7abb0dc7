//! Drives an operation again and again, in closed or open loop, and keeps what came of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// An hour in microseconds: what takes longer is counted as that.
const MAX_MICROS: u64 = 3_600_000_000;

/// How operations are issued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Operations in flight at a time; in an open loop, the most of them.
    pub(crate) clients: u32,
    /// Operations per second; `None` is the closed loop.
    pub(crate) rate: Option<f64>,
    /// When to stop issuing.
    pub(crate) limit: Limit,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Time(Duration),
    Count(u64),
}

/// What one operation did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Bytes of objects that it moved.
    pub(crate) bytes: u64,
}

/// What all operations did.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Latencies of what succeeded, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Bytes of objects moved.
    pub(crate) bytes: u64,
    /// What failed, by reason.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the first operation issued to the last one ended.
    pub(crate) elapsed: Duration,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, MAX_MICROS, 3);
        Self {
            latency: latency.expect("one microsecond to an hour, three digits"),
            bytes: 0,
            errors: BTreeMap::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Adds one operation.
    pub(crate) fn record(&mut self, took: Duration, outcome: Result<Done, String>) {
        match outcome {
            Ok(done) => {
                let micros = u64::try_from(took.as_micros()).unwrap_or(MAX_MICROS);
                self.latency.saturating_record(micros.max(1));
                self.bytes += done.bytes;
            }
            Err(reason) => *self.errors.entry(reason).or_default() += 1,
        }
    }
}

/// Issues `work` as planned; each call gets its own index, from 0 on.
pub(crate) async fn drive<Work, Doing>(plan: Plan, work: Work) -> Tally
where
    Work: Fn(u64) -> Doing + Clone + Send + 'static,
    Doing: Future<Output = Result<Done, String>> + Send + 'static,
{
    let tally = Arc::new(Mutex::new(Tally::new()));
    let begun = Instant::now();
    match plan.rate {
        Some(rate) => open_loop(plan, rate, begun, &tally, work).await,
        None => closed_loop(plan, begun, &tally, work).await,
    }
    let elapsed = begun.elapsed();
    let mut tally = lock(&tally).clone();
    tally.elapsed = elapsed;
    tally
}

async fn closed_loop<Work, Doing>(plan: Plan, begun: Instant, tally: &Arc<Mutex<Tally>>, work: Work)
where
    Work: Fn(u64) -> Doing + Clone + Send + 'static,
    Doing: Future<Output = Result<Done, String>> + Send + 'static,
{
    let issued = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..plan.clients {
        let (issued, tally, work) = (Arc::clone(&issued), Arc::clone(tally), work.clone());
        clients.spawn(async move {
            loop {
                let index = issued.fetch_add(1, Ordering::Relaxed);
                if plan.limit.is_reached(index, begun) {
                    return;
                }
                let sent = Instant::now();
                let outcome = work(index).await;
                lock(&tally).record(sent.elapsed(), outcome);
            }
        });
    }
    clients.join_all().await;
}

/// Every operation has a moment at which it is due, whatever became of those before, and its latency counts from there.
async fn open_loop<Work, Doing>(
    plan: Plan,
    rate: f64,
    begun: Instant,
    tally: &Arc<Mutex<Tally>>,
    work: Work,
) where
    Work: Fn(u64) -> Doing + Clone + Send + 'static,
    Doing: Future<Output = Result<Done, String>> + Send + 'static,
{
    let room = usize::try_from(plan.clients).unwrap_or(Semaphore::MAX_PERMITS);
    let in_flight = Arc::new(Semaphore::new(room));
    let mut running = JoinSet::new();
    let mut due = begun;
    for index in 0.. {
        if plan.limit.is_reached(index, begun) {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let permit = Arc::clone(&in_flight).acquire_owned().await;
        let permit = permit.expect("never closed");
        let (tally, doing) = (Arc::clone(tally), work(index));
        let since = due;
        running.spawn(async move {
            let outcome = doing.await;
            lock(&tally).record(since.elapsed(), outcome);
            drop(permit);
        });
        while running.try_join_next().is_some() {}
        due += Duration::from_secs_f64(1.0 / rate);
    }
    running.join_all().await;
}

impl Limit {
    fn is_reached(self, issued: u64, begun: Instant) -> bool {
        match self {
            Self::Time(time) => begun.elapsed() >= time,
            Self::Count(count) => issued >= count,
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    // A panic while recording leaves counts that are at worst one short.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate: Option<f64>, limit: Limit) -> Plan {
        Plan {
            clients: 4,
            rate,
            limit,
        }
    }

    #[tokio::test]
    async fn a_count_is_issued_exactly_and_errors_are_kept_apart() {
        for rate in [None, Some(10_000.0)] {
            let tally = drive(plan(rate, Limit::Count(100)), |index| async move {
                if index % 10 == 0 {
                    return Err("tenth".to_owned());
                }
                Ok(Done { bytes: 3 })
            })
            .await;
            assert_eq!(tally.latency.len(), 90);
            assert_eq!(tally.bytes, 270);
            assert_eq!(tally.errors["tenth"], 10);
        }
    }

    #[tokio::test]
    async fn an_open_loop_counts_the_wait_of_those_behind_a_stall() {
        // One at a time, due every millisecond; the first takes a tenth of a second of this machine's time.
        let plan = Plan {
            clients: 1,
            rate: Some(1_000.0),
            limit: Limit::Count(20),
        };
        let tally = drive(plan, |index| async move {
            if index == 0 {
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(Done::default())
        })
        .await;
        // Without the correction nineteen of twenty would be instant.
        let median = tally.latency.value_at_quantile(0.5);
        assert!(median > 50_000, "{median} µs");
    }
}
