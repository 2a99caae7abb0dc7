//! A group's tables in RocksDB, as the catalog reads and writes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use cairn_catalog::{Cursor, Store, StoreError, Writes};
use cairn_runtime::metrics::Counter;
use rocksdb::{BoundColumnFamily, DBRawIteratorWithThreadMode, SnapshotWithThreadMode, WriteBatch};

use crate::consensus::{LogId, StoredMembership};
use crate::database::{AccessError, Database, Rocks, Row, row_key};
use crate::service::messages::Stored;

/// How queries read.
#[derive(Clone)]
pub(crate) struct ReadCounters {
    /// Point reads.
    pub(crate) gets: Counter,
    /// Seeks.
    pub(crate) seeks: Counter,
    /// Steps to the next row.
    pub(crate) nexts: Counter,
}

/// Up to where the log is applied, and who takes part as of then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Applied {
    /// The last applied entry.
    pub(crate) log_id: Option<LogId>,
    /// The last applied membership.
    pub(crate) membership: StoredMembership,
}

/// The tables of a group.
pub(crate) struct Tables {
    group: u16,
    database: Arc<Database>,
    /// The generation in use.
    generation: AtomicU64,
    /// The newest generation that was begun.
    newest: AtomicU64,
    applied: RwLock<Applied>,
    reads: ReadCounters,
}

impl Tables {
    /// The tables as they are on disk.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn recover(
        group: u16,
        database: Arc<Database>,
        reads: ReadCounters,
    ) -> Result<Self, AccessError> {
        let generation = database.generation(group)?;
        let membership: Option<StoredMembership> = database.row(group, Row::Membership)?;
        let applied = Applied {
            log_id: database.row(group, Row::Applied)?,
            membership: membership.unwrap_or_default(),
        };
        Ok(Self {
            group,
            database,
            generation: AtomicU64::new(generation),
            newest: AtomicU64::new(generation),
            applied: RwLock::new(applied),
            reads,
        })
    }

    /// The group.
    pub(crate) fn group(&self) -> u16 {
        self.group
    }

    /// Where the tables are.
    pub(crate) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Up to where the log is applied.
    pub(crate) fn applied(&self) -> Applied {
        self.applied
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The index of the last applied entry; 0 before the first.
    pub(crate) fn applied_index(&self) -> u64 {
        self.applied().log_id.map_or(0, |log_id| log_id.index)
    }

    /// The state as it is now. It does not change while it is looked at. For queries: reads are counted.
    pub(crate) fn freeze(&self) -> TableView<'_> {
        let family = self.family();
        let rocks = self.database.rocks();
        TableView {
            rocks,
            family,
            snapshot: Some(rocks.snapshot()),
            reads: Some(&self.reads),
        }
    }

    /// The state for the applier, which is the only one to change it.
    pub(crate) fn latest(&self) -> TableView<'_> {
        TableView {
            rocks: self.database.rocks(),
            family: self.family(),
            snapshot: None,
            reads: None,
        }
    }

    /// Writes effects together with the place in the log that they bring the tables to. No sync.
    pub(crate) fn write(&self, writes: Writes, applied: Applied) -> Result<(), AccessError> {
        let mut batch = WriteBatch::default();
        let family = self.family();
        for (key, value) in writes {
            match value {
                Some(value) => batch.put_cf(&family, key, value),
                None => batch.delete_cf(&family, key),
            }
        }
        let is_new_membership = self.applied().membership != applied.membership;
        self.add_applied(&applied, is_new_membership, &mut batch);
        self.database.write(batch)?;
        self.set_applied(applied);
        Ok(())
    }

    /// Begins a new generation with empty tables.
    pub(super) fn begin_generation(&self) -> Result<u64, AccessError> {
        let generation = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        self.database.create_tables(self.group, generation)?;
        Ok(generation)
    }

    /// Makes a generation that was filled the one in use: durable when it returns. The one before is dropped. After an error
    /// it may be in use or not: the group must not go on.
    pub(super) fn flip(&self, generation: u64, applied: Applied) -> Result<(), AccessError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(
            &self.database.default_family(),
            row_key(self.group, Row::Generation),
            generation.to_be_bytes(),
        );
        self.add_applied(&applied, true, &mut batch);
        self.database.write(batch)?;
        // One sync makes the rows durable, which were written before, and the flip.
        self.database.sync()?;
        let before = self.generation.swap(generation, Ordering::SeqCst);
        self.set_applied(applied);
        if let Err(error) = self.database.drop_tables(self.group, before) {
            // They are dropped when the node starts again.
            tracing::warn!(group = self.group, error = %error, "drop replaced tables");
        }
        Ok(())
    }

    fn add_applied(&self, applied: &Applied, with_membership: bool, batch: &mut WriteBatch) {
        let rows = self.database.default_family();
        if let Some(log_id) = &applied.log_id {
            batch.put_cf(&rows, row_key(self.group, Row::Applied), log_id.to_stored());
        }
        if with_membership {
            let membership = applied.membership.to_stored();
            batch.put_cf(&rows, row_key(self.group, Row::Membership), membership);
        }
    }

    /// Holds up whoever applies to these tables until it is dropped.
    #[cfg(test)]
    pub(crate) fn hold_up(&self) -> impl Sized + '_ {
        self.applied.write().unwrap()
    }

    fn set_applied(&self, applied: Applied) {
        *self.applied.write().unwrap_or_else(PoisonError::into_inner) = applied;
    }

    /// The column family in use. A flip may drop the one that was in use a moment ago, hence the loop.
    fn family(&self) -> Arc<BoundColumnFamily<'_>> {
        loop {
            let generation = self.generation.load(Ordering::SeqCst);
            if let Some(family) = self.database.tables_family(self.group, generation) {
                return family;
            }
        }
    }
}

