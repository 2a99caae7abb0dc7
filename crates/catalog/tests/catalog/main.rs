//! What the catalog does, seen from outside.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests: a panic is a failure that says where"
)]

mod accounts;
mod bodies;
mod chores;
mod collection;
mod group;
mod life;
mod limits;
mod listing;
mod locks;
mod membership;
mod model;
mod reference;
mod root;
mod script;
mod upload;
mod versions;
