//! Many connections never take the file descriptors that the disks need.

use std::time::Duration;

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::scratch::Scratch;
use cairn_dev_tests::server::{Options, Server};
use cairn_dev_tests::wire::Wire;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::fixture::{BUCKET, KIB, six_disks};

/// Longer than the system waits before it tries a connection again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts a server with this limit of open files, opens connections, and writes through the first of them.
#[track_caller]
fn assert_serves(mut options: Options, limit: &str, connections: usize) {
    let mut own = getrlimit(Resource::Nofile);
    own.current = own.maximum;
    setrlimit(Resource::Nofile, own).unwrap();
    options.prefix = vec!["prlimit".to_owned(), format!("--nofile={limit}")];
    let server = Server::start(&options);
    let host = options.s3.to_string();
    let mut first = Wire::connect(options.s3);
    let mut exchange = |request: Request| first.exchange(&request.signed(&server.signer(), &host));
    assert_eq!(
        exchange(Request::new("PUT", format!("/{BUCKET}"))).status,
        200
    );

    // Those beyond the server's limit wait in the backlog of its socket, as far as there is room.
    let others: Vec<Wire> = (0..connections)
        .map_while(|_| Wire::try_connect(options.s3, PATIENCE).ok())
        .collect();
    assert!(others.len() >= connections / 2, "{}", others.len());
    for number in 0..20 {
        let key = number.to_string();
        let body = Pattern::of(&key, 0, 300 * KIB);
        let put = exchange(Request::key("PUT", BUCKET, &key).body(body.bytes()));
        assert_eq!(put.status, 200, "{}", put.text());
        let get = exchange(Request::key("GET", BUCKET, &key));
        assert_eq!(get.status, 200, "{}", get.text());
        assert_eq!(body.check(0, &get.body), Ok(()));
    }
    drop(others);
    assert_eq!(server.complaints(), Vec::<String>::new());
    assert!(server.is_ready());
}

#[test]
fn with_a_low_soft_limit_disks_stay_in_service_under_many_connections() {
    let (_scratch, options) = six_disks("soft-limit");
    assert_serves(options, "256:8192", 1_500);
}

#[test]
fn with_a_low_hard_limit_connections_wait_and_the_disk_stays_in_service() {
    let scratch = Scratch::new("hard-limit");
    let options = Options::new(&scratch, scratch.disks(1));
    assert_serves(options, "1024", 600);
}
