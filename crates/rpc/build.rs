//! Generates the gRPC code from `proto/`, without a protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}");
    let files = [
        "cairn/storage/v1/storage.proto",
        "cairn/meta/v1/meta.proto",
        "cairn/raft/v1/raft.proto",
    ];
    let descriptors = protox::compile(files, [root])?;
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".cairn.schema.v1", "::cairn_schema::proto")
        .build_transport(true)
        .compile_fds(descriptors)?;
    Ok(())
}
