//! Background tasks that are named, cancelled and joined.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// A set of tasks that end together. Cloning shares the set.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// A set whose tasks run on the runtime of the caller.
    ///
    /// Panics: outside of a tokio runtime.
    pub fn new() -> Self {
        Self::on(Handle::current())
    }

    /// A set whose tasks run on `runtime`.
    pub fn on(runtime: Handle) -> Self {
        Self {
            runtime,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// A set that stops with this one and can also be stopped alone. Joining this one does not wait for its tasks.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            tracker: TaskTracker::new(),
            stop: self.stop.child_token(),
        }
    }

    /// Starts a task that ends by itself or, at its next `.await`, when the set is stopped.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.spawn_until_done(name, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Starts a task that is not cut short: it watches `stopped` itself and ends soon after.
    pub fn spawn_until_done<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = tracing::info_span!("task", name);
        self.tracker.spawn_on(task.instrument(span), &self.runtime);
    }

    /// Resolves when the set is told to stop. Cancel safe.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the set was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Tells all tasks to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops all tasks and waits for their end, `limit` at most; whether all ended.
    pub async fn stop_and_join(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait())
            .await
            .is_ok()
    }

    /// How many tasks run.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether no task runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_ends_and_joins_all_tasks() {
        let tasks = Tasks::new();
        for _ in 0..10 {
            tasks.spawn("sleeper", std::future::pending());
        }
        assert_eq!(tasks.len(), 10);
        assert!(tasks.stop_and_join(Duration::from_secs(5)).await);
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_child_stops_with_its_parent() {
        let tasks = Tasks::new();
        let child = tasks.child();
        child.spawn("sleeper", std::future::pending());
        tasks.stop();
        assert!(child.stop_and_join(Duration::from_secs(5)).await);
    }
}
