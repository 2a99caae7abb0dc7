//! The project's own tools, behind the `xtask` binary: `tidy` holds the architecture, `readme` writes what the README
//! says about the code, `rocksdb` builds the RocksDB archive once.
//!
//! They are a library so that `cargo test` runs `tidy` over this very tree. Nothing here is part of the store.

pub mod compatibility;
pub mod readme;
pub mod rocksdb;
pub mod tidy;
