//! What a group's log has in memory: its ends, its vote, and its newest entries.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sizes::LogSizes;
use crate::consensus::{Entry, LogId, Vote};
use crate::service::messages::entry_len;

/// Entries that are durable are let go of beyond this many bytes: the newest are asked for at once, to be applied and sent.
const RECENT_LEN: usize = 1024 * 1024;

/// The ends of a log and its vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Recovered {
    /// The last purged entry.
    pub(crate) purged: Option<LogId>,
    /// The last entry that is there.
    pub(crate) last: Option<LogId>,
    /// The vote.
    pub(crate) vote: Option<Vote>,
}

impl Recovered {
    /// The index after the last entry, there or purged.
    pub(crate) fn log_len(&self) -> u64 {
        self.last.max(self.purged).map_or(0, |last| last.index + 1)
    }
}

/// A log's end in memory.
#[derive(Debug)]
pub(crate) struct Tail {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ends: Recovered,
    /// The newest entries without a hole, up to `ends.last`. All that are not durable are among them.
    recent: VecDeque<Entry>,
    recent_len: usize,
    /// Entries below it are durable.
    durable_len: u64,
    sizes: LogSizes,
    /// Counts truncations: what was written before one says nothing of the entries after it.
    epoch: u64,
}

impl Tail {
    /// A log as found on disk, with about `len` bytes.
    pub(crate) fn new(ends: Recovered, len: u64) -> Self {
        let first = ends.purged.map_or(0, |purged| purged.index + 1);
        Self {
            state: Mutex::new(State {
                ends,
                recent: VecDeque::new(),
                recent_len: 0,
                durable_len: ends.log_len(),
                sizes: LogSizes::found(first..ends.log_len(), len),
                epoch: 0,
            }),
        }
    }

    /// Its ends and its vote.
    pub(crate) fn recovered(&self) -> Recovered {
        self.state().ends
    }

    /// How many bytes it has, and where.
    pub(crate) fn sizes(&self) -> LogSizes {
        self.state().sizes.clone()
    }

    /// The vote.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.state().ends.vote
    }

    /// Takes note of a durable vote.
    pub(crate) fn set_vote(&self, vote: Vote) {
        self.state().ends.vote = Some(vote);
    }

    /// The part of `start..end` that the log has, and those of its entries that are in memory: a run up to its end.
    pub(crate) fn slice(&self, start: u64, end: u64) -> (Range<u64>, Vec<Entry>) {
        let state = self.state();
        let first = state.ends.purged.map_or(0, |purged| purged.index + 1);
        let start = start.max(first);
        let end = end.min(state.ends.log_len());
        if start >= end {
            return (start..start, Vec::new());
        }
        let recent = state
            .recent
            .iter()
            .skip_while(|entry| entry.log_id.index < start)
            .take_while(|entry| entry.log_id.index < end)
            .cloned()
            .collect();
        (start..end, recent)
    }

    /// Adds entries to the end; gives the epoch that `set_durable` is to be told.
    ///
    /// # Errors
    /// When they do not continue the log.
    pub(crate) fn append(&self, entries: Vec<Entry>) -> io::Result<u64> {
        let mut state = self.state();
        for entry in entries {
            let expected = state.ends.log_len();
            let index = entry.log_id.index;
            // The very first entry of a log may have any index.
            if index != expected && expected != 0 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("entry {index} does not continue a log of length {expected}"),
                ));
            }
            state.ends.last = Some(entry.log_id);
            let len = entry_len(&entry);
            let index = entry.log_id.index;
            state
                .sizes
                .append(index, u64::try_from(len).unwrap_or(u64::MAX));
            state.recent_len += len;
            state.recent.push_back(entry);
        }
        Ok(state.epoch)
    }

    /// Takes note that entries below `log_len` are durable, unless the log was truncated since `epoch`.
    pub(crate) fn set_durable(&self, log_len: u64, epoch: u64) {
        let mut state = self.state();
        if epoch == state.epoch {
            state.durable_len = state.durable_len.max(log_len);
            state.shrink();
        }
    }

    /// Cuts the log to `log_len`, of which `last` is the last entry; whether there was something to cut.
    pub(crate) fn truncate(&self, log_len: u64, last: Option<LogId>) -> bool {
        let mut state = self.state();
        if log_len >= state.ends.log_len() {
            return false;
        }
        while state
            .recent
            .back()
            .is_some_and(|entry| entry.log_id.index >= log_len)
        {
            let cut = state.recent.pop_back();
            state.recent_len -= cut.as_ref().map_or(0, entry_len);
        }
        state.ends.last = last;
        state.sizes.truncate(log_len);
        state.durable_len = state.durable_len.min(log_len);
        state.epoch += 1;
        true
    }

    /// Takes note of a durable purge.
    pub(crate) fn purge(&self, log_id: LogId) {
        let mut state = self.state();
        while state
            .recent
            .front()
            .is_some_and(|entry| entry.log_id.index <= log_id.index)
        {
            let gone = state.recent.pop_front();
            state.recent_len -= gone.as_ref().map_or(0, entry_len);
        }
        state.ends.purged = state.ends.purged.max(Some(log_id));
        state.sizes.purge(log_id.index + 1);
        state.ends.last = state.ends.last.max(Some(log_id));
        state.durable_len = state.durable_len.max(log_id.index + 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn shrink(&mut self) {
        while self.recent_len > RECENT_LEN
            && self
                .recent
                .front()
                .is_some_and(|entry| entry.log_id.index < self.durable_len)
        {
            let gone = self.recent.pop_front();
            self.recent_len -= gone.as_ref().map_or(0, entry_len);
        }
    }
}
