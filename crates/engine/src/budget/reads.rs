//! Memory for what is read for clients, who take it at their own pace.

use std::time::Duration;

use super::{Budget, Busy, Held};

/// How long a reader waits for a whole cell before it makes do with a frame: long enough for memory that clients who are
/// prompt give back all the time.
const CROWDED_AFTER: Duration = Duration::from_millis(100);

/// What readers hold: what was read and is not taken yet by their clients, however slow those are.
///
/// Any number of clients may be slow at once, and neither writes nor other readers are to wait for them:
///
/// - Of what all take from, readers get three quarters at most, so that there always is some for writes.
/// - While half of that is free a reader gets whole stripes, also ahead of its client; when it is not, one cell at a time and
///   nothing ahead. So few slow clients never hold much of it for long.
/// - When there is no cell either, a reader gets one frame at a time, of a part that is for this alone: a slow client holds
///   next to nothing of it, and gives it back within the time that a client may take for so little (it is cut off otherwise).
///
/// Who takes from the second waits for nothing afterwards that a reader could hold, so none waits for another for ever.
#[derive(Debug, Clone)]
pub struct ReadBudget {
    common: Budget,
    /// How much of `common` may be with readers.
    cap: Budget,
    frames: Budget,
}

/// How much a reader got memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// The cell it asked for.
    Cell,
    /// A frame of it.
    Frame,
}

impl ReadBudget {
    /// Readers share `common`, and have `frames` for themselves.
    pub(super) fn new(common: &Budget, frames: Budget) -> Self {
        Self {
            cap: common.share(3, 4),
            common: common.clone(),
            frames,
        }
    }

    /// Takes `bytes` while more than half of what readers may have is left for others.
    pub fn try_take(&self, bytes: usize) -> Option<Held> {
        let cap = self.cap.try_take_of_half(bytes)?;
        Some(self.common.try_take(bytes)?.within(cap))
    }

    /// Takes memory for a cell of `cell_len` bytes, or for a frame of it when there is none for so much. Waits for `patience`
    /// at most. `is_crowded`: there was none for a cell the last time, so that it is no use to wait for it now.
    ///
    /// # Errors
    /// When nothing was given back in time.
    pub async fn take(
        &self,
        (cell_len, frame_len): (usize, usize),
        patience: Duration,
        is_crowded: bool,
    ) -> Result<(Held, Got), Busy> {
        let frame = async {
            if !is_crowded {
                tokio::time::sleep(CROWDED_AFTER).await;
            }
            self.frames.take(frame_len, patience).await
        };
        tokio::select! {
            biased;
            held = self.take_cell(cell_len, patience) => Ok((held?, Got::Cell)),
            held = frame => Ok((held?, Got::Frame)),
        }
    }

    async fn take_cell(&self, bytes: usize, patience: Duration) -> Result<Held, Busy> {
        let taking = async {
            let cap = self.cap.take(bytes, patience).await?;
            Ok(self.common.take(bytes, patience).await?.within(cap))
        };
        let busy = Busy {
            wanted_bytes: bytes,
            waited: patience,
        };
        let taken = tokio::time::timeout(patience, taking).await;
        taken.unwrap_or(Err(busy))
    }
}

#[cfg(test)]
mod tests {
    use cairn_runtime::metrics::Gauge;

    use super::*;
    use crate::budget::StripeBudget;

    const MIB: usize = 1024 * 1024;
    const FRAME: usize = 64 * 1024;
    const STRIPE: usize = 4 * MIB;
    const PATIENCE: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn readers_who_keep_what_they_have_get_less_and_less_and_leave_room() {
        let used = Gauge::default();
        let budget = StripeBudget::new(128 * MIB as u64, used.clone());
        let reads = budget.reads();
        let mut kept = Vec::new();
        while let Some(held) = reads.try_take(STRIPE) {
            kept.push(held);
        }
        assert!(kept.len() >= 4, "{}", kept.len());
        let (mut cells, mut frames, mut is_crowded) = (0, 0, false);
        while let Ok((held, got)) = reads.take((MIB, FRAME), PATIENCE, is_crowded).await {
            match got {
                Got::Cell => cells += 1,
                Got::Frame => frames += 1,
            }
            is_crowded = got == Got::Frame;
            kept.push(held);
        }
        assert!(cells >= 16, "{cells}");
        assert!(frames >= 256, "{frames}");
        // There is room for writes even so.
        assert!(budget.common().try_take(16 * MIB).is_some());
        // And for a reader, as soon as one gives a frame back.
        kept.pop();
        let (_, got) = reads.take((MIB, FRAME), PATIENCE, false).await.unwrap();
        assert_eq!(got, Got::Frame);
        drop(kept);
        assert_eq!(used.get(), 0);
        assert!(reads.try_take(STRIPE).is_some());
    }

    #[tokio::test]
    async fn a_reader_gets_its_cell_when_it_is_given_back_soon() {
        let budget = StripeBudget::new(128 * MIB as u64, Gauge::default());
        let reads = budget.reads();
        let mut kept = Vec::new();
        while let (held, Got::Cell) = reads.take((MIB, FRAME), PATIENCE, false).await.unwrap() {
            kept.push(held);
        }
        let taking = reads.take((MIB, FRAME), PATIENCE, false);
        let giving = async {
            tokio::time::sleep(CROWDED_AFTER / 2).await;
            kept.pop();
        };
        let (taken, ()) = tokio::join!(taking, giving);
        assert_eq!(taken.unwrap().1, Got::Cell);
    }
}
