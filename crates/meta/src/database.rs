//! The one RocksDB of a metadata process: the log of all groups, their rows about themselves, and their tables.
//!
//! Column families:
//! - `default`: a few rows for each group, see `Row`;
//! - `log`: entries under `group u16 | index u64`, big endian;
//! - `group-<id>-<generation>`: the tables of a group as the catalog lays them out. Installing a snapshot fills the next
//!   generation beside the one in use, and a single row in `default` flips to it.
//!
//! There is one write-ahead log for all of them, and that is what the order of durability rests on: a write that is synced
//! makes every earlier write durable. So applying never syncs, and the log is purged with a synced write, which thereby is
//! behind the effects of every entry that it drops.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor,
    DBCompressionType, DBRecoveryMode, DBWithThreadMode, MultiThreaded, Options, WriteBatch,
    WriteOptions,
};

use crate::service::messages::{MessageError, Stored};

/// RocksDB with column families that come and go.
pub(crate) type Rocks = DBWithThreadMode<MultiThreaded>;

const DEFAULT: &str = "default";
const LOG: &str = "log";

/// Values from this length on stand in blob files, out of the way of compaction: inline bytes of objects, mostly.
const MIN_BLOB_LEN: u64 = 1024;

/// Decoded blocks of all tables together.
const CACHE_LEN: usize = 32 * 1024 * 1024;

/// Parts of an index or a filter.
const METADATA_BLOCK_LEN: usize = 4096;

/// All write buffers together; beyond it the largest is flushed.
const WRITE_BUFFERS_LEN: usize = 64 * 1024 * 1024;

/// One write buffer.
const WRITE_BUFFER_LEN: usize = 16 * 1024 * 1024;

/// The write-ahead log is kept short by flushing what holds it back, so that opening again is quick.
const MAX_WAL_LEN: u64 = 128 * 1024 * 1024;

/// The rows that a group has about itself, under `group u16 | kind u8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// `Vote`. Synced before anybody is told.
    Vote = 0,
    /// `LogId`: the last entry that was purged.
    Purged = 1,
    /// `LogId`: the last entry that was applied; in the same batch as its effects.
    Applied = 2,
    /// `StoredMembership`: as of `Applied`.
    Membership = 3,
    /// u64, big endian: which generation of the tables is in use.
    Generation = 4,
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another process has it open.
    #[error("{} is in use by another process", dir.display())]
    Locked {
        /// Its directory.
        dir: PathBuf,
    },
    /// What is on disk is not what was written.
    #[error(
        "the metadata in {} is damaged ({reason}): do not repair it; wipe this node and let it join again under a new id",
        dir.display()
    )]
    Damaged {
        /// Its directory.
        dir: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The system said no.
    #[error("open the metadata in {}", dir.display())]
    Io {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: rocksdb::Error,
    },
}

