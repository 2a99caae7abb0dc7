//! Object lock: versions that may not be removed.

use std::num::NonZeroU32;

use crate::time::Timestamp;

/// How strict a retention is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetentionMode {
    /// Who may and says so removes the version, or its retention, all the same.
    Governance,
    /// Nobody does before its time; it can only be extended.
    Compliance,
}

/// Until when a version may not be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Retention {
    /// How strictly.
    pub mode: RetentionMode,
    /// The first moment at which it may, by the group's clock.
    pub until: Timestamp,
}

/// How long versions are retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetentionPeriod {
    /// Days of 24 hours.
    Days(NonZeroU32),
    /// Years of 365 days.
    Years(NonZeroU32),
}

/// The retention that a bucket gives to versions that are written without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: RetentionMode,
    /// How long from when it is committed.
    pub period: RetentionPeriod,
}

/// Object lock of a bucket that has it: once enabled it stays so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BucketLock {
    /// What versions get that are written without a retention.
    pub default: Option<DefaultRetention>,
}

/// Whether a version may not be removed until somebody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegalHold {
    /// It may not.
    On,
    /// It may.
    Off,
}

/// What keeps a version from being removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ObjectLock {
    /// Until when it is retained; one that has passed stays on record.
    pub retention: Option<Retention>,
    /// Whether it is held; `None`: nobody ever said.
    pub legal_hold: Option<LegalHold>,
}

impl RetentionPeriod {
    /// As long from `start`; at most the largest time.
    pub fn after(self, start: Timestamp) -> Timestamp {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let days = match self {
            Self::Days(days) => u64::from(days.get()),
            Self::Years(years) => u64::from(years.get()) * 365,
        };
        start.plus_millis(days.saturating_mul(DAY_MS))
    }
}

impl Retention {
    /// Whether it keeps its version at `now`; `bypass_governance`: for one who may pass governance and says so.
    pub fn binds(self, now: Timestamp, bypass_governance: bool) -> bool {
        let is_passed = self.mode == RetentionMode::Governance && bypass_governance;
        now < self.until && !is_passed
    }

    /// Whether it may become `next` at `now`. One that binds may be extended, and nothing else.
    pub fn may_become(self, next: Option<Self>, now: Timestamp, bypass_governance: bool) -> bool {
        let is_extended =
            next.is_some_and(|next| next.until >= self.until && next.mode == self.mode);
        is_extended || !self.binds(now, bypass_governance)
    }
}

impl ObjectLock {
    /// Whether the version may not be removed at `now`; `bypass_governance`: for one who may pass governance and says so.
    pub fn binds(&self, now: Timestamp, bypass_governance: bool) -> bool {
        let is_retained = |retention: Retention| retention.binds(now, bypass_governance);
        self.legal_hold == Some(LegalHold::On) || self.retention.is_some_and(is_retained)
    }

    /// Whether nobody ever said anything of it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn retention(mode: RetentionMode, until_ms: u64) -> Retention {
        Retention {
            mode,
            until: Timestamp::from_millis(until_ms),
        }
    }

    #[test]
    fn a_period_has_days_of_24_hours_and_years_of_365_days() {
        let one = NonZeroU32::MIN;
        assert_eq!(
            RetentionPeriod::Days(one).after(NOW),
            Timestamp::from_millis(86_401_000)
        );
        assert_eq!(
            RetentionPeriod::Years(one).after(NOW),
            Timestamp::from_millis(365 * 86_400_000 + 1_000)
        );
        let longest = RetentionPeriod::Years(NonZeroU32::MAX);
        let latest = Timestamp::from_millis(u64::MAX);
        assert_eq!(longest.after(latest), latest);
    }

    #[test]
    fn retention_binds_until_its_time_and_governance_can_be_passed() {
        use RetentionMode::{Compliance, Governance};
        for (mode, until_ms, bypass, binds) in [
            (Compliance, 1_001, false, true),
            (Compliance, 1_001, true, true),
            (Compliance, 1_000, false, false),
            (Governance, 1_001, false, true),
            (Governance, 1_001, true, false),
            (Governance, 1_000, false, false),
        ] {
            let retention = retention(mode, until_ms);
            assert_eq!(retention.binds(NOW, bypass), binds, "{retention:?}");
            let lock = ObjectLock {
                retention: Some(retention),
                legal_hold: None,
            };
            assert_eq!(lock.binds(NOW, bypass), binds);
            for (hold, is_held) in [(LegalHold::On, true), (LegalHold::Off, binds)] {
                let legal_hold = Some(hold);
                let held = ObjectLock { legal_hold, ..lock };
                assert_eq!(held.binds(NOW, bypass), is_held);
            }
        }
        assert!(!ObjectLock::default().binds(NOW, false));
    }

    #[test]
    fn what_binds_is_only_extended() {
        use RetentionMode::{Compliance, Governance};
        let is_allowed = |mode, next: Option<(RetentionMode, u64)>, bypass| {
            let next = next.map(|(mode, until_ms)| retention(mode, until_ms));
            retention(mode, 2_000).may_become(next, NOW, bypass)
        };
        for mode in [Compliance, Governance] {
            assert!(is_allowed(mode, Some((mode, 2_000)), false));
            assert!(is_allowed(mode, Some((mode, 2_001)), false));
            let other = match mode {
                Governance => Compliance,
                Compliance => Governance,
            };
            for next in [None, Some((mode, 1_999)), Some((other, 3_000))] {
                assert!(!is_allowed(mode, next, false));
                assert_eq!(is_allowed(mode, next, true), mode == Governance);
            }
        }
        assert!(retention(Compliance, 1_000).may_become(None, NOW, false));
    }
}
