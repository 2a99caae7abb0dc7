//! Which crate may use which: arrows between crates point down only.

use super::{Finding, Tree};

/// One crate of the architecture.
struct Crate {
    folder: &'static str,
    /// 0 is the bottom. A crate's tests may use what is on its own layer or below.
    layer: u8,
    /// The crates its `[dependencies]` may name.
    may_use: &'static [&'static str],
}

/// The layers of the architecture, bottom first. A new arrow is a decision: change the row and the map together.
const LAYERS: &[Crate] = &[
    Crate {
        folder: "types",
        layer: 0,
        may_use: &[],
    },
    Crate {
        folder: "runtime",
        layer: 0,
        may_use: &["types"],
    },
    Crate {
        folder: "erasure",
        layer: 1,
        may_use: &["types"],
    },
    Crate {
        folder: "iam",
        layer: 1,
        may_use: &["types"],
    },
    Crate {
        folder: "bucket",
        layer: 1,
        may_use: &["types"],
    },
    Crate {
        folder: "compute",
        layer: 1,
        may_use: &["types"],
    },
    Crate {
        folder: "kms",
        layer: 1,
        may_use: &["types", "runtime"],
    },
    // The protobuf forms of nouns, commands and records, shared by log, tables and wire.
    Crate {
        folder: "schema",
        layer: 1,
        may_use: &["types", "iam", "bucket", "erasure"],
    },
    Crate {
        folder: "s3",
        layer: 2,
        may_use: &["types", "iam", "bucket"],
    },
    Crate {
        folder: "rpc",
        layer: 2,
        may_use: &["types", "iam", "bucket", "runtime", "schema"],
    },
    Crate {
        folder: "catalog",
        layer: 2,
        may_use: &["types", "iam", "bucket", "erasure", "schema"],
    },
    Crate {
        folder: "client",
        layer: 3,
        may_use: &["types", "rpc", "runtime", "schema"],
    },
    Crate {
        folder: "engine",
        layer: 4,
        may_use: &["types", "client", "erasure", "kms", "runtime"],
    },
    Crate {
        folder: "gateway",
        layer: 5,
        may_use: &[
            "s3", "engine", "client", "iam", "bucket", "compute", "kms", "types", "runtime",
        ],
    },
    Crate {
        folder: "workers",
        layer: 5,
        may_use: &["engine", "client", "bucket", "erasure", "types", "runtime"],
    },
    Crate {
        folder: "meta",
        layer: 5,
        may_use: &["catalog", "rpc", "schema", "types", "runtime"],
    },
    Crate {
        folder: "storage",
        layer: 5,
        may_use: &["rpc", "client", "erasure", "compute", "types", "runtime"],
    },
    Crate {
        folder: "admin",
        layer: 5,
        may_use: &["client", "s3", "iam", "bucket", "kms", "types", "runtime"],
    },
    Crate {
        folder: "server",
        layer: 6,
        may_use: &[
            "gateway", "workers", "meta", "storage", "admin", "engine", "client", "s3", "rpc",
            "iam", "kms", "erasure", "types", "runtime",
        ],
    },
];

/// Crates beside the layers: they serve tests and developers, nothing else ships them.
const TOOLS: &[&str] = &["testkit", "xtask"];

/// The dependency tables of a manifest, and whether they are for tests alone.
const TABLES: &[(&str, bool)] = &[
    ("dependencies", false),
    ("build-dependencies", false),
    ("dev-dependencies", true),
];

/// Every manifest under `crates/` against the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for folder in tree.crate_folders() {
        let path = format!("crates/{folder}/Cargo.toml");
        let Some(file) = tree.file(&path) else {
            found.push(Finding::at(
                &path,
                "missing: every folder under crates/ is a crate".to_owned(),
            ));
            continue;
        };
        match file.text.parse::<toml::Table>() {
            Ok(manifest) => found.extend(check_manifest(&path, folder, &manifest)),
            Err(error) => found.push(Finding::at(
                &path,
                format!("not a manifest: {}", error.message()),
            )),
        }
    }
    found
}

fn check_manifest(path: &str, folder: &str, manifest: &toml::Table) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |message: String| found.push(Finding::at(path, message));
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str);
    if name != Some(&format!("cairn-{folder}")) {
        say(format!(
            "the package of crates/{folder} is named cairn-{folder}, so that a name leads to its folder"
        ));
    }
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if lints != Some(true) {
        say("needs `[lints] workspace = true`: a crate without the lints is outside the house rules".to_owned());
    }
    let owner = LAYERS.iter().find(|row| row.folder == folder);
    if owner.is_none() && !TOOLS.contains(&folder) {
        say(format!(
            "crate {folder} has no row in the layer table (crates/xtask/src/tidy/layers.rs): say what it may use first"
        ));
    }
    if let Some(owner) = owner {
        for (dependency, is_dev) in cairn_dependencies(manifest) {
            if !is_allowed(owner, &dependency, is_dev) {
                say(refusal(owner, &dependency, is_dev));
            }
        }
    }
    found
}