/// A read or write that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// RocksDB failed.
    #[error("access the metadata on disk")]
    Rocks(#[from] rocksdb::Error),
    /// A row about a group does not decode.
    #[error("decode the row {row:?} of group {group}")]
    Row {
        /// The group.
        group: u16,
        /// Which row.
        row: Row,
        /// Why.
        #[source]
        source: MessageError,
    },
    /// An entry of the log does not decode.
    #[error("decode an entry of the log of group {group}")]
    Entry {
        /// The group.
        group: u16,
        /// Why.
        #[source]
        source: MessageError,
    },
    /// Entries were applied to tables that are not there.
    #[error("the tables of group {group} are gone")]
    TablesGone {
        /// The group.
        group: u16,
    },
    /// The durable index could not be lowered.
    #[error("write the durable index")]
    Watermark(#[source] std::io::Error),
}

impl From<AccessError> for std::io::Error {
    fn from(error: AccessError) -> Self {
        Self::other(error)
    }
}

/// The open database.
pub(crate) struct Database {
    rocks: Rocks,
    /// Shared by all column families, also later ones.
    cache: Cache,
}

impl Database {
    /// Opens or makes the database in `dir` with the groups 0 up to and including `last_group`, or with none yet. Blocks, with
    /// a few syncs.
    ///
    /// # Errors
    /// See `DatabaseError`.
    pub(crate) fn open(dir: &Path, last_group: Option<u16>) -> Result<Arc<Self>, DatabaseError> {
        let explain = |error: rocksdb::Error| explain(dir, error);
        let cache = Cache::new_lru_cache(CACHE_LEN);
        let options = database_options();
        let existing = if dir.join("CURRENT").exists() {
            Rocks::list_cf(&options, dir).map_err(explain)?
        } else {
            vec![DEFAULT.to_owned(), LOG.to_owned()]
        };
        let families = existing.iter().map(|name| {
            let options = family_options(name, &cache);
            ColumnFamilyDescriptor::new(name, options)
        });
        let rocks = Rocks::open_cf_descriptors(&options, dir, families).map_err(explain)?;
        let database = Self { rocks, cache };
        let tidied = last_group.map_or(Ok(()), |last_group| {
            database.tidy(last_group, &existing)?;
            database.make_groups(last_group)
        });
        tidied.map_err(|error| match error {
            AccessError::Rocks(error) => explain(error),
            AccessError::Row { .. }
            | AccessError::Entry { .. }
            | AccessError::Watermark(_)
            | AccessError::TablesGone { .. } => DatabaseError::Damaged {
                dir: dir.to_owned(),
                reason: error.to_string(),
            },
        })?;
        Ok(Arc::new(database))
    }

    /// Drops what an interrupted installation of a snapshot left behind.
    fn tidy(&self, last_group: u16, names: &[String]) -> Result<(), AccessError> {
        for group in 0..=last_group {
            let current = family_name(group, self.generation(group)?);
            let prefix = format!("group-{group}-");
            for name in names {
                if name.starts_with(&prefix) && *name != current {
                    self.rocks.drop_cf(name)?;
                }
            }
        }
        Ok(())
    }

    /// Makes the tables of the groups up to and including `last_group` that have none yet. Syncs the manifest.
    ///
    /// # Errors
    /// `TablesGone`: an empty one in their place would be taken for what they held.
    pub(crate) fn make_groups(&self, last_group: u16) -> Result<(), AccessError> {
        for group in 0..=last_group {
            let current = family_name(group, self.generation(group)?);
            if self.rocks.cf_handle(&current).is_some() {
                continue;
            }
            let applied = row_key(group, Row::Applied);
            if self
                .rocks
                .get_cf(&self.default_family(), applied)?
                .is_some()
            {
                return Err(AccessError::TablesGone { group });
            }
            self.create_family(&current)?;
        }
        Ok(())
    }

    /// RocksDB itself.
    pub(crate) fn rocks(&self) -> &Rocks {
        &self.rocks
    }

    /// The rows that groups have about themselves.
    pub(crate) fn default_family(&self) -> Arc<BoundColumnFamily<'_>> {
        self.rocks
            .cf_handle(DEFAULT)
            .expect("every database has the default column family")
    }

    /// The log's entries.
    pub(crate) fn log_family(&self) -> Arc<BoundColumnFamily<'_>> {
        self.rocks
            .cf_handle(LOG)
            .expect("made when the database was made, never dropped")
    }

    /// About how many bytes of the log lie between two keys. Reads nothing of it.
    pub(crate) fn log_len(&self, from: &[u8], to: &[u8]) -> u64 {
        let range = rocksdb::Range::new(from, to);
        let sizes = self
            .rocks
            .get_approximate_sizes_cf(&self.log_family(), &[range]);
        sizes.iter().sum()
    }

    /// The tables of a group in one generation, unless they were dropped.
    pub(crate) fn tables_family(
        &self,
        group: u16,
        generation: u64,
    ) -> Option<Arc<BoundColumnFamily<'_>>> {
        self.rocks.cf_handle(&family_name(group, generation))
    }

    /// Makes empty tables for a group. One that is left from a broken attempt is dropped first. Syncs the manifest.
    pub(crate) fn create_tables(&self, group: u16, generation: u64) -> Result<(), AccessError> {
        let name = family_name(group, generation);
        if self.rocks.cf_handle(&name).is_some() {
            self.rocks.drop_cf(&name)?;
        }
        self.create_family(&name)
    }

    fn create_family(&self, name: &str) -> Result<(), AccessError> {
        let options = family_options(name, &self.cache);
        Ok(self.rocks.create_cf(name, &options)?)
    }

    /// Drops the tables of a generation. Whoever reads them just now can go on.
    pub(crate) fn drop_tables(&self, group: u16, generation: u64) -> Result<(), AccessError> {
        Ok(self.rocks.drop_cf(&family_name(group, generation))?)
    }

    /// Reads a row about a group.
    pub(crate) fn row<T: Stored>(&self, group: u16, row: Row) -> Result<Option<T>, AccessError> {
        let bytes = self
            .rocks
            .get_cf(&self.default_family(), row_key(group, row))?;
        decode_row(group, row, bytes)
    }

    /// Which generation of a group's tables is in use; 0 from the beginning.
    pub(crate) fn generation(&self, group: u16) -> Result<u64, AccessError> {
        let key = row_key(group, Row::Generation);
        let bytes = self.rocks.get_cf(&self.default_family(), key)?;
        decode_generation(group, bytes)
    }

    /// Writes a batch to the write-ahead log and the write buffers, without a sync.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), AccessError> {
        Ok(self.rocks.write_opt(batch, &WriteOptions::default())?)
    }

    /// Makes every write that was answered before this call durable: one fdatasync. Others may write meanwhile.
    pub(crate) fn sync(&self) -> Result<(), AccessError> {
        Ok(self.rocks.flush_wal(true)?)
    }

    /// Stops the background work. The database closes when its last user lets go of it.
    pub(crate) fn stop_background_work(&self) {
        self.rocks.cancel_all_background_work(true);
    }
}

