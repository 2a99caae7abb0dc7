//! What reading costs, in seeks and gets.

use bytes::Bytes;
use cairn_catalog::{BTreeStore, Cursor, Overlay, ReadCounts, Store, StoreError, Txn, apply};
use cairn_types::namespace::data::ListObjects;
use cairn_types::namespace::{DataMutation, DataQuery, DataView, Mutation};

use crate::group::{BUCKET, GROUP, Group, inline, malformed, object_key};

fn list(prefix: &str, delimiter: &str, after: &str, limit: u32) -> DataQuery {
    DataQuery::ListObjects(ListObjects {
        bucket: BUCKET,
        prefix: prefix.to_owned(),
        delimiter: delimiter.to_owned(),
        after: after.to_owned(),
        limit,
    })
}

/// 50 folders of 40 objects, and one object beside them.
fn folders() -> Group {
    let mut group = Group::with_bucket();
    for folder in 0..50 {
        for file in 0..40 {
            let key = format!("folder-{folder:02}/{file:02}");
            assert!(group.put(&key, inline(b"x")).is_ok());
        }
    }
    assert!(group.put("file", inline(b"x")).is_ok());
    group
}

fn read(group: &Group, question: DataQuery) -> (usize, usize, ReadCounts) {
    group.store.take_counts();
    match group.ask(question) {
        Ok(DataView::Objects {
            objects,
            common_prefixes,
            ..
        }) => (
            objects.len(),
            common_prefixes.len(),
            group.store.take_counts(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listing_seeks_past_common_prefixes_and_walks_over_keys() {
    let group = folders();
    let (objects, prefixes, counts) = read(&group, list("", "/", "", 1_000));
    assert_eq!((objects, prefixes), (1, 50));
    assert_eq!((counts.seeks, counts.nexts), (51, 1));

    let (objects, prefixes, counts) = read(&group, list("", "", "", 1_000));
    assert_eq!((objects, prefixes), (1_000, 0));
    assert_eq!((counts.seeks, counts.nexts), (1, 1_000));

    let (objects, prefixes, counts) = read(&group, list("folder-07/", "/", "", 1_000));
    assert_eq!((objects, prefixes), (40, 0));
    assert_eq!((counts.seeks, counts.nexts), (1, 40));

    let (objects, prefixes, counts) = read(&group, list("", "/", "folder-09/17", 3));
    assert_eq!((objects, prefixes), (0, 3));
    assert_eq!((counts.seeks, counts.nexts), (4, 0));
}

#[test]
fn a_page_of_nothing_costs_nothing() {
    let group = folders();
    let (objects, prefixes, counts) = read(&group, list("", "/", "", 0));
    assert_eq!((objects, prefixes), (0, 0));
    assert_eq!((counts.seeks, counts.nexts), (0, 0));

    let (objects, prefixes, counts) = read(&group, list("g", "/", "", 10));
    assert_eq!((objects, prefixes, counts.seeks), (0, 0, 1));
    assert_eq!(group.ask(list("", "", "", 1_001)), Err(malformed()));
}

#[test]
fn objects_are_put_and_read_by_point_reads_alone() {
    let mut group = Group::with_bucket();
    // The first command after a while looks for old requests, and finds none.
    assert!(group.put("a", inline(b"x")).is_ok());
    for _ in 0..2 {
        group.store.take_counts();
        assert!(group.put("a", inline(b"x")).is_ok());
        let counts = group.store.take_counts();
        assert_eq!(counts.seeks, 0);
        assert!(counts.gets <= 8, "{counts:?}");
    }
    let head = DataQuery::ObjectHead {
        bucket: BUCKET,
        key: object_key("a"),
        version: None,
    };
    assert!(group.ask(head).is_ok());
    let counts = group.store.take_counts();
    assert_eq!((counts.gets, counts.seeks), (3, 0));
}

/// A store that fails at one of its reads.
struct Failing {
    store: BTreeStore,
    reads_left: std::cell::Cell<usize>,
}

impl Failing {
    fn read(&self) -> Result<(), StoreError> {
        match self.reads_left.get().checked_sub(1) {
            Some(left) => {
                self.reads_left.set(left);
                Ok(())
            }
            None => Err(StoreError::Backend("the disk is gone".into())),
        }
    }
}

struct FailingCursor<'a, C> {
    store: &'a Failing,
    cursor: C,
}

impl Store for Failing {
    type Cursor<'a> = FailingCursor<'a, <BTreeStore as Store>::Cursor<'a>>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read()?;
        self.store.get(key)
    }

    fn cursor(&self) -> Self::Cursor<'_> {
        FailingCursor {
            store: self,
            cursor: self.store.cursor(),
        }
    }
}

impl<C: Cursor> Cursor for FailingCursor<'_, C> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.store.read()?;
        self.cursor.seek(key)
    }

    fn next(&mut self) -> Result<(), StoreError> {
        self.store.read()?;
        self.cursor.next()
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        self.cursor.current()
    }
}

impl Txn for Failing {
    fn put(&mut self, key: Vec<u8>, value: Bytes) {
        self.store.put(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.store.delete(key);
    }
}

#[test]
fn a_command_that_cannot_read_writes_nothing() {
    let mut group = Group::with_bucket();
    assert!(group.put("a", inline(b"x")).is_ok());
    let command = group.command(Mutation::Data(DataMutation::DeleteObjects {
        bucket: BUCKET,
        targets: vec![object_key("a").into(), object_key("b").into()],
    }));
    let mut failed = 0;
    loop {
        let mut failing = Failing {
            store: group.store.clone(),
            reads_left: std::cell::Cell::new(failed),
        };
        if apply(&mut failing, GROUP, &command).is_ok() {
            break;
        }
        assert!(failing.store == group.store, "{failed} reads");
        // Nor does it through an overlay.
        let failing = Failing {
            store: group.store.clone(),
            reads_left: std::cell::Cell::new(failed),
        };
        let mut overlay = Overlay::new(&failing);
        assert!(apply(&mut overlay, GROUP, &command).is_err());
        assert_eq!(overlay.write_count(), 0);
        failed += 1;
    }
    assert!(failed > 5);
}
