//! The calls, a file for each kind.

pub(crate) mod buckets;
pub(crate) mod conditions;
pub(crate) mod delete_object;
pub(crate) mod list_objects;
pub(crate) mod put_object;
pub(crate) mod read_object;
pub(crate) mod rows;
pub(crate) mod settings;
