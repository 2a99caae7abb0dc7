//! Buckets: the directory in the root group, and the steps between it and the data groups.
//!
//! A bucket is made and deleted in steps of which each is repeatable, so whoever meets a half-done one finishes it. Each carries
//! the epoch of the directory at which it was found to be due, and is refused once the bucket went on from there, so that one
//! that comes late, whoever sent it, never acts on a later attempt or a later bucket: then one looks again.
//!
//! - Making: the directory takes the name (`Creating`), every data group of the bucket opens it, the directory says
//!   `Active`. Until then nobody sees the bucket. A maker that died leaves a bucket that the next one finishes in the dead
//!   one's name: it is told that the bucket exists, and whose it is.
//! - Deleting: the directory says `Deleting`, every data group fences the bucket, which it does only while the bucket is
//!   empty and after which no key can come. Then the directory says `Draining`, from where there is no way back: what is left
//!   is drained and the name is freed. When a data group finds a key, the directory is set back to `Active` and the fences are
//!   lifted, those too that are still on their way. A `Deleting` bucket may or may not be fenced, so a reader that meets one
//!   finishes the deletion to know; who finds an `Active` one fenced lifts the fence that somebody who died left.

mod transition;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_types::id::{BucketId, GroupId};
use cairn_types::name::BucketName;
use cairn_types::namespace::data::Counters;
use cairn_types::namespace::root::{BucketEntry, BucketState, ClusterInfo};
use cairn_types::namespace::{
    DataQuery, DataView, Refusal, RootMutation, RootQuery, RootReply, RootView, SettingsGuard,
};
use cairn_types::settings::InitialSettings;

use self::transition::Deletion;
use crate::meta::{Indexed, MetaClient, MutateError, QueryError};

/// Entries that are remembered; beyond it all are forgotten, which costs one question each.
const CACHE_LEN: usize = 10_000;

/// How often a step may be undone by somebody else before this side gives up.
const ROUNDS: usize = 8;

/// The buckets of a cluster. Cloning shares it.
#[derive(Clone)]
pub struct Buckets {
    meta: MetaClient,
    /// What the caller decided by: questions to and changes of what is in a bucket carry it, the steps of its life do not.
    guard: Option<SettingsGuard>,
    /// Active ones only: that a name is free is never remembered.
    cache: Arc<Mutex<HashMap<BucketName, Arc<BucketEntry>>>>,
}

/// A page of buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPage {
    /// The rows, by name.
    pub entries: Vec<BucketEntry>,
    /// Whether more follow.
    pub truncated: bool,
}

impl Buckets {
    /// The buckets that `meta` leads to.
    pub fn new(meta: MetaClient) -> Self {
        Self {
            meta,
            guard: None,
            cache: Arc::default(),
        }
    }

    /// The same buckets for one who decided by these settings: where they are others by now, what he asks of the bucket, of its
    /// objects and of its uploads is refused with `SettingsChanged`, certain and without effect. Then the bucket is to be
    /// fetched and its settings to be read anew. Cheap: it shares all there is.
    #[must_use]
    pub fn guarded(&self, guard: SettingsGuard) -> Self {
        Self {
            guard: Some(guard),
            ..self.clone()
        }
    }

    /// The way to the metadata.
    pub fn meta(&self) -> &MetaClient {
        &self.meta
    }

    /// The way to what is in a bucket.
    pub(crate) fn guarded_meta(&self) -> MetaClient {
        self.meta.guarded(self.guard)
    }

