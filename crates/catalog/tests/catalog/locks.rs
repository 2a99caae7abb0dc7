//! Object lock, settings and conditions of deletions: what a random history comes to rarely.

use std::num::NonZeroU32;

use cairn_types::id::{Epoch, VersionId};
use cairn_types::lock::{
    BucketLock, DefaultRetention, LegalHold, ObjectLock, Retention, RetentionMode, RetentionPeriod,
};
use cairn_types::namespace::data::{DeleteRefusal, DeleteTarget, Deleted, VersionTarget};
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView, Refusal};
use cairn_types::object::ObjectVersion;
use cairn_types::settings::SettingChange;
use cairn_types::version::{NamedVersion, Versioning};

use crate::group::{BUCKET, Group, Outcome, inline, object_key};

const LOCKED: Deleted = Deleted::Refused(DeleteRefusal::Locked);
const GONE: Deleted = Deleted::Removed { is_marker: false };

fn change(group: &mut Group, change: SettingChange) -> Outcome {
    group.change(DataMutation::ChangeSettings {
        bucket: BUCKET,
        epoch: Epoch::new(2),
        change,
    })
}

fn with_lock(default: Option<DefaultRetention>) -> Group {
    let mut group = Group::with_bucket();
    for wanted in [
        SettingChange::Versioning(Versioning::Enabled),
        SettingChange::Lock(BucketLock { default }),
    ] {
        assert!(change(&mut group, wanted).is_ok());
    }
    group
}

/// Puts an object that is locked so.
fn put(group: &mut Group, lock: ObjectLock) -> VersionId {
    let mut new = inline(b"abc");
    new.settings.lock = lock;
    match group.put("a", new) {
        Ok(DataReply::Committed(committed)) => committed.version,
        other => panic!("{other:?}"),
    }
}

fn retained(group: &Group, mode: RetentionMode) -> ObjectLock {
    ObjectLock {
        retention: Some(Retention {
            mode,
            until: group.now.plus_millis(10_000),
        }),
        legal_hold: None,
    }
}

fn delete(group: &mut Group, version: VersionId, bypass_governance: bool) -> Deleted {
    let target = DeleteTarget {
        bypass_governance,
        ..DeleteTarget::version(object_key("a"), NamedVersion::Id(version))
    };
    let deleted = group.change(DataMutation::DeleteObjects {
        bucket: BUCKET,
        targets: vec![target],
    });
    match deleted {
        Ok(DataReply::Deleted(deleted)) => deleted[0],
        other => panic!("{other:?}"),
    }
}

fn retain(group: &mut Group, retention: Option<Retention>, bypass_governance: bool) -> Outcome {
    group.change(DataMutation::SetRetention {
        target: target(),
        retention,
        bypass_governance,
    })
}

fn hold(group: &mut Group, legal_hold: LegalHold) -> Outcome {
    group.change(DataMutation::SetLegalHold {
        target: target(),
        legal_hold,
    })
}

fn target() -> VersionTarget {
    VersionTarget {
        bucket: BUCKET,
        key: object_key("a"),
        version: None,
    }
}

