//! One blob: stripes of a body, coded and sent to the disks of a placement group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_erasure::{CodecError, Geometry, codec, frame};
use cairn_runtime::random;
use cairn_types::cluster::Profile;
use cairn_types::id::BlobId;
use cairn_types::object::Extent;
use tokio::sync::Notify;

use super::digest::Digest;
use super::lanes::{Durable, FanOut, NoQuorum, Stripe};
use crate::abandoned::Begun;
use crate::budget::{Busy, Held, Piece, Share};
use crate::engine::Shared;
use crate::error::PutError;
use crate::fallback::find_place;
use crate::placing::Place;
use crate::source::{Body, Source};

/// Up to here the way to the CPU pool takes longer than it saves.
const INLINE_LEN: usize = 64 * 1024;

/// How long a body that is under way waits for memory: refusing it now would waste what was sent.
const PATIENCE_WITHIN: Duration = Duration::from_mins(1);

/// Copies of a cell on its way: its messages in the connection's buffer, and what the disk's side puts together where that is
/// in this process. They are beside the memory of the stripe itself.
const COPIES_IN_TRANSIT: usize = 2;

/// How often a blob whose bytes are still all here is written anew when too many disks fail under it. The second time what
/// failed is known; the third is for a node of which only one disk was known.
const TRIES: usize = 3;

/// How many bytes of a body go into a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// So many; the body has them.
    Exactly(u64),
    /// So many, or what there is until the body ends: at least one, which has come.
    UpTo(u64),
}

/// A stripe of the body before it is coded.
struct Raw {
    number: u32,
    /// `k` cells, zeros behind the blob's end.
    cells: Vec<Bytes>,
    plain_len: usize,
    is_last: bool,
}

/// Why a blob was not written.
struct Failed<E: std::error::Error + Send + Sync + 'static> {
    error: PutError<E>,
    /// All its bytes, if they are still here and another place may take them.
    rest: Option<Vec<Bytes>>,
}

impl<E: std::error::Error + Send + Sync + 'static> From<PutError<E>> for Failed<E> {
    fn from(error: PutError<E>) -> Self {
        Self { error, rest: None }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<Busy> for Failed<E> {
    fn from(error: Busy) -> Self {
        PutError::Busy(error).into()
    }
}

/// Writes the next bytes of the body as one blob.
///
/// When too many disks fail under it while all its bytes are still in memory, it is written anew, elsewhere.
pub(super) async fn write<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    room: Room,
    digest: &mut Digest,
    begun: &mut Begun,
) -> Result<Extent, PutError<S::Error>> {
    let mut tries = 1;
    loop {
        let place = find_place(shared)
            .await
            .map_err(|error| unavailable(&error))?;
        let mut taken_in = digest.clone();
        let written = try_write(shared, body, room, &mut taken_in, begun, &place).await;
        let failed = match written {
            Ok(extent) => {
                *digest = taken_in;
                return Ok(extent);
            }
            Err(failed) => failed,
        };
        match failed.rest {
            Some(rest) if tries < TRIES => {
                begun.give_up_last();
                body.give_back(rest);
            }
            Some(_) | None => return Err(failed.error),
        }
        tries += 1;
    }
}

/// While one stripe is coded, sent and taken into the digest, the next is read: these three are what a write spends its
/// time with, and none needs the others.
async fn try_write<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    room: Room,
    digest: &mut Digest,
    begun: &mut Begun,
    place: &Place,
) -> Result<Extent, Failed<S::Error>> {
    let (Room::Exactly(len) | Room::UpTo(len)) = room;
    let geometry =
        Geometry::new(place.profile, place.cell_len, len).map_err(|error| unavailable(&error))?;
    let first = read(shared, body, &geometry, 0, room).await?;
    // Of one stripe only: what follows a first one is taken from the body meanwhile. So nothing of it is before enough disks are
    // reached: that a node is away shows then.
    let all = first.is_last.then(|| first.plain());
    let blob = BlobId::new(
        place.group.id,
        begun.group(),
        shared.clock.now().as_millis(),
        random::u32(),
    );
    // Armed before the first side effect.
    begun.begin(blob, present_disks(place));
    let mut lanes = FanOut::open(shared, place, blob);
    if all.is_none()
        && let Err(error) = lanes.await_reached().await
    {
        // Nothing of what follows is taken yet.
        return Err(no_quorum(shared, error, Some(&first.plain())).await);
    }
    let mut blob_len = 0;
    let mut current = Some(first);
    while let Some(stripe) = current.take() {
        let plain = stripe.plain();
        blob_len += u64::try_from(stripe.plain_len).expect("a stripe has a few MiB");
        let is_read = Notify::new();
        let next = (!stripe.is_last).then_some(stripe.number + 1);
        let read_next = async {
            let Some(next) = next else {
                is_read.notify_one();
                return Ok(None);
            };
            let stripe = read(shared, body, &geometry, next, room).await;
            is_read.notify_one();
            stripe.map(Some).map_err(Failed::from)
        };
        let code_and_send = async {
            let held = transit(shared, place.profile, &stripe, &mut lanes).await?;
            let coded = code(shared, place.profile, blob, stripe, held).await;
            let coded = coded.map_err(|error| unavailable(&error))?;
            if let Err(error) = lanes.send(coded).await {
                return Err(no_quorum(shared, error, all.as_ref()).await);
            }
            // What a disk that hangs does not take is not held for as long as a client takes to send the next stripe.
            let limit = shared.config.patience.limit;
            if tokio::time::timeout(limit, is_read.notified())
                .await
                .is_err()
            {
                lanes.leave_out_stuck();
            }
            Ok(())
        };
        let take_in = async {
            digest.update(&shared.cpu, plain).await;
            Ok(())
        };
        (current, (), ()) = futures::try_join!(read_next, code_and_send, take_in)?;
    }
    let durable = match lanes.finish().await {
        Ok(durable) => durable,
        Err(error) => return Err(no_quorum(shared, error, all.as_ref()).await),
    };
    Ok(extent(place, blob, blob_len, durable))
}

