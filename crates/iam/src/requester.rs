//! Who asks, as policies and ACLs see it.

use crate::identity::CanonicalId;
use crate::policy::Policy;

/// Who a request comes from.
#[derive(Debug, Clone, Copy)]
pub enum Requester<'a> {
    /// Nobody knows: it was not signed.
    Anonymous,
    /// Somebody who signed it.
    Principal(Principal<'a>),
    /// A service of the cluster, by its name: `logging.s3.amazonaws.com`.
    Service(&'a str),
}

/// Somebody who signed a request.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    /// The canonical id of the account: what owners and grants name.
    pub owner: &'a CanonicalId,
    /// The account as ARNs name it. Empty: none, so that no policy can name the account.
    pub account: &'a str,
    /// Every ARN that names just this principal: a user's own; of a session its own and its role's.
    pub arns: &'a [String],
    /// What it may do by itself.
    pub standing: Standing<'a>,
}

/// What a principal may do without anything that a resource grants it.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'a> {
    /// Everything, everywhere, but for what a policy denies: the cluster's root identity.
    ClusterRoot,
    /// Everything in its account, which it is the root of: S3 accounts without users of their own are this.
    Account,
    /// What these policies of the identity say.
    Policies(&'a [&'a Policy]),
}

impl<'a> Requester<'a> {
    /// The principal, if the request was signed by one.
    pub const fn principal(&self) -> Option<&Principal<'a>> {
        match self {
            Self::Principal(principal) => Some(principal),
            Self::Anonymous | Self::Service(_) => None,
        }
    }

    /// Whether it belongs to the account with this canonical id.
    pub fn is_of(&self, owner: &CanonicalId) -> bool {
        self.principal()
            .is_some_and(|principal| principal.owner == owner)
    }
}

impl Principal<'_> {
    /// Whether it is the account itself and no user in it.
    pub const fn is_account_root(&self) -> bool {
        matches!(self.standing, Standing::Account | Standing::ClusterRoot)
    }
}
