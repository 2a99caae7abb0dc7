//! The binary as it is called.

use std::process::{Command, Output};

fn cairn(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary was built for this test")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}

#[test]
fn it_tells_its_version_and_its_commands() {
    let version = cairn(&["--version"], &[]);
    assert!(version.status.success());
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        concat!("cairn ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let help = cairn(&["--help"], &[]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for command in ["dev", "healthcheck", "admin"] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn a_setting_that_is_not_known_is_refused_in_one_line() {
    let refused = cairn(&["dev"], &[("CAIRN_STORAGE_GRACE", "1")]);
    assert_eq!(refused.status.code(), Some(1));
    let line = stderr(&refused);
    assert!(line.contains("CAIRN_STORAGE_GRACE"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn a_server_that_is_not_there_is_not_healthy() {
    // Port 1 is nobody's.
    let sick = cairn(&["healthcheck", "--console-address", "127.0.0.1:1"], &[]);
    assert_eq!(sick.status.code(), Some(1));
    let line = stderr(&sick);
    assert!(line.contains("127.0.0.1:1"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}
