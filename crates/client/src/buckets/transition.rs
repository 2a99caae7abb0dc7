//! Finishing what was begun: the steps of a bucket's making and deletion that follow the first.

use cairn_types::id::{BucketId, GroupId};
use cairn_types::namespace::root::{BucketEntry, BucketState};
use cairn_types::namespace::{DataMutation, DataReply, Refusal, RootMutation, RootReply};

use super::{Buckets, groups};
use crate::meta::{MutateError, QueryError};

/// Uploads and parts that are removed in one command.
const DRAIN_STEP: u32 = 500;

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// The name is free.
    Gone,
    /// A data group holds keys: the bucket is as it was.
    NotEmpty,
    /// The bucket went on from where it was seen: look again.
    Undone,
}

impl Buckets {
    /// Finishes whatever was begun with a bucket.
    pub(super) async fn finish_any(&self, bucket: BucketId) -> Result<(), MutateError> {
        let entry = match self.directory_row_by_id(bucket).await {
            Ok(entry) => entry,
            Err(QueryError::Refused(Refusal::NoSuchBucket)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match entry.state {
            BucketState::Creating => self.finish_create(&entry).await.map(drop),
            BucketState::Active => Ok(()),
            BucketState::Deleting | BucketState::Draining { .. } => {
                self.finish_delete(&entry).await.map(drop)
            }
        }
    }

    /// `Creating` → `Active`. The data groups know the bucket before anybody can see it. `None`: it went on since.
    pub(super) async fn finish_create(
        &self,
        entry: &BucketEntry,
    ) -> Result<Option<BucketEntry>, MutateError> {
        for group in groups(entry) {
            let open = DataMutation::OpenBucket {
                bucket: entry.bucket,
                name: entry.name.clone(),
                epoch: entry.epoch,
                initial: entry.initial.clone(),
            };
            if !self.step(group, open).await? {
                return Ok(None);
            }
        }
        self.root_step(RootMutation::ActivateBucket {
            bucket: entry.bucket,
            epoch: entry.epoch,
        })
        .await
    }

    /// `Active` → `Deleting`, unless it is known before that it cannot be: then nothing is to be taken back. `None`: it went on
    /// since.
    pub(super) async fn begin_delete(
        &self,
        entry: &BucketEntry,
    ) -> Result<Option<BucketEntry>, MutateError> {
        match self.counters(entry).await {
            Ok(counters) if counters.versions > 0 => return Err(Refusal::BucketNotEmpty.into()),
            Ok(_) => {}
            Err(QueryError::Refused(Refusal::NoSuchBucket)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.root_step(RootMutation::BeginDeleteBucket {
            bucket: entry.bucket,
            epoch: entry.epoch,
        })
        .await
    }

    /// `Deleting` → gone, or back to `Active`; `Draining` → gone.
    pub(super) async fn finish_delete(&self, entry: &BucketEntry) -> Result<Deletion, MutateError> {
        if let BucketState::Draining { opened_below } = entry.state {
            return self.finish_drain(entry, opened_below).await;
        }
        let (bucket, epoch) = (entry.bucket, entry.epoch);
        for group in groups(entry) {
            match self
                .step(group, DataMutation::FenceBucket { bucket, epoch })
                .await
            {
                Ok(true) => {}
                Ok(false) => return Ok(Deletion::Undone),
                Err(MutateError::Refused(Refusal::BucketNotEmpty)) => {
                    return self.take_back(entry).await;
                }
                Err(error) => return Err(error),
            }
        }
        // Every group is fenced at this epoch, and a revival would have ended it: no key can come any more.
        let commit = RootMutation::CommitDeleteBucket { bucket, epoch };
        let draining = self.root_step(commit).await?;
        match draining.map(|entry| (entry.state, entry)) {
            Some((BucketState::Draining { opened_below }, draining)) => {
                self.finish_drain(&draining, opened_below).await
            }
            Some(_) | None => Ok(Deletion::Undone),
        }
    }

    /// `Draining` → gone.
    async fn finish_drain(
        &self,
        entry: &BucketEntry,
        opened_below: BucketId,
    ) -> Result<Deletion, MutateError> {
        let (bucket, epoch) = (entry.bucket, entry.epoch);
        for group in groups(entry) {
            let drain = DataMutation::DrainBucket {
                bucket,
                epoch,
                opened_below,
                limit: DRAIN_STEP,
            };
            loop {
                let drained = self.meta.change_data(group, drain.clone()).await?;
                if drained.value != (DataReply::Drained { more: true }) {
                    break;
                }
            }
        }
        let release = RootMutation::ReleaseBucket { bucket };
        self.meta.change_root(release).await?;
        Ok(Deletion::Gone)
    }

    /// `Deleting` → `Active`, then the fences go: a bucket that may be written is never on its way out.
    async fn take_back(&self, entry: &BucketEntry) -> Result<Deletion, MutateError> {
        let revive = RootMutation::ReviveBucket {
            bucket: entry.bucket,
            epoch: entry.epoch,
        };
        let Some(active) = self.root_step(revive).await? else {
            return Ok(Deletion::Undone);
        };
        // If it went on since, it was not empty all the same.
        self.lift_fences(&active).await?;
        Ok(Deletion::NotEmpty)
    }

    /// Lifts the fences of an active bucket, which somebody who took a deletion back left behind, and refuses those that are
    /// still on their way. False: it went on since.
    pub(super) async fn lift_fences(&self, active: &BucketEntry) -> Result<bool, MutateError> {
        let (bucket, epoch) = (active.bucket, active.epoch);
        for group in groups(active) {
            let unfence = DataMutation::UnfenceBucket { bucket, epoch };
            if !self.step(group, unfence).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a step in a data group. False: it comes too late.
    async fn step(&self, group: GroupId, mutation: DataMutation) -> Result<bool, MutateError> {
        match self.meta.change_data(group, mutation).await {
            Ok(_) => Ok(true),
            Err(error) if came_too_late(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a step in the directory. `None`: it comes too late.
    async fn root_step(&self, mutation: RootMutation) -> Result<Option<BucketEntry>, MutateError> {
        match self.meta.change_root(mutation).await {
            Ok(RootReply::Bucket(entry)) => Ok(Some(entry)),
            Ok(_) => Err(MutateError::unexpected_reply(GroupId::ROOT)),
            Err(error) if came_too_late(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the bucket went on from where it was seen, or is gone.
fn came_too_late(error: &MutateError) -> bool {
    matches!(
        error.refusal(),
        Some(Refusal::NoSuchBucket | Refusal::BucketInTransition { .. })
    )
}
