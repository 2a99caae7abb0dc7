//! Parity cells out of data cells, and lost cells out of any `k`.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use cairn_types::cluster::Profile;
use reed_solomon_erasure::galois_8::ReedSolomon;

/// The id of this code and its matrix as extents store it: Reed–Solomon over GF(2⁸), systematic, Vandermonde-derived.
pub const REED_SOLOMON: u8 = 1;

/// Cells that cannot be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not `k` data cells to encode, or not `k + m` places to restore.
    #[error("expected {expected} cells, got {got}")]
    CellCount {
        /// As many as the profile asks for.
        expected: usize,
        /// As many as there were.
        got: usize,
    },
    /// Cells of different lengths, or of none.
    #[error("the cells of a stripe have one length, at least 1")]
    CellLen,
    /// Fewer than `k` cells are there.
    #[error("{needed} cells are needed to restore the others, {present} are there")]
    TooFew {
        /// k.
        needed: usize,
        /// Those that are there.
        present: usize,
    },
}

/// Which of the missing cells to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// The data cells, for a reader.
    Data,
    /// Data and parity cells, for repair.
    All,
}

/// An erasure code of one profile.
///
/// CPU-bound, 1 to 6 GB/s a core: large cells belong on the CPU pool.
pub trait ErasureCodec: Send + Sync + std::fmt::Debug {
    /// The profile it codes.
    fn profile(&self) -> Profile;

    /// The `m` parity cells of one stripe.
    ///
    /// Shapes: `data` is the `k` data cells in order, all of one length, usually slices of one stripe buffer; returns `m`
    /// cells of that length. Cost: one pass over the data; allocates the parity only, a mirror not even that.
    ///
    /// # Errors
    /// Not `k` cells, or not of one length of at least 1.
    fn encode(&self, data: &[Bytes]) -> Result<Vec<Bytes>, CodecError>;

    /// Puts the missing cells (`None`) into their places.
    ///
    /// Shapes: `cells` is the `k + m` cells of a stripe, data first, those present of one length. The same frames of every
    /// cell will do instead of whole cells. Cost: copies present cells that others hold too; one pass over `k` of them for
    /// each missing one. Nothing is changed when nothing is missing, or on an error.
    ///
    /// # Errors
    /// Not `k + m` places, fewer than `k` cells, different lengths.
    fn reconstruct(&self, cells: &mut [Option<Bytes>], restore: Restore) -> Result<(), CodecError>;
}

/// The codec of a profile. Made once for each, at the first call.
pub fn codec(profile: Profile) -> &'static dyn ErasureCodec {
    static CODECS: LazyLock<Vec<Box<dyn ErasureCodec>>> = LazyLock::new(|| {
        let make = |profile: Profile| -> Box<dyn ErasureCodec> {
            if profile.k() == 1 {
                Box::new(Mirror { profile })
            } else {
                Box::new(ReedSolomonCodec::new(profile))
            }
        };
        Profile::ALL.into_iter().map(make).collect()
    });
    CODECS
        .iter()
        .find(|codec| codec.profile() == profile)
        .map(AsRef::as_ref)
        .expect("a profile is one of ALL, and each of ALL has a codec")
}

/// A processor that cannot run this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this cairn binary needs a processor with {missing} (x86-64-v3: Intel Haswell 2013, AMD Excavator 2015, or later); this one lacks it"
)]
pub struct CpuError {
    /// The first instruction set that is missing.
    pub missing: &'static str,
}

/// Checks that the processor has the instructions that the coding kernels were compiled for. Call at start, once: without
/// the check the first parity cell would end the process with an illegal instruction.
///
/// # Errors
/// The processor lacks one of them.
pub fn cpu_check() -> Result<(), CpuError> {
    match missing_feature() {
        None => Ok(()),
        Some(missing) => Err(CpuError { missing }),
    }
}

/// The kernels are built with `-march=haswell`; these are its sets beyond the baseline that a compiler may use.
#[cfg(target_arch = "x86_64")]
fn missing_feature() -> Option<&'static str> {
    let features = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("BMI1", is_x86_feature_detected!("bmi1")),
        ("BMI2", is_x86_feature_detected!("bmi2")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("LZCNT", is_x86_feature_detected!("lzcnt")),
        ("MOVBE", is_x86_feature_detected!("movbe")),
    ];
    features
        .into_iter()
        .find_map(|(name, present)| (!present).then_some(name))
}

/// Elsewhere the kernels use the baseline only.
#[cfg(not(target_arch = "x86_64"))]
fn missing_feature() -> Option<&'static str> {
    None
}

/// One data cell and `m` copies of it: 1+0 and 1+1. All cells are the same bytes, so nothing is computed.
#[derive(Debug)]
struct Mirror {
    profile: Profile,
}

