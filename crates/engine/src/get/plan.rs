//! Which stripes hold a range of a version.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cairn_erasure::{CellSlice, FRAME_LEN, Geometry, codec};
use cairn_types::id::{BlobId, DiskId, UploadId};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Content, Extent, ObjectVersion, PartSpan};

use crate::engine::Shared;
use crate::error::ReadError;

/// Parts that are looked up at once.
const PARTS_PER_PAGE: u32 = 1000;

/// A blob and where its shards are.
#[derive(Debug)]
pub(super) struct BlobPlace {
    pub(super) blob: BlobId,
    pub(super) geometry: Geometry,
    /// By shard.
    pub(super) disks: Vec<DiskId>,
}

/// A run of the wanted bytes.
#[derive(Debug)]
pub(super) enum Segment {
    Here(Bytes),
    Blob {
        place: Arc<BlobPlace>,
        /// Within the blob.
        range: Range<u64>,
    },
}

/// The wanted bytes of one stripe.
#[derive(Debug, Clone)]
pub(super) struct StripeJob {
    pub(super) place: Arc<BlobPlace>,
    pub(super) stripe: u32,
    /// At most one of each data cell.
    pub(super) slices: Vec<CellSlice>,
}

/// How much of what comes next is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// All that is wanted of its stripe.
    Stripe,
    /// What is wanted of its cell.
    Cell,
    /// What is wanted of its frame.
    Frame,
}

/// What is to be had next.
#[derive(Debug, Clone)]
pub(super) enum Job {
    Here(Bytes),
    Stripe(StripeJob),
}

/// What is to be read, in order.
#[derive(Debug)]
pub(super) struct Plan {
    segments: Arc<[Segment]>,
    /// The segment that is read, also for the one who pins what is ahead.
    at: Arc<AtomicUsize>,
    /// Where in that segment's blob.
    offset: u64,
}

impl StripeJob {
    /// Bytes of the frames that are read for it.
    pub(super) fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.frames_len).sum()
    }

    /// Bytes that are wanted of them.
    fn wanted_len(&self) -> u64 {
        let wanted: usize = self.slices.iter().map(|slice| slice.take).sum();
        u64::try_from(wanted).expect("at most a stripe")
    }
}

impl Plan {
    /// Finds everything out that is needed to read `range`. All parts are looked up before the first byte is given: their
    /// rows go as soon as the version is replaced, their blobs only after a grace. At most 10,000 of some 200 bytes.
    pub(super) async fn make(
        shared: &Shared,
        bucket: &Arc<BucketEntry>,
        version: &ObjectVersion,
        range: Range<u64>,
    ) -> Result<Self, ReadError> {
        if range.start > range.end || range.end > version.len {
            return Err(ReadError::Range {
                start: range.start,
                end: range.end,
                len: version.len,
            });
        }
        let mut segments = Segments::new(shared, range);
        match &version.content {
            Content::Inline(bytes) => segments.push_inline(bytes)?,
            Content::Extents(extents) => segments.push_extents(extents).await?,
            Content::Parts { upload, parts } => {
                segments.push_parts(bucket, version, *upload, parts).await?;
            }
        }
        Self::of(segments, version.len)
    }

    /// For all bytes of blobs that nothing refers to yet.
    pub(super) async fn of_extents(
        shared: &Shared,
        extents: &[Extent],
        len: u64,
    ) -> Result<Self, ReadError> {
        let mut segments = Segments::new(shared, 0..len);
        segments.push_extents(extents).await?;
        Self::of(segments, len)
    }

    fn of(segments: Segments<'_>, len: u64) -> Result<Self, ReadError> {
        if segments.at != len {
            return Err(record("its contents are not as long as it is"));
        }
        let segments: Arc<[Segment]> = segments.found.into();
        let offset = first_offset(&segments, 0);
        Ok(Self {
            segments,
            at: Arc::default(),
            offset,
        })
    }

    /// What comes next.
    pub(super) fn peek(&self, cut: Cut) -> Option<Job> {
        Some(match self.segments.get(self.at())? {
            Segment::Here(bytes) => Job::Here(bytes.clone()),
            Segment::Blob { place, range } => {
                let (stripe, end) = self.next_run(place, range, cut);
                let slices = place.geometry.slices(self.offset..end);
                Job::Stripe(StripeJob {
                    place: Arc::clone(place),
                    stripe,
                    slices: slices.collect(),
                })
            }
        })
    }

    /// Goes on behind `job`, which `peek` gave.
    pub(super) fn advance(&mut self, job: &Job) {
        let at = self.at();
        if let (Some(Segment::Blob { range, .. }), Job::Stripe(job)) = (self.segments.get(at), job)
        {
            let end = self.offset + job.wanted_len();
            if end < range.end {
                self.offset = end;
                return;
            }
        }
        self.offset = first_offset(&self.segments, at + 1);
        self.at.store(at + 1, Ordering::Relaxed);
    }

