//! Harness of the black-box tests: starts `cairn dev` as a process, speaks S3 to it in three ways, writes content that can be
//! checked from a seed alone. Nothing here is linked into the product, and nothing of the product is linked here.
//!
//! Why the ways are three: [`wire`] writes bytes that no library would send, [`client`] is lean enough for load, and the
//! conformance crate adds the AWS SDK, which is what customers use.

#![expect(
    clippy::disallowed_methods,
    reason = "tests see the server from outside: real clocks, their own environment, and no `runtime`"
)]

pub mod body;
pub mod checksum;
pub mod client;
pub mod dice;
pub mod ledger;
pub mod metrics;
pub mod ports;
pub mod request;
pub mod scratch;
pub mod server;
pub mod sign;
pub mod tool;
pub mod wait;
pub mod wire;
pub mod xml;
