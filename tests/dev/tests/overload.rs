//! A server that has no memory left for bodies says so, says that nothing happened, and recovers.

use std::time::{Duration, Instant};

use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::client::{Outcome, outcome};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::server::Server;
use cairn_dev_tests::wait;
use cairn_dev_tests::wire::Wire;

use crate::fixture::{BUCKET, MIB, runtime, six_disks};

/// Room for two stripes of four cells of 1 MiB with their parity.
const BUDGET_BYTES: u64 = 32 * MIB;
/// Senders that begin a body and stop: each holds the memory of a cell, and more of them begin than there are cells.
const STALLED: usize = 48;

#[test]
fn without_memory_writes_are_refused_marked_as_without_effect_and_taken_again_later() {
    let (_scratch, options) = six_disks("overload");
    let options = options.env("CAIRN_ENGINE_BUDGET_BYTES", &BUDGET_BYTES.to_string());
    let server = Server::start(&options);
    let (runtime, client) = (runtime(), server.client());
    let created = runtime.block_on(client.create_bucket(BUCKET)).unwrap();
    assert_eq!(created.status, 200);
    let small = runtime
        .block_on(client.put(BUCKET, "small", vec![1; 100].into()))
        .unwrap();
    assert_eq!(small.status, 200);

    let stalled: Vec<Wire> = (0..STALLED)
        .map(|number| {
            let body = Pattern::of("stalled", 0, 8 * MIB).bytes();
            let put = Request::key("PUT", BUCKET, &format!("stalled-{number}")).body(body);
            let put = put.signed(&server.signer(), &options.s3.to_string());
            let mut wire = Wire::connect(options.s3);
            wire.send(&put.head());
            wire.send(&put.body[..65_536]);
            wire
        })
        .collect();

    // One that is sent whole finds no room. How long it may wait for some is the server's; not longer than a client waits.
    let pattern = Pattern::of("late", 0, 8 * MIB);
    let refused = runtime.block_on(client.put(BUCKET, "late", pattern.bytes()));
    let answer = refused.as_ref().unwrap();
    assert_eq!(answer.verdict(), (503, "SlowDown".to_owned()));
    assert_eq!(answer.header("x-cairn-effect"), Some("none"));
    assert_eq!(outcome(&refused), Outcome::Refused);

    // What needs no such memory goes on.
    let begun = Instant::now();
    let get = runtime.block_on(client.get(BUCKET, "small")).unwrap();
    assert_eq!(get.body, vec![1; 100]);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let listed = runtime.block_on(client.list_keys(BUCKET));
    assert_eq!(listed, Some(vec!["small".to_owned()]));

    drop(stalled);
    let taken = wait::until(Duration::from_mins(1), || {
        let put = runtime.block_on(client.put(BUCKET, "late", pattern.bytes()));
        put.is_ok_and(|answer| answer.status == 200)
    });
    assert!(taken, "still refused after the stalled senders are gone");
    let get = runtime.block_on(client.get(BUCKET, "late")).unwrap();
    assert_eq!(pattern.check(0, &get.body), Ok(()));
    assert_eq!(get.body.len() as u64, pattern.len_bytes());
    let listed = runtime.block_on(client.list_keys(BUCKET));
    assert_eq!(listed, Some(vec!["late".to_owned(), "small".to_owned()]));
}
