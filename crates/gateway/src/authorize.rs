//! The one place where requests are decided: who asks, for what, of which bucket and object.
//!
//! A bucket's rules are remembered, and what is remembered may be old. What is allowed by them is therefore done under a guard:
//! the metadata refuses it where the rules have changed, and it is decided again within the same request. What is denied by
//! them is decided once more by rules that were asked for after the request began.

pub(crate) mod action;
pub(crate) mod context;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_client::Indexed;
use cairn_engine::Engine;
use cairn_iam::acl::{Acl, CannedAcl};
use cairn_iam::authorization::{Allowed, Decision, Denied, ObjectFacts, Request as Asked, decide};
use cairn_iam::context::Context;
use cairn_iam::ownership::Ownership;
use cairn_iam::requester::{Principal, Requester, Standing};
use cairn_iam::{Action, CanonicalId, Identity, Resource};
use cairn_s3::auth::{Caller, Verified};
use cairn_s3::code::Code;
use cairn_s3::input::{UploadInput, check_expected_owner};
use cairn_s3::operations::Operation;
use cairn_s3::route::{Route, Target};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::SettingsGuard;
use cairn_types::namespace::data::UploadKey;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::ObjectVersion;
use cairn_types::settings::ObjectSettings;
use cairn_types::version::NamedVersion;
use http::HeaderMap;
use http::request::Parts;

use crate::acl::AskedSettings;
use crate::fault::{Fault, Reason};
use crate::rules::{Rules, RulesCache};
use action::{Extra, extras, on_version};
use context::Surroundings;

/// The ownership of buckets that have no controls: of those that are made something else is kept where the dialect wants it.
///
/// Source: AWS, `DeleteBucketOwnershipControls`.
const UNSET_OWNERSHIP: Ownership = Ownership::ObjectWriter;

const LIST_BUCKET: Action = Action::new("s3:ListBucket");

/// How often a bucket may be told otherwise under one request.
const ROUNDS: usize = 8;

/// Who asks, and what the request says of itself.
#[derive(Debug)]
pub(crate) struct Asker {
    identity: Option<Identity>,
    arns: Vec<String>,
    tenant: String,
    /// The canned ACL of what it writes.
    canned: Option<CannedAcl>,
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

/// A bucket, as one request knows it, and what was decided of it so far.
pub(crate) struct Door {
    authority: Authority,
    asker: Arc<Asker>,
    state: Mutex<State>,
}

struct State {
    entry: Arc<BucketEntry>,
    rules: Arc<Rules>,
    /// Whether they were asked for after the request began.
    is_fresh: bool,
    /// What the request goes on upon.
    granted: Vec<Question>,
}

/// How often a request was decided again.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    done: usize,
}

/// What is asked of a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// What is to be done.
    pub(crate) action: Action,
    /// To which object of the bucket; `None`: to the bucket.
    pub(crate) key: Option<ObjectKey>,
    /// What is known of the object that is there.
    pub(crate) facts: Option<Facts>,
    /// The context, where it is another than the request's.
    pub(crate) context: Option<Context>,
}

/// What is known of an object or an upload.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    owner: CanonicalId,
    acl: Acl,
    tags: Vec<(String, String)>,
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
        | Operation::PostObject => When::ByOperation,
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
        let (tenant, user) = identity.map_or(("", ""), |identity| {
            let id = identity.id.as_str();
            id.split_once('$').unwrap_or(("", id))
        });
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
            context: context::of_request(
                parts,
                &route.query,
                route.operation,
                verified.caller(),
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
    rules: RulesCache,
}

impl Authority {
    /// What decides by what `engine`'s metadata says.
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
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
                asker.allow(action, Resource::Service)?;
                return Ok(Admitted { asker, door: None });
            }
            Target::Bucket(bucket) if route.operation == Operation::CreateBucket => {
                let extras = extras(route.operation, &parts.headers);
                let extras = extras.into_iter().map(Extra::action);
                for action in std::iter::once(action).chain(extras) {
                    asker.allow(action, Resource::Bucket(bucket))?;
                }
                return Ok(Admitted { asker, door: None });
            }
            Target::Bucket(bucket) | Target::Object(bucket, _) => bucket,
        };
        let door = self.open(&asker, name).await?;
        check_expected_owner(&parts.headers, &door.entry().owner)?;
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
        let state = match self.rules.get(entry.bucket) {
            Some(rules) => State::new(entry, rules, false),
            None => {
                let (entry, rules) = self.fetch(name).await?;
                State::new(entry, rules, true)
            }
        };
        Ok(Arc::new(Door {
            authority: self.clone(),
            asker: Arc::clone(asker),
            state: Mutex::new(state),
        }))
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

