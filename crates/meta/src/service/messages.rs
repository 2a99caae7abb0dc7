//! openraft's types as protobuf: on the wire between nodes, and in the log and the group rows on disk.
//!
//! On disk every value begins with a version byte. Bytes from disk and from peers are foreign: nothing here panics on them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use cairn_rpc::proto::raft;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, EntryPayload};
use prost::Message;

use crate::consensus::{
    Entry, LogId, Membership, Proposal, SnapshotMeta, StoredMembership, TypeConfig, Vote,
};

/// The version of what is written to disk.
const STORED_VERSION: u8 = 1;

/// Bytes that are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value out of its range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// The membership contradicts itself.
    #[error("the membership names voters without an address")]
    Membership,
    /// Not protobuf.
    #[error("decode protobuf")]
    Decode(#[from] prost::DecodeError),
    /// Written by a release that this one does not know.
    #[error("stored version {0} was written by a newer release")]
    Version(u8),
    /// Nothing at all.
    #[error("the stored value is empty")]
    Empty,
}

/// Something that is kept on disk behind a version byte.
pub(crate) trait Stored: Sized {
    /// Its protobuf form.
    type Proto: Message + Default;

    /// To protobuf.
    fn to_proto(&self) -> Self::Proto;

    /// From protobuf.
    ///
    /// # Errors
    /// What is missing or out of range.
    fn from_proto(proto: Self::Proto) -> Result<Self, MessageError>;

    /// The bytes on disk.
    fn to_stored(&self) -> Bytes {
        let proto = self.to_proto();
        let mut bytes = BytesMut::with_capacity(1 + proto.encoded_len());
        bytes.put_u8(STORED_VERSION);
        proto
            .encode(&mut bytes)
            .expect("a growing buffer has room for every message");
        bytes.freeze()
    }

    /// Reads the bytes on disk.
    ///
    /// # Errors
    /// Bytes that `to_stored` of this release does not write.
    fn from_stored(bytes: Bytes) -> Result<Self, MessageError> {
        let version = *bytes.first().ok_or(MessageError::Empty)?;
        if version != STORED_VERSION {
            return Err(MessageError::Version(version));
        }
        Self::from_proto(Self::Proto::decode(bytes.slice(1..))?)
    }
}

impl Stored for LogId {
    type Proto = raft::LogId;

    fn to_proto(&self) -> raft::LogId {
        raft::LogId {
            term: self.leader_id.term,
            node: self.leader_id.node_id,
            index: self.index,
        }
    }

    fn from_proto(proto: raft::LogId) -> Result<Self, MessageError> {
        let leader = LeaderId {
            term: proto.term,
            node_id: proto.node,
        };
        Ok(Self::new(leader, proto.index))
    }
}

impl Stored for Vote {
    type Proto = raft::Vote;

    fn to_proto(&self) -> raft::Vote {
        raft::Vote {
            term: self.leader_id.term,
            node: self.leader_id.node_id,
            committed: self.committed,
        }
    }

    fn from_proto(proto: raft::Vote) -> Result<Self, MessageError> {
        Ok(if proto.committed {
            Self::new_committed(proto.term, proto.node)
        } else {
            Self::new(proto.term, proto.node)
        })
    }
}

impl Stored for Membership {
    type Proto = raft::Membership;

    fn to_proto(&self) -> raft::Membership {
        raft::Membership {
            configs: self
                .get_joint_config()
                .iter()
                .map(|voters| raft::VoterSet {
                    nodes: voters.iter().copied().collect(),
                })
                .collect(),
            members: self
                .nodes()
                .map(|(node, member)| raft::Member {
                    node: *node,
                    address: member.addr.clone(),
                })
                .collect(),
        }
    }

    fn from_proto(proto: raft::Membership) -> Result<Self, MessageError> {
        let voters: Vec<BTreeSet<u64>> = proto
            .configs
            .into_iter()
            .map(|set| set.nodes.into_iter().collect())
            .collect();
        let members: BTreeMap<u64, BasicNode> = proto
            .members
            .into_iter()
            .map(|member| (member.node, BasicNode::new(member.address)))
            .collect();
        if voters.is_empty() && members.is_empty() {
            return Ok(Self::default());
        }
        Self::new(voters, members).map_err(|_| MessageError::Membership)
    }
}

impl Stored for StoredMembership {
    type Proto = raft::StoredMembership;

