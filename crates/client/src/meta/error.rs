//! Why a request to the metadata failed, and what is known of its effect.

use std::fmt::Display;

use cairn_types::id::GroupId;
use cairn_types::namespace::Refusal;
use cairn_types::outcome::Outcome;

/// A change that was not answered with a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MutateError {
    /// The state machine said no: certain, and without effect.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// It was certainly never proposed, and never will be.
    #[error("{group:?} did not take the change: {reason}")]
    Unavailable {
        /// The group that was asked.
        group: GroupId,
        /// What the last node that was tried said.
        reason: String,
    },
    /// It was never proposed: the blobs that it names were begun for another group than the one that has the key by now, as the
    /// bucket was made again meanwhile.
    #[error("the blobs were begun for another group than {group:?}, which has the key now")]
    OtherGroup {
        /// The group that has the key.
        group: GroupId,
    },
    /// It may have happened, or may yet happen, wholly and at most once.
    #[error("{group:?} may or may not have applied the change: {reason}")]
    Unknown {
        /// The group that was asked.
        group: GroupId,
        /// What the last node that was tried said.
        reason: String,
    },
}

impl MutateError {
    /// What is known of its effect.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) | Self::Unavailable { .. } | Self::OtherGroup { .. } => {
                Outcome::Refused
            }
            Self::Unknown { .. } => Outcome::Unknown,
        }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unavailable { .. } | Self::OtherGroup { .. } | Self::Unknown { .. } => None,
        }
    }

    /// This error as it is when steps before this one were applied: what is not certain as a whole is unknown.
    pub(crate) fn after_effect(self, group: GroupId) -> Self {
        match self {
            Self::Unknown { .. } => self,
            Self::Refused(_) | Self::Unavailable { .. } | Self::OtherGroup { .. } => {
                Self::Unknown {
                    group,
                    reason: self.to_string(),
                }
            }
        }
    }

    /// A reply that does not belong to the mutation: it was applied, and this side does not understand it.
    pub(crate) fn unexpected_reply(group: GroupId) -> Self {
        Self::Unknown {
            group,
            reason: "the reply is of another kind than the mutation".to_owned(),
        }
    }
}

impl From<QueryError> for MutateError {
    /// A question that a change asked before its first effect.
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(refusal) => Self::Refused(refusal),
            QueryError::Unavailable { group, reason } => Self::Unavailable { group, reason },
            QueryError::Malformed { reason } => Self::Unavailable {
                group: GroupId::ROOT,
                reason,
            },
        }
    }
}

/// A question that was not answered with a view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// What was asked for is not there.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// Nobody answered in time.
    #[error("{group:?} did not answer: {reason}")]
    Unavailable {
        /// The group that was asked.
        group: GroupId,
        /// What the last node that was tried said.
        reason: String,
    },
    /// The answer is not one of this protocol.
    #[error("the answer is not understood: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

impl QueryError {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unavailable { .. } | Self::Malformed { .. } => None,
        }
    }

    pub(crate) fn malformed(reason: &impl Display) -> Self {
        Self::Malformed {
            reason: reason.to_string(),
        }
    }

    /// An answer that does not belong to the question.
    pub(crate) fn unexpected_view() -> Self {
        Self::malformed(&"the view is of another kind than the question")
    }
}
