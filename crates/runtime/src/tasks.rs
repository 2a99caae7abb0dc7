//! Background tasks that are named, cancelled and joined.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// A set of tasks that end together. Cloning shares the set.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
    /// The first essential task that panicked, of this set and all that are children of the same one.
    failure: Arc<watch::Sender<Option<TaskFailure>>>,
}

/// A task panicked that the process is not to go on without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the background task {name:?} panicked: {reason}")]
pub struct TaskFailure {
    /// The task.
    pub name: &'static str,
    /// What it said, on one line.
    pub reason: String,
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
            failure: Arc::new(watch::Sender::new(None)),
        }
    }

    /// A set that stops and fails with this one, and can also be stopped alone. Joining this one does not wait for its tasks.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            tracker: TaskTracker::new(),
            stop: self.stop.child_token(),
            failure: Arc::clone(&self.failure),
        }
    }

    /// Starts a task that ends by itself or, at its next `.await`, when the set is stopped. If it panics it ends as well, and
    /// nobody else: this is for the work of one request or connection.
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

    /// As `spawn`, for what the process is not to go on without, such as a loop that is to run as long as the process does: if
    /// it panics, `failed` resolves.
    pub fn spawn_essential<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(name, self.essential(name, task));
    }

    /// As `spawn_until_done`, for what the process is not to go on without: if it panics, `failed` resolves.
    pub fn spawn_essential_until_done<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_until_done(name, self.essential(name, task));
    }

    /// Resolves when an essential task panicked, of this set or of one that descends from the same; never, if none does. Cancel
    /// safe.
    pub async fn failed(&self) -> TaskFailure {
        let mut failure = self.failure.subscribe();
        let found = failure.wait_for(Option::is_some).await;
        let found = found.expect("self holds the sender").clone();
        found.expect("waited for it to be there")
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

    /// A task whose panic is the failure of the set.
    fn essential<F>(&self, name: &'static str, task: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let failure = Arc::clone(&self.failure);
        async move {
            let Err(reason) = unless_panicked(task).await else {
                return;
            };
            failure.send_if_modified(|first| {
                let is_first = first.is_none();
                // Later ones follow from the first.
                first.get_or_insert(TaskFailure { name, reason });
                is_first
            });
        }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for the end of a task; the error is what it said when it panicked.
async fn unless_panicked(task: impl Future<Output = ()>) -> Result<(), String> {
    let mut task = pin!(task);
    poll_fn(|cx| {
        // It is not polled again after it panicked, so nobody sees what it left half done but those who share it with the task,
        // as with any panic.
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(message(panic.as_ref()))),
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
        .lines()
        .collect::<Vec<_>>()
        .join(" ")
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

    #[tokio::test]
    async fn what_is_essential_fails_all_that_are_of_the_same_set_and_nothing_else_does() {
        let tasks = Tasks::new();
        let (child, sibling) = (tasks.child(), tasks.child());
        child.spawn("request", async { panic!("on purpose") });
        child.spawn_until_done("connection", async { panic!("on purpose") });
        child.spawn_essential("short", async {});
        let limit = Duration::from_secs(5);
        let tracked = child.tracker.clone();
        tracked.close();
        assert!(tokio::time::timeout(limit, tracked.wait()).await.is_ok());
        assert!(
            tokio::time::timeout(Duration::ZERO, tasks.failed())
                .await
                .is_err()
        );

        child.spawn_essential("loop", async {
            tokio::task::yield_now().await;
            panic!("on {}\nof two lines", "purpose");
        });
        let failure = tokio::time::timeout(limit, sibling.failed()).await.unwrap();
        assert_eq!(
            failure.to_string(),
            "the background task \"loop\" panicked: on purpose of two lines"
        );
        // The first one stays.
        child.spawn_essential("other", async { panic!("later") });
        assert!(tokio::time::timeout(limit, tracked.wait()).await.is_ok());
        assert_eq!(tasks.failed().await, failure);
    }
}
