//! What a part of the system must not know: names that may not appear in it.
//!
//! Only the `src` of crates counts. Tests are exempt, and so are the crates that only tests and developers use.

use super::source::{self, Path};
use super::{Finding, Tree};

/// One rule.
struct Absence {
    names: &'static [Name],
    place: Place,
    reason: &'static str,
}

/// How a forbidden name is recognised.
#[derive(Clone, Copy)]
enum Name {
    /// A word within an identifier, in any case: `bucket` finds `BucketName`.
    Word(&'static str),
    /// A whole identifier, anywhere in a path.
    Identifier(&'static str),
    /// A path that starts here: the crate `rand`, not a field of that name.
    Root(&'static str),
    /// These segments side by side: `std::env`, also out of `use std::{env, fs}`.
    Segments(&'static [&'static str]),
    /// A module by its name, with something before or after it in the path.
    Module(&'static str),
}

/// Where a rule holds. Places are path prefixes; `*` stands for one component.
enum Place {
    In(&'static [&'static str]),
    Outside(&'static [&'static str]),
}

const ABSENCES: &[Absence] = &[
    Absence {
        names: &[
            Name::Word("bucket"),
            Name::Word("buckets"),
            Name::Word("s3"),
            Name::Word("etag"),
            Name::Word("etags"),
        ],
        place: Place::In(&["crates/storage/"]),
        reason: "storage keeps shards and knows nothing of S3",
    },
    Absence {
        names: &[
            Name::Identifier("tokio"),
            Name::Identifier("openraft"),
            Name::Identifier("rocksdb"),
            Name::Identifier("SystemTime"),
            Name::Identifier("Instant"),
            Name::Identifier("rand"),
            Name::Identifier("fastrand"),
        ],
        place: Place::In(&["crates/catalog/"]),
        reason: "the catalog is a deterministic state machine: the same log gives the same state on every node",
    },
    Absence {
        names: &[
            Name::Word("http"),
            Name::Word("hyper"),
            Name::Word("xml"),
            Name::Word("policy"),
            Name::Word("policies"),
        ],
        place: Place::In(&["crates/engine/"]),
        reason: "the engine moves objects; HTTP, XML and who may do what are the gateway's",
    },
    Absence {
        names: &[
            Name::Identifier("rocksdb"),
            Name::Identifier("openraft"),
            Name::Identifier("cairn_storage"),
            Name::Identifier("cairn_meta"),
        ],
        place: Place::In(&["crates/gateway/"]),
        reason: "the gateway holds nothing: disks, Raft and tables are behind the client",
    },
    Absence {
        names: &[Name::Module("proto")],
        place: Place::Outside(&[
            "crates/rpc/",
            "crates/schema/",
            "crates/client/",
            "crates/catalog/src/record",
            "crates/*/src/service",
        ]),
        reason: "generated protobuf types stay at the wire and in stored records; inside, use the domain types",
    },
    Absence {
        names: &[Name::Segments(&["std", "env"])],
        place: Place::Outside(&["crates/runtime/", "crates/server/"]),
        reason: "configuration is read and checked in server, and passed down as values",
    },
    Absence {
        names: &[
            Name::Segments(&["Instant", "now"]),
            Name::Segments(&["SystemTime", "now"]),
            Name::Segments(&["Timestamp", "now"]),
            Name::Segments(&["Zoned", "now"]),
        ],
        place: Place::Outside(&["crates/runtime/", "crates/server/"]),
        reason: "take a runtime::Clock, so that a simulation owns the time",
    },
    Absence {
        names: &[
            Name::Root("rand"),
            Name::Root("fastrand"),
            Name::Segments(&["Uuid", "new_v4"]),
        ],
        place: Place::Outside(&["crates/runtime/", "crates/server/"]),
        reason: "take runtime::random, so that a simulation owns the dice",
    },
    Absence {
        names: &[
            Name::Segments(&["tokio", "spawn"]),
            Name::Segments(&["task", "spawn"]),
        ],
        place: Place::Outside(&["crates/runtime/", "crates/server/"]),
        reason: "spawn through runtime::Tasks: named, cancelled, joined",
    },
];

/// Crates that only tests and developers use.
const EXEMPT: &[&str] = &["testkit", "xtask"];

/// Every name in the shipped code against every rule.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        let Some(folder) = file.crate_folder() else {
            continue;
        };
        let is_shipped = file.path.starts_with(&format!("crates/{folder}/src/")) && !file.is_test();
        if !is_shipped || EXEMPT.contains(&folder) {
            continue;
        }
        let rules: Vec<&Absence> = ABSENCES
            .iter()
            .filter(|rule| rule.place.covers(&file.path))
            .collect();
        for path in source.paths() {
            if source.is_test_line(path.line) {
                continue;
            }
            // One is enough: a name may break a rule of its crate and one of the whole project.
            let broken = rules
                .iter()
                .find(|rule| rule.names.iter().any(|name| name.is_in(&path)));
            if let Some(rule) = broken {
                let message = format!("names `{}`: {}", path.display(), rule.reason);
                found.push(Finding::at_line(&file.path, path.line, message));
            }
        }
    }
    found
}

