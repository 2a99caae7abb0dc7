//! The bytes of bodies that may be in memory at once.

mod reads;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use reads::{Got, ReadBudget};

/// What is counted in: a semaphore has 2³² places at most for one taker.
const UNIT: usize = 1024;

/// Bytes to take and give back. Cloning shares it. Whoever waits is served in the order of coming.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    total_units: usize,
    used: Gauge,
}

/// Nothing was given back in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {wanted_bytes} bytes became free within {waited:?}")]
pub struct Busy {
    /// What was asked for.
    pub wanted_bytes: usize,
    /// How long was waited.
    pub waited: Duration,
}

/// Bytes that were taken; dropping gives them back.
#[derive(Debug)]
pub struct Held {
    permit: OwnedSemaphorePermit,
    /// Of a cap that this counts for as well.
    cap: Option<OwnedSemaphorePermit>,
    used: Gauge,
}

impl Budget {
    /// A budget of `bytes`, shown in `used`.
    pub fn new(bytes: u64, used: Gauge) -> Self {
        let units = usize::try_from(bytes).unwrap_or(usize::MAX) / UNIT;
        let total_units = units.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            units: Arc::new(Semaphore::new(total_units)),
            total_units,
            used,
        }
    }

    /// Takes `bytes`, waiting for `patience` at most. More than all there is counts as all there is, so that a small budget
    /// lets one stripe at a time pass and none wait for ever.
    ///
    /// # Errors
    /// When they did not become free in time.
    pub async fn take(&self, bytes: usize, patience: Duration) -> Result<Held, Busy> {
        let units = bytes.div_ceil(UNIT).min(self.total_units);
        let units = u32::try_from(units).expect("the total fits");
        let waiting = Arc::clone(&self.units).acquire_many_owned(units);
        let permit = tokio::time::timeout(patience, waiting)
            .await
            .map_err(|_| Busy {
                wanted_bytes: bytes,
                waited: patience,
            })?
            .expect("the semaphore is never closed");
        Ok(self.held(permit))
    }

    /// Takes `bytes` if nobody waits and they are free.
    pub fn try_take(&self, bytes: usize) -> Option<Held> {
        let units = u32::try_from(bytes.div_ceil(UNIT).min(self.total_units)).ok()?;
        let permit = Arc::clone(&self.units).try_acquire_many_owned(units);
        permit.ok().map(|permit| self.held(permit))
    }

    /// As `try_take`, of one half: when the other half is left for others.
    fn try_take_of_half(&self, bytes: usize) -> Option<Held> {
        let units = bytes.div_ceil(UNIT);
        let left = self.units.available_permits().checked_sub(units)?;
        if left < self.total_units / 2 {
            return None;
        }
        self.try_take(bytes)
    }

    /// A budget of a part of this one's size that nothing shows, to cap what some take of this one.
    fn share(&self, part: u64, of: u64) -> Self {
        let units = u64::try_from(self.total_units).unwrap_or(u64::MAX);
        let unit = u64::try_from(UNIT).expect("it is small");
        Self::new(units / of * part * unit, Gauge::default())
    }

    fn held(&self, permit: OwnedSemaphorePermit) -> Held {
        self.used.inc_by(units_to_bytes(permit.num_permits()));
        Held {
            permit,
            cap: None,
            used: self.used.clone(),
        }
    }
}

impl Held {
    /// `bytes` that give this back when the last of their clones and slices goes.
    pub fn around(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Around { bytes, _held: self })
    }

    /// Takes the part for `bytes` out of this; all of it when there is less.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let part = |permit: &mut OwnedSemaphorePermit| {
            let units = bytes.div_ceil(UNIT).min(permit.num_permits());
            permit.split(units).expect("no more than there is")
        };
        Self {
            permit: part(&mut self.permit),
            cap: self.cap.as_mut().map(part),
            used: self.used.clone(),
        }
    }

    /// Bytes it stands for.
    pub fn len_bytes(&self) -> usize {
        self.permit.num_permits() * UNIT
    }

    /// The same, which counts for a cap as long as it is held.
    fn within(mut self, mut cap: Self) -> Self {
        let all = cap.permit.num_permits();
        self.cap = cap.permit.split(all);
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.dec_by(units_to_bytes(self.permit.num_permits()));
    }
}

/// Memory for the stripes of bodies, taken piece by piece as their bytes come, so that a client that sends slowly holds what
/// it has sent and no more.
///
/// Many stripes that are filled by halves could hold all there is, each waiting for more. Therefore a part is set aside, in
/// shares of a whole stripe: a stripe that cannot go on takes a share, with which it needs nothing more to become full. Who
/// has a share never waits for memory; a stripe that is full goes to the disks, whose pace is bounded, and gives everything
/// back. So as long as anybody waits, somebody who does not wait will give back: a client that sends, or one that is cut off
/// because it does not.
///
/// A stripe that was written in vain is taken a second time while its bytes are still held. When disks go away that is so of
/// many at once, and they could hold all there is, shares too: for them there is one share more, beyond the budget.
#[derive(Debug, Clone)]
pub struct StripeBudget {
    common: Budget,
    reads: ReadBudget,
    copies: Budget,
    shares: Budget,
    share_of_repeated: Budget,
    share_len: usize,
}

/// A share of what is set aside; kept by the pieces of one stripe.
pub type Share = Option<Arc<Held>>;

/// What a piece of a stripe was taken from.
#[derive(Debug)]
pub enum Piece {
    /// What all take from.
    Common(Held),
    /// The share of its stripe.
    Share(Arc<Held>),
}