impl ErasureCodec for Mirror {
    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode(&self, data: &[Bytes]) -> Result<Vec<Bytes>, CodecError> {
        match data {
            [cell] if cell.is_empty() => Err(CodecError::CellLen),
            [cell] => Ok(vec![cell.clone(); self.profile.m()]),
            _ => Err(CodecError::CellCount {
                expected: 1,
                got: data.len(),
            }),
        }
    }

    fn reconstruct(&self, cells: &mut [Option<Bytes>], restore: Restore) -> Result<(), CodecError> {
        let Some(missing) = check_places(self.profile, cells, restore)? else {
            return Ok(());
        };
        let present = cells.iter().flatten().next().cloned();
        for index in missing {
            if let Some(place) = cells.get_mut(index) {
                place.clone_from(&present);
            }
        }
        Ok(())
    }
}

/// Reed–Solomon by `reed-solomon-erasure`; decoding matrices are cached inside.
///
/// Source: Plank 1997, "A Tutorial on Reed-Solomon Coding"; the matrix is that of Backblaze's `JavaReedSolomon`.
struct ReedSolomonCodec {
    profile: Profile,
    code: ReedSolomon,
}

impl ReedSolomonCodec {
    fn new(profile: Profile) -> Self {
        let code = ReedSolomon::new(profile.k(), profile.m())
            .expect("profiles with k > 1 have m > 0 and at most 12 cells");
        Self { profile, code }
    }
}

impl std::fmt::Debug for ReedSolomonCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reed–Solomon {}", self.profile)
    }
}

impl ErasureCodec for ReedSolomonCodec {
    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode(&self, data: &[Bytes]) -> Result<Vec<Bytes>, CodecError> {
        let Some(first) = data.first().filter(|_| data.len() == self.profile.k()) else {
            return Err(CodecError::CellCount {
                expected: self.profile.k(),
                got: data.len(),
            });
        };
        let cell_len = first.len();
        if cell_len == 0 || data.iter().any(|cell| cell.len() != cell_len) {
            return Err(CodecError::CellLen);
        }
        let mut parity = vec![BytesMut::zeroed(cell_len); self.profile.m()];
        self.code
            .encode_sep(data, &mut parity)
            .expect("k cells and m places of one length, as checked above");
        Ok(parity.into_iter().map(BytesMut::freeze).collect())
    }

    fn reconstruct(&self, cells: &mut [Option<Bytes>], restore: Restore) -> Result<(), CodecError> {
        let Some(missing) = check_places(self.profile, cells, restore)? else {
            return Ok(());
        };
        let cell_len = cells.iter().flatten().map(Bytes::len).next().unwrap_or(0);
        // The code wants mutable places for all cells; only cells that others hold too are copied for it.
        let mut places: Vec<(BytesMut, bool)> = cells
            .iter_mut()
            .map(|cell| match cell.take() {
                Some(cell) => (
                    cell.try_into_mut().unwrap_or_else(|cell| cell[..].into()),
                    true,
                ),
                None => (BytesMut::zeroed(cell_len), false),
            })
            .collect();
        match restore {
            Restore::Data => self.code.reconstruct_data(&mut places),
            Restore::All => self.code.reconstruct(&mut places),
        }
        .expect("k cells of one length are there, as checked above");
        for (index, (place, (bytes, was_present))) in cells.iter_mut().zip(places).enumerate() {
            *place = (was_present || missing.contains(&index)).then(|| bytes.freeze());
        }
        Ok(())
    }
}

