//! One blob: stripes of a body, coded and sent to the disks of a placement group.

use std::time::Duration;

use bytes::Bytes;
use cairn_erasure::{CodecError, Geometry, codec, frame};
use cairn_runtime::random;
use cairn_types::cluster::Profile;
use cairn_types::id::BlobId;
use cairn_types::object::Extent;

use super::digest::Digest;
use super::lanes::{FanOut, NoQuorum, Stripe};
use crate::abandoned::Begun;
use crate::budget::Held;
use crate::engine::Shared;
use crate::error::PutError;
use crate::placing::{NoPlace, Place, choose};
use crate::source::{Body, Source};

/// Up to here the way to the CPU pool takes longer than it saves.
const INLINE_LEN: usize = 64 * 1024;

/// How long a body that is under way waits for memory: refusing it now would waste what was sent.
const PATIENCE_WITHIN: Duration = Duration::from_mins(1);

/// Cells of one shard that are on their way at a time: one that is turned into a message, one in the connection's buffer, one
/// that the disk's side puts together. They are copies, so the memory of the stripe says nothing of them.
const CELLS_IN_TRANSIT: u64 = 3;

/// A stripe of the body before it is coded.
struct Raw {
    number: u32,
    /// `k` cells, zeros behind the blob's end.
    data: Bytes,
    plain_len: usize,
    /// For the parity.
    held: Held,
}

/// Writes the next `blob_len` bytes of the body as one blob.
///
/// While one stripe is coded, sent and taken into the digest, the next is read: these three are what a write spends its
/// time with, and none needs the others.
pub(super) async fn write<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    blob_len: u64,
    digest: &mut Digest,
    begun: &mut Begun,
) -> Result<Extent, PutError<S::Error>> {
    let place = place(shared).await?;
    let geometry = Geometry::new(place.profile, place.cell_len, blob_len)
        .map_err(|error| unavailable(&error))?;
    let patience = patience(shared, body);
    // Held to the end: the write of one blob never has more on its way.
    let _transit = shared
        .transit
        .take(transit_len(&geometry), patience)
        .await?;
    let first = read(shared, body, &geometry, 0).await?;
    let blob = BlobId::new(
        place.group.id,
        begun.group(),
        shared.clock.now().as_millis(),
        random::u32(),
    );
    // Armed before the first side effect.
    begun.begin(blob, present_disks(&place));
    let mut lanes = FanOut::open(shared, &place, blob);
    let mut current = Some(first);
    for number in 0..geometry.stripe_count() {
        let stripe = current.take().expect("read below, or before the loop");
        let plain = stripe.data.slice(..stripe.plain_len);
        let read_next = async {
            let next = number + 1;
            if next == geometry.stripe_count() {
                return Ok(None);
            }
            read(shared, body, &geometry, next).await.map(Some)
        };
        let code_and_send = async {
            let coded = code(shared, place.profile, blob, stripe).await;
            let coded = coded.map_err(|error| unavailable(&error))?;
            match lanes.send(coded).await {
                Ok(()) => Ok(()),
                Err(error) => Err(no_quorum(shared, error).await),
            }
        };
        let take_in = async {
            digest.update(&shared.cpu, plain).await;
            Ok(())
        };
        (current, (), ()) = futures::try_join!(read_next, code_and_send, take_in)?;
    }
    let durable = match lanes.finish().await {
        Ok(durable) => durable,
        Err(error) => return Err(no_quorum(shared, error).await),
    };
    Ok(Extent {
        blob,
        plain_len: blob_len,
        stored_len: blob_len,
        profile: place.profile,
        cell_len: place.cell_len,
        erasure_code: codec::REED_SOLOMON,
        codec: 0,
        cipher: 0,
        roots: durable.roots,
        missing_shards: durable.missing,
    })
}