fn told(decision: &Decision, action: Action) -> Result<(), Fault> {
    tracing::debug!(%action, %decision, "decided");
    match decision {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(_) => Err(Code::AccessDenied.into()),
    }
}

impl Question {
    /// Something that is done to an object of which nothing is known.
    pub(crate) fn on(action: Action, key: &ObjectKey) -> Self {
        Self {
            action,
            key: Some(key.clone()),
            facts: None,
            context: None,
        }
    }
}

impl Facts {
    fn of(version: &ObjectVersion, bucket_owner: &CanonicalId) -> Self {
        let settings = &version.settings;
        let owner = settings.owner.as_ref().unwrap_or(bucket_owner);
        let tags = settings.tags.iter();
        Self {
            owner: owner.clone(),
            acl: settings.acl.clone().unwrap_or_else(|| Acl::private(owner)),
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// Of an object that is about to be there.
    fn of_new(owner: &CanonicalId) -> Self {
        Self {
            owner: owner.clone(),
            acl: Acl::private(owner),
            tags: Vec::new(),
        }
    }

    /// Of an upload that somebody began.
    fn of_upload(initiator: &CanonicalId) -> Self {
        Self::of_new(initiator)
    }

    fn as_object(&self) -> ObjectFacts<'_> {
        ObjectFacts {
            owner: &self.owner,
            acl: &self.acl,
            tags: &self.tags,
        }
    }
}

impl State {
    fn new(entry: Arc<BucketEntry>, rules: Arc<Rules>, is_fresh: bool) -> Self {
        Self {
            entry,
            rules,
            is_fresh,
            granted: Vec::new(),
        }
    }
}

impl Door {
    /// Who asks.
    pub(crate) const fn asker(&self) -> &Arc<Asker> {
        &self.asker
    }

    /// The bucket.
    pub(crate) fn entry(&self) -> Arc<BucketEntry> {
        Arc::clone(&self.lock().entry)
    }

    /// Its rules, as they were when it was decided last.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.lock().rules)
    }

    /// Object I/O that is refused where the bucket was told otherwise since it was decided, and the bucket that it goes to.
    pub(crate) fn guarded(&self) -> (Engine, Arc<BucketEntry>) {
        let state = self.lock();
        let guard = SettingsGuard {
            bucket: state.entry.bucket,
            settings: state.rules.epoch(),
        };
        let engine = self.authority.engine.guarded(guard);
        (engine, Arc::clone(&state.entry))
    }

    /// Runs a call to the metadata, guarded, and once more for each time that the bucket was told otherwise meanwhile, as long
    /// as all that the request goes on upon is allowed still.
    ///
    /// # Errors
    /// Those of the call; `AccessDenied` where it is no longer allowed.
    pub(crate) async fn settled<T, F>(
        &self,
        call: impl Fn(Engine, Arc<BucketEntry>) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut rounds = Rounds::default();
        loop {
            let (engine, bucket) = self.guarded();
            match call(engine, bucket).await {
                Ok(done) => return Ok(done),
                Err(fault) => rounds.decide_again(self, fault).await?,
            }
        }
    }

    /// Decides, and remembers what the request goes on upon.
    ///
    /// # Errors
    /// `AccessDenied`, or the metadata does not answer.
    pub(crate) async fn allow(&self, question: Question) -> Result<Allowed, Fault> {
        loop {
            let (decision, is_fresh) = self.decide(&question);
            match decision {
                Decision::Allow(why) => {
                    tracing::debug!(action = %question.action, %why, "allowed");
                    self.lock().granted.push(question);
                    return Ok(why);
                }
                Decision::Deny(_) if !is_fresh => self.refresh().await?,
                Decision::Deny(why) => {
                    tracing::debug!(action = %question.action, %why, "denied");
                    return Err(Code::AccessDenied.into());
                }
            }
        }
    }

