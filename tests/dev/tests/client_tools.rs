//! Ordinary tools do an ordinary round of work: boto3, the AWS CLI, rclone and curl.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{ACCESS_KEY, Options, REGION, SECRET_KEY, Server};
use cairn_dev_tests::tool;

use crate::fixture::{MIB, six_disks};

/// The longest command takes some seconds.
const TOOL_DEADLINE: Duration = Duration::from_mins(3);

/// A server, and a tool that is told of it by its environment alone.
struct Bench {
    server: Server,
    options: Options,
    scratch: Scratch,
}

impl Bench {
    fn new(label: &str) -> Self {
        let (scratch, options) = six_disks(label);
        let server = Server::start(&options);
        Self {
            server,
            options,
            scratch,
        }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.options.s3)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Runs a tool with the credentials of the server and no configuration of the user who runs this test; gives its output.
    #[track_caller]
    fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let missing = self.path("no-such-file");
        // By itself version 1 of the AWS CLI presigns with version 2 in us-east-1.
        let config = self.path("aws-config");
        fs::write(&config, "[default]\ns3 =\n    signature_version = s3v4\n").unwrap();
        let configure = |command: &mut Command| {
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                if text.starts_with("AWS_") || text.starts_with("RCLONE_") {
                    command.env_remove(&name);
                }
            }
            command
                .args(arguments)
                .current_dir(self.scratch.path())
                .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
                .env("AWS_DEFAULT_REGION", REGION)
                .env("AWS_CONFIG_FILE", &config)
                .env("AWS_SHARED_CREDENTIALS_FILE", &missing)
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("AWS_MAX_ATTEMPTS", "1")
                .env("RCLONE_CONFIG", "/dev/null")
                .env("RCLONE_CONFIG_CAIRN_TYPE", "s3")
                .env("RCLONE_CONFIG_CAIRN_PROVIDER", "Other")
                .env("RCLONE_CONFIG_CAIRN_ENDPOINT", self.endpoint())
                .env("RCLONE_CONFIG_CAIRN_ACCESS_KEY_ID", ACCESS_KEY)
                .env("RCLONE_CONFIG_CAIRN_SECRET_ACCESS_KEY", SECRET_KEY)
                .env("RCLONE_CONFIG_CAIRN_REGION", REGION)
                .env("RCLONE_RETRIES", "1")
                .env("RCLONE_LOW_LEVEL_RETRIES", "1");
        };
        let ran = tool::run(program, configure, TOOL_DEADLINE);
        assert!(
            ran.status.success(),
            "{} {arguments:?}: {}\n{}\n{}\nthe server's log ends with:\n{}",
            program.display(),
            ran.status,
            ran.said,
            ran.complained,
            self.server.log_end()
        );
        ran.said
    }

    #[track_caller]
    fn aws(&self, arguments: &[&str]) -> String {
        let endpoint = self.endpoint();
        let arguments = [["--endpoint-url", &endpoint].as_slice(), arguments].concat();
        self.run(&installed("aws"), &arguments)
    }

    fn finish(self) {
        assert_eq!(self.server.complaints(), Vec::<String>::new());
    }
}

/// A tool on the path.
#[track_caller]
fn installed(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: make setup-test installs it"))
}

/// The Python that has boto3.
#[track_caller]
fn python() -> PathBuf {
    let given = std::env::var_os("CAIRN_TEST_PYTHON").map(PathBuf::from);
    let path = given.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map_or_else(|| "/root".into(), PathBuf::from);
        let cache = std::env::var_os("CAIRN_CACHE").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|| home.join(".cache/cairn"));
        cache.join("venv/bin/python")
    });
    assert!(
        path.is_file(),
        "no Python with boto3 at {}: make setup-test makes it, or set CAIRN_TEST_PYTHON",
        path.display()
    );
    path
}

/// A real tree, this package's sources, and beside it what real trees have in the end: odd names, empty and large files.
fn make_tree(at: &Path) {
    copy_tree(Path::new(env!("CARGO_MANIFEST_DIR")), &at.join("sources"));
    let odd = at.join("odd names/of files");
    fs::create_dir_all(&odd).unwrap();
    for (name, len) in [
        ("empty", 0),
        ("with space", 10),
        ("plus+and&amp=", 1_000),
        ("ümläut 鍵", 20_000),
        ("hash#query?percent%41", 300),
        ("'quotes' \"both\"", 5),
        ("medium", 3 * MIB + 1),
        ("large", 21 * MIB + 5),
    ] {
        write_aged(&odd.join(name), &Pattern::of(name, 0, len).bytes());
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            write_aged(&target, &fs::read(&path).unwrap());
        }
    }
}

/// Writes a file as one that was changed an hour ago: tools that compare times see no difference in what they have just sent.
fn write_aged(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(hour_ago).unwrap();
}

/// The files of a tree with their content, by their path in it.
fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut directories) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_path_buf();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn assert_same_tree(left: &Path, right: &Path) {
    let (left, right) = (files(left), files(right));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&left), names(&right));
    for ((name, left), (_, right)) in left.iter().zip(&right) {
        assert!(left == right, "{} differs", name.display());
    }
}

#[test]
fn boto3_does_an_ordinary_round() {
    let bench = Bench::new("boto3");
    let script = bench.path("round.py");
    fs::write(&script, include_str!("boto3_round.py")).unwrap();
    let files = bench.path("files");
    fs::create_dir(&files).unwrap();
    let (script, files) = (script.display().to_string(), files.display().to_string());
    let said = bench.run(&python(), &[&script, &bench.endpoint(), &files]);
    assert!(said.contains("boto3 round: done"), "{said}");
    bench.finish();
}

