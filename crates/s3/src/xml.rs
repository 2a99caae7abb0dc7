//! XML documents: a strict reader for what clients send, a writer for what they are told.

pub mod complete_upload;
pub mod create_bucket;
pub mod delete_objects;
pub(crate) mod reader;
pub mod versioning;
pub mod writer;
