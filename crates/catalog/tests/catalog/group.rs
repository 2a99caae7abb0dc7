//! A group to send commands and questions to.

use bytes::Bytes;
use cairn_catalog::{BTreeStore, Txn, apply, audit, query};
use cairn_types::cluster::Profile;
use cairn_types::etag::ETag;
use cairn_types::id::{BlobId, BucketId, Epoch, GroupId, PlacementGroupId, RequestId};
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::data::{Counters, Deleted, GroupStatus, WriteCondition};
use cairn_types::namespace::{
    Command, DataMutation, DataQuery, DataReply, DataView, Mutation, MutationRequest, Query,
    Refusal, Reply, RootMutation, RootQuery, RootReply, RootView, View,
};
use cairn_types::object::{Content, Extent, NewObject, ObjectHeaders};
use cairn_types::settings::{InitialSettings, ObjectSettings};
use cairn_types::time::Timestamp;

/// The data group of the tests.
pub(crate) const GROUP: GroupId = GroupId::new(3);

/// A bucket in it.
pub(crate) const BUCKET: BucketId = BucketId::new(1);

/// What becomes of a key that is deleted in a bucket without versioning.
pub(crate) const REMOVED: Deleted = Deleted::Removed { is_marker: false };

/// What a command came to, with no words about what is malformed.
pub(crate) type Outcome = Result<DataReply, Refusal>;

pub(crate) fn run(store: &mut impl Txn, command: &Command) -> Outcome {
    let applied = apply(store, GROUP, command).expect("nothing is broken");
    match applied.result {
        Ok(Reply::Data(reply)) => Ok(reply),
        Ok(Reply::Root(reply)) => panic!("a data group answered {reply:?}"),
        Err(refusal) => Err(wordless(refusal)),
    }
}

pub(crate) fn ask(store: &BTreeStore, question: DataQuery) -> Result<DataView, Refusal> {
    let answer = query(store, GROUP, &Query::Data(question)).expect("nothing is broken");
    match answer {
        Ok(View::Data(view)) => Ok(view),
        Ok(View::Root(view)) => panic!("a data group answered {view:?}"),
        Err(refusal) => Err(wordless(refusal)),
    }
}

pub(crate) fn malformed() -> Refusal {
    Refusal::Malformed {
        reason: String::new(),
    }
}

pub(crate) fn conflict() -> Refusal {
    Refusal::TopologyConflict {
        reason: String::new(),
    }
}

fn wordless(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Malformed { .. } => malformed(),
        Refusal::TopologyConflict { .. } => conflict(),
        refusal => refusal,
    }
}

/// A group that gets one command after another.
pub(crate) struct Group {
    pub(crate) store: BTreeStore,
    pub(crate) now: Timestamp,
    serial: u128,
}

impl Group {
    /// Without any rows.
    pub(crate) fn new() -> Self {
        Self {
            store: BTreeStore::new(),
            now: Timestamp::from_millis(1_700_000_000_000),
            serial: 0,
        }
    }

    /// A data group with a bucket.
    pub(crate) fn with_bucket() -> Self {
        let mut group = Self::new();
        let done = group.change(DataMutation::OpenBucket {
            bucket: BUCKET,
            name: BucketName::parse("a-bucket").unwrap(),
            epoch: Epoch::new(1),
            initial: InitialSettings::default(),
        });
        assert_eq!(done, Ok(DataReply::Done));
        group
    }

    /// The next command with this mutation.
    pub(crate) fn command(&mut self, mutation: Mutation) -> Command {
        self.serial += 1;
        Command {
            apply_version: 1,
            request: MutationRequest {
                request: RequestId::new(self.serial),
                minted: self.now,
                guard: None,
                mutation,
            },
            proposed: self.now,
            random: self.serial << 64 | self.serial,
        }
    }

    pub(crate) fn change(&mut self, mutation: DataMutation) -> Outcome {
        let command = self.command(Mutation::Data(mutation));
        run(&mut self.store, &command)
    }

    pub(crate) fn change_root(&mut self, mutation: RootMutation) -> Result<RootReply, Refusal> {
        let command = self.command(Mutation::Root(mutation));
        let applied = apply(&mut self.store, GroupId::ROOT, &command).expect("nothing is broken");
        match applied.result {
            Ok(Reply::Root(reply)) => Ok(reply),
            Ok(Reply::Data(reply)) => panic!("the root group answered {reply:?}"),
            Err(refusal) => Err(wordless(refusal)),
        }
    }

    pub(crate) fn ask(&self, question: DataQuery) -> Result<DataView, Refusal> {
        ask(&self.store, question)
    }

    pub(crate) fn ask_root(&self, question: RootQuery) -> Result<RootView, Refusal> {
        let question = Query::Root(question);
        match query(&self.store, GroupId::ROOT, &question).expect("nothing is broken") {
            Ok(View::Root(view)) => Ok(view),
            Ok(View::Data(view)) => panic!("the root group answered {view:?}"),
            Err(refusal) => Err(wordless(refusal)),
        }
    }

    pub(crate) fn put(&mut self, key: &str, object: NewObject) -> Outcome {
        self.change(DataMutation::PutObject {
            bucket: BUCKET,
            key: object_key(key),
            object,
            condition: WriteCondition::Always,
        })
    }

    pub(crate) fn delete(&mut self, keys: &[&str]) -> Outcome {
        self.change(DataMutation::DeleteObjects {
            bucket: BUCKET,
            targets: keys.iter().map(|key| object_key(key).into()).collect(),
        })
    }

    /// A blob begun now.
    pub(crate) fn blob(&mut self) -> BlobId {
        self.serial += 1;
        let serial = u32::try_from(self.serial).unwrap();
        BlobId::new(
            PlacementGroupId::new(1),
            GROUP,
            self.now.as_millis(),
            serial,
        )
    }

    pub(crate) fn status(&self) -> GroupStatus {
        match self.ask(DataQuery::Status) {
            Ok(DataView::Status(status)) => status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        match self.ask(DataQuery::Counters { bucket: BUCKET }) {
            Ok(DataView::Counters(counters)) => counters,
            other => panic!("{other:?}"),
        }
    }

    /// Asserts that the rows agree with each other.
    pub(crate) fn audit(&self) {
        assert_eq!(audit(&self.store).unwrap(), []);
    }
}

pub(crate) fn object_key(key: &str) -> ObjectKey {
    ObjectKey::parse(key).unwrap()
}

/// An object in its record.
pub(crate) fn inline(bytes: &'static [u8]) -> NewObject {
    object(
        bytes.len() as u64,
        Content::Inline(Bytes::from_static(bytes)),
    )
}

pub(crate) fn object(len: u64, content: Content) -> NewObject {
    NewObject {
        len,
        etag: ETag::from_md5([5; 16]),
        checksum: None,
        headers: ObjectHeaders::default(),
        settings: ObjectSettings::default(),
        content,
    }
}

/// An extent of a healthy 2+1 blob.
pub(crate) fn extent(blob: BlobId, len: u64) -> Extent {
    let profile = Profile::new(2, 1).unwrap();
    Extent {
        blob,
        plain_len: len,
        stored_len: len,
        profile,
        cell_len: 1 << 20,
        erasure_code: 1,
        codec: 0,
        cipher: 0,
        roots: vec![[7; 16]; profile.width()],
        missing_shards: Vec::new(),
    }
}