    /// Finds a version and decides whether what is asked may be done to it; without its bytes unless `is_whole`.
    ///
    /// # Errors
    /// `AccessDenied`, also where it is not there and who asks may not list the bucket; what the metadata says.
    pub(crate) async fn object(
        &self,
        key: &ObjectKey,
        version: Option<NamedVersion>,
        action: Action,
        is_whole: bool,
    ) -> Result<Indexed<ObjectVersion>, Fault> {
        let action = on_version(action, version.is_some());
        let find = |engine: Engine, bucket: Arc<BucketEntry>| async move {
            let objects = engine.objects();
            Ok(if is_whole {
                objects.get(&bucket, key, version).await?
            } else {
                objects.head(&bucket, key, version).await?
            })
        };
        match self.settled(find).await {
            Ok(found) => {
                let question = Question {
                    facts: Some(Facts::of(&found.value, &self.rules().owner)),
                    ..Question::on(action, key)
                };
                self.allow(question).await?;
                Ok(found)
            }
            Err(fault) if is_absence(&fault) => Err(self.absent(key, action, fault).await),
            Err(fault) => Err(fault),
        }
    }

    /// Decides whether something may be done to an upload: its initiator may, whoever owns the bucket.
    ///
    /// # Errors
    /// `AccessDenied`, or the metadata does not answer.
    pub(crate) async fn allow_upload(
        &self,
        input: &UploadInput,
        action: Action,
    ) -> Result<(), Fault> {
        let question = Question::on(action, &input.key);
        let denied = match self.allow(question.clone()).await {
            Err(fault) if fault.error.code() == Code::AccessDenied => fault,
            decided => return decided.map(drop),
        };
        let find = |engine: Engine, bucket: Arc<BucketEntry>| async move {
            let upload = upload_key(&bucket, input);
            Ok(engine.uploads().info(&bucket, &upload).await?)
        };
        let Ok(upload) = self.settled(find).await else {
            return Err(denied);
        };
        let owner = &self.rules().owner;
        let initiator = upload.value.initiator.as_ref().unwrap_or(owner);
        let facts = Some(Facts::of_upload(initiator));
        let allowed = self.allow(Question { facts, ..question });
        allowed.await.map(drop)
    }

