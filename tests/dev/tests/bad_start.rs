//! Starts that cannot work: the process ends with an error code and one line that says why.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use cairn_dev_tests::server::{Options, Server, run_to_end};

use crate::fixture::{BUCKET, runtime, six_disks};

const SOON: Duration = Duration::from_secs(20);

/// Asserts that a server with these options ends by itself with a failure, and says why in one line with `reason` in it.
#[track_caller]
fn assert_refuses(options: &Options, reason: &str) {
    let ended = run_to_end(options, SOON).unwrap();
    let code = ended.status.code();
    assert!(
        code.is_some_and(|code| code != 0),
        "{:?}: {}",
        ended.status,
        ended.stderr
    );
    // What was logged before is no part of the reason.
    let logged = |line: &&str| {
        [" INFO ", " WARN "]
            .iter()
            .any(|level| line.contains(level))
    };
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.trim().is_empty() && !logged(line))
        .collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(
        lines[0].contains(reason),
        "{reason:?} is not in {:?}",
        lines[0]
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn a_port_in_use_is_named() {
    let (_scratch, options) = six_disks("port");
    for address in [options.s3, options.console] {
        let _held = TcpListener::bind(address).unwrap();
        assert_refuses(&options, &address.port().to_string());
        // The next run appends to the same file.
        fs::remove_file(options.home.join("stderr.log")).unwrap();
    }
    // Nothing is left over that would hinder a start.
    Server::start(&options);
}

#[test]
fn a_directory_of_another_cluster_is_named_and_left_alone() {
    let (_scratch, options) = six_disks("ours");
    let (_other_scratch, other) = six_disks("theirs");
    let runtime = runtime();
    for options in [&options, &other] {
        let server = Server::start(options);
        let created = runtime
            .block_on(server.client().create_bucket(BUCKET))
            .unwrap();
        assert_eq!(created.status, 200);
        let put = server.client();
        let put = runtime.block_on(put.put(BUCKET, "key", vec![1; 500_000].into()));
        assert_eq!(put.unwrap().status, 200);
        assert!(server.terminate(SOON).success());
    }
    let mut mixed = options.clone();
    mixed.disks[5].clone_from(&other.disks[5]);
    mixed.home = options.home.join("mixed");
    fs::create_dir_all(&mixed.home).unwrap();
    assert_refuses(&mixed, &other.disks[5].display().to_string());
    for options in [&options, &other] {
        let server = Server::start(options);
        let get = runtime
            .block_on(server.client().get(BUCKET, "key"))
            .unwrap();
        assert_eq!(get.body, vec![1; 500_000]);
    }
}

#[test]
fn directories_that_another_server_uses_are_refused() {
    let (scratch, options) = six_disks("shared");
    let server = Server::start(&options);
    let second = Options::new(&scratch, options.disks.clone());
    let second = Options {
        home: options.home.join("second"),
        ..second
    };
    fs::create_dir_all(&second.home).unwrap();
    assert_refuses(&second, "disk1");
    assert!(server.is_ready());
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_named() {
    let (_scratch, mut options) = six_disks("few-files");
    options.prefix = vec!["prlimit".to_owned(), "--nofile=256".to_owned()];
    assert_refuses(&options, "256");
}

#[test]
fn one_directory_given_twice_is_refused() {
    let (_scratch, mut options) = six_disks("twice");
    options.disks[3] = options.disks[1].clone();
    assert_refuses(&options, "disk2");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let (scratch, mut options) = six_disks("unwritable");
    // `/proc` is a directory in which nobody, not even root, makes files.
    options.disks[2] = "/proc".into();
    assert_refuses(&options, "/proc");

    let (_scratch, mut options) = six_disks("file");
    let file = scratch.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    options.disks[2].clone_from(&file);
    assert_refuses(&options, &file.display().to_string());
}

#[test]
fn a_config_file_that_cannot_be_read_is_named_with_its_line() {
    for (content, reason) in [
        (Some("[meta\nbroken = "), "config.toml"),
        (Some("nonsense = 1\n"), "nonsense"),
        (Some("[storage]\nnonsense = 1\n"), "nonsense"),
        (None, "config.toml"),
    ] {
        let (scratch, options) = six_disks("config");
        let path = scratch.path().join("config.toml");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let options = options.args(&["--config", &path.display().to_string()]);
        assert_refuses(&options, reason);
    }
}
