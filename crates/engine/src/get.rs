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
use cairn_erasure::FRAME_LEN;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Extent, ObjectVersion};
use tokio::sync::oneshot;

use crate::budget::{Got, Held};
use crate::engine::{Engine, Shared};
use crate::error::ReadError;
pub(crate) use hedges::Hedges;
pub(crate) use latency::Latency;
use pin::Pin;
use plan::{Cut, Job, Plan, StripeJob};

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
    /// Whether there was only memory for a frame the last time.
    is_crowded: bool,
    /// What a copy has for what it reads at a time.
    of_copy: Option<Held>,
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
    /// A write of the same bytes: nothing is read before it is asked for, and no more at a time than `prepare` took memory
    /// for.
    Copy,
}

enum Asked {
    Here(Bytes),
    Stripe {
        answer: oneshot::Receiver<Result<Vec<Bytes>, ReadError>>,
        len: usize,
    },
}

impl Engine {
    /// Begins to read bytes `range` of a version, whose record is whole (not a head). When this returns, the first of them
    /// are here: what fails at once fails here and not within the body.
    ///
    /// Memory: `read_ahead_bytes` and a stripe out of the budget while there is plenty; when it is short a cell, or a frame. It
    /// comes back as the bytes given are dropped, so whoever passes them on sees to it that this is not put off for ever.
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
        let plan = Plan::make(&self.shared, bucket, version, range.clone()).await?;
        let mut download = self.download(plan, range, Use::Client);
        download.ask_front().await?;
        download.ask_ahead();
        if !download.plan.is_over() {
            download.pin();
        }
        download.await_front().await?;
        Ok(download)
    }

    /// As `get`, for a write of the same bytes: they are read as the write asks for them, in the memory that `prepare` takes.
    pub(crate) async fn get_for_copy(
        &self,
        bucket: &Arc<BucketEntry>,
        version: &ObjectVersion,
        range: Range<u64>,
    ) -> Result<Download, ReadError> {
        let plan = Plan::make(&self.shared, bucket, version, range.clone()).await?;
        let mut download = self.download(plan, range, Use::Copy);
        if !download.plan.is_over() {
            download.pin();
        }
        Ok(download)
    }

    /// As `get_for_copy`, of blobs that nothing refers to yet. They are not pinned: whoever wrote them keeps them meanwhile.
    pub(crate) async fn get_staged(
        &self,
        extents: &[Extent],
        len: u64,
    ) -> Result<Download, ReadError> {
        let plan = Plan::of_extents(&self.shared, extents, len).await?;
        Ok(self.download(plan, 0..len, Use::Copy))
    }

    fn download(&self, plan: Plan, range: Range<u64>, use_of: Use) -> Download {
        Download {
            shared: Arc::clone(&self.shared),
            plan,
            use_of,
            asked: VecDeque::new(),
            asked_bytes: 0,
            is_crowded: false,
            of_copy: None,
            ready: VecDeque::new(),
            len: range.end - range.start,
            has_begun: false,
            has_failed: false,
            pin: None,
        }
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
            self.ask_front().await?;
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

    /// For a copy: takes memory for what `next` reads. To be called before memory for the write is taken: then `next` waits for
    /// none while that is held.
    ///
    /// # Errors
    /// When nothing was given back in time.
    pub(crate) async fn prepare(&mut self, patience: Duration) -> Result<(), ReadError> {
        if !self.asked.is_empty() || !self.ready.is_empty() {
            return Ok(());
        }
        // The next copy's turn, where there are many.
        self.of_copy = None;
        let at_least = |len: usize| len.max(FRAME_LEN);
        let copies = self.shared.budget.copies();
        self.of_copy = copies.try_take(at_least(self.len_of(Cut::Stripe)));
        if self.of_copy.is_none() {
            let bytes = at_least(self.len_of(Cut::Cell));
            self.of_copy = Some(copies.take(bytes, patience).await?);
        }
        Ok(())
    }

    /// Asks for what comes next, if nothing is asked for. Waits for memory: a whole stripe's where there is plenty, else a
    /// cell's or a frame's. Cancel safe.
    async fn ask_front(&mut self) -> Result<(), ReadError> {
        if !self.asked.is_empty() {
            return Ok(());
        }
        let (cut, held) = match (self.plan.peek(Cut::Stripe), self.use_of) {
            (None, _) => return Ok(()),
            (Some(Job::Here(_)), _) => (Cut::Stripe, None),
            (Some(Job::Stripe(_)), Use::Copy) => (self.cut_of_copy(), None),
            (Some(Job::Stripe(stripe)), Use::Client) => {
                let taken = self.take_for_front(stripe.len()).await;
                self.has_failed = taken.is_err();
                let (cut, held) = taken?;
                (cut, Some(held))
            }
        };
        if let Some(job) = self.plan.peek(cut) {
            self.ask(job, held);
        }
        Ok(())
    }

    async fn take_for_front(&mut self, stripe_len: usize) -> Result<(Cut, Held), ReadError> {
        if let Some(held) = self.shared.budget.reads().try_take(stripe_len) {
            self.is_crowded = false;
            return Ok((Cut::Stripe, held));
        }
        // It may wait for long.
        self.pin();
        let lens = (self.len_of(Cut::Cell), self.len_of(Cut::Frame));
        let reads = self.shared.budget.reads();
        let taking = reads.take(lens, self.patience(), self.is_crowded);
        let (held, got) = taking.await?;
        self.is_crowded = got == Got::Frame;
        let cut = match got {
            Got::Cell => Cut::Cell,
            Got::Frame => Cut::Frame,
        };
        Ok((cut, held))
    }

    /// As much as a copy has memory for.
    fn cut_of_copy(&self) -> Cut {
        let has = self.of_copy.as_ref().map_or(0, Held::len_bytes);
        let cuts = [Cut::Stripe, Cut::Cell];
        let mut fitting = cuts.into_iter().filter(|cut| self.len_of(*cut) <= has);
        fitting.next().unwrap_or(Cut::Frame)
    }

    /// Asks for stripes until the window is full, as long as there is plenty of memory.
    fn ask_ahead(&mut self) {
        if self.use_of == Use::Copy {
            return;
        }
        while self.asked_bytes < self.shared.config.read_ahead_bytes {
            let held = match self.plan.peek(Cut::Stripe) {
                None => return,
                Some(Job::Here(_)) => None,
                Some(Job::Stripe(stripe)) => {
                    let held = self.shared.budget.reads().try_take(stripe.len());
                    if held.is_none() {
                        return;
                    }
                    held
                }
            };
            if let Some(job) = self.plan.peek(Cut::Stripe) {
                self.ask(job, held);
            }
        }
    }

    /// Bytes that are read of the next stripe at once; 0 when it is none.
    fn len_of(&self, cut: Cut) -> usize {
        match self.plan.peek(cut) {
            Some(Job::Stripe(stripe)) => stripe.len(),
            Some(Job::Here(_)) | None => 0,
        }
    }

    fn patience(&self) -> Duration {
        if self.has_begun {
            PATIENCE_WITHIN
        } else {
            self.shared.config.budget_patience
        }
    }

    fn pin(&mut self) {
        if self.pin.is_none() {
            self.pin = Some(Pin::after_a_while(&self.shared, &self.plan));
        }
    }

    /// Takes the next job. A stripe is read on a task of its own, which ends when nobody waits for it any more.
    fn ask(&mut self, job: Job, held: Option<Held>) {
        self.plan.advance(&job);
        self.has_begun = true;
        let stripe = match job {
            Job::Here(bytes) => return self.asked.push_back(Asked::Here(bytes)),
            Job::Stripe(stripe) => stripe,
        };
        let (mut told, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let len = stripe.len();
        self.shared.tasks.spawn("read stripe", async move {
            let answer = tokio::select! {
                answer = read(&shared, stripe, held) => answer,
                () = told.closed() => return,
            };
            // Nobody waits: then the download was dropped.
            let _ = told.send(answer);
        });
        self.asked_bytes += len;
        self.asked.push_back(Asked::Stripe { answer, len });
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The wanted bytes of a stripe, in order, which give their memory back as they go.
async fn read(
    shared: &Shared,
    job: StripeJob,
    held: Option<Held>,
) -> Result<Vec<Bytes>, ReadError> {
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
