//! How many reads may be asked for a second time.

use std::sync::{Mutex, PoisonError};

/// Reads that earn one hedged read.
const READS_PER_HEDGE: u32 = 10;

/// Hedged reads that are saved up at most: for eight late cells of the widest stripes, each decoded from eight others.
const BURST: u32 = 64;

/// What hedged reads are paid from: each read earns a tenth of one.
///
/// Without it an overload would keep itself up: when all disks are late, each late read would ask for up to eight others,
/// which make the disks later still.
#[derive(Debug)]
pub(crate) struct Hedges {
    /// Tenths of hedged reads.
    saved: Mutex<u32>,
}

impl Hedges {
    /// All that can be saved up.
    pub(crate) fn new() -> Self {
        Self {
            saved: Mutex::new(BURST * READS_PER_HEDGE),
        }
    }

    /// A read was asked for that is not hedged.
    pub(super) fn earn(&self) {
        self.with(|saved| *saved = (*saved + 1).min(BURST * READS_PER_HEDGE));
    }

    /// Pays for `count` hedged reads, if there is enough for all of them: fewer would be of no use.
    pub(super) fn pay(&self, count: usize) -> bool {
        let price = u32::try_from(count)
            .unwrap_or(u32::MAX)
            .saturating_mul(READS_PER_HEDGE);
        self.with(|saved| match saved.checked_sub(price) {
            Some(rest) => {
                *saved = rest;
                true
            }
            None => false,
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut u32) -> T) -> T {
        change(&mut self.saved.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_read_in_ten_may_be_hedged_and_some_at_once() {
        let hedges = Hedges::new();
        assert!(hedges.pay(8) && hedges.pay(56));
        assert!(!hedges.pay(1));
        for _ in 0..19 {
            hedges.earn();
        }
        assert!(!hedges.pay(2), "all or none");
        hedges.earn();
        assert!(hedges.pay(2) && !hedges.pay(1));
        for _ in 0..10_000 {
            hedges.earn();
        }
        assert!(!hedges.pay(65) && hedges.pay(64));
    }
}
