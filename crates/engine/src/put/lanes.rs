//! The shards of one blob on their way to their disks, side by side.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use cairn_client::shards::{Cell, CellSender, ShardHeader};
use cairn_client::{ShardError, ShardErrorKind};
use cairn_erasure::ShardRoot;
use cairn_types::id::{BlobId, DiskId};
use futures::stream::FuturesUnordered;
use tokio::sync::oneshot;

use super::quorum::{Gathered, gather};
use crate::budget::Held;
use crate::engine::Shared;
use crate::placing::Place;

/// Cells that wait for one disk. With those that the connection holds it is what a disk may fall behind its peers.
const QUEUE_LEN: usize = 1;

/// A stripe, coded.
#[derive(Debug)]
pub(super) struct Stripe {
    pub(super) number: u32,
    /// By shard: the cell and the hashes of its frames.
    pub(super) cells: Vec<(Bytes, Bytes)>,
    /// By shard: the memory for the copies of its cell that are made on its way.
    pub(super) transit: Vec<Arc<Held>>,
    /// Whether no other follows.
    pub(super) is_last: bool,
}

/// What became of a blob's shards.
#[derive(Debug)]
pub(super) struct Durable {
    /// By shard, those that are not durable too.
    pub(super) roots: Vec<[u8; 16]>,
    /// Ascending.
    pub(super) missing: Vec<u8>,
}

/// Too few disks take the blob.
#[derive(Debug, thiserror::Error)]
#[error("{durable} of {quorum} shards that are needed: {reason}")]
pub(super) struct NoQuorum {
    durable: usize,
    quorum: usize,
    reason: String,
    /// Whether a disk knows a newer topology.
    pub(super) is_stale: bool,
}

/// The lanes of one blob. Dropping them abandons what was sent.
pub(super) struct FanOut<'a> {
    shared: &'a Shared,
    lanes: Vec<Lane>,
    quorum: usize,
    last_error: Option<ShardError>,
    /// Of the last stripe: what is on its way then is bounded by the pace of disks, not of the client.
    transit: Vec<Arc<Held>>,
}

struct Lane {
    shard: u8,
    disk: DiskId,
    root: ShardRoot,
    /// `None` once it is left out.
    way: Option<Way>,
    /// Lives as long as the newest cell is on its way.
    on_the_way: Weak<Held>,
}

struct Way {
    cells: CellSender,
    answer: oneshot::Receiver<Result<[u8; 16], ShardError>>,
}

impl<'a> FanOut<'a> {
    /// Begins a shard on every disk of the place that is not away.
    pub(super) fn open(shared: &'a Shared, place: &Place, blob: BlobId) -> Self {
        let members = place.group.members.iter().zip(&place.away);
        let lanes = (0..).zip(members).map(|(shard, (disk, is_away))| {
            let header = ShardHeader {
                disk: *disk,
                blob,
                shard,
                epoch: place.group.epoch,
            };
            Lane {
                shard,
                disk: *disk,
                root: ShardRoot::new(),
                way: (!is_away).then(|| open_way(shared, header)),
                on_the_way: Weak::new(),
            }
        });
        Self {
            shared,
            lanes: lanes.collect(),
            quorum: place.profile.write_quorum(),
            last_error: None,
            transit: Vec::new(),
        }
    }

    /// Waits until the nodes of the disks are reached, which takes no time where there are connections. Leaves out whoever is late.
    pub(super) async fn await_reached(&mut self) -> Result<(), NoQuorum> {
        let asked: Vec<u8> = self.open_shards().collect();
        let suspects = self.suspects();
        let pending: FuturesUnordered<_> = self
            .lanes
            .iter_mut()
            .filter_map(|lane| {
                let way = lane.way.as_mut()?;
                let (shard, disk) = (lane.shard, lane.disk);
                Some(async move { (shard, reach(way, disk).await) })
            })
            .collect();
        let (patience, clock) = (&self.shared.config.patience, &self.shared.clock);
        let reached = gather(pending, self.quorum, &suspects, patience, clock).await;
        self.report_late(&asked, &reached);
        for lane in &mut self.lanes {
            if !reached.done.iter().any(|(done, ())| *done == lane.shard) {
                lane.way = None;
            }
        }
        if let Some((_, error)) = reached.failed.into_iter().next() {
            self.last_error = Some(error);
        }
        self.check_quorum()
    }

