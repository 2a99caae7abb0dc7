//! Turns the schema's `.proto` files into Rust, without protoc.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Where imports are looked up.
const ROOT: &str = "../../proto";

/// All of this folder is one package, so that a record can embed a noun.
const FOLDER: &str = "../../proto/cairn/schema/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FOLDER}");
    let descriptors = protox::compile(proto_files(Path::new(FOLDER))?, [ROOT])?;
    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}

/// The folder's `.proto` files, by name, so that the output is the same on every machine.
fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
