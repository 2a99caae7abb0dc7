//! The Raft log of one group, as openraft asks for it.
//!
//! An append is in memory when it returns, and readable; `writer` makes it durable together with whatever the other groups
//! of the process have to write, and only then says so. What is not durable yet is never let go of in memory, so a reader
//! finds it there; what is older is read from RocksDB.

mod sizes;
mod tail;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use rocksdb::ReadOptions;

use crate::blocking::blocking;
use crate::consensus::{Entry, LogId, TypeConfig, Vote};
use crate::database::{AccessError, Database, Row};
use crate::service::messages::{Stored, entry_len};

use tail::Tail;
use writer::Job;

pub(crate) use sizes::{LogSizes, plan_purge};
pub(crate) use tail::Recovered;
pub(crate) use writer::{Writer, WriterCounters};

/// What one message to a follower or one step of applying takes at most, unless a single entry is larger.
const READ_LEN: usize = 1024 * 1024;

/// The log of a group. Cloning shares it; a clone is a reader.
#[derive(Clone)]
pub(crate) struct GroupLog {
    group: u16,
    tail: Arc<Tail>,
    database: Arc<Database>,
    writer: Writer,
}

/// The key of an entry in the log's column family.
fn entry_key(group: u16, index: u64) -> [u8; 10] {
    let mut key = [0; 10];
    let (prefix, suffix) = key.split_at_mut(2);
    prefix.copy_from_slice(&group.to_be_bytes());
    suffix.copy_from_slice(&index.to_be_bytes());
    key
}

impl GroupLog {
    /// The log as it is on disk.
    ///
    /// # Errors
    /// When it cannot be read or does not decode.
    pub(crate) fn recover(
        group: u16,
        database: Arc<Database>,
        writer: Writer,
    ) -> Result<Self, AccessError> {
        let recovered = Recovered {
            purged: database.row(group, Row::Purged)?,
            vote: database.row(group, Row::Vote)?,
            last: last_entry(&database, group)?.map(|entry| entry.log_id),
        };
        let (from, to) = (entry_key(group, 0), entry_key(group, u64::MAX));
        let len = database.log_len(&from, &to);
        Ok(Self {
            group,
            tail: Arc::new(Tail::new(recovered, len)),
            database,
            writer,
        })
    }

    /// What the log was found to be.
    pub(crate) fn recovered(&self) -> Recovered {
        self.tail.recovered()
    }

    /// How many bytes the log has, and where.
    pub(crate) fn sizes(&self) -> LogSizes {
        self.tail.sizes()
    }

    /// Entries from `start` up to but without `end`, as far as the log has them: all, or with a limit the first ones up to
    /// about that many bytes, but at least one.
    fn read(&self, start: u64, end: u64, limit: Option<usize>) -> io::Result<Vec<Entry>> {
        let (range, recent) = self.tail.slice(start, end);
        let split = recent.first().map_or(range.end, |entry| entry.log_id.index);
        let mut entries = Vec::new();
        let mut left = limit.unwrap_or(usize::MAX);
        if range.start < split {
            blocking(|| self.read_disk(range.start, split, &mut left, &mut entries))?;
        }
        for entry in recent {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(entry_len(&entry));
            entries.push(entry);
        }
        let indexes = entries.iter().map(|entry| entry.log_id.index);
        let is_whole = indexes
            .clone()
            .zip(indexes.skip(1))
            .all(|(a, b)| a + 1 == b);
        if !is_whole {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the log of group {} has a hole in {start}..{end}",
                    self.group
                ),
            ));
        }
        Ok(entries)
    }

    fn read_disk(
        &self,
        start: u64,
        end: u64,
        left: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> io::Result<()> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(entry_key(self.group, end));
        let family = self.database.log_family();
        let mut rows = self.database.rocks().raw_iterator_cf_opt(&family, options);
        rows.seek(entry_key(self.group, start));
        while *left > 0 {
            let Some(value) = rows.value() else { break };
            let entry = decode_entry(self.group, Bytes::copy_from_slice(value))?;
            *left = left.saturating_sub(entry_len(&entry));
            entries.push(entry);
            rows.next();
        }
        rows.status().map_err(AccessError::from)?;
        Ok(())
    }
}

fn last_entry(database: &Database, group: u16) -> Result<Option<Entry>, AccessError> {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(entry_key(group, 0));
    let family = database.log_family();
    let mut rows = database.rocks().raw_iterator_cf_opt(&family, options);
    rows.seek_for_prev(entry_key(group, u64::MAX));
    rows.status()?;
    rows.value()
        .map(|value| decode_entry(group, Bytes::copy_from_slice(value)))
        .transpose()
}

fn decode_entry(group: u16, bytes: Bytes) -> Result<Entry, AccessError> {
    Entry::from_stored(bytes).map_err(|source| AccessError::Entry { group, source })
}

/// The first and the one after the last index of a range.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for GroupLog {
    /// Reads in steps of `READ_LEN`, so that applying a long log after a start does not hold it in memory.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let log = self.clone();
        let steps = futures::stream::unfold(start, move |next| {
            let step = if next < end {
                log.read(next, end, Some(READ_LEN))
            } else {
                Ok(Vec::new())
            };
            std::future::ready(match step {
                Ok(entries) => {
                    let last = entries.last().map(|entry| entry.log_id.index);
                    last.map(|last| (entries.into_iter().map(Ok).collect::<Vec<_>>(), last + 1))
                }
                Err(error) => Some((vec![Err(error)], u64::MAX)),
            })
        });
        futures::StreamExt::flat_map(steps, futures::stream::iter)
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, None)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.tail.vote())
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, Some(READ_LEN))
    }
}

impl RaftLogStorage<TypeConfig> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let Recovered { purged, last, .. } = self.tail.recovered();
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last.max(purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, saved) = writer::completion();
        self.writer
            .send(Job::Vote {
                group: self.group,
                vote: *vote,
                done,
            })
            .await?;
        writer::completed(saved).await?;
        self.tail.set_vote(*vote);
        Ok(())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let rows = entries
            .iter()
            .map(|entry| (entry.log_id.index, entry.to_stored()))
            .collect();
        let epoch = self.tail.append(entries)?;
        self.writer
            .send(Job::Append {
                group: self.group,
                rows,
                tail: Arc::clone(&self.tail),
                epoch,
                done: callback,
            })
            .await
    }

    /// The watermark is lowered before the entries go, both in the order of the writer's queue; later appends stand behind.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let log_len = last_log_id.map_or(0, |last| last.index + 1);
        let last = match last_log_id {
            Some(last) => self.entry_at(last.index)?,
            None => None,
        };
        if self.tail.truncate(log_len, last) {
            self.writer
                .send(Job::Truncate {
                    group: self.group,
                    log_len,
                })
                .await?;
        }
        Ok(())
    }

    /// Durable when it returns, and with it everything written before: so the effects of the purged entries, too.
    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let (done, purged) = writer::completion();
        self.writer
            .send(Job::Purge {
                group: self.group,
                log_id,
                done,
            })
            .await?;
        writer::completed(purged).await?;
        self.tail.purge(log_id);
        Ok(())
    }
}

impl GroupLog {
    fn entry_at(&self, index: u64) -> io::Result<Option<LogId>> {
        let entries = self.read(index, index + 1, None)?;
        Ok(entries.first().map(|entry| entry.log_id))
    }
}

#[cfg(test)]
mod tests;
