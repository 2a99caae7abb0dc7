//! The S3 role: from an HTTP request to object I/O and back.
//!
//! `listen` accepts connections, `pipeline` tells the story of every request, `ops` has one file per operation, `fault`
//! chooses the S3 error for every error of the cluster. A gateway keeps nothing that a restart may lose: any gateway
//! serves any request.

mod account;
mod acl;
mod authorize;
mod body;
mod copy_body;
mod cors;
mod fault;
mod framing;
mod http2;
mod identities;
mod late;
mod leftover;
pub mod listen;
mod ops;
mod pace;
mod pipeline;
mod request_body;
mod rules;
mod tag;
mod tls;
mod upload_body;

use std::time::Duration;

use cairn_engine::Engine;
use cairn_engine::budget::Budget;
use cairn_runtime::metrics::{Counter, Gauge};
use cairn_runtime::{Metrics, SharedClock};
use cairn_s3::auth::Authenticator;
use cairn_s3::code::Code;
use cairn_s3::dialect::Dialect;
use cairn_s3::route::Addressing;

use authorize::Authority;
pub use body::{AnswerBody, StreamError};
pub use fault::{Fault, Reason};
pub use identities::Identities;
use leftover::Lingering;
use request_body::{RequestBody, Unread};
pub use tls::{Tls, TlsError};

/// Bytes of documents in memory at once, with what is made of them: beyond it requests wait, and then get `SlowDown`.
const DOCUMENTS_BYTES: u64 = 64 * 1024 * 1024;

/// What a gateway is told.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where buckets are said to be.
    pub region: String,
    /// Whose answer is given where servers of S3 disagree.
    pub dialect: Dialect,
    /// Domains under which `bucket.domain` addresses a bucket.
    pub domains: Vec<String>,
    /// Which signatures are taken.
    pub signatures: Signatures,
    /// A body of which nothing, or next to nothing, arrives for so long is given up.
    pub idle_timeout: Duration,
    /// How long connections are accepted and requests answered as ever after the process was told to stop: until those who
    /// ask whether it is ready have noticed.
    pub drain_delay: Duration,
}

/// Which signatures are taken, beyond those that AWS takes of a new account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signatures {
    /// Whether Signature Version 2 is.
    pub takes_version_two: bool,
    /// The code that refuses links which are valid for less or longer than S3 allows.
    pub expires_code: Code,
}

/// A gateway.
pub struct Gateway {
    engine: Engine,
    authority: Authority,
    identities: Identities,
    authenticator: Authenticator,
    addressing: Addressing,
    config: GatewayConfig,
    clock: SharedClock,
    metrics: Metrics,
    documents: Budget,
    received_bytes: Counter,
    sent_bytes: Counter,
    connections: Gauge,
}

impl Gateway {
    /// A gateway in front of `engine`, for these users.
    pub fn new(
        engine: Engine,
        identities: Identities,
        config: GatewayConfig,
        clock: SharedClock,
        metrics: Metrics,
    ) -> Self {
        let addressing = Addressing::new(config.domains.iter().cloned()).speaking(config.dialect);
        Self {
            authority: Authority::new(engine.clone(), config.dialect),
            engine,
            identities,
            authenticator: authenticator(&config, &addressing),
            addressing,
            documents: Budget::new(DOCUMENTS_BYTES, Gauge::default()),
            received_bytes: metrics.counter("cairn_http_received_bytes_total", &[]),
            sent_bytes: metrics.counter("cairn_http_sent_bytes_total", &[]),
            connections: metrics.gauge("cairn_http_connections", &[]),
            config,
            clock,
            metrics,
        }
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> Gauge {
        self.connections.clone()
    }

    /// A request's body as it is read here.
    pub(crate) fn request_body(&self, body: Lingering, unread: Unread) -> RequestBody {
        let received = self.received_bytes.clone();
        RequestBody::new(body, self.config.idle_timeout, received, unread)
    }
}

fn authenticator(config: &GatewayConfig, addressing: &Addressing) -> Authenticator {
    // Clients that never set a region sign for one of their own choice.
    let authenticator = Authenticator::new(config.region.clone(), true)
        .refusing_expires_by(config.signatures.expires_code);
    if config.signatures.takes_version_two {
        authenticator.taking_version_two(addressing.clone())
    } else {
        authenticator
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