    fn to_proto(&self) -> raft::StoredMembership {
        raft::StoredMembership {
            log_id: self.log_id().as_ref().map(Stored::to_proto),
            membership: Some(self.membership().to_proto()),
        }
    }

    fn from_proto(proto: raft::StoredMembership) -> Result<Self, MessageError> {
        let membership = required(proto.membership, "membership")?;
        Ok(Self::new(optional(proto.log_id)?, membership))
    }
}

impl Stored for Entry {
    type Proto = raft::Entry;

    fn to_proto(&self) -> raft::Entry {
        let payload = match &self.payload {
            EntryPayload::Blank => raft::entry::Payload::Blank(raft::Blank {}),
            EntryPayload::Normal(Proposal(bytes)) => raft::entry::Payload::Command(bytes.clone()),
            EntryPayload::Membership(membership) => {
                raft::entry::Payload::Membership(membership.to_proto())
            }
        };
        raft::Entry {
            log_id: Some(self.log_id.to_proto()),
            payload: Some(payload),
        }
    }

    fn from_proto(proto: raft::Entry) -> Result<Self, MessageError> {
        let payload = match proto.payload.ok_or(MessageError::Missing("payload"))? {
            raft::entry::Payload::Blank(raft::Blank {}) => EntryPayload::Blank,
            raft::entry::Payload::Command(bytes) => EntryPayload::Normal(Proposal(bytes)),
            raft::entry::Payload::Membership(membership) => {
                EntryPayload::Membership(Membership::from_proto(membership)?)
            }
        };
        Ok(Self {
            log_id: required(proto.log_id, "log id")?,
            payload,
        })
    }
}

/// Length in bytes of an entry's payload: what limits by bytes count.
pub(crate) fn entry_len(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Blank => 32,
        EntryPayload::Normal(Proposal(bytes)) => 32 + bytes.len(),
        EntryPayload::Membership(membership) => 32 + 64 * membership.nodes().count(),
    }
}

fn required<T: Stored>(proto: Option<T::Proto>, name: &'static str) -> Result<T, MessageError> {
    T::from_proto(proto.ok_or(MessageError::Missing(name))?)
}

fn optional<T: Stored>(proto: Option<T::Proto>) -> Result<Option<T>, MessageError> {
    proto.map(T::from_proto).transpose()
}

fn group_number(group: u32) -> Result<u16, MessageError> {
    u16::try_from(group).map_err(|_| MessageError::Range("group"))
}

/// A request to append, as sent.
pub(crate) fn append_request(
    group: u16,
    request: &AppendEntriesRequest<TypeConfig>,
) -> raft::AppendEntriesRequest {
    raft::AppendEntriesRequest {
        group: u32::from(group),
        vote: Some(request.vote.to_proto()),
        previous: request.prev_log_id.as_ref().map(Stored::to_proto),
        entries: request.entries.iter().map(Stored::to_proto).collect(),
        committed: request.leader_commit.as_ref().map(Stored::to_proto),
    }
}

/// A request to append, as received, and its group.
///
/// # Errors
/// What is missing or out of range.
pub(crate) fn read_append_request(
    proto: raft::AppendEntriesRequest,
) -> Result<(u16, AppendEntriesRequest<TypeConfig>), MessageError> {
    let entries = proto.entries.into_iter().map(Entry::from_proto);
    let request = AppendEntriesRequest {
        vote: required(proto.vote, "vote")?,
        prev_log_id: optional(proto.previous)?,
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: optional(proto.committed)?,
    };
    Ok((group_number(proto.group)?, request))
}

/// The answer to an append, as sent.
pub(crate) fn append_response(
    response: &AppendEntriesResponse<TypeConfig>,
) -> raft::AppendEntriesResponse {
    use raft::append_entries_response::Kind;
    let (kind, matching, vote) = match response {
        AppendEntriesResponse::Success => (Kind::Success, None, None),
        AppendEntriesResponse::PartialSuccess(matching) => {
            (Kind::PartialSuccess, matching.as_ref(), None)
        }
        AppendEntriesResponse::Conflict => (Kind::Conflict, None, None),
        AppendEntriesResponse::HigherVote(vote) => (Kind::HigherVote, None, Some(vote)),
    };
    raft::AppendEntriesResponse {
        kind: kind.into(),
        matching: matching.map(Stored::to_proto),
        vote: vote.map(Stored::to_proto),
    }
}

