//! Several users: made by a file or an operator, with keys of their own, each among buckets of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cairn_dev_tests::client::S3;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{Options, REGION, Server, run_to_end};
use cairn_dev_tests::sign::Signer;
use cairn_dev_tests::{wait, xml};
use tokio::runtime::Runtime;

use crate::fixture::runtime;

const ALICE: [&str; 2] = [
    "0555b35654ad1656d804",
    "h7GhxuBLTrlhVUyxSPUKUV8r2EI4ngqJxD7iBdBYLhwluN30",
];
const BOB: [&str; 2] = [
    "HIJKLMNOPQRSTUVWXYZA",
    "opqrstuvwxyzabcdefghijklmnopqrstuvwxyzab",
];

const USERS: &str = r#"
[[user]]
id = "testid"
display_name = "M. Tester"
email = "tester@example.com"
access_key = "0555b35654ad1656d804"
secret_key = "h7GhxuBLTrlhVUyxSPUKUV8r2EI4ngqJxD7iBdBYLhwluN30"

[[user]]
id = "testx$9876543210abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
tenant = "testx"
display_name = "testx$tenanteduser"
access_key = "HIJKLMNOPQRSTUVWXYZA"
secret_key = "opqrstuvwxyzabcdefghijklmnopqrstuvwxyzab"
"#;

/// How long a key may still be of use after it was taken away, and a little for the machine.
const LEASE: Duration = Duration::from_millis(2_500);

/// A server on three directories with the users of the file.
fn provisioned(label: &str) -> (Scratch, Options) {
    let scratch = Scratch::new(label);
    let options = Options::new(&scratch, scratch.disks(3));
    let file = scratch.path().join("users.toml");
    fs::write(&file, USERS).unwrap();
    let options = options.args(&["--provision", file.to_str().unwrap()]);
    (scratch, options)
}

fn client(server: &Server, [access_key, secret_key]: [&str; 2]) -> S3 {
    let signer = Signer {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        region: REGION.to_owned(),
    };
    S3::new(server.options().s3.to_string(), signer)
}

/// What a request comes to: its status, and the code if it failed.
struct Asking<'a>(&'a Runtime, S3);

impl Asking<'_> {
    fn send(&self, request: Request) -> (u16, String) {
        self.0.block_on(self.1.send(request)).unwrap().verdict()
    }

    fn body(&self, request: Request) -> Vec<u8> {
        let answer = self.0.block_on(self.1.send(request)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.body
    }

    fn buckets(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::new("GET", "/").query("max-buckets", "2");
            if let Some(token) = token {
                request = request.query("continuation-token", token);
            }
            let page = self.body(request);
            let found = xml::texts(&page, "Name");
            assert!(found.len() <= 2);
            names.extend(found);
            token = xml::text(&page, "ContinuationToken");
            if token.is_none() {
                return names;
            }
        }
    }
}