    /// The bucket of this name, remembered or asked for. It may be gone: then its data group says `NoSuchBucket`, which
    /// `Objects` and `Uploads` answer by asking again.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn lookup(&self, name: &BucketName) -> Result<Arc<BucketEntry>, QueryError> {
        let remembered = self.cache().get(name).cloned();
        match remembered {
            Some(entry) => Ok(entry),
            None => self.fetch(name).await.map(|fetched| fetched.value),
        }
    }

    /// The bucket of this name as it is now: a linearizable read.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn fetch(&self, name: &BucketName) -> Result<Indexed<Arc<BucketEntry>>, QueryError> {
        self.forget(name);
        for _ in 0..ROUNDS {
            let found = self.directory_row(name).await?;
            match found.value.state {
                BucketState::Active => return found.try_map(|entry| Ok(self.remember(entry))),
                // Not visible before it is active.
                BucketState::Creating => return Err(Refusal::NoSuchBucket.into()),
                BucketState::Deleting | BucketState::Draining { .. } => {
                    let finished = self.finish_delete(&found.value).await;
                    finished.map_err(|error| QueryError::Unavailable {
                        group: GroupId::ROOT,
                        reason: format!("finish the deletion of the bucket: {error}"),
                    })?;
                }
            }
        }
        Err(QueryError::Unavailable {
            group: GroupId::ROOT,
            reason: "the bucket is made and deleted all the time".to_owned(),
        })
    }

    /// A page of the buckets that are there, by name: active ones, and those whose deletion may yet fail.
    ///
    /// # Errors
    /// No answer.
    pub async fn list(
        &self,
        after: &str,
        prefix: &str,
        limit: u32,
    ) -> Result<Indexed<BucketPage>, QueryError> {
        self.page(after, prefix, None, limit).await
    }

    /// As `list`, of one owner.
    ///
    /// # Errors
    /// No answer.
    pub async fn list_owned(
        &self,
        owner: &str,
        after: &str,
        prefix: &str,
        limit: u32,
    ) -> Result<Indexed<BucketPage>, QueryError> {
        self.page(after, prefix, Some(owner), limit).await
    }

    async fn page(
        &self,
        after: &str,
        prefix: &str,
        owner: Option<&str>,
        limit: u32,
    ) -> Result<Indexed<BucketPage>, QueryError> {
        let query = RootQuery::Buckets {
            after: after.to_owned(),
            prefix: prefix.to_owned(),
            owner: owner.map(str::to_owned),
            limit,
        };
        self.meta.ask_root(query).await?.try_map(|view| match view {
            RootView::Buckets { entries, truncated } => Ok(BucketPage { entries, truncated }),
            _ => Err(QueryError::unexpected_view()),
        })
    }

    /// What is fixed at genesis; `None` before it.
    ///
    /// # Errors
    /// No answer.
    pub async fn cluster(&self) -> Result<Option<ClusterInfo>, QueryError> {
        match self.meta.ask_root(RootQuery::Cluster).await?.value {
            RootView::Cluster(info) => Ok(info),
            _ => Err(QueryError::unexpected_view()),
        }
    }

    /// What a bucket holds, exactly: one answer of each of its data groups, added up.
    ///
    /// # Errors
    /// `NoSuchBucket`, or no answer.
    pub async fn counters(&self, bucket: &BucketEntry) -> Result<Counters, QueryError> {
        let mut sum = Counters::default();
        for group in groups(bucket) {
            let query = DataQuery::Counters {
                bucket: bucket.bucket,
            };
            let DataView::Counters(one) = self.meta.ask_data(group, query).await?.value else {
                return Err(QueryError::unexpected_view());
            };
            sum.objects += one.objects;
            sum.bytes += one.bytes;
            sum.versions += one.versions;
            sum.version_bytes += one.version_bytes;
            sum.uploads += one.uploads;
            sum.parts += one.parts;
            sum.part_bytes += one.part_bytes;
        }
        Ok(sum)
    }

    /// Makes a bucket for `owner`.
    ///
    /// # Errors
    /// `BucketExists`, whoever owns it: `fetch` tells. Unknown when it got stuck between its steps; doing it again goes on.
    pub async fn create(
        &self,
        name: &BucketName,
        owner: &str,
    ) -> Result<Arc<BucketEntry>, MutateError> {
        self.create_with(name, owner, &InitialSettings::default())
            .await
    }

    /// As `create`, with settings that it has from its first moment, whoever finishes making it.
    ///
    /// # Errors
    /// As `create`.
    pub async fn create_with(
        &self,
        name: &BucketName,
        owner: &str,
        initial: &InitialSettings,
    ) -> Result<Arc<BucketEntry>, MutateError> {
        for _ in 0..ROUNDS {
            let reserve = RootMutation::ReserveBucket {
                name: name.clone(),
                owner: owner.to_owned(),
                initial: initial.clone(),
            };
            match self.meta.change_root(reserve).await {
                Ok(RootReply::Bucket(entry)) => {
                    let made = self.finish_create(&entry).await;
                    let made = made.map_err(|error| error.after_effect(GroupId::ROOT))?;
                    // Otherwise another finished it, and it went on since: this one is not to be written to.
                    if let Some(active) = made {
                        return Ok(self.remember(active));
                    }
                }
                Ok(RootReply::Done | RootReply::PlacementGroups(_)) => {
                    return Err(MutateError::unexpected_reply(GroupId::ROOT));
                }
                // Nothing of ours happened yet: finish what is there, and look again.
                Err(MutateError::Refused(Refusal::BucketInTransition { bucket })) => {
                    self.finish_any(bucket).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(restless(name))
    }

    /// Deletes a bucket if it is empty. One whose deletion was begun here is deleted, whoever finished that.
    ///
    /// # Errors
    /// `BucketNotEmpty`, `NoSuchBucket`. Unknown when it got stuck between its steps; doing it again goes on.
    pub async fn delete(&self, name: &BucketName) -> Result<(), MutateError> {
        self.forget(name);
        let mut begun: Option<BucketId> = None;
        for _ in 0..ROUNDS {
            let found = match self.directory_row(name).await {
                Ok(found) => Some(found.value),
                Err(QueryError::Refused(Refusal::NoSuchBucket)) => None,
                Err(error) if begun.is_some() => {
                    return Err(MutateError::from(error).after_effect(GroupId::ROOT));
                }
                Err(error) => return Err(error.into()),
            };
            let entry = match (found, begun) {
                (Some(entry), begun) if begun.is_none_or(|begun| begun == entry.bucket) => entry,
                // It is gone; what has its name now is another bucket.
                (_, Some(_)) => return Ok(()),
                (_, None) => return Err(Refusal::NoSuchBucket.into()),
            };
            let deleting = match entry.state {
                BucketState::Creating => {
                    self.finish_create(&entry).await?;
                    continue;
                }
                BucketState::Active => match self.begin_delete(&entry).await? {
                    Some(deleting) => deleting,
                    None => continue,
                },
                BucketState::Deleting | BucketState::Draining { .. } => entry,
            };
            begun = Some(deleting.bucket);
            match self.finish_delete(&deleting).await {
                Ok(Deletion::Gone) => return Ok(()),
                Ok(Deletion::NotEmpty) => return Err(Refusal::BucketNotEmpty.into()),
                Ok(Deletion::Undone) => {}
                Err(error) => return Err(error.after_effect(GroupId::ROOT)),
            }
        }
        Err(restless(name))
    }

    /// Forgets what is remembered of a name.
    pub fn forget(&self, name: &BucketName) {
        self.cache().remove(name);
    }

    /// Runs `request` on the bucket; when its data group does not know the bucket any more, once again on the bucket that
    /// the name stands for now.
    ///
    /// A bucket that was made again by another owner is not used: what the request may do was decided for the first one.
    pub(crate) async fn with_current<T, E, F, R>(
        &self,
        bucket: &Arc<BucketEntry>,
        request: R,
    ) -> Result<T, E>
    where
        E: FromBucketLoss,
        F: Future<Output = Result<T, E>>,
        R: Fn(Arc<BucketEntry>) -> F,
    {
        match request(Arc::clone(bucket)).await {
            Err(error) if error.is_no_such_bucket() => {}
            answer => return answer,
        }
        let current = self.fetch(&bucket.name).await?.value;
        if current.bucket == bucket.bucket && current.ranges == bucket.ranges {
            self.make_writable(&current).await?;
            return request(current).await;
        }
        if current.owner != bucket.owner {
            return Err(E::from(QueryError::Unavailable {
                group: GroupId::ROOT,
                reason: "the bucket was made again by another owner".to_owned(),
            }));
        }
        request(current).await
    }

    /// Lifts the fences of a bucket of which the directory says that it is active, and its data group that it is not there.
    ///
    /// # Errors
    /// `Unavailable` where that is not done, because nobody answered or the bucket is being deleted by now: never that there is
    /// no such bucket, because a moment ago there was one.
    pub(crate) async fn make_writable(&self, active: &BucketEntry) -> Result<(), QueryError> {
        let reason = match self.lift_fences(active).await {
            Ok(true) => return Ok(()),
            Ok(false) => "the bucket went on since it was looked up".to_owned(),
            Err(error) => format!("lift the fences of the bucket: {error}"),
        };
        Err(QueryError::Unavailable {
            group: GroupId::ROOT,
            reason,
        })
    }

    async fn directory_row(&self, name: &BucketName) -> Result<Indexed<BucketEntry>, QueryError> {
        let query = RootQuery::Bucket { name: name.clone() };
        self.meta.ask_root(query).await?.try_map(bucket_view)
    }

    async fn directory_row_by_id(&self, bucket: BucketId) -> Result<BucketEntry, QueryError> {
        let query = RootQuery::BucketById { bucket };
        bucket_view(self.meta.ask_root(query).await?.value)
    }

    fn remember(&self, entry: BucketEntry) -> Arc<BucketEntry> {
        let entry = Arc::new(entry);
        let mut cache = self.cache();
        if cache.len() >= CACHE_LEN {
            cache.clear();
        }
        cache.insert(entry.name.clone(), Arc::clone(&entry));
        entry
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<BucketName, Arc<BucketEntry>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets").finish_non_exhaustive()
    }
}

/// Errors that can say that a data group does not know a bucket.
pub(crate) trait FromBucketLoss: From<QueryError> {
    fn is_no_such_bucket(&self) -> bool;
}

impl FromBucketLoss for QueryError {
    fn is_no_such_bucket(&self) -> bool {
        self.refusal() == Some(&Refusal::NoSuchBucket)
    }
}

impl FromBucketLoss for MutateError {
    fn is_no_such_bucket(&self) -> bool {
        self.refusal() == Some(&Refusal::NoSuchBucket)
    }
}

/// The data groups that hold a bucket's keys, each once.
pub(crate) fn groups(bucket: &BucketEntry) -> Vec<GroupId> {
    let mut groups: Vec<_> = bucket.ranges.iter().map(|range| range.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn bucket_view(view: RootView) -> Result<BucketEntry, QueryError> {
    match view {
        RootView::Bucket(entry) => Ok(entry),
        _ => Err(QueryError::unexpected_view()),
    }
}

fn restless(name: &BucketName) -> MutateError {
    MutateError::Unknown {
        group: GroupId::ROOT,
        reason: format!("{name:?} is made and deleted all the time"),
    }
}
