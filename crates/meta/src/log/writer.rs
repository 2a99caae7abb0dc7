//! The one thread that writes the logs of all groups of the process.
//!
//! It takes whatever is queued, writes it as one batch, syncs once, and answers all. While it syncs the next batch gathers,
//! so the more there is to do the fewer syncs one entry costs.
//!
//! The write and the sync are two steps: a write that syncs would keep the appliers, which do not, waiting for the disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use cairn_runtime::metrics::Counter;
use openraft::storage::IOFlushed;
use rocksdb::WriteBatch;
use tokio::sync::{mpsc, oneshot};

use super::entry_key;
use super::tail::Tail;
use crate::consensus::{LogId, TypeConfig, Vote};
use crate::database::{AccessError, Database, Row, row_key};
use crate::failure::{FailureCell, one_line};
use crate::service::messages::Stored;
use crate::watermark::{Position, Watermark};

/// Jobs that may wait; an append beyond it waits for its place.
const QUEUE_LEN: usize = 1024;

/// A batch is closed when it has this many bytes.
const BATCH_LEN: usize = 16 * 1024 * 1024;

/// Something to be made durable.
pub(super) enum Job {
    /// Entries, encoded, by index.
    Append {
        group: u16,
        rows: Vec<(u64, Bytes)>,
        tail: Arc<Tail>,
        epoch: u64,
        done: IOFlushed<TypeConfig>,
    },
    /// A vote.
    Vote {
        group: u16,
        vote: Vote,
        done: Completion,
    },
    /// The entries from `log_len` on go.
    Truncate { group: u16, log_len: u64 },
    /// The entries up to `log_id` go.
    Purge {
        group: u16,
        log_id: LogId,
        done: Completion,
    },
}

type Completion = oneshot::Sender<io::Result<()>>;

/// A pair to wait for a job with.
pub(super) fn completion() -> (Completion, oneshot::Receiver<io::Result<()>>) {
    oneshot::channel()
}

/// Waits for a job.
///
/// # Errors
/// That of the job, or that the writer has ended.
pub(super) async fn completed(done: oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    done.await.unwrap_or_else(|_| Err(ended()))
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the writer of the log has ended")
}

/// The way to the writer's queue. When the last one goes, the thread ends.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// What the writer counts.
pub(crate) struct WriterCounters {
    /// Syncs.
    pub(crate) syncs: Counter,
    /// Bytes of entries.
    pub(crate) bytes: Counter,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        database: Arc<Database>,
        watermark: Watermark,
        counters: WriterCounters,
        failure: FailureCell,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, queue) = mpsc::channel(QUEUE_LEN);
        let mut work = Work {
            database,
            watermark,
            counters,
            failure,
            broken: None,
        };
        let thread = std::thread::Builder::new()
            .name("meta-log".to_owned())
            .spawn(move || work.run(queue))?;
        Ok((Self { jobs }, thread))
    }

    /// Queues a job, in order with all others of its group.
    pub(super) async fn send(&self, job: Job) -> io::Result<()> {
        self.jobs.send(job).await.map_err(|_| ended())
    }
}

struct Work {
    database: Arc<Database>,
    watermark: Watermark,
    counters: WriterCounters,
    failure: FailureCell,
    /// Why nothing more is written: after a failed sync nobody knows what is on disk, so it is not tried again.
    broken: Option<String>,
}

impl Work {
    fn run(&mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut len = job_len(&first);
            let mut jobs = vec![first];
            while len < BATCH_LEN
                && let Ok(job) = queue.try_recv()
            {
                len += job_len(&job);
                jobs.push(job);
            }
            if self.broken.is_none()
                && let Err(error) = self.write(&jobs)
            {
                let reason = format!("write the Raft log: {}", one_line(&error));
                self.failure.report(reason.clone());
                self.broken = Some(reason);
            }
            if self.broken.is_none() {
                // All in one step: between a truncation and the append before it a length would be noted that is gone.
                self.watermark
                    .note(|positions| jobs.iter().for_each(|job| note(job, positions)));
            }
            for job in jobs {
                self.answer(job);
            }
        }
        self.watermark.close();
    }

    fn write(&self, jobs: &[Job]) -> Result<(), AccessError> {
        let mut batch = WriteBatch::default();
        for job in jobs {
            self.add(job, &mut batch)?;
        }
        self.database.write(batch)?;
        self.database.sync()?;
        self.counters.syncs.inc();
        Ok(())
    }

    fn add(&self, job: &Job, batch: &mut WriteBatch) -> Result<(), AccessError> {
        let log = self.database.log_family();
        let rows = self.database.default_family();
        match job {
            Job::Append { group, rows, .. } => {
                for (index, row) in rows {
                    self.counters
                        .bytes
                        .inc_by(u64::try_from(row.len()).unwrap_or(u64::MAX));
                    batch.put_cf(&log, entry_key(*group, *index), row);
                }
            }
            Job::Vote { group, vote, .. } => {
                batch.put_cf(&rows, row_key(*group, Row::Vote), vote.to_stored());
            }
            Job::Truncate { group, log_len } => {
                // The shorter length is durable before the entries go, or a crash between would look like damage.
                self.watermark
                    .lower(*group, *log_len)
                    .map_err(AccessError::Watermark)?;
                let (from, to) = (entry_key(*group, *log_len), entry_key(*group, u64::MAX));
                batch.delete_range_cf(&log, from, to);
            }
            Job::Purge { group, log_id, .. } => {
                let (from, to) = (entry_key(*group, 0), entry_key(*group, log_id.index + 1));
                batch.delete_range_cf(&log, from, to);
                batch.put_cf(&rows, row_key(*group, Row::Purged), log_id.to_stored());
            }
        }
        Ok(())
    }

    fn answer(&self, job: Job) {
        let result = || match &self.broken {
            Some(reason) => Err(io::Error::other(reason.clone())),
            None => Ok(()),
        };
        match job {
            Job::Append {
                rows,
                tail,
                epoch,
                done,
                ..
            } => {
                if let (None, Some((last, _))) = (&self.broken, rows.last()) {
                    tail.set_durable(last + 1, epoch);
                }
                done.io_completed(result());
            }
            // Whoever waits may have gone away.
            Job::Vote { done, .. } | Job::Purge { done, .. } => drop(done.send(result())),
            Job::Truncate { .. } => {}
        }
    }
}

/// What a job that is durable changes of what is known to be.
fn note(job: &Job, positions: &mut BTreeMap<u16, Position>) {
    match job {
        Job::Append { group, rows, .. } => {
            if let Some((last, _)) = rows.last() {
                let position = positions.entry(*group).or_default();
                position.log_len = position.log_len.max(last + 1);
            }
        }
        Job::Vote { group, vote, .. } => {
            let leader = vote.leader_id;
            positions.entry(*group).or_default().vote =
                (leader.term, leader.node_id, vote.committed);
        }
        Job::Truncate { group, log_len } => {
            let position = positions.entry(*group).or_default();
            position.log_len = position.log_len.min(*log_len);
        }
        Job::Purge { group, log_id, .. } => {
            let position = positions.entry(*group).or_default();
            position.log_len = position.log_len.max(log_id.index + 1);
        }
    }
}

fn job_len(job: &Job) -> usize {
    match job {
        Job::Append { rows, .. } => rows.iter().map(|(_, row)| row.len()).sum(),
        Job::Vote { .. } | Job::Truncate { .. } | Job::Purge { .. } => 64,
    }
}
