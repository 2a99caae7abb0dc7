//! XML documents: a strict reader for what clients send, a writer for what they are told.

pub mod access_control;
pub mod bucket_logging;
pub mod complete_upload;
pub mod cors;
pub mod create_bucket;
pub mod delete_objects;
pub mod lock;
pub mod ownership_controls;
pub mod public_access_block;
pub(crate) mod reader;
pub mod switches;
pub mod tagging;
pub mod versioning;
pub mod writer;
