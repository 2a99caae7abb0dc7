//! Who somebody is, and what they may do.
//!
//! `decide` is the one place where decisions are made, for every protocol. Today there are identities, and the root
//! identity may do everything; there are no policies, so nobody else may do anything. Pure: no I/O, clock or randomness.

mod action;
mod credential;
mod decision;
mod identity;

pub use action::Action;
pub use credential::{AccessKey, AccessKeyError, Credential, SecretKey};
pub use decision::{Decision, Resource, decide};
pub use identity::{CanonicalId, CanonicalIdError, Identity};
