//! XML documents: a strict reader for what clients send, a writer for what they are told.

pub(crate) mod complete_upload;
pub(crate) mod create_bucket;
pub(crate) mod delete_objects;
pub(crate) mod reader;
pub mod writer;
