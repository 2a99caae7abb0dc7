//! Answering questions from the rows of a group.

mod accounts;
mod blobs;
mod bucket;
pub(crate) mod directory;
mod listing;
pub(crate) mod object;
pub(crate) mod settings;
mod topology;
mod upload;
mod versions;

use cairn_types::id::GroupId;
use cairn_types::namespace::{
    DataQuery, DataView, Query, Refusal, RootQuery, RootView, SettingsGuard, View as Answer,
};

use crate::failure::Failure;
use crate::store::{Store, StoreError};

/// Answers a question from the rows of a group, as they are.
///
/// Cost: a few point reads, or for a page of a listing one seek, and one more for each common prefix in it. Does not block
/// but for the store. That the rows are new enough is the caller's business.
///
/// # Errors
/// The rows cannot be read, or contradict each other. A refusal is an answer.
pub fn query<S: Store>(
    store: &S,
    group: GroupId,
    query: &Query,
) -> Result<Result<Answer, Refusal>, StoreError> {
    query_guarded(store, group, None, query)
}

/// As `query`; where the settings that the asker decided by are others by now, the answer is `SettingsChanged`. Guard and answer
/// are of the same rows.
///
/// # Errors
/// As `query`.
pub fn query_guarded<S: Store>(
    store: &S,
    group: GroupId,
    guard: Option<SettingsGuard>,
    query: &Query,
) -> Result<Result<Answer, Refusal>, StoreError> {
    if let Some(guard) = guard
        && !settings::holds(store, guard)?
    {
        return Ok(Err(Refusal::SettingsChanged));
    }
    let answer = match query {
        Query::Root(query) if group == GroupId::ROOT => query_root(store, query).map(Answer::Root),
        Query::Data(query) if group != GroupId::ROOT => query_data(store, query).map(Answer::Data),
        Query::Root(_) | Query::Data(_) => {
            Err(malformed("the query is for another kind of group").into())
        }
    };
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
        Err(Failure::Store(error)) => Err(error),
    }
}

fn query_root<S: Store>(store: &S, query: &RootQuery) -> Result<RootView, Failure> {
    match query {
        RootQuery::Topology { known } => topology::topology(store, *known),
        RootQuery::Bucket { name } => directory::bucket_by_name(store, name),
        RootQuery::BucketById { bucket } => directory::bucket_by_id(store, *bucket),
        RootQuery::Buckets {
            after,
            prefix,
            owner,
            limit,
        } => {
            let page = directory::Page {
                after,
                prefix,
                limit: *limit,
            };
            match owner {
                Some(owner) => directory::owned_buckets(store, owner, &page),
                None => directory::buckets(store, &page),
            }
        }
        RootQuery::Cluster => topology::cluster(store),
        RootQuery::Identities {
            known,
            after,
            limit,
        } => accounts::identities(store, *known, after.as_ref(), *limit),
    }
}

fn query_data<S: Store>(store: &S, query: &DataQuery) -> Result<DataView, Failure> {
    match query {
        DataQuery::Object {
            bucket,
            key,
            version,
        } => object::whole(store, *bucket, key, *version),
        DataQuery::ObjectHead {
            bucket,
            key,
            version,
        } => object::head(store, *bucket, key, *version),
        DataQuery::ListObjects(query) => listing::objects(store, query),
        DataQuery::ListVersions(query) => versions::versions(store, query),
        DataQuery::Upload { upload } => upload::upload(store, upload),
        DataQuery::Parts {
            upload,
            after,
            limit,
        } => upload::parts(store, upload, *after, *limit),
        DataQuery::Uploads(query) => listing::uploads(store, query),
        DataQuery::PartContents {
            upload,
            from,
            limit,
        } => upload::part_contents(store, upload, *from, *limit),
        DataQuery::Counters { bucket } => bucket::counters(store, *bucket),
        DataQuery::Versioning { bucket } => bucket::versioning(store, *bucket),
        DataQuery::Settings { bucket } => settings::settings(store, *bucket),
        DataQuery::FreedBlobs { after, limit } => blobs::freed(store, after.as_ref(), *limit),
        DataQuery::UnheldBlobs { blobs } => blobs::unheld(store, blobs),
        DataQuery::Status => blobs::status(store),
    }
}

fn malformed(reason: &str) -> Refusal {
    Refusal::Malformed {
        reason: reason.to_owned(),
    }
}

/// Checks how many rows a page is to have, and gives the number as a length.
fn check_limit(limit: u32, smallest: u32, largest: u32) -> Result<usize, Refusal> {
    let is_allowed = (smallest..=largest).contains(&limit);
    match usize::try_from(limit) {
        Ok(limit) if is_allowed => Ok(limit),
        _ => Err(malformed("the limit of the page is not allowed")),
    }
}
