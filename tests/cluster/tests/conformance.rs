//! The whole of the conformance tests against a cluster, first when all of it is up and then without as many storage nodes as
//! parity allows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use cairn_cluster_tests::cluster::Cluster;
use cairn_cluster_tests::description::Role;
use cairn_dev_tests::dice::Dice;

use crate::fixture::{PARITY, WHOLE};

/// Far fewer than there are: a run which executed less has not run them.
const TESTS: usize = 100;

/// They wait more than they compute: for slow clients, and for the server's patience with them.
const TEST_THREADS: &str = "8";

#[test]
fn the_conformance_tests_pass_with_all_up_and_without_two_storage_nodes() {
    let tests = conformance_tests();
    let mut dice = Dice::of_this_run("conformance");
    // Off unless it is asked for, as the server that the tests start by themselves is.
    let arguments = [&WHOLE[..], &["--set", "s3.signature_v2=on"]].concat();
    let cluster = Cluster::up("conformance", &arguments);
    run(&tests, &cluster, "gateway-1");
    let names = cluster.description().names(Role::Storage);
    let victims = dice.choose_some(&names, PARITY);
    cluster.strike(&victims);
    println!("conformance: killed {victims:?}");
    run(&tests, &cluster, "gateway-2");
    cluster.finish(&[]);
}

fn run(tests: &Path, cluster: &Cluster, gateway: &str) {
    let description = cluster.description();
    let address = description.process(gateway).address;
    let begun = Instant::now();
    let output = Command::new(tests)
        .args(["--test-threads", TEST_THREADS])
        .env("CAIRN_TEST_ENDPOINT", format!("http://{address}"))
        .env("CAIRN_TEST_ACCESS_KEY", &description.access_key)
        .env("CAIRN_TEST_SECRET_KEY", &description.secret_key)
        .env("CAIRN_TEST_REGION", &description.region)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "through {gateway}:\n{said}");
    let passed = said.lines().find_map(|line| {
        line.strip_prefix("test result: ok. ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    });
    println!(
        "conformance: {passed:?} passed through {gateway} in {:.1?}",
        begun.elapsed()
    );
    assert!(passed >= Some(TESTS), "{said}");
}

/// The executable of the conformance tests, which cargo has built together with this one.
fn conformance_tests() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "test",
            "--release",
            "--locked",
            "--workspace",
            "--test",
            "conformance",
        ])
        .args(["--no-run", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo cannot build the conformance tests"
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut built = messages.filter(|message| {
        message["target"]["name"] == "conformance" && message["profile"]["test"] == true
    });
    let executable = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.expect("cargo names the executable")
}
