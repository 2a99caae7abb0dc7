//! Reading: a version's bytes, a bounded window ahead of whoever takes them.

mod hedges;
mod latency;
mod pin;
mod plan;
mod stripe;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::ObjectVersion;
use tokio::sync::oneshot;

use crate::budget::Held;
use crate::engine::{Engine, Shared};
use crate::error::ReadError;
pub(crate) use hedges::Hedges;
pub(crate) use latency::Latency;
use pin::Pin;
use plan::{Job, Plan, StripeJob};

/// How long a read that has begun waits for memory: its client has the head of the answer already.
const PATIENCE_WITHIN: Duration = Duration::from_mins(1);

/// Bytes of a version, in order. Dropping it stops the reading.
pub struct Download {
    shared: Arc<Shared>,
    plan: Plan,
    use_of: Use,
    /// What was asked for and not taken, in order.
    asked: VecDeque<Asked>,
    asked_bytes: usize,
    /// Of the stripe that was taken last.
    ready: VecDeque<Bytes>,
    len: u64,
    has_begun: bool,
    /// Nothing is given after an error, least of all an end.
    has_failed: bool,
    pin: Option<Pin>,
}

/// Whom the bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A client, who takes them at its own pace: they are read ahead, out of the budget.
    Client,
    /// A write, which took from the budget before it asks: one stripe at a time, and none before it is asked for, so that
    /// the two halves of copies never wait for each other's memory.
    Copy,
}

enum Asked {
    Here(Bytes),
    Stripe {
        answer: oneshot::Receiver<Result<Vec<Bytes>, ReadError>>,
        len: usize,
        waits_for_memory: bool,
    },
}

impl Engine {
    /// Begins to read bytes `range` of a version, whose record is whole (not a head). When this returns, the first of them
    /// are here: what fails at once fails here and not within the body.
    ///
    /// Memory: `read_ahead_bytes` out of the budget, when there is so much, and at least one stripe.
    ///
    /// # Errors
    /// `Superseded`: the version was replaced before the read began; look it up again. Once begun, an overwrite does not cut
    /// the read short.
    pub async fn get(
        &self,
        bucket: &Arc<BucketEntry>,
        version: &ObjectVersion,
        range: Range<u64>,
    ) -> Result<Download, ReadError> {
        let mut download = self.download(bucket, version, range, Use::Client).await?;
        download.ask_ahead();
        if !download.plan.is_over() {
            download.pin = Some(Pin::after_a_while(&download.shared, &download.plan));
        }
        download.await_front().await?;
        Ok(download)
    }

    /// As `get`, for a write of the same bytes: they are read as the write asks for them.
    pub(crate) async fn get_for_copy(
        &self,
        bucket: &Arc<BucketEntry>,
        version: &ObjectVersion,
        range: Range<u64>,
    ) -> Result<Download, ReadError> {
        let mut download = self.download(bucket, version, range, Use::Copy).await?;
        if !download.plan.is_over() {
            download.pin = Some(Pin::after_a_while(&download.shared, &download.plan));
        }
        Ok(download)
    }

    async fn download(
        &self,
        bucket: &Arc<BucketEntry>,
        version: &ObjectVersion,
        range: Range<u64>,
        use_of: Use,
    ) -> Result<Download, ReadError> {
        let plan = Plan::make(&self.shared, bucket, version, range.clone()).await?;
        Ok(Download {
            shared: Arc::clone(&self.shared),
            plan,
            use_of,
            asked: VecDeque::new(),
            asked_bytes: 0,
            ready: VecDeque::new(),
            len: range.end - range.start,
            has_begun: false,
            has_failed: false,
            pin: None,
        })
    }
}

