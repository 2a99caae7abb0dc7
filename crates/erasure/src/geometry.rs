//! How a blob is cut into stripes and cells.

use std::ops::Range;

use cairn_types::cluster::Profile;

use crate::frame::FRAME_LEN;

/// The largest blob: 1 GiB. Longer extents of an object are several blobs.
pub const BLOB_LEN_MAX: u64 = 1 << 30;

/// The largest cell: 1 MiB, one message on the wire.
pub const CELL_LEN_MAX: u32 = 1 << 20;

/// Cells are whole multiples of this many bytes: a cache line, and what SIMD kernels and disk records like.
pub const CELL_ALIGN: u32 = 64;

/// The cut of one blob.
///
/// Stripe `s` holds the blob's bytes `[s·k·cell_len_max, …)`. Every stripe but the last has `k` cells of `cell_len_max`
/// bytes; the cells of the last one are as long as its rest needs: `ceil(rest / k)`, rounded up to [`CELL_ALIGN`], filled
/// with zeros behind the blob's end. Data cell `c` of a stripe is its bytes `[c·cell_len, (c+1)·cell_len)`, so a range of
/// the blob touches few cells, and a stripe's data cells are slices of one buffer. Shard `j` of the blob is cell `j` of
/// every stripe; all shards have the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    profile: Profile,
    cell_len_max: u32,
    blob_len: u64,
}

/// Numbers that are no geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// Empty (such an object is inline) or longer than [`BLOB_LEN_MAX`].
    #[error("a blob has 1 to {BLOB_LEN_MAX} bytes, not {0}")]
    BlobLen(u64),
    /// Not a multiple of [`CELL_ALIGN`] in 64 … [`CELL_LEN_MAX`].
    #[error(
        "the largest cell is a multiple of {CELL_ALIGN} from {CELL_ALIGN} to {CELL_LEN_MAX}, not {0}"
    )]
    CellLen(u32),
}

/// Frames of one data cell, and which of their bytes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellSlice {
    /// The stripe.
    pub stripe: u32,
    /// The data cell in it, which is also the shard: 0 … k-1.
    pub cell: u8,
    /// The first frame, counted from the cell's start.
    pub first_frame: u32,
    /// How many frames, at least 1.
    pub frame_count: u32,
    /// Bytes of these frames, together.
    pub frames_len: usize,
    /// Bytes at the front of these frames that are not wanted.
    pub skip: usize,
    /// Bytes wanted behind those, at least 1.
    pub take: usize,
}

impl Geometry {
    /// The cut of a blob of `blob_len` bytes into cells of at most `cell_len_max` bytes.
    ///
    /// # Errors
    /// An empty or too long blob, a cell length that is none.
    pub fn new(profile: Profile, cell_len_max: u32, blob_len: u64) -> Result<Self, GeometryError> {
        if blob_len == 0 || blob_len > BLOB_LEN_MAX {
            return Err(GeometryError::BlobLen(blob_len));
        }
        let is_cell_len = (CELL_ALIGN..=CELL_LEN_MAX).contains(&cell_len_max)
            && cell_len_max.is_multiple_of(CELL_ALIGN);
        if !is_cell_len {
            return Err(GeometryError::CellLen(cell_len_max));
        }
        Ok(Self {
            profile,
            cell_len_max,
            blob_len,
        })
    }

    /// Its erasure profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The length of the cells of every stripe but the last.
    pub const fn cell_len_max(&self) -> u32 {
        self.cell_len_max
    }

    /// The blob's length in bytes.
    pub const fn blob_len(&self) -> u64 {
        self.blob_len
    }

    /// How many stripes there are, at least 1.
    pub fn stripe_count(&self) -> u32 {
        u32::try_from(self.blob_len.div_ceil(self.stripe_len_max()))
            .expect("a blob of 1 GiB has at most 2^24 stripes of 64 bytes")
    }

    /// Length in bytes of each cell of a stripe, data and parity alike: a multiple of 64, at most 1 MiB.
    ///
    /// # Panics
    /// There is no such stripe.
    pub fn cell_len(&self, stripe: u32) -> usize {
        let plain_len = self.plain_len(stripe);
        let even = plain_len.div_ceil(u64::try_from(self.profile.k()).expect("k is at most 8"));
        length(even.next_multiple_of(u64::from(CELL_ALIGN)))
    }

