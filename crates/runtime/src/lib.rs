//! What any process of Cairn needs, so that nothing else reaches for the world by itself.
//!
//! Time, randomness, threads, tasks, metrics and logs come from here; that is what makes the rest testable with a clock
//! that stands still and tasks that are counted.

pub mod clock;
pub mod cpu;
pub mod metrics;
pub mod process;
pub mod random;
pub mod secret;
pub mod tasks;
pub mod trace;

pub use clock::{Clock, ManualClock, SharedClock, SystemClock, timer_now};
pub use cpu::CpuPool;
pub use metrics::Metrics;
pub use secret::Secret;
pub use tasks::{TaskFailure, Tasks};
