//! Versions: whether a bucket keeps them, and which there are.

use std::sync::Arc;

use cairn_types::id::GroupId;
use cairn_types::namespace::data::{ListVersions, ListedVersion};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::namespace::{DataQuery, DataView};
use cairn_types::version::{NamedVersion, Versioning};

use crate::buckets::Buckets;
use crate::meta::{Indexed, QueryError};
use crate::objects::Objects;

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// The rows, by key, and those of a key newest first.
    pub versions: Vec<ListedVersion>,
    /// The common prefixes, ascending.
    pub common_prefixes: Vec<String>,
    /// The `after_key` and `after_version` of the next page, if there is more.
    pub next: Option<(String, Option<NamedVersion>)>,
}

impl Buckets {
    /// Whether a bucket keeps versions; `None`: it was never told to.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn versioning(
        &self,
        bucket: &Arc<BucketEntry>,
    ) -> Result<Indexed<Option<Versioning>>, QueryError> {
        let read = |bucket: Arc<BucketEntry>| async move {
            // All its groups say the same; while one is yet to be told, nothing was promised.
            let group = bucket.group_of("");
            let query = DataQuery::Versioning {
                bucket: bucket.bucket,
            };
            self.guarded_meta()
                .ask_data(group, query)
                .await?
                .try_map(|view| match view {
                    DataView::Versioning(versioning) => Ok(versioning),
                    _ => Err(QueryError::unexpected_view()),
                })
        };
        self.with_current(bucket, read).await
    }
}

impl Objects {
    /// A page of versions and common prefixes: by key in the order of UTF-8 bytes, and those of a key newest first.
    /// `question.bucket` is that of `bucket`, whatever it says.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn list_versions(
        &self,
        bucket: &Arc<BucketEntry>,
        question: &ListVersions,
    ) -> Result<Indexed<VersionPage>, QueryError> {
        let list = |bucket: Arc<BucketEntry>| async move {
            let mut page = VersionPage::default();
            let mut question = ListVersions {
                bucket: bucket.bucket,
                ..question.clone()
            };
            let mut index = 0;
            for (at, range) in bucket.ranges.iter().enumerate() {
                let next_start = bucket.ranges.get(at + 1).map(|next| next.start.as_str());
                if next_start.is_some_and(|start| start <= question.after_key.as_str()) {
                    continue;
                }
                let part = self.list_versions_in(range.group, &question).await?;
                index = part.index;
                let taken = part.value.versions.len() + part.value.common_prefixes.len();
                question.limit -= u32::try_from(taken).unwrap_or(u32::MAX).min(question.limit);
                page.versions.extend(part.value.versions);
                page.common_prefixes.extend(part.value.common_prefixes);
                page.next = part.value.next;
                if page.next.is_some() || next_start.is_none() {
                    break;
                }
                // A prefix that spans two ranges is shown once: what follows is asked for behind what was shown.
                if let Some(last) = last_shown(&page) {
                    (question.after_key, question.after_version) = (last, None);
                }
                if question.limit == 0 {
                    page.next = Some((question.after_key, question.after_version));
                    break;
                }
            }
            Ok(Indexed { value: page, index })
        };
        self.buckets().with_current(bucket, list).await
    }

    async fn list_versions_in(
        &self,
        group: GroupId,
        question: &ListVersions,
    ) -> Result<Indexed<VersionPage>, QueryError> {
        let query = DataQuery::ListVersions(question.clone());
        self.buckets()
            .guarded_meta()
            .ask_data(group, query)
            .await?
            .try_map(|view| match view {
                DataView::Versions {
                    versions,
                    common_prefixes,
                    next,
                } => Ok(VersionPage {
                    versions,
                    common_prefixes,
                    next,
                }),
                _ => Err(QueryError::unexpected_view()),
            })
    }
}

/// The last key or common prefix of a page, whichever is later.
fn last_shown(page: &VersionPage) -> Option<String> {
    let key = page.versions.last().map(|version| version.key.as_str());
    let prefix = page.common_prefixes.last().map(String::as_str);
    key.max(prefix).map(str::to_owned)
}
