//! Which statements are public.

use super::condition::Condition;
use super::principal::NamedPrincipal;
use super::statement::{Effect, Principals, Statement};

/// Keys whose value is somebody in particular, if it is fixed.
///
/// The user guide's list, with what it calls "an AWS principal" spelled out. The key of a KMS key is on an older list of the API
/// reference alone and is left out: any sender can claim it.
const TRUSTED_KEYS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Whether the statement lets anybody in: it allows something to everybody, and no condition binds it to fixed values of a
/// key that stands for somebody. What other statements deny does not count: it is no grant that is trusted.
pub(super) fn is_public(statement: &Statement) -> bool {
    let is_for_everybody = match &statement.principals {
        Principals::These(names) => names.contains(&NamedPrincipal::Everyone),
        Principals::AllBut(_) => true,
        Principals::Holder => false,
    };
    statement.effect == Effect::Allow
        && is_for_everybody
        && !statement.conditions.iter().any(is_restricting)
}

fn is_restricting(condition: &Condition) -> bool {
    let key = condition.key();
    if !TRUSTED_KEYS.contains(&key) {
        return false;
    }
    // The name of the access point may be open, its account may not.
    if key == "s3:dataaccesspointarn" && condition.has_fixed_account() {
        return true;
    }
    // A role's id with any session is whoever may take the role.
    let is_trusted = |value: &str| key != "aws:userid" || !value.starts_with("AROLEID:");
    condition.is_fixed_to(is_trusted)
}
