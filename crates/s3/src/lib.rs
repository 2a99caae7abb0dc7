//! HTTP to typed S3, and back.
//!
//! A request goes through here in this order: `route` says which operation of `operations` it is, `auth` says who sent it,
//! `unbuilt` refuses what it asks for beyond that, `input` makes one typed value of its head, `body` verifies its bytes as
//! they flow. An answer is made by `output`, or by `error` with a `code`. Nothing here knows a cluster, and
//! nothing does I/O or reads a clock.

pub mod auth;
pub mod body;
pub mod checksum;
pub mod code;
pub mod cors;
pub mod date;
pub mod dialect;
pub mod error;
pub mod form;
pub mod input;
pub mod list_token;
pub mod operations;
pub mod output;
pub mod query;
pub mod route;
pub mod unbuilt;
mod uri;
pub mod xml;
