//! From blobs to cells and back, and where cells go. Pure: no I/O, no clock, no threads.
//!
//! - [`geometry`]: how a blob is cut into stripes and cells, and which frames of which cells hold a range of it.
//! - [`codec`]: parity cells out of data cells, and lost cells out of any `k`.
//! - [`frame`]: the hashes that bind 64 KiB of a cell to their place, and the root over all of a shard's.
//! - [`placement`]: which disks make a placement group.

pub mod codec;
pub mod frame;
pub mod geometry;
pub mod placement;

pub use codec::{CodecError, CpuError, ErasureCodec, Restore, codec, cpu_check};
pub use frame::{FRAME_LEN, HASH_LEN, ShardRoot};
pub use geometry::{BLOB_LEN_MAX, CELL_LEN_MAX, CellSlice, Geometry, GeometryError};
pub use placement::{Candidate, PlacementError, default_profile, plan};