/// The rows of a group's tables.
pub(crate) struct TableView<'a> {
    rocks: &'a Rocks,
    family: Arc<BoundColumnFamily<'a>>,
    snapshot: Option<SnapshotWithThreadMode<'a, Rocks>>,
    reads: Option<&'a ReadCounters>,
}

impl<'a> TableView<'a> {
    /// The rows of a column family as of a snapshot.
    pub(super) fn of(
        rocks: &'a Rocks,
        family: Arc<BoundColumnFamily<'a>>,
        snapshot: Option<SnapshotWithThreadMode<'a, Rocks>>,
    ) -> Self {
        Self {
            rocks,
            family,
            snapshot,
            reads: None,
        }
    }
}

/// A position among the rows.
pub(crate) struct TableCursor<'a> {
    rows: DBRawIteratorWithThreadMode<'a, Rocks>,
    reads: Option<&'a ReadCounters>,
}

impl Store for TableView<'_> {
    type Cursor<'c>
        = TableCursor<'c>
    where
        Self: 'c;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if let Some(reads) = self.reads {
            reads.gets.inc();
        }
        let value = match &self.snapshot {
            Some(snapshot) => snapshot.get_cf(&self.family, key),
            None => self.rocks.get_cf(&self.family, key),
        };
        Ok(value.map_err(failed)?.map(Bytes::from))
    }

    fn cursor(&self) -> TableCursor<'_> {
        let rows = match &self.snapshot {
            Some(snapshot) => snapshot.raw_iterator_cf(&self.family),
            None => self.rocks.raw_iterator_cf(&self.family),
        };
        TableCursor {
            rows,
            reads: self.reads,
        }
    }
}

impl Cursor for TableCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if let Some(reads) = self.reads {
            reads.seeks.inc();
        }
        self.rows.seek(key);
        self.rows.status().map_err(failed)
    }

    fn next(&mut self) -> Result<(), StoreError> {
        // RocksDB takes a step from nowhere for a mistake.
        if !self.rows.valid() {
            return Ok(());
        }
        if let Some(reads) = self.reads {
            reads.nexts.inc();
        }
        self.rows.next();
        self.rows.status().map_err(failed)
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        self.rows.item()
    }
}

fn failed(error: rocksdb::Error) -> StoreError {
    StoreError::Backend(Box::new(error))
}
