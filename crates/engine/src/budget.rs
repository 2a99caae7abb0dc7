//! The bytes of bodies that may be in memory at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

    fn held(&self, permit: OwnedSemaphorePermit) -> Held {
        self.used.inc_by(units_to_bytes(permit.num_permits()));
        Held {
            permit,
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
        let units = bytes.div_ceil(UNIT).min(self.permit.num_permits());
        Self {
            permit: self.permit.split(units).expect("no more than there is"),
            used: self.used.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.dec_by(units_to_bytes(self.permit.num_permits()));
    }
}

struct Around<B> {
    bytes: B,
    _held: Held,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Around<B> {
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
}
