//! XML documents: a strict reader for what clients send, a writer for what they are told.

pub(crate) mod reader;
pub mod writer;
