//! Clients that are slow, silent or gone, and what the others notice of them.

use std::time::{Duration, Instant};

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wait;

use crate::samples::{assert_bytes, content};

/// Longer than any of the server's own limits: a sender that says nothing has a minute at most.
const DEADLINE: Duration = Duration::from_secs(90);

#[test]
fn a_body_that_comes_in_drops_is_stored_whole() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let body = content("key", 60_000);
    let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body(body.clone()));
    let mut wire = endpoint.connect();
    wire.send(&put.head());
    for piece in body.chunks(1_500) {
        wire.send(piece);
        // The pause is what is tested: a slow sender, and not one that waits for anything.
        std::thread::sleep(Duration::from_millis(25));
    }
    assert_eq!(wire.read_answer("PUT").unwrap().status, 200);
    let get = endpoint.exchange(Request::key("GET", bucket.name(), "key"));
    assert_bytes(&get.body, &body);
}

#[test]
fn a_reader_that_takes_its_time_gets_the_object_whole() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let body = content("key", 16 * 1024 * 1024);
    let put = Request::key("PUT", bucket.name(), "key").body(body.clone());
    assert_eq!(endpoint.exchange(put).status, 200);
    let get = endpoint.sign(Request::key("GET", bucket.name(), "key"));
    let mut wire = endpoint.connect();
    wire.send(&get.head());
    let head = wire.read_head().unwrap();
    // Long enough for every buffer between disk and socket to fill.
    std::thread::sleep(Duration::from_secs(2));
    assert_bytes(&wire.read_rest("GET", head).unwrap().body, &body);
}

#[test]
fn hundreds_of_connections_that_say_nothing_do_not_hinder_the_others() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let idle: Vec<_> = (0..300).map(|_| endpoint.connect()).collect();
    let half: Vec<_> = (0..300)
        .map(|number| {
            let put = Request::key("PUT", bucket.name(), &format!("half-{number}"));
            let put = endpoint.sign(put.body(content("half", 100_000)));
            let mut wire = endpoint.connect();
            wire.send(&put.head());
            wire.send(&put.body[..50_000]);
            wire
        })
        .collect();
    for round in 0..10 {
        let body = content("whole", 1_000_000);
        let put = Request::key("PUT", bucket.name(), "whole").body(body.clone());
        assert_eq!(endpoint.exchange(put).status, 200, "{round}");
        let get = endpoint.exchange(Request::key("GET", bucket.name(), "whole"));
        assert_bytes(&get.body, &body);
    }
    drop((idle, half));
    let list = endpoint.exchange(Request::new("GET", format!("/{}", bucket.name())));
    assert!(!list.text().contains("half-"), "{}", list.text());
}

#[test]
fn senders_that_stop_in_the_middle_are_cut_off() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let put = endpoint.sign(Request::key("PUT", bucket.name(), "key").body("0123456789"));
    // One stops in its headers, one in its body.
    let mut in_head = endpoint.connect();
    in_head.send(&put.head()[..40]);
    let mut in_body = endpoint.connect();
    in_body.send(&[put.head().as_slice(), b"01234"].concat());
    let begun = Instant::now();
    for (what, wire) in [("headers", &mut in_head), ("body", &mut in_body)] {
        wire.set_patience(Duration::from_secs(1));
        // An error answer may come first; the end of the connection is what counts.
        let ended = wait::until(DEADLINE, || wire.is_closed());
        assert!(ended, "{what}: still open after {:?}", begun.elapsed());
    }
    let head = endpoint.exchange(Request::key("HEAD", bucket.name(), "key"));
    assert_eq!(head.status, 404);
}