impl Name {
    fn is_in(self, path: &Path<'_>) -> bool {
        match self {
            Self::Word(word) => path
                .segments
                .iter()
                .flat_map(|segment| source::words(segment))
                .any(|found| found == word),
            Self::Identifier(name) => path.segments.contains(&name),
            Self::Root(name) => path.segments.len() > 1 && path.segments.first() == Some(&name),
            Self::Segments(sequence) => path.contains(sequence),
            Self::Module(name) => path.segments.len() > 1 && path.segments.contains(&name),
        }
    }
}

impl Place {
    fn covers(&self, path: &str) -> bool {
        match self {
            Self::In(places) => places.iter().any(|place| is_under(path, place)),
            Self::Outside(places) => !places.iter().any(|place| is_under(path, place)),
        }
    }
}

/// Whether a path begins with a place, component by component; the place's last component may be the start of one.
fn is_under(path: &str, place: &str) -> bool {
    let mut components = path.split('/');
    let mut wanted = place.split('/').peekable();
    while let Some(want) = wanted.next() {
        let Some(component) = components.next() else {
            return false;
        };
        let fits = if wanted.peek().is_none() {
            component.starts_with(want)
        } else {
            want == "*" || component == want
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::made_of(&[(path, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    /// Files, and lines of code of which each breaks a rule there.
    const FORBIDDEN: &[(&str, &[&str])] = &[
        (
            "crates/storage/src/a.rs",
            &[
                "struct BucketId;",
                "let s3_key = 1;",
                "fn etag() {}",
                "x.ETag",
                "buckets",
            ],
        ),
        (
            "crates/catalog/src/a.rs",
            &[
                "use tokio::sync;",
                "use openraft::Raft;",
                "rocksdb::DB",
                "x: SystemTime",
            ],
        ),
        (
            "crates/catalog/src/b.rs",
            &["x: Instant", "use rand::Rng;", "use fastrand;"],
        ),
        (
            "crates/engine/src/a.rs",
            &[
                "use http::Method;",
                "use hyper::Body;",
                "to_xml()",
                "struct BucketPolicy;",
            ],
        ),
        (
            "crates/gateway/src/a.rs",
            &[
                "rocksdb::DB",
                "openraft::Raft",
                "cairn_storage::Disk",
                "use cairn_meta::Node;",
            ],
        ),
        (
            "crates/gateway/src/b.rs",
            &[
                "use cairn_rpc::proto;",
                "use cairn_schema::proto::Row;",
                "proto::Row",
            ],
        ),
        (
            "crates/s3/src/a.rs",
            &[
                "use std::env;",
                "use std::{env, fs};",
                "std::env::var(NAME)",
            ],
        ),
        (
            "crates/s3/src/b.rs",
            &[
                "Instant::now()",
                "std::time::SystemTime::now()",
                "jiff::Timestamp::now()",
            ],
        ),
        (
            "crates/s3/src/c.rs",
            &[
                "Zoned::now()",
                "rand::random()",
                "use fastrand::Rng;",
                "Uuid::new_v4()",
            ],
        ),
        (
            "crates/s3/src/d.rs",
            &[
                "tokio::spawn(f)",
                "use tokio::{spawn, sync};",
                "tokio::task::spawn(f)",
            ],
        ),
    ];

    #[test]
    fn every_rule_finds_its_names() {
        for (path, codes) in FORBIDDEN {
            for code in *codes {
                assert_eq!(
                    lines_found(path, &format!("\n{code}\n")),
                    [2],
                    "{path}: {code}"
                );
            }
        }
    }

    #[test]
    fn every_rule_is_tried() {
        for (number, rule) in ABSENCES.iter().enumerate() {
            let is_tried = FORBIDDEN.iter().any(|(path, codes)| {
                let code = codes.join(" ");
                let source = Source::parse(&code);
                rule.place.covers(path)
                    && rule
                        .names
                        .iter()
                        .any(|name| source.paths().iter().any(|path| name.is_in(path)))
            });
            assert!(is_tried, "rule {number}: {}", rule.reason);
        }
    }

    #[test]
    fn names_that_only_look_alike_pass() {
        let cases = [
            (
                "crates/storage/src/a.rs",
                "struct MetaGroup; fn restart_s30() {}",
            ),
            (
                "crates/gateway/src/a.rs",
                "let protocol = proto; struct Bucket; use http::Method;",
            ),
            (
                "crates/s3/src/a.rs",
                "self.rand.next(); tasks.spawn(f); env!(X); let now = clock.now(); tokio::task::spawn_blocking(f)",
            ),
        ];
        for (path, code) in cases {
            assert!(lines_found(path, code).is_empty(), "{path}: {code}");
        }
    }

    #[test]
    fn comments_literals_and_tests_are_exempt() {
        let text =
            "//! a bucket\nlet a = \"bucket\";\n#[cfg(test)]\nmod tests {\n    struct Bucket;\n}\n";

        assert!(lines_found("crates/storage/src/a.rs", text).is_empty());
        assert!(lines_found("crates/storage/tests/a.rs", "struct Bucket;").is_empty());
        assert!(lines_found("crates/storage/build.rs", "std::env::var(OUT)").is_empty());
        assert!(lines_found("tests/bench/src/main.rs", "Instant::now()").is_empty());
        assert!(lines_found("crates/testkit/src/lib.rs", "Instant::now()").is_empty());
    }

    #[test]
    fn the_places_that_own_a_name_may_use_it() {
        let owners = [
            (
                "crates/runtime/src/clock.rs",
                "Instant::now(); tokio::spawn(f); rand::random()",
            ),
            ("crates/server/src/config.rs", "use std::env;"),
            ("crates/rpc/src/convert.rs", "crate::proto::Put"),
            (
                "crates/catalog/src/record/bucket.rs",
                "cairn_schema::proto::Row",
            ),
            ("crates/catalog/src/record.rs", "cairn_schema::proto::Row"),
            ("crates/storage/src/service/put.rs", "cairn_rpc::proto::Put"),
            ("crates/meta/src/service.rs", "cairn_rpc::proto::Put"),
        ];
        for (path, code) in owners {
            assert!(lines_found(path, code).is_empty(), "{path}");
        }
        assert_eq!(
            lines_found("crates/meta/src/raft/service.rs", "cairn_rpc::proto::Put"),
            [1]
        );
        assert_eq!(
            lines_found("crates/catalog/src/apply.rs", "cairn_schema::proto::Row"),
            [1]
        );
    }
}