/// The places to fill, or `None` when there are none; an error when they cannot be filled.
fn check_places(
    profile: Profile,
    cells: &[Option<Bytes>],
    restore: Restore,
) -> Result<Option<Vec<usize>>, CodecError> {
    if cells.len() != profile.width() {
        return Err(CodecError::CellCount {
            expected: profile.width(),
            got: cells.len(),
        });
    }
    let wanted = match restore {
        Restore::Data => profile.k(),
        Restore::All => profile.width(),
    };
    let missing: Vec<usize> = cells
        .iter()
        .enumerate()
        .take(wanted)
        .filter_map(|(index, cell)| cell.is_none().then_some(index))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let mut present = cells.iter().flatten();
    let count = present.clone().count();
    if count < profile.k() {
        return Err(CodecError::TooFew {
            needed: profile.k(),
            present: count,
        });
    }
    let cell_len = present.next().map_or(0, Bytes::len);
    if cell_len == 0 || present.any(|cell| cell.len() != cell_len) {
        return Err(CodecError::CellLen);
    }
    Ok(Some(missing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Geometry;

    const CELL_LEN_MAX: u32 = 1024;

    /// Bytes that are all different from their neighbours.
    fn blob(len: usize) -> Vec<u8> {
        (0_u32..)
            .map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .take(len)
            .collect()
    }

    /// The data cells of each stripe, as a writer cuts them.
    fn stripes(geometry: &Geometry, blob: &[u8]) -> Vec<Vec<Bytes>> {
        (0..geometry.stripe_count())
            .map(|stripe| {
                let range = geometry.stripe_range(stripe);
                let start = usize::try_from(range.start).unwrap();
                let end = usize::try_from(range.end).unwrap();
                let cell_len = geometry.cell_len(stripe);
                let mut buffer = blob[start..end].to_vec();
                buffer.resize(cell_len * geometry.profile().k(), 0);
                let buffer = Bytes::from(buffer);
                (0..geometry.profile().k())
                    .map(|cell| buffer.slice(cell * cell_len..(cell + 1) * cell_len))
                    .collect()
            })
            .collect()
    }

    /// Encodes, erases each set of up to m cells, restores, and compares.
    fn check_identity(profile: Profile, len: usize, erasures: impl Fn(u32) -> bool) {
        let geometry = Geometry::new(profile, CELL_LEN_MAX, u64::try_from(len).unwrap()).unwrap();
        for data in stripes(&geometry, &blob(len)) {
            let mut whole = data.clone();
            whole.extend(codec(profile).encode(&data).unwrap());
            assert_eq!(whole.len(), profile.width());
            for erased in (0_u32..1 << profile.width()).filter(|set| {
                usize::try_from(set.count_ones()).unwrap() <= profile.m() && erasures(*set)
            }) {
                let partial: Vec<Option<Bytes>> = (0..)
                    .zip(&whole)
                    .map(|(index, cell)| (erased >> index & 1 == 0).then(|| cell.clone()))
                    .collect();
                let mut all = partial.clone();
                codec(profile).reconstruct(&mut all, Restore::All).unwrap();
                assert!(
                    all.iter().flatten().eq(&whole),
                    "{profile} {len} {erased:b}"
                );
                let mut some = partial.clone();
                codec(profile)
                    .reconstruct(&mut some, Restore::Data)
                    .unwrap();
                for (index, cell) in some.iter().enumerate() {
                    let expected = if index < profile.k() {
                        Some(&whole[index])
                    } else {
                        partial[index].as_ref()
                    };
                    assert_eq!(cell.as_ref(), expected);
                }
            }
        }
    }

    #[test]
    fn erasing_up_to_m_cells_and_restoring_them_is_identity() {
        for profile in Profile::ALL {
            let cell_border = profile.k() * 1024;
            let sparse = |set: u32| profile.width() < 12 || set.is_multiple_of(13);
            for len in [
                1,
                63,
                64,
                65,
                1023,
                1024,
                1025,
                cell_border - 1,
                cell_border,
                cell_border + 1,
                3 * cell_border + 777,
            ] {
                check_identity(profile, len, sparse);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_length_and_any_erasure_is_identity(
            profile in prop::sample::select(Profile::ALL.to_vec()),
            len in 1_usize..40_000,
            pick in 0_u32..97,
        ) {
            check_identity(profile, len, |set| set % 97 == pick);
        }
    }

    #[test]
    fn a_mirror_shares_its_bytes() {
        let codec = codec(Profile::parse("1+1").unwrap());
        let cell = Bytes::from(vec![1; 64]);
        let parity = codec.encode(std::slice::from_ref(&cell)).unwrap();
        assert_eq!(parity.len(), 1);
        assert_eq!(parity[0].as_ptr(), cell.as_ptr());
    }

    #[test]
    fn what_cannot_be_coded_is_refused_and_left_alone() {
        let codec = codec(Profile::parse("2+1").unwrap());
        let cell = |len: usize| Bytes::from(vec![1; len]);
        let wrong_count = CodecError::CellCount {
            expected: 2,
            got: 1,
        };
        assert_eq!(codec.encode(&[cell(64)]), Err(wrong_count));
        assert_eq!(
            codec.encode(&[cell(64), cell(63)]),
            Err(CodecError::CellLen)
        );
        assert_eq!(codec.encode(&[cell(0), cell(0)]), Err(CodecError::CellLen));
        let mut cells = [Some(cell(64)), None, None];
        let too_few = CodecError::TooFew {
            needed: 2,
            present: 1,
        };
        assert_eq!(codec.reconstruct(&mut cells, Restore::Data), Err(too_few));
        assert!(cells[0].is_some() && cells[1].is_none());
        let mut uneven = [Some(cell(64)), None, Some(cell(1))];
        assert_eq!(
            codec.reconstruct(&mut uneven, Restore::Data),
            Err(CodecError::CellLen)
        );
        assert!(uneven[2].is_some());
    }

    #[test]
    fn parity_is_that_of_the_stored_format() {
        let codec = codec(Profile::parse("4+2").unwrap());
        let data: Vec<Bytes> = (1_u8..=4).map(|byte| Bytes::from(vec![byte; 64])).collect();
        let parity = codec.encode(&data).unwrap();
        assert_eq!((parity[0][0], parity[1][63]), (69, 94));
    }

    #[test]
    fn this_machine_passes_the_check() {
        assert_eq!(cpu_check(), Ok(()));
    }
}