/// Where the blob goes; looks at the topology again when there is no place in the one known.
async fn place<E: std::error::Error + Send + Sync + 'static>(
    shared: &Shared,
) -> Result<Place, PutError<E>> {
    let choose = |layout: &cairn_client::topology::Layout| {
        choose(layout, shared.config.pool, &shared.shards, random::below)
    };
    if let Ok(place) = choose(&shared.topology.current()) {
        return Ok(place);
    }
    let newest = shared.topology.refresh().await;
    let newest = newest.map_err(|error| unavailable(&error))?;
    choose(&newest).map_err(|error: NoPlace| unavailable(&error))
}

fn patience<S: Source>(shared: &Shared, body: &Body<S>) -> Duration {
    if body.has_begun() {
        PATIENCE_WITHIN
    } else {
        shared.config.budget_patience
    }
}

/// Bytes that are on their way to the disks at a time.
fn transit_len(geometry: &Geometry) -> usize {
    let cell_len = u64::try_from(geometry.cell_len(0)).expect("a cell is at most 1 MiB");
    let shard = geometry.shard_len().min(cell_len * CELLS_IN_TRANSIT);
    let shard = usize::try_from(shard).expect("a few cells");
    shard * geometry.profile().width()
}

/// Reads a stripe of the body, once there is memory for it and its parity.
async fn read<S: Source>(
    shared: &Shared,
    body: &mut Body<S>,
    geometry: &Geometry,
    number: u32,
) -> Result<Raw, PutError<S::Error>> {
    let cell_len = geometry.cell_len(number);
    let profile = geometry.profile();
    let patience = patience(shared, body);
    let all_cells = cell_len * profile.width();
    let mut held = shared.budget.take(all_cells, patience).await?;
    let data_len = cell_len * profile.k();
    let mut buffer = Vec::with_capacity(data_len);
    let plain_len = geometry.stripe_plain_len(number);
    body.fill(&mut buffer, plain_len).await?;
    buffer.resize(data_len, 0);
    let parity = held.split(cell_len * profile.m());
    Ok(Raw {
        number,
        data: held.around(buffer),
        plain_len,
        held: parity,
    })
}

/// Computes the parity and the hashes of all frames.
async fn code(
    shared: &Shared,
    profile: Profile,
    blob: BlobId,
    raw: Raw,
) -> Result<Stripe, CodecError> {
    if raw.data.len() <= INLINE_LEN {
        return code_now(profile, blob, raw);
    }
    shared.cpu.run(move || code_now(profile, blob, raw)).await
}

fn code_now(profile: Profile, blob: BlobId, mut raw: Raw) -> Result<Stripe, CodecError> {
    let cell_len = raw.data.len() / profile.k();
    let mut cells: Vec<Bytes> = (0..profile.k())
        .map(|cell| raw.data.slice(cell * cell_len..(cell + 1) * cell_len))
        .collect();
    let parity = codec(profile).encode(&cells)?;
    cells.extend(
        parity
            .into_iter()
            .map(|cell| raw.held.split(cell_len).around(cell)),
    );
    let hashed = (0..).zip(cells).map(|(shard, cell)| {
        let hashes = frame::frame_hashes(blob, raw.number, shard, &cell);
        (cell, hashes)
    });
    Ok(Stripe {
        number: raw.number,
        cells: hashed.collect(),
    })
}

fn present_disks(place: &Place) -> Vec<cairn_types::id::DiskId> {
    let members = place.group.members.iter().zip(&place.away);
    members
        .filter(|(_, is_away)| !**is_away)
        .map(|(disk, _)| *disk)
        .collect()
}

/// The body is consumed, so this write cannot be tried again; the next one will know the newest topology.
async fn no_quorum<E: std::error::Error + Send + Sync + 'static>(
    shared: &Shared,
    error: NoQuorum,
) -> PutError<E> {
    if error.is_stale
        && let Err(error) = shared.topology.refresh().await
    {
        tracing::debug!(%error, "topology not refreshed");
    }
    unavailable(&error)
}

fn unavailable<E: std::error::Error + Send + Sync + 'static>(
    reason: &impl std::fmt::Display,
) -> PutError<E> {
    PutError::Unavailable {
        reason: reason.to_string(),
    }
}
