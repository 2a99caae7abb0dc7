//! What a bucket was told to be, and its versions beside their bytes.

use std::sync::Arc;

use cairn_types::acl::Acl;
use cairn_types::id::Epoch;
use cairn_types::lock::{LegalHold, Retention};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::VersionTarget;
use cairn_types::namespace::root::BucketEntry;
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView, Refusal};
use cairn_types::settings::{BucketSettings, SettingChange};
use cairn_types::tag::Tags;
use cairn_types::version::{NamedVersion, Versioning};

use crate::buckets::{Buckets, groups};
use crate::meta::{Indexed, MutateError, QueryError};
use crate::objects::Objects;

/// How often a bucket may go on under a change before this side gives up.
const ROUNDS: usize = 8;

/// The settings of a bucket, and of which one they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsOf {
    /// The bucket: the one that was asked for, or the one that its name stands for now.
    pub bucket: Arc<BucketEntry>,
    /// What it was told to be.
    pub settings: BucketSettings,
}

impl Buckets {
    /// All that a bucket was told to be.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn settings(
        &self,
        bucket: &Arc<BucketEntry>,
    ) -> Result<Indexed<SettingsOf>, QueryError> {
        let read = |bucket: Arc<BucketEntry>| async move {
            // All its groups say the same; while one is yet to be told, nothing was promised.
            let group = bucket.group_of("");
            let query = DataQuery::Settings {
                bucket: bucket.bucket,
            };
            self.guarded_meta()
                .ask_data(group, query)
                .await?
                .try_map(|view| match view {
                    DataView::Settings(settings) => Ok(SettingsOf {
                        bucket,
                        settings: *settings,
                    }),
                    _ => Err(QueryError::unexpected_view()),
                })
        };
        self.with_current(bucket, read).await
    }

    /// Says whether a bucket keeps versions from now on.
    ///
    /// # Errors
    /// As `change_settings`.
    pub async fn set_versioning(
        &self,
        bucket: &Arc<BucketEntry>,
        versioning: Versioning,
    ) -> Result<Indexed<Epoch>, MutateError> {
        let change = SettingChange::Versioning(versioning);
        self.change_settings(bucket, &change).await
    }

    /// Changes what a bucket was told to be, and tells the epoch of its settings after that. The index is the last group's.
    ///
    /// # Errors
    /// `NoSuchBucket`, `InvalidBucketState`. `Unknown` where some of its groups may have been told.
    pub async fn change_settings(
        &self,
        bucket: &Arc<BucketEntry>,
        change: &SettingChange,
    ) -> Result<Indexed<Epoch>, MutateError> {
        let mut known = Arc::clone(bucket);
        let mut rounds = ROUNDS;
        loop {
            let tell = |bucket| async move { self.tell_groups(bucket, change).await };
            match self.with_current(&known, tell).await {
                // It went on since it was looked up: a deletion was begun and taken back.
                Err(error) if is_in_transition(&error) && rounds > 1 => {
                    rounds -= 1;
                    let current = self.fetch(&bucket.name).await?.value;
                    if current.owner != bucket.owner {
                        return Err(error);
                    }
                    known = current;
                }
                answer => return answer,
            }
        }
    }

    async fn tell_groups(
        &self,
        bucket: Arc<BucketEntry>,
        change: &SettingChange,
    ) -> Result<Indexed<Epoch>, MutateError> {
        let mut told = Indexed {
            value: bucket.epoch,
            index: 0,
        };
        for (at, group) in groups(&bucket).into_iter().enumerate() {
            let mutation = DataMutation::ChangeSettings {
                bucket: bucket.bucket,
                epoch: bucket.epoch,
                change: change.clone(),
            };
            let answer = self.guarded_meta().change_data(group, mutation).await;
            let answer = answer.and_then(|reply| {
                reply.try_map(|reply| match reply {
                    DataReply::Settings { epoch } => Ok(epoch),
                    _ => Err(MutateError::unexpected_reply(group)),
                })
            });
            told = match answer {
                Err(error) if at > 0 => return Err(error.after_effect(group)),
                answer => answer?,
            };
        }
        Ok(told)
    }
}

impl Objects {
    /// Changes the tags of a version: of the newest, if none is named. Tells which one it is.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `DeleteMarker`, `NoSuchBucket`, or it is not known.
    pub async fn set_tags(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
        tags: &Tags,
    ) -> Result<Indexed<NamedVersion>, MutateError> {
        let change = |target| DataMutation::SetObjectTags {
            target,
            tags: tags.clone(),
        };
        self.change_version(bucket, key, version, change).await
    }

    /// Changes the ACL of a version, as `set_tags` its tags; `None`: its owner has everything, nobody else anything.
    ///
    /// # Errors
    /// As `set_tags`.
    pub async fn set_acl(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
        acl: Option<&Acl>,
    ) -> Result<Indexed<NamedVersion>, MutateError> {
        let change = |target| DataMutation::SetObjectAcl {
            target,
            acl: acl.cloned(),
        };
        self.change_version(bucket, key, version, change).await
    }

    /// Changes until when a version is retained, as `set_tags` its tags. `bypass_governance`: the caller may pass governance and
    /// says so.
    ///
    /// # Errors
    /// As `set_tags`; `NoObjectLock`, `ObjectLocked`.
    pub async fn set_retention(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
        (retention, bypass_governance): (Option<Retention>, bool),
    ) -> Result<Indexed<NamedVersion>, MutateError> {
        let change = |target| DataMutation::SetRetention {
            target,
            retention,
            bypass_governance,
        };
        self.change_version(bucket, key, version, change).await
    }

    /// Changes whether a version is held, as `set_tags` its tags.
    ///
    /// # Errors
    /// As `set_tags`; `NoObjectLock`.
    pub async fn set_legal_hold(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
        legal_hold: LegalHold,
    ) -> Result<Indexed<NamedVersion>, MutateError> {
        let change = |target| DataMutation::SetLegalHold { target, legal_hold };
        self.change_version(bucket, key, version, change).await
    }

    async fn change_version(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
        mutation: impl Fn(VersionTarget) -> DataMutation,
    ) -> Result<Indexed<NamedVersion>, MutateError> {
        let mutation = &mutation;
        let change = |bucket: Arc<BucketEntry>| async move {
            let group = bucket.group_of(key.as_str());
            let target = VersionTarget {
                bucket: bucket.bucket,
                key: key.clone(),
                version,
            };
            let meta = self.buckets().guarded_meta();
            let reply = meta.change_data(group, mutation(target)).await?;
            reply.try_map(|reply| match reply {
                DataReply::VersionChanged { version, is_null } => {
                    Ok(NamedVersion::of(version, is_null))
                }
                _ => Err(MutateError::unexpected_reply(group)),
            })
        };
        self.buckets().with_current(bucket, change).await
    }
}

fn is_in_transition(error: &MutateError) -> bool {
    matches!(error.refusal(), Some(Refusal::BucketInTransition { .. }))
}