fn done() -> (u16, String) {
    (200, String::new())
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

#[test]
fn users_have_buckets_of_their_own_and_nobody_elses() {
    let (_scratch, options) = provisioned("users");
    let server = Server::start(&options);
    let runtime = runtime();
    let alice = Asking(&runtime, client(&server, ALICE));
    let bob = Asking(&runtime, client(&server, BOB));
    let root = Asking(&runtime, server.client());
    for name in ["a-1", "a-3", "a-5", "a-7", "a-9"] {
        assert_eq!(alice.send(Request::new("PUT", format!("/{name}"))), done());
    }
    for name in ["a-2", "a-4", "b-1"] {
        assert_eq!(bob.send(Request::new("PUT", format!("/{name}"))), done());
    }
    assert_eq!(root.send(Request::new("PUT", "/of-root")), done());
    assert_eq!(alice.buckets(), ["a-1", "a-3", "a-5", "a-7", "a-9"]);
    assert_eq!(bob.buckets(), ["a-2", "a-4", "b-1"]);
    assert_eq!(root.buckets(), ["of-root"]);
    let taken = (409, "BucketAlreadyExists".to_owned());
    assert_eq!(bob.send(Request::new("PUT", "/a-1")), taken);
    // In AWS's first region, which is the default, that is no mistake.
    assert_eq!(alice.send(Request::new("PUT", "/a-1")), done());

    let put = || Request::key("PUT", "a-1", "key").body("of alice's");
    assert_eq!(alice.send(put()), done());
    for request in [
        put(),
        Request::key("GET", "a-1", "key"),
        Request::key("DELETE", "a-1", "key"),
        Request::key("POST", "a-1", "key").query("uploads", ""),
        Request::new("GET", "/a-1"),
        Request::new("GET", "/a-1").query("location", ""),
        Request::new("DELETE", "/a-3"),
        Request::key("PUT", "b-1", "copy").header("x-amz-copy-source", "a-1/key"),
    ] {
        let what = format!("{} {}", request.method, request.path);
        assert_eq!(bob.send(request), denied(), "{what}");
    }
    let gone = (404, "NoSuchBucket".to_owned());
    assert_eq!(bob.send(Request::new("GET", "/a-0")), gone);
    let copy = Request::key("PUT", "a-3", "copy").header("x-amz-copy-source", "a-1/key");
    assert_eq!(alice.send(copy), done());
    assert_eq!(root.body(Request::key("GET", "a-3", "copy")), b"of alice's");

    // Whoever asks, the owner is the bucket's.
    for asking in [&alice, &root] {
        let listing = asking.body(Request::new("GET", "/a-1"));
        assert_eq!(xml::text(&listing, "ID").as_deref(), Some("testid"));
        assert_eq!(
            xml::text(&listing, "DisplayName").as_deref(),
            Some("M. Tester")
        );
    }
    let own = bob.body(Request::new("GET", "/"));
    assert_eq!(
        xml::text(&own, "DisplayName").as_deref(),
        Some("testx$tenanteduser")
    );

    let wrong = Asking(&runtime, client(&server, [ALICE[0], BOB[1]]));
    let mismatch = (403, "SignatureDoesNotMatch".to_owned());
    assert_eq!(wrong.send(Request::new("GET", "/")), mismatch);
    let nobody = Asking(&runtime, client(&server, ["NOBODYHASTHISKEY", BOB[1]]));
    let unknown = (403, "InvalidAccessKeyId".to_owned());
    assert_eq!(nobody.send(Request::new("GET", "/")), unknown);
    assert_eq!(server.complaints(), Vec::<String>::new());
}

#[test]
fn users_outlive_restarts_and_a_lost_directory_and_their_secrets_are_written_nowhere() {
    let (scratch, mut options) = provisioned("users-restart");
    let runtime = runtime();
    let server = Server::start(&options);
    let put = Request::new("PUT", "/of-alice");
    assert_eq!(Asking(&runtime, client(&server, ALICE)).send(put), done());
    server.kill();

    // The same file once more changes nothing.
    let server = Server::start(&options);
    let again = server.log();
    let again = again
        .lines()
        .filter(|line| line.contains("a user is provisioned"));
    let changed: Vec<bool> = again.map(|line| line.contains("changed=true")).collect();
    assert_eq!(changed, [true, true, false, false]);
    assert!(server.terminate(Duration::from_secs(20)).success());

    let kept = options
        .disks
        .iter()
        .find(|disk| disk.join("master.key").exists());
    fs::remove_dir_all(kept.unwrap()).unwrap();
    options.arguments.clear();
    let server = Server::start(&options);
    let buckets = Asking(&runtime, client(&server, ALICE)).buckets();
    assert_eq!(buckets, ["of-alice"]);
    for [_, secret] in [ALICE, BOB] {
        assert!(!server.log().contains(secret), "{}", server.log_end());
    }
    assert!(server.terminate(Duration::from_secs(20)).success());
    // That what is kept is found at all: the access key is no secret.
    let files = files(&options.disks);
    assert!(files.iter().any(|file| has(file, ALICE[0])));
    for file in files {
        for [_, secret] in [ALICE, BOB] {
            assert!(!has(&file, secret), "{}", file.display());
        }
    }
    drop(scratch);
}

#[test]
fn an_operator_makes_users_and_takes_their_keys_away() {
    let (_scratch, options) = provisioned("users-admin");
    let server = Server::start(&options);
    let runtime = runtime();
    let json = server.admin(&["user", "add", "carol", "--email", "c@example.com", "--json"]);
    let text = |name: &str| text_of(&json.said, name).unwrap_or_else(|| panic!("{json:?}"));
    let (access_key, secret_key) = (text("access_key"), text("secret_key"));
    let carol = Asking(&runtime, client(&server, [&access_key, &secret_key]));
    // At once, without waiting for anybody to hear of it.
    assert_eq!(carol.send(Request::new("PUT", "/of-carol")), done());

    let shown = server.admin(&["user", "show", "carol", "--json"]);
    assert!(shown.said.contains(&access_key), "{}", shown.said);
    assert!(!shown.said.contains(&secret_key), "{}", shown.said);
    let listed = server.admin(&["user", "list"]);
    assert!(listed.said.contains("M. Tester"), "{}", listed.said);

    for (arguments, says) in [
        (&["user", "add", "carol"][..], "already"),
        (
            &["user", "add", "dave", "--email", "C@example.com"],
            "e-mail",
        ),
        (
            &["user", "key-add", "carol", "--access-key", ALICE[0]],
            "taken",
        ),
        (&["user", "key-add", "nobody"], "no user nobody"),
        (&["user", "remove", "carol"], "owns buckets"),
        (&["user", "show", "nobody"], "no user nobody"),
    ] {
        let refused = server.admin(arguments);
        assert!(!refused.status.success(), "{arguments:?}: {}", refused.said);
        assert!(refused.complained.contains(says), "{}", refused.complained);
    }

    let more = server.admin(&["user", "key-add", "carol", "--json"]);
    let second = [
        text_of(&more.said, "access_key").unwrap(),
        text_of(&more.said, "secret_key").unwrap(),
    ];
    let second = Asking(&runtime, client(&server, [&second[0], &second[1]]));
    assert_eq!(second.buckets(), ["of-carol"]);
    assert!(
        server
            .admin(&["user", "key-remove", &access_key])
            .status
            .success()
    );
    assert_ends_within_lease(&carol);
    assert_eq!(second.buckets(), ["of-carol"]);

    let suspended = ["user", "set", "carol", "--suspended", "true"];
    assert!(server.admin(&suspended).status.success());
    assert_ends_within_lease(&second);
    let back = ["user", "set", "carol", "--suspended", "false"];
    assert!(server.admin(&back).status.success());
    assert_eq!(
        second.send(Request::new("DELETE", "/of-carol")),
        (204, String::new())
    );
    assert!(server.admin(&["user", "remove", "carol"]).status.success());
    assert_ends_within_lease(&second);
    assert_eq!(server.complaints(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_file_of_users_is_refused_with_its_line() {
    let (scratch, options) = provisioned("users-bad");
    fs::write(
        scratch.path().join("users.toml"),
        USERS.replace("tester@", "tester"),
    )
    .unwrap();
    let ended = run_to_end(&options, Duration::from_secs(20)).unwrap();
    assert!(!ended.status.success());
    let said = &ended.stderr;
    assert!(
        said.contains("users.toml") && said.contains("line 2") && said.contains("email"),
        "{said}"
    );
    assert!(!said.contains(ALICE[1]), "{said}");
}

/// Waits until a key is of no use any more, and asserts that it did not take longer than a lease.
#[track_caller]
fn assert_ends_within_lease(asking: &Asking<'_>) {
    let begun = Instant::now();
    let ended = wait::until(Duration::from_secs(20), || {
        asking.send(Request::new("GET", "/")) == (403, "InvalidAccessKeyId".to_owned())
    });
    let took = begun.elapsed();
    assert!(ended && took <= LEASE, "it took {took:?}");
}

/// A text of a JSON object on lines of its own.
fn text_of(json: &str, name: &str) -> Option<String> {
    let line = json
        .lines()
        .find(|line| line.contains(&format!("\"{name}\":")))?;
    let value = line.split_once(": ")?.1;
    Some(value.trim_matches([',', '"']).to_owned())
}

fn files(directories: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = directories.to_vec();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

fn has(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).unwrap();
    let text = text.as_bytes();
    bytes.windows(text.len()).any(|window| window == text)
}
