//! Waiting for a condition with a deadline: the one place where these tests sleep.

use std::thread::sleep;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(10);

/// Polls until `condition` gives something, or the deadline has passed. Blocks the thread.
pub fn poll<Found>(
    deadline: Duration,
    mut condition: impl FnMut() -> Option<Found>,
) -> Option<Found> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(STEP);
    }
}

/// As [`poll`], for a condition that holds or not.
pub fn until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    poll(deadline, || condition().then_some(())).is_some()
}
