//! What a data group says of blobs: which may go, which are gone.

use cairn_types::id::{BlobId, GroupId};
use cairn_types::namespace::data::{FreedBlob, GroupStatus};
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView};
use cairn_types::time::Timestamp;

use crate::meta::{MetaClient, MutateError, QueryError};

/// Blobs in one command.
const BLOBS_PER_COMMAND: usize = 1000;

/// The blobs of all data groups. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Blobs {
    meta: MetaClient,
}

impl Blobs {
    /// The blobs that `meta` leads to.
    pub fn new(meta: MetaClient) -> Self {
        Self { meta }
    }

    /// Forbids those of `blobs`, all of `group`, that nothing refers to; answers which. Their shards may be removed then.
    ///
    /// # Errors
    /// When not all of them were decided; doing it again is harmless.
    pub async fn condemn(
        &self,
        group: GroupId,
        blobs: &[BlobId],
    ) -> Result<Vec<BlobId>, MutateError> {
        let mut condemned = Vec::new();
        for page in blobs.chunks(BLOBS_PER_COMMAND) {
            let blobs = page.to_vec();
            let condemn = DataMutation::CondemnBlobs { blobs };
            match self.meta.change_data(group, condemn).await?.value {
                DataReply::Condemned(page) => condemned.extend(page),
                _ => return Err(MutateError::unexpected_reply(group)),
            }
        }
        Ok(condemned)
    }

    /// Forgets freed or condemned blobs of `group` whose shards are tombstoned on their disks.
    ///
    /// # Errors
    /// When not all of them were forgotten; doing it again is harmless.
    pub async fn forget(&self, group: GroupId, blobs: &[BlobId]) -> Result<(), MutateError> {
        for page in blobs.chunks(BLOBS_PER_COMMAND) {
            let blobs = page.to_vec();
            self.meta
                .change_data(group, DataMutation::ForgetBlobs { blobs })
                .await?;
        }
        Ok(())
    }

    /// Refuses from now on to commit blobs that were begun before `horizon`.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn raise_horizon(
        &self,
        group: GroupId,
        horizon: Timestamp,
    ) -> Result<(), MutateError> {
        self.meta
            .change_data(group, DataMutation::RaiseHorizon { horizon })
            .await
            .map(drop)
    }

    /// A page of freed blobs behind `after`, in the order in which they were freed.
    ///
    /// # Errors
    /// No answer.
    pub async fn freed(
        &self,
        group: GroupId,
        after: Option<FreedBlob>,
        limit: u32,
    ) -> Result<Vec<FreedBlob>, QueryError> {
        let question = DataQuery::FreedBlobs { after, limit };
        match self.meta.ask_data(group, question).await?.value {
            DataView::FreedBlobs(blobs) => Ok(blobs),
            _ => Err(QueryError::unexpected_view()),
        }
    }

    /// Those of `blobs`, all of `group`, that nothing refers to now. Changes nothing: `condemn` settles it.
    ///
    /// # Errors
    /// No answer.
    pub async fn unheld(
        &self,
        group: GroupId,
        blobs: &[BlobId],
    ) -> Result<Vec<BlobId>, QueryError> {
        let mut unheld = Vec::new();
        for page in blobs.chunks(BLOBS_PER_COMMAND) {
            let blobs = page.to_vec();
            let question = DataQuery::UnheldBlobs { blobs };
            match self.meta.ask_data(group, question).await?.value {
                DataView::UnheldBlobs(page) => unheld.extend(page),
                _ => return Err(QueryError::unexpected_view()),
            }
        }
        Ok(unheld)
    }

    /// What a group owes and forbids.
    ///
    /// # Errors
    /// No answer.
    pub async fn status(&self, group: GroupId) -> Result<GroupStatus, QueryError> {
        match self.meta.ask_data(group, DataQuery::Status).await?.value {
            DataView::Status(status) => Ok(status),
            _ => Err(QueryError::unexpected_view()),
        }
    }
}
