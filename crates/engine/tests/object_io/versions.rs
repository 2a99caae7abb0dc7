//! Versions, as a client of the metadata sees them.

use cairn_client::QueryError;
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::{DeleteTarget, Deleted, ListVersions};
use cairn_types::namespace::{Mutation, Refusal, RootMutation};
use cairn_types::version::{NamedVersion, Versioning};

use super::cluster::{Cluster, Setup};

fn key() -> ObjectKey {
    ObjectKey::parse("key").unwrap()
}

async fn get(cluster: &Cluster, version: Option<NamedVersion>) -> Result<Vec<u8>, QueryError> {
    let objects = cluster.engine.objects();
    let record = objects.get(&cluster.bucket, &key(), version).await?.value;
    let download = cluster
        .engine
        .get(&cluster.bucket, &record, 0..record.len)
        .await;
    Ok(super::cluster::read(download.unwrap()).await.unwrap())
}

async fn delete(cluster: &Cluster, version: Option<NamedVersion>) -> Deleted {
    let target = DeleteTarget {
        version,
        ..DeleteTarget::from(key())
    };
    let deleted = cluster.engine.delete(&cluster.bucket, &[target]).await;
    deleted.unwrap().value[0]
}

#[tokio::test]
async fn versions_are_kept_listed_read_and_removed() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    let versioning = buckets.versioning(&cluster.bucket).await.unwrap().value;
    assert_eq!(versioning, None);
    cluster.put("key", b"before").await.unwrap();
    let enabled = Versioning::Enabled;
    buckets
        .set_versioning(&cluster.bucket, enabled)
        .await
        .unwrap();
    let versioning = buckets.versioning(&cluster.bucket).await.unwrap().value;
    assert_eq!(versioning, Some(enabled));

    let put = cluster.put("key", b"after").await.unwrap();
    assert!(!put.is_null);
    let Deleted::Marked { version, is_null } = delete(&cluster, None).await else {
        panic!("no delete marker");
    };
    assert!(!is_null);
    let hidden = get(&cluster, None).await.unwrap_err();
    assert!(matches!(
        hidden,
        QueryError::Refused(Refusal::DeleteMarker { version: at, .. }) if at == version
    ));
    let named = Some(NamedVersion::Id(put.version));
    assert_eq!(get(&cluster, named).await.unwrap(), b"after");
    let null = Some(NamedVersion::Null);
    assert_eq!(get(&cluster, null).await.unwrap(), b"before");

    // One by one, as a reader of pages does.
    let mut question = ListVersions {
        bucket: cluster.bucket.bucket,
        prefix: String::new(),
        delimiter: String::new(),
        after_key: String::new(),
        after_version: None,
        limit: 1,
    };
    let mut listed = Vec::new();
    loop {
        let objects = cluster.engine.objects();
        let page = objects.list_versions(&cluster.bucket, &question).await;
        let page = page.unwrap().value;
        listed.extend(page.versions);
        let Some((key, version)) = page.next else {
            break;
        };
        (question.after_key, question.after_version) = (key, version);
    }
    let told: Vec<_> = listed
        .iter()
        .map(|row| (row.is_latest, row.is_null, row.object.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            (true, false, false),
            (false, false, true),
            (false, true, true)
        ]
    );

    let removed = delete(&cluster, Some(NamedVersion::Id(version))).await;
    assert_eq!(removed, Deleted::Removed { is_marker: true });
    assert_eq!(get(&cluster, None).await.unwrap(), b"after");
}

#[tokio::test]
async fn versioning_is_set_though_a_deletion_of_the_bucket_was_taken_back_since_it_was_looked_up() {
    let cluster = Cluster::start(Setup::default()).await;
    let buckets = cluster.engine.buckets();
    cluster.put("key", b"bytes").await.unwrap();
    let (bucket, epoch) = (cluster.bucket.bucket, cluster.bucket.epoch);
    let begin = Mutation::Root(RootMutation::BeginDeleteBucket { bucket, epoch });
    let root = cairn_types::id::GroupId::ROOT;
    cluster.meta.mutate(root, begin).await.unwrap();
    // Whoever looks it up finds it not empty, and opens it again.
    let now = buckets.fetch(&cluster.bucket.name).await.unwrap().value;
    assert!(now.epoch > epoch);
    let set = buckets.set_versioning(&cluster.bucket, Versioning::Suspended);
    set.await.unwrap();
    let versioning = buckets.versioning(&cluster.bucket).await.unwrap().value;
    assert_eq!(versioning, Some(Versioning::Suspended));
}