/// The key of a row about a group.
pub(crate) fn row_key(group: u16, row: Row) -> [u8; 3] {
    let [high, low] = group.to_be_bytes();
    [high, low, row as u8]
}

/// Decodes a row about a group.
pub(crate) fn decode_row<T: Stored>(
    group: u16,
    row: Row,
    bytes: Option<Vec<u8>>,
) -> Result<Option<T>, AccessError> {
    bytes
        .map(|bytes| T::from_stored(Bytes::from(bytes)))
        .transpose()
        .map_err(|source| AccessError::Row { group, row, source })
}

/// Decodes the generation row of a group.
pub(crate) fn decode_generation(group: u16, bytes: Option<Vec<u8>>) -> Result<u64, AccessError> {
    let Some(bytes) = bytes else { return Ok(0) };
    <[u8; 8]>::try_from(bytes.as_slice())
        .map(u64::from_be_bytes)
        .map_err(|_| AccessError::Row {
            group,
            row: Row::Generation,
            source: MessageError::Range("generation"),
        })
}

fn family_name(group: u16, generation: u64) -> String {
    format!("group-{group}-{generation}")
}

fn explain(dir: &Path, source: rocksdb::Error) -> DatabaseError {
    let dir = dir.to_owned();
    let text = source.to_string();
    match source.kind() {
        rocksdb::ErrorKind::Corruption => DatabaseError::Damaged { dir, reason: text },
        // RocksDB has no kind of its own for it: "While lock file: …/LOCK: Resource temporarily unavailable".
        _ if text.contains("lock") && text.contains("LOCK") => DatabaseError::Locked { dir },
        _ => DatabaseError::Io { dir, source },
    }
}

fn database_options() -> Options {
    // By default the log and the manifest take hold of 22 MiB, which would outweigh the objects of a small store. There is
    // no setter for this one.
    let mut options = Options::default()
        .get_options_from_string("allow_fallocate=false")
        .expect("an option that RocksDB has");
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // The default mode takes a flipped bit in the middle of the write-ahead log for its end, and acknowledged entries
    // are gone without a word. This one forgives a torn tail only; `watermark` tells a torn tail from a lost one.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_max_total_wal_size(MAX_WAL_LEN);
    options.set_db_write_buffer_size(WRITE_BUFFERS_LEN);
    options.set_max_open_files(256);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1024 * 1024);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    options
}

fn family_options(name: &str, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // One index and one filter for a whole file take a megabyte and are read again whenever the cache gave them up: with half
    // a million keys that was 30 times the cost of everything else. In parts they are as small as other blocks.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(METADATA_BLOCK_LEN);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_LEN);
    options.set_max_write_buffer_number(3);
    if name.starts_with("group-") {
        blocks.set_bloom_filter(10.0, false);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_enable_blob_files(true);
        options.set_min_blob_size(MIN_BLOB_LEN);
        options.set_blob_file_size(64 * 1024 * 1024);
        options.set_enable_blob_gc(true);
        options.set_blob_gc_age_cutoff(0.25);
        options.set_blob_gc_force_threshold(0.5);
    } else {
        // Entries live for a few seconds up to a few minutes: compressing them is not worth it.
        options.set_compression_type(DBCompressionType::None);
    }
    options.set_block_based_table_factory(&blocks);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_says_that_it_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Database::open(dir.path(), Some(1)).unwrap();
        let second = Database::open(dir.path(), Some(1));
        assert!(
            matches!(second, Err(DatabaseError::Locked { .. })),
            "{:?}",
            second.err()
        );
    }

    #[test]
    fn tables_of_a_broken_installation_are_dropped_when_opened() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path(), Some(1)).unwrap();
        database.create_tables(1, 1).unwrap();
        drop(database);
        let database = Database::open(dir.path(), Some(2)).unwrap();
        assert!(database.tables_family(1, 0).is_some());
        assert!(database.tables_family(1, 1).is_none());
        assert!(
            database.tables_family(2, 0).is_some(),
            "a new group has tables"
        );
    }

    #[test]
    fn tables_that_are_gone_are_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path(), Some(1)).unwrap();
        let mut batch = WriteBatch::default();
        let key = row_key(1, Row::Applied);
        batch.put_cf(&database.default_family(), key, b"an entry");
        database.write(batch).unwrap();
        database.drop_tables(1, 0).unwrap();
        drop(database);
        let opened = Database::open(dir.path(), Some(1));
        assert!(
            matches!(opened, Err(DatabaseError::Damaged { .. })),
            "{:?}",
            opened.err()
        );
    }
}
