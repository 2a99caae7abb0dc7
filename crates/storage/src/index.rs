//! The index of a disk: which shards it has and where their cells are.
//!
//! Everything in it can be made again from the segments, so it is not synced: after a crash it is some state of the recent
//! past. For that to be enough, each batch of rows carries how far each segment is indexed; what lies behind is read again
//! when the disk is opened. The order that this rests on: a record is durable before a row names it, and the rows of one
//! change are one batch.
//!
//! One row holds a whole shard, cells and all (12 bytes each): one get finds every cell, and no reader sees half of a
//! change.

use std::collections::BTreeMap;
use std::path::Path;

use cairn_types::id::{BlobId, Epoch, PlacementGroupId};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode,
    Direction, ErrorKind, IteratorMode, LogLevel, Options, ReadOptions, WriteBatch,
};

pub mod rows;

use rows::{CounterRow, DoomedRow, SegmentRow, ShardRow, key};

const MIB: usize = 1 << 20;

/// An index that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// RocksDB says so.
    #[error("the index: {0}")]
    Rocks(#[from] rocksdb::Error),
    /// A row that no build wrote.
    #[error("the index has a damaged row")]
    Damaged,
}

impl IndexError {
    /// Whether bytes or files of the index are not what they were: only making it anew helps.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged => true,
            Self::Rocks(error) => {
                error.kind() == ErrorKind::Corruption || says(error, "No such file or directory")
            }
        }
    }

    /// Whether the disk has no room for what was to be written.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Damaged => false,
            Self::Rocks(error) => {
                says(error, "No space left on device") || says(error, "Disk quota exceeded")
            }
        }
    }
}

/// Whether it is an error of the system with this text. RocksDB hands on its text, and not its number.
fn says(error: &rocksdb::Error, text: &str) -> bool {
    error.kind() == ErrorKind::IOError && error.as_ref().contains(text)
}

/// The index of one disk. All calls block; reads are mostly served from memory.
#[derive(Debug)]
pub struct Index {
    db: DB,
}

/// Key and value.
type Row = (Box<[u8]>, Box<[u8]>);

/// Changes that are made together or not at all.
#[derive(Default)]
pub struct Batch(WriteBatch);

