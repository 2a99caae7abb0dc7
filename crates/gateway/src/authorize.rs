//! The one place where requests are decided: who asks, for what, of which bucket and object.
//!
//! A bucket's rules are remembered, and what is remembered may be old. What is allowed by them is therefore done under a guard:
//! the metadata refuses it where the rules have changed, and it is decided again within the same request. What is denied by
//! them is decided once more by rules that were asked for after the request began.

pub(crate) mod action;
pub(crate) mod context;
mod door;
mod question;

use std::sync::Arc;

use cairn_engine::Engine;
use cairn_iam::acl::CannedAcl;
use cairn_iam::authorization::{Decision, Request as Asked, decide};
use cairn_iam::context::Context;
use cairn_iam::ownership::Ownership;
use cairn_iam::requester::{Principal, Requester, Standing};
use cairn_iam::{Action, CanonicalId, Identity, Resource};
use cairn_s3::auth::{Caller, Verified};
use cairn_s3::code::Code;
use cairn_s3::dialect::Dialect;
use cairn_s3::input::check_expected_owner;
use cairn_s3::operations::Operation;
use cairn_s3::route::{Route, Target};
use cairn_types::name::BucketName;
use cairn_types::namespace::root::BucketEntry;
use http::request::Parts;

use crate::fault::Fault;
use crate::rules::{Rules, RulesCache};
use action::{Extra, extras, on_version};
use context::Surroundings;
pub(crate) use door::{Door, Rounds, upload_key};
pub(crate) use question::Question;

/// The ownership of buckets that have no controls: of those that are made something else is kept where the dialect wants it.
///
/// Source: AWS, `DeleteBucketOwnershipControls`.
const UNSET_OWNERSHIP: Ownership = Ownership::ObjectWriter;

/// Who asks, and what the request says of itself.
#[derive(Debug)]
pub(crate) struct Asker {
    identity: Option<Identity>,
    arns: Vec<String>,
    tenant: String,
    /// The canned ACL of what it writes.
    canned: Option<CannedAcl>,
    /// Whether it says that it pays for the request.
    says_it_pays: bool,
    context: Context,
}

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Who asks.
    pub(crate) asker: Arc<Asker>,
    /// The bucket that the request names; `None` where it names none that is there already.
    pub(crate) door: Option<Arc<Door>>,
}

/// When an operation is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before anything is done, by what the bucket says.
    First,
    /// As `First`, and by what it says now: nothing that follows would notice that it was told otherwise, or only when it is
    /// too late.
    FirstByFreshRules,
    /// By the operation, once it knows the object or the lines of its document.
    ByOperation,
}

fn when(operation: Operation) -> When {
    match operation {
        Operation::HeadBucket
        | Operation::GetBucketLocation
        | Operation::DeleteBucket
        // What these refuse they refuse by what the bucket says.
        | Operation::PutBucketAcl
        | Operation::PutBucketOwnershipControls
        | Operation::PutBucketPolicy => When::FirstByFreshRules,
        Operation::GetObject
        | Operation::HeadObject
        | Operation::GetObjectAcl
        | Operation::PutObjectAcl
        | Operation::GetObjectAttributes
        | Operation::GetObjectTagging
        | Operation::PutObjectTagging
        | Operation::DeleteObjectTagging
        | Operation::GetObjectTorrent
        | Operation::AbortMultipartUpload
        | Operation::ListParts
        | Operation::DeleteObjects
        // Browsers ask before they send who they are for: the bucket's rules for origins answer.
        | Operation::OptionsBucket
        | Operation::OptionsObject => When::ByOperation,
        _ => When::First,
    }
}

impl Asker {
    /// Whoever sent a request.
    pub(crate) fn new(
        verified: &Verified,
        parts: &Parts,
        route: &Route,
        surroundings: Surroundings,
    ) -> Self {
        let identity = match verified.caller() {
            Caller::Anonymous => None,
            Caller::Signed(_, identity) | Caller::Presigned(_, identity) => Some(&**identity),
        };
        let (tenant, user) = identity.map_or(("", ""), |identity| tenant_of(identity.id.as_str()));
        let arns = match identity {
            Some(_) => vec![format!("arn:aws:iam::{tenant}:user/{user}")],
            None => Vec::new(),
        };
        let canned = parts.headers.get("x-amz-acl");
        let canned = canned.and_then(|acl| acl.to_str().ok());
        Self {
            arns,
            tenant: tenant.to_owned(),
            canned: canned.and_then(|acl| CannedAcl::parse(acl.trim())),
            says_it_pays: (parts.headers.get("x-amz-request-payer"))
                .is_some_and(|payer| payer == "requester"),
            context: context::of_request(
                parts,
                &route.query,
                route.operation,
                (verified.caller(), verified.proof()),
                surroundings,
            ),
            identity: identity.cloned(),
        }
    }

