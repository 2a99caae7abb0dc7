//! When a write stops waiting for a shard.
//!
//! A write wants all shards. One that fails, or that is late, is left out, but only while as many as the quorum asks for are
//! there without it. So a slow disk costs a write little, and never its durability.
//!
//! Late is what takes three times as long as the median of its peers. Against a single stall, which every disk has now and
//! then when there is much to sync, a disk is given `ceiling` all the same; one that was late not long ago is given no more
//! than `ceiling`, and `floor` at the least.

use std::time::Duration;

use cairn_runtime::SharedClock;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// How much later than its peers a shard may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Nobody is left out before this.
    pub floor: Duration,
    /// Who was never late before is not left out before this, who was is not waited for any longer.
    pub ceiling: Duration,
    /// With less than a quorum there, the write fails after this.
    pub limit: Duration,
}

impl Default for Patience {
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
    /// the median is known. `is_suspect`: all of the rest were late before.
    fn late_after(
        &self,
        waits: &[Duration],
        expected: usize,
        is_suspect: bool,
    ) -> Option<Duration> {
        let median = waits.get(expected.div_ceil(2).checked_sub(1)?)?;
        let late = *median * 3;
        Some(if is_suspect {
            late.clamp(self.floor, self.ceiling)
        } else {
            late.max(self.ceiling)
        })
    }
}

/// How the shards of a write did.
#[derive(Debug)]
pub(super) struct Gathered<T, E> {
    /// Those that did what was asked.
    pub(super) done: Vec<(u8, T)>,
    /// Those that failed.
    pub(super) failed: Vec<(u8, E)>,
    /// Whether the rest was late; else there is no rest, or it was not waited for because there could be no quorum.
    pub(super) is_rest_late: bool,
}

/// Waits for `pending`, one for each shard, until all are there or the rest is late; `quorum` of them must be there before
/// anybody is late, or the limit is over. What is neither done nor failed in the answer was left out. `suspects`: shards whose disks were
/// late before.
///
/// Returns at once when the quorum cannot be reached any more. Cancel safe: `pending` is dropped with it.
pub(super) async fn gather<T, E, F>(
    mut pending: FuturesUnordered<F>,
    quorum: usize,
    suspects: &[u8],
    patience: &Patience,
    clock: &SharedClock,
) -> Gathered<T, E>
where
    F: Future<Output = (u8, Result<T, E>)>,
{
    let start = clock.monotonic();
    let elapsed = || clock.monotonic().saturating_sub(start);
    let mut arrivals = Arrivals {
        expected: pending.len(),
        suspects: suspects.to_vec(),
        quorum,
        patience: *patience,
        failed: 0,
        waits: Vec::with_capacity(pending.len()),
    };
    let mut gathered = Gathered {
        done: Vec::with_capacity(pending.len()),
        failed: Vec::new(),
        is_rest_late: false,
    };
    while let Some(until) = arrivals.wait_until() {
        let left = until.saturating_sub(elapsed());
        match tokio::time::timeout(left, pending.next()).await {
            Ok(Some((shard, Ok(value)))) => {
                arrivals.done(shard, elapsed());
                gathered.done.push((shard, value));
            }
            Ok(Some((shard, Err(error)))) => {
                arrivals.failed(shard);
                gathered.failed.push((shard, error));
            }
            Ok(None) => break,
            Err(_) => {
                gathered.is_rest_late = true;
                break;
            }
        }
    }
    gathered
}

/// Who is there and who is not; without a clock.
struct Arrivals {
    expected: usize,
    /// Shards that are not there, and whose disks were late before.
    suspects: Vec<u8>,
    quorum: usize,
    patience: Patience,
    failed: usize,
    /// When those that are there came, ascending.
    waits: Vec<Duration>,
}

impl Arrivals {
    fn done(&mut self, shard: u8, after: Duration) {
        self.suspects.retain(|suspect| *suspect != shard);
        self.waits.push(after);
    }

    fn failed(&mut self, shard: u8) {
        self.suspects.retain(|suspect| *suspect != shard);
        self.failed += 1;
    }