    /// Whether nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        self.at() >= self.segments.len()
    }

    /// All there is, and where the reading is.
    pub(super) fn ahead(&self) -> (Arc<[Segment]>, Arc<AtomicUsize>) {
        (Arc::clone(&self.segments), Arc::clone(&self.at))
    }

    fn at(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// The stripe at the current offset, and where what is read of it at once ends.
    fn next_run(&self, place: &BlobPlace, range: &Range<u64>, cut: Cut) -> (u32, u64) {
        let Some(first) = place.geometry.slices(self.offset..range.end).next() else {
            return (0, range.end);
        };
        let behind = |len: usize| self.offset + u64::try_from(len).expect("at most a cell");
        let end = match cut {
            Cut::Stripe => place.geometry.stripe_range(first.stripe).end,
            Cut::Cell => behind(first.take),
            Cut::Frame => behind(first.take.min(FRAME_LEN - first.skip)),
        };
        (first.stripe, end.min(range.end))
    }
}

fn first_offset(segments: &[Segment], at: usize) -> u64 {
    match segments.get(at) {
        Some(Segment::Blob { range, .. }) => range.start,
        Some(Segment::Here(_)) | None => 0,
    }
}

/// Walks over a version's contents and keeps what lies in the range.
struct Segments<'a> {
    shared: &'a Shared,
    range: Range<u64>,
    /// Bytes of the version that were passed.
    at: u64,
    found: Vec<Segment>,
}

impl<'a> Segments<'a> {
    fn new(shared: &'a Shared, range: Range<u64>) -> Self {
        Self {
            shared,
            range,
            at: 0,
            found: Vec::new(),
        }
    }

    /// Which of the next `len` bytes are wanted, counted from where they begin; passes them.
    fn pass(&mut self, len: u64) -> Option<Range<u64>> {
        let begin = self.at;
        self.at = begin.saturating_add(len);
        let start = self.range.start.max(begin);
        let end = self.range.end.min(self.at);
        (start < end).then(|| start - begin..end - begin)
    }

    fn push_inline(&mut self, bytes: &Bytes) -> Result<(), ReadError> {
        let len = u64::try_from(bytes.len()).map_err(|_| record("inline bytes without end"))?;
        if let Some(range) = self.pass(len) {
            let within = |at: u64| usize::try_from(at).expect("at most the length of the bytes");
            let wanted = bytes.slice(within(range.start)..within(range.end));
            self.found.push(Segment::Here(wanted));
        }
        Ok(())
    }

    async fn push_extents(&mut self, extents: &[Extent]) -> Result<(), ReadError> {
        for extent in extents {
            if let Some(range) = self.pass(extent.plain_len) {
                let place = Arc::new(locate(self.shared, extent).await?);
                self.found.push(Segment::Blob { place, range });
            }
        }
        Ok(())
    }

    async fn push_parts(
        &mut self,
        bucket: &Arc<BucketEntry>,
        version: &ObjectVersion,
        upload: UploadId,
        spans: &[PartSpan],
    ) -> Result<(), ReadError> {
        let mut known = VecDeque::new();
        for span in spans {
            let is_wanted =
                self.at < self.range.end && self.at.saturating_add(span.len) > self.range.start;
            if !is_wanted {
                self.pass(span.len);
                continue;
            }
            if known.is_empty() {
                let uploads = &self.shared.uploads;
                let page = uploads.part_contents(
                    bucket,
                    &version.key,
                    upload,
                    span.number,
                    PARTS_PER_PAGE,
                );
                known.extend(page.await?);
            }
            // Parts that were uploaded and not named in the completion are gone since; what is there is what is named.
            let part = known
                .pop_front()
                .filter(|part| part.number == span.number && part.len == span.len)
                .ok_or(ReadError::Superseded)?;
            match &part.content {
                Content::Inline(bytes) => self.push_inline(bytes)?,
                Content::Extents(extents) => self.push_extents(extents).await?,
                Content::Parts { .. } => return Err(record("a part made of parts")),
            }
        }
        Ok(())
    }
}

/// The disks of an extent's blob.
async fn locate(shared: &Shared, extent: &Extent) -> Result<BlobPlace, ReadError> {
    if extent.codec != 0 || extent.cipher != 0 || extent.plain_len != extent.stored_len {
        return Err(record(
            "it is compressed or encrypted in a way not known here",
        ));
    }
    if extent.erasure_code != codec::REED_SOLOMON {
        return Err(record("its erasure code is not known here"));
    }
    let geometry = Geometry::new(extent.profile, extent.cell_len, extent.stored_len)
        .map_err(|error| record(&error.to_string()))?;
    let id = extent.blob.placement_group();
    let layout = shared.topology.with_placement_group(id).await?;
    let group = layout
        .placement_group(id)
        .filter(|group| group.members.len() == extent.profile.width())
        .ok_or_else(|| record("its placement group has not as many disks as it has shards"))?;
    Ok(BlobPlace {
        blob: extent.blob,
        geometry,
        disks: group.members.clone(),
    })
}

fn record(reason: &str) -> ReadError {
    ReadError::Record {
        reason: reason.to_owned(),
    }
}