fn head(group: &Group) -> ObjectVersion {
    let question = DataQuery::ObjectHead {
        bucket: BUCKET,
        key: object_key("a"),
        version: None,
    };
    match group.ask(question) {
        Ok(DataView::Object(version)) => *version,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retained_version_stays_until_its_time_and_a_marker_may_cover_it() {
    for mode in [RetentionMode::Governance, RetentionMode::Compliance] {
        let mut group = with_lock(None);
        let lock = retained(&group, mode);
        let version = put(&mut group, lock);
        assert_eq!(delete(&mut group, version, false), LOCKED);
        assert!(matches!(
            group.delete(&["a"]),
            Ok(DataReply::Deleted(deleted)) if matches!(deleted[0], Deleted::Marked { .. })
        ));
        group.now = group.now.plus_millis(9_999);
        assert_eq!(delete(&mut group, version, false), LOCKED);
        if mode == RetentionMode::Compliance {
            assert_eq!(delete(&mut group, version, true), LOCKED);
        }
        group.now = group.now.plus_millis(1);
        assert_eq!(delete(&mut group, version, false), GONE);
        group.audit();
    }
}

#[test]
fn governance_is_passed_by_who_says_so_and_a_legal_hold_by_nobody() {
    let mut group = with_lock(None);
    let lock = retained(&group, RetentionMode::Governance);
    let version = put(&mut group, lock);
    assert!(hold(&mut group, LegalHold::On).is_ok());
    assert_eq!(delete(&mut group, version, true), LOCKED);
    assert!(hold(&mut group, LegalHold::Off).is_ok());
    assert_eq!(delete(&mut group, version, true), GONE);
    group.audit();
}

#[test]
fn compliance_is_only_extended_and_governance_shortened_or_changed_by_who_says_so() {
    for mode in [RetentionMode::Governance, RetentionMode::Compliance] {
        let mut group = with_lock(None);
        let lock = retained(&group, mode);
        put(&mut group, lock);
        let until = |ms| Retention {
            mode,
            until: group.now.plus_millis(ms),
        };
        let (shorter, longer) = (until(9_999), until(10_001));
        let before = head(&group);
        let other = Retention {
            mode: match mode {
                RetentionMode::Governance => RetentionMode::Compliance,
                RetentionMode::Compliance => RetentionMode::Governance,
            },
            ..longer
        };
        for next in [None, Some(shorter), Some(other)] {
            assert_eq!(retain(&mut group, next, false), Err(Refusal::ObjectLocked));
        }
        assert!(retain(&mut group, Some(longer), false).is_ok());
        let passed = retain(&mut group, None, true);
        assert_eq!(passed.is_ok(), mode == RetentionMode::Governance);
        // Nothing else of the version is another.
        let after = head(&group);
        assert_eq!(after.last_modified, before.last_modified);
        assert_eq!(after.version, before.version);
        group.audit();
    }
}

#[test]
fn the_default_is_given_to_what_comes_without_a_retention() {
    let period = RetentionPeriod::Days(NonZeroU32::MIN);
    let mode = RetentionMode::Compliance;
    let mut group = with_lock(Some(DefaultRetention { mode, period }));
    put(&mut group, ObjectLock::default());
    let until = group.now.plus_millis(86_400_000);
    let given = head(&group).settings.lock.retention;
    assert_eq!(given, Some(Retention { mode, until }));
    let explicit = retained(&group, RetentionMode::Governance);
    put(&mut group, explicit);
    assert_eq!(head(&group).settings.lock, explicit);
    group.audit();
}

#[test]
fn a_bucket_without_lock_knows_no_locks_and_one_with_lock_keeps_versions() {
    let mut group = Group::with_bucket();
    let lock = SettingChange::Lock(BucketLock::default());
    assert_eq!(
        change(&mut group, lock.clone()),
        Err(Refusal::InvalidBucketState)
    );
    let mut new = inline(b"abc");
    new.settings.lock = retained(&group, RetentionMode::Governance);
    assert_eq!(group.put("a", new), Err(Refusal::NoObjectLock));
    assert_eq!(retain(&mut group, None, false), Err(Refusal::NoObjectLock));
    assert_eq!(hold(&mut group, LegalHold::Off), Err(Refusal::NoObjectLock));
    let enabled = SettingChange::Versioning(Versioning::Enabled);
    let settings = |number| {
        Ok(DataReply::Settings {
            epoch: Epoch::new(number),
        })
    };
    assert_eq!(change(&mut group, enabled.clone()), settings(2));
    assert_eq!(change(&mut group, enabled), settings(2));
    assert_eq!(change(&mut group, lock), settings(3));
    let suspended = SettingChange::Versioning(Versioning::Suspended);
    assert_eq!(
        change(&mut group, suspended),
        Err(Refusal::InvalidBucketState)
    );
    group.audit();
}
