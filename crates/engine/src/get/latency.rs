//! How long cells take to read, so that one that takes longer is asked for elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reads that are remembered.
const WINDOW: usize = 256;

/// Reads after which the percentile is computed anew.
const STEP: usize = 32;

/// The last reads.
pub(crate) struct Latency {
    floor: Duration,
    ceiling: Duration,
    recent: Mutex<Recent>,
    /// Microseconds.
    hedge_after: AtomicU64,
}

#[derive(Default)]
struct Recent {
    /// Microseconds; the oldest is at `next` once it is full.
    reads: Vec<u64>,
    next: usize,
    since_computed: usize,
}

impl Latency {
    /// Nothing was read yet: hedge at the ceiling.
    pub(crate) fn new((floor, ceiling): (Duration, Duration)) -> Self {
        Self {
            floor,
            ceiling,
            recent: Mutex::default(),
            hedge_after: AtomicU64::new(micros(ceiling)),
        }
    }

    /// Takes in one read.
    pub(crate) fn record(&self, took: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.next;
        match recent.reads.get_mut(at) {
            Some(oldest) => *oldest = micros(took),
            None => recent.reads.push(micros(took)),
        }
        recent.next = (at + 1) % WINDOW;
        recent.since_computed += 1;
        if recent.since_computed < STEP {
            return;
        }
        recent.since_computed = 0;
        let mut sorted = recent.reads.clone();
        drop(recent);
        let at = sorted.len() * 95 / 100;
        let (_, percentile, _) = sorted.select_nth_unstable(at);
        let bounded = (*percentile).clamp(micros(self.floor), micros(self.ceiling));
        self.hedge_after.store(bounded, Ordering::Relaxed);
    }

    /// When to ask elsewhere: the 95th percentile of recent reads, within the bounds.
    pub(crate) fn hedge_after(&self) -> Duration {
        Duration::from_micros(self.hedge_after.load(Ordering::Relaxed))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_95th_percentile_of_recent_reads_is_used_within_its_bounds() {
        let latency = Latency::new((MS(10), MS(500)));
        assert_eq!(latency.hedge_after(), MS(500));
        for _ in 0..STEP {
            latency.record(MS(1));
        }
        assert_eq!(latency.hedge_after(), MS(10));
        for read in 0..WINDOW as u64 {
            latency.record(MS(read));
        }
        assert_eq!(latency.hedge_after(), MS(243));
        for _ in 0..WINDOW {
            latency.record(MS(10_000));
        }
        assert_eq!(latency.hedge_after(), MS(500));
    }
}
