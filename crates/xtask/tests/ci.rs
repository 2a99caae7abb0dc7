//! `.ci/test` with a cargo that only pretends: what it counts, and that nothing fails unseen.
//!
//! One test in a binary of its own, since it starts programs that it has just written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Prints what the case wrote for the subcommand and exits with the code beside it.
const CARGO: &str =
    "#!/bin/sh\ncat \"$CARGO_HOME/$1.output\"\nexit \"$(cat \"$CARGO_HOME/$1.code\")\"\n";

const TWO_BINARIES: &str = "\
test a ... ok
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s
test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
";
const ONE_FAILURE: &str = "\
test a ... FAILED
test result: FAILED. 11 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.05s
test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
error: 1 target failed:
";

/// What cargo does in one case, and what the script must make of it.
struct Case {
    name: &'static str,
    codes: [(&'static str, u8); 3],
    tests: &'static str,
    last_line: &'static str,
    succeeds: bool,
}

const CASES: &[Case] = &[
    Case {
        name: "all is well",
        codes: [("fmt", 0), ("clippy", 0), ("test", 0)],
        tests: TWO_BINARIES,
        last_line: "42 passed, 0 failed",
        succeeds: true,
    },
    Case {
        name: "a test fails",
        codes: [("fmt", 0), ("clippy", 0), ("test", 101)],
        tests: ONE_FAILURE,
        last_line: "41 passed, 1 failed",
        succeeds: false,
    },
    Case {
        name: "a test binary crashes and leaves no line",
        codes: [("fmt", 0), ("clippy", 0), ("test", 101)],
        tests: TWO_BINARIES,
        last_line: "42 passed, 1 failed",
        succeeds: false,
    },
    Case {
        name: "the tests do not compile",
        codes: [("fmt", 0), ("clippy", 0), ("test", 101)],
        tests: "error: could not compile\n",
        last_line: "0 passed, 1 failed",
        succeeds: false,
    },
    Case {
        name: "there are no tests",
        codes: [("fmt", 0), ("clippy", 0), ("test", 0)],
        tests: "",
        last_line: "0 passed, 0 failed",
        succeeds: false,
    },
    Case {
        name: "the formatting and a lint are off",
        codes: [("fmt", 1), ("clippy", 101), ("test", 0)],
        tests: TWO_BINARIES,
        last_line: "42 passed, 2 failed",
        succeeds: false,
    },
];

#[test]
fn the_last_line_counts_every_failure_and_the_exit_code_agrees() {
    let home = tempfile::tempdir().expect("a directory");
    let program = home.path().join("bin/cargo");
    fs::create_dir(home.path().join("bin")).expect("a directory for the pretended cargo");
    fs::write(&program, CARGO).expect("the pretended cargo");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");

    for case in CASES {
        for (subcommand, code) in case.codes {
            let output = if subcommand == "test" { case.tests } else { "" };
            fs::write(home.path().join(format!("{subcommand}.output")), output).expect("written");
            fs::write(
                home.path().join(format!("{subcommand}.code")),
                code.to_string(),
            )
            .expect("written");
        }

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/test");
        let output = Command::new("bash")
            .arg(script)
            .env("CARGO_HOME", home.path())
            .env("CARGO_TARGET_DIR", home.path().join("target"))
            .env("CAIRN_CACHE", home.path())
            .output()
            .expect("bash runs");

        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            text.lines().last(),
            Some(case.last_line),
            "{}:\n{text}",
            case.name
        );
        assert_eq!(
            output.status.success(),
            case.succeeds,
            "{}:\n{text}",
            case.name
        );
    }
}
