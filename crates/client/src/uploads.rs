//! Multipart uploads: one request each to the data group of the key.

use std::sync::Arc;

use cairn_types::checksum::Checksum;
use cairn_types::id::UploadId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{
    Committed, CompletedPart, ListUploads, ListedPart, ListedUpload, PartContent, UploadInfo,
    UploadKey, WriteCondition,
};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::namespace::{
    DataMutation, DataQuery, DataReply, DataView, Refusal, SettingsGuard,
};
use cairn_types::object::{NewPart, NewUpload};
use cairn_types::time::Timestamp;

use crate::buckets::Buckets;
use crate::meta::{Indexed, MutateError, QueryError};
use crate::objects::check_home;

/// The uploads of all buckets. Cloning shares it. As for `Objects`, a caller's knowledge of the bucket may be old.
#[derive(Debug, Clone)]
pub struct Uploads {
    buckets: Buckets,
}

/// An upload that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Its id.
    pub upload: UploadId,
    /// When.
    pub initiated: Timestamp,
}

/// How an upload is completed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// Ascending, 1 to 10,000 parts.
    pub parts: Vec<CompletedPart>,
    /// What must hold of the key.
    pub condition: WriteCondition,
    /// The checksum of the whole, if the client declared one.
    pub checksum: Option<Checksum>,
    /// The length of the whole, if the client declared it.
    pub declared_len: Option<u64>,
}

/// A page of an open upload's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPage {
    /// The upload they are of.
    pub info: UploadInfo,
    /// The rows, by number.
    pub parts: Vec<ListedPart>,
    /// Whether more follow.
    pub truncated: bool,
}

/// A page of open uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPage {
    /// The rows, by key and then by the time they were begun.
    pub uploads: Vec<ListedUpload>,
    /// The common prefixes, ascending.
    pub common_prefixes: Vec<String>,
    /// The `after_key` and `after_upload` of the next page, if there is more.
    pub next: Option<(String, Option<UploadId>)>,
}

impl Uploads {
    /// The uploads of `buckets`.
    pub fn new(buckets: Buckets) -> Self {
        Self { buckets }
    }

    /// The same uploads for one who decided by these settings: see `Buckets::guarded`.
    #[must_use]
    pub fn guarded(&self, guard: SettingsGuard) -> Self {
        Self::new(self.buckets.guarded(guard))
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn create(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        upload: &NewUpload,
    ) -> Result<Indexed<Begun>, MutateError> {
        let create = |bucket: Arc<BucketEntry>| async move {
            let group = bucket.group_of(key.as_str());
            let mutation = DataMutation::CreateUpload {
                bucket: bucket.bucket,
                key: key.clone(),
                upload: upload.clone(),
            };
            let reply = self
                .buckets
                .guarded_meta()
                .change_data(group, mutation)
                .await?;
            reply.try_map(|reply| match reply {
                DataReply::UploadCreated { upload, initiated } => Ok(Begun { upload, initiated }),
                _ => Err(MutateError::unexpected_reply(group)),
            })
        };
        self.buckets.with_current(bucket, create).await
    }

    /// Commits a part; one of the same number goes. The blobs that it names were begun for the group of the key. Answers
    /// when it was committed.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn put_part(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        number: u16,
        part: &NewPart,
    ) -> Result<Indexed<Timestamp>, MutateError> {
        let group = bucket.group_of(upload.key.as_str());
        check_home(group, &part.content)?;
        let mutation = DataMutation::PutPart {
            upload: upload.clone(),
            number,
            part: part.clone(),
        };
        let reply = self.change_upload(bucket, upload, mutation).await?;
        reply.try_map(|reply| match reply {
            DataReply::PartCommitted { last_modified } => Ok(last_modified),
            _ => Err(MutateError::unexpected_reply(group)),
        })
    }

