//! Commands as they stand in the Raft log: one byte for the version of their form, then the message.

use bytes::Bytes;
use cairn_types::id::RequestId;
use cairn_types::namespace::{Command, MutationRequest};
use cairn_types::time::Timestamp;
use prost::Message;

use crate::field::{DecodeError, Field, bits_128};
use crate::proto;

/// The form that commands are written in. Older forms are read for ever; there is none yet.
pub const VERSION: u8 = 1;

/// The bytes of a command.
///
/// Cost: one allocation of their length, one copy of inline content, and small ones for ids. Infallible, deterministic:
/// equal commands give equal bytes.
pub fn encode_command(command: &Command) -> Bytes {
    let message = proto::Command::from(command);
    let mut encoded = Vec::with_capacity(1 + message.encoded_len());
    encoded.push(VERSION);
    message
        .encode(&mut encoded)
        .expect("a Vec grows as long as it must");
    encoded.into()
}

/// The command in these bytes. Inline content and nothing else shares memory with `encoded`.
///
/// # Errors
/// `NewerForm` for the log of a newer release; else what is wrong, and where. Such an entry must stop the node: a log
/// entry that cannot be read cannot be applied, and passing over it would part this replica from the others.
pub fn decode_command(encoded: Bytes) -> Result<Command, DecodeError> {
    let version = Field::new("Command", "version");
    let mut message = encoded;
    match message.first().copied() {
        None => Err(DecodeError::Missing { at: version }),
        Some(0) => Err(version.breaks("forms are counted from 1")),
        Some(VERSION) => {
            let _version = message.split_to(1);
            Command::try_from(proto::Command::decode(message)?)
        }
        Some(newer) => Err(DecodeError::NewerForm {
            what: "a command",
            version: newer,
            known: VERSION,
        }),
    }
}

impl From<&MutationRequest> for proto::MutationRequest {
    fn from(request: &MutationRequest) -> Self {
        Self {
            request: bits_128(request.request.get()),
            minted_ms: request.minted.as_millis(),
            mutation: Some((&request.mutation).into()),
            guard: request.guard.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<proto::MutationRequest> for MutationRequest {
    type Error = DecodeError;

    fn try_from(message: proto::MutationRequest) -> Result<Self, DecodeError> {
        let at = |name| Field::new("MutationRequest", name);
        Ok(Self {
            request: RequestId::new(at("request").bits_128(&message.request)?),
            minted: Timestamp::from_millis(message.minted_ms),
            guard: message.guard.map(Into::into),
            mutation: at("mutation").noun(message.mutation)?,
        })
    }
}

impl From<&Command> for proto::Command {
    fn from(command: &Command) -> Self {
        Self {
            apply_version: command.apply_version,
            request: Some((&command.request).into()),
            proposed_ms: command.proposed.as_millis(),
            random: bits_128(command.random),
        }
    }
}

impl TryFrom<proto::Command> for Command {
    type Error = DecodeError;

    fn try_from(message: proto::Command) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Command", name);
        Ok(Self {
            apply_version: message.apply_version,
            request: at("request").noun(message.request)?,
            proposed: Timestamp::from_millis(message.proposed_ms),
            random: at("random").bits_128(&message.random)?,
        })
    }
}