#[test]
fn the_aws_cli_keeps_a_tree_in_step() {
    let bench = Bench::new("awscli-tree");
    let aws = |arguments: &[&str]| bench.aws(arguments);
    let (tree, down) = (bench.path("tree"), bench.path("down"));
    make_tree(&tree);
    let upload = [
        "s3",
        "cp",
        "--recursive",
        "--only-show-errors",
        "tree",
        "s3://round/tree",
    ];

    aws(&["s3", "mb", "s3://round"]);
    assert!(aws(&["s3", "ls"]).contains("round"));
    aws(&upload);
    let listed = aws(&["s3", "ls", "--recursive", "s3://round/tree/"]);
    assert_eq!(listed.lines().count(), files(&tree).len());
    aws(&[
        "s3",
        "sync",
        "--only-show-errors",
        "s3://round/tree",
        "down",
    ]);
    assert_same_tree(&tree, &down);

    // A change and a removal travel; then there is nothing left to do.
    let odd = tree.join("odd names/of files");
    write_aged(&odd.join("with space"), b"changed and longer");
    fs::remove_file(odd.join("empty")).unwrap();
    let sync = ["s3", "sync", "--delete", "--no-progress"];
    let synced = aws(&[&sync, ["tree", "s3://round/tree"].as_slice()].concat());
    assert_eq!(synced.lines().count(), 2, "{synced}");
    let again = aws(&[&sync, ["tree", "s3://round/tree"].as_slice()].concat());
    assert_eq!(again, "");
    aws(&[&sync, ["s3://round/tree", "down"].as_slice()].concat());
    assert_same_tree(&tree, &down);

    aws(&["s3", "rb", "--force", "s3://round"]);
    assert_eq!(aws(&["s3", "ls"]).trim(), "");
    bench.finish();
}

#[test]
fn the_aws_cli_and_curl_move_a_large_file() {
    let bench = Bench::new("awscli-large");
    let aws = |arguments: &[&str]| bench.aws(arguments);
    let big = Pattern::of("big", 0, 48 * MIB + 1).bytes();
    fs::write(bench.path("big"), &big).unwrap();

    aws(&["s3", "mb", "s3://round"]);
    aws(&["s3", "cp", "--only-show-errors", "big", "s3://round/big"]);
    // In parts on the server, and fetched by a presigned URL.
    let copy = "s3://round/copy of big";
    aws(&["s3", "cp", "--only-show-errors", "s3://round/big", copy]);
    let url = aws(&["s3", "presign", copy, "--expires-in", "60"]);
    bench.run(&installed("curl"), &["-sSf", "-o", "fetched", url.trim()]);
    let fetched = fs::read(bench.path("fetched")).unwrap();
    assert!(fetched == big, "the presigned fetch differs");
    let range = ["--range", "bytes=8388607-8388608", "range"];
    let get = ["s3api", "get-object", "--bucket", "round", "--key", "big"];
    aws(&[get.as_slice(), &range].concat());
    let range = fs::read(bench.path("range")).unwrap();
    assert_eq!(range, &big[8_388_607..8_388_609]);

    aws(&[
        "s3",
        "mv",
        "--only-show-errors",
        "s3://round/big",
        "s3://round/moved",
    ]);
    aws(&["s3", "cp", "--only-show-errors", "s3://round/moved", "back"]);
    let back = fs::read(bench.path("back")).unwrap();
    assert!(back == big, "the moved file differs");
    let listed = aws(&["s3", "ls", "s3://round"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    aws(&[
        "s3",
        "rm",
        "--only-show-errors",
        "--recursive",
        "s3://round",
    ]);
    aws(&["s3", "rb", "s3://round"]);
    bench.finish();
}

#[test]
fn rclone_does_an_ordinary_round() {
    let bench = Bench::new("rclone");
    let program = installed("rclone");
    let rclone = |arguments: &[&str]| bench.run(&program, arguments);
    make_tree(&bench.path("tree"));

    rclone(&["mkdir", "cairn:round"]);
    rclone(&["copy", "tree", "cairn:round/tree"]);
    rclone(&["check", "tree", "cairn:round/tree"]);
    rclone(&["check", "--download", "tree", "cairn:round/tree"]);

    fs::write(
        bench.path("tree/odd names/of files/with space"),
        "changed and longer",
    )
    .unwrap();
    fs::remove_file(bench.path("tree/odd names/of files/empty")).unwrap();
    rclone(&["sync", "tree", "cairn:round/tree"]);
    rclone(&["check", "tree", "cairn:round/tree"]);
    rclone(&["copy", "cairn:round/tree", "down"]);
    assert_same_tree(&bench.path("tree"), &bench.path("down"));

    // In parts of the smallest size, and copied and moved on the server.
    let big = Pattern::of("big", 0, 33 * MIB + 1).bytes();
    fs::write(bench.path("big"), &big).unwrap();
    let in_parts = ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M"];
    rclone(&[&["copyto", "big", "cairn:round/big"], in_parts.as_slice()].concat());
    rclone(&["mkdir", "cairn:second"]);
    rclone(&["copy", "cairn:round", "cairn:second"]);
    rclone(&["check", "cairn:round", "cairn:second"]);
    rclone(&["moveto", "cairn:second/big", "cairn:second/moved"]);
    rclone(&["copyto", "cairn:second/moved", "back"]);
    assert!(
        fs::read(bench.path("back")).unwrap() == big,
        "the moved file differs"
    );
    let listed = rclone(&["lsf", "-R", "--files-only", "cairn:round/tree"]);
    assert_eq!(listed.lines().count(), files(&bench.path("tree")).len());

    rclone(&["purge", "cairn:round"]);
    rclone(&["purge", "cairn:second"]);
    assert_eq!(rclone(&["lsd", "cairn:"]).trim(), "");
    bench.finish();
}