/// The answer to an append, as received.
///
/// # Errors
/// What is missing or out of range.
pub(crate) fn read_append_response(
    proto: raft::AppendEntriesResponse,
) -> Result<AppendEntriesResponse<TypeConfig>, MessageError> {
    use raft::append_entries_response::Kind;
    let kind = Kind::try_from(proto.kind).map_err(|_| MessageError::Range("kind"))?;
    Ok(match kind {
        Kind::Success => AppendEntriesResponse::Success,
        Kind::PartialSuccess => AppendEntriesResponse::PartialSuccess(optional(proto.matching)?),
        Kind::Conflict => AppendEntriesResponse::Conflict,
        Kind::HigherVote => AppendEntriesResponse::HigherVote(required(proto.vote, "vote")?),
    })
}

/// A request for a vote or a pre-vote, as sent.
pub(crate) fn vote_request(group: u16, request: &VoteRequest<TypeConfig>) -> raft::VoteRequest {
    raft::VoteRequest {
        group: u32::from(group),
        vote: Some(request.vote.to_proto()),
        last_log_id: request.last_log_id.as_ref().map(Stored::to_proto),
        leadership_transfer: request.leadership_transfer,
    }
}

/// A request for a vote or a pre-vote, as received, and its group.
///
/// # Errors
/// What is missing or out of range.
pub(crate) fn read_vote_request(
    proto: raft::VoteRequest,
) -> Result<(u16, VoteRequest<TypeConfig>), MessageError> {
    let request = VoteRequest {
        vote: required(proto.vote, "vote")?,
        last_log_id: optional(proto.last_log_id)?,
        leadership_transfer: proto.leadership_transfer,
    };
    Ok((group_number(proto.group)?, request))
}

/// The answer to a request for a vote, as sent.
pub(crate) fn vote_response(response: &VoteResponse<TypeConfig>) -> raft::VoteResponse {
    raft::VoteResponse {
        vote: Some(response.vote.to_proto()),
        last_log_id: response.last_log_id.as_ref().map(Stored::to_proto),
        granted: response.vote_granted,
    }
}

/// The answer to a request for a vote, as received.
///
/// # Errors
/// What is missing or out of range.
pub(crate) fn read_vote_response(
    proto: raft::VoteResponse,
) -> Result<VoteResponse<TypeConfig>, MessageError> {
    let vote: Vote = required(proto.vote, "vote")?;
    let last_log_id = optional(proto.last_log_id)?;
    Ok(VoteResponse::new(vote, last_log_id, proto.granted))
}

/// A request to take over, as sent.
pub(crate) fn transfer_request(
    group: u16,
    request: &TransferLeaderRequest<TypeConfig>,
) -> raft::TransferLeaderRequest {
    raft::TransferLeaderRequest {
        group: u32::from(group),
        from: Some(request.from_leader().to_proto()),
        to: *request.to_node_id(),
        last_log_id: request.last_log_id().map(Stored::to_proto),
    }
}

/// A request to take over, as received, and its group.
///
/// # Errors
/// What is missing or out of range.
pub(crate) fn read_transfer_request(
    proto: raft::TransferLeaderRequest,
) -> Result<(u16, TransferLeaderRequest<TypeConfig>), MessageError> {
    let from = required(proto.from, "from")?;
    let request = TransferLeaderRequest::new(from, proto.to, optional(proto.last_log_id)?);
    Ok((group_number(proto.group)?, request))
}

/// What is said before a snapshot's rows.
pub(crate) struct SnapshotHeader {
    /// The group.
    pub(crate) group: u16,
    /// The sender's vote.
    pub(crate) vote: Vote,
    /// Up to where the snapshot reaches.
    pub(crate) meta: SnapshotMeta,
    /// The hash chained over everything applied.
    pub(crate) state_hash: u128,
}

impl SnapshotHeader {
    /// As sent.
    pub(crate) fn to_proto(&self) -> raft::SnapshotHeader {
        raft::SnapshotHeader {
            group: u32::from(self.group),
            vote: Some(self.vote.to_proto()),
            snapshot_id: String::new(),
            last_log_id: self.meta.last_log_id.as_ref().map(Stored::to_proto),
            membership: Some(self.meta.last_membership.to_proto()),
            state_hash: cairn_rpc::bytes::from_u128(self.state_hash),
        }
    }

