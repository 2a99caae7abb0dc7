//! Time as a value that is handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cairn_types::time::Timestamp;

/// Tells the time. Waiting is tokio's (`tokio::time`), which tests can pause.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may jump, also backwards.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process; never goes back. For measuring how long things take.
    fn monotonic(&self) -> Duration;
}

/// A clock as it is passed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The machine's clock, shared.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn shared() -> SharedClock {
        Arc::new(Self {
            start: Instant::now(),
        })
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves when it is told to, for tests.
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            millis: AtomicU64::new(now.as_millis()),
        })
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

/// The time by which timers of the running runtime go, to measure how long one of them was waited for: it stands still with
/// them in tests that pause it. Everything else measures with a `Clock`.
#[expect(clippy::disallowed_methods, reason = "here is where it is asked for")]
pub fn timer_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