fn is_allowed(owner: &Crate, dependency: &str, is_dev: bool) -> bool {
    let is_below = || {
        LAYERS
            .iter()
            .any(|row| row.folder == dependency && row.layer <= owner.layer)
    };
    owner.may_use.contains(&dependency) || (is_dev && (dependency == "testkit" || is_below()))
}

fn refusal(owner: &Crate, dependency: &str, is_dev: bool) -> String {
    let folder = owner.folder;
    if is_dev {
        return format!(
            "the tests of {folder} use {dependency}: tests may use testkit and what is on layer {} or below",
            owner.layer
        );
    }
    let allowed = if owner.may_use.is_empty() {
        "no crate".to_owned()
    } else {
        owner.may_use.join(", ")
    };
    format!(
        "{folder} uses {dependency}: it may use {allowed}; dependencies point down only (layer table)"
    )
}

/// The folders of the `cairn-*` crates a manifest names, also per target and under another name; true for tests only.
fn cairn_dependencies(manifest: &toml::Table) -> Vec<(String, bool)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let per_target = targets
        .into_iter()
        .flat_map(toml::Table::values)
        .filter_map(toml::Value::as_table);
    let mut found = Vec::new();
    for scope in std::iter::once(manifest).chain(per_target) {
        for (table, is_dev) in TABLES {
            let dependencies = scope.get(*table).and_then(toml::Value::as_table);
            for (key, value) in dependencies.into_iter().flatten() {
                let package = value
                    .get("package")
                    .and_then(toml::Value::as_str)
                    .unwrap_or(key);
                found.extend(
                    package
                        .strip_prefix("cairn-")
                        .map(|folder| (folder.to_owned(), *is_dev)),
                );
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the check says about `crates/<folder>` with this after its `[package]` and `[lints]`.
    fn findings(folder: &str, tables: &str) -> Vec<String> {
        let manifest =
            format!("[package]\nname = \"cairn-{folder}\"\n[lints]\nworkspace = true\n{tables}");
        let tree = Tree::made_of(&[(&format!("crates/{folder}/Cargo.toml"), &manifest)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_in_the_table_point_down_or_stay_on_their_layer() {
        for row in LAYERS {
            for used in row.may_use {
                let below = LAYERS.iter().find(|other| other.folder == *used).unwrap();
                assert!(below.layer <= row.layer, "{} uses {used}", row.folder);
            }
        }
    }

    #[test]
    fn a_crate_uses_what_its_row_allows() {
        assert!(
            findings(
                "engine",
                "[dependencies]\ncairn-client.workspace = true\nbytes.workspace = true"
            )
            .is_empty()
        );
        assert!(findings("testkit", "[dependencies]\ncairn-server.workspace = true").is_empty());
    }

    #[test]
    fn an_arrow_that_is_not_in_the_row_is_found() {
        let found = findings("engine", "[dependencies]\ncairn-s3.workspace = true");

        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .starts_with("crates/engine/Cargo.toml: engine uses s3: it may use types, client"),
            "{found:?}"
        );
    }

    #[test]
    fn arrows_hidden_in_build_target_or_renamed_dependencies_are_found() {
        assert_eq!(
            findings(
                "types",
                "[build-dependencies]\ncairn-runtime.workspace = true"
            )
            .len(),
            1
        );
        assert_eq!(
            findings(
                "types",
                "[target.'cfg(unix)'.dependencies]\ncairn-runtime.workspace = true"
            )
            .len(),
            1
        );
        assert_eq!(
            findings(
                "types",
                "[dependencies]\nclock = { package = \"cairn-runtime\", path = \"x\" }"
            )
            .len(),
            1
        );
    }

    #[test]
    fn tests_may_use_testkit_and_their_own_layer_but_nothing_above() {
        assert!(findings("s3", "[dev-dependencies]\ncairn-testkit.workspace = true").is_empty());
        assert!(findings("s3", "[dev-dependencies]\ncairn-catalog.workspace = true").is_empty());
        assert_eq!(
            findings("s3", "[dev-dependencies]\ncairn-gateway.workspace = true").len(),
            1
        );
    }

    #[test]
    fn nothing_ships_the_testkit() {
        assert_eq!(
            findings("server", "[dependencies]\ncairn-testkit.workspace = true").len(),
            1
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert!(findings("helpers", "")[0].contains("no row in the layer table"));
    }

    #[test]
    fn a_folder_without_manifest_a_wrong_name_and_missing_lints_are_found() {
        let without = Tree::made_of(&[("crates/types/src/lib.rs", "")]);
        assert_eq!(check(&without).len(), 1);

        let wrong = Tree::made_of(&[("crates/types/Cargo.toml", "[package]\nname = \"types\"")]);
        assert_eq!(check(&wrong).len(), 2);
    }
}
