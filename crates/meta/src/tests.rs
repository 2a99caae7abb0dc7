//! What tests of the log and of the state share, and openraft's own suite over both.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

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
    pub(crate) database: Arc<Database>,
    pub(crate) log: Option<GroupLog>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) syncs: Counter,
    threads: Vec<JoinHandle<()>>,
}

impl Storage {
    pub(crate) fn open(dir: &Path) -> Self {
        let database = Database::open(&dir.join("db"), GROUP).unwrap();
        let (failure, syncs) = (FailureCell::new(), Counter::default());
        let (watermark, known, keeper) =
            Watermark::open(dir, Counter::default(), failure.clone()).unwrap();
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
            database,
            log: Some(log),
            tables: Arc::new(tables),
            syncs,
            threads: vec![thread, keeper],
        }
    }

    pub(crate) fn log(&mut self) -> &mut GroupLog {
        self.log.as_mut().unwrap()
    }

    pub(crate) fn machine(&self) -> StateMachine {
        StateMachine::new(Arc::clone(&self.tables), None, Counter::default()).unwrap()
    }

    /// Waits for the threads, so that the directory can be opened again.
    pub(crate) fn close(mut self) {
        drop(self.log.take());
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
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

impl StoreBuilder<TypeConfig, GroupLog, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, GroupLog, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let mut storage = Storage::open(dir.path());
        let machine = storage.machine();
        let log = storage.log.take().unwrap();
        Ok((dir, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_state_keep_the_contract_of_openraft() {
    Suite::test_all(Builder).await.unwrap();
}
