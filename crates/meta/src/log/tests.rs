use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::storage::RaftLogStorageExt;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{EntryPayload, RaftLogReader};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::{prop_oneof, proptest};
use tempfile::TempDir;

use super::{READ_LEN, Recovered};
use crate::consensus::{Entry, LogId, Proposal, Vote};
use crate::tests::Storage;

/// What may happen to a log.
#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    /// Keeps this share of the entries, in 256ths.
    Truncate(u8),
    Purge(u8),
    Vote,
    /// As an orderly end and a new start.
    Reopen,
    /// Opens what a process that is killed now would leave behind.
    CheckCopy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(|count| Step::Append(count % 20 + 1)),
        2 => any::<u8>().prop_map(Step::Truncate),
        1 => any::<u8>().prop_map(Step::Purge),
        1 => Just(Step::Vote),
        1 => Just(Step::Reopen),
        1 => Just(Step::CheckCopy),
    ]
}

/// A log as plain as it can be.
#[derive(Debug, Default)]
struct Model {
    purged: Option<LogId>,
    entries: Vec<Entry>,
    vote: Option<Vote>,
    term: u64,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        let last = self.entries.last().map(|entry| entry.log_id);
        last.max(self.purged)
    }

    fn next_index(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

fn entry(term: u64, index: u64, len: usize) -> Entry {
    let bytes = Bytes::from(index.to_be_bytes().repeat(len.div_ceil(8)));
    Entry::new(log_id(term, index), EntryPayload::Normal(Proposal(bytes)))
}

async fn check(storage: &mut Storage, model: &Model) {
    let log = &mut storage.log;
    assert_eq!(log.try_get_log_entries(..).await.unwrap(), model.entries);
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, model.purged);
    assert_eq!(state.last_log_id, model.last());
    assert_eq!(log.read_vote().await.unwrap(), model.vote);
}

async fn take(storage: &mut Storage, model: &mut Model, step: &Step) {
    let kept = |share: u8| usize::from(share) * model.entries.len() / 256;
    match step {
        Step::Append(count) => {
            model.term += 1;
            let next = model.next_index();
            let new = (next..next + u64::from(*count)).map(|index| entry(model.term, index, 64));
            let new: Vec<Entry> = new.collect();
            storage.log.blocking_append(new.clone()).await.unwrap();
            model.entries.extend(new);
        }
        Step::Truncate(share) => {
            let kept = kept(*share);
            model.entries.truncate(kept);
            storage.log.truncate_after(model.last()).await.unwrap();
        }
        Step::Purge(share) => {
            let Some(last) = kept(*share).checked_sub(1) else {
                return;
            };
            let upto = model.entries[last].log_id;
            model.entries.drain(..=last);
            model.purged = Some(upto);
            storage.log.purge(upto).await.unwrap();
        }
        Step::Vote => {
            model.term += 1;
            let vote = Vote::new(model.term, 1);
            model.vote = Some(vote);
            storage.log.save_vote(&vote).await.unwrap();
        }
        Step::Reopen | Step::CheckCopy => {}
    }
}

/// The files below a directory and their lengths; those that go while it is read are left out.
fn files(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => found.extend(files(&path)),
            Ok(metadata) => drop(found.insert(path, metadata.len())),
            Err(_) => {}
        }
    }
    found
}

/// What a process that is killed at one moment leaves behind: tried again if RocksDB tidied up in the meantime.
fn copy(from: &Path) -> TempDir {
    loop {
        let to = tempfile::tempdir().unwrap();
        let before = files(from);
        let is_whole = before.keys().all(|path| {
            let target = to.path().join(path.strip_prefix(from).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(path, target).is_ok()
        });
        if is_whole && files(from) == before {
            return to;
        }
    }
}

async fn walk(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::open(dir.path());
    let mut model = Model::default();
    for step in steps {
        take(&mut storage, &mut model, &step).await;
        match step {
            Step::Reopen => {
                storage.close();
                storage = Storage::open(dir.path());
            }
            Step::CheckCopy => {
                // A truncation is not waited for; a vote behind it is, in the same queue.
                take(&mut storage, &mut model, &Step::Vote).await;
                let twin = copy(dir.path());
                let mut copied = Storage::open(twin.path());
                check(&mut copied, &model).await;
                copied.close();
            }
            _ => {}
        }
        check(&mut storage, &model).await;
    }
    storage.close();
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 24, ..Default::default() })]

    #[test]
    fn a_log_is_what_was_done_to_it_also_after_a_restart_or_a_kill(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk(steps));
    }
}

#[tokio::test]
async fn entries_are_readable_before_they_are_durable_and_steps_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::open(dir.path());
    let entries: Vec<Entry> = (0..100)
        .map(|index| entry(1, index, READ_LEN / 10))
        .collect();
    let log = &mut storage.log;
    log.append(entries.clone(), IOFlushed::noop())
        .await
        .unwrap();
    assert_eq!(log.try_get_log_entries(90..).await.unwrap(), entries[90..]);
    // Then most of them are durable, and let go of in memory.
    log.blocking_append([entry(1, 100, 8)]).await.unwrap();
    assert_eq!(log.try_get_log_entries(..100).await.unwrap(), entries);
    let step = log.limited_get_log_entries(5, 100).await.unwrap();
    assert_eq!(step, entries[5..15], "about {READ_LEN} bytes");
    let all = log.entries_stream(0..101).await;
    let all: Vec<_> = futures::StreamExt::collect(all).await;
    assert_eq!(all.len(), 101);
    storage.close();
}

#[tokio::test]
async fn what_is_queued_together_is_synced_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::open(dir.path());
    let before = storage.syncs.get();
    let log = &mut storage.log;
    for index in 0..200 {
        log.append([entry(1, index, 64)], IOFlushed::noop())
            .await
            .unwrap();
    }
    log.save_vote(&Vote::new(1, 1)).await.unwrap();
    let syncs = storage.syncs.get() - before;
    assert!(syncs < 100, "{syncs} syncs for 201 jobs");
    storage.close();
}

#[tokio::test]
async fn a_gap_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::open(dir.path());
    let log = &mut storage.log;
    log.blocking_append([entry(1, 0, 8)]).await.unwrap();
    let refused = log.append([entry(1, 2, 8)], IOFlushed::noop()).await;
    assert!(refused.is_err());
    let Recovered { last, .. } = log.recovered();
    assert_eq!(last, Some(log_id(1, 0)));
    storage.close();
}