    /// Queues the next stripe for every disk. Waits while they are behind; leaves out whoever is late.
    pub(super) async fn send(&mut self, stripe: Stripe) -> Result<(), NoQuorum> {
        for (lane, (_, hashes)) in self.lanes.iter_mut().zip(&stripe.cells) {
            lane.root.update(hashes);
        }
        for (lane, transit) in self.lanes.iter_mut().zip(&stripe.transit) {
            lane.on_the_way = Arc::downgrade(transit);
        }
        if stripe.is_last {
            self.transit.clone_from(&stripe.transit);
        }
        let sends: FuturesUnordered<_> = self
            .lanes
            .iter()
            .zip(stripe.cells.into_iter().zip(stripe.transit))
            .filter_map(|(lane, ((data, frame_hashes), transit))| {
                let way = lane.way.as_ref()?;
                let cell = Cell {
                    stripe: stripe.number,
                    data,
                    frame_hashes,
                    is_followed: !stripe.is_last,
                };
                Some(async move { (lane.shard, way.cells.send(cell, transit).await) })
            })
            .collect();
        let (suspects, patience) = (self.suspects(), &self.shared.config.patience);
        let clock = &self.shared.clock;
        let sent = gather(sends, self.quorum, &suspects, patience, clock).await;
        let sending: Vec<u8> = self.open_shards().collect();
        self.report_late(&sending, &sent);
        for lane in &mut self.lanes {
            let Some(way) = &mut lane.way else { continue };
            if sent.done.iter().any(|(done, ())| *done == lane.shard) {
                continue;
            }
            // Why a disk takes no more cells is in its answer.
            if let Ok(Err(error)) = way.answer.try_recv() {
                self.last_error = Some(error);
            }
            lane.way = None;
        }
        self.check_quorum()
    }

    /// Leaves out whoever did not take the last stripe, if the others are a quorum: to be called when there is no memory for
    /// the next one, which would show who is late, or when it does not come for long. What they hold may be all there is.
    pub(super) fn leave_out_stuck(&mut self) {
        let is_stuck = |lane: &Lane| lane.way.is_some() && lane.on_the_way.strong_count() > 0;
        let stuck = self.lanes.iter().filter(|lane| is_stuck(lane)).count();
        if self.open_shards().count() < self.quorum + stuck {
            return;
        }
        for lane in self.lanes.iter_mut().filter(|lane| is_stuck(lane)) {
            lane.way = None;
            self.shared.shards.report_late_write(lane.disk);
        }
    }

    /// Waits until the shards are durable; leaves out whoever is late, and whose root is another than computed here.
    pub(super) async fn finish(mut self) -> Result<Durable, NoQuorum> {
        let ending: Vec<u8> = self.open_shards().collect();
        let suspects = self.suspects();
        let ends: FuturesUnordered<_> = self
            .lanes
            .iter_mut()
            .filter_map(|lane| {
                let way = lane.way.take()?;
                let (shard, disk, root) = (lane.shard, lane.disk, lane.root.finish());
                Some(async move { (shard, end(way, disk, root).await) })
            })
            .collect();
        let (patience, clock) = (&self.shared.config.patience, &self.shared.clock);
        let ended = gather(ends, self.quorum, &suspects, patience, clock).await;
        self.report_late(&ending, &ended);
        let durable = ended.done.len();
        let is_durable = |shard| ended.done.iter().any(|(done, ())| *done == shard);
        let missing: Vec<u8> = self
            .lanes
            .iter()
            .map(|lane| lane.shard)
            .filter(|shard| !is_durable(*shard))
            .collect();
        if let Some((_, error)) = ended.failed.into_iter().next() {
            self.last_error = Some(error);
        }
        if durable < self.quorum {
            return Err(self.no_quorum(durable));
        }
        let left_out = u64::try_from(missing.len()).expect("at most 12 shards");
        self.shared.counts.left_out_shards.inc_by(left_out);
        Ok(Durable {
            roots: self.lanes.iter().map(|lane| lane.root.finish()).collect(),
            missing,
        })
    }