    /// What is kept of an object that is written now beside its bytes and headers. What is refused is refused by what the bucket
    /// says now.
    ///
    /// # Errors
    /// An ACL that the bucket does not take, or the metadata does not answer.
    pub(crate) async fn settings_of_new(
        &self,
        asked: &AskedSettings,
    ) -> Result<ObjectSettings, Fault> {
        loop {
            let (rules, is_fresh) = {
                let state = self.lock();
                (Arc::clone(&state.rules), state.is_fresh)
            };
            match rules.of_new_object(self.asker.account(), &asked.acl) {
                Ok((owner, acl)) => {
                    return Ok(ObjectSettings {
                        owner,
                        acl,
                        tags: asked.tags.clone(),
                        lock: asked.lock,
                    });
                }
                Err(_) if !is_fresh => self.refresh().await?,
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Whose a delete marker is that is made now; `None`: the bucket's owner's.
    pub(crate) fn marker_owner(&self) -> Option<CanonicalId> {
        let owner = self.owner_of_new();
        (owner != self.rules().owner).then_some(owner)
    }

    /// Turns away who may do nothing of the kind to any object, before a list of them is read.
    ///
    /// # Errors
    /// `AccessDenied`, or the metadata does not answer.
    pub(crate) async fn refuse_hopeless(&self, action: Action) -> Result<(), Fault> {
        // Without a policy it is the same for all.
        if self.rules().facts().policy.is_some() || self.asker.identity.is_some() {
            return Ok(());
        }
        let question = Question {
            action,
            key: None,
            facts: None,
            context: None,
        };
        match self.allow(question).await {
            Err(_) if self.rules().facts().policy.is_some() => Ok(()),
            decided => decided.map(drop),
        }
    }

    /// What is not there: who may list the bucket is told so, and nobody else.
    async fn absent(&self, key: &ObjectKey, action: Action, missing: Fault) -> Fault {
        let reading = Question::on(action, key);
        if is_forbidden(&self.decide(&reading).0)
            && let Err(fault) = self.allow(reading).await
        {
            return fault;
        }
        let mut context = self.asker.context.clone();
        context.remove("s3:prefix");
        context.add_text("s3:prefix", key.as_str());
        let listing = Question {
            action: LIST_BUCKET,
            key: None,
            facts: None,
            context: Some(context),
        };
        match self.allow(listing).await {
            Ok(_) => missing,
            Err(fault) => fault,
        }
    }

    /// Decides an operation that needs no more than what the bucket says, and what its headers need beside it.
    async fn allow_write(
        &self,
        action: Action,
        route: &Route,
        headers: &HeaderMap,
    ) -> Result<(), Fault> {
        let key = route.target.key();
        let question = |action, facts| Question {
            action,
            key: key.cloned(),
            facts,
            context: None,
        };
        let why = self.allow(question(action, None)).await?;
        for extra in extras(route.operation, headers) {
            if matches!((extra, &why), (Extra::WithWrite(_), Allowed::Acl(_))) {
                continue;
            }
            let facts = Facts::of_new(&self.owner_of_new());
            self.allow(question(extra.action(), Some(facts))).await?;
        }
        let bypasses = route.operation == Operation::DeleteObject
            && route.query.contains("versionId")
            && action::asks_bypass(headers);
        if bypasses {
            self.allow(question(action::BYPASS, None)).await?;
        }
        Ok(())
    }

    fn owner_of_new(&self) -> CanonicalId {
        let rules = self.rules();
        let (writer, canned) = (self.asker.account(), self.asker.canned);
        let ownership = rules.ownership;
        ownership.owner_of_new(writer, &rules.owner, canned).clone()
    }

    /// Asks what the bucket says now.
    ///
    /// # Errors
    /// `NoSuchBucket`, or the metadata does not answer.
    pub(crate) async fn refresh(&self) -> Result<(), Fault> {
        let name = self.entry().name.clone();
        let (entry, rules) = self.authority.fetch(&name).await?;
        let mut state = self.lock();
        state.entry = entry;
        state.rules = rules;
        state.is_fresh = true;
        Ok(())
    }

    /// What is decided by the rules that are known, and whether they are fresh.
    fn decide(&self, question: &Question) -> (Decision, bool) {
        let (entry, rules, is_fresh) = {
            let state = self.lock();
            let (entry, rules) = (Arc::clone(&state.entry), Arc::clone(&state.rules));
            (entry, rules, state.is_fresh)
        };
        let resource = match &question.key {
            Some(key) => Resource::Object(&entry.name, key),
            None => Resource::Bucket(&entry.name),
        };
        let decision = decide(&Asked {
            requester: &self.asker.requester(),
            action: question.action,
            resource,
            bucket: Some(rules.facts()),
            object: question.facts.as_ref().map(Facts::as_object),
            context: question.context.as_ref().unwrap_or(&self.asker.context),
        });
        (decision, is_fresh)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    /// Decides again where that is what a call failed of.
    ///
    /// # Errors
    /// What it failed of, where it is something else, or this does not end; `AccessDenied` where the request is no longer
    /// allowed.
    pub(crate) async fn decide_again(&mut self, door: &Door, fault: Fault) -> Result<(), Fault> {
        if fault.reason != Some(Reason::SettingsChanged) || self.done == ROUNDS {
            return Err(fault);
        }
        self.done += 1;
        door.refresh().await?;
        let granted = door.lock().granted.clone();
        match granted
            .iter()
            .find(|question| !door.decide(question).0.is_allowed())
        {
            None => Ok(()),
            Some(question) => {
                tracing::debug!(action = %question.action, "no longer allowed");
                Err(Code::AccessDenied.into())
            }
        }
    }
}

/// Where an upload is.
pub(crate) fn upload_key(bucket: &BucketEntry, input: &UploadInput) -> UploadKey {
    UploadKey {
        bucket: bucket.bucket,
        key: input.key.clone(),
        upload: input.upload,
    }
}

fn is_absence(fault: &Fault) -> bool {
    matches!(fault.error.code(), Code::NoSuchKey | Code::NoSuchVersion)
}

/// Whether it is denied whatever is there.
fn is_forbidden(decision: &Decision) -> bool {
    match decision {
        Decision::Deny(
            Denied::ByBucketPolicy(_)
            | Denied::ByIdentityPolicy(_)
            | Denied::PublicAccessRestricted,
        ) => true,
        Decision::Deny(Denied::NotGranted | Denied::NotGrantedByOwnAccount)
        | Decision::Allow(_) => false,
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("bucket", &self.entry().name)
            .finish_non_exhaustive()
    }
}