    /// Bytes of the blob in a stripe, at least 1, at most `k` times the cell length.
    ///
    /// # Panics
    /// There is no such stripe.
    pub fn stripe_plain_len(&self, stripe: u32) -> usize {
        length(self.plain_len(stripe))
    }

    /// The blob's bytes that a stripe holds.
    ///
    /// # Panics
    /// There is no such stripe.
    pub fn stripe_range(&self, stripe: u32) -> Range<u64> {
        let start = u64::from(stripe) * self.stripe_len_max();
        start..start + self.plain_len(stripe)
    }

    /// Bytes of one shard: the sum of its cells.
    pub fn shard_len(&self) -> u64 {
        let last = self.stripe_count() - 1;
        u64::from(last) * u64::from(self.cell_len_max)
            + u64::try_from(self.cell_len(last)).expect("a cell is at most 1 MiB")
    }

    /// The frames of data cells that hold the blob's bytes `range`, in order. The range is cut to the blob; an empty one
    /// gives nothing. Laid behind one another, the wanted bytes of all slices are the bytes of the range.
    pub fn slices(&self, range: Range<u64>) -> impl Iterator<Item = CellSlice> + use<> {
        let geometry = *self;
        let end = range.end.min(self.blob_len);
        let mut at = range.start;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let slice = geometry.slice_at(at, end);
                at += u64::try_from(slice.take).expect("at most one cell");
                slice
            })
        })
    }

    /// The longest run of `[at, end)` that lies in one cell; `at < end <= blob_len`.
    fn slice_at(&self, at: u64, end: u64) -> CellSlice {
        let stripe = u32::try_from(at / self.stripe_len_max()).expect("within the stripes");
        let cell_len = self.cell_len(stripe);
        let in_stripe = length(at % self.stripe_len_max());
        let (cell, start) = (in_stripe / cell_len, in_stripe % cell_len);
        let take = length((end - at).min(BLOB_LEN_MAX)).min(cell_len - start);
        let first_frame = start / FRAME_LEN;
        let frames_end = (start + take).next_multiple_of(FRAME_LEN).min(cell_len);
        let frames_len = frames_end - first_frame * FRAME_LEN;
        CellSlice {
            stripe,
            cell: u8::try_from(cell).expect("k is at most 8"),
            first_frame: u32::try_from(first_frame).expect("a cell has at most 16 frames"),
            frame_count: u32::try_from(frames_len.div_ceil(FRAME_LEN))
                .expect("a cell has at most 16 frames"),
            frames_len,
            skip: start - first_frame * FRAME_LEN,
            take,
        }
    }

    fn stripe_len_max(&self) -> u64 {
        u64::from(self.cell_len_max) * u64::try_from(self.profile.k()).expect("k is at most 8")
    }

    fn plain_len(&self, stripe: u32) -> u64 {
        let start = u64::from(stripe) * self.stripe_len_max();
        assert!(start < self.blob_len, "the blob has no stripe {stripe}");
        (self.blob_len - start).min(self.stripe_len_max())
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("at most 1 GiB, which every machine that runs this can address")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn geometry(profile: &str, cell_len_max: u32, blob_len: u64) -> Geometry {
        Geometry::new(Profile::parse(profile).unwrap(), cell_len_max, blob_len).unwrap()
    }

    #[test]
    fn a_small_blob_has_one_stripe_of_small_cells() {
        for (len, cell_len) in [
            (1, 64),
            (63, 64),
            (64, 64),
            (256, 64),
            (257, 128),
            (20_000, 5056),
        ] {
            let cut = geometry("4+2", 1 << 20, len);
            assert_eq!(cut.stripe_count(), 1);
            assert_eq!(cut.cell_len(0), cell_len, "{len}");
            assert_eq!(cut.shard_len(), u64::try_from(cell_len).unwrap());
            assert_eq!(cut.stripe_plain_len(0), usize::try_from(len).unwrap());
        }
    }

    #[test]
    fn full_stripes_have_full_cells_and_the_last_one_what_it_needs() {
        let cut = geometry("4+2", 1 << 20, (4 << 20) + 1);
        assert_eq!(cut.stripe_count(), 2);
        assert_eq!((cut.cell_len(0), cut.cell_len(1)), (1 << 20, 64));
        assert_eq!(cut.shard_len(), (1 << 20) + 64);
        assert_eq!(cut.stripe_range(1), (4 << 20)..(4 << 20) + 1);
        assert_eq!(geometry("4+2", 1 << 20, 4 << 20).stripe_count(), 1);
        assert_eq!(geometry("8+4", 1 << 20, BLOB_LEN_MAX).stripe_count(), 128);
    }

    #[test]
    fn what_is_no_geometry_is_refused() {
        let profile = Profile::parse("2+1").unwrap();
        for len in [0, BLOB_LEN_MAX + 1] {
            assert_eq!(
                Geometry::new(profile, 64, len),
                Err(GeometryError::BlobLen(len))
            );
        }
        for cell in [0, 63, 65, CELL_LEN_MAX + 64, u32::MAX] {
            assert_eq!(
                Geometry::new(profile, cell, 1),
                Err(GeometryError::CellLen(cell))
            );
        }
    }

    proptest! {
        #[test]
        fn slices_laid_together_are_the_range(
            profile in prop::sample::select(Profile::ALL.to_vec()),
            cell_blocks in 1_u32..3000,
            blob_len in 1_u64..3_000_000,
            bounds in (0_u64..3_100_000, 0_u64..3_100_000),
        ) {
            let cut = Geometry::new(profile, cell_blocks * 64, blob_len).unwrap();
            let (start, end) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
            let mut at = start;
            for slice in cut.slices(start..end) {
                let cell_len = cut.cell_len(slice.stripe);
                let frame_start = usize::try_from(slice.first_frame).unwrap() * FRAME_LEN;
                prop_assert!(usize::from(slice.cell) < profile.k());
                prop_assert!(frame_start + slice.frames_len <= cell_len);
                let whole = slice.frames_len.is_multiple_of(FRAME_LEN);
                prop_assert!(whole || frame_start + slice.frames_len == cell_len);
                prop_assert_eq!(slice.frames_len.div_ceil(FRAME_LEN), usize::try_from(slice.frame_count).unwrap());
                prop_assert!(slice.skip < FRAME_LEN && slice.take > 0);
                prop_assert!(slice.skip + slice.take <= slice.frames_len);
                prop_assert!(slice.skip + slice.take + FRAME_LEN > slice.frames_len);
                let in_stripe = usize::from(slice.cell) * cell_len + frame_start + slice.skip;
                prop_assert_eq!(cut.stripe_range(slice.stripe).start + u64::try_from(in_stripe).unwrap(), at);
                at += u64::try_from(slice.take).unwrap();
                prop_assert!(at <= cut.stripe_range(slice.stripe).end);
            }
            prop_assert_eq!(at, end.min(blob_len).max(start));
        }

        #[test]
        fn stripes_cover_the_blob_with_little_padding(
            profile in prop::sample::select(Profile::ALL.to_vec()),
            cell_blocks in 1_u32..3000,
            blob_len in 1_u64..30_000_000,
        ) {
            let cut = Geometry::new(profile, cell_blocks * 64, blob_len).unwrap();
            let mut at = 0;
            let mut shard_len = 0;
            for stripe in 0..cut.stripe_count() {
                prop_assert_eq!(cut.stripe_range(stripe).start, at);
                at = cut.stripe_range(stripe).end;
                let cell_len = cut.cell_len(stripe);
                prop_assert!(cell_len * profile.k() >= cut.stripe_plain_len(stripe));
                prop_assert!(cell_len * profile.k() < cut.stripe_plain_len(stripe) + 65 * profile.k());
                prop_assert!(cell_len.is_multiple_of(64));
                shard_len += u64::try_from(cell_len).unwrap();
            }
            prop_assert_eq!(at, blob_len);
            prop_assert_eq!(shard_len, cut.shard_len());
        }
    }
}
