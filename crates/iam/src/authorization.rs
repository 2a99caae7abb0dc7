//! The one place where it is decided who may do what.
//!
//! The order is that of AWS: a denial in any policy ends it; then what the bucket keeps from the public; then who grants it:
//! the owner's account, the bucket's policy, an ACL; and what nobody grants is denied. Within an account one grant is
//! enough; across accounts the resource has to grant it *and* the requester's own account.
//!
//! Source: AWS, "Policy evaluation logic" of the IAM user guide; "How Amazon S3 authorizes a request" of the S3 user guide.

use std::borrow::Cow;
use std::fmt;

use crate::acl::{Acl, Grantee, Need, Subject, allows};
use crate::action::Action;
use crate::context::Context;
use crate::decision::Resource;
use crate::identity::CanonicalId;
use crate::ownership::Ownership;
use crate::policy::{Evaluation, Policy, PolicyRequest, StatementName};
use crate::public_access::PublicAccessBlock;
use crate::requester::{Principal, Requester, Standing};

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub requester: &'a Requester<'a>,
    /// What for. Of a version the action with `Version` in it: `s3:GetObjectVersion`.
    pub action: Action,
    /// What it is done to.
    pub resource: Resource<'a>,
    /// The bucket that it is done to or in. `None`: there is none yet (`s3:CreateBucket`), or it is about none
    /// (`s3:ListAllMyBuckets`): what an account may do for itself.
    pub bucket: Option<BucketFacts<'a>>,
    /// The object, version or upload that is there. `None`: none is, or it is about none.
    pub object: Option<ObjectFacts<'a>>,
    /// What else is known of the request. The tags of the object need not be in it.
    pub context: &'a Context,
}

/// What is known of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct BucketFacts<'a> {
    /// Who owns it.
    pub owner: &'a CanonicalId,
    /// The tenant it is in, as the account of its ARN. Mostly empty.
    pub tenant: &'a str,
    /// Its policy.
    pub policy: Option<&'a Policy>,
    /// Its ACL.
    pub acl: &'a Acl,
    /// Who owns its objects, and whether ACLs count.
    pub ownership: Ownership,
    /// What it keeps from the public: of the bucket and its account together.
    pub public_access: PublicAccessBlock,
    /// Whether the owner gave up the policy, too: set with `x-amz-confirm-remove-self-bucket-access`, in the dialect in
    /// which a policy can then shut its owner out. AWS: never.
    pub is_owner_locked_out: bool,
}

/// What is known of an object, a version, or an upload.
#[derive(Debug, Clone, Copy)]
pub struct ObjectFacts<'a> {
    /// Who owns it, as it is stored; of an upload its initiator.
    pub owner: &'a CanonicalId,
    /// Its ACL.
    pub acl: &'a Acl,
    /// Its tags: the keys `s3:ExistingObjectTag/…`.
    pub tags: &'a [(String, String)],
}

/// A yes or a no, and why: for logs, not for clients, who learn nothing but `AccessDenied`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may be done.
    Allow(Allowed),
    /// It may not.
    Deny(Denied),
}

/// Why something may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// The cluster's root asks.
    ClusterRoot,
    /// The account that owns it asks, or an account that asks about itself.
    Owner,
    /// A policy of the requester's, in the account that owns it.
    IdentityPolicy(StatementName),
    /// The bucket's policy.
    BucketPolicy(StatementName),
    /// An ACL, to this grantee.
    Acl(Grantee),
}

/// Why something may not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The bucket's policy denies it.
    ByBucketPolicy(StatementName),
    /// A policy of the requester's denies it.
    ByIdentityPolicy(StatementName),
    /// The bucket's policy is public, and the bucket lets in nobody but its owner's account.
    PublicAccessRestricted,
    /// Nobody grants it.
    NotGranted,
    /// The bucket or the object grants it, the requester's own account does not.
    NotGrantedByOwnAccount,
}

/// What a policy can deny everybody but the root of the bucket's account: whoever locks himself out can get in again.
/// Source: AWS, `PutBucketPolicy`.
const POLICY_ACTIONS: [&str; 3] = [
    "s3:DeleteBucketPolicy",
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
];
/// What the initiator of an upload may do with it. Source: AWS, "Multipart upload and permissions".
const UPLOAD_ACTIONS: [&str; 2] = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];

/// What the requester's own account says.
enum OwnSide {
    Denies(StatementName),
    /// Everything in it, to its root.
    GrantsAll,
    Grants(StatementName),
    /// Nothing, or there is no account.
    Silent,
}

/// What the resource grants.
struct ResourceGrant {
    why: Allowed,
    /// To the requester, and not only to its account.
    is_direct: bool,
}