    /// How long after the start to wait for the next; `None` when nobody is missing, or there can be no quorum.
    fn wait_until(&self) -> Option<Duration> {
        let may_come = self.expected - self.failed;
        let missing = may_come - self.waits.len();
        if missing == 0 || may_come < self.quorum {
            return None;
        }
        if self.waits.len() < self.quorum {
            return Some(self.patience.limit);
        }
        let is_suspect = self.suspects.len() == missing;
        let late = self
            .patience
            .late_after(&self.waits, self.expected, is_suspect);
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
        // Times in milliseconds: arrived, expected, the limit for suspects, the limit for others.
        type Case = (&'static [u64], usize, Option<u64>, Option<u64>);
        let cases: &[Case] = &[
            (&[], 6, None, None),
            (&[1, 1], 6, None, None),
            (&[1, 1, 1], 6, Some(250), Some(2000)),
            (&[100, 150, 200], 6, Some(600), Some(2000)),
            (&[100, 150, 200, 900, 900], 6, Some(600), Some(2000)),
            (&[500, 800, 1000], 6, Some(2000), Some(3000)),
            (&[100], 2, Some(300), Some(2000)),
            (&[100], 3, None, None),
            (&[100, 200], 3, Some(600), Some(2000)),
            (&[100], 1, Some(300), Some(2000)),
        ];
        for (waits, expected, suspects, others) in cases {
            let limit = |is_suspect| PATIENCE.late_after(&millis(waits), *expected, is_suspect);
            let case = format!("{waits:?} of {expected}");
            assert_eq!(limit(true), suspects.map(Duration::from_millis), "{case}");
            assert_eq!(limit(false), others.map(Duration::from_millis), "{case}");
        }
    }

    /// Shards that are there, or fail, after these milliseconds. Answers how many were taken and when the waiting ended.
    fn run(quorum: usize, suspects: &[u8], shards: &[(u64, bool)]) -> (usize, u64) {
        let mut arrivals = Arrivals {
            expected: shards.len(),
            suspects: suspects.to_vec(),
            quorum,
            patience: PATIENCE,
            failed: 0,
            waits: Vec::new(),
        };
        let mut coming: Vec<_> = (0..).zip(shards).collect();
        coming.sort_unstable_by_key(|(_, (after, _))| *after);
        let mut now = Duration::ZERO;
        for (shard, (after, is_ok)) in coming {
            let Some(until) = arrivals.wait_until() else {
                break;
            };
            let after = Duration::from_millis(*after);
            if after > until {
                now = now.max(until);
                break;
            }
            now = after;
            if *is_ok {
                arrivals.done(shard, after);
            } else {
                arrivals.failed(shard);
            }
        }
        (
            arrivals.waits.len(),
            u64::try_from(now.as_millis()).unwrap(),
        )
    }

    #[test]
    fn all_are_waited_for_while_none_is_late() {
        let shards = [5, 10, 20, 30, 40, 1900].map(|after| (after, true));
        assert_eq!(run(5, &[], &shards), (6, 1900));
        assert_eq!(run(5, &[0, 1], &shards), (6, 1900));
    }

    #[test]
    fn a_late_shard_is_left_out_once_a_quorum_is_there() {
        let shards = [5, 10, 20_000, 30, 40, 50].map(|after| (after, true));
        assert_eq!(run(5, &[], &shards), (5, 2000));
        assert_eq!(run(5, &[2, 3], &shards), (5, 250));
        let slow = [500, 800, 900, 1900, 20_000, 1000].map(|after| (after, true));
        assert_eq!(run(5, &[], &slow), (5, 2700));
        assert_eq!(run(5, &[4], &slow), (5, 2000));
    }

    #[test]
    fn late_shards_are_waited_for_while_the_quorum_needs_them() {
        let shards = [5, 10, 4000, 30, 40, 9000].map(|after| (after, true));
        assert_eq!(run(5, &[2, 5], &shards), (5, 4000));
    }

    #[test]
    fn failures_end_it_as_soon_as_there_can_be_no_quorum() {
        let shards = [(5, true), (10, false), (20, false), (9000, true)];
        assert_eq!(run(3, &[], &shards), (1, 20));
        let enough = [(5, true), (10, false), (20, true), (30, true)];
        assert_eq!(run(3, &[], &enough), (3, 30));
    }

    #[test]
    fn a_write_without_quorum_ends_at_the_limit() {
        assert_eq!(run(2, &[0, 1], &[(5, true), (90_000, true)]), (1, 30_000));
        assert_eq!(run(1, &[0], &[(90_000, true)]), (0, 30_000));
    }

    #[tokio::test]
    async fn who_keeps_a_quorum_from_being_there_is_late_and_who_cannot_help_is_not() {
        let clock = cairn_runtime::SystemClock::shared();
        let patience = Patience {
            limit: Duration::from_millis(1),
            ..PATIENCE
        };
        let gathered = |quorum| {
            let pending: FuturesUnordered<_> = (0..3)
                .map(|shard| async move {
                    match shard {
                        0 => (shard, Err::<(), _>("no")),
                        _ => std::future::pending().await,
                    }
                })
                .collect();
            gather(pending, quorum, &[], &patience, &clock)
        };
        assert!(gathered(2).await.is_rest_late);
        assert!(!gathered(3).await.is_rest_late);
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
            ceiling: Duration::from_millis(1),
            ..PATIENCE
        };
        let clock = cairn_runtime::SystemClock::shared();
        let mut gathered = gather(pending, 2, &[], &patience, &clock).await;
        gathered.done.sort_unstable();
        assert_eq!(gathered.done, [(0, ()), (3, ())]);
        assert_eq!(gathered.failed, [(1, "no")]);
        assert!(gathered.is_rest_late);
    }
}
