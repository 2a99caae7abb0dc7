use cairn_conformance::{Bucket, assert_refused, fresh_name, sdk};

async fn bucket_with(keys: &[&str]) -> (Bucket, Vec<(String, String)>) {
    let bucket = Bucket::create().await;
    let mut uploads = Vec::new();
    for key in keys {
        uploads.push(((*key).to_owned(), bucket.begin(key).await));
    }
    (bucket, uploads)
}

#[tokio::test]
async fn uploads_are_listed_by_key_and_then_by_their_beginning() {
    let (bucket, uploads) = bucket_with(&["b", "a", "c/1", "c/2", "a"]).await;
    let list = bucket
        .client()
        .list_multipart_uploads()
        .bucket(bucket.name());
    let page = list.send().await.unwrap();
    let found: Vec<_> = page
        .uploads()
        .iter()
        .map(|upload| {
            assert!(upload.initiated().is_some());
            (
                upload.key().unwrap().to_owned(),
                upload.upload_id().unwrap().to_owned(),
            )
        })
        .collect();
    let order = [1, 4, 0, 2, 3];
    let expected: Vec<_> = order
        .into_iter()
        .map(|at: usize| uploads[at].clone())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(page.is_truncated(), Some(false));
}

#[tokio::test]
async fn a_prefix_and_a_delimiter_select_one_level() {
    let (bucket, _) = bucket_with(&["a", "c/1", "c/2", "c/d/3", "d"]).await;
    let list = bucket
        .client()
        .list_multipart_uploads()
        .bucket(bucket.name());
    let page = list.delimiter("/").send().await.unwrap();
    let keys: Vec<_> = page
        .uploads()
        .iter()
        .filter_map(|upload| upload.key())
        .collect();
    assert_eq!(keys, ["a", "d"]);
    let common = page.common_prefixes().iter().filter_map(|one| one.prefix());
    assert_eq!(common.collect::<Vec<_>>(), ["c/"]);
    let list = bucket
        .client()
        .list_multipart_uploads()
        .bucket(bucket.name());
    let page = list.prefix("c/").send().await.unwrap();
    let keys: Vec<_> = page
        .uploads()
        .iter()
        .filter_map(|upload| upload.key())
        .collect();
    assert_eq!(keys, ["c/1", "c/2", "c/d/3"]);
}

#[tokio::test]
async fn pages_of_uploads_join_to_the_whole() {
    let keys = ["a", "a", "a", "b", "c/1", "c/1", "d"];
    let (bucket, uploads) = bucket_with(&keys).await;
    for max_uploads in [1, 2, 3, 7, 8] {
        let (mut found, mut key, mut upload) = (Vec::new(), None, None);
        loop {
            let list = bucket
                .client()
                .list_multipart_uploads()
                .bucket(bucket.name());
            let list = list.max_uploads(max_uploads).set_key_marker(key);
            let page = list.set_upload_id_marker(upload).send().await.unwrap();
            assert!(page.uploads().len() <= usize::try_from(max_uploads).unwrap());
            found.extend(page.uploads().iter().map(|upload| {
                let (key, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
                (key.to_owned(), id.to_owned())
            }));
            if page.is_truncated() == Some(false) {
                break;
            }
            (key, upload) = (page.next_key_marker, page.next_upload_id_marker);
            assert!(key.is_some());
        }
        assert_eq!(found, uploads, "{max_uploads}");
    }
}

#[tokio::test]
async fn a_completed_upload_is_not_listed() {
    let (bucket, uploads) = bucket_with(&["a", "b"]).await;
    let (key, upload) = &uploads[0];
    let part = bucket.part(key, upload, 1, b"x".to_vec()).await;
    let complete = bucket.client().complete_multipart_upload();
    let complete = complete.bucket(bucket.name()).key(key).upload_id(upload);
    let parts = cairn_conformance::completed(vec![part]);
    complete.multipart_upload(parts).send().await.unwrap();
    let list = bucket
        .client()
        .list_multipart_uploads()
        .bucket(bucket.name());
    let page = list.send().await.unwrap();
    let keys: Vec<_> = page
        .uploads()
        .iter()
        .filter_map(|upload| upload.key())
        .collect();
    assert_eq!(keys, ["b"]);
}

#[tokio::test]
async fn an_absent_bucket_has_no_uploads() {
    let list = sdk().list_multipart_uploads().bucket(fresh_name());
    assert_refused(list.send().await, 404, "NoSuchBucket");
}
