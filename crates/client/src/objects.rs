//! Objects: one request each to the data group of the key.

use std::sync::Arc;

use cairn_types::id::GroupId;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{
    Committed, DeleteTarget, Deleted, ListObjects, ListedObject, WriteCondition, extents,
};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::namespace::{DataMutation, DataQuery, DataReply, DataView, SettingsGuard};
use cairn_types::object::{Content, NewObject, ObjectVersion};
use cairn_types::version::NamedVersion;

use crate::buckets::Buckets;
use crate::meta::{Indexed, MutateError, QueryError};

/// The objects of all buckets. Cloning shares it.
///
/// Every request takes the bucket as its caller knows it. When the data group does not, the name is looked up again and the
/// request done once more, so a caller's knowledge may be old.
#[derive(Debug, Clone)]
pub struct Objects {
    buckets: Buckets,
}

/// A page of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectPage {
    /// The rows, by key.
    pub objects: Vec<ListedObject>,
    /// The common prefixes, ascending.
    pub common_prefixes: Vec<String>,
    /// The `after` of the next page, if there is more.
    pub next: Option<String>,
}

impl Objects {
    /// The objects of `buckets`.
    pub fn new(buckets: Buckets) -> Self {
        Self { buckets }
    }

    /// The same objects for one who decided by these settings: see `Buckets::guarded`.
    #[must_use]
    pub fn guarded(&self, guard: SettingsGuard) -> Self {
        Self::new(self.buckets.guarded(guard))
    }

    /// The buckets.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Commits a version. The blobs that it names were begun for the group of its key.
    ///
    /// # Errors
    /// See `MutateError`.
    pub async fn put(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        object: &NewObject,
        condition: &WriteCondition,
    ) -> Result<Indexed<Committed>, MutateError> {
        let commit = |bucket: Arc<BucketEntry>| async move {
            let group = bucket.group_of(key.as_str());
            check_home(group, &object.content)?;
            let mutation = DataMutation::PutObject {
                bucket: bucket.bucket,
                key: key.clone(),
                object: object.clone(),
                condition: condition.clone(),
            };
            let reply = self
                .buckets
                .guarded_meta()
                .change_data(group, mutation)
                .await?;
            reply.try_map(|reply| match reply {
                DataReply::Committed(committed) => Ok(committed),
                _ => Err(MutateError::unexpected_reply(group)),
            })
        };
        self.buckets.with_current(bucket, commit).await
    }

    /// The newest version of a key, or the one of this name, whole.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `DeleteMarker`, `NoSuchBucket`, or no answer.
    pub async fn get(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
    ) -> Result<Indexed<ObjectVersion>, QueryError> {
        let read = |bucket: Arc<BucketEntry>| async move {
            let query = DataQuery::Object {
                bucket: bucket.bucket,
                key: key.clone(),
                version,
            };
            object_view(&self.buckets, &bucket, key, query).await
        };
        self.buckets.with_current(bucket, read).await
    }

    /// As `get`, without the bytes: `content` is empty `Extents` unless it is `Parts`.
    ///
    /// # Errors
    /// As `get`.
    pub async fn head(
        &self,
        bucket: &Arc<BucketEntry>,
        key: &ObjectKey,
        version: Option<NamedVersion>,
    ) -> Result<Indexed<ObjectVersion>, QueryError> {
        let read = |bucket: Arc<BucketEntry>| async move {
            let query = DataQuery::ObjectHead {
                bucket: bucket.bucket,
                key: key.clone(),
                version,
            };
            object_view(&self.buckets, &bucket, key, query).await
        };
        self.buckets.with_current(bucket, read).await
    }

    /// Deletes 1 to 1,000 keys and versions, each as if alone, and tells for each what became of it. The index is the last
    /// group's.
    ///
    /// # Errors
    /// See `MutateError`. With keys in several groups, some may be deleted then: the error is `Unknown`.
    pub async fn delete(
        &self,
        bucket: &Arc<BucketEntry>,
        targets: &[DeleteTarget],
    ) -> Result<Indexed<Vec<Deleted>>, MutateError> {
        let delete = |bucket: Arc<BucketEntry>| async move {
            let mut deleted = vec![Deleted::Missing; targets.len()];
            let mut index = 0;
            let groups = by_group(&bucket, targets);
            for (at, (group, places)) in groups.iter().enumerate() {
                let answered = self
                    .delete_in(*group, &bucket, targets, places, &mut deleted)
                    .await;
                index = match answered {
                    Ok(index) => index,
                    Err(error) if at > 0 => return Err(error.after_effect(*group)),
                    Err(error) => return Err(error),
                };
            }
            Ok(Indexed {
                value: deleted,
                index,
            })
        };
        self.buckets.with_current(bucket, delete).await
    }