impl Decision {
    /// Whether it may be done.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// Decides whether a request may be carried out. Deny by default.
///
/// A caller that learns that an object is not there asks again, for `s3:ListBucket` with the key as `s3:prefix`, whether
/// the requester may know: 404 or 403.
///
/// Cost: one pass over the policies and one ACL; a copy of the context if the object has tags. Errors and panics: never.
pub fn decide(request: &Request<'_>) -> Decision {
    let context = with_tags(request);
    let own = own_side(request, &context);
    if let OwnSide::Denies(name) = own {
        return Decision::Deny(Denied::ByIdentityPolicy(name));
    }
    let Some(bucket) = &request.bucket else {
        return of_own_account(own);
    };
    let policy = match bucket_side(request, bucket, &context) {
        Evaluation::ExplicitDeny(name) if !keeps_its_policy(request, bucket) => {
            return Decision::Deny(Denied::ByBucketPolicy(name));
        }
        policy => policy,
    };
    let standing = request
        .requester
        .principal()
        .map(|principal| principal.standing);
    if let Some(Standing::ClusterRoot) = standing {
        return Decision::Allow(Allowed::ClusterRoot);
    }
    let is_service = matches!(request.requester, Requester::Service(_));
    let is_outside = !request.requester.is_of(bucket.owner) && !is_service;
    if is_outside && bucket.public_access.restricts(bucket.policy) {
        return Decision::Deny(Denied::PublicAccessRestricted);
    }
    let grant = resource_grant(request, bucket, policy);
    if owns(request, bucket) {
        within_account(own, grant)
    } else {
        across_accounts(request, &own, grant)
    }
}

/// The context, and the tags of the object in it.
fn with_tags<'a>(request: &Request<'a>) -> Cow<'a, Context> {
    let Some(ObjectFacts { tags, .. }) = request.object else {
        return Cow::Borrowed(request.context);
    };
    if tags.is_empty() {
        return Cow::Borrowed(request.context);
    }
    let mut context = request.context.clone();
    for (key, value) in tags {
        let key = format!("s3:ExistingObjectTag/{key}");
        // What is stored counts, whatever the caller put there.
        context.remove(&key);
        context.add_text(&key, value);
    }
    Cow::Owned(context)
}

fn own_side(request: &Request<'_>, context: &Context) -> OwnSide {
    let Some(principal) = request.requester.principal() else {
        return OwnSide::Silent;
    };
    let policies = match principal.standing {
        Standing::ClusterRoot | Standing::Account => return OwnSide::GrantsAll,
        Standing::Policies(policies) => policies,
    };
    let mut own = OwnSide::Silent;
    for policy in policies {
        match evaluate(policy, request, context) {
            Evaluation::ExplicitDeny(name) => return OwnSide::Denies(name),
            Evaluation::Allow(name) | Evaluation::AllowAccount(name) => own = OwnSide::Grants(name),
            Evaluation::Implicit => {}
        }
    }
    own
}

fn bucket_side(request: &Request<'_>, bucket: &BucketFacts<'_>, context: &Context) -> Evaluation {
    match bucket.policy {
        Some(policy) => evaluate(policy, request, context),
        None => Evaluation::Implicit,
    }
}

fn evaluate(policy: &Policy, request: &Request<'_>, context: &Context) -> Evaluation {
    policy.evaluate(&PolicyRequest {
        requester: request.requester,
        action: request.action,
        resource: request.resource,
        tenant: request.bucket.map_or("", |bucket| bucket.tenant),
        context,
    })
}

/// What is about no bucket an account may do for itself, and its users what it lets them.
fn of_own_account(own: OwnSide) -> Decision {
    match own {
        OwnSide::GrantsAll => Decision::Allow(Allowed::Owner),
        OwnSide::Grants(name) => Decision::Allow(Allowed::IdentityPolicy(name)),
        OwnSide::Denies(name) => Decision::Deny(Denied::ByIdentityPolicy(name)),
        OwnSide::Silent => Decision::Deny(Denied::NotGranted),
    }
}

/// Whether a denial does not count, because the root of the bucket's account asks for its policy. The cluster's root is
/// the way out when that one is locked out.
fn keeps_its_policy(request: &Request<'_>, bucket: &BucketFacts<'_>) -> bool {
    let Some(principal) = request.requester.principal() else {
        return false;
    };
    let is_keeper = match principal.standing {
        Standing::ClusterRoot => true,
        Standing::Account => principal.owner == bucket.owner && !bucket.is_owner_locked_out,
        Standing::Policies(_) => false,
    };
    is_keeper && POLICY_ACTIONS.contains(&request.action.as_str())
}

/// Whether the action is one that belongs to the object's owner and not the bucket's, and somebody else owns the object.
///
/// These are the actions that an object's ACL can grant. All others on an object are the bucket owner's: it may delete
/// what others wrote, tag it and lock it, but neither read it nor take over its ACL.
fn foreign_owner<'a>(request: &Request<'a>, bucket: &BucketFacts<'a>) -> Option<&'a CanonicalId> {
    let need = Need::of(request.action)?;
    let object = request.object?;
    let owner = bucket.ownership.owner_of_stored(object.owner, bucket.owner);
    (need.subject == Subject::Object && owner != bucket.owner).then_some(owner)
}