    /// The account that asks, if one signed.
    pub(crate) fn account(&self) -> Option<&CanonicalId> {
        self.identity.as_ref().map(|identity| &identity.id)
    }

    /// Decides what is about no bucket that is there.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn allow(&self, action: Action, resource: Resource<'_>) -> Result<(), Fault> {
        let decision = decide(&Asked {
            requester: &self.requester(),
            action,
            resource,
            bucket: None,
            object: None,
            context: &self.context,
        });
        told(&decision, action)
    }

    fn requester(&self) -> Requester<'_> {
        match &self.identity {
            None => Requester::Anonymous,
            Some(identity) => Requester::Principal(Principal {
                owner: &identity.id,
                account: &self.tenant,
                arns: &self.arns,
                standing: if identity.is_root {
                    Standing::ClusterRoot
                } else {
                    Standing::Account
                },
            }),
        }
    }
}

/// What decides: the rules of buckets, remembered and asked for. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    engine: Engine,
    dialect: Dialect,
    rules: RulesCache,
}

impl Authority {
    /// What decides by what `engine`'s metadata says.
    pub(crate) fn new(engine: Engine, dialect: Dialect) -> Self {
        Self {
            engine,
            dialect,
            rules: RulesCache::default(),
        }
    }

    /// Lets a request in, or turns it away, as far as that can be decided before its operation looks at anything.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSuchBucket`, or the metadata does not answer.
    pub(crate) async fn admit(
        &self,
        asker: Asker,
        parts: &Parts,
        route: &Route,
    ) -> Result<Admitted, Fault> {
        let asker = Arc::new(asker);
        let action = route.operation.row().action;
        let name = match &route.target {
            Target::Service => {
                let is_told_of_none = asker.identity.is_none()
                    && route.operation == Operation::ListBuckets
                    && self.dialect.lists_no_buckets_to_anonymous();
                if !is_told_of_none {
                    asker.allow(action, Resource::Service)?;
                }
                return Ok(Admitted { asker, door: None });
            }
            Target::Bucket(bucket) if route.operation == Operation::CreateBucket => {
                let extras = extras(route.operation, &parts.headers);
                let extras = extras.into_iter().map(Extra::action);
                for action in std::iter::once(action).chain(extras) {
                    asker.allow(action, Resource::Bucket(bucket))?;
                }
                if !route.may_mean(&asker.tenant) {
                    return Err(Code::AccessDenied.into());
                }
                return Ok(Admitted { asker, door: None });
            }
            Target::Bucket(bucket) | Target::Object(bucket, _) => bucket,
        };
        let door = self.open(&asker, name).await?;
        let owner = &door.entry().owner;
        if !route.may_mean(tenant_of(owner).0) {
            return Err(Code::NoSuchBucket.into());
        }
        check_expected_owner(&parts.headers, owner)?;
        door.check_payer().await?;
        let when = when(route.operation);
        if when == When::FirstByFreshRules {
            door.refresh().await?;
        }
        if when != When::ByOperation {
            let action = on_version(action, route.query.contains("versionId"));
            door.allow_write(action, route, &parts.headers).await?;
        }
        let door = Some(door);
        Ok(Admitted { asker, door })
    }

    /// The bucket of this name, for who asks.
    ///
    /// # Errors
    /// `NoSuchBucket`, or the metadata does not answer.
    pub(crate) async fn open(
        &self,
        asker: &Arc<Asker>,
        name: &BucketName,
    ) -> Result<Arc<Door>, Fault> {
        let entry = self.engine.buckets().lookup(name).await?;
        let (told, is_fresh) = match self.rules.get(entry.bucket) {
            Some(rules) => ((entry, rules), false),
            None => (self.fetch(name).await?, true),
        };
        let door = Door::new(self.clone(), Arc::clone(asker), told, is_fresh);
        Ok(Arc::new(door))
    }

    /// What the bucket that has this name now says now.
    async fn fetch(&self, name: &BucketName) -> Result<(Arc<BucketEntry>, Arc<Rules>), Fault> {
        let buckets = self.engine.buckets();
        let entry = buckets.lookup(name).await?;
        let told = buckets.settings(&entry).await?.value;
        let rules = Arc::new(Rules::read(&told.bucket, told.settings, UNSET_OWNERSHIP)?);
        self.rules.remember(told.bucket.bucket, &rules);
        Ok((told.bucket, rules))
    }
}

/// The tenant in a canonical id, and whose it is there.
fn tenant_of(id: &str) -> (&str, &str) {
    id.split_once('$').unwrap_or(("", id))
}

fn told(decision: &Decision, action: Action) -> Result<(), Fault> {
    tracing::debug!(%action, %decision, "decided");
    match decision {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(_) => Err(Code::AccessDenied.into()),
    }
}