fn extent(place: &Place, blob: BlobId, len: u64, durable: Durable) -> Extent {
    Extent {
        blob,
        plain_len: len,
        stored_len: len,
        profile: place.profile,
        cell_len: place.cell_len,
        erasure_code: codec::REED_SOLOMON,
        codec: 0,
        cipher: 0,
        roots: durable.roots,
        missing_shards: durable.missing,
    }
}

fn patience<S: Source>(shared: &Shared, body: &Body<S>) -> Duration {
    if body.has_begun() {
        PATIENCE_WITHIN
    } else {
        shared.config.budget_patience
    }
}

impl Raw {
    /// The bytes of the blob in it.
    fn plain(&self) -> Vec<Bytes> {
        let mut rest = self.plain_len;
        let pieces = self.cells.iter().map(|cell| {
            let len = cell.len().min(rest);
            rest -= len;
            cell.slice(..len)
        });
        pieces.filter(|piece| !piece.is_empty()).collect()
    }
}

/// Reads a stripe of the body. Memory is taken cell by cell: for the first of a body before anything is read of it, so that
/// it can be refused before it is sent; for all others when there are bytes for them. A body that is prompt, but takes memory
/// of its own when it is asked for bytes, is asked when there is memory for the whole stripe.
async fn read<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    geometry: &Geometry,
    number: u32,
    room: Room,
) -> Result<Raw, PutError<S::Error>> {
    if matches!(room, Room::UpTo(_)) {
        return read_open(shared, body, geometry, number).await;
    }
    let cell_len = geometry.cell_len(number);
    let k = geometry.profile().k();
    let plain_len = geometry.stripe_plain_len(number);
    let mut rest = plain_len;
    let mut share = Share::None;
    let mut at_once = if S::IS_PROMPT && !body.is_repeated() {
        let patience = patience(shared, body);
        body.prepare(patience).await?;
        Some(shared.budget.common().take(cell_len * k, patience).await?)
    } else {
        None
    };
    let mut cells = Vec::with_capacity(k);
    for _ in 0..k {
        let piece = match &mut at_once {
            Some(held) => Piece::Common(held.split(cell_len)),
            None => next_piece(shared, body, cell_len, rest, &mut share).await?,
        };
        let mut cell = Vec::with_capacity(cell_len);
        let filled = cell_len.min(rest);
        body.fill(&mut cell, filled).await?;
        rest -= filled;
        cell.resize(cell_len, 0);
        cells.push(piece.around(cell));
    }
    Ok(Raw {
        number,
        cells,
        plain_len,
        is_last: number + 1 == geometry.stripe_count(),
    })
}

/// Reads a stripe of a body that may end in it. It is cut as `geometry` says, and cut anew if it turns out to be shorter. That
/// it is the last one is known only when the body has ended or more of it has come.
async fn read_open<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    geometry: &Geometry,
    number: u32,
) -> Result<Raw, PutError<S::Error>> {
    let cell_len = geometry.cell_len(number);
    let k = geometry.profile().k();
    let longest = geometry.stripe_plain_len(number);
    let mut share = Share::None;
    let mut filled: Vec<(Piece, Vec<u8>)> = Vec::with_capacity(k);
    let mut plain_len = 0;
    while plain_len < longest && body.has_more().await? {
        let rest = longest - plain_len;
        let piece = next_piece(shared, body, cell_len, rest, &mut share).await?;
        let mut cell = Vec::with_capacity(cell_len);
        plain_len += body.fill_some(&mut cell, cell_len.min(rest)).await?;
        filled.push((piece, cell));
    }
    let is_last = number + 1 == geometry.stripe_count() || !body.has_more().await?;
    let cells = if plain_len == k * cell_len {
        let around = |(piece, cell): (Piece, Vec<u8>)| piece.around(cell);
        filled.into_iter().map(around).collect()
    } else {
        let before = geometry.stripe_range(number).start;
        let blob_len = before + u64::try_from(plain_len).expect("a stripe has a few MiB");
        let place = Geometry::new(geometry.profile(), geometry.cell_len_max(), blob_len);
        let place = place.map_err(|error| unavailable(&error))?;
        cut_anew(filled, k, place.cell_len(number))
    };
    Ok(Raw {
        number,
        cells,
        plain_len,
        is_last,
    })
}

