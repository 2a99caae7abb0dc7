//! Runs `xtask tidy` over this repository, so that `cargo test` holds the architecture.

use std::path::Path;

use cairn_xtask::tidy::{self, Tree};

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::read(&root).expect("the repository can be read");

    let found: Vec<String> = tidy::check(&tree).iter().map(ToString::to_string).collect();

    assert!(
        found.is_empty(),
        "{} findings:\n{}",
        found.len(),
        found.join("\n")
    );
}
