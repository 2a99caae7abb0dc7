//! A command at work: what it may know of the world, and its writes so far.

use bytes::Bytes;
use cairn_types::id::{BucketId, GroupId};
use cairn_types::namespace::Refusal;
use cairn_types::time::Timestamp;

use crate::failure::Failure;
use crate::key::{self, Mark, RowKey};
use crate::record::blob::CollectionRow;
use crate::record::bucket::{BucketRow, RangeRow};
use crate::record::group::GroupRow;
use crate::record::{self, Record};
use crate::store::{Overlay, Store, StoreError, Txn, Writes};

/// Parts that one command removes at once; what is beyond is left for later commands, so that a thousand
/// deleted objects of ten thousand parts do not hold up the group.
const PARTS_AT_ONCE: usize = 1_000;

/// A command at work. Its writes are kept apart until it is known to succeed.
pub(super) struct Change<'a, S> {
    rows: Overlay<'a, S>,
    group: GroupId,
    random: u128,
    /// As it was before the mutation, but for the clock.
    initial: State,
    state: State,
}

/// What is read once and written once, however often a command changes it.
#[derive(Debug, Clone)]
struct State {
    row: GroupRow,
    /// As stored and as it is to be, if it was asked for.
    collection: Option<(CollectionRow, CollectionRow)>,
    parts_at_once: usize,
}

impl<'a, S: Store> Change<'a, S> {
    /// `row` already has the clock at which the command happens.
    pub(super) fn new(store: &'a S, group: GroupId, row: GroupRow, random: u128) -> Self {
        let state = State {
            row,
            collection: None,
            parts_at_once: PARTS_AT_ONCE,
        };
        Self {
            rows: Overlay::new(store),
            group,
            random,
            initial: state.clone(),
            state,
        }
    }

    /// The group whose command it is.
    pub(super) fn group(&self) -> GroupId {
        self.group
    }

    /// When it happens.
    pub(super) fn clock(&self) -> Timestamp {
        self.state.row.clock
    }

    /// The command's random bits.
    pub(super) fn random(&self) -> u128 {
        self.random
    }

    /// The group's row, to be changed.
    pub(super) fn row(&mut self) -> &mut GroupRow {
        &mut self.state.row
    }

    /// Whether this command may remove so many more parts; then they count as removed.
    pub(super) fn take_parts_at_once(&mut self, count: usize) -> bool {
        let rest = self.state.parts_at_once.checked_sub(count);
        self.state.parts_at_once = rest.unwrap_or(self.state.parts_at_once);
        rest.is_some()
    }

    /// What the group knows of its blobs, to be changed.
    pub(super) fn collection(&mut self) -> Result<&mut CollectionRow, StoreError> {
        if self.state.collection.is_none() {
            let stored: CollectionRow = self.get(&key::data::collection())?.unwrap_or_default();
            self.state.collection = Some((stored.clone(), stored));
        }
        let (_, now) = self
            .state
            .collection
            .as_mut()
            .expect("it was read just above, if not before");
        Ok(now)
    }

    /// The rows as they are with this command's writes.
    pub(super) fn rows(&self) -> &Overlay<'a, S> {
        &self.rows
    }

    /// The row at a key.
    pub(super) fn get<R: Record>(&self, key: &RowKey<R>) -> Result<Option<R>, StoreError> {
        record::get(&self.rows, key)
    }

    /// Whether there is a row at the key of an index.
    pub(super) fn has(&self, key: &RowKey<Mark>) -> Result<bool, StoreError> {
        Ok(self.rows.get(key.as_bytes())?.is_some())
    }

    /// Sets the row at a key.
    pub(super) fn put<R: Record>(&mut self, key: RowKey<R>, row: &R) {
        self.rows.put(key.into_bytes(), record::encode(row));
    }

    /// Removes the row at a key, whether or not it is there.
    pub(super) fn delete<R>(&mut self, key: RowKey<R>) {
        self.rows.delete(key.into_bytes());
    }

    /// Sets the row of an index.
    pub(super) fn mark(&mut self, key: RowKey<Mark>) {
        self.rows.put(key.into_bytes(), Bytes::new());
    }

    /// A bucket that is known here, fenced or not.
    pub(super) fn bucket(&self, bucket: BucketId) -> Result<BucketRow, Failure> {
        let row = self.get(&key::data::bucket(bucket))?;
        Ok(row.ok_or(Refusal::NoSuchBucket)?)
    }

    /// A bucket that objects may be written in.
    pub(super) fn writable(&self, bucket: BucketId) -> Result<BucketRow, Failure> {
        let row = self.bucket(bucket)?;
        if row.is_fenced {
            return Err(Refusal::NoSuchBucket.into());
        }
        Ok(row)
    }

    /// The range that a key is in. There is one to a bucket until ranges are split.
    pub(super) fn range(&self, bucket: BucketId) -> Result<RangeRow, StoreError> {
        self.get(&key::data::range(bucket, ""))?
            .ok_or(StoreError::Inconsistent {
                what: "a bucket has no range",
            })
    }

    /// Writes what `range` gave, changed.
    pub(super) fn put_range(&mut self, bucket: BucketId, row: &RangeRow) {
        self.put(key::data::range(bucket, ""), row);
    }

    /// Takes back everything but the clock.
    pub(super) fn discard(&mut self) {
        self.rows.discard();
        self.state = self.initial.clone();
    }

    /// All writes of the command.
    pub(super) fn into_writes(mut self) -> Writes {
        if let Some((stored, now)) = self.state.collection.take()
            && stored != now
        {
            self.put(key::data::collection(), &now);
        }
        let row = self.state.row.clone();
        self.put(key::group(), &row);
        self.rows.into_writes()
    }
}

/// Counts down, where counting below zero means that rows contradict each other.
pub(super) fn subtract(count: &mut u64, by: u64, what: &'static str) -> Result<(), StoreError> {
    *count = count
        .checked_sub(by)
        .ok_or(StoreError::Inconsistent { what })?;
    Ok(())
}
