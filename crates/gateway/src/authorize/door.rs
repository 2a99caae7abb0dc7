//! A bucket as one request knows it: what was decided of it, and the guard under which that is acted on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_client::Indexed;
use cairn_engine::Engine;
use cairn_iam::authorization::{Allowed, Decision, Denied, Request as Asked, decide};
use cairn_iam::{Action, CanonicalId, Resource};
use cairn_s3::code::Code;
use cairn_s3::input::{UploadInput, bypasses_governance};
use cairn_s3::operations::Operation;
use cairn_s3::route::Route;
use cairn_s3::xml::switches::Payer;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::SettingsGuard;
use cairn_types::namespace::data::UploadKey;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::ObjectVersion;
use cairn_types::settings::ObjectSettings;
use cairn_types::version::NamedVersion;
use http::HeaderMap;

use super::action::{self, Extra, extras, on_version};
use super::question::{Facts, Question};
use super::{Asker, Authority};
use crate::acl::AskedSettings;
use crate::fault::{Fault, Reason};
use crate::rules::Rules;

const LIST_BUCKET: Action = Action::new("s3:ListBucket");

/// How often a bucket may be told otherwise under one request.
const ROUNDS: usize = 8;

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

impl Door {
    /// A bucket and its rules, for who asks; `is_fresh`: they were asked for after the request began.
    pub(super) fn new(
        authority: Authority,
        asker: Arc<Asker>,
        (entry, rules): (Arc<BucketEntry>, Arc<Rules>),
        is_fresh: bool,
    ) -> Self {
        Self {
            authority,
            asker,
            state: Mutex::new(State {
                entry,
                rules,
                is_fresh,
                granted: Vec::new(),
            }),
        }
    }

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
            let (_, rules, is_fresh) = self.known();
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
    pub(super) async fn allow_write(
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
            && bypasses_governance(headers);
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

    /// Turns away others than the bucket's owner where they pay and do not say that they will.
    ///
    /// # Errors
    /// `AccessDenied`, or the metadata does not answer.
    ///
    /// Source: AWS, "Using Requester Pays general purpose buckets".
    pub(super) async fn check_payer(&self) -> Result<(), Fault> {
        if !self.is_paid_for() && !self.lock().is_fresh {
            self.refresh().await?;
        }
        if self.is_paid_for() {
            Ok(())
        } else {
            Err(Code::AccessDenied.into())
        }
    }

    /// Whether somebody pays for the request by what is known of the bucket.
    fn is_paid_for(&self) -> bool {
        let rules = self.rules();
        let payer = self.asker.identity.as_ref();
        rules.payer == Payer::BucketOwner
            || payer.is_some_and(|payer| {
                payer.is_root || payer.id == rules.owner || self.asker.says_it_pays
            })
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
        let (entry, rules, is_fresh) = self.known();
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

    /// The bucket and its rules as they are known, and whether they were asked for after the request began.
    fn known(&self) -> (Arc<BucketEntry>, Arc<Rules>, bool) {
        let state = self.lock();
        let (entry, rules) = (Arc::clone(&state.entry), Arc::clone(&state.rules));
        (entry, rules, state.is_fresh)
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
        if !door.is_paid_for() {
            return Err(Code::AccessDenied.into());
        }
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
