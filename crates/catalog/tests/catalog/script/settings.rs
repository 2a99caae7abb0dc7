//! What random histories tell buckets and versions to be.

use cairn_schema::arbitrary;
use cairn_types::account::CanonicalId;
use cairn_types::etag::ETag;
use cairn_types::id::BucketId;
use cairn_types::lock::{LegalHold, ObjectLock, Retention, RetentionMode};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{DeleteCondition, ETagCondition};
use cairn_types::settings::{InitialSettings, ObjectSettings, SettingChange};
use cairn_types::time::Timestamp;
use cairn_types::version::{NamedVersion, Versioning};
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

use crate::reference::{Model, Version};

/// What is kept of a version that is written.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Without a lock.
    settings: ObjectSettings,
    lock: Option<Lock>,
    /// Whether the lock is given where there is none, too.
    is_stubborn: bool,
}

/// A lock, by the time at which it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock {
    retention: Option<Hold>,
    legal_hold: Option<LegalHold>,
}

/// A retention of so long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    mode: RetentionMode,
    ahead_ms: u64,
}

/// What is said with a deletion.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) bypass_governance: bool,
    pub(crate) owner: Option<CanonicalId>,
    condition: Wanted,
}

/// What must hold, by what is there.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Nothing,
    Anything,
    SameETag,
    OtherETag,
    /// Another millisecond of the same second.
    SameTime,
    OtherTime,
    SameLen,
    OtherLen,
}

impl Kept {
    pub(crate) fn at(&self, now_ms: u64, bucket: BucketId, model: &Model) -> ObjectSettings {
        let bucket = model.buckets.get(&bucket);
        let can_be_locked = bucket.is_some_and(|bucket| bucket.settings.lock.is_some());
        let lock = self.lock.filter(|_| can_be_locked || self.is_stubborn);
        let lock = lock.map(|lock| ObjectLock {
            retention: lock.retention.map(|hold| hold.at(now_ms)),
            legal_hold: lock.legal_hold,
        });
        ObjectSettings {
            lock: lock.unwrap_or_default(),
            ..self.settings.clone()
        }
    }
}

impl Hold {
    pub(crate) fn at(self, now_ms: u64) -> Retention {
        Retention {
            mode: self.mode,
            until: Timestamp::from_millis(now_ms + self.ahead_ms),
        }
    }
}

impl Said {
    /// The condition of one who saw the version that is named, or the newest one.
    pub(crate) fn condition(
        &self,
        model: &Model,
        (bucket, key): (BucketId, &ObjectKey),
        version: Option<NamedVersion>,
    ) -> DeleteCondition {
        let bucket = model.buckets.get(&bucket);
        let versions = bucket.and_then(|bucket| bucket.versions.get(key));
        let there = versions.and_then(|versions| match version {
            None => versions.last(),
            Some(name) => versions.iter().find(|there| there.has_name(name)),
        });
        let object = there.and_then(|version| version.object.as_ref());
        let at = there.map_or(Timestamp::default(), |version: &Version| version.at);
        let len = object.map_or(0, |object| object.new.len);
        let other = ETag::from_md5([9; 16]);
        let mut condition = DeleteCondition::default();
        match self.condition {
            Wanted::Nothing => {}
            Wanted::Anything => condition.etag = Some(ETagCondition::Any),
            Wanted::SameETag => {
                let etag = object.map_or(other, |object| object.new.etag.clone());
                condition.etag = Some(ETagCondition::Is(etag));
            }
            Wanted::OtherETag => condition.etag = Some(ETagCondition::Is(other)),
            Wanted::SameTime => {
                condition.last_modified = Some(Timestamp::from_millis(at.as_secs() * 1000));
            }
            Wanted::OtherTime => condition.last_modified = Some(at.plus_millis(1000)),
            Wanted::SameLen => condition.len = Some(len),
            Wanted::OtherLen => condition.len = Some(len + 1),
        }
        condition
    }
}

pub(crate) fn initial() -> impl Strategy<Value = InitialSettings> {
    arbitrary::initial_settings()
}

/// Versioning mostly. Locks are rare, because they stay.
pub(crate) fn change() -> BoxedStrategy<SettingChange> {
    let versioning = prop_oneof![3 => Just(Versioning::Enabled), 2 => Just(Versioning::Suspended)];
    prop_oneof![
        24 => versioning.prop_map(SettingChange::Versioning),
        2 => arbitrary::bucket_lock().prop_map(SettingChange::Lock),
        6 => arbitrary::setting_change(),
    ]
    .boxed()
}

pub(crate) fn kept() -> BoxedStrategy<Kept> {
    let settings = arbitrary::object_settings().prop_map(|settings| ObjectSettings {
        lock: ObjectLock::default(),
        ..settings
    });
    let lock = (option::of(hold()), option::of(arbitrary::legal_hold())).prop_map(
        |(retention, legal_hold)| Lock {
            retention,
            legal_hold,
        },
    );
    let is_stubborn = prop_oneof![9 => Just(false), 1 => Just(true)];
    (settings, option::weighted(0.6, lock), is_stubborn)
        .prop_map(|(settings, lock, is_stubborn)| Kept {
            settings,
            lock,
            is_stubborn,
        })
        .boxed()
}

pub(crate) fn hold() -> impl Strategy<Value = Hold> {
    let mode = prop_oneof![
        2 => Just(RetentionMode::Governance),
        1 => Just(RetentionMode::Compliance),
    ];
    let ahead = prop_oneof![Just(0_u64), Just(1), Just(5), Just(60_000), Just(3_000_000)];
    (mode, ahead).prop_map(|(mode, ahead_ms)| Hold { mode, ahead_ms })
}

pub(crate) fn said() -> BoxedStrategy<Said> {
    let condition = prop_oneof![
        20 => Just(Wanted::Nothing),
        1 => Just(Wanted::Anything),
        1 => Just(Wanted::SameETag),
        1 => Just(Wanted::OtherETag),
        1 => Just(Wanted::SameTime),
        1 => Just(Wanted::OtherTime),
        1 => Just(Wanted::SameLen),
        1 => Just(Wanted::OtherLen),
    ];
    let owner = option::weighted(0.3, arbitrary::canonical_id());
    (any::<bool>(), owner, condition)
        .prop_map(|(bypass_governance, owner, condition)| Said {
            bypass_governance,
            owner,
            condition,
        })
        .boxed()
}
