//! What may lie at the top of the repository: a stranger's first look shows the parts and nothing else.

use std::collections::BTreeSet;

use super::{Finding, Tree};

/// Beside these, names that begin with a dot.
const ALLOWED: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "helm",
    "proto",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
];

/// Every entry of the top level against the list.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let entries: BTreeSet<&str> = tree
        .files()
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .collect();
    let foreign = entries
        .into_iter()
        .filter(|entry| !entry.starts_with('.') && !ALLOWED.contains(entry));
    foreign
        .map(|entry| {
            let message = "does not belong at the top level: put it into the crate, tests, deploy or helm folder it serves";
            Finding::at(entry, message.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_file_or_folder_is_found_once() {
        let tree = Tree::made_of(&[
            ("Cargo.toml", ""),
            (".gitignore", ""),
            ("crates/a/src/lib.rs", ""),
            ("notes.md", ""),
            ("scripts/a.sh", ""),
            ("scripts/b.sh", ""),
        ]);

        let found: Vec<String> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();

        assert_eq!(found, ["notes.md", "scripts"]);
    }
}
