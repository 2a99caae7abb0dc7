//! The calls, a file for each kind.

pub(crate) mod buckets;
pub(crate) mod complete_upload;
mod conditions;
pub(crate) mod copy_object;
mod copy_source;
pub(crate) mod delete_object;
pub(crate) mod delete_objects;
pub(crate) mod list_objects;
pub(crate) mod list_parts;
pub(crate) mod list_uploads;
pub(crate) mod list_versions;
pub(crate) mod lock;
pub(crate) mod part;
pub(crate) mod put_object;
pub(crate) mod read_object;
mod rows;
mod settings;
pub(crate) mod tagging;
pub(crate) mod upload;
pub(crate) mod versioning;