impl Index {
    /// Opens the index in `dir`, or makes an empty one.
    ///
    /// # Errors
    /// It is damaged, open elsewhere, or the disk cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        Ok(Self {
            db: DB::open(&options()?, dir)?,
        })
    }

    /// Whether it was once made whole; otherwise it must be rebuilt.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn is_whole(&self) -> Result<bool, IndexError> {
        Ok(self.db.get_pinned(key::WHOLE)?.is_some())
    }

    /// A shard.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn shard(&self, blob: BlobId, shard: u8) -> Result<Option<ShardRow>, IndexError> {
        match self.db.get_pinned(key::shard(blob, shard))? {
            None => Ok(None),
            Some(value) => ShardRow::decode(&value)
                .map(Some)
                .ok_or(IndexError::Damaged),
        }
    }

    /// The shards of a blob: mostly one or none.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn shards_of(&self, blob: BlobId) -> Result<Vec<(u8, ShardRow)>, IndexError> {
        let mut shards = Vec::new();
        self.visit_shards(blob, 0, |found, shard, row| {
            if found == blob {
                shards.push((shard, row));
            }
            found == blob
        })?;
        Ok(shards)
    }

    /// Shows the shards from this one on, by blob and shard, for as long as `visit` returns true.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn visit_shards(
        &self,
        blob: BlobId,
        shard: u8,
        mut visit: impl FnMut(BlobId, u8, ShardRow) -> bool,
    ) -> Result<(), IndexError> {
        let start = key::shard(blob, shard);
        for item in self.iterate(key::SHARD, &start) {
            let (key, value) = item?;
            let (blob, shard) = key::parse_shard(&key).ok_or(IndexError::Damaged)?;
            let row = ShardRow::decode(&value).ok_or(IndexError::Damaged)?;
            if !visit(blob, shard, row) {
                break;
            }
        }
        Ok(())
    }

    /// Doomed cells, the longest doomed first: at most `limit` rows that are doomed since `until` or longer.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn doomed(&self, until: u64, limit: usize) -> Result<Vec<DoomedRow>, IndexError> {
        let mut rows = Vec::new();
        for item in self.iterate(key::DOOMED, &[key::DOOMED]) {
            let (_, value) = item?;
            let row = DoomedRow::decode(&value).ok_or(IndexError::Damaged)?;
            if row.since > until || rows.len() == limit {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// How far each segment is indexed.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn segments(&self) -> Result<BTreeMap<u32, SegmentRow>, IndexError> {
        let mut segments = BTreeMap::new();
        for item in self.iterate(key::SEGMENT, &[key::SEGMENT]) {
            let (key, value) = item?;
            let number = key::parse_number(&key).ok_or(IndexError::Damaged)?;
            segments.insert(
                number,
                SegmentRow::decode(&value).ok_or(IndexError::Damaged)?,
            );
        }
        Ok(segments)
    }

    /// The highest epoch of each placement group that was seen in a write.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn epochs(&self) -> Result<BTreeMap<PlacementGroupId, Epoch>, IndexError> {
        let mut epochs = BTreeMap::new();
        for item in self.iterate(key::EPOCH, &[key::EPOCH]) {
            let (key, value) = item?;
            let group = key::parse_number(&key).ok_or(IndexError::Damaged)?;
            let epoch = value.as_ref().try_into().map_err(|_| IndexError::Damaged)?;
            epochs.insert(
                PlacementGroupId::new(group),
                Epoch::new(u64::from_le_bytes(epoch)),
            );
        }
        Ok(epochs)
    }

    /// The counters.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn counters(&self) -> Result<CounterRow, IndexError> {
        match self.db.get_pinned(key::COUNTERS)? {
            None => Ok(CounterRow::default()),
            Some(value) => CounterRow::decode(&value).ok_or(IndexError::Damaged),
        }
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// The index cannot be written; it is not known whether the changes were made.
    pub fn write(&self, batch: Batch) -> Result<(), IndexError> {
        Ok(self.db.write(batch.0)?)
    }

    /// Makes all changes so far durable.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn sync(&self) -> Result<(), IndexError> {
        Ok(self.db.flush_wal(true)?)
    }

    /// Writes what is in memory to the disk, for a quick start next time.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn flush(&self) -> Result<(), IndexError> {
        self.db.flush_wal(true)?;
        Ok(self.db.flush()?)
    }

    /// Rows of one kind from `start` on.
    fn iterate(
        &self,
        kind: u8,
        start: &[u8],
    ) -> impl Iterator<Item = Result<Row, rocksdb::Error>> + '_ {
        let mut read = ReadOptions::default();
        read.set_verify_checksums(true);
        read.set_iterate_upper_bound(vec![kind + 1]);
        self.db
            .iterator_opt(IteratorMode::From(start, Direction::Forward), read)
    }
}

impl Batch {
    /// Puts or replaces a shard.
    pub fn put_shard(&mut self, blob: BlobId, shard: u8, row: &ShardRow) {
        self.0.put(key::shard(blob, shard), row.encode());
    }

    /// Takes a shard away.
    pub fn delete_shard(&mut self, blob: BlobId, shard: u8) {
        self.0.delete(key::shard(blob, shard));
    }

    /// Puts doomed cells.
    pub fn put_doomed(&mut self, row: &DoomedRow) {
        self.0.put(row.key(), row.encode());
    }

    /// Takes doomed cells away: their space was given back.
    pub fn delete_doomed(&mut self, row: &DoomedRow) {
        self.0.delete(row.key());
    }

    /// Says how far a segment is indexed.
    pub fn put_segment(&mut self, segment: u32, row: SegmentRow) {
        self.0.put(key::segment(segment), row.encode());
    }

    /// Takes a segment away.
    pub fn delete_segment(&mut self, segment: u32) {
        self.0.delete(key::segment(segment));
    }

    /// Puts the epoch of a placement group.
    pub fn put_epoch(&mut self, group: PlacementGroupId, epoch: Epoch) {
        self.0
            .put(key::epoch(group.get()), epoch.get().to_le_bytes());
    }

    /// Puts the counters.
    pub fn put_counters(&mut self, row: CounterRow) {
        self.0.put(key::COUNTERS, row.encode());
    }

    /// Says that the index holds all that the segments hold.
    pub fn put_whole(&mut self) {
        self.0.put(key::WHOLE, [1]);
    }

