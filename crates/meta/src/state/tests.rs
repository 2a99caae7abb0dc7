use bytes::Bytes;
use cairn_catalog::{Cursor, Store};
use cairn_schema::encode_command;
use cairn_types::id::{BucketId, RequestId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::WriteCondition;
use cairn_types::namespace::{Command, DataMutation, Mutation, MutationRequest};
use cairn_types::object::{Content, NewObject, ObjectHeaders};
use cairn_types::settings::InitialSettings;
use cairn_types::time::Timestamp;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::storage::RaftStateMachine;

use super::snapshot::cut;
use super::{Piece, SnapshotData, StageError, Staging, Tables, applied_hash};
use crate::consensus::{Entry, LogId, Proposal};
use crate::tests::Storage;

const BUCKET: BucketId = BucketId::new(1);

fn command(index: u64) -> Command {
    let mutation = if index == 0 {
        DataMutation::OpenBucket {
            bucket: BUCKET,
            name: BucketName::parse("bucket").unwrap(),
            epoch: cairn_types::id::Epoch::new(1),
            initial: InitialSettings::default(),
        }
    } else {
        let content = Bytes::from(index.to_be_bytes().repeat(1024));
        DataMutation::PutObject {
            bucket: BUCKET,
            key: ObjectKey::parse(&format!("key-{index}")).unwrap(),
            object: NewObject {
                settings: cairn_types::settings::ObjectSettings::default(),
                len: u64::try_from(content.len()).unwrap(),
                etag: cairn_types::etag::ETag::from_md5([7; 16]),
                checksum: None,
                headers: ObjectHeaders::default(),
                content: Content::Inline(content),
            },
            condition: WriteCondition::Always,
        }
    };
    Command {
        apply_version: 1,
        request: MutationRequest {
            request: RequestId::new(u128::from(index)),
            minted: Timestamp::from_millis(1_000_000 + index),
            guard: None,
            mutation: Mutation::Data(mutation),
        },
        proposed: Timestamp::from_millis(1_000_000 + index),
        random: u128::from(index),
    }
}

fn entry(index: u64) -> Entry {
    let log_id = LogId::new(
        LeaderId {
            term: 1,
            node_id: 1,
        },
        index,
    );
    let bytes = encode_command(&command(index));
    Entry::new(log_id, EntryPayload::Normal(Proposal(bytes)))
}

/// Applies entries in steps of `step`.
async fn apply(storage: &Storage, indexes: std::ops::Range<u64>, step: usize) {
    let mut machine = storage.machine();
    let entries: Vec<Entry> = indexes.map(entry).collect();
    for entries in entries.chunks(step) {
        let items = entries.iter().map(|entry| Ok((entry.clone(), None)));
        let items: Vec<_> = items.collect();
        machine.apply(futures::stream::iter(items)).await.unwrap();
    }
}

fn rows(tables: &Tables) -> Vec<(Vec<u8>, Vec<u8>)> {
    let view = tables.freeze();
    let mut cursor = view.cursor();
    cursor.seek(&[]).unwrap();
    let mut rows = Vec::new();
    while let Some((key, value)) = cursor.current() {
        rows.push((key.to_vec(), value.to_vec()));
        cursor.next().unwrap();
    }
    rows
}

/// All pieces of a snapshot, and its hash.
async fn pieces(tables: &std::sync::Arc<Tables>) -> (Vec<Piece>, u128) {
    let SnapshotData::Cut(mut cut) = cut(tables).await.unwrap().snapshot else {
        panic!("what is cut here is not staged");
    };
    let mut pieces = Vec::new();
    while let Some(piece) = cut.next().await {
        pieces.push(piece.unwrap());
    }
    (pieces, cut.state_hash)
}

#[tokio::test]
async fn a_snapshot_brings_the_same_rows_and_hash_and_survives_a_restart() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (Storage::open(here.path()), Storage::open(there.path()));
    apply(&from, 0..400, 7).await;
    apply(&to, 0..3, 1).await;
    let snapshot = cut(&from.tables).await.unwrap();
    // Applied after the cut: not part of it.
    apply(&from, 400..500, 100).await;
    assert_eq!(snapshot.meta.last_log_id.unwrap().index, 399);
    to.machine()
        .install_snapshot(&snapshot.meta, snapshot.snapshot)
        .await
        .unwrap();
    assert_eq!(to.tables.applied_index(), 399);
    apply(&to, 400..500, 1).await;
    assert_eq!(
        rows(&from.tables),
        rows(&to.tables),
        "however they were batched"
    );
    let hash = applied_hash(&from.tables).unwrap();
    assert_eq!(applied_hash(&to.tables).unwrap(), hash);
    to.close();
    let to = Storage::open(there.path());
    assert_eq!(applied_hash(&to.tables).unwrap(), hash);
    assert_eq!(rows(&from.tables), rows(&to.tables));
    let current = to.machine().get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta.last_log_id, hash.0);
    drop(current);
    from.close();
    to.close();
}

#[tokio::test]
async fn a_snapshot_comes_in_pieces_and_a_damaged_one_leaves_nothing() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (Storage::open(here.path()), Storage::open(there.path()));
    apply(&from, 0..500, 100).await;
    let (pieces, state_hash) = pieces(&from.tables).await;
    assert!(pieces.len() > 4, "{} pieces of about 4 MiB", pieces.len());
    let stage = |damage: fn(&mut Vec<u8>)| {
        let mut staging = Staging::begin(std::sync::Arc::clone(&to.tables)).unwrap();
        for piece in &pieces {
            match piece {
                Piece::Rows(rows) => {
                    let mut rows = rows.to_vec();
                    damage(&mut rows);
                    staging.add(Bytes::from(rows))?;
                }
                Piece::End {
                    row_count,
                    rows_hash,
                } => {
                    staging.check(*row_count, *rows_hash, state_hash)?;
                }
            }
        }
        Ok::<_, StageError>(())
    };
    stage(|_| {}).unwrap();
    let flipped = stage(|rows| *rows.last_mut().unwrap() ^= 1);
    assert!(
        matches!(flipped, Err(StageError::Damaged(_))),
        "{flipped:?}"
    );
    let cut_off = stage(|rows| rows.truncate(rows.len() - 1));
    assert!(matches!(cut_off, Err(StageError::Malformed)), "{cut_off:?}");
    let lengthened = stage(|rows| rows.extend([0xff; 8]));
    assert!(
        matches!(lengthened, Err(StageError::Malformed)),
        "{lengthened:?}"
    );
    assert!(rows(&to.tables).is_empty());
    for generation in 1..=4 {
        assert!(
            to.database()
                .tables_family(to.tables.group(), generation)
                .is_none()
        );
    }
    from.close();
    to.close();
}

#[tokio::test]
async fn effects_and_their_place_in_the_log_are_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(dir.path());
    apply(&storage, 0..100, 10).await;
    let hash = applied_hash(&storage.tables).unwrap();
    assert_eq!(hash.0.unwrap().index, 99);
    storage.close();
    // Not synced, but the process ended in order: the system has it all.
    let storage = Storage::open(dir.path());
    assert_eq!(applied_hash(&storage.tables).unwrap(), hash);
    storage.close();
}
