//! What buckets and versions were told to be, and what follows.

use std::collections::BTreeMap;

use cairn_types::id::{BucketId, Epoch};
use cairn_types::lock::{LegalHold, ObjectLock, Retention, RetentionMode, RetentionPeriod};
use cairn_types::namespace::data::{
    DeleteCondition, DeleteRefusal, DeleteTarget, ETagCondition, VersionTarget,
};
use cairn_types::namespace::{DataMutation, DataReply, Refusal, SettingsGuard};
use cairn_types::settings::{BucketSettings, DocumentKind, InitialSettings, SettingChange};
use cairn_types::time::Timestamp;
use cairn_types::version::Versioning;

use super::{Bucket, Model, Object, Version};
use crate::group::Outcome;

const DAY_MS: u64 = 86_400_000;

/// The settings of a bucket that is made so.
pub(crate) fn made(initial: &InitialSettings) -> BucketSettings {
    let mut documents = BTreeMap::new();
    if let Some(document) = &initial.ownership_controls {
        documents.insert(DocumentKind::OwnershipControls, document.clone());
    }
    BucketSettings {
        epoch: Epoch::new(1),
        versioning: initial.is_lock_enabled.then_some(Versioning::Enabled),
        lock: initial
            .is_lock_enabled
            .then_some(cairn_types::lock::BucketLock { default: None }),
        acl: initial.acl.clone(),
        policy: None,
        documents,
    }
}

impl Model {
    /// Whether the settings are those that somebody decided by.
    pub(crate) fn holds(&self, guard: SettingsGuard) -> bool {
        let bucket = self.buckets.get(&guard.bucket);
        bucket.is_some_and(|bucket| bucket.settings.epoch == guard.settings)
    }

    pub(super) fn change_settings(
        &mut self,
        id: BucketId,
        epoch: u64,
        change: &SettingChange,
    ) -> Outcome {
        let bucket = self.writable(id)?;
        if bucket.epoch > epoch {
            return Err(Refusal::BucketInTransition { bucket: id });
        }
        let before = bucket.settings.clone();
        let settings = &mut bucket.settings;
        match change.clone() {
            SettingChange::Versioning(Versioning::Suspended) if settings.lock.is_some() => {
                return Err(Refusal::InvalidBucketState);
            }
            SettingChange::Versioning(versioning) => settings.versioning = Some(versioning),
            SettingChange::Lock(lock) if settings.versioning == Some(Versioning::Enabled) => {
                settings.lock = Some(lock);
            }
            SettingChange::Lock(_) => return Err(Refusal::InvalidBucketState),
            SettingChange::Acl(acl) => settings.acl = Some(acl),
            SettingChange::Policy(policy) => settings.policy = policy,
            SettingChange::Document {
                kind,
                document: Some(document),
            } => {
                settings.documents.insert(kind, document);
            }
            SettingChange::Document {
                kind,
                document: None,
            } => {
                settings.documents.remove(&kind);
            }
        }
        if *settings != before {
            settings.epoch = Epoch::new(before.epoch.get() + 1);
        }
        Ok(DataReply::Settings {
            epoch: settings.epoch,
        })
    }

    /// Checks that a lock is given only where there is one.
    pub(super) fn check_lock(&mut self, id: BucketId, lock: ObjectLock) -> Result<(), Refusal> {
        let bucket = self.writable(id)?;
        let is_given = lock.retention.is_some() || lock.legal_hold.is_some();
        if is_given && bucket.settings.lock.is_none() {
            return Err(Refusal::NoObjectLock);
        }
        Ok(())
    }

    /// Changes of a version that exists.
    pub(super) fn change_version(&mut self, mutation: &DataMutation) -> Outcome {
        let now = self.clock;
        match mutation {
            DataMutation::SetObjectTags { target, tags } => {
                let (object, reply) = self.object(target)?;
                object.new.settings.tags = tags.clone();
                Ok(reply)
            }
            DataMutation::SetObjectAcl { target, acl } => {
                let (object, reply) = self.object(target)?;
                object.new.settings.acl.clone_from(acl);
                Ok(reply)
            }
            DataMutation::SetRetention {
                target,
                retention,
                bypass_governance,
            } => {
                self.require_lock(target)?;
                let (object, reply) = self.object(target)?;
                let lock = &mut object.new.settings.lock;
                if let Some(there) = lock.retention
                    && retains(there, now, *bypass_governance)
                    && !extends(there, *retention)
                {
                    return Err(Refusal::ObjectLocked);
                }
                lock.retention = *retention;
                Ok(reply)
            }
            DataMutation::SetLegalHold { target, legal_hold } => {
                self.require_lock(target)?;
                let (object, reply) = self.object(target)?;
                object.new.settings.lock.legal_hold = Some(*legal_hold);
                Ok(reply)
            }
            other => panic!("{other:?} is of no version"),
        }
    }

