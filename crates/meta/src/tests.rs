//! What tests of the log and of the state share, and openraft's own suite over both.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_runtime::metrics::Counter;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::consensus::TypeConfig;
use crate::database::Database;
use crate::failure::FailureCell;
use crate::log::{GroupLog, Writer, WriterCounters};
use crate::state::{ReadCounters, StateMachine, Tables};
use crate::watermark::Watermark;

/// The group that tests use: a data group.
pub(crate) const GROUP: u16 = 1;

/// A directory's storage, open.
pub(crate) struct Storage {
    pub(crate) log: GroupLog,
    pub(crate) tables: Arc<Tables>,
    pub(crate) syncs: Counter,
    ending: Ending,
}

impl Storage {
    pub(crate) fn open(dir: &Path) -> Self {
        let database = Database::open(&dir.join("db"), Some(GROUP)).unwrap();
        let (failure, syncs) = (FailureCell::new(), Counter::default());
        let (watermark, known, keeper) =
            Watermark::open(dir, false, Counter::default(), failure.clone()).unwrap();
        let counters = WriterCounters {
            syncs: syncs.clone(),
            bytes: Counter::default(),
        };
        let (writer, thread) =
            Writer::start(Arc::clone(&database), watermark, counters, failure).unwrap();
        let log = GroupLog::recover(GROUP, Arc::clone(&database), writer).unwrap();
        if let Some(known) = known.get(&GROUP) {
            assert!(log.recovered().log_len() >= known.log_len, "{known:?}");
        }
        let tables = Tables::recover(GROUP, Arc::clone(&database), read_counters()).unwrap();
        Self {
            log,
            tables: Arc::new(tables),
            syncs,
            ending: Ending {
                database,
                threads: vec![thread, keeper],
            },
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.ending.database
    }

    pub(crate) fn machine(&self) -> StateMachine {
        StateMachine::new(Arc::clone(&self.tables), None, Counter::default()).unwrap()
    }

    /// Closes it, so that the directory can be opened again. Whoever shares the log or the tables must have let go.
    pub(crate) fn close(self) {
        drop((self.log, self.tables));
        self.ending.wait();
    }
}

/// What is to be waited for.
pub(crate) struct Ending {
    database: Arc<Database>,
    threads: Vec<JoinHandle<()>>,
}

impl Ending {
    fn wait(self) {
        for thread in self.threads {
            thread.join().unwrap();
        }
        // The reader of a snapshot ends a moment after the snapshot was dropped.
        let deadline = Duration::from_secs(20);
        let mut waited = Duration::ZERO;
        while Arc::strong_count(&self.database) > 1 {
            assert!(waited < deadline, "somebody still holds the database");
            std::thread::sleep(Duration::from_millis(1));
            waited += Duration::from_millis(1);
        }
    }
}

fn read_counters() -> ReadCounters {
    ReadCounters {
        gets: Counter::default(),
        seeks: Counter::default(),
        nexts: Counter::default(),
    }
}

struct Builder;

/// Keeps the directory, and waits for the end of what works in it.
struct Guard {
    _dir: TempDir,
    ending: Option<Ending>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            ending.wait();
        }
    }
}

impl StoreBuilder<TypeConfig, GroupLog, StateMachine, Guard> for Builder {
    async fn build(&self) -> Result<(Guard, GroupLog, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path());
        let machine = storage.machine();
        let guard = Guard {
            _dir: dir,
            ending: Some(storage.ending),
        };
        Ok((guard, storage.log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_state_keep_the_contract_of_openraft() {
    Suite::test_all(Builder).await.unwrap();
}