    /// How many changes it makes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it makes none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A small index: a few MiB of memory for each disk, and no files that are larger than what is in them.
fn options() -> Result<Options, IndexError> {
    // By default the log and the manifest take hold of 4 MiB each, which would outweigh the objects of a small store.
    let mut options = Options::default().get_options_from_string("allow_fallocate=false")?;
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(8 * MIB));
    table.set_bloom_filter(10.0, false);
    table.set_cache_index_and_filter_blocks(true);
    // In parts: those of a whole file are larger than what a cache of this size keeps.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_pin_top_level_index_and_filter(true);
    table.set_format_version(6);
    options.set_block_based_table_factory(&table);
    options.create_if_missing(true);
    options.set_paranoid_checks(true);
    // A prefix of the log is a state of the past, and the rest is read from the segments again: stopping at the first
    // damage loses nothing here.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_write_buffer_size(4 * MIB);
    options.set_max_write_buffer_number(2);
    options.set_target_file_size_base(16 * 1024 * 1024);
    options.set_max_open_files(32);
    options.set_max_background_jobs(1);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_max_manifest_file_size(MIB);
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::rows::CellPlace;
    use super::*;

    fn row(sequence: u64) -> ShardRow {
        ShardRow {
            removed_at: None,
            epoch: Epoch::new(1),
            sequence,
            root: [2; 16],
            cells: vec![CellPlace {
                segment: 1,
                offset: 0,
                data_len: 100,
            }],
        }
    }

    #[test]
    fn rows_are_found_by_blob_and_survive_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path()).unwrap();
        assert!(!index.is_whole().unwrap());
        let mut batch = Batch::default();
        for bits in 0..10 {
            batch.put_shard(BlobId::from_bits(bits), 2, &row(1));
        }
        batch.put_shard(BlobId::from_bits(4), 0, &row(2));
        batch.put_whole();
        batch.put_epoch(PlacementGroupId::new(3), Epoch::new(9));
        index.write(batch).unwrap();
        drop(index);
        let index = Index::open(dir.path()).unwrap();
        assert!(index.is_whole().unwrap());
        let blob = BlobId::from_bits(4);
        assert_eq!(index.shard(blob, 2).unwrap(), Some(row(1)));
        assert_eq!(index.shard(blob, 1).unwrap(), None);
        assert_eq!(index.shards_of(blob).unwrap(), [(0, row(2)), (2, row(1))]);
        assert_eq!(
            index.epochs().unwrap().get(&PlacementGroupId::new(3)),
            Some(&Epoch::new(9))
        );
        let mut seen = 0;
        index
            .visit_shards(BlobId::from_bits(0), 0, |_, _, _| {
                seen += 1;
                true
            })
            .unwrap();
        assert_eq!(seen, 11);
    }

    #[test]
    fn errors_say_whether_the_disk_is_full_or_the_index_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("full.sst");
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        let options = Options::default();
        let mut file = rocksdb::SstFileWriter::create(&options);
        file.open(&link).unwrap();
        file.put(b"key", b"value").unwrap();
        let full = IndexError::from(file.finish().unwrap_err());
        assert!(full.is_full() && !full.is_damage(), "{full}");
        let _open = Index::open(&dir.path().join("index")).unwrap();
        let locked = Index::open(&dir.path().join("index")).unwrap_err();
        assert!(!locked.is_full() && !locked.is_damage(), "{locked}");
    }

    #[test]
    fn the_longest_doomed_come_first() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path()).unwrap();
        let doomed = |since, sequence| DoomedRow {
            since,
            sequence,
            blob: BlobId::from_bits(1),
            shard: 0,
            tombstone_segment: None,
            cells: Vec::new(),
        };
        let mut batch = Batch::default();
        for row in [doomed(300, 1), doomed(0, 9), doomed(20, 4), doomed(20, 3)] {
            batch.put_doomed(&row);
        }
        index.write(batch).unwrap();
        let found: Vec<u64> = index
            .doomed(200, 10)
            .unwrap()
            .iter()
            .map(|row| row.sequence)
            .collect();
        assert_eq!(found, [9, 3, 4]);
        assert_eq!(index.doomed(200, 1).unwrap().len(), 1);
        let mut batch = Batch::default();
        batch.delete_doomed(&doomed(0, 9));
        index.write(batch).unwrap();
        assert_eq!(index.doomed(u64::MAX, 10).unwrap().len(), 3);
    }
}
