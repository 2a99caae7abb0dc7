//! Owners, ACLs, tags, object lock, and what buckets were told to be.

use std::num::NonZeroU32;

use bytes::Bytes;
use cairn_types::acl::{Acl, Grant, Grantee, Group, Permission};
use cairn_types::lock::{
    BucketLock, DefaultRetention, LegalHold, ObjectLock, Retention, RetentionMode, RetentionPeriod,
};
use cairn_types::settings::{
    BucketPolicy, BucketSettings, Document, DocumentKind, InitialSettings, ObjectSettings,
    SettingChange,
};
use cairn_types::tag::Tags;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{canonical_id, epoch, text, timestamp, versioning};

/// A short ACL.
pub fn acl() -> impl Strategy<Value = Acl> {
    let grantee = prop_oneof![
        canonical_id().prop_map(Grantee::Account),
        select(Group::ALL.as_slice()).prop_map(Grantee::Group),
    ];
    let permission = select(Permission::ALL.as_slice());
    let grant = (grantee, permission).prop_map(|(grantee, permission)| Grant {
        grantee,
        permission,
    });
    vec(grant, 0..4).prop_map(|grants| Acl::new(grants).expect("fewer than a hundred"))
}

/// The tags of an object.
pub fn tags() -> impl Strategy<Value = Tags> {
    let values = vec(text(), 0..=Tags::MOST_OF_OBJECT);
    values.prop_map(|values| {
        let tags = values.into_iter().enumerate();
        let tags = tags.map(|(at, value)| (format!("key-{at}"), value));
        Tags::of_object(tags.collect()).expect("ten short ones at most")
    })
}

/// Until when a version is retained.
pub fn retention() -> impl Strategy<Value = Retention> {
    (retention_mode(), timestamp()).prop_map(|(mode, until)| Retention { mode, until })
}

/// What is said of a legal hold.
pub fn legal_hold() -> impl Strategy<Value = LegalHold> {
    select([LegalHold::On, LegalHold::Off].as_slice())
}

/// Object lock of a bucket.
pub fn bucket_lock() -> impl Strategy<Value = BucketLock> {
    let count = || any::<NonZeroU32>();
    let period = prop_oneof![
        count().prop_map(RetentionPeriod::Days),
        count().prop_map(RetentionPeriod::Years),
    ];
    let default =
        (retention_mode(), period).prop_map(|(mode, period)| DefaultRetention { mode, period });
    option::of(default).prop_map(|default| BucketLock { default })
}

/// What is kept of a version beside bytes and headers: nothing mostly.
pub fn object_settings() -> impl Strategy<Value = ObjectSettings> {
    let some = (
        option::of(canonical_id()),
        option::of(acl()),
        tags(),
        option::of(retention()),
        option::of(legal_hold()),
    )
        .prop_map(|(owner, acl, tags, retention, legal_hold)| ObjectSettings {
            owner,
            acl,
            tags,
            lock: ObjectLock {
                retention,
                legal_hold,
            },
        });
    prop_oneof![2 => Just(ObjectSettings::default()), 1 => some]
}

/// What a bucket is made with: nothing mostly.
pub fn initial_settings() -> impl Strategy<Value = InitialSettings> {
    let some = (option::of(acl()), option::of(document()), any::<bool>()).prop_map(
        |(acl, ownership_controls, is_lock_enabled)| InitialSettings {
            acl,
            ownership_controls,
            is_lock_enabled,
        },
    );
    prop_oneof![2 => Just(InitialSettings::default()), 1 => some]
}

/// One change of a bucket's settings.
pub fn setting_change() -> impl Strategy<Value = SettingChange> {
    let document = (document_kind(), option::of(document()));
    prop_oneof![
        versioning().prop_map(SettingChange::Versioning),
        bucket_lock().prop_map(SettingChange::Lock),
        acl().prop_map(SettingChange::Acl),
        option::of(bucket_policy()).prop_map(SettingChange::Policy),
        document.prop_map(|(kind, document)| SettingChange::Document { kind, document }),
    ]
}

/// All that a bucket was told to be.
pub fn bucket_settings() -> impl Strategy<Value = BucketSettings> {
    (
        epoch(),
        option::of(versioning()),
        option::of(bucket_lock()),
        option::of(acl()),
        option::of(bucket_policy()),
        btree_map(document_kind(), document(), 0..4),
    )
        .prop_map(
            |(epoch, versioning, lock, acl, policy, documents)| BucketSettings {
                epoch,
                versioning,
                lock,
                acl,
                policy,
                documents,
            },
        )
}

fn retention_mode() -> impl Strategy<Value = RetentionMode> {
    select([RetentionMode::Governance, RetentionMode::Compliance].as_slice())
}

fn bucket_policy() -> impl Strategy<Value = BucketPolicy> {
    (document(), any::<bool>()).prop_map(|(text, is_owner_locked_out)| BucketPolicy {
        text,
        is_owner_locked_out,
    })
}

fn document_kind() -> impl Strategy<Value = DocumentKind> {
    select(DocumentKind::ALL.as_slice())
}

fn document() -> impl Strategy<Value = Document> {
    text().prop_map(|text| Document::new(Bytes::from(text)).expect("a short text"))
}
