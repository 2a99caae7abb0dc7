//! Why a disk did not do what it was asked.

use cairn_types::id::DiskId;
use tonic::{Code, Status};

/// What went wrong, by what there is to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShardErrorKind {
    /// The disk has no such shard.
    Missing,
    /// It has the shard, and its bytes are not what they were.
    Damaged,
    /// The disk is full.
    Full,
    /// The disk knows a newer epoch of the placement group: look at the topology again.
    Stale,
    /// The disk, or its node, does not answer or is out of service.
    Unavailable,
    /// It is not known whether it was done.
    Unknown,
    /// The disk says that the request is wrong, or its answer is.
    Malformed,
}

/// A request to a disk that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{disk:?}: {kind:?}: {reason}")]
pub struct ShardError {
    /// The disk; 0 where the request was to a node.
    pub disk: DiskId,
    /// What went wrong.
    pub kind: ShardErrorKind,
    /// What the node said.
    pub reason: String,
}

impl ShardError {
    /// A request to `disk` that was not answered in time.
    pub fn late(disk: DiskId) -> Self {
        Self {
            disk,
            kind: ShardErrorKind::Unknown,
            reason: "not answered in time".to_owned(),
        }
    }

    pub(crate) fn unavailable(disk: DiskId, reason: &str) -> Self {
        Self {
            disk,
            kind: ShardErrorKind::Unavailable,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn malformed(disk: DiskId, what: &str) -> Self {
        Self {
            disk,
            kind: ShardErrorKind::Malformed,
            reason: format!("not understood: {what}"),
        }
    }

    pub(crate) fn from_status(disk: DiskId, status: &Status) -> Self {
        let kind = match status.code() {
            // What was made up on this side, for want of an answer, has a source, and says nothing of the disk: a connection
            // that is told to be calm looks like a disk that is full.
            code if std::error::Error::source(status).is_some() => match code {
                Code::Unavailable => ShardErrorKind::Unavailable,
                _ => ShardErrorKind::Unknown,
            },
            // Another node is at that address: as good as nobody.
            Code::FailedPrecondition if cairn_rpc::status::is_misdirected(status) => {
                ShardErrorKind::Unavailable
            }
            Code::NotFound => ShardErrorKind::Missing,
            Code::DataLoss => ShardErrorKind::Damaged,
            Code::ResourceExhausted => ShardErrorKind::Full,
            Code::FailedPrecondition => ShardErrorKind::Stale,
            Code::Unavailable => ShardErrorKind::Unavailable,
            // A blob's shard is written once: whoever writes another one in its place is wrong, and the disk is well.
            Code::InvalidArgument
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::AlreadyExists => ShardErrorKind::Malformed,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::PermissionDenied
            | Code::Aborted
            | Code::Internal
            | Code::Unauthenticated => ShardErrorKind::Unknown,
        };
        Self {
            disk,
            kind,
            reason: format!("{}: {}", status.code(), status.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_node_that_is_not_the_one_meant_is_as_good_as_away() {
        let disk = DiskId::new(1);
        let stale = Status::failed_precondition("a newer epoch is known");
        let kind = |status: &Status| ShardError::from_status(disk, status).kind;
        assert_eq!(kind(&stale), ShardErrorKind::Stale);
        let elsewhere = cairn_rpc::status::misdirected(stale);
        assert_eq!(kind(&elsewhere), ShardErrorKind::Unavailable);
    }

    #[test]
    fn only_what_the_disk_itself_says_is_taken_for_its_state() {
        let kind = |status: &Status| ShardError::from_status(DiskId::new(1), status).kind;
        let broken = || Arc::new(std::io::Error::other("too much of it"));
        let mut calmed = Status::resource_exhausted("h2 protocol error: enhance your calm");
        assert_eq!(kind(&calmed), ShardErrorKind::Full);
        calmed.set_source(broken());
        assert_eq!(kind(&calmed), ShardErrorKind::Unknown);
        let mut gone = Status::unavailable("gone");
        gone.set_source(broken());
        assert_eq!(kind(&gone), ShardErrorKind::Unavailable);
        let twice = Status::already_exists("another content");
        assert_eq!(kind(&twice), ShardErrorKind::Malformed);
    }
}
