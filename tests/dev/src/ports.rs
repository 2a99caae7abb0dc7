//! Ports for servers that tests start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

// Below 32768: the kernel hands the ports from there on to outgoing connections, which could take one between our look and
// the server's bind.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address whose port nobody listens on now; no two calls of one process give the same one until 20,000 are used.
///
/// # Panics
/// When every port of the range is taken.
pub fn free() -> SocketAddr {
    // Processes which run at the same time start at different places.
    let spread = u16::try_from(std::process::id() % 311).expect("below 311") * 64;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (spread % COUNT + step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