impl Download {
    /// How many bytes it has, taken or not.
    #[expect(clippy::len_without_is_empty, reason = "it is no collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next bytes; `None` when all were taken. Cancel safe.
    ///
    /// # Errors
    /// Where it cannot go on. What was given before is right, but it is not all: the connection is to be cut.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.has_failed {
            return Err(ReadError::Stopping);
        }
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Ok(Some(bytes));
            }
            self.ask_ahead();
            if self.asked.is_empty() {
                // All is here: nothing can be cut short any more.
                self.pin = None;
                return Ok(None);
            }
            self.await_front().await?;
            self.ask_ahead();
        }
    }

    /// Waits for what was asked for first, and makes it ready. Cancel safe.
    async fn await_front(&mut self) -> Result<(), ReadError> {
        let Some(front) = self.asked.front_mut() else {
            return Ok(());
        };
        match front {
            Asked::Here(bytes) => self.ready.push_back(bytes.clone()),
            Asked::Stripe { answer, len, .. } => {
                let answer = answer.await.unwrap_or(Err(ReadError::Stopping));
                self.asked_bytes -= *len;
                match answer {
                    Ok(pieces) => self.ready.extend(pieces),
                    Err(error) => {
                        self.has_failed = true;
                        return Err(error);
                    }
                }
            }
        }
        self.asked.pop_front();
        Ok(())
    }

    /// Asks for stripes until the window is full. Only the first one waits for memory, and while it does nothing is taken for
    /// those behind it: what they held would be missing for it.
    fn ask_ahead(&mut self) {
        let window = match self.use_of {
            Use::Client => self.shared.config.read_ahead_bytes,
            Use::Copy => 0,
        };
        while self.asked.is_empty() || (self.asked_bytes < window && !self.waits_for_memory()) {
            let Some(job) = self.plan.peek() else { return };
            let memory = match (&job, self.use_of) {
                (Job::Here(_), _) | (_, Use::Copy) => Memory::Free,
                (Job::Stripe(stripe), Use::Client) => {
                    match self.shared.budget.common().try_take(stripe.len()) {
                        Some(held) => Memory::Held(held),
                        None if self.asked.is_empty() => Memory::Wait(self.patience()),
                        None => return,
                    }
                }
            };
            self.plan.advance();
            self.has_begun = true;
            let asked = match job {
                Job::Here(bytes) => Asked::Here(bytes),
                Job::Stripe(stripe) => self.ask(stripe, memory),
            };
            self.asked.push_back(asked);
        }
    }

    fn waits_for_memory(&self) -> bool {
        let front = self.asked.front();
        front.is_some_and(|front| {
            matches!(
                front,
                Asked::Stripe {
                    waits_for_memory: true,
                    ..
                }
            )
        })
    }

    fn patience(&self) -> Duration {
        if self.has_begun {
            PATIENCE_WITHIN
        } else {
            self.shared.config.budget_patience
        }
    }

    /// Reads a stripe on a task of its own, which ends when nobody waits for it any more.
    fn ask(&mut self, job: StripeJob, memory: Memory) -> Asked {
        let (mut told, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let len = job.len();
        let waits_for_memory = matches!(memory, Memory::Wait(_));
        self.asked_bytes += len;
        self.shared.tasks.spawn("read stripe", async move {
            let answer = tokio::select! {
                answer = read(&shared, job, memory) => answer,
                () = told.closed() => return,
            };
            // Nobody waits: then the download was dropped.
            let _ = told.send(answer);
        });
        Asked::Stripe {
            answer,
            len,
            waits_for_memory,
        }
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Where the memory for a stripe comes from.
enum Memory {
    /// Somebody else's account.
    Free,
    Held(Held),
    Wait(Duration),
}

/// The wanted bytes of a stripe, in order, which give their memory back as they go.
async fn read(shared: &Shared, job: StripeJob, memory: Memory) -> Result<Vec<Bytes>, ReadError> {
    let held = match memory {
        Memory::Free => None,
        Memory::Held(held) => Some(held),
        Memory::Wait(patience) => Some(shared.budget.common().take(job.len(), patience).await?),
    };
    let pieces = stripe::read(shared, &job).await?;
    let Some(mut held) = held else {
        return Ok(pieces);
    };
    let pieces = job.slices.iter().zip(pieces).map(|(slice, piece)| {
        let part = held.split(slice.frames_len);
        part.around(piece)
    });
    Ok(pieces.collect())
}
