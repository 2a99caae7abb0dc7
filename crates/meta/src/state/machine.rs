//! Applying entries in the order of the log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cairn_catalog::Overlay;
use cairn_runtime::metrics::Counter;
use cairn_schema::decode_command;
use cairn_types::id::GroupId;
use cairn_types::namespace::{Query, RootQuery, RootView, View};
use futures::{FutureExt, Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use super::snapshot::{self, SnapshotData};
use super::tables::{Applied, Tables};
use crate::blocking::blocking;
use crate::consensus::{
    Answer, LogId, Proposal, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::service::messages::entry_len;

/// Entries that one write takes at most.
const CHUNK_ENTRIES: usize = 128;

/// And their bytes.
const CHUNK_LEN: usize = 1024 * 1024;

/// One write is closed when it has this many rows: a single command may remove thousands.
const WRITE_ROWS: usize = 20_000;

type Item = EntryResponder<TypeConfig>;

/// A group's state machine: the catalog over the group's tables.
pub(crate) struct StateMachine {
    tables: Arc<Tables>,
    /// The apply version that the cluster activated; kept by the root group's machine.
    activated: Option<Arc<AtomicU32>>,
    entries: Counter,
}

impl StateMachine {
    /// The machine over these tables. `activated` is for the root group.
    pub(crate) fn new(
        tables: Arc<Tables>,
        activated: Option<Arc<AtomicU32>>,
        entries: Counter,
    ) -> io::Result<Self> {
        let machine = Self {
            tables,
            activated,
            entries,
        };
        machine.learn_activated()?;
        Ok(machine)
    }

    /// Applies a chunk: each command sees the effects of those before it, and all go to the tables in one write, or in several
    /// if there are very many. Blocks.
    fn apply_chunk(&self, chunk: &[Item]) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(chunk.len());
        while answers.len() < chunk.len() {
            let rest = chunk.get(answers.len()..).unwrap_or_default();
            answers.extend(self.apply_some(rest)?);
        }
        self.entries
            .inc_by(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        self.learn_activated()?;
        Ok(answers)
    }

    /// Applies entries until there are none left, or enough for one write, and writes.
    fn apply_some(&self, entries: &[Item]) -> io::Result<Vec<Answer>> {
        let view = self.tables.latest();
        let mut overlay = Overlay::new(&view);
        let mut applied = self.tables.applied();
        let mut answers = Vec::with_capacity(entries.len());
        let group = GroupId::new(self.tables.group());
        for (entry, _) in entries {
            let answer = match &entry.payload {
                EntryPayload::Blank => Answer::Nothing,
                EntryPayload::Membership(membership) => {
                    applied.membership =
                        StoredMembership::new(Some(entry.log_id), membership.clone());
                    Answer::Nothing
                }
                EntryPayload::Normal(Proposal(bytes)) => {
                    let command = decode_command(bytes.clone()).map_err(io::Error::other)?;
                    let done = cairn_catalog::apply(&mut overlay, group, &command)
                        .map_err(io::Error::other)?;
                    Answer::Applied(done.result)
                }
            };
            applied.log_id = Some(entry.log_id);
            answers.push(answer);
            if overlay.write_count() >= WRITE_ROWS {
                break;
            }
        }
        self.tables.write(overlay.into_writes(), applied)?;
        Ok(answers)
    }

    fn learn_activated(&self) -> io::Result<()> {
        let Some(activated) = &self.activated else {
            return Ok(());
        };
        let query = Query::Root(RootQuery::Cluster);
        let view = cairn_catalog::query(&self.tables.latest(), GroupId::ROOT, &query)
            .map_err(io::Error::other)?;
        if let Ok(View::Root(RootView::Cluster(Some(info)))) = view {
            activated.store(info.apply_version, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// The next entries as far as they are at hand; none at the end.
async fn next_chunk<S>(entries: &mut S) -> io::Result<Vec<Item>>
where
    S: Stream<Item = Result<Item, io::Error>> + Unpin,
{
    let mut chunk = Vec::new();
    let mut len = 0;
    let mut next = entries.next().await;
    while let Some(item) = next {
        let item = item?;
        len += entry_len(&item.0);
        chunk.push(item);
        if chunk.len() >= CHUNK_ENTRIES || len >= CHUNK_LEN {
            break;
        }
        next = entries.next().now_or_never().flatten();
    }
    Ok(chunk)
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let Applied { log_id, membership } = self.tables.applied();
        Ok((log_id, membership))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<Item, io::Error>> + Unpin + OptionalSend,
    {
        let mut entries = entries.fuse();
        loop {
            let chunk = next_chunk(&mut entries).await?;
            if chunk.is_empty() {
                return Ok(());
            }
            let answers = blocking(|| self.apply_chunk(&chunk))?;
            // Answered only after the write: what was answered is there for every later read.
            for ((_, responder), answer) in chunk.into_iter().zip(answers) {
                if let Some(responder) = responder {
                    responder.send(answer);
                }
            }
        }
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            cut: Some(snapshot::cut(&self.tables).await),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let staging = snapshot
            .stage(&self.tables)
            .await
            .map_err(io::Error::other)?;
        let applied = Applied {
            log_id: meta.last_log_id,
            membership: meta.last_membership.clone(),
        };
        blocking(|| {
            staging.install(applied)?;
            self.learn_activated()
        })
    }

    /// Cut anew each time it is asked for: the tables are the snapshot.
    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if self.tables.applied().log_id.is_none() {
            return Ok(None);
        }
        snapshot::cut(&self.tables).await.map(Some)
    }
}

/// A snapshot that was cut when the builder was made.
pub(crate) struct Builder {
    cut: Option<io::Result<Snapshot>>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        self.cut
            .take()
            .unwrap_or_else(|| Err(io::Error::other("a builder builds once")))
    }
}
