//! Who somebody is, and what they may do.
//!
//! [`authorization::decide`] is the one place where it is decided who may do what, for every protocol: out of policies
//! ([`policy`]), access control lists ([`acl`]), who owns what ([`ownership`]) and what a bucket keeps from the public
//! ([`public_access`]). [`decide`] is what stands in for it until every caller knows these facts: the root identity may
//! do everything, nobody else anything. Pure: no I/O, clock or randomness.

pub mod acl;
pub mod authorization;
pub mod context;
pub mod ownership;
pub mod policy;
pub mod public_access;
pub mod requester;

mod action;
mod credential;
mod decimal;
mod decision;
mod identity;
mod moment;

pub use action::Action;
pub use cairn_types::account::{AccessKeyId as AccessKey, AccessKeyIdError as AccessKeyError};
pub use credential::{Credential, SecretKey};
pub use decision::{Decision, Resource, decide};
pub use identity::{CanonicalId, CanonicalIdError, Identity};