/// Whether the requester's account owns what it asks for.
fn owns(request: &Request<'_>, bucket: &BucketFacts<'_>) -> bool {
    if let Some(owner) = foreign_owner(request, bucket) {
        return request.requester.is_of(owner);
    }
    let is_initiator = UPLOAD_ACTIONS.contains(&request.action.as_str())
        && request
            .object
            .is_some_and(|upload| request.requester.is_of(upload.owner));
    is_initiator || request.requester.is_of(bucket.owner)
}

/// What the bucket's policy or an ACL grants. The policy first; what it grants of others' objects is not the bucket owner's
/// to grant.
fn resource_grant(
    request: &Request<'_>,
    bucket: &BucketFacts<'_>,
    policy: Evaluation,
) -> Option<ResourceGrant> {
    let by_acl = acl_grant(request, bucket);
    if foreign_owner(request, bucket).is_some() {
        return by_acl;
    }
    match policy {
        Evaluation::Allow(name) => Some(ResourceGrant {
            why: Allowed::BucketPolicy(name),
            is_direct: true,
        }),
        // An ACL may grant to the requester what the policy grants to its account only.
        Evaluation::AllowAccount(name) => {
            by_acl
                .filter(|grant| grant.is_direct)
                .or(Some(ResourceGrant {
                    why: Allowed::BucketPolicy(name),
                    is_direct: false,
                }))
        }
        Evaluation::Implicit | Evaluation::ExplicitDeny(_) => by_acl,
    }
}

fn acl_grant(request: &Request<'_>, bucket: &BucketFacts<'_>) -> Option<ResourceGrant> {
    let need = Need::of(request.action)?;
    let acl = match need.subject {
        Subject::Bucket => bucket.acl,
        Subject::Object => request.object?.acl,
    };
    if !bucket.ownership.has_acls() || bucket.public_access.ignores(acl) {
        return None;
    }
    let grantee = allows(acl, request.requester, need.permission)?;
    let is_root = request
        .requester
        .principal()
        .is_some_and(Principal::is_account_root);
    Some(ResourceGrant {
        why: Allowed::Acl(grantee.clone()),
        is_direct: is_root || matches!(grantee, Grantee::Group(_)),
    })
}

/// Within the account that owns it one grant is enough; what is granted to the account is not granted to its users.
fn within_account(own: OwnSide, grant: Option<ResourceGrant>) -> Decision {
    match (own, grant) {
        (OwnSide::Denies(name), _) => Decision::Deny(Denied::ByIdentityPolicy(name)),
        (OwnSide::GrantsAll, _) => Decision::Allow(Allowed::Owner),
        (OwnSide::Grants(name), _) => Decision::Allow(Allowed::IdentityPolicy(name)),
        (OwnSide::Silent, Some(grant)) if grant.is_direct => Decision::Allow(grant.why),
        (OwnSide::Silent, _) => Decision::Deny(Denied::NotGranted),
    }
}

/// Across accounts the resource has to grant it and the requester's account, if it has one.
fn across_accounts(request: &Request<'_>, own: &OwnSide, grant: Option<ResourceGrant>) -> Decision {
    let Some(grant) = grant else {
        return Decision::Deny(Denied::NotGranted);
    };
    match own {
        OwnSide::GrantsAll | OwnSide::Grants(_) => Decision::Allow(grant.why),
        OwnSide::Silent if request.requester.principal().is_none() => Decision::Allow(grant.why),
        OwnSide::Silent | OwnSide::Denies(_) => Decision::Deny(Denied::NotGrantedByOwnAccount),
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(why) => write!(f, "allowed: {why}"),
            Self::Deny(why) => write!(f, "denied: {why}"),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClusterRoot => f.write_str("root of the cluster"),
            Self::Owner => f.write_str("owner"),
            Self::IdentityPolicy(name) => write!(f, "policy of the identity, {name}"),
            Self::BucketPolicy(name) => write!(f, "policy of the bucket, {name}"),
            Self::Acl(Grantee::Account(id)) => {
                write!(f, "access control list, grant to account {id}")
            }
            Self::Acl(Grantee::Group(group)) => {
                write!(f, "access control list, grant to {group:?}")
            }
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByBucketPolicy(name) => write!(f, "policy of the bucket, {name}"),
            Self::ByIdentityPolicy(name) => write!(f, "policy of the identity, {name}"),
            Self::PublicAccessRestricted => f.write_str("public buckets are restricted"),
            Self::NotGranted => f.write_str("nobody grants it"),
            Self::NotGrantedByOwnAccount => {
                f.write_str("the requester's account does not grant it")
            }
        }
    }
}

#[cfg(test)]
mod tests;
