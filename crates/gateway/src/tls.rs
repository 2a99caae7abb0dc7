//! HTTPS: who this is, and which protocols are spoken.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The name of HTTP/2 among protocols.
const HTTP_2: &[u8] = b"h2";
/// The name of HTTP/1.1 among protocols.
const HTTP_1: &[u8] = b"http/1.1";

/// A certificate and its key, which can be exchanged while connections are accepted.
pub struct Tls {
    current: ArcSwap<Configs>,
}

/// A certificate and a key that are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate, or something that is none.
    #[error("the certificate is not PEM: {0}")]
    Certificate(String),
    /// There is no private key, or something that is none.
    #[error("the private key is not PEM: {0}")]
    Key(String),
    /// They do not belong together, or are of a kind that is not known.
    #[error("the certificate and the private key cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// Which protocols are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// HTTP/2 and HTTP/1.1.
    Both,
    /// HTTP/1.1.
    Http1,
}

/// What is known of a request whose connection is encrypted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secured;

struct Configs {
    both: Arc<ServerConfig>,
    http_1: Arc<ServerConfig>,
}

impl Tls {
    /// Reads a chain of certificates, the own one first, and its private key, both in PEM.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self {
            current: ArcSwap::from_pointee(Configs::new(certificate, key)?),
        })
    }

    /// Takes another certificate and key, for connections that are accepted from now on.
    ///
    /// # Errors
    /// What is wrong with them; then the old ones stay.
    pub fn exchange(&self, certificate: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.current
            .store(Arc::new(Configs::new(certificate, key)?));
        Ok(())
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept<S>(
        &self,
        stream: S,
        protocols: Protocols,
    ) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current.load();
        let config = match protocols {
            Protocols::Both => Arc::clone(&current.both),
            Protocols::Http1 => Arc::clone(&current.http_1),
        };
        drop(current);
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(***)")
    }
}

impl Configs {
    fn new(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| TlsError::Certificate(error.to_string()))?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
        let provider = Arc::new(ring::default_provider());
        let mut http_1 = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let mut both = http_1.clone();
        http_1.alpn_protocols = vec![HTTP_1.to_vec()];
        both.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Self {
            both: Arc::new(both),
            http_1: Arc::new(http_1),
        })
    }
}

/// Whether a client wants to speak HTTP/2.
pub(crate) fn speaks_http_2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}
