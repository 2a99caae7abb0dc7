//! The bytes of a request: how they are protected, and verifying them as they flow.

mod chunks;
mod declaration;
mod form;
mod verified;

pub use chunks::{ChunkDecoder, ChunkError, ChunkEvent};
pub use declaration::{BodyDeclaration, DeclaredChecksum};
pub use form::PayloadForm;
pub use verified::{BodyError, VerifiedBody};

pub(crate) use declaration::parse_checksum_algorithm;
pub(crate) use verified::BODY_LIMIT;
