//! The end of a metadata process: a failure after which it must not go on.

use tokio::sync::watch;

/// Why the process must end. A node that cannot trust its log or its tables does not vote, lead or answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata role must stop: {reason}")]
pub struct Failure {
    /// What failed, on one line.
    pub reason: String,
}

/// Where the first failure is reported, and waited for. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct FailureCell {
    first: watch::Sender<Option<Failure>>,
}

impl FailureCell {
    /// No failure yet.
    pub(crate) fn new() -> Self {
        Self {
            first: watch::Sender::new(None),
        }
    }

    /// Reports a failure. Later ones follow from the first and are dropped.
    pub(crate) fn report(&self, reason: String) {
        self.first.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(Failure { reason });
            }
            is_first
        });
    }

    /// The failure, if there is one.
    pub(crate) fn get(&self) -> Option<Failure> {
        self.first.borrow().clone()
    }

    /// Resolves with the first failure; never, if there is none. Cancel safe.
    pub(crate) async fn wait(&self) -> Failure {
        let mut first = self.first.subscribe();
        let found = first
            .wait_for(Option::is_some)
            .await
            .expect("self holds the sender");
        found.clone().expect("waited for it to be there")
    }
}

/// An error with its causes, on one line.
pub(crate) fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
