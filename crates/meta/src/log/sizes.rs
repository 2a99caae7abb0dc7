//! How many bytes of a log are where: what is kept of it is limited by bytes, and only whole segments go.

use std::collections::VecDeque;
use std::ops::Range;

/// A segment is closed when it has this many bytes.
const SEGMENT_LEN: u64 = 1024 * 1024;

/// Into so many segments of the same length a log is taken to fall that was found on disk.
const FOUND_SEGMENTS: u64 = 32;

/// The bytes of a log, oldest first. Exact for what was appended here, an estimate for what was found on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogSizes {
    segments: VecDeque<Segment>,
    total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    indexes: Range<u64>,
    len: u64,
}

impl LogSizes {
    /// A log that was found to have about `len` bytes.
    pub(super) fn found(indexes: Range<u64>, len: u64) -> Self {
        let count = indexes.end.saturating_sub(indexes.start);
        let parts = FOUND_SEGMENTS.min(count);
        let at = |part: u64| indexes.start + count / parts * part + (count % parts).min(part);
        let segments: VecDeque<Segment> = (0..parts)
            .map(|part| Segment {
                indexes: at(part)..at(part + 1),
                len: len / parts,
            })
            .collect();
        let total = segments.iter().map(|segment| segment.len).sum();
        Self { segments, total }
    }

    /// All bytes.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Takes away the oldest segment, and gives the last index in it. The last segment is never taken: it is still growing.
    pub(crate) fn take_oldest(&mut self) -> Option<u64> {
        if self.segments.len() < 2 {
            return None;
        }
        let oldest = self.segments.pop_front()?;
        self.total -= oldest.len;
        oldest.indexes.end.checked_sub(1)
    }

    /// An entry of `len` bytes was appended.
    pub(super) fn append(&mut self, index: u64, len: u64) {
        self.total += len;
        match self.segments.back_mut() {
            Some(last) if last.len < SEGMENT_LEN => {
                last.indexes.end = index + 1;
                last.len += len;
            }
            _ => self.segments.push_back(Segment {
                indexes: index..index + 1,
                len,
            }),
        }
    }

    /// The entries from `log_len` on went.
    pub(super) fn truncate(&mut self, log_len: u64) {
        self.cut(0..log_len);
    }

    /// The entries below `first` went.
    pub(super) fn purge(&mut self, first: u64) {
        self.cut(first..u64::MAX);
    }

    /// Keeps what is in a range. A segment that is cut loses bytes as if its entries had the same length.
    fn cut(&mut self, kept: Range<u64>) {
        for segment in &mut self.segments {
            let Range { start, end } = segment.indexes.clone();
            let (first, last) = (start.max(kept.start), end.min(kept.end));
            let (count, left) = (end - start, last.saturating_sub(first));
            segment.len = segment.len / count.max(1) * left
                + segment.len % count.max(1) * left / count.max(1);
            segment.indexes = first.min(last)..last;
        }
        self.segments.retain(|segment| !segment.indexes.is_empty());
        self.total = self.segments.iter().map(|segment| segment.len).sum();
    }
}

/// Up to which index each of several logs goes, so that all together keep about `budget` bytes: always the oldest segment of
/// the longest one.
pub(crate) fn plan_purge(logs: &mut [LogSizes], budget: u64) -> Vec<Option<u64>> {
    let mut upto = vec![None; logs.len()];
    let mut total: u64 = logs.iter().map(LogSizes::total).sum();
    while total > budget {
        let longest = logs
            .iter_mut()
            .zip(&mut upto)
            .filter(|(log, _)| log.segments.len() > 1)
            .max_by_key(|(log, _)| log.total);
        let Some((log, upto)) = longest else { break };
        let before = log.total;
        *upto = log.take_oldest();
        total -= before - log.total;
    }
    upto
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: Range<u64>, len: u64) -> LogSizes {
        let mut sizes = LogSizes::default();
        for index in entries {
            sizes.append(index, len);
        }
        sizes
    }

    #[test]
    fn bytes_are_counted_as_entries_come_and_go() {
        let mut sizes = log(5..105, 300_000);
        assert_eq!(sizes.total(), 30_000_000);
        sizes.truncate(55);
        assert_eq!(sizes.total(), 15_000_000);
        sizes.append(55, 7);
        assert_eq!(sizes.total(), 15_000_007);
        sizes.purge(30);
        assert_eq!(sizes.total(), 26 * 300_000 - 300_000 + 7);
        sizes.purge(1_000);
        assert_eq!(sizes, LogSizes::default());
        sizes.append(1_000, 9);
        assert_eq!((sizes.total(), sizes.take_oldest()), (9, None));
    }

    #[test]
    fn what_was_found_goes_in_parts() {
        let mut sizes = LogSizes::found(10..75, 6_400);
        assert_eq!(sizes.total(), 6_400);
        assert_eq!(sizes.take_oldest(), Some(12), "three of 65");
        assert_eq!(sizes.total(), 6_200);
        assert_eq!(LogSizes::found(7..7, 100), LogSizes::default());
        assert_eq!(LogSizes::found(7..8, 100).total(), 100);
    }

    #[test]
    fn the_oldest_of_the_longest_goes_first() {
        let mut logs = [log(0..100, 300_000), log(50..60, 300_000)];
        let upto = plan_purge(&mut logs, 20_000_000);
        let (long, short) = (upto[0].unwrap(), upto[1]);
        assert!((30..=45).contains(&long), "{long}");
        assert_eq!(short, None);
        assert_eq!(plan_purge(&mut logs, u64::MAX), [None, None]);
        let all = plan_purge(&mut logs, 0);
        assert!(all[0].unwrap() < 99 && all[1].unwrap() < 59, "{all:?}");
    }
}
