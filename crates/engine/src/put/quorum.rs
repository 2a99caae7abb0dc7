//! When a write stops waiting for a shard.
//!
//! A write wants all shards. One that fails, or that is later than three times its peers' median (at least `floor`, at most
//! `ceiling` after the start), is left out, but only while as many as the quorum asks for are there without it. So one slow
//! disk costs a write little, and never its durability.

use std::time::Duration;

use cairn_runtime::SharedClock;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// How much later than its peers a shard may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Nobody is left out before this.
    pub floor: Duration,
    /// Whoever is there only after this is left out, however slow the peers were, once a quorum is there.
    pub ceiling: Duration,
    /// With less than a quorum there, the write fails after this.
    pub limit: Duration,
}

impl Default for Patience {
    /// The floor is above what a sync on a busy disk takes, so that a write on a healthy cluster leaves nobody out.
    fn default() -> Self {
        Self {
            floor: Duration::from_millis(250),
            ceiling: Duration::from_secs(2),
            limit: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// How long after the start to wait for the rest, when `waits` (ascending) have arrived out of `expected`; `None` before
    /// the median is known.
    fn late_after(&self, waits: &[Duration], expected: usize) -> Option<Duration> {
        let median = waits.get(expected.div_ceil(2).checked_sub(1)?)?;
        Some((*median * 3).clamp(self.floor, self.ceiling))
    }
}

/// How the shards of a write did.
#[derive(Debug)]
pub(super) struct Gathered<T, E> {
    /// Those that did what was asked.
    pub(super) done: Vec<(u8, T)>,
    /// Those that failed.
    pub(super) failed: Vec<(u8, E)>,
}

/// Waits for `pending`, one for each shard, until all are there or the rest is late; `quorum` of them must be there before
/// anybody is late. What is neither done nor failed in the answer was left out as late.
///
/// Returns at once when the quorum cannot be reached any more. Cancel safe: `pending` is dropped with it.
pub(super) async fn gather<T, E, F>(
    mut pending: FuturesUnordered<F>,
    quorum: usize,
    patience: &Patience,
    clock: &SharedClock,
) -> Gathered<T, E>
where
    F: Future<Output = (u8, Result<T, E>)>,
{
    let start = clock.monotonic();
    let elapsed = || clock.monotonic().saturating_sub(start);
    let mut arrivals = Arrivals::new(pending.len(), quorum, *patience);
    let mut gathered = Gathered {
        done: Vec::with_capacity(pending.len()),
        failed: Vec::new(),
    };
    while let Some(until) = arrivals.wait_until() {
        let left = until.saturating_sub(elapsed());
        match tokio::time::timeout(left, pending.next()).await {
            Ok(Some((shard, Ok(value)))) => {
                arrivals.done(elapsed());
                gathered.done.push((shard, value));
            }
            Ok(Some((shard, Err(error)))) => {
                arrivals.failed();
                gathered.failed.push((shard, error));
            }
            Ok(None) | Err(_) => break,
        }
    }
    gathered
}

/// Who is there and who is not; without a clock.
struct Arrivals {
    expected: usize,
    quorum: usize,
    patience: Patience,
    failed: usize,
    /// When those that are there came, ascending.
    waits: Vec<Duration>,
}

impl Arrivals {
    fn new(expected: usize, quorum: usize, patience: Patience) -> Self {
        Self {
            expected,
            quorum,
            patience,
            failed: 0,
            waits: Vec::with_capacity(expected),
        }
    }

    fn done(&mut self, after: Duration) {
        self.waits.push(after);
    }

    fn failed(&mut self) {
        self.failed += 1;
    }

    /// How long after the start to wait for the next; `None` when nobody is missing, or there can be no quorum.
    fn wait_until(&self) -> Option<Duration> {
        let may_come = self.expected - self.failed;
        if self.waits.len() == may_come || may_come < self.quorum {
            return None;
        }
        if self.waits.len() < self.quorum {
            return Some(self.patience.limit);
        }
        let late = self.patience.late_after(&self.waits, self.expected);
        Some(late.unwrap_or(self.patience.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        floor: Duration::from_millis(250),
        ceiling: Duration::from_secs(2),
        limit: Duration::from_secs(30),
    };

    fn millis(millis: &[u64]) -> Vec<Duration> {
        millis.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn the_limit_is_three_times_the_median_within_bounds() {
        let cases: &[(&[u64], usize, Option<u64>)] = &[
            (&[], 6, None),
            (&[1, 1], 6, None),
            (&[1, 1, 1], 6, Some(250)),
            (&[100, 150, 200], 6, Some(600)),
            (&[100, 150, 200, 900, 900], 6, Some(600)),
            (&[500, 800, 1000], 6, Some(2000)),
            (&[100], 2, Some(300)),
            (&[100], 3, None),
            (&[100, 200], 3, Some(600)),
            (&[100], 1, Some(300)),
        ];
        for (waits, expected, limit) in cases {
            assert_eq!(
                PATIENCE.late_after(&millis(waits), *expected),
                limit.map(Duration::from_millis),
                "{waits:?} of {expected}"
            );
        }
    }

    /// Shards that are there, or fail, after these milliseconds. Answers how many were taken and when the waiting ended.
    fn run(quorum: usize, shards: &[(u64, bool)]) -> (usize, u64) {
        let mut arrivals = Arrivals::new(shards.len(), quorum, PATIENCE);
        let mut coming = shards.to_vec();
        coming.sort_unstable();
        let mut now = Duration::ZERO;
        for (after, is_ok) in coming {
            let Some(until) = arrivals.wait_until() else {
                break;
            };
            let after = Duration::from_millis(after);
            if after > until {
                now = now.max(until);
                break;
            }
            now = after;
            if is_ok {
                arrivals.done(after);
            } else {
                arrivals.failed();
            }
        }
        (
            arrivals.waits.len(),
            u64::try_from(now.as_millis()).unwrap(),
        )
    }

    #[test]
    fn all_are_waited_for_while_none_is_late() {
        let shards = [5, 10, 20, 30, 40, 240].map(|after| (after, true));
        assert_eq!(run(5, &shards), (6, 240));
    }

    #[test]
    fn a_late_shard_is_left_out_once_a_quorum_is_there() {
        let shards = [5, 10, 20_000, 30, 40, 50].map(|after| (after, true));
        assert_eq!(run(5, &shards), (5, 250));
        let slow = [500, 600, 700, 1900, 20_000, 1000].map(|after| (after, true));
        assert_eq!(run(5, &slow), (5, 2000));
    }

    #[test]
    fn late_shards_are_waited_for_while_the_quorum_needs_them() {
        let shards = [5, 10, 4000, 30, 40, 9000].map(|after| (after, true));
        assert_eq!(run(5, &shards), (5, 4000));
    }

    #[test]
    fn failures_end_it_as_soon_as_there_can_be_no_quorum() {
        let shards = [(5, true), (10, false), (20, false), (9000, true)];
        assert_eq!(run(3, &shards), (1, 20));
        let enough = [(5, true), (10, false), (20, true), (30, true)];
        assert_eq!(run(3, &enough), (3, 30));
    }

    #[test]
    fn a_write_without_quorum_ends_at_the_limit() {
        assert_eq!(run(2, &[(5, true), (90_000, true)]), (1, 30_000));
        assert_eq!(run(1, &[(90_000, true)]), (0, 30_000));
    }

    #[tokio::test]
    async fn whoever_is_late_is_neither_done_nor_failed() {
        let pending: FuturesUnordered<_> = (0..4)
            .map(|shard| async move {
                match shard {
                    1 => (shard, Err("no")),
                    2 => std::future::pending().await,
                    _ => (shard, Ok(())),
                }
            })
            .collect();
        let patience = Patience {
            floor: Duration::from_millis(1),
            ..PATIENCE
        };
        let clock = cairn_runtime::SystemClock::shared();
        let mut gathered = gather(pending, 2, &patience, &clock).await;
        gathered.done.sort_unstable();
        assert_eq!(gathered.done, [(0, ()), (3, ())]);
        assert_eq!(gathered.failed, [(1, "no")]);
    }
}