    fn open_shards(&self) -> impl Iterator<Item = u8> {
        let open = self.lanes.iter().filter(|lane| lane.way.is_some());
        open.map(|lane| lane.shard)
    }

    fn suspects(&self) -> Vec<u8> {
        let open = self.lanes.iter().filter(|lane| lane.way.is_some());
        open.filter(|lane| self.shared.shards.is_suspect(lane.disk))
            .map(|lane| lane.shard)
            .collect()
    }

    /// Remembers whose disk was waited for in vain.
    fn report_late<E>(&self, expected: &[u8], gathered: &Gathered<(), E>) {
        if !gathered.is_rest_late {
            return;
        }
        for lane in self
            .lanes
            .iter()
            .filter(|lane| expected.contains(&lane.shard))
        {
            let is_done = gathered.done.iter().any(|(done, ())| *done == lane.shard);
            let has_failed = gathered
                .failed
                .iter()
                .any(|(failed, _)| *failed == lane.shard);
            if !is_done && !has_failed {
                self.shared.shards.report_late_write(lane.disk);
            }
        }
    }

    fn check_quorum(&self) -> Result<(), NoQuorum> {
        let open = self.open_shards().count();
        if open < self.quorum {
            return Err(self.no_quorum(open));
        }
        Ok(())
    }

    fn no_quorum(&self, durable: usize) -> NoQuorum {
        NoQuorum {
            durable,
            quorum: self.quorum,
            reason: self.last_error.as_ref().map_or_else(
                || "the disks do not answer in time".to_owned(),
                ToString::to_string,
            ),
            is_stale: self
                .last_error
                .as_ref()
                .is_some_and(|error| error.kind == ShardErrorKind::Stale),
        }
    }
}

/// Begins a shard. It moves on a task of its own, which ends when nobody waits for its answer any more.
fn open_way(shared: &Shared, header: ShardHeader) -> Way {
    let (cells, write) = shared.shards.write_shard(header, QUEUE_LEN);
    let (mut told, answer) = oneshot::channel();
    shared.tasks.spawn("write shard", async move {
        let answer = tokio::select! {
            answer = write => answer,
            () = told.closed() => return,
        };
        // Nobody waits: then it was left out.
        let _ = told.send(answer);
    });
    Way { cells, answer }
}

/// Waits until the node of a disk is reached.
async fn reach(way: &mut Way, disk: DiskId) -> Result<(), ShardError> {
    if way.cells.reached().await.is_ok() {
        return Ok(());
    }
    answer(&mut way.answer, disk).await?;
    Err(damaged(disk, "the disk answered before it was asked"))
}

/// Says that all cells were sent, and waits until they are durable.
async fn end(mut way: Way, disk: DiskId, root: [u8; 16]) -> Result<(), ShardError> {
    // A disk that takes no more cells has answered why.
    let _ = way.cells.finish().await;
    if answer(&mut way.answer, disk).await? == root {
        return Ok(());
    }
    let reason = "the disk says another root than was computed here";
    Err(damaged(disk, reason))
}

async fn answer(
    answer: &mut oneshot::Receiver<Result<[u8; 16], ShardError>>,
    disk: DiskId,
) -> Result<[u8; 16], ShardError> {
    answer.await.unwrap_or_else(|_| {
        Err(ShardError {
            disk,
            kind: ShardErrorKind::Unknown,
            reason: "the process is stopping".to_owned(),
        })
    })
}

fn damaged(disk: DiskId, reason: &str) -> ShardError {
    ShardError {
        disk,
        kind: ShardErrorKind::Damaged,
        reason: reason.to_owned(),
    }
}
