//! Random calls of S3 through all gateways of a cluster, each answer compared with an exact model of S3 in memory.
//!
//! One thread draws the calls by dice and by what the model holds, so a seed brings a run back. [`world`] is the model: plain maps,
//! nothing of the product. [`calls`] has a file for each kind of call: how it is drawn, what it asks, and what of its answer follows
//! from the model. Where AWS does not say which of several refusals comes first, any of them will do; what only the server can
//! choose is learnt from its first answer and must stay so.

#![expect(
    clippy::disallowed_methods,
    reason = "tests see the cluster from outside: real clocks, and no `runtime`"
)]

mod call;
mod calls;
mod document;
mod draw;
mod gateways;
mod plan;
mod run;
mod told;
mod words;
mod world;

pub use run::{Disagreement, Settings, Summary, run};

/// Arguments for a cluster that runs are made on: the smallest that has several of everything.
pub const CLUSTER: [&str; 8] = [
    "--meta",
    "3",
    "--storage",
    "3",
    "--gateways",
    "2",
    "--profile",
    "2+1",
];
