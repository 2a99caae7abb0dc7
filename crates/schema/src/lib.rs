//! The protobuf forms of the nouns, commands and records: one schema shared by the Raft log, the tables and the wire.
//!
//! A noun of `cairn-types` is turned into its stored and sent form here and nowhere else: `proto::X::from(&x)` cannot
//! fail, `X::try_from(proto)` checks everything, because bytes from a disk or a peer are foreign each time. Decoding is
//! strict: what is unset, unknown, of a wrong length or not a valid name is a [`DecodeError`] that says where; no bytes
//! make it panic. It checks what the nouns themselves promise; limits (how many keys, how long a part) belong to whoever
//! applies them. The one noun that can hold what is refused here is one whose documented rule its maker broke, such as
//! an [`Extent`](cairn_types::object::Extent) with fewer roots than shards.
//!
//! Fields that a newer release added are passed over in silence, as protobuf does. So whatever changes the meaning of a
//! command waits for a new apply version, and whatever changes its form for a new [`command::VERSION`].

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
pub mod command;
pub mod field;

mod account;
mod cluster;
mod namespace;
mod object;
mod settings;

pub use account::{access_key_id, canonical_id};
pub use command::{decode_command, encode_command};
pub use field::DecodeError;
pub use namespace::{bucket_state, bucket_state_message};
pub use object::{versioning, versioning_number};
pub use settings::{
    canonical_id_text, document, document_kind, document_kind_number, initial_settings,
    initial_settings_message, object_settings, object_settings_message, optional_canonical_id,
};

/// The messages as generated from `proto/cairn/schema/v1`: plain data, unchecked.
///
/// The records that tables hold are here too; whoever stores them converts them.
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated; which of these lints it trips depends on the schema"
)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/cairn.schema.v1.rs"));
}
