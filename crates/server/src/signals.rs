//! When to stop.

use cairn_runtime::{TaskFailure, Tasks};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGTERM and SIGINT, from the moment it is made, and for what ends a process that nobody asked to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    tasks: Tasks,
}

impl Signals {
    /// From now on these signals do not end the process. `tasks` are those that all others of the process descend from.
    ///
    /// # Errors
    /// When the system does not let signals be handled.
    pub(crate) fn handle(tasks: &Tasks) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            tasks: tasks.clone(),
        })
    }

    /// Resolves at the first of them, with its name. Cancel safe.
    ///
    /// # Errors
    /// When the process cannot go on, because a task that is to run as long as it does has panicked.
    pub(crate) async fn stop_requested(&mut self) -> Result<&'static str, TaskFailure> {
        tokio::select! {
            _ = self.terminate.recv() => Ok("SIGTERM"),
            _ = self.interrupt.recv() => Ok("SIGINT"),
            failure = self.tasks.failed() => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_ends_when_what_it_needs_has_panicked() {
        let tasks = Tasks::new();
        let mut signals = Signals::handle(&tasks).unwrap();
        let child = tasks.child();
        child.spawn("request", async { panic!("on purpose") });
        child.spawn_essential("watch topology", async { panic!("on purpose") });
        let failure = signals.stop_requested().await.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "the background task \"watch topology\" panicked: on purpose"
        );
    }
}