/// The data of the widest stripe: 8 cells of 1 MiB.
const STRIPE_LEN_MAX: u64 = 8 * 1024 * 1024;

impl StripeBudget {
    /// A budget of `bytes`, shown in `used`. About a quarter of it is set aside, and some more for readers and copies.
    pub fn new(bytes: u64, used: Gauge) -> Self {
        let share = STRIPE_LEN_MAX.min(bytes / 2).max(1);
        let aside = (bytes / 4 / share).max(1) * share;
        let (frames, copies) = (bytes / 8, bytes / 16);
        let common = bytes.saturating_sub(aside + frames + copies);
        let common = Budget::new(common, used.clone());
        let frames = Budget::new(frames, used.clone());
        Self {
            reads: ReadBudget::new(&common, frames),
            common,
            copies: Budget::new(copies, used.clone()),
            shares: Budget::new(aside, used.clone()),
            share_of_repeated: Budget::new(share, used),
            share_len: usize::try_from(share).expect("at most 8 MiB"),
        }
    }

    /// What is not set aside: for the first piece of a body.
    pub fn common(&self) -> &Budget {
        &self.common
    }

    /// For what is read for clients.
    pub fn reads(&self) -> &ReadBudget {
        &self.reads
    }

    /// For what copies read. Taken before the memory for what they write, and never while that is held: so whoever holds some
    /// of this may wait for that, and not the other way round.
    pub fn copies(&self) -> &Budget {
        &self.copies
    }

    /// Takes the next piece of a stripe, out of `share` where the stripe has one. Waits for `patience` at most. `is_repeated`:
    /// the stripe was written before, in vain.
    ///
    /// # Errors
    /// When nothing was given back in time.
    pub async fn take(
        &self,
        bytes: usize,
        patience: Duration,
        share: &mut Share,
        is_repeated: bool,
    ) -> Result<Piece, Busy> {
        if let Some(share) = share {
            return Ok(Piece::Share(Arc::clone(share)));
        }
        let taken = tokio::select! {
            biased;
            held = self.common.take(bytes, patience) => return Ok(Piece::Common(held?)),
            held = self.shares.take(self.share_len, patience) => held?,
            held = self.share_of_repeated.take(self.share_len, patience), if is_repeated => held?,
        };
        let held = Arc::new(taken);
        *share = Some(Arc::clone(&held));
        Ok(Piece::Share(held))
    }
}

impl Piece {
    /// `bytes` that give this back when the last of their clones and slices goes.
    pub fn around(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        match self {
            Self::Common(held) => held.around(bytes),
            Self::Share(share) => Bytes::from_owner(Around {
                bytes,
                _held: share,
            }),
        }
    }
}

struct Around<B, H> {
    bytes: B,
    _held: H,
}

impl<B: AsRef<[u8]>, H> AsRef<[u8]> for Around<B, H> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

fn units_to_bytes(units: usize) -> i64 {
    i64::try_from(units * UNIT).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_is_in_use_bounds_what_can_be_taken() {
        let used = Gauge::default();
        let budget = Budget::new(10 * 1024, used.clone());
        let first = budget.take(6 * 1024, SOON).await.unwrap();
        assert_eq!(used.get(), 6 * 1024);
        assert!(budget.take(5 * 1024, SOON).await.is_err());

        let bytes = first.around(vec![7; 100]);
        let piece = bytes.slice(10..20);
        drop(bytes);
        assert!(
            budget.take(5 * 1024, SOON).await.is_err(),
            "a slice holds it"
        );
        drop(piece);
        assert_eq!(used.get(), 0);
        assert!(budget.take(10 * 1024, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn more_than_there_is_waits_for_all_there_is() {
        let budget = Budget::new(4096, Gauge::default());
        let all = budget.take(1 << 30, SOON).await.unwrap();
        assert!(budget.take(1, SOON).await.is_err());
        drop(all);
        assert!(budget.take(1, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn a_part_is_given_back_alone() {
        let used = Gauge::default();
        let budget = Budget::new(8 * 1024, used.clone());
        let mut all = budget.take(6 * 1024, SOON).await.unwrap();
        let part = all.split(2 * 1024);
        drop(all);
        assert_eq!(used.get(), 2 * 1024);
        drop(part);
        assert_eq!(used.get(), 0);
    }

    #[tokio::test]
    async fn of_stripes_that_are_filled_by_halves_one_can_always_go_on() {
        const CELL: usize = 64 * 1024;
        const CELLS: usize = 4;
        let used = Gauge::default();
        let budget = StripeBudget::new(16 * CELL as u64, used.clone());
        // All that is not set aside goes to stripes that have one cell each.
        let mut begun = Vec::new();
        while let Ok(held) = budget.common().take(CELL, SOON).await {
            begun.push(held.around(vec![0_u8; CELL]));
        }
        assert!(begun.len() > CELLS);
        let most = i64::try_from(16 * CELL).unwrap();
        let filled = begun.into_iter().map(|first| {
            let (budget, used) = (budget.clone(), used.clone());
            async move {
                let (mut cells, mut share) = (vec![first], None);
                while cells.len() < CELLS {
                    let piece = budget.take(CELL, 100 * SOON, &mut share, false).await;
                    let piece = piece.unwrap();
                    cells.push(piece.around(vec![0_u8; CELL]));
                    assert!(used.get() <= most);
                    tokio::task::yield_now().await;
                }
            }
        });
        futures::future::join_all(filled).await;
        assert_eq!(used.get(), 0);
    }
}