    /// Makes the parts one version.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn complete(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        completion: Completion,
    ) -> Result<Indexed<Committed>, MutateError> {
        let mutation = DataMutation::CompleteUpload {
            upload: upload.clone(),
            parts: completion.parts,
            condition: completion.condition,
            checksum: completion.checksum,
            declared_len: completion.declared_len,
        };
        let reply = self.change_upload(bucket, upload, mutation).await?;
        reply.try_map(|reply| match reply {
            DataReply::Committed(committed) => Ok(committed),
            _ => Err(MutateError::unexpected_reply(
                bucket.group_of(upload.key.as_str()),
            )),
        })
    }

    /// Forgets an upload and frees its parts.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn abort(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
    ) -> Result<Indexed<()>, MutateError> {
        let mutation = DataMutation::AbortUpload {
            upload: upload.clone(),
        };
        let reply = self.change_upload(bucket, upload, mutation).await?;
        reply.try_map(|_| Ok(()))
    }

    /// What an upload was begun with.
    ///
    /// # Errors
    /// `NoSuchUpload`, `NoSuchBucket`, or no answer.
    pub async fn info(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
    ) -> Result<Indexed<UploadInfo>, QueryError> {
        let query = DataQuery::Upload {
            upload: upload.clone(),
        };
        let view = self.ask_upload(bucket, upload, query).await?;
        view.try_map(|view| match view {
            DataView::Upload(info) => Ok(info),
            _ => Err(QueryError::unexpected_view()),
        })
    }

    /// A page of an open upload's parts: at most `limit` with numbers above `after`.
    ///
    /// # Errors
    /// `NoSuchUpload`, `NoSuchBucket`, or no answer.
    pub async fn parts(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        after: u16,
        limit: u32,
    ) -> Result<Indexed<PartPage>, QueryError> {
        let query = DataQuery::Parts {
            upload: upload.clone(),
            after,
            limit,
        };
        let view = self.ask_upload(bucket, upload, query).await?;
        view.try_map(|view| match view {
            DataView::Parts {
                info,
                parts,
                truncated,
            } => Ok(PartPage {
                info,
                parts,
                truncated,
            }),
            _ => Err(QueryError::unexpected_view()),
        })
    }

    /// Where the bytes of a completed object's parts are, from part `from` on: of a version that was read from `bucket`, or
    /// from the bucket that the name stands for now. Empty when nothing is known of the upload: its version went away.
    ///
    /// # Errors
    /// No answer.
    pub async fn part_contents(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        upload: UploadId,
        from: u16,
        limit: u32,
    ) -> Result<Vec<PartContent>, QueryError> {
        let read = |bucket: Arc<BucketEntry>| async move {
            let query = DataQuery::PartContents {
                upload: UploadKey {
                    bucket: bucket.bucket,
                    key: key.clone(),
                    upload,
                },
                from,
                limit,
            };
            let view = self
                .buckets
                .guarded_meta()
                .ask_data(bucket.group_of(key.as_str()), query)
                .await?;
            match view.value {
                DataView::PartContents(parts) => Ok(parts),
                _ => Err(QueryError::unexpected_view()),
            }
        };
        match self.buckets.with_current(bucket, read).await {
            Err(QueryError::Refused(Refusal::NoSuchUpload | Refusal::NoSuchBucket)) => {
                Ok(Vec::new())
            }
            answer => answer,
        }
    }

    /// A page of open uploads. `question.bucket` is that of `bucket`, whatever it says.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn list(
        &self,
        bucket: &Arc<BucketEntry>,
        question: &ListUploads,
    ) -> Result<Indexed<UploadPage>, QueryError> {
        let list = |bucket: Arc<BucketEntry>| async move {
            let mut page = UploadPage {
                uploads: Vec::new(),
                common_prefixes: Vec::new(),
                next: None,
            };
            let mut question = ListUploads {
                bucket: bucket.bucket,
                ..question.clone()
            };
            let mut index = 0;
            for (at, range) in bucket.ranges.iter().enumerate() {
                let next_start = bucket.ranges.get(at + 1).map(|next| next.start.as_str());
                if next_start.is_some_and(|start| start <= question.after_key.as_str()) {
                    continue;
                }
                let query = DataQuery::Uploads(question.clone());
                let part = self
                    .buckets
                    .guarded_meta()
                    .ask_data(range.group, query)
                    .await?
                    .try_map(upload_page)?;
                index = part.index;
                let taken = part.value.uploads.len() + part.value.common_prefixes.len();
                question.limit -= u32::try_from(taken).unwrap_or(u32::MAX).min(question.limit);
                page.uploads.extend(part.value.uploads);
                page.common_prefixes.extend(part.value.common_prefixes);
                page.next = part.value.next;
                if page.next.is_some() {
                    break;
                }
                if let Some(start) = next_start.filter(|_| question.limit == 0) {
                    let shown = last_shown(&page).unwrap_or((start.to_owned(), None));
                    page.next = Some(shown);
                    break;
                }
                if let Some((key, upload)) = last_shown(&page) {
                    question.after_key = key;
                    question.after_upload = upload;
                }
            }
            Ok(Indexed { value: page, index })
        };
        self.buckets.with_current(bucket, list).await
    }

    /// A change of an upload. Its bucket's id is part of its key, so another bucket of the same name is no substitute: the
    /// upload is gone with the bucket it was begun in. The same bucket may have been fenced by a deletion that was taken back.
    async fn change_upload(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        mutation: DataMutation,
    ) -> Result<Indexed<DataReply>, MutateError> {
        let group = bucket.group_of(upload.key.as_str());
        let meta = self.buckets.guarded_meta();
        let answer = meta.change_data(group, mutation.clone()).await;
        let is_lost = answer
            .as_ref()
            .is_err_and(|error| error.refusal() == Some(&Refusal::NoSuchBucket));
        if !is_lost {
            return answer;
        }
        // The directory says which of the three it is.
        let current = self.buckets.fetch(&bucket.name).await?.value;
        if current.bucket != upload.bucket {
            return Err(Refusal::NoSuchUpload.into());
        }
        self.buckets.make_writable(&current).await?;
        meta.change_data(group, mutation).await
    }

    async fn ask_upload(
        &self,
        bucket: &BucketEntry,
        upload: &UploadKey,
        query: DataQuery,
    ) -> Result<Indexed<DataView>, QueryError> {
        let group = bucket.group_of(upload.key.as_str());
        let answer = self.buckets.guarded_meta().ask_data(group, query).await;
        if answer
            .as_ref()
            .is_err_and(|error| error.refusal() == Some(&Refusal::NoSuchBucket))
        {
            self.buckets.fetch(&bucket.name).await?;
            return Err(Refusal::NoSuchUpload.into());
        }
        answer
    }
}

fn upload_page(view: DataView) -> Result<UploadPage, QueryError> {
    match view {
        DataView::Uploads {
            uploads,
            common_prefixes,
            next,
        } => Ok(UploadPage {
            uploads,
            common_prefixes,
            next,
        }),
        _ => Err(QueryError::unexpected_view()),
    }
}

/// The last upload or common prefix of a page, whichever is later.
fn last_shown(page: &UploadPage) -> Option<(String, Option<UploadId>)> {
    let upload = page.uploads.last();
    let upload = upload.map(|upload| (upload.key.as_str().to_owned(), Some(upload.upload)));
    let prefix = page.common_prefixes.last();
    let prefix = prefix.map(|prefix| (prefix.clone(), None));
    upload.max(prefix)
}