/// What stands in cells, in `k` shorter ones. A copy, of the last stripe of a body whose length nobody knew.
fn cut_anew(filled: Vec<(Piece, Vec<u8>)>, k: usize, cell_len: usize) -> Vec<Bytes> {
    let mut bytes = Vec::with_capacity(k * cell_len);
    let mut pieces = Vec::with_capacity(k);
    for (piece, cell) in filled {
        bytes.extend_from_slice(&cell);
        pieces.push(piece);
    }
    bytes.resize(k * cell_len, 0);
    let stripe = Bytes::from_owner(Recut {
        bytes,
        _pieces: pieces,
    });
    let cell = |index: usize| stripe.slice(index * cell_len..(index + 1) * cell_len);
    (0..k).map(cell).collect()
}

/// The bytes of a stripe, and the memory that they were given.
struct Recut {
    bytes: Vec<u8>,
    _pieces: Vec<Piece>,
}

impl AsRef<[u8]> for Recut {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Memory for the next cell, of which `rest` or fewer bytes come from the body.
async fn next_piece<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    cell_len: usize,
    rest: usize,
    share: &mut Share,
) -> Result<Piece, PutError<S::Error>> {
    if !body.has_begun() {
        // It holds nothing, so it is no use to anybody that it becomes full.
        let patience = shared.config.budget_patience;
        let held = shared.budget.common().take(cell_len, patience).await?;
        return Ok(Piece::Common(held));
    }
    if rest > 0 {
        body.await_bytes().await?;
    }
    let is_repeated = body.is_repeated();
    let budget = &shared.budget;
    let taken = budget.take(cell_len, PATIENCE_WITHIN, share, is_repeated);
    Ok(taken.await?)
}

/// Memory for the parity of a stripe and for what of it is on its way to the disks. It comes back at the pace of disks: a disk
/// that hangs is left out, also while a client is waited for.
async fn transit(
    shared: &Shared,
    profile: Profile,
    stripe: &Raw,
    lanes: &mut FanOut<'_>,
) -> Result<Held, Busy> {
    let cells = profile.m() + COPIES_IN_TRANSIT * profile.width();
    let needed = stripe.cells.first().map_or(0, Bytes::len) * cells;
    let patience = shared.config.patience.ceiling;
    if let Ok(held) = shared.transit.take(needed, patience).await {
        return Ok(held);
    }
    lanes.leave_out_stuck();
    shared.transit.take(needed, PATIENCE_WITHIN).await
}

/// Computes the parity and the hashes of all frames; `held` is for the parity and for what is on its way.
async fn code(
    shared: &Shared,
    profile: Profile,
    blob: BlobId,
    raw: Raw,
    held: Held,
) -> Result<Stripe, CodecError> {
    let len: usize = raw.cells.iter().map(Bytes::len).sum();
    if len <= INLINE_LEN {
        return code_now(profile, blob, raw, held);
    }
    let code = move || code_now(profile, blob, raw, held);
    shared.cpu.run(code).await
}

fn code_now(
    profile: Profile,
    blob: BlobId,
    raw: Raw,
    mut held: Held,
) -> Result<Stripe, CodecError> {
    let cell_len = raw.cells.first().map_or(0, Bytes::len);
    let parity = codec(profile).encode(&raw.cells)?;
    let parity = parity
        .into_iter()
        .map(|cell| held.split(cell_len).around(cell));
    let mut cells = raw.cells;
    cells.extend(parity);
    let hashed = (0..).zip(cells).map(|(shard, cell)| {
        let hashes = frame::frame_hashes(blob, raw.number, shard, &cell);
        (cell, hashes)
    });
    let cells: Vec<_> = hashed.collect();
    let transit = cells
        .iter()
        .map(|_| Arc::new(held.split(COPIES_IN_TRANSIT * cell_len)));
    Ok(Stripe {
        number: raw.number,
        transit: transit.collect(),
        cells,
        is_last: raw.is_last,
    })
}

fn present_disks(place: &Place) -> Vec<cairn_types::id::DiskId> {
    let members = place.group.members.iter().zip(&place.away);
    members
        .filter(|(_, is_away)| !**is_away)
        .map(|(disk, _)| *disk)
        .collect()
}

/// What failed is known by now, so whoever tries again, this write or the next, goes elsewhere. `all`: the bytes of the blob,
/// if they are still here.
async fn no_quorum<E: std::error::Error + Send + Sync + 'static>(
    shared: &Shared,
    error: NoQuorum,
    all: Option<&Vec<Bytes>>,
) -> Failed<E> {
    if error.is_stale
        && let Err(error) = shared.topology.refresh().await
    {
        tracing::debug!(%error, "topology not refreshed");
    }
    Failed {
        error: unavailable(&error),
        rest: all.cloned(),
    }
}

fn unavailable<E: std::error::Error + Send + Sync + 'static>(
    reason: &impl std::fmt::Display,
) -> PutError<E> {
    PutError::Unavailable {
        reason: reason.to_string(),
    }
}