    /// A page of current objects and common prefixes, in the order of UTF-8 bytes. `question.bucket` is that of `bucket`,
    /// whatever it says.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn list(
        &self,
        bucket: &Arc<BucketEntry>,
        question: &ListObjects,
    ) -> Result<Indexed<ObjectPage>, QueryError> {
        let list = |bucket: Arc<BucketEntry>| async move {
            let mut page = ObjectPage::default();
            let mut question = ListObjects {
                bucket: bucket.bucket,
                ..question.clone()
            };
            let mut index = 0;
            for (at, range) in bucket.ranges.iter().enumerate() {
                let next_start = bucket.ranges.get(at + 1).map(|next| next.start.as_str());
                if next_start.is_some_and(|start| start <= question.after.as_str()) {
                    continue;
                }
                let part = self.list_in(range.group, &question).await?;
                index = part.index;
                let taken = part.value.objects.len() + part.value.common_prefixes.len();
                question.limit -= u32::try_from(taken).unwrap_or(u32::MAX).min(question.limit);
                page.objects.extend(part.value.objects);
                page.common_prefixes.extend(part.value.common_prefixes);
                page.next = part.value.next;
                if page.next.is_some() || next_start.is_none() {
                    break;
                }
                // A prefix that spans two ranges is shown once: what follows is asked for behind what was shown.
                question.after = last_shown(&page).unwrap_or(question.after);
                if question.limit == 0 {
                    page.next = Some(question.after);
                    break;
                }
            }
            Ok(Indexed { value: page, index })
        };
        self.buckets.with_current(bucket, list).await
    }

    async fn delete_in(
        &self,
        group: GroupId,
        bucket: &BucketEntry,
        targets: &[DeleteTarget],
        places: &[usize],
        deleted: &mut [Deleted],
    ) -> Result<u64, MutateError> {
        let mutation = DataMutation::DeleteObjects {
            bucket: bucket.bucket,
            targets: places
                .iter()
                .filter_map(|place| targets.get(*place).cloned())
                .collect(),
        };
        let reply = self
            .buckets
            .guarded_meta()
            .change_data(group, mutation)
            .await?;
        match reply.value {
            DataReply::Deleted(answers) if answers.len() == places.len() => {
                for (place, answer) in places.iter().zip(answers) {
                    if let Some(slot) = deleted.get_mut(*place) {
                        *slot = answer;
                    }
                }
                Ok(reply.index)
            }
            _ => Err(MutateError::unexpected_reply(group)),
        }
    }

    async fn list_in(
        &self,
        group: GroupId,
        question: &ListObjects,
    ) -> Result<Indexed<ObjectPage>, QueryError> {
        let query = DataQuery::ListObjects(question.clone());
        self.buckets
            .guarded_meta()
            .ask_data(group, query)
            .await?
            .try_map(|view| match view {
                DataView::Objects {
                    objects,
                    common_prefixes,
                    next,
                } => Ok(ObjectPage {
                    objects,
                    common_prefixes,
                    next,
                }),
                _ => Err(QueryError::unexpected_view()),
            })
    }
}

/// A blob belongs to the group that it was begun for: when the bucket was made again in another one, the writer has to bring
/// its bytes there.
pub(crate) fn check_home(group: GroupId, content: &Content) -> Result<(), MutateError> {
    let mut extents = extents(content).iter();
    if extents.all(|extent| extent.blob.group() == group) {
        Ok(())
    } else {
        Err(MutateError::OtherGroup { group })
    }
}

async fn object_view(
    buckets: &Buckets,
    bucket: &BucketEntry,
    key: &ObjectKey,
    query: DataQuery,
) -> Result<Indexed<ObjectVersion>, QueryError> {
    let view = buckets
        .guarded_meta()
        .ask_data(bucket.group_of(key.as_str()), query)
        .await?;
    view.try_map(|view| match view {
        DataView::Object(version) => Ok(*version),
        _ => Err(QueryError::unexpected_view()),
    })
}

/// The places of the keys of each group, in the order of first appearance.
fn by_group(bucket: &BucketEntry, targets: &[DeleteTarget]) -> Vec<(GroupId, Vec<usize>)> {
    let mut groups: Vec<(GroupId, Vec<usize>)> = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        let group = bucket.group_of(target.key.as_str());
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, places)) => places.push(place),
            None => groups.push((group, vec![place])),
        }
    }
    groups
}

/// The last key or common prefix of a page, whichever is later.
fn last_shown(page: &ObjectPage) -> Option<String> {
    let key = page.objects.last().map(|object| object.key.as_str());
    let prefix = page.common_prefixes.last().map(String::as_str);
    key.max(prefix).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use cairn_types::id::{BucketId, Epoch};
    use cairn_types::name::BucketName;
    use cairn_types::namespace::root::{BucketState, ShardRange};

    use super::*;

    #[test]
    fn keys_go_to_the_groups_of_their_ranges_and_keep_their_places() {
        let range = |start: &str, group| ShardRange {
            start: start.to_owned(),
            group: GroupId::new(group),
            epoch: Epoch::new(1),
        };
        let bucket = BucketEntry {
            bucket: BucketId::new(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: String::new(),
            created: cairn_types::time::Timestamp::default(),
            state: BucketState::Active,
            epoch: Epoch::new(2),
            initial: cairn_types::settings::InitialSettings::default(),
            ranges: vec![range("", 3), range("m", 4)],
        };
        let targets =
            ["z", "a", "m", "lz"].map(|key| DeleteTarget::from(ObjectKey::parse(key).unwrap()));

        assert_eq!(
            by_group(&bucket, &targets),
            [(GroupId::new(4), vec![0, 2]), (GroupId::new(3), vec![1, 3])]
        );
    }

    /// A gateway runs these on tasks that move between threads.
    #[test]
    fn requests_can_move_between_threads() {
        fn is_send<T: Send>(_: impl FnOnce(&'static Objects, &'static Arc<BucketEntry>) -> T) {}
        is_send(|objects, bucket| objects.delete(bucket, &[]));
        is_send(|objects, bucket| objects.list(bucket, Box::leak(Box::new(question()))));
    }

    fn question() -> ListObjects {
        ListObjects {
            bucket: BucketId::new(1),
            prefix: String::new(),
            delimiter: String::new(),
            after: String::new(),
            limit: 0,
        }
    }
}
