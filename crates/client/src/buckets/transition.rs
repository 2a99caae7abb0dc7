//! Finishing what was begun: the steps of a bucket's making and deletion that follow the first.

use cairn_types::id::BucketId;
use cairn_types::namespace::root::{BucketEntry, BucketState};
use cairn_types::namespace::{DataMutation, DataReply, Refusal, RootMutation};

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
    /// Somebody else found keys meanwhile and took the deletion back.
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
            BucketState::Creating => self.finish_create(&entry).await,
            BucketState::Active => Ok(()),
            BucketState::Deleting => self.finish_delete(&entry).await.map(drop),
        }
    }

    /// `Creating` → `Active`. The data groups know the bucket before anybody can see it.
    pub(super) async fn finish_create(&self, entry: &BucketEntry) -> Result<(), MutateError> {
        for group in groups(entry) {
            let open = DataMutation::OpenBucket {
                bucket: entry.bucket,
                name: entry.name.clone(),
            };
            self.meta.change_data(group, open).await?;
        }
        let activate = RootMutation::ActivateBucket {
            bucket: entry.bucket,
        };
        match self.meta.change_root(activate).await {
            // Made by another, and deleted again: so it was made.
            Ok(_) | Err(MutateError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `Deleting` → gone, or back to `Active`. No data group takes keys before the name is freed.
    pub(super) async fn finish_delete(&self, entry: &BucketEntry) -> Result<Deletion, MutateError> {
        let bucket = entry.bucket;
        for group in groups(entry) {
            match self
                .meta
                .change_data(group, DataMutation::FenceBucket { bucket })
                .await
            {
                Ok(_) => {}
                Err(MutateError::Refused(Refusal::BucketNotEmpty)) => {
                    return self.take_back(entry).await;
                }
                Err(error) => return Err(error),
            }
        }
        for group in groups(entry) {
            let drain = DataMutation::DrainBucket {
                bucket,
                limit: DRAIN_STEP,
            };
            loop {
                match self
                    .meta
                    .change_data(group, drain.clone())
                    .await
                    .map(|reply| reply.value)
                {
                    Ok(DataReply::Drained { more: true }) => {}
                    Ok(_) | Err(MutateError::Refused(Refusal::NoSuchBucket)) => break,
                    // Not fenced any more.
                    Err(MutateError::Refused(_)) => return Ok(Deletion::Undone),
                    Err(error) => return Err(error),
                }
            }
        }
        match self
            .meta
            .change_root(RootMutation::ReleaseBucket { bucket })
            .await
        {
            Ok(_) | Err(MutateError::Refused(Refusal::NoSuchBucket)) => Ok(Deletion::Gone),
            // Active again.
            Err(MutateError::Refused(_)) => Ok(Deletion::Undone),
            Err(error) => Err(error),
        }
    }

    /// `Deleting` → `Active`, then the fences go: a bucket that may be written is never on its way out.
    async fn take_back(&self, entry: &BucketEntry) -> Result<Deletion, MutateError> {
        let bucket = entry.bucket;
        match self
            .meta
            .change_root(RootMutation::ReviveBucket { bucket })
            .await
        {
            Ok(_) => {}
            Err(MutateError::Refused(_)) => return Ok(Deletion::Undone),
            Err(error) => return Err(error),
        }
        for group in groups(entry) {
            match self
                .meta
                .change_data(group, DataMutation::UnfenceBucket { bucket })
                .await
            {
                Ok(_) => {}
                // Another deletion drained this group between the fence and now: begin it again.
                Err(MutateError::Refused(_)) => return Ok(Deletion::Undone),
                Err(error) => return Err(error),
            }
        }
        Ok(Deletion::NotEmpty)
    }
}