    /// As received.
    ///
    /// # Errors
    /// What is missing or out of range.
    pub(crate) fn from_proto(proto: raft::SnapshotHeader) -> Result<Self, MessageError> {
        let state_hash = read_hash(&proto.state_hash)?;
        Ok(Self {
            group: group_number(proto.group)?,
            vote: required(proto.vote, "vote")?,
            meta: SnapshotMeta {
                last_log_id: optional(proto.last_log_id)?,
                last_membership: required(proto.membership, "membership")?,
            },
            state_hash,
        })
    }
}

/// A hash of 16 bytes, as received.
///
/// # Errors
/// Another length.
pub(crate) fn read_hash(bytes: &[u8]) -> Result<u128, MessageError> {
    <[u8; 16]>::try_from(bytes)
        .map(u128::from_be_bytes)
        .map_err(|_| MessageError::Range("hash"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_id(term: u64, index: u64) -> LogId {
        let leader = LeaderId { term, node_id: 7 };
        LogId::new(leader, index)
    }

    fn entries() -> Vec<Entry> {
        let nodes: BTreeMap<u64, BasicNode> =
            [(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))].into();
        let joint = vec![BTreeSet::from([1]), BTreeSet::from([1, 2])];
        let membership = Membership::new(joint, nodes).unwrap();
        [
            EntryPayload::Blank,
            EntryPayload::Normal(Proposal(Bytes::from_static(b"command"))),
            EntryPayload::Membership(membership),
        ]
        .into_iter()
        .zip(1..)
        .map(|(payload, index)| Entry {
            log_id: log_id(3, index),
            payload,
        })
        .collect()
    }

    #[test]
    fn an_entry_comes_back_from_disk_as_it_went() {
        for entry in entries() {
            assert_eq!(Entry::from_stored(entry.to_stored()).unwrap(), entry);
        }
    }

    #[test]
    fn an_append_comes_back_from_the_wire_as_it_went() {
        let request = AppendEntriesRequest {
            vote: Vote::new_committed(3, 7),
            prev_log_id: Some(log_id(2, 0)),
            entries: entries(),
            leader_commit: None,
        };
        let (group, read) = read_append_request(append_request(5, &request)).unwrap();
        assert_eq!(group, 5);
        assert_eq!(read.vote, request.vote);
        assert_eq!(read.prev_log_id, request.prev_log_id);
        assert_eq!(read.entries, request.entries);
        assert_eq!(read.leader_commit, request.leader_commit);
    }

    #[test]
    fn a_request_for_a_vote_comes_back_from_the_wire_as_it_went() {
        for leadership_transfer in [false, true] {
            let request = VoteRequest {
                vote: Vote::new(3, 7),
                last_log_id: Some(log_id(2, 9)),
                leadership_transfer,
            };
            let (group, read) = read_vote_request(vote_request(5, &request)).unwrap();
            assert_eq!(group, 5);
            assert_eq!(read, request);
        }
    }

    #[test]
    fn what_another_release_or_nobody_wrote_is_an_error() {
        assert!(matches!(
            Vote::from_stored(Bytes::new()),
            Err(MessageError::Empty)
        ));
        assert!(matches!(
            Vote::from_stored(Bytes::from_static(&[2])),
            Err(MessageError::Version(2))
        ));
        assert!(Entry::from_stored(Bytes::from_static(&[1])).is_err());
        assert!(Entry::from_stored(Bytes::from_static(&[1, 0xff, 0xff])).is_err());
    }

    #[test]
    fn what_the_first_release_stored_is_read_and_written_the_same() {
        let stored: Vec<(&str, Bytes)> = entries()
            .iter()
            .map(Stored::to_stored)
            .chain([
                log_id(3, 9).to_stored(),
                Vote::new(4, 2).to_stored(),
                Vote::new_committed(5, 3).to_stored(),
                StoredMembership::default().to_stored(),
            ])
            .zip([
                "blank",
                "command",
                "membership",
                "log id",
                "vote",
                "granted vote",
                "no membership",
            ])
            .map(|(bytes, name)| (name, bytes))
            .collect();
        let golden = include_str!("../../tests/golden/stored-v1.txt");
        let lines = stored
            .iter()
            .map(|(name, bytes)| format!("{name}: {}", hex::encode(bytes)));
        assert!(lines.eq(golden.lines()), "{stored:x?}");
        for (entry, (_, bytes)) in entries().into_iter().zip(&stored) {
            assert_eq!(Entry::from_stored(bytes.clone()).unwrap(), entry);
        }
    }
}
