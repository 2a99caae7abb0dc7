//! What a gRPC status says of the effect of a mutation, and whom to ask instead.
//!
//! A status without a word on its outcome says `Unknown`: a timeout, a broken connection, a server that died.

use cairn_types::id::NodeId;
use cairn_types::outcome::Outcome;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

const OUTCOME: &str = "cairn-outcome";
const LEADER: &str = "cairn-leader";
const MISDIRECTED: &str = "cairn-misdirected";

/// Marks a status: the mutation was certainly never proposed.
#[must_use]
pub fn refused(status: Status) -> Status {
    with(status, OUTCOME, "refused")
}

/// Marks a status: the mutation may yet happen.
#[must_use]
pub fn unknown(status: Status) -> Status {
    with(status, OUTCOME, "unknown")
}

/// "Ask somebody else": this node does not lead the group; `leader` does, if that is known. Nothing was proposed.
pub fn not_leader(leader: Option<NodeId>) -> Status {
    let status = refused(Status::unavailable("this node does not lead the group"));
    match leader {
        Some(leader) => with(status, LEADER, &leader.get().to_string()),
        None => status,
    }
}

/// Marks a refusal: the call came to the wrong place, and the right one may be elsewhere. Nothing was proposed.
#[must_use]
pub fn misdirected(status: Status) -> Status {
    with(refused(status), MISDIRECTED, "1")
}

/// Whether the call came to the wrong place.
pub fn is_misdirected(status: &Status) -> bool {
    status.metadata().contains_key(MISDIRECTED)
}

/// What a status says of the effect.
pub fn outcome(status: &Status) -> Outcome {
    match status.metadata().get(OUTCOME).map(MetadataValue::as_bytes) {
        Some(b"refused") => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

/// Whom a status says to ask instead.
pub fn leader(status: &Status) -> Option<NodeId> {
    let text = status.metadata().get(LEADER)?.to_str().ok()?;
    text.parse().ok().map(NodeId::new)
}

/// Whether trying again, elsewhere or later, may help.
pub fn is_transient(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
    )
}

fn with(mut status: Status, name: &'static str, value: &str) -> Status {
    let value = MetadataValue::try_from(value).expect("words and digits are header text");
    status.metadata_mut().insert(name, value);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_happened_and_whom_to_ask() {
        let status = not_leader(Some(NodeId::new(7)));
        assert_eq!(outcome(&status), Outcome::Refused);
        assert_eq!(leader(&status), Some(NodeId::new(7)));
        assert_eq!(outcome(&Status::unavailable("gone")), Outcome::Unknown);
        assert_eq!(
            outcome(&unknown(Status::deadline_exceeded("late"))),
            Outcome::Unknown
        );
    }
}