    fn require_lock(&mut self, target: &VersionTarget) -> Result<(), Refusal> {
        let lock = self.writable(target.bucket)?.settings.lock;
        lock.map(drop).ok_or(Refusal::NoObjectLock)
    }

    fn object(&mut self, target: &VersionTarget) -> Result<(&mut Object, DataReply), Refusal> {
        let bucket = self.writable(target.bucket)?;
        let versions = bucket.versions.get_mut(&target.key);
        let version = match target.version {
            None => {
                let versions = versions.ok_or(Refusal::NoSuchKey)?;
                versions.last_mut().expect("no key has none")
            }
            Some(name) => versions
                .and_then(|versions| versions.iter_mut().find(|there| there.has_name(name)))
                .ok_or(Refusal::NoSuchVersion)?,
        };
        let reply = DataReply::VersionChanged {
            version: version.version,
            is_null: version.is_null,
        };
        let marker = Refusal::DeleteMarker {
            version: version.version,
            is_null: version.is_null,
            last_modified: version.at,
        };
        match &mut version.object {
            Some(object) => Ok((object, reply)),
            None => Err(marker),
        }
    }
}

impl Bucket {
    /// Why a target is not deleted at `now`, if it is not.
    pub(super) fn refuses(&self, target: &DeleteTarget, now: Timestamp) -> Option<DeleteRefusal> {
        let versions = self.versions.get(&target.key)?;
        let version = match target.version {
            None => versions.last()?,
            Some(name) => versions.iter().find(|there| there.has_name(name))?,
        };
        if !meets(version, &target.condition) {
            return Some(DeleteRefusal::PreconditionFailed);
        }
        let lock = version.object.as_ref()?.new.settings.lock;
        let is_retained = lock
            .retention
            .is_some_and(|there| retains(there, now, target.bypass_governance));
        let is_held = lock.legal_hold == Some(LegalHold::On);
        let is_locked = target.version.is_some() && (is_retained || is_held);
        is_locked.then_some(DeleteRefusal::Locked)
    }

    /// The lock that a version gets that is written now.
    pub(super) fn lock_of_new(&self, mut lock: ObjectLock, now: Timestamp) -> ObjectLock {
        if lock.retention.is_none()
            && let Some(default) = self.settings.lock.and_then(|lock| lock.default)
        {
            let days = match default.period {
                RetentionPeriod::Days(days) => u64::from(days.get()),
                RetentionPeriod::Years(years) => u64::from(years.get()) * 365,
            };
            lock.retention = Some(Retention {
                mode: default.mode,
                until: now.plus_millis(days.saturating_mul(DAY_MS)),
            });
        }
        lock
    }
}

fn meets(version: &Version, condition: &DeleteCondition) -> bool {
    let object = version.object.as_ref();
    let has_etag = match &condition.etag {
        None | Some(ETagCondition::Any) => true,
        Some(ETagCondition::Is(etag)) => object.map(|object| &object.new.etag) == Some(etag),
    };
    let seconds = |time: Timestamp| time.as_millis() / 1000;
    let time = condition.last_modified.map(seconds);
    let has_time = time.is_none_or(|time| time == seconds(version.at));
    let len = object.map_or(0, |object| object.new.len);
    has_etag && has_time && condition.len.is_none_or(|wanted| wanted == len)
}

fn retains(retention: Retention, now: Timestamp, bypass_governance: bool) -> bool {
    match retention.mode {
        RetentionMode::Governance if bypass_governance => false,
        RetentionMode::Governance | RetentionMode::Compliance => now < retention.until,
    }
}

/// Whether a retention is at least as long and of the same mode.
fn extends(there: Retention, next: Option<Retention>) -> bool {
    let Some(next) = next else {
        return false;
    };
    next.until >= there.until && next.mode == there.mode
}
